//! The reader: asks every status page when it is due, once for all vendors that use it, and hands what it says to the
//! recorder. Politely: conditional, spread, sooner while something is wrong, later where it fails or asks for it.
//!
//! A page that cannot be read is looked for at every known place, in every known format: vendors change engines and keep
//! the address. What came instead of a page is never taken for a page without incidents.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::inputs::Inputs;
use super::look::{Looked, Memory, Remembered, Target, look};
use crate::clock;
use crate::config::{Config, StatusPage, Way};
use crate::declared::pace::Pace;
use crate::feeds::{self, Format};
use crate::fetch::{Fetch, Reach, user_agent};
use crate::model::{SourceId, Timestamp};
use crate::telemetry::Telemetry;

/// Pages that are read at the same time.
const IN_FLIGHT_MAX: usize = 64;
/// Of those, on one host.
const PER_HOST_MAX: usize = 4;
/// First reads are spread over this, or over the interval if that is shorter.
const FIRST_READ_WITHIN: Duration = Duration::from_secs(60);
/// Pages with intervals from [`TOGETHER_FROM`] on are read at the same instants, so often: one wake-up for several costs a
/// machine that sleeps in between half of what one for each would.
const TOGETHER: Duration = Duration::from_secs(1);
const TOGETHER_FROM: Duration = Duration::from_secs(20);
/// Hints of the recorder are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A source that is to be read, with what the store remembers of it.
pub struct Subscription {
    pub source: SourceId,
    pub page: StatusPage,
    pub url: Url,
    /// Set by the recorder while something is wrong.
    pub hot: Arc<AtomicBool>,
    /// Format and document that were found before.
    pub found: Option<(&'static Format, Url)>,
    /// What is not over by what we know.
    pub open: BTreeSet<String>,
    /// Whether its past has yet to be taken in.
    pub import: bool,
}

/// What was read of a source.
pub struct Read {
    pub source: SourceId,
    /// The address that was asked for.
    pub page: Url,
    pub at: Timestamp,
    pub interval: Duration,
    pub looked: Looked,
}

/// Pages are read once for all that agree in this.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    page: String,
    format: String,
    private: bool,
    way: u64,
}

type Key = Arc<Identity>;

/// What is due, the earliest first. An entry whose instant is not that of its place any more is void.
type Queue = BinaryHeap<Reverse<(Instant, Key)>>;

struct Place {
    url: Url,
    format: Option<&'static Format>,
    way: Arc<Way>,
    reach: Reach,
    timeout: Duration,
    written: Option<Duration>,
    sources: Vec<(SourceId, Arc<AtomicBool>)>,
    /// Away while it is read.
    memory: Option<Memory>,
    /// Who came while it was away: found, open, import.
    late: Vec<Remembered>,
    /// When the last read began.
    began: Option<Instant>,
    first_due: Instant,
    /// From which instant on reads are put together.
    epoch: Instant,
    /// When it is read next.
    due: Instant,
    pace: Pace,
    reads: u64,
}

pub struct Reader {
    fetch: Fetch,
    places: BTreeMap<Key, Place>,
    queue: Queue,
    hosts: BTreeMap<String, Arc<Semaphore>>,
    global: Arc<Semaphore>,
    inputs: Inputs,
    telemetry: Telemetry,
    once: Option<(BTreeSet<Key>, oneshot::Sender<()>)>,
    /// When the hints of the recorder were looked at last.
    felt: Instant,
    epoch: Instant,
}

/// A read that ended.
struct Ended {
    key: Key,
    memory: Memory,
    failed: bool,
    fresh_for: Option<Duration>,
    retry_after: Option<Duration>,
}

impl Reader {
    pub fn new(config: &Config, inputs: Inputs, telemetry: Telemetry) -> Reader {
        Reader {
            fetch: Fetch::new(&user_agent(&config.agent.contact)),
            places: BTreeMap::new(),
            queue: Queue::new(),
            hosts: BTreeMap::new(),
            global: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            inputs,
            telemetry,
            once: None,
            felt: clock::instant(),
            epoch: clock::instant(),
        }
    }

    /// Reads everything once, now; `done` hears when that is over.
    pub fn once(&mut self, done: oneshot::Sender<()>) {
        for (key, place) in &mut self.places {
            place.first_due = clock::instant();
            place.plan(key, &mut self.queue);
        }
        if self.places.is_empty() {
            let _ = done.send(());
        } else {
            self.once = Some((self.places.keys().cloned().collect(), done));
        }
    }

