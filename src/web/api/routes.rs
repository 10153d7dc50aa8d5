//! `GET /api/v1/..`: the JSON of the verb of the same name, its flags as parameters; lists also as CSV.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::words::{Since, read_duration, read_instant, read_since};
use super::{Refusal, alerts, config, endpoints, incidents, outages, status, to_json, uptime};
use crate::config::nearest;
use crate::declared::archive::Kind;
use crate::model::Timestamp;
use crate::store::Past;
use crate::web::server::Site;
use crate::web::visit::Query;
use crate::web::{reply, shelf};

/// Rows of one answer; the next ones are a link away.
const ROWS_MAX: usize = 1000;

pub fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/status", get(status_all))
        .route("/api/v1/vendors/{id}", get(status_one))
        .route("/api/v1/outages", get(outages_all))
        .route("/api/v1/outages/{id}", get(outages_one))
        .route("/api/v1/incidents", get(incidents_all))
        .route("/api/v1/incidents/{id}", get(incidents_one))
        .route("/api/v1/maintenance", get(maintenance_all))
        .route("/api/v1/maintenance/{id}", get(maintenance_one))
        .route("/api/v1/uptime", get(uptime_of))
        .route("/api/v1/alerts", get(alerts_all))
        .route("/api/v1/config", get(config_shown))
        .route("/api/v1/sd/endpoints", get(endpoints_all))
        .route("/api/{*rest}", get(nothing_here))
}

type Reply = Result<Response, Refusal>;

/// What is answered, and in which form.
enum Text {
    Json(String),
    Csv(String),
}

/// The parameters of a request; each must be one that is known there.
struct Given {
    query: Query,
    gzip: bool,
}

impl Given {
    fn of(request: &Request, known: &[&str]) -> Result<Given, Refusal> {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        for (name, _) in query.iter() {
            if !known.contains(&name) {
                let hint = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if known.is_empty() => "there is none here".to_owned(),
                    None => format!("known here: {}", known.join(", ")),
                };
                return Err(Refusal::asked(format!("there is no parameter {name:?}")).hint(hint));
            }
        }
        let gzip = reply::accepts(request.headers(), &header::ACCEPT_ENCODING, "gzip");
        Ok(Given { query, gzip })
    }

    fn text(&self, name: &str) -> Option<String> {
        self.query.get(name).map(str::to_owned)
    }

    /// `?open`, `?open=true`
    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.query.iter().find(|(key, _)| *key == name).map(|(_, value)| value) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(other) => Err(Refusal::asked(format!("{name} {other:?} is neither true nor false"))),
        }
    }

    fn read<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Refusal> {
        let read = |text: &str| read(text).map_err(|why| Refusal::asked(format!("{name} {text:?} cannot be read")).hint(why));
        self.query.get(name).map(read).transpose()
    }

    fn since(&self) -> Result<Option<Since>, Refusal> {
        self.read("since", read_since)
    }

    fn instant(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.read(name, read_instant)
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        self.read(name, |text| text.parse().map_err(|_| "write a whole number".to_owned()))
    }

    fn window(&self) -> Result<Option<Duration>, Refusal> {
        self.read("window", read_duration)
    }

    fn is_csv(&self) -> Result<bool, Refusal> {
        match self.query.get("format") {
            None | Some("json") => Ok(false),
            Some("csv") => Ok(true),
            Some(other) => Err(Refusal::asked(format!("there is no format {other:?}")).hint("known: json, csv")),
        }
    }

    /// From where on, and how many rows are asked for.
    fn cut(&self) -> Result<(usize, usize), Refusal> {
        Ok((self.number("offset")?.unwrap_or(0), self.number("limit")?.unwrap_or(ROWS_MAX).min(ROWS_MAX)))
    }

    fn reply(&self, text: Text) -> Response {
        let (kind, text) = match text {
            Text::Json(text) => ("application/json", text),
            Text::Csv(text) => ("text/csv; charset=utf-8", text),
        };
        reply::unkept(reply::text(StatusCode::OK, kind, text, self.gzip), "no-store")
    }

    /// As [`Given::reply`], with a link to what follows, if anything does.
    fn reply_with_next(&self, text: Text, next: Option<usize>) -> Response {
        let mut response = self.reply(text);
        let link = next.map(|next| format!("<{}>; rel=\"next\"", self.query.with("offset", &next.to_string())));
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// At most `limit` of `rows`, of which one more was read, and where the next begin.
fn cut<T>(rows: &mut Vec<T>, (offset, limit): (usize, usize)) -> Option<usize> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    more.then_some(offset + limit)
}

async fn status_all(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let given = Given::of(&request, &["vendor", "problems"])?;
    let asked = status::Asked { vendors: given.query.all("vendor").map(str::to_owned).collect(), problems: given.flag("problems")? };
    let text = shelf::with_past(&site, move |past| Ok(to_json(&status::status(past, &asked)?.0))).await?;
    Ok(given.reply(Text::Json(text)))
}

