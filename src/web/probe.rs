//! `GET /probe?vendor=&check=`: a look right now, answered in the metric names of blackbox_exporter
//! (<https://github.com/prometheus/blackbox_exporter>, version 0.23), so that its dashboards and rules work unchanged.
//! It records nothing: history is made by the schedule alone.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::server::Site;
use crate::config::{Check, Config};
use crate::model::{Observation, Outcome, Phases, Timestamp};

/// Looks by this way at a time; whoever scrapes more at once waits.
const AT_ONCE: usize = 16;

/// The scraper hangs up at its own timeout: it is to get the answer before that.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

static PERMITS: Semaphore = Semaphore::const_new(AT_ONCE);

pub async fn probe(
    State(site): State<Arc<Site>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    RawQuery(asked): RawQuery,
) -> Response {
    let refuse = |status: StatusCode, text: String| (status, text).into_response();
    if !peer.ip().to_canonical().is_loopback() {
        return refuse(StatusCode::FORBIDDEN, "Looking on request is allowed from this machine only.\n".to_owned());
    }
    let foreign = |site: &axum::http::HeaderValue| site != "none" && site != "same-origin";
    if headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(foreign) {
        return refuse(StatusCode::FORBIDDEN, "Looking on request is not for other pages.\n".to_owned());
    }
    let asked = asked.unwrap_or_default();
    let given =
        |key: &str| url::form_urlencoded::parse(asked.as_bytes()).find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    let (Some(vendor), Some(check)) = (given("vendor"), given("check")) else {
        return refuse(StatusCode::BAD_REQUEST, "Write /probe?vendor=VENDOR&check=CHECK.\n".to_owned());
    };
    let config = site.config.load_full();
    let Some(check) = find(&config, &vendor, &check) else {
        return refuse(StatusCode::NOT_FOUND, "There is no such check.\n".to_owned());
    };
    if check.probe.mailbox().is_some() || check.probe.memory().is_some() {
        let text = format!("A check of kind {} cannot be looked at beside its schedule.\n", check.kind);
        return refuse(StatusCode::BAD_REQUEST, text);
    }
    let Ok(_permit) = PERMITS.acquire().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "vendord is stopping.\n".to_owned());
    };
    let timeout = scrape_timeout(&headers).map_or(check.terms.timeout, |scrape| scrape.min(check.terms.timeout));
    let observation = check.probe.run(timeout).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(check.kind, &observation)).into_response()
}

fn find<'c>(config: &'c Config, vendor: &str, check: &str) -> Option<&'c Check> {
    let vendor = config.vendors.iter().find(|known| known.id.as_str() == vendor)?;
    vendor.checks.iter().find(|known| &*known.id.name == check)
}

/// As Prometheus sends it.
fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get("x-prometheus-scrape-timeout-seconds")?.to_str().ok()?.parse().ok()?;
    let timeout = Duration::try_from_secs_f64(seconds).ok()?;
    Some(timeout.saturating_sub(ANSWER_WITHIN)).filter(|timeout| !timeout.is_zero())
}

/// What blackbox_exporter calls the phases of a kind, in our order; what it does not have is left out.
fn phases_of(kind: &str) -> (&'static str, [Option<&'static str>; 5]) {
    match kind {
        "dns" => ("probe_dns_duration_seconds", [Some("resolve"), Some("connect"), None, Some("request"), None]),
        "icmp" => ("probe_icmp_duration_seconds", [Some("resolve"), Some("setup"), None, Some("rtt"), None]),
        "grpc" => ("probe_grpc_duration_seconds", [Some("resolve"), Some("connect"), Some("tls"), Some("check"), None]),
        _ => ("probe_http_duration_seconds", Phases::NAMES.map(Some)),
    }
}

fn is_http(kind: &str) -> bool {
    matches!(kind, "http" | "scenario" | "domain" | "websocket")
}

