//! `kind = "page"`: a page that lists something (sub-processors, terms) is fetched, made into rows and compared with what
//! it said before.
//!
//! - A change is news, not a failure: the run is `up` and says what changed. The new listing goes along with the
//!   observation, so that it is stored with it.
//! - What cannot be read ends the run; the last good listing stays. "Could not read" is never "all removed".
//!
//! ```text
//! html markdown data   bytes -> a listing; pure        cells   what is the same text
//! wall                 what is not the page             memory  what is believed
//! ```

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::CONTENT_TYPE;
use encoding_rs::{Encoding, UTF_8};
use scraper::Selector;
use serde_json_path::JsonPath;
use sha2::{Digest, Sha256};

use super::condition::{self, Expectations, Scope};
use super::failure::{Deadline, Failure, Trace};
use super::http::{self, Answer, Client, Request};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop, dial};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Listing, Observation, Outcome, PageVersion, Reason, Settings, Shape};

mod cells;
mod data;
mod html;
mod markdown;
mod memory;
#[cfg(test)]
mod tests;
mod wall;

pub use memory::Memory;

use memory::Judged;

pub(super) const KIND: Kind = Kind {
    name: "page",
    help: "what a legal or sub-processor page lists, and every change of it",
    keys: &[
        KEYS,
        http::REQUEST_KEYS,
        http::CLIENT_KEYS,
        dial::KEYS,
        dial::TLS_KEYS,
        dial::PROXY_KEYS,
        MORE_KEYS,
        condition::HTTP_KEYS,
        condition::KEYS,
    ],
    build,
};

/// Of one listing; more is a data set, not a page.
const ROWS_MAX: usize = 20_000;

const SCOPE: Scope<'static> = Scope::new("page", &["status", "latency", "body", "body_bytes", "header.NAME"]);

const PARSERS: &[&str] = &["text", "html_table", "markdown_table", "json", "csv"];

const KEYS: &[Key] = &[
    Key::new("parser", Shape::OneOf(PARSERS), "\"text\"", "what to make rows of: the lines of the main text, or the rows of a table"),
    Key::new(
        "select",
        Shape::Text,
        "",
        "which part: a CSS selector (text, html_table), part of the heading above the table (markdown_table), a JSONPath (json)",
    ),
    Key::new("interval", Shape::Duration, "\"24h\"", "time between two looks").alone(),
    Key::new("severity", Shape::OneOf(&["down", "degraded", "none"]), "\"none\"", "the worst state it can give its vendor").alone(),
];

const MORE_KEYS: &[Key] = &[Key::new(
    "auth_is_down",
    Shape::Flag,
    "false",
    "429, and 401, 403 and 407 to a request with credentials, count as down instead of unknown",
)];

/// What rows are made of, with what leads to them.
#[derive(Clone)]
enum Parser {
    Text(Option<Selector>),
    HtmlTable(Option<Selector>),
    MarkdownTable(Option<String>),
    Json(Option<JsonPath>),
    Csv,
}

impl Parser {
    fn of(settings: &Settings) -> Result<Parser, Fault> {
        let select = settings.text("select");
        let css = || {
            select.map(Selector::parse).transpose().map_err(|_| {
                let fault = Fault::new("select", "is not a CSS selector");
                fault.hint("write for example \"#subprocessors table\" or \"main .content\"")
            })
        };
        Ok(match settings.text("parser").unwrap_or_default() {
            "html_table" => Parser::HtmlTable(css()?),
            "markdown_table" => Parser::MarkdownTable(select.map(str::to_owned)),
            "json" => Parser::Json(select.map(JsonPath::parse).transpose().map_err(|error| {
                let fault = Fault::new("select", format!("is not a JSONPath: {error}"));
                fault.hint("write for example \"$.subprocessors[*]\"")
            })?),
            "csv" if select.is_some() => {
                let fault = Fault::new("select", "has no meaning for parser csv, which reads the whole document");
                return Err(fault.hint("leave it out"));
            }
            "csv" => Parser::Csv,
            _ => Parser::Text(css()?),
        })
    }

