//! One look at a status page: which document, what came, and what that means.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use url::Url;

use crate::clock;
use crate::config::Way;
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
/// A document that is not what it was is looked for elsewhere from this look on: what answers 404 for a minute has not moved,
/// and a feed says less than the document that it would stand in for.
const LOST_AFTER: u32 = 3;
/// A page that is read from another document than the best is looked for there again this often.
const BETTER_EVERY: Duration = Duration::from_secs(600);
/// Documents of an archive that are read at first sight; Statuspage has three months in each.
const ARCHIVE_DOCUMENTS_MAX: u32 = 40;
/// Of those, between two reads of the page itself: what happens now goes before what happened years ago.
const ARCHIVE_AT_ONCE: u32 = 8;
/// And no longer than this.
const ARCHIVE_WITHIN: Duration = Duration::from_secs(10);

/// Which page, and how to ask for it.
#[derive(Clone)]
pub struct Target {
    pub url: Url,
    /// As configured; `None`: found out.
    pub format: Option<&'static Format>,
    pub way: Arc<Way>,
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
    /// Where the web page that came instead says that the documents are.
    elsewhere: Vec<Url>,
}

impl Failed {
    fn new(reason: FailedReason, problem: impl Into<String>) -> Failed {
        Failed { reason, problem: problem.into(), now: None, elsewhere: Vec::new() }
    }
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
    /// Looks in a row at which the document was not what it had been.
    lost: u32,
    better_due: Option<Instant>,
    validators: Validators,
    /// Of the last body that was read.
    digest: Option<u64>,
    /// What that body said, where the page says more in other documents; and what those said.
    main: Option<Page>,
    beside: BTreeMap<&'static str, Beside>,
    /// What is not over by what we know.
    open: BTreeSet<String>,
    /// The last page, while something that was open is missing on it and the history has not told why.
    unexplained: Option<Arc<Page>>,
    /// Whether the past has yet to be taken in, and how many documents of the archive were.
    import: bool,
    archive_read: u32,
    last_live: Option<Arc<Page>>,
    history_due: Option<Instant>,
    history_validators: BTreeMap<String, Validators>,
    /// Of the history that was asked what became of something.
    explaining: BTreeMap<String, Validators>,
    /// How long a document of the history asked to stay away.
    pub retry_after: Option<Duration>,
}

/// A document that is read with the live one.
#[derive(Default)]
struct Beside {
    validators: Validators,
    digest: Option<u64>,
    /// `None`: the page does not have it.
    page: Option<Page>,
}