    /// Replaces the set of pages; one that is asked already goes on where it was.
    pub fn replace(&mut self, subscriptions: Vec<Subscription>) {
        let mut old = std::mem::take(&mut self.places);
        for subscription in subscriptions {
            let key = key(&subscription);
            let place = self.places.entry(key.clone()).or_insert_with(|| place(&subscription, &key, old.remove(&key), self.epoch));
            place.subscribe(subscription);
        }
        for (key, place) in &mut self.places {
            place.settle(key, &mut self.queue);
        }
    }

    /// Runs until `stop`; reads that are in flight then leave nothing.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Vec<Subscription>>, stop: CancellationToken) {
        let (ended, mut endings) = mpsc::unbounded_channel();
        loop {
            let wait = self.start_due(&ended, &stop);
            tokio::select! {
                () = stop.cancelled() => return,
                Some(subscriptions) = commands.recv() => self.replace(subscriptions),
                Some(end) = endings.recv() => self.ended(end),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Starts every read that is due; returns how long nothing more is.
    fn start_due(&mut self, ended: &mpsc::UnboundedSender<Ended>, stop: &CancellationToken) -> Duration {
        let now = clock::instant();
        self.feel(now);
        while let Some(Reverse((due, key))) = self.queue.peek() {
            if *due > now {
                return LOOK_EVERY.min(*due - now);
            }
            let (due, key) = (*due, key.clone());
            self.queue.pop();
            let Some(place) = self.places.get_mut(&key).filter(|place| place.due == due) else { continue };
            // While it is being read it is planned again when that ended.
            let Some(memory) = place.memory.take() else { continue };
            place.began = Some(now);
            place.reads += 1;
            let host = self.hosts.entry(host_of(&place.url)).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST_MAX))).clone();
            let one = One {
                key: key.clone(),
                target: Target {
                    url: place.url.clone(),
                    format: place.format,
                    way: place.way.clone(),
                    reach: place.reach,
                    timeout: place.timeout,
                },
                sources: place.sources.iter().map(|(source, _)| source.clone()).collect(),
                interval: place.pace.interval(),
                fetch: self.fetch.clone(),
                inputs: self.inputs.clone(),
                telemetry: self.telemetry.clone(),
            };
            let (ended, stop, global) = (ended.clone(), stop.clone(), self.global.clone());
            tokio::spawn(async move {
                // Neither is ever closed.
                let _host = host.acquire().await;
                let _global = global.acquire().await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    end = one.read(memory) => drop(ended.send(end)),
                }
            });
        }
        LOOK_EVERY
    }

    /// A page of a vendor that just began to fail is due sooner.
    fn feel(&mut self, now: Instant) {
        if now.duration_since(self.felt) < LOOK_EVERY {
            return;
        }
        self.felt = now;
        for (key, place) in &mut self.places {
            let hot = place.sources.iter().any(|(_, hot)| hot.load(Ordering::Relaxed));
            if hot != place.pace.hot {
                place.pace.hot = hot;
                place.plan(key, &mut self.queue);
            }
        }
    }

    fn ended(&mut self, end: Ended) {
        // What was taken out while it was read is gone with what it learned.
        if let Some(place) = self.places.get_mut(&end.key) {
            place.pace.failures = if end.failed { place.pace.failures.saturating_add(1) } else { 0 };
            // Asked at the end of the read.
            let took = place.began.map_or(Duration::ZERO, |began| clock::instant().duration_since(began));
            place.pace.retry_after = end.retry_after.map(|wait| wait + took);
            place.pace.fresh_for = end.fresh_for;
            let memory = place.memory.get_or_insert(end.memory);
            if !place.late.is_empty() {
                place.late.drain(..).for_each(|late| memory.remember(late));
                memory.forget_validators();
            }
            place.plan(&end.key, &mut self.queue);
        }
        if let Some((left, _)) = &mut self.once {
            left.remove(&end.key);
            if left.is_empty()
                && let Some((_, done)) = self.once.take()
            {
                let _ = done.send(());
            }
        }
    }
}

fn key(s: &Subscription) -> Key {
    Arc::new(Identity {
        page: s.url.to_string(),
        format: s.page.format.clone(),
        private: s.page.allow_private,
        way: s.page.way.fingerprint,
    })
}