    /// The rows of `body`, or why it cannot be read.
    fn read(&self, body: &[u8], headers: &HeaderMap, is_over: impl Fn() -> bool) -> Result<Listing, String> {
        let text = decoded(body, headers);
        if text.trim().is_empty() {
            return Err("the page is empty".to_owned());
        }
        let is_html = is_html(&text);
        let reads_html = matches!(self, Parser::Text(_) | Parser::HtmlTable(_));
        let page = (is_html || matches!(self, Parser::HtmlTable(_))).then(|| html::parse(&text, &is_over)).transpose()?;
        if let Some(page) = &page {
            let wall = wall::before(headers, &text, &html::title(page), &html::whole_text(page));
            if let Some(what) = wall {
                return Err(what.to_owned());
            }
            if !reads_html {
                return Err("the answer is an HTML page, which this parser does not read".to_owned());
            }
        }
        let listing = match (self, &page) {
            (Parser::HtmlTable(select), Some(page)) => html::table(page, select.as_ref())?,
            (Parser::Text(select), Some(page)) => lines(html::lines(page, select.as_ref())?),
            (Parser::Text(Some(_)), None) => return Err("the answer is not HTML, and `select` is for HTML".to_owned()),
            (Parser::Text(None) | Parser::HtmlTable(_), None) => lines(text.lines().map(cells::folded)),
            (Parser::MarkdownTable(select), _) => markdown::table(&text, select.as_deref())?,
            (Parser::Json(select), _) => data::json(&text, select.as_ref())?,
            (Parser::Csv, _) => data::csv(&text)?,
        };
        match listing.rows.len() {
            0 => Err("there are no rows on the page".to_owned()),
            rows if rows > ROWS_MAX => Err(format!("the page has more than {ROWS_MAX} rows")),
            _ => Ok(listing),
        }
    }
}

/// A row for each line.
fn lines(lines: impl IntoIterator<Item = String>) -> Listing {
    let rows = lines.into_iter().filter(|line| !line.is_empty()).take(ROWS_MAX + 1).map(|line| vec![line]).collect();
    Listing { columns: Vec::new(), rows }
}

/// A document as browsers sniff it (MIME Sniffing 7.1), whatever its type says: raw files are sent as text/plain.
fn is_html(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(1000).collect::<String>().to_ascii_lowercase();
    ["<!doctype html", "<html", "<head", "<body", "<script", "<!--"].iter().any(|begin| start.starts_with(begin)) || start.contains("<html")
}

/// By its mark, its type, or what an HTML document says of itself (HTML 13.2.3.2); else UTF-8.
fn decoded(body: &[u8], headers: &HeaderMap) -> String {
    let of_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(charset);
    let start = String::from_utf8_lossy(&body[..body.len().min(1024)]).to_ascii_lowercase();
    let declared = || start.contains("<meta").then(|| charset(&start)).flatten();
    let (text, _, _) = of_type.or_else(declared).unwrap_or(UTF_8).decode(body);
    text.into_owned()
}

fn charset(text: &str) -> Option<&'static Encoding> {
    let at = text.to_ascii_lowercase().find("charset=")? + "charset=".len();
    let label = text[at..].trim_start_matches(['"', '\'']);
    Encoding::for_label(label.split(['"', '\'', ';', '>', ' ', '/']).next()?.as_bytes())
}