/// What the store knows of a page: where it was found, what is not over, whether its past has yet to be taken in.
pub type Remembered = (Option<(&'static Format, Url)>, BTreeSet<String>, bool);

impl Memory {
    pub fn remember(&mut self, (found, open, import): Remembered) {
        self.found = self.found.take().or(found);
        self.open.extend(open);
        if import {
            self.begin_import();
        }
    }

    fn begin_import(&mut self) {
        (self.import, self.archive_read, self.history_due) = (true, 0, None);
    }

    pub fn forget_validators(&mut self) {
        self.validators = Validators::default();
        self.digest = None;
        self.beside.clear();
    }

    /// Under another name it may be the page of somebody else, or ours again: what ended meanwhile only the history tells.
    fn note_name(&mut self, page: &Page) {
        if self.last_live.as_ref().is_some_and(|before| before.name != page.name) {
            self.history_due = None;
            self.history_validators.clear();
        }
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
        let mut history = Vec::new();
        if !self.import || self.archive_read == 0 {
            match asker.history(format, &page, &document, &mut self.history_validators, self.import).await {
                Ok(read) => history = read,
                Err(wait) => {
                    (self.history_due, self.retry_after) = (Some(now + PAST_RETRY), wait);
                    return None;
                }
            }
        }
        self.history_due = Some(now + HISTORY_EVERY);
        let mut past = false;
        if self.import {
            match asker.archive(format, &page, &mut self.archive_read, &mut history).await {
                Archive::Finished => (past, self.import) = (true, false),
                Archive::MoreLater => self.history_due = Some(now),
                Archive::Failed(wait) => (self.history_due, self.retry_after) = (Some(now + PAST_RETRY), wait),
            }
        }
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
    let answer = match answer {
        Ok(page) => asker.completed(memory, page).await,
        Err(failed) => Err(failed),
    };
    let looked = match answer {
        Ok(None) => match memory.unexplained.clone() {
            None => Looked::Unchanged,
            Some(page) => asker.explained(memory, page, false).await.unwrap_or(Looked::Unchanged),
        },
        Ok(Some(page)) => {
            let page = Arc::new(page);
            memory.note_name(&page);
            memory.last_live = Some(page.clone());
            asker.explained(memory, page, true).await.unwrap_or(Looked::Unchanged)
        }
        Err(failed) => {
            memory.forget_validators();
            Looked::Failed(Arc::new(failed))
        }
    };
    Look { looked, fresh_for: hints.0, retry_after: hints.1 }
}

/// How far an archive was read.
enum Archive {
    Finished,
    MoreLater,
    /// With how long it asked to stay away. What was read before stays read.
    Failed(Option<Duration>),
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
        // What the configuration says goes to the host that it names, and to no other that a format or a web page leads to.
        let headers = if url.origin() == self.target.url.origin() { self.target.way.headers.clone() } else { HeaderMap::new() };
        self.fetch.get(Ask { url, headers: &headers, reach, within: timeout, validators, body_bytes_max: BODY_BYTES_MAX }).await
    }

    /// The live page with what the documents beside it say; `None`: nothing has changed.
    async fn completed(&self, memory: &mut Memory, page: Option<Page>) -> Result<Option<Page>, Failed> {
        let Some((format, document)) = memory.found.clone().filter(|(format, _)| !format.beside.is_empty()) else {
            return Ok(page);
        };
        let mut news = page.is_some();
        memory.main = page.or(memory.main.take());
        let address = feeds::page_address(&document);
        for (name, url) in format.beside.iter().filter_map(|name| Some((*name, feeds::place(&address, name)?))) {
            if url != document {
                news |= self.beside(memory.beside.entry(name).or_default(), format, &url).await?;
            }
        }
        let Some(main) = memory.main.clone().filter(|_| news) else { return Ok(None) };
        Ok(Some(feeds::joined(main, memory.beside.values().filter_map(|beside| beside.page.clone()))))
    }

    /// Whether it says something new. What cannot be read makes the whole page unreadable: half of it would be taken for good.
    async fn beside(&self, known: &mut Beside, format: &'static Format, url: &Url) -> Result<bool, Failed> {
        let got = self.get(url, &known.validators).await.map_err(|error| unreachable(&error))?;
        if matches!(got.status, 404 | 410) {
            return Ok(std::mem::take(known).page.is_some());
        }
        let digest = digest(&got.body);
        if (got.status == 304 && known.page.is_some()) || (got.status == 200 && known.digest == Some(digest)) {
            return Ok(false);
        }
        usable(&got)?;
        let page = self.parse(url, &got, Some(format)).await?;
        *known = Beside { validators: got.validators, digest: Some(digest), page: Some(page) };
        Ok(true)
    }

    /// The live page; `None`: it has not changed.
    async fn live(&self, memory: &mut Memory) -> (Result<Option<Page>, Failed>, Hints) {
        let Some((format, document)) = memory.found.clone() else {
            return self.find(memory, None).await;
        };
        if memory.better_due.is_none_or(|due| due <= clock::instant()) {
            memory.better_due = Some(clock::instant() + BETTER_EVERY);
            if self.is_second_best(format, &document)
                && let (Ok(page), hints) = self.find(memory, None).await
            {
                return (Ok(page), hints);
            }
        }
        let got = match self.get(&document, &memory.validators).await {
            Ok(got) => got,
            Err(error) => return (Err(unreachable(&error)), (None, None)),
        };
        let hints = (got.max_age, got.retry_after);
        // Unasked for, it says nothing.
        if got.status == 304 && memory.validators != Validators::default() {
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
                (memory.validators, memory.digest, memory.lost) = (got.validators, Some(digest), 0);
                (Ok(Some(page)), hints)
            }
            // Where a server is only down or busy there is nothing to find.
            Err(failed) if may_have_moved(&failed, got.status) => {
                memory.lost += 1;
                let only = (memory.lost < LOST_AFTER).then_some(document);
                match self.find(memory, only).await {
                    (Ok(page), hints) => (Ok(page), hints),
                    (Err(Failed { now, .. }), _) => (Err(Failed { now, ..failed }), hints),
                }
            }
            Err(failed) => (Err(failed), hints),
        }
    }

    /// Whether there may be a document that says more: of the same format, or instead of a feed.
    fn is_second_best(&self, format: &'static Format, document: &Url) -> bool {
        let among = (format.name != feeds::rss::FORMAT.name).then_some(format);
        feeds::candidates(&self.target.url, among).first().is_some_and(|best| best != document)
    }

    /// Looks for the page at every place where one of its format (or of any) could be, or at `only` one of them.
    async fn find(&self, memory: &mut Memory, only: Option<Url>) -> (Result<Option<Page>, Failed>, Hints) {
        let mut first: Option<(Failed, Hints)> = None;
        let mut now = None;
        let mut candidates: VecDeque<Url> = only.map_or_else(|| self.candidates(), |only| [only].into());
        let mut asked: Vec<Url> = Vec::new();
        while let Some(candidate) = candidates.pop_front() {
            if asked.contains(&candidate) || asked.len() == feeds::PLACES_MAX {
                continue;
            }
            asked.push(candidate.clone());
            let host = candidate.host_str().map(str::to_owned);
            let failed = match self.get(&candidate, &Validators::default()).await {
                Ok(got) => {
                    let hints = (got.max_age, got.retry_after);
                    match self.recognised(&candidate, &got).await {
                        Ok((format, page)) if self.target.format.is_none_or(|wanted| wanted.name == format.name) => {
                            (memory.validators, memory.digest) = (got.validators.clone(), Some(digest(&got.body)));
                            // On another engine the past has other ids: it is taken in once more, and recognised.
                            if memory.found.as_ref().is_some_and(|(before, _)| before.name != format.name) {
                                memory.begin_import();
                            }
                            if memory.found.as_ref().is_some_and(|(_, before)| *before != candidate) {
                                memory.beside.clear();
                            }
                            memory.found = Some((format, candidate));
                            memory.lost = 0;
                            return (Ok(Some(page)), hints);
                        }
                        Ok((format, _)) => {
                            now.get_or_insert(format.name);
                            let wanted = self.target.format.map_or("", |f| f.name);
                            let problem = format!("it is a {} page, and the configuration says format = {wanted:?}", format.name);
                            (Failed::new(FailedReason::NotAPage, problem), hints)
                        }
                        Err(mut failed) => {
                            failed.elsewhere.drain(..).rev().for_each(|url| candidates.push_front(url));
                            (failed, hints)
                        }
                    }
                }
                Err(error) => (unreachable(&error), (None, None)),
            };
            // Nobody answers, or asks us to stay away: so it is for the other documents of that host.
            let asks_to_stay_away = failed.1.1.is_some();
            let hopeless = asks_to_stay_away
                || matches!(
                    failed.0.reason,
                    FailedReason::Timeout
                        | FailedReason::Network
                        | FailedReason::Tls
                        | FailedReason::AddressRefused
                        | FailedReason::RateLimited
                );
            first.get_or_insert(failed);
            if hopeless {
                candidates.retain(|other| other.host_str() != host.as_deref());
            }
        }
        match first {
            Some((failed, hints)) => (Err(Failed { now, ..failed }), hints),
            None => (Err(Failed { now, ..Failed::new(FailedReason::NotAPage, "there is nowhere to look") }), (None, None)),
        }
    }

    /// Where the page may be as configured, then where it may be as anything else: it is told what it has become.
    fn candidates(&self) -> VecDeque<Url> {
        if self.target.way.mapping.is_some() {
            return [self.target.url.clone()].into();
        }
        let as_configured = self.target.format.map(|format| feeds::candidates(&self.target.url, Some(format)));
        as_configured.into_iter().flatten().chain(feeds::candidates(&self.target.url, None)).collect()
    }

    async fn recognised(&self, url: &Url, got: &Got) -> Result<(&'static Format, Page), Failed> {
        usable(got)?;
        let page = self.parse(url, got, None).await?;
        let format = feeds::format(page.format).expect("a page bears the name of the format that read it");
        Ok((format, page))
    }

    async fn parse(&self, url: &Url, got: &Got, format: Option<&'static Format>) -> Result<Page, Failed> {
        let (url, content_type, body) = (url.clone(), got.content_type.clone(), got.body.clone());
        let (wanted, way) = (self.target.format, self.target.way.clone());
        let work = move || {
            let document = Document::new(Some(&url), content_type.as_deref(), &body).mapped(way.mapping.as_ref());
            feeds::read(&document, format).map_err(|error| {
                let elsewhere = if matches!(error, Unreadable::Html { .. }) { feeds::hinted(&document, wanted) } else { Vec::new() };
                Failed { elsewhere, ..Failed::new(FailedReason::NotAPage, error.to_string()) }
            })
        };
        if got.body.len() > READ_APART_BYTES {
            // A parser that panics is our bug, and no reason to stop reading this page for ever.
            let broke = |_| Err(Failed::new(FailedReason::NotAPage, "reading it broke off; that is a fault of vendord"));
            tokio::task::spawn_blocking(work).await.unwrap_or_else(broke)
        } else {
            work()
        }
    }

    /// The page with the history that tells what became of what it no longer lists. `None`: the page is no `news`, and the
    /// history still does not tell.
    async fn explained(&self, memory: &mut Memory, page: Arc<Page>, news: bool) -> Option<Looked> {
        let (format, document) = memory.found.clone()?;
        let listed: BTreeSet<&str> =
            page.incidents.iter().map(|i| i.id.as_str()).chain(page.maintenances.iter().map(|m| m.id.as_str())).collect();
        let missing: BTreeSet<String> = memory.open.iter().filter(|id| !listed.contains(id.as_str())).cloned().collect();
        let lists_open = page.carries.incidents == Listing::Open || page.carries.maintenances == Listing::Open;
        let (mut live, mut history, mut untold) = ((*page).clone(), Vec::new(), BTreeSet::new());
        if !missing.is_empty() && lists_open && !format.history.is_empty() {
            let asked = self.what_became(memory, format, &document, news).await;
            untold = match &asked {
                // A history that lags behind lists as open what the page no longer has.
                Some(read) => missing.into_iter().filter(|id| read.iter().any(|page| open_ids(page).any(|open| open == id))).collect(),
                None => missing,
            };
            if let Some(read) = asked {
                let carries = &mut live.carries;
                carries.incidents = without_history(carries.incidents, read.iter().map(|page| page.carries.incidents));
                carries.maintenances = without_history(carries.maintenances, read.iter().map(|page| page.carries.maintenances));
                history = read;
            }
        }
        memory.open = open_ids(&page).map(str::to_owned).chain(untold.iter().cloned()).collect();
        memory.unexplained = (!untold.is_empty()).then_some(page);
        if !news && memory.unexplained.is_some() && history.is_empty() {
            return None;
        }
        Some(Looked::Page(Arc::new(Fresh { live, history, document: document.to_string(), past: false })))
    }

    /// The whole history; `None` if it cannot be read, or is what it was when it was asked for the same page before.
    async fn what_became(&self, memory: &mut Memory, format: &'static Format, document: &Url, news: bool) -> Option<Vec<Page>> {
        let page = feeds::page_address(document);
        if !news {
            let changed = self.history(format, &page, document, &mut memory.explaining, false).await;
            if changed.map_err(|wait| memory.retry_after = wait).ok()?.is_empty() {
                return None;
            }
        }
        memory.explaining.clear();
        let history = self.history(format, &page, document, &mut memory.explaining, false).await;
        history.map_err(|wait| memory.retry_after = wait).ok()
    }

    /// Every document of the history that has something new, or with `all` every one. A document that the page
    /// does not have says nothing; one that cannot be read is an error, with how long it asked to stay away.
    async fn history(
        &self,
        format: &'static Format,
        page: &Url,
        live: &Url,
        validators: &mut BTreeMap<String, Validators>,
        all: bool,
    ) -> Result<Vec<Page>, Option<Duration>> {
        let mut pages = Vec::new();
        for path in format.history {
            let Some(url) = feeds::place(page, path).filter(|url| url != live) else { continue };
            let known = if all { Validators::default() } else { validators.get(*path).cloned().unwrap_or_default() };
            let got = self.get(&url, &known).await.map_err(|_| None)?;
            match got.status {
                304 | 404 | 410 => continue,
                200 => pages.push(self.parse(&url, &got, Some(format)).await.map_err(|_| None)?),
                _ => return Err(got.retry_after),
            }
            validators.insert((*path).to_owned(), got.validators);
        }
        Ok(pages)
    }

    /// The next documents of the archive, from the one after the `read`-th on.
    async fn archive(&self, format: &'static Format, page: &Url, read: &mut u32, pages: &mut Vec<Page>) -> Archive {
        let Some(archive) = format.archive else { return Archive::Finished };
        let (began, last) = (clock::instant(), ARCHIVE_DOCUMENTS_MAX.min(*read + ARCHIVE_AT_ONCE));
        while *read < last {
            if began.elapsed() > ARCHIVE_WITHIN {
                return Archive::MoreLater;
            }
            let Some(url) = feeds::place(page, &archive.replace("{}", &(*read + 1).to_string())) else { return Archive::Finished };
            let got = match self.get(&url, &Validators::default()).await {
                Ok(got) if got.status == 429 || got.status >= 500 => return Archive::Failed(got.retry_after),
                Ok(got) => got,
                Err(_) => return Archive::Failed(None),
            };
            // What nobody promised may be missing, or be another thing.
            match self.parse(&url, &got, Some(format)).await {
                Ok(page) if !page.incidents.is_empty() || !page.maintenances.is_empty() => pages.push(page),
                _ => return Archive::Finished,
            }
            *read += 1;
        }
        if *read < ARCHIVE_DOCUMENTS_MAX { Archive::MoreLater } else { Archive::Finished }
    }
}

/// What a page lists of a kind of which its history has nothing: there, what is gone is over.
fn without_history(listing: Listing, mut history: impl Iterator<Item = Listing>) -> Listing {
    let unasked = listing == Listing::Open && history.all(|listing| listing == Listing::Absent);
    if unasked { Listing::OpenOnly } else { listing }
}

/// Of what is not over, of either kind.
fn open_ids(page: &Page) -> impl Iterator<Item = &str> {
    let incidents = page.incidents.iter().filter(|i| i.is_open()).map(|i| i.id.as_str());
    incidents.chain(page.maintenances.iter().filter(|m| !m.is_over()).map(|m| m.id.as_str()))
}

fn may_have_moved(failed: &Failed, status: u16) -> bool {
    failed.reason == FailedReason::NotAPage || matches!(status, 301..=308 | 404 | 410)
}

fn usable(got: &Got) -> Result<(), Failed> {
    let failed = |reason, problem| Err(Failed::new(reason, problem));
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
    Failed::new(reason, error.message.clone())
}

fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
