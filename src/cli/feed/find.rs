//! The document that says what a page is: of a URL the first place that answers with one, else a file or stdin.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use crate::cli::Failure;
use crate::cli::once::until_interrupted;
use crate::cli::words::tame;
use crate::config::{StatusPage, Way};
use crate::feeds::{self, Document, Format, Kind, Unreadable};
use crate::fetch::{Ask, Fetch, FetchError, FetchErrorKind, Got, Reach, Validators, user_agent};
use crate::model::Page;

/// As the daemon reads: what is larger is refused there too.
const BODY_BYTES_MAX: usize = 10 << 20;
/// For one document, as `timeout` of a page.
const WITHIN: Duration = Duration::from_secs(15);

pub struct Found {
    pub page: Page,
    /// The address that was asked for, and the document that answered; of a file neither is known.
    pub address: Option<Address>,
    /// Whether the format is found out without being told.
    pub detected: bool,
    /// By what.
    pub evidence: Option<&'static str>,
    /// Where it was looked for before, and what came instead.
    pub tried: Vec<String>,
}

pub struct Address {
    pub asked: Url,
    /// Where the document came from, redirects followed.
    pub document: Url,
    /// The very address that was asked for answered with it, and no document below the page.
    pub itself: bool,
}

/// Why one document was of no use.
enum Why {
    NoAnswer(FetchError),
    Status(u16),
    /// And what to try instead.
    Unreadable {
        why: Unreadable,
        hint: String,
        /// Where the web page that came instead says that its documents are.
        elsewhere: Vec<Url>,
    },
}

/// A page as the daemon would find it by its configuration.
pub fn configured(page: &StatusPage) -> Result<Found, Failure> {
    let format = feeds::format(&page.format);
    until_interrupted(look_around(&page.url, format, &page.way, if page.allow_private { Reach::Private } else { Reach::Public }))?
}

pub fn find(source: &str, format: Option<&'static Format>) -> Result<Found, Failure> {
    if source == "-" {
        let bytes = read_all(std::io::stdin().lock()).map_err(|why| Failure::finding(format!("cannot read stdin: {why}")))?;
        return in_bytes("stdin", &bytes, format);
    }
    if Path::new(source).exists() {
        let read = File::open(source).map_err(|error| error.to_string()).and_then(read_all);
        let bytes = read.map_err(|why| Failure::finding(format!("cannot read {source}: {why}")))?;
        return in_bytes(source, &bytes, format);
    }
    match Url::parse(source) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => at(&url, format),
        Ok(url) if source.contains("://") => {
            Err(Failure::usage(format!("{source:?} is no http or https URL, but {}:", url.scheme())).hint("write the page's address"))
        }
        _ => {
            let hint = format!("the address of a page begins with https://, as https://{source}");
            Err(Failure::finding(format!("there is no file {source:?}")).hint(hint))
        }
    }
}

fn read_all(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > BODY_BYTES_MAX { Err(format!("it is larger than {} MiB", BODY_BYTES_MAX >> 20)) } else { Ok(bytes) }
}

fn in_bytes(what: &str, bytes: &[u8], format: Option<&'static Format>) -> Result<Found, Failure> {
    match read(&Document::new(None, None, bytes), format) {
        Ok((page, detected, evidence)) => Ok(Found { page, address: None, detected, evidence, tried: Vec::new() }),
        Err(why) => Err(unreadable(what, &why)),
    }
}

fn unreadable(what: &str, why: &Why) -> Failure {
    Failure::finding(format!("{what} cannot be read as a status page: {}", why.text())).hint(why.hint())
}

fn at(url: &Url, format: Option<&'static Format>) -> Result<Found, Failure> {
    // The address was typed by whoever reads the answer: a private one is meant.
    until_interrupted(look_around(url, format, &Way::default(), Reach::Private))?
}

/// Asks every place where the page may be found, until one answers with it.
async fn look_around(url: &Url, format: Option<&'static Format>, way: &Way, reach: Reach) -> Result<Found, Failure> {
    let fetch = Fetch::new(&user_agent(""));
    let mut tried: Vec<(Url, Why)> = Vec::new();
    let mut candidates: VecDeque<Url> = match way.mapping {
        Some(_) => [url.clone()].into(),
        None => feeds::candidates(url, format).into(),
    };
    // What a web page names may name others without end.
    while let Some(candidate) = candidates.pop_front().filter(|_| tried.len() < feeds::PLACES_MAX) {
        match ask(&fetch, url, &candidate, format, (way, reach)).await {
            Ok(found) => return Ok(Found { tried: lines(&tried), ..found }),
            Err(why) => {
                // Where a host does not answer at all, its other documents would only be waited for.
                if matches!(&why, Why::NoAnswer(error) if unreachable(error.kind)) {
                    candidates.retain(|other| other.host() != candidate.host());
                }
                if let Why::Unreadable { elsewhere, .. } = &why {
                    let news = |url: &&Url| !tried.iter().any(|(before, _)| before == *url) && **url != candidate;
                    elsewhere.iter().filter(news).rev().for_each(|url| candidates.push_front(url.clone()));
                }
                tried.push((candidate, why));
            }
        }
    }
    Err(failure(url, &tried))
}

const fn unreachable(kind: FetchErrorKind) -> bool {
    matches!(kind, FetchErrorKind::Timeout | FetchErrorKind::Network | FetchErrorKind::Tls)
}