fn render(kind: &str, observation: &Observation) -> String {
    let mut page = Page::default();
    let detail = &observation.detail;
    let works = matches!(observation.outcome, Outcome::Up | Outcome::Degraded);
    page.gauge("probe_success", "Displays whether or not the probe was a success", &[("", f64::from(works))]);
    page.gauge(
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
        &[("", observation.duration.as_secs_f64())],
    );
    let resolve = observation.phases.resolve.map_or(0.0, |micros| f64::from(micros) / 1e6);
    page.gauge("probe_dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", &[("", resolve)]);
    if let Some(address) = detail.last_hop().and_then(|hop| hop.address) {
        let version = if address.is_ipv4() { 4.0 } else { 6.0 };
        page.gauge("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", &[("", version)]);
        page.gauge(
            "probe_ip_addr_hash",
            "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
            &[("", f64::from(hash(address.ip())))],
        );
    }
    if is_http(kind) || matches!(kind, "dns" | "icmp" | "grpc") {
        let (name, words) = phases_of(kind);
        let named = words.into_iter().zip(observation.phases.values()).filter_map(|(word, micros)| Some((word?, micros)));
        let values: Vec<(String, f64)> =
            named.map(|(word, micros)| (format!("phase=\"{word}\""), micros.map_or(0.0, |micros| f64::from(micros) / 1e6))).collect();
        let values: Vec<(&str, f64)> = values.iter().map(|(label, value)| (label.as_str(), *value)).collect();
        page.gauge(name, "Duration of the request by phase, summed over all redirects", &values);
    }
    if is_http(kind) {
        page.gauge("probe_http_status_code", "Response HTTP status code", &[("", f64::from(detail.http_status.unwrap_or(0)))]);
        page.gauge("probe_http_redirects", "The number of redirects", &[("", detail.hops.len().saturating_sub(1) as f64)]);
        if let Some(version) = detail.last_hop().and_then(|hop| hop.http_version?.parse().ok()) {
            page.gauge("probe_http_version", "Returns the version of HTTP of the probe response", &[("", version)]);
        }
        let tls = detail.last_hop().is_some_and(|hop| hop.tls_version.is_some());
        page.gauge("probe_http_ssl", "Indicates if SSL was used for the final redirect", &[("", f64::from(tls))]);
    }
    if let Some(hop) = detail.last_hop()
        && let Some(chain) = &hop.chain
    {
        let seconds = |at: Timestamp| at.as_millis() as f64 / 1e3;
        let earliest = chain.certificates.iter().map(|one| one.not_after).min().unwrap_or(chain.not_after);
        page.gauge("probe_ssl_earliest_cert_expiry", "Returns last SSL chain expiry in unixtime", &[("", seconds(earliest))]);
        if chain.verified {
            page.gauge(
                "probe_ssl_last_chain_expiry_timestamp_seconds",
                "Returns last SSL chain expiry in timestamp",
                &[("", seconds(chain.not_after))],
            );
        }
        if let Some(leaf) = chain.leaf() {
            let label = format!("fingerprint_sha256=\"{}\"", leaf.fingerprint);
            page.gauge("probe_ssl_last_chain_info", "Contains SSL leaf certificate information", &[(&label, 1.0)]);
        }
        if let Some(version) = hop.tls_version {
            page.gauge(
                "probe_tls_version_info",
                "Returns the TLS version used or NaN when unknown",
                &[(&format!("version=\"TLS {version}\""), 1.0)],
            );
        }
    }
    let label = format!("outcome=\"{}\",reason=\"{}\"", observation.outcome.as_str(), observation.reason);
    page.gauge("vendord_probe_info", "What vendord makes of it; constant 1.", &[(&label, 1.0)]);
    page.0
}

/// FNV-1a, 32 bit, over the bytes of the address, as blackbox_exporter has it.
fn hash(ip: IpAddr) -> u32 {
    let fold = |bytes: &[u8]| bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    match ip.to_canonical() {
        IpAddr::V4(ip) => fold(&ip.octets()),
        IpAddr::V6(ip) => fold(&ip.octets()),
    }
}

/// The text format 0.0.4. Labels are ours and need no escaping.
#[derive(Default)]
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, values: &[(&str, f64)]) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = if labels.is_empty() { writeln!(self.0, "{name} {value}") } else { writeln!(self.0, "{name}{{{labels}}} {value}") };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a of `127.0.0.1`, computed independently.
    #[test]
    fn addresses_are_hashed_as_blackbox_does() {
        let by_hand = [127u64, 0, 0, 1].iter().fold(2_166_136_261_u64, |hash, byte| ((hash ^ byte) * 16_777_619) % (1 << 32));
        assert_eq!(u64::from(hash("127.0.0.1".parse().unwrap())), by_hand);
        assert_eq!(hash("::ffff:127.0.0.1".parse().unwrap()), hash("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn the_scraper_gets_its_answer_in_time() {
        let with = |text: &str| {
            scrape_timeout(
                &[(header::HeaderName::from_static("x-prometheus-scrape-timeout-seconds"), text.parse().unwrap())].into_iter().collect(),
            )
        };
        assert_eq!(with("10"), Some(Duration::from_millis(9500)));
        for odd in ["0.2", "-1", "x", "inf"] {
            assert_eq!(with(odd), None, "{odd}");
        }
    }
}
