//! Gatus' `config.yaml`: endpoints and external endpoints. <https://github.com/TwiN/gatus#configuration>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use url::Url;

use super::Drafts;
use super::conditions::{carry, duration};
use super::draft::{Draft, Refusal, Written};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    endpoints: Vec<Endpoint>,
    /// As endpoints were called until 2022.
    services: Vec<Endpoint>,
    external_endpoints: Vec<External>,
    suites: Vec<Suite>,
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Endpoint {
    enabled: Option<bool>,
    name: String,
    group: Json,
    url: String,
    method: Option<String>,
    body: Option<String>,
    graphql: bool,
    headers: BTreeMap<String, Json>,
    interval: Option<Json>,
    conditions: Vec<String>,
    dns: Option<Dns>,
    client: Option<BTreeMap<String, Json>>,
    ssh: Option<Json>,
    #[serde(flatten)]
    others: BTreeMap<String, Json>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Dns {
    query_name: String,
    query_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct External {
    enabled: Option<bool>,
    name: String,
    group: Json,
    heartbeat: Heartbeat,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Heartbeat {
    interval: Option<Json>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Suite {
    name: String,
    group: Json,
}

/// How it looks for people, and whom it tells: nothing of a check.
const OF_NO_CHECK: [&str; 4] = ["alerts", "ui", "extra-labels", "store"];

pub fn read(text: &str) -> Result<Drafts, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let whole = error.to_string();
        // What stands in quotes is of the file, and may be secret.
        let said = whole.lines().next().unwrap_or_default().split('"').next().unwrap_or_default();
        format!("it is no configuration of Gatus: {}", said.trim_end())
    })?;
    let mut drafts = Drafts::default();
    for endpoint in file.endpoints.iter().chain(&file.services) {
        drafts.take(&group(&endpoint.group), &endpoint.name, draft(endpoint));
    }
    for external in &file.external_endpoints {
        drafts.take(&group(&external.group), &external.name, Ok(push(external)));
    }
    for suite in &file.suites {
        drafts.take(&group(&suite.group), &suite.name, Err("it is a suite: write a check of kind \"scenario\"".to_owned()));
    }
    let elsewhere = ["alerting", "maintenance", "announcements", "security", "remote"];
    drafts.not_read = elsewhere.into_iter().filter(|section| file.others.contains_key(*section)).map(str::to_owned).collect();
    Ok(drafts)
}

/// One, or since lately several inside each other.
fn group(group: &Json) -> String {
    match group {
        Json::String(one) => one.clone(),
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("-"),
        _ => String::new(),
    }
}

fn draft(endpoint: &Endpoint) -> Result<Draft, Refusal> {
    let mut draft = Draft::new(&group(&endpoint.group), &endpoint.name, kind(endpoint)?);
    target(&mut draft, endpoint)?;
    common(&mut draft, endpoint.interval.as_ref(), endpoint.enabled);
    endpoint.conditions.iter().for_each(|condition| carry(&mut draft, condition));
    // Without a condition they take any status; we would want 2xx.
    if draft.kind == "http" && !draft.expect.iter().any(|expression| expression.starts_with("status ")) {
        draft.expect.push("status >= 100".to_owned());
    }
    client(&mut draft, endpoint.client.as_ref());
    for name in endpoint.others.keys().filter(|name| !OF_NO_CHECK.contains(&name.as_str())) {
        draft.lose(format!("`{name}`"));
    }
    Ok(draft)
}

fn kind(endpoint: &Endpoint) -> Result<&'static str, Refusal> {
    if endpoint.dns.is_some() {
        return Ok("dns");
    }
    let scheme = endpoint.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    Ok(match scheme.as_str() {
        "http" | "https" => "http",
        "tcp" | "starttls" | "ssh" => "tcp",
        "udp" => "udp",
        "icmp" => "icmp",
        "tls" => "tls",
        "ws" | "wss" => "websocket",
        "grpc" | "grpcs" => "grpc",
        "" => return Err("its address does not say how it is asked".to_owned()),
        other => return Err(format!("there is no kind of check for {other}://")),
    })
}

