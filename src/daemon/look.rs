//! One look at a status page: which document, what came, and what that means.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use crate::clock;
use crate::feeds::{self, Document, Format, Unreadable};
use crate::fetch::{Ask, Fetch, FetchError, FetchErrorKind, Got, Reach, Validators};
use crate::model::Page;
use crate::model::page::Listing;

/// Of one document, unpacked.
pub const BODY_BYTES_MAX: usize = 10 << 20;
/// Larger bodies are read on a thread of their own, so that nothing else waits.
const READ_APART_BYTES: usize = 64 << 10;
/// What was said of the past is looked at again this often: edits after the end, and what was taken back.
const HISTORY_EVERY: Duration = Duration::from_secs(3600);
/// A past that could not be read is tried again after this.
const PAST_RETRY: Duration = Duration::from_secs(600);
/// Documents of an archive that are read at first sight; Statuspage has three months in each.
const ARCHIVE_DOCUMENTS_MAX: usize = 40;

/// Which page, and how to ask for it.
#[derive(Clone)]
pub struct Target {
    pub url: Url,
    /// As configured; `None`: found out.
    pub format: Option<&'static Format>,
    pub reach: Reach,
    pub timeout: Duration,
}

/// What a look brought.
#[derive(Clone, Debug)]
pub enum Looked {
    /// What was said before still holds.
    Unchanged,
    Page(Arc<Fresh>),
    Failed(Arc<Failed>),
}

/// A page that was read.
#[derive(Debug)]
pub struct Fresh {
    pub live: Page,
    pub history: Vec<Page>,
    pub document: String,
    /// This is the past that the page offers, all of it.
    pub past: bool,
}

#[derive(Debug)]
pub struct Failed {
    pub reason: FailedReason,
    /// For people.
    pub problem: String,
    /// What the page is now, where a format is configured that it no longer has.
    pub now: Option<&'static str>,
}

/// Word of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedReason {
    Timeout,
    Network,
    Tls,
    AddressRefused,
    RateLimited,
    HttpStatus,
    BodyUnusable,
    NotAPage,
}

impl FailedReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            FailedReason::Timeout => "timeout",
            FailedReason::Network => "network",
            FailedReason::Tls => "tls",
            FailedReason::AddressRefused => "address_refused",
            FailedReason::RateLimited => "rate_limited",
            FailedReason::HttpStatus => "http_status",
            FailedReason::BodyUnusable => "body_unusable",
            FailedReason::NotAPage => "not_a_page",
        }
    }
}

/// A look, with what was asked of us.
pub struct Look {
    pub looked: Looked,
    pub fresh_for: Option<Duration>,
    pub retry_after: Option<Duration>,
}