fn host_of(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn place(s: &Subscription, key: &Key, old: Option<Place>, epoch: Instant) -> Place {
    let reach = if s.page.allow_private { Reach::Private } else { Reach::Public };
    let interval = s.page.interval.unwrap_or(FIRST_READ_WITHIN).min(FIRST_READ_WITHIN);
    let first_due = clock::instant() + interval.mul_f64(fraction(key, 0));
    let fresh = Place {
        url: s.url.clone(),
        format: feeds::format(&s.page.format),
        way: s.page.way.clone(),
        reach,
        timeout: Duration::ZERO,
        written: None,
        sources: Vec::new(),
        memory: Some(Memory::default()),
        late: Vec::new(),
        began: None,
        first_due,
        epoch,
        due: first_due,
        pace: Pace::default(),
        reads: 0,
    };
    match old {
        Some(old) => Place { memory: old.memory, began: old.began, first_due: old.first_due, pace: old.pace, reads: old.reads, ..fresh },
        None => fresh,
    }
}

impl Place {
    fn subscribe(&mut self, s: Subscription) {
        self.timeout = self.timeout.max(s.page.timeout);
        self.written = self.written.into_iter().chain(s.page.interval).min();
        self.sources.push((s.source, s.hot));
        let remembered = (s.found, s.open, s.import);
        match &mut self.memory {
            Some(memory) => memory.remember(remembered),
            None => self.late.push(remembered),
        }
    }

    fn settle(&mut self, key: &Key, queue: &mut Queue) {
        self.pace.written = self.written;
        if let Some(memory) = &mut self.memory {
            // Somebody may not have seen what the last answer said.
            memory.forget_validators();
        }
        if self.began.is_none() {
            self.first_due = self.first_due.min(clock::instant() + self.pace.interval().min(FIRST_READ_WITHIN).mul_f64(fraction(key, 0)));
        }
        self.plan(key, queue);
    }

    fn plan(&mut self, key: &Key, queue: &mut Queue) {
        self.due = match self.began {
            None => self.first_due,
            Some(began) => {
                let wait = self.pace.wait(fraction(key, self.reads));
                if self.pace.interval() < TOGETHER_FROM { began + wait } else { together(self.epoch, began + wait) }
            }
        };
        queue.push(Reverse((self.due, key.clone())));
    }
}

/// The next instant after `due` at which several pages are read.
fn together(epoch: Instant, due: Instant) -> Instant {
    let since = due.saturating_duration_since(epoch);
    epoch + TOGETHER * (since.as_secs_f64() / TOGETHER.as_secs_f64()).ceil() as u32
}

/// Spreads reads without a generator; in 0..1.
fn fraction(key: &Key, n: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (&key.page, &key.format, n).hash(&mut hasher);
    (hasher.finish() >> 40) as f64 / (1u64 << 24) as f64
}

/// One read of one page.
struct One {
    key: Key,
    target: Target,
    sources: Vec<SourceId>,
    interval: Duration,
    fetch: Fetch,
    inputs: Inputs,
    telemetry: Telemetry,
}

impl One {
    async fn read(self, mut memory: Memory) -> Ended {
        let looked = look(&self.fetch, &self.target, &mut memory).await;
        let failed = matches!(looked.looked, Looked::Failed(_));
        self.tell(looked.looked);
        if !failed && let Some(past) = memory.past(&self.fetch, &self.target).await {
            self.tell(past);
        }
        let retry_after = looked.retry_after.max(memory.retry_after.take());
        Ended { key: self.key, memory, failed, fresh_for: looked.fresh_for, retry_after }
    }

    fn tell(&self, looked: Looked) {
        let at = clock::now();
        for source in &self.sources {
            let labels = [source.vendor.as_str(), &*source.name];
            self.telemetry.source_fetches.with_label_values(&labels).inc();
            match &looked {
                Looked::Unchanged => self.telemetry.source_not_modified.with_label_values(&labels).inc(),
                Looked::Page(_) => {}
                Looked::Failed(failed) => {
                    self.telemetry.source_failures.with_label_values(&[labels[0], labels[1], failed.reason.as_str()]).inc();
                }
            }
            let read = Read { source: source.clone(), page: self.target.url.clone(), at, interval: self.interval, looked: looked.clone() };
            // A page that says what it said before is no news.
            let news = !matches!(read.looked, Looked::Unchanged);
            self.inputs.read(read, news);
        }
    }
}