fn target(draft: &mut Draft, endpoint: &Endpoint) -> Result<(), Refusal> {
    let (scheme, rest) = endpoint.url.split_once("://").unwrap_or(("", &endpoint.url));
    let rest = rest.trim_end_matches('/');
    match draft.kind {
        "http" => http(draft, endpoint)?,
        "websocket" => {
            draft.url(&endpoint.url)?;
            draft.headers(headers(endpoint));
            draft.body("send", endpoint.body.as_deref().unwrap_or_default());
        }
        "dns" => {
            let Dns { query_name, query_type } = endpoint.dns.clone().unwrap_or_default();
            draft.text("record_name", query_name.trim_end_matches('.'));
            draft.text("record_type", query_type.unwrap_or_else(|| "A".to_owned()).to_ascii_uppercase());
            if !rest.is_empty() {
                draft.text("server", rest);
            }
        }
        "icmp" => draft.text("address", rest.trim_start_matches('[').trim_end_matches(']')),
        _ => address(draft, scheme, rest)?,
    }
    if matches!(draft.kind, "tcp" | "udp") {
        draft.body("send", endpoint.body.as_deref().unwrap_or_default());
    }
    if scheme.eq_ignore_ascii_case("ssh") {
        draft.expect.push("body contains 'SSH-'".to_owned());
        if endpoint.ssh.is_some() {
            draft.lose("nobody logs in: only the connection and the greeting are looked at");
        }
    }
    Ok(())
}

fn address(draft: &mut Draft, scheme: &str, rest: &str) -> Result<(), Refusal> {
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "ssh" => Some(22),
        "tls" | "grpcs" => Some(443),
        _ => None,
    };
    let url = Url::parse(&format!("x://{rest}")).map_err(|error| format!("its address cannot be read: {error}"))?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| "its address has no host".to_owned())?;
    let port = url.port().or(usual).ok_or_else(|| "its address has no port".to_owned())?;
    draft.text("address", format!("{host}:{port}"));
    match scheme.to_ascii_lowercase().as_str() {
        "starttls" => draft.text("starttls", "smtp"),
        "grpc" => draft.set("tls", Written::Flag(false)),
        _ => {}
    }
    Ok(())
}

fn http(draft: &mut Draft, endpoint: &Endpoint) -> Result<(), Refusal> {
    draft.url(&endpoint.url)?;
    let body = endpoint.body.clone().unwrap_or_default();
    let method = endpoint.method.as_deref().unwrap_or("GET").to_ascii_uppercase();
    if method != "GET" {
        draft.text("method", method);
    }
    let mut headers = headers(endpoint);
    if endpoint.graphql {
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        draft.body("body", &serde_json::json!({ "query": body }).to_string());
    } else {
        draft.body("body", &body);
    }
    if ["[ENDPOINT_", "[RANDOM_STRING_"].iter().any(|placeholder| body.contains(placeholder)) {
        draft.lose("what is sent has placeholders, which are sent as they are");
    }
    draft.headers(headers);
    Ok(())
}

fn headers(endpoint: &Endpoint) -> Vec<(String, String)> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    endpoint.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn common(draft: &mut Draft, interval: Option<&Json>, enabled: Option<bool>) {
    let written = interval.and_then(|interval| match interval {
        Json::String(text) => duration(text),
        // A plain number is nanoseconds to Go.
        Json::Number(number) => number.as_u64().map(std::time::Duration::from_nanos),
        _ => None,
    });
    if let Some(interval) = written {
        draft.set("interval", Written::Duration(interval));
    }
    if enabled == Some(false) {
        draft.set("enabled", Written::Flag(false));
    }
}

fn client(draft: &mut Draft, client: Option<&BTreeMap<String, Json>>) {
    for (name, value) in client.into_iter().flatten() {
        match (name.as_str(), value) {
            ("insecure", Json::Bool(true)) => draft.lose("`client.insecure`: certificates are verified; name an authority with ca"),
            ("insecure", _) => {}
            ("ignore-redirect", Json::Bool(true)) if draft.kind == "http" => draft.set("redirects", Written::Flag(false)),
            ("ignore-redirect", Json::Bool(false)) => {}
            // It has to be shorter than the interval; the default is.
            ("timeout", Json::String(text)) => match duration(text) {
                Some(timeout) if draft.kind != "push" => draft.timeout(timeout),
                _ => draft.lose("`client.timeout`"),
            },
            (name, _) => draft.lose(format!("`client.{name}`")),
        }
    }
}

fn push(external: &External) -> Draft {
    let mut draft = Draft::new(&group(&external.group), &external.name, "push");
    let token = draft.secret("token");
    draft.set("token", token);
    common(&mut draft, external.heartbeat.interval.as_ref(), external.enabled);
    if external.heartbeat.interval.is_none() {
        draft.remarks.push("say how often it reports: interval, 60s where it is not written".to_owned());
    }
    draft.remarks.push("let it report to /push/VENDOR/CHECK".to_owned());
    draft
}
