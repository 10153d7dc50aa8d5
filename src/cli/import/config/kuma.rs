//! Uptime Kuma: its JSON backup, or the database itself. <https://github.com/louislam/uptime-kuma>
//!
//! Both say the same in words of their own (`retryInterval`, `retry_interval`), so that names are compared without case and
//! underscores.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;

use super::Drafts;
use super::conditions::literal;
use super::draft::{Draft, Refusal, Written};

/// One monitor, by squashed names.
pub struct Told(BTreeMap<String, Json>);

impl Told {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Json::as_str).unwrap_or_default().trim()
    }

    fn number(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_f64().map(|number| number.max(0.0) as u64)).or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// As SQLite and JSON write flags.
    fn on(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Json::Bool(flag) => Some(*flag),
            Json::Number(number) => Some(number.as_f64() != Some(0.0)),
            _ => None,
        }
    }

    fn id(&self) -> Option<u64> {
        self.number("id")
    }
}

/// The groups above a monitor, outermost first.
fn group(told: &Told, all: &[Told]) -> String {
    const DEPTH_MAX: usize = 10;
    let mut names = Vec::new();
    let mut parent = told.number("parent");
    while let Some(above) = parent.and_then(|id| all.iter().find(|one| one.id() == Some(id))).filter(|_| names.len() < DEPTH_MAX) {
        names.push(above.text("name"));
        parent = above.number("parent");
    }
    names.reverse();
    names.join("-")
}

pub fn read(text: &str) -> Result<Drafts, String> {
    let document: Json = serde_json::from_str(text).map_err(|error| format!("it is no backup of Uptime Kuma: {error}"))?;
    let list = document.get("monitorList").or(Some(&document));
    let monitors = match list {
        Some(Json::Array(list)) => list.iter().collect::<Vec<_>>(),
        Some(Json::Object(map)) if document.get("monitorList").is_some() => map.values().collect(),
        _ => return Err("it is no backup of Uptime Kuma: there is no monitorList".to_owned()),
    };
    let told = |monitor: &Json| monitor.as_object().map(|map| Told(map.iter().map(|(k, v)| (squashed(k), v.clone())).collect()));
    Ok(drafts(&monitors.into_iter().filter_map(told).collect::<Vec<_>>()))
}

/// The database, which nothing is written to.
pub fn read_database(path: &Path) -> Result<Drafts, String> {
    let unreadable = |error: rusqlite::Error| format!("it is no database of Uptime Kuma: {error}");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(unreadable)?;
    Ok(drafts(&monitors(&db).map_err(unreadable)?))
}

fn monitors(db: &Connection) -> rusqlite::Result<Vec<Told>> {
    let mut query = db.prepare("SELECT * FROM monitor ORDER BY id")?;
    let names: Vec<String> = query.column_names().map(squashed).collect();
    let mut rows = query.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let mut told = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            let value = match row.get_ref(at)? {
                ValueRef::Integer(number) => Json::from(number),
                ValueRef::Real(number) => Json::from(number),
                ValueRef::Text(text) => Json::from(String::from_utf8_lossy(text)),
                ValueRef::Null | ValueRef::Blob(_) => continue,
            };
            told.insert(name.clone(), value);
        }
        found.push(Told(told));
    }
    Ok(found)
}

fn squashed(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

fn drafts(all: &[Told]) -> Drafts {
    let mut drafts = Drafts::default();
    for told in all.iter().filter(|told| told.text("type") != "group") {
        let group = group(told, all);
        drafts.take(&group, told.text("name"), draft(told, &group));
    }
    drafts
}

fn draft(told: &Told, group: &str) -> Result<Draft, Refusal> {
    if told.on("upsidedown") == Some(true) {
        return Err("it is upside down: a check cannot hope for a failure".to_owned());
    }
    let kind = kind(told.text("type"))?;
    let mut draft = Draft::new(group, told.text("name"), kind);
    match kind {
        "http" => http(&mut draft, told)?,
        "websocket" => {
            draft.url(told.text("url"))?;
            draft.headers(headers(told));
        }
        "tcp" | "tls" => address(&mut draft, told)?,
        "icmp" => {
            draft.text("address", told.text("hostname"));
            if let Some(size) = told.number("packetsize").filter(|size| *size >= 8 && *size != 56) {
                draft.set("size", Written::Number(size));
            }
        }
        "dns" => dns(&mut draft, told),
        "grpc" => grpc(&mut draft, told)?,
        _ => {
            let token = draft.secret("token");
            draft.set("token", token);
            draft.remarks.push("let it report to /push/VENDOR/CHECK".to_owned());
        }
    }
    common(&mut draft, told);
    Ok(draft)
}

fn kind(theirs: &str) -> Result<&'static str, Refusal> {
    Ok(match theirs {
        "http" | "keyword" | "json-query" => "http",
        "port" | "smtp" => "tcp",
        "tls" => "tls",
        "ping" => "icmp",
        "dns" => "dns",
        "push" => "push",
        "grpc-keyword" => "grpc",
        "websocket-upgrade" => "websocket",
        "" => return Err("it has no type".to_owned()),
        other => return Err(format!("there is no kind of check for its type {other:?}")),
    })
}

