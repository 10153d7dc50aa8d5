//! The pages: what they show is made here in words, so that templates decide nothing.

mod fleet;
mod incident;
mod incidents;
mod lists;
mod outage;
mod parts;
mod runbook;
mod vendor;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::api::Refusal;
use super::server::Site;
use super::visit::Visit;
use super::{api, assets, gate, reply};
use crate::clock;

/// Routes that need what `gate::admit` asks for.
pub fn routes(site: &Arc<Site>) -> Router<Arc<Site>> {
    Router::new()
        .route("/", get(fleet::fleet))
        .route("/vendors/{id}", get(vendor::vendor))
        .route("/incidents", get(incidents::incidents))
        .route("/incidents/{id}", get(incident::incident))
        .route("/outages/{id}", get(outage::outage))
        .route("/runbooks/{name}", get(runbook::runbook))
        .fallback(get(nothing_here))
        .layer(from_fn_with_state(site.clone(), keep_choices))
        .merge(api::routes())
        .layer(from_fn_with_state(site.clone(), gate::admit))
}

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Fleet,
    Incidents,
    Elsewhere,
}

/// What every page has around what it shows.
pub struct Frame {
    pub title: String,
    pub place: Place,
    pub root: String,
    pub theme: &'static str,
    pub theme_next: &'static str,
    pub theme_link: String,
    pub zone: String,
    pub style: &'static str,
    pub script: &'static str,
    pub icon: &'static str,
    pub version: &'static str,
    /// When the page was made, RFC 3339.
    pub made_at: String,
    pub made: String,
    /// Something is wrong with vendord itself.
    pub banner: Option<String>,
    /// Seconds after which a browser asks again by itself; 0: not.
    pub refresh: u32,
}

impl Frame {
    pub fn new(visit: &Visit, site: &Site, place: Place, title: impl Into<String>) -> Frame {
        let [style, script, icon] = assets::names();
        Frame {
            title: title.into(),
            place,
            root: visit.root.clone(),
            theme: visit.theme.as_str(),
            theme_next: visit.theme.next().as_str(),
            theme_link: visit.link("theme", visit.theme.next().as_str()),
            zone: visit.zone.name().to_owned(),
            style,
            script,
            icon,
            version: env!("CARGO_PKG_VERSION"),
            made_at: visit.now.to_string(),
            made: visit.zone.second(visit.now),
            banner: parts::standstill(site.board.committed_at(), visit.now),
            refresh: visit.query.get("refresh").and_then(|text| text.parse().ok()).filter(|seconds| *seconds >= 5).unwrap_or(0),
        }
    }

    pub fn is_in(&self, place: &str) -> bool {
        matches!((self.place, place), (Place::Fleet, "fleet") | (Place::Incidents, "incidents"))
    }
}

/// The visit of this request.
pub async fn visit_of(site: &Site, request: Request) -> Visit {
    let (parts, _) = request.into_parts();
    let gzip = reply::accepts(&parts.headers, &header::ACCEPT_ENCODING, "gzip");
    Visit::of(&parts, &site.config.load(), gzip, clock::now())
}

/// The chosen theme and zone go into cookies; the theme leaves the address again.
async fn keep_choices(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts, &site.config.load(), false, clock::now());
    let mut response = match HeaderValue::from_str(&visit.here()) {
        Ok(here) if visit.themed => (StatusCode::SEE_OTHER, [(header::LOCATION, here)]).into_response(),
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    for cookie in visit.cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A page as it is sent.
pub fn page(visit: &Visit, status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => reply::unkept(reply::text(status, "text/html; charset=utf-8", html, visit.gzip), "no-cache"),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be rendered.\n").into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "refused.html", whitespace = "minimize")]
struct Refused {
    frame: Frame,
    headline: &'static str,
    message: String,
    hint: Option<String>,
}

/// Why there is no page.
pub fn refused(visit: &Visit, site: &Site, refusal: &Refusal) -> Response {
    let headline = match refusal.status() {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::BAD_REQUEST => "This cannot be asked",
        _ => "Not now",
    };
    let (message, hint) = (sentence(&refusal.message), refusal.hint.as_deref().map(sentence));
    let template = Refused { frame: Frame::new(visit, site, Place::Elsewhere, headline), headline, message, hint };
    page(visit, refusal.status(), &template)
}

/// As a sentence of its own.
fn sentence(text: &str) -> String {
    let end = if text.ends_with(['?', '.', '!']) { "" } else { "." };
    parts::capital(text) + end
}

async fn nothing_here(State(site): State<Arc<Site>>, request: Request) -> Response {
    let visit = visit_of(&site, request).await;
    refused(&visit, &site, &Refusal::unknown("there is no such page").hint("the fleet is at the top"))
}

/// A link to elsewhere, which is followed only by https; everything else is shown as nothing.
pub fn safe_link(address: &str) -> Option<String> {
    let url = url::Url::parse(address).ok()?;
    (url.scheme() == "https" && url.has_host()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_https_alone() {
        for (address, want) in [
            ("https://status.example/a?b#c", Some("https://status.example/a?b#c")),
            ("http://status.example/", None),
            ("javascript:alert(1)", None),
            ("  jAvAsCrIpT:alert(1)", None),
            ("data:text/html,x", None),
            ("//status.example", None),
            ("https:", None),
            ("", None),
        ] {
            assert_eq!(safe_link(address).as_deref(), want, "{address}");
        }
    }

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("there is no vendor \"x\""), "There is no vendor \"x\".");
        assert_eq!(sentence("did you mean \"y\"?"), "Did you mean \"y\"?");
    }
}