/// What is remembered of a page from look to look.
#[derive(Default)]
pub struct Memory {
    found: Option<(&'static Format, Url)>,
    validators: Validators,
    /// Of the last body that was read.
    digest: Option<u64>,
    /// What is not over by what we know.
    open: BTreeSet<String>,
    /// The last page, while something that was open is missing on it and the history has not told why.
    unexplained: Option<Arc<Page>>,
    import: bool,
    last_live: Option<Arc<Page>>,
    history_due: Option<Instant>,
    history_validators: BTreeMap<String, Validators>,
}

/// What the store knows of a page: where it was found, what is not over, whether its past has yet to be taken in.
pub type Remembered = (Option<(&'static Format, Url)>, BTreeSet<String>, bool);

impl Memory {
    pub fn remember(&mut self, (found, open, import): Remembered) {
        self.found = self.found.take().or(found);
        self.open.extend(open);
        self.import |= import;
    }

    pub fn forget_validators(&mut self) {
        self.validators = Validators::default();
        self.digest = None;
    }

    /// What lies behind the page: the whole past at first sight, its newest part now and then.
    pub async fn past(&mut self, fetch: &Fetch, target: &Target) -> Option<Looked> {
        let now = clock::instant();
        let due = self.history_due.is_none_or(|due| due <= now);
        let (format, document) = self.found.clone()?;
        let live = self.last_live.clone()?;
        if !due || (format.history.is_empty() && !self.import) {
            return None;
        }
        let asker = Asker { fetch, target };
        let page = feeds::page_address(&document);
        let history = asker.history(format, &page, &document, &mut self.history_validators, self.import).await;
        self.history_due = Some(now + if history.is_ok() { HISTORY_EVERY } else { PAST_RETRY });
        let history = history.ok()?;
        let past = std::mem::take(&mut self.import);
        if history.is_empty() && !past {
            return None;
        }
        Some(Looked::Page(Arc::new(Fresh { live: (*live).clone(), history, document: document.to_string(), past })))
    }
}

/// Asks for the page as it is now.
pub async fn look(fetch: &Fetch, target: &Target, memory: &mut Memory) -> Look {
    let asker = Asker { fetch, target };
    let (answer, hints) = asker.live(memory).await;
    let looked = match answer {
        Ok(None) => match memory.unexplained.clone() {
            None => Looked::Unchanged,
            Some(page) => asker.explained(memory, page).await.unwrap_or(Looked::Unchanged),
        },
        Ok(Some(page)) => {
            let page = Arc::new(page);
            memory.last_live = Some(page.clone());
            asker.explained(memory, page).await.unwrap_or(Looked::Unchanged)
        }
        Err(failed) => {
            memory.forget_validators();
            Looked::Failed(Arc::new(failed))
        }
    };
    Look { looked, fresh_for: hints.0, retry_after: hints.1 }
}

/// How long the answer is fresh, and how long it asked to stay away.
type Hints = (Option<Duration>, Option<Duration>);

struct Asker<'a> {
    fetch: &'a Fetch,
    target: &'a Target,
}

impl Asker<'_> {
    async fn get(&self, url: &Url, validators: &Validators) -> Result<Got, FetchError> {
        let Target { reach, timeout, .. } = *self.target;
        self.fetch.get(Ask { url, reach, within: timeout, validators, body_bytes_max: BODY_BYTES_MAX }).await
    }

    /// The live page; `None`: it has not changed.
    async fn live(&self, memory: &mut Memory) -> (Result<Option<Page>, Failed>, Hints) {
        let Some((format, document)) = memory.found.clone() else {
            return self.find(memory).await;
        };
        let got = match self.get(&document, &memory.validators).await {
            Ok(got) => got,
            Err(error) => return (Err(unreachable(&error)), (None, None)),
        };
        let hints = (got.max_age, got.retry_after);
        if got.status == 304 {
            return (Ok(None), hints);
        }
        let digest = digest(&got.body);
        if got.status == 200 && memory.digest == Some(digest) {
            memory.validators = got.validators;
            return (Ok(None), hints);
        }
        let read = match usable(&got) {
            Ok(()) => self.parse(&document, &got, Some(format)).await,
            Err(failed) => Err(failed),
        };
        match read {
            Ok(page) => {
                (memory.validators, memory.digest) = (got.validators, Some(digest));
                (Ok(Some(page)), hints)
            }
            // Where a server is only down or busy there is nothing to find.
            Err(failed) if may_have_moved(&failed, got.status) => match self.find(memory).await {
                (Ok(page), hints) => (Ok(page), hints),
                (Err(Failed { now, .. }), _) => (Err(Failed { now, ..failed }), hints),
            },
            Err(failed) => (Err(failed), hints),
        }
    }

    /// Looks for the page at every place where one of its format (or of any) could be.
    async fn find(&self, memory: &mut Memory) -> (Result<Option<Page>, Failed>, Hints) {
        let mut first: Option<(Failed, Hints)> = None;
        let mut now = None;
        for candidate in feeds::candidates(&self.target.url, None) {
            let failed = match self.get(&candidate, &Validators::default()).await {
                Ok(got) => {
                    let hints = (got.max_age, got.retry_after);
                    match self.recognised(&candidate, &got).await {
                        Ok((format, page)) if self.target.format.is_none_or(|wanted| wanted.name == format.name) => {
                            (memory.validators, memory.digest) = (got.validators.clone(), Some(digest(&got.body)));
                            // On another engine the past has other ids: it is taken in once more, and recognised.
                            memory.import |= memory.found.as_ref().is_some_and(|(before, _)| before.name != format.name);
                            memory.found = Some((format, candidate));
                            return (Ok(Some(page)), hints);
                        }
                        Ok((format, _)) => {
                            now.get_or_insert(format.name);
                            let wanted = self.target.format.map_or("", |f| f.name);
                            let problem = format!("it is a {} page, and the configuration says format = {wanted:?}", format.name);
                            (Failed { reason: FailedReason::NotAPage, problem, now: None }, hints)
                        }
                        Err(failed) => (failed, hints),
                    }
                }
                Err(error) => (unreachable(&error), (None, None)),
            };
            // Nobody answers: the other documents are on the same host.
            let hopeless = matches!(
                failed.0.reason,
                FailedReason::Timeout
                    | FailedReason::Network
                    | FailedReason::Tls
                    | FailedReason::AddressRefused
                    | FailedReason::RateLimited
            );
            first.get_or_insert(failed);
            if hopeless {
                break;
            }
        }
        match first {
            Some((failed, hints)) => (Err(Failed { now, ..failed }), hints),
            None => (Err(Failed { reason: FailedReason::NotAPage, problem: "there is nowhere to look".to_owned(), now }), (None, None)),
        }
    }

    async fn recognised(&self, url: &Url, got: &Got) -> Result<(&'static Format, Page), Failed> {
        usable(got)?;
        let page = self.parse(url, got, None).await?;
        let format = feeds::format(page.format).expect("a page bears the name of the format that read it");
        Ok((format, page))
    }

    async fn parse(&self, url: &Url, got: &Got, format: Option<&'static Format>) -> Result<Page, Failed> {
        let (url, content_type, body) = (url.clone(), got.content_type.clone(), got.body.clone());
        let work = move || feeds::read(&Document::new(Some(&url), content_type.as_deref(), &body), format);
        let read = if got.body.len() > READ_APART_BYTES {
            // A parser that panics is our bug, and no reason to stop reading this page for ever.
            tokio::task::spawn_blocking(work).await.unwrap_or(Err(Unreadable::Unknown))
        } else {
            work()
        };
        read.map_err(|error| Failed { reason: FailedReason::NotAPage, problem: error.to_string(), now: None })
    }

    /// The page with the history that tells what became of what it no longer lists; `None` if nothing can be said yet.
    async fn explained(&self, memory: &mut Memory, page: Arc<Page>) -> Option<Looked> {
        let (format, document) = memory.found.clone()?;
        let listed: BTreeSet<&str> =
            page.incidents.iter().map(|i| i.id.as_str()).chain(page.maintenances.iter().map(|m| m.id.as_str())).collect();
        let missing = memory.open.iter().any(|id| !listed.contains(id.as_str()));
        let lists_open = page.carries.incidents == Listing::Open || page.carries.maintenances == Listing::Open;
        let mut history = Vec::new();
        let again = memory.unexplained.take().is_some();
        if missing && lists_open && !format.history.is_empty() {
            let address = feeds::page_address(&document);
            match self.history(format, &address, &document, &mut BTreeMap::new(), false).await {
                Ok(read) => history = read,
                Err(_) => memory.unexplained = Some(page.clone()),
            }
        }
        if memory.unexplained.is_some() && again {
            return None;
        }
        let open = page.incidents.iter().filter(|i| i.is_open()).map(|i| i.id.clone());
        let open: BTreeSet<String> = open.chain(page.maintenances.iter().filter(|m| !m.is_over()).map(|m| m.id.clone())).collect();
        if memory.unexplained.is_some() {
            memory.open.extend(open)
        } else {
            memory.open = open
        }
        Some(Looked::Page(Arc::new(Fresh { live: (*page).clone(), history, document: document.to_string(), past: false })))
    }

    /// Every document of the history that has something new; with `all` the archive behind it too. A document that the page
    /// does not have says nothing; one that cannot be read is an error.
    async fn history(
        &self,
        format: &'static Format,
        page: &Url,
        live: &Url,
        validators: &mut BTreeMap<String, Validators>,
        all: bool,
    ) -> Result<Vec<Page>, ()> {
        let mut pages = Vec::new();
        for path in format.history {
            let url = feeds::below(page, path);
            if url == *live {
                continue;
            }
            let known = if all { Validators::default() } else { validators.get(*path).cloned().unwrap_or_default() };
            let got = self.get(&url, &known).await.map_err(drop)?;
            match got.status {
                304 | 404 | 410 => continue,
                200 => pages.push(self.parse(&url, &got, Some(format)).await.map_err(drop)?),
                _ => return Err(()),
            }
            validators.insert((*path).to_owned(), got.validators);
        }
        if let Some(archive) = format.archive.filter(|_| all) {
            for number in 1..=ARCHIVE_DOCUMENTS_MAX {
                let url = feeds::below(page, &archive.replace("{}", &number.to_string()));
                let Ok(got) = self.get(&url, &Validators::default()).await else { break };
                // What nobody promised may be missing, or be another thing.
                let Ok(read) = self.parse(&url, &got, Some(format)).await else { break };
                if read.incidents.is_empty() && read.maintenances.is_empty() {
                    break;
                }
                pages.push(read);
            }
        }
        Ok(pages)
    }
}

fn may_have_moved(failed: &Failed, status: u16) -> bool {
    failed.reason == FailedReason::NotAPage || matches!(status, 301..=308 | 404 | 410)
}

fn usable(got: &Got) -> Result<(), Failed> {
    let failed = |reason, problem| Err(Failed { reason, problem, now: None });
    match got.status {
        200..=299 => Ok(()),
        429 => failed(FailedReason::RateLimited, "answered 429: it asks us to stay away".to_owned()),
        status => failed(FailedReason::HttpStatus, format!("answered {status}")),
    }
}

fn unreachable(error: &FetchError) -> Failed {
    let reason = match error.kind {
        FetchErrorKind::Timeout => FailedReason::Timeout,
        FetchErrorKind::Network => FailedReason::Network,
        FetchErrorKind::Tls => FailedReason::Tls,
        FetchErrorKind::AddressRefused => FailedReason::AddressRefused,
        FetchErrorKind::Unusable => FailedReason::BodyUnusable,
    };
    Failed { reason, problem: error.message.clone(), now: None }
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