fn address(draft: &mut Draft, told: &Told) -> Result<(), Refusal> {
    let (host, port) = (told.text("hostname"), told.number("port"));
    let port = port.filter(|_| !host.is_empty()).ok_or_else(|| "it has no host and port".to_owned())?;
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    draft.text("address", format!("{host}:{port}"));
    if told.text("type") == "smtp" {
        match told.text("smtpsecurity") {
            "starttls" => draft.text("starttls", "smtp"),
            "secure" => draft.kind = "tls",
            _ => draft.expect.push("body contains '220'".to_owned()),
        }
    }
    Ok(())
}

fn dns(draft: &mut Draft, told: &Told) {
    draft.text("record_name", told.text("hostname").trim_end_matches('.'));
    draft.text(
        "record_type",
        match told.text("dnsresolvetype") {
            "" => "A",
            kind => kind,
        },
    );
    let mut servers = told.text("dnsresolveserver").split(',').map(str::trim).filter(|server| !server.is_empty());
    if let Some(server) = servers.next() {
        let port = told.number("port").filter(|port| *port != 53).map(|port| format!(":{port}")).unwrap_or_default();
        draft.text("server", format!("{server}{port}"));
    }
    if servers.next().is_some() {
        draft.lose("only the first of its name servers is asked");
    }
}

fn grpc(draft: &mut Draft, told: &Told) -> Result<(), Refusal> {
    let asks_health = told.text("grpcservicename").ends_with("Health") && told.text("grpcmethod").eq_ignore_ascii_case("check");
    if !asks_health {
        return Err("it calls a method of its own; a check asks grpc.health.v1.Health".to_owned());
    }
    let address = told.text("grpcurl").split_once("://").map_or(told.text("grpcurl"), |(_, rest)| rest);
    draft.text("address", address);
    if told.on("grpcenabletls") != Some(true) {
        draft.set("tls", Written::Flag(false));
    }
    Ok(())
}

fn http(draft: &mut Draft, told: &Told) -> Result<(), Refusal> {
    draft.url(told.text("url"))?;
    let method = told.text("method").to_ascii_uppercase();
    if !matches!(method.as_str(), "" | "GET") {
        draft.text("method", method);
    }
    authenticate(draft, told);
    let body = told.text("body");
    let mut headers = headers(told);
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        let sent = if told.text("httpbodyencoding") == "xml" { "text/xml; charset=utf-8" } else { "application/json" };
        headers.push(("Content-Type".to_owned(), sent.to_owned()));
    }
    draft.body("body", body);
    draft.headers(headers);
    match told.number("maxredirects") {
        Some(0) => draft.set("redirects", Written::Flag(false)),
        Some(most @ 1..=20) => draft.set("follow_max", Written::Number(most)),
        Some(_) => draft.set("follow_max", Written::Number(20)),
        None => {}
    }
    statuses(draft, told);
    match told.text("type") {
        "keyword" if told.on("invertkeyword") == Some(true) => draft.lose("that its keyword is not there cannot be asked for"),
        "keyword" => draft.expect.push(format!("body contains {}", literal(told.text("keyword")))),
        "json-query" => json_query(draft, told),
        _ => {}
    }
    if told.number("proxyid").is_some() {
        draft.lose("its proxy: write proxy = \"..\"");
    }
    Ok(())
}