async fn ask(
    fetch: &Fetch,
    asked: &Url,
    candidate: &Url,
    format: Option<&'static Format>,
    (way, reach): (&Way, Reach),
) -> Result<Found, Why> {
    let headers = if candidate.origin() == asked.origin() { way.headers.clone() } else { HeaderMap::new() };
    let got = get(fetch, candidate, &headers, reach).await?;
    let url = got.redirected.clone().unwrap_or_else(|| candidate.clone());
    let (page, detected, evidence) =
        read(&Document::new(Some(&url), got.content_type.as_deref(), &got.body).mapped(way.mapping.as_ref()), format)?;
    let page = completed(fetch, &url, page, &headers, reach).await?;
    Ok(Found {
        page,
        address: Some(Address { asked: asked.clone(), document: url.clone(), itself: asked == candidate }),
        detected,
        evidence,
        tried: Vec::new(),
    })
}

async fn get(fetch: &Fetch, url: &Url, headers: &HeaderMap, reach: Reach) -> Result<Got, Why> {
    let ask = Ask { url, headers, reach, within: WITHIN, validators: &Validators::default(), body_bytes_max: BODY_BYTES_MAX };
    let got = fetch.get(ask).await.map_err(Why::NoAnswer)?;
    if (200..300).contains(&got.status) { Ok(got) } else { Err(Why::Status(got.status)) }
}

/// With what the documents beside it say; one that is not there says nothing.
async fn completed(fetch: &Fetch, document: &Url, page: Page, headers: &HeaderMap, reach: Reach) -> Result<Page, Why> {
    let Some(format) = feeds::format(page.format).filter(|format| !format.beside.is_empty()) else { return Ok(page) };
    let address = feeds::page_address(document);
    let mut others = Vec::new();
    for url in format.beside.iter().filter_map(|name| feeds::place(&address, name)).filter(|url| url != document) {
        match get(fetch, &url, headers, reach).await {
            Ok(got) => others.push(read(&Document::new(Some(&url), got.content_type.as_deref(), &got.body), Some(format))?.0),
            Err(Why::Status(404 | 410)) => {}
            Err(why) => return Err(why),
        }
    }
    Ok(feeds::joined(page, others))
}

/// The page, whether its format would be found out without `format`, and by what.
fn read(document: &Document, format: Option<&'static Format>) -> Result<(Page, bool, Option<&'static str>), Why> {
    let evidence = feeds::detect(document).filter(|(found, _)| format.is_none_or(|wanted| wanted.name == found.name)).map(|(_, why)| why);
    match feeds::read(document, format) {
        Ok(page) => Ok((page, evidence.is_some(), evidence)),
        Err(why) => {
            let elsewhere = if matches!(why, Unreadable::Html { .. }) { feeds::hinted(document, format) } else { Vec::new() };
            Err(Why::Unreadable { hint: what_to_try(&why, document, format), why, elsewhere })
        }
    }
}

fn what_to_try(why: &Unreadable, document: &Document, format: Option<&'static Format>) -> String {
    let other = feeds::detect(document).map(|(found, _)| found.name).filter(|name| format.is_some_and(|format| format.name != *name));
    let names =
        || feeds::FORMATS.iter().map(|format| format.name).filter(|name| !feeds::generic::is_told(name)).collect::<Vec<_>>().join(", ");
    match (why, other) {
        (_, Some(other)) => format!("it looks like {other}: leave out --format"),
        (Unreadable::Html { .. }, _) => {
            "look for the page's feed (RSS or Atom), and give its address; or say where things are on it: `format = \"generic_html\"`"
                .to_owned()
        }
        (Unreadable::Empty, _) => "look at it with curl".to_owned(),
        (Unreadable::Unknown, _) => match document.kind() {
            Kind::Other => "give a status page, its JSON document or its feed".to_owned(),
            kind => {
                let told = if matches!(kind, Kind::Json) { "generic_json" } else { "generic_html" };
                format!(
                    "it is none of {}; if it is a page of no platform, say where things are: `format = {told:?}` with `map` below [[status_pages]]",
                    names()
                )
            }
        },
        (Unreadable::Shape { .. } | Unreadable::TooMany { .. }, _) => "another document of the page may do".to_owned(),
    }
}

impl Why {
    fn text(&self) -> String {
        match self {
            Why::NoAnswer(error) => error.message.clone(),
            Why::Status(status) => format!("it answered {status}"),
            Why::Unreadable { why, .. } => tame(&why.to_string()),
        }
    }

    /// The more, the more it says about what is wrong.
    fn telling(&self) -> u8 {
        match self {
            Why::Unreadable { why: Unreadable::Shape { .. } | Unreadable::TooMany { .. }, .. } => 4,
            Why::NoAnswer(_) => 3,
            Why::Unreadable { .. } => 2,
            Why::Status(401 | 403 | 429 | 500..) => 1,
            Why::Status(_) => 0,
        }
    }

    fn hint(&self) -> &str {
        match self {
            Why::NoAnswer(error) if unreachable(error.kind) => "is the address right, and the network up?",
            Why::NoAnswer(_) => "look at it with curl",
            Why::Status(401 | 403 | 429) => "the page refuses programs; its feed may be open to them",
            Why::Status(_) => "look for the page's feed (RSS or Atom), and give its address",
            Why::Unreadable { hint, .. } => hint,
        }
    }
}

fn lines(tried: &[(Url, Why)]) -> Vec<String> {
    tried.iter().map(|(url, why)| format!("  {url}: {}", why.text())).collect()
}

/// The reason that says most, and all that was tried.
fn failure(url: &Url, tried: &[(Url, Why)]) -> Failure {
    let Some((_, most)) = tried.iter().rev().max_by_key(|(_, why)| why.telling()) else {
        return Failure::finding(format!("{url} leads to no document"));
    };
    let lines = lines(tried);
    let details = if tried.len() > 1 { format!("Tried:\n{}", lines.join("\n")) } else { String::new() };
    Failure { details, ..unreadable(url.as_str(), most) }
}