struct PageProbe {
    request: Request,
    host: String,
    client: Client,
    parser: Arc<Parser>,
    wanted: Expectations,
    manners: Manners,
    memory: Memory,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let request = Request::of(settings, &workshop.user_agent).map_err(|all| faults.extend(all));
    let client = Client::of(settings, request.as_ref().ok().map(Request::target), workshop).map_err(|all| faults.extend(all));
    let parser = Parser::of(settings).map_err(|fault| faults.push(fault));
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
    let (Ok(request), Ok(client), Ok(parser), Ok(wanted)) = (request, client, parser, wanted) else { return Err(faults) };
    Ok(Arc::new(PageProbe {
        host: client.host(request.target()),
        client,
        parser: Arc::new(parser),
        wanted,
        manners: Manners {
            sends_credentials: request.sends_credentials,
            auth_is_down: settings.on("auth_is_down"),
            is_http: true,
            said: "",
        },
        memory: Memory::new(source(settings), settings.duration("interval").copied().unwrap_or_default()),
        request,
    }))
}

/// What makes listings comparable, as a digest: an address may hold a secret.
fn source(settings: &Settings) -> String {
    let mut hash = Sha256::new();
    for key in ["url", "parser", "select"] {
        let text = settings.text(key).unwrap_or_default();
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Probe for PageProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            match self.client.ask(&self.request, true, deadline, &mut trace).await {
                Ok(answer) => self.judge(answer, deadline, trace).await,
                Err(failure) => trace.failed(failure, deadline.started.elapsed()),
            }
        })
    }

    fn memory(&self) -> Option<&Memory> {
        Some(&self.memory)
    }
}

impl PageProbe {
    async fn judge(&self, answer: Answer, deadline: Deadline, mut trace: Trace) -> Observation {
        let verdict = judge(&self.wanted, &answer.seen(&trace.hop), self.manners);
        let (latency, evidence) = (answer.latency, answer.evidence());
        trace.detail.expectations = verdict.expectations;
        if !matches!(verdict.outcome, Outcome::Up | Outcome::Degraded) {
            trace.detail.evidence = evidence;
            return trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message);
        }
        let said = match self.read(answer, deadline).await {
            Ok(listing) => self.compare(listing, &mut trace),
            Err(failure) => Err(failure),
        };
        match said {
            Ok(said) if verdict.outcome == Outcome::Up => trace.ended(verdict.outcome, verdict.reason, latency, &said),
            Ok(said) => {
                trace.detail.evidence = evidence;
                trace.ended(verdict.outcome, verdict.reason, latency, &format!("{}; {said}", verdict.message))
            }
            Err(failure) => {
                trace.detail.evidence = evidence;
                trace.failed(failure, latency)
            }
        }
    }

    /// On a thread that may block: a large document takes its time.
    async fn read(&self, answer: Answer, deadline: Deadline) -> Result<Listing, Failure> {
        let parser = self.parser.clone();
        let work = move || parser.read(&answer.body, &answer.headers, || deadline.left().is_zero());
        match tokio::task::spawn_blocking(work).await {
            Ok(read) => read.map_err(|why| Failure::new(Reason::Protocol, format!("could not be read: {why}"))),
            Err(_) => Err(Failure::new(Reason::Internal, "the parser panicked; this is a bug in vendord")),
        }
    }

    /// What is to be said of it, as `Err` where it is not believed. What is new goes along with the observation.
    fn compare(&self, listing: Listing, trace: &mut Trace) -> Result<String, Failure> {
        let rows = listing.rows.len();
        let kept = listing.clone();
        let (said, difference) = match self.memory.judge(listing, clock::instant()) {
            Judged::Same => return Ok(format!("{rows} rows, unchanged")),
            Judged::Doubted { had, sights } => {
                let message = format!("{rows} rows where there were {had}: not believed yet, seen {sights} of 3 times");
                return Err(Failure::new(Reason::Expectation, message));
            }
            Judged::First => (format!("{rows} rows, read for the first time"), None),
            Judged::Changed(difference) => (difference.told(), Some(difference)),
        };
        let source = self.memory.source().to_owned();
        trace.detail.version = Some(Box::new(PageVersion { source, listing: kept, difference }));
        Ok(said)
    }
}