fn authenticate(draft: &mut Draft, told: &Told) {
    match told.text("authmethod") {
        "" | "null" | "basic" => {
            if !told.text("basicauthuser").is_empty() {
                draft.basic_auth(told.text("basicauthuser"));
            }
        }
        "oauth2-cc" => {
            let secret = draft.secret("client secret");
            let text = |name: &str| Written::Text(told.text(name).to_owned());
            let mut oauth2 = vec![
                ("token_url".to_owned(), text("oauthtokenurl")),
                ("client_id".to_owned(), text("oauthclientid")),
                ("client_secret".to_owned(), secret),
            ];
            let scopes: Vec<String> = told.text("oauthscopes").split_whitespace().map(str::to_owned).collect();
            if !scopes.is_empty() {
                oauth2.push(("scopes".to_owned(), Written::Texts(scopes)));
            }
            draft.set("auth", Written::Map(vec![("oauth2".to_owned(), Written::Map(oauth2))]));
        }
        "mtls" => draft.lose("its certificate: write auth = { mtls = { cert = \"..\", key = \"..\" } }"),
        other => draft.lose(format!("how it logs in ({other})")),
    }
}

/// A JSON object in a text.
fn headers(told: &Told) -> Vec<(String, String)> {
    let parsed: BTreeMap<String, Json> = serde_json::from_str(told.text("headers")).unwrap_or_default();
    let text = |value: Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    parsed.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// Single statuses and ranges: `["200-299", "401"]`.
fn statuses(draft: &mut Draft, told: &Told) {
    let listed = match told.0.get("acceptedstatuscodes") {
        Some(Json::Array(list)) => list.clone(),
        _ => serde_json::from_str(told.text("acceptedstatuscodesjson")).unwrap_or_default(),
    };
    let range = |text: &str| {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Some((from.trim().parse::<u64>().ok()?, to.trim().parse::<u64>().ok()?)).filter(|(from, to)| from <= to && *to <= 999)
    };
    let mut ranges: Vec<(u64, u64)> = listed.iter().filter_map(Json::as_str).filter_map(range).collect();
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut().filter(|(_, last)| from <= *last + 1) {
            Some((_, last)) => *last = to.max(*last),
            None => joined.push((from, to)),
        }
    }
    match joined.as_slice() {
        [] | [(200, 299)] => {}
        [(from, to)] if from != to => draft.expect.extend([format!("status >= {from}"), format!("status <= {to}")]),
        several => {
            let all: Vec<u64> = several.iter().flat_map(|(from, to)| *from..=*to).collect();
            draft.set("expect_status", Written::Numbers(all));
        }
    }
}

/// Their path is JSONata; a plain one is a JSONPath too.
fn json_query(draft: &mut Draft, told: &Told) {
    let (path, wanted) = (told.text("jsonpath"), told.text("expectedvalue"));
    let path = path.strip_prefix("$.").or(path.strip_prefix('$')).unwrap_or(path);
    let plain = !path.is_empty()
        && path.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_[]".contains(c)));
    let comparison = match told.text("jsonpathoperator") {
        "" => "==",
        known @ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "contains") => known,
        _ => "",
    };
    if !plain || comparison.is_empty() {
        draft.lose(format!("its query {:?}: write it as a JSONPath in expect", told.text("jsonpath")));
        return;
    }
    let number = wanted.parse::<f64>().is_ok_and(f64::is_finite) && comparison != "contains";
    let value = if number || matches!(wanted, "true" | "false") { wanted.to_owned() } else { literal(wanted) };
    draft.expect.push(format!("$.{path} {comparison} {value}"));
}

fn common(draft: &mut Draft, told: &Told) {
    let seconds = |name: &str| told.number(name).filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let interval = seconds("interval");
    if let Some(interval) = interval {
        draft.set("interval", Written::Duration(interval));
    }
    if draft.kind != "push" {
        if let Some(retry) = seconds("retryinterval").filter(|retry| interval.is_some_and(|interval| *retry < interval)) {
            draft.set("retry_interval", Written::Duration(retry));
        }
        if let Some(timeout) = seconds("timeout").filter(|timeout| interval.is_some_and(|interval| *timeout < interval)) {
            draft.set("timeout", Written::Duration(timeout));
        }
    }
    // They call it down when it failed once more than it is tried again.
    if let Some(retries) = told.number("maxretries") {
        draft.text("down_after", (retries + 1).min(100).to_string());
    }
    if told.on("active") == Some(false) {
        draft.set("enabled", Written::Flag(false));
    }
    if told.on("ignoretls") == Some(true) {
        draft.lose("certificates are verified; name an authority with ca");
    }
}
