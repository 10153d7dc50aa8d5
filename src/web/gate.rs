//! Who may see pages and API, and the headers of every answer.
//!
//! Pages and API are for this machine: beyond it they need a token, and this version has none to give. Under a name that is
//! not ours nothing is answered, so that a page of somebody else cannot read them through a name that it lets lead here
//! (DNS rebinding). `/metrics` and `/-/*` are open wherever the daemon listens.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::server::Site;
use crate::config::Web;

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
];

/// On every answer, also of what is not there.
pub async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets through what may see pages and API.
pub async fn admit(State(site): State<Arc<Site>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let config = site.config.load();
    if !is_ours(&config.web, host_of(request.headers())) {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "This is vendord, but not under this name: add the name to [web] hosts, or set [web] external_url.\n",
        );
    }
    if !peer.ip().to_canonical().is_loopback() {
        return refuse(
            StatusCode::FORBIDDEN,
            "Pages and API need a token beyond this machine, and this version has no tokens yet: open them on the machine itself, \
             or through a tunnel (ssh -L 9978:localhost:9978). /metrics and /-/healthy are open.\n",
        );
    }
    next.run(request).await
}

fn refuse(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// What the client calls us, without the port.
fn host_of(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    match host.strip_prefix('[') {
        Some(inside) => inside.split(']').next(),
        None => host.split(':').next(),
    }
}

/// Whether a name is loopback, the address that is listened on, the one of `external_url`, or one of `hosts`.
fn is_ours(web: &Web, host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    if let Ok(address) = host.parse::<IpAddr>() {
        // Who listens everywhere is called by any address of the machine; a name cannot be made to look like one.
        let listens = |at: &SocketAddr| at.ip() == address || at.ip().is_unspecified();
        if address.to_canonical().is_loopback() || web.listen.iter().any(listens) {
            return true;
        }
    }
    let external = web.external_url.as_ref().and_then(|url| url.host_str()).map(|host| host.trim_matches(['[', ']']));
    let names = web.hosts.iter().map(String::as_str).chain(external).chain(["localhost"]);
    names.into_iter().any(|name| name.eq_ignore_ascii_case(host.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(text))])
    }

    #[test]
    fn only_our_names_are_answered() {
        let web = |listen: &str| Web {
            listen: vec![listen.parse().unwrap()],
            external_url: Some("https://vendors.example.org/x".parse().unwrap()),
            route_prefix: "/".to_owned(),
            allow_remote: true,
            lifecycle: false,
            hosts: vec!["watch.internal".to_owned()],
            timezone: "UTC".to_owned(),
        };
        for (listen, name, want) in [
            ("127.0.0.1:9978", "localhost:9978", true),
            ("127.0.0.1:9978", "LOCALHOST.", true),
            ("127.0.0.1:9978", "127.0.0.1", true),
            ("127.0.0.1:9978", "[::1]:9978", true),
            ("127.0.0.1:9978", "vendors.example.org", true),
            ("127.0.0.1:9978", "watch.internal:80", true),
            ("127.0.0.1:9978", "evil.example", false),
            ("127.0.0.1:9978", "127.0.0.1.evil.example", false),
            ("127.0.0.1:9978", "localhost.evil.example", false),
            ("127.0.0.1:9978", "10.0.0.5", false),
            ("10.0.0.5:9978", "10.0.0.5:9978", true),
            ("0.0.0.0:9978", "10.0.0.5:9978", true),
            ("0.0.0.0:9978", "evil.example:9978", false),
        ] {
            assert_eq!(is_ours(&web(listen), host_of(&host(name))), want, "{listen} {name}");
        }
        assert!(!is_ours(&web("127.0.0.1:9978"), host_of(&HeaderMap::new())));
    }
}