async fn status_one(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Reply {
    let given = Given::of(&request, &[])?;
    let asked = status::Asked { vendors: vec![id], problems: false };
    let text = shelf::with_past(&site, move |past| Ok(to_json(&status::status(past, &asked)?.0))).await?;
    Ok(given.reply(Text::Json(text)))
}

async fn outages_all(State(site): State<Arc<Site>>, request: Request) -> Reply {
    listed_outages(&site, Given::of(&request, &["id", "since", "open", "vendor", "offset", "limit", "format"])?, None).await
}

async fn outages_one(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Reply {
    listed_outages(&site, Given::of(&request, &["format"])?, Some(id)).await
}

async fn listed_outages(site: &Arc<Site>, given: Given, id: Option<String>) -> Reply {
    let (is_csv, since, slice) = (given.is_csv()?, given.since()?, given.cut()?);
    let (id, open, vendor) = (id.or(given.text("id")), given.flag("open")?, given.text("vendor"));
    let made = move |past: &Past| {
        let since = since.map(|since| since.at(past.now));
        let asked = outages::Asked { id, since, open, vendor, offset: slice.0, limit: Some(slice.1 + 1) };
        let mut rows = outages::chosen(past, &asked)?;
        let next = cut(&mut rows, slice);
        Ok((if is_csv { Text::Csv(outages::csv(past, &rows)) } else { Text::Json(outages::json(past, &rows, &asked)?) }, next))
    };
    let (text, next) = shelf::with_past(site, made).await?;
    Ok(given.reply_with_next(text, next))
}

const OF_INCIDENTS: &[&str] = &["id", "versions", "since", "open", "vendor", "all", "offset", "limit", "format"];

async fn incidents_all(State(site): State<Arc<Site>>, request: Request) -> Reply {
    listed_incidents(&site, Kind::Incident, Given::of(&request, OF_INCIDENTS)?, None).await
}

async fn incidents_one(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Reply {
    listed_incidents(&site, Kind::Incident, Given::of(&request, &["versions", "format"])?, Some(id)).await
}

async fn maintenance_all(State(site): State<Arc<Site>>, request: Request) -> Reply {
    listed_incidents(&site, Kind::Maintenance, Given::of(&request, OF_INCIDENTS)?, None).await
}

async fn maintenance_one(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Reply {
    listed_incidents(&site, Kind::Maintenance, Given::of(&request, &["versions", "format"])?, Some(id)).await
}

async fn listed_incidents(site: &Arc<Site>, kind: Kind, given: Given, id: Option<String>) -> Reply {
    let (is_csv, since, slice) = (given.is_csv()?, given.since()?, given.cut()?);
    let (id, vendor) = (id.or(given.text("id")), given.text("vendor"));
    let (versions, open, all) = (given.flag("versions")?, given.flag("open")?, given.flag("all")?);
    let made = move |past: &Past| {
        let since = since.map(|since| since.at(past.now));
        let asked = incidents::Asked { id, versions, since, open, vendor, all, offset: slice.0, limit: Some(slice.1 + 1) };
        let mut rows = incidents::chosen(past, kind, &asked)?;
        let next = cut(&mut rows, slice);
        Ok((if is_csv { Text::Csv(incidents::csv(kind, &rows)) } else { Text::Json(incidents::json(past, kind, &rows, &asked)?) }, next))
    };
    let (text, next) = shelf::with_past(site, made).await?;
    Ok(given.reply_with_next(text, next))
}

async fn uptime_of(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let given = Given::of(&request, &["vendor", "check", "window", "from", "to", "explain"])?;
    let vendor =
        given.text("vendor").ok_or_else(|| Refusal::asked("vendor is missing").hint("write ?vendor=VENDOR or ?vendor=VENDOR/CHECK"))?;
    let target = given.text("check").map_or(vendor.clone(), |check| format!("{vendor}/{check}"));
    let (window, from, to, explain) = (given.window()?, given.instant("from")?, given.instant("to")?, given.flag("explain")?);
    if window.is_some() && (from.is_some() || to.is_some()) {
        return Err(Refusal::asked("window and from or to exclude each other").hint("leave one of them out"));
    }
    let asked = uptime::Asked { target, window, from, to, explain };
    let text = shelf::with_past(&site, move |past| Ok(to_json(&uptime::find(past, &asked)?.answer()))).await?;
    Ok(given.reply(Text::Json(text)))
}

async fn alerts_all(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let given = Given::of(&request, &["firing", "since", "offset", "limit"])?;
    let (firing, since, slice) = (given.flag("firing")?, given.since()?, given.cut()?);
    let made = move |past: &Past| {
        let since = since.map(|since| since.at(past.now));
        let mut rows = alerts::chosen(past, &alerts::Asked { firing, since, offset: slice.0, limit: Some(slice.1 + 1) })?;
        let next = cut(&mut rows, slice);
        Ok((Text::Json(alerts::json(&rows)), next))
    };
    let (text, next) = shelf::with_past(&site, made).await?;
    Ok(given.reply_with_next(text, next))
}

async fn config_shown(State(site): State<Arc<Site>>, request: Request) -> Reply {
    let given = Given::of(&request, &[])?;
    Ok(given.reply(Text::Json(to_json(&config::shown(&site.config.load())))))
}

async fn endpoints_all(State(site): State<Arc<Site>>, headers: HeaderMap, request: Request) -> Reply {
    let given = Given::of(&request, &[])?;
    let text = to_json(&endpoints::endpoints(&site.config.load()));
    let tag = endpoints::tag(&text);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let mut response = reply::unkept(given.reply(Text::Json(text)), "no-cache");
    response.headers_mut().extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
    Ok(response)
}

async fn nothing_here(request: Request) -> Refusal {
    let known = "status, vendors/ID, outages, incidents, maintenance, uptime, alerts, config, sd/endpoints";
    Refusal::unknown(format!("there is nothing at {}", request.uri().path())).hint(format!("known below /api/v1/: {known}"))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = BTreeMap::from([("message", Some(self.message.clone())), ("where", None)]);
        error.insert("hint", self.hint.clone());
        let text = json!({ "error": error }).to_string() + "\n";
        reply::unkept(reply::text(self.status(), "application/json", text, false), "no-store")
    }
}
