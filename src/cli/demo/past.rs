//! The past: the runs of 90 days by a virtual clock, through the fold, the outages and the store of production.
//!
//! What comes out is what a daemon would have written that had been there, but for alerts: nobody was told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cast::{self, Check, Felt, Kind, Vendor};
use super::declared::statuses;
use super::noise;
use super::world::World;
use crate::blame;
use crate::clock;
use crate::config::Config;
use crate::daemon::registrations;
use crate::health::{self, Absence, CheckState, Run};
use crate::incidents::{self, CheckNow};
use crate::model::{Detail, Observation, Outage, Outcome, Phases, Reason, Terms, Timestamp, Uuid, VendorId};
use crate::store::{Batch, CheckKey, Declarations, JournalRow, Registration, StoreError, StoredEvent, Writer};

/// Runs that are committed together: few syncs, little memory.
const BATCH_ROWS: usize = 20_000;
const TIMEOUT: Duration = Duration::from_secs(10);
/// What failed is looked at again after this.
const RETRY: Duration = Duration::from_secs(60);
/// Of so many runs one fails without there being any trouble, as on every network.
const ODD_RUNS: f64 = 1.0 / 2500.0;

/// A check as it is watched in the past.
struct Watched {
    /// In `VENDORS`.
    vendor: usize,
    cast: &'static Check,
    id: String,
    key: CheckKey,
    terms_id: i64,
    terms: Terms,
    state: CheckState,
}

struct Past<'w> {
    world: &'w World,
    writer: Writer,
    checks: Vec<Watched>,
    merge_gaps: Vec<Duration>,
    /// The latest of each vendor.
    outages: Vec<Option<Outage>>,
    /// What is due, the earliest first; by place in `checks`.
    queue: BinaryHeap<Reverse<(Timestamp, usize)>>,
    away: Absence,
    batch: Batch,
    seq: i64,
}

/// Writes it. Ends early when it is asked to `stop`.
pub fn make(world: &World, config: &Config, stop: &CancellationToken) -> Result<(), StoreError> {
    let mut past = Past::begin(world, config)?;
    while let Some(Reverse((at, place))) = past.queue.pop() {
        if at >= world.began || stop.is_cancelled() {
            break;
        }
        let next = past.look(place, at);
        past.queue.push(Reverse((next, place)));
        if past.batch.observations.len() >= BATCH_ROWS {
            past.commit()?;
        }
    }
    past.commit()?;
    past.writer.close()
}

impl<'w> Past<'w> {
    fn begin(world: &'w World, config: &Config) -> Result<Past<'w>, StoreError> {
        let began = world.began - cast::PAST;
        let mut writer = Writer::open(&config.store.path, config.store.allow_network_fs, clock::boot_id())?;
        let vendors: Vec<Registration> = registrations(config).into_iter().map(as_in_the_past).collect();
        let registered = writer.register(&vendors, &config.agent.location, began)?;
        let mut checks = Vec::new();
        for r in registered {
            let Some((vendor, check)) = in_cast(r.vendor.as_str(), &r.name) else { continue };
            let terms = vendors.iter().flat_map(|v| v.checks.iter().filter(|c| v.vendor == r.vendor && c.name == r.name));
            let Some(terms) = terms.map(|c| c.terms.clone()).next() else { continue };
            let (id, state) = (format!("{}/{}", r.vendor, r.name), CheckState::default());
            checks.push(Watched { vendor, cast: check, id, key: r.key, terms_id: r.terms_id, terms, state });
        }
        let first = |(place, check): (usize, &Watched)| Reverse((began + phase(check), place));
        Ok(Past {
            world,
            queue: checks.iter().enumerate().map(first).collect(),
            merge_gaps: cast::VENDORS.iter().map(|vendor| merge_gap(config, vendor)).collect(),
            outages: vec![None; cast::VENDORS.len()],
            away: world.away(),
            batch: Batch { events: vec![event(&world.away())], declared: declared(world), ..Batch::default() },
            writer,
            checks,
            seq: 0,
        })
    }

    /// One run; when the next one is due.
    fn look(&mut self, place: usize, at: Timestamp) -> Timestamp {
        let check = &mut self.checks[place];
        if self.away.from <= at && at < self.away.to {
            return self.away.to + phase(check);
        }
        let observation = observe(self.world, check, at);
        let run =
            Run { at, boot: Duration::ZERO, outcome: observation.outcome, reason: observation.reason, duration: observation.duration };
        let folded = health::fold(&mut check.state, &check.terms, &run, &[self.away]);
        self.seq += 1;
        self.batch.observations.push(JournalRow { seq: self.seq, terms_id: check.terms_id, at, observation });
        self.batch.segments.extend(folded.segments.iter().map(|write| (check.key, *write)));
        let next = at + if check.state.suspect() { RETRY } else { check.terms.interval };
        let vendor = check.vendor;
        if folded.change.is_some() {
            self.judge(vendor, at);
        }
        next
    }

    /// What became of a vendor's outage.
    fn judge(&mut self, vendor: usize, at: Timestamp) {
        let of_vendor = self.checks.iter().filter(|check| check.vendor == vendor);
        let checks: Vec<CheckNow> =
            of_vendor.map(|c| CheckNow { name: c.cast.name, confirmed: c.state.confirmed, severity: c.terms.severity }).collect();
        let id = cast::VENDORS[vendor].id;
        let now = incidents::Now { wall: at, boot: Duration::ZERO };
        let latest = self.outages[vendor].as_ref();
        let gap = self.merge_gaps[vendor];
        let change = incidents::outage(&VendorId::new(id), latest, &checks, gap, blame::judge(), now, || outage_id(id, at));
        if let Some(change) = change {
            let outage = change.outage().clone();
            self.batch.outages.retain(|known| known.id != outage.id);
            self.batch.outages.push(outage.clone());
            self.outages[vendor] = Some(outage);
        }
    }

    /// With where every check stands after it, so that nobody has to fold it again.
    fn commit(&mut self) -> Result<(), StoreError> {
        self.batch.states = self.checks.iter().map(|check| (check.key, self.seq, check.state.clone())).collect();
        self.writer.commit(&std::mem::take(&mut self.batch))?;
        self.writer.checkpoint_if_due()
    }
}

/// As the configuration has it, but looked at less often than while people watch.
fn as_in_the_past(mut vendor: Registration) -> Registration {
    for check in &mut vendor.checks {
        let Some((_, cast)) = in_cast(vendor.vendor.as_str(), &check.name) else { continue };
        check.terms = Terms { interval: cast.interval, timeout: TIMEOUT, retry_interval: RETRY, ..check.terms.clone() };
    }
    vendor
}

fn in_cast(vendor: &str, check: &str) -> Option<(usize, &'static Check)> {
    let place = cast::VENDORS.iter().position(|known| known.id == vendor)?;
    Some((place, cast::VENDORS[place].checks.iter().find(|known| known.name == check)?))
}

fn merge_gap(config: &Config, vendor: &Vendor) -> Duration {
    config.vendors.iter().find(|v| v.id.as_str() == vendor.id).map_or(Duration::ZERO, |v| v.merge_gap)
}

/// Checks are spread over their interval.
fn phase(check: &Watched) -> Duration {
    Duration::from_millis(noise::bits(&check.id, 0) % check.terms.interval.as_millis() as u64)
}

/// Deterministic, and in the order of time as all ids are.
fn outage_id(vendor: &str, at: Timestamp) -> Uuid {
    let chance = [noise::bits(vendor, at.as_millis() as u64).to_be_bytes(), noise::bits("outage", at.as_millis() as u64).to_be_bytes()];
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&chance.as_flattened()[..10]);
    uuid::Builder::from_unix_timestamp_millis(at.as_millis() as u64, &bytes).into_uuid()
}

fn declared(world: &World) -> Declarations {
    Declarations { statuses: statuses(world), ..Declarations::default() }
}

fn event(away: &Absence) -> StoredEvent {
    let detail = "no daemon ran: the machine was moved".to_owned();
    StoredEvent { kind: "monitor_down", from: away.from, to: away.to, detail }
}

/// What a probe would have returned.
fn observe(world: &World, check: &Watched, at: Timestamp) -> Observation {
    let vendor = &cast::VENDORS[check.vendor];
    let latency = world.latency(vendor, check.cast, at) * requests(check.cast);
    match world.felt(vendor, check.cast.name, at) {
        Felt::Down(reason) => failed(check.cast, reason, latency),
        Felt::Refused => answered(check.cast, Outcome::Unknown, Reason::AuthRejected, latency, 401),
        Felt::Nothing | Felt::Slow if world.chance(&check.id, at) < ODD_RUNS => failed(check.cast, Reason::ConnectTimeout, latency),
        Felt::Nothing | Felt::Slow => {
            let is_slow = check.cast.degraded_over_ms.is_some_and(|over| latency > Duration::from_millis(over.into()));
            let (outcome, reason) = if is_slow { (Outcome::Degraded, Reason::Slow) } else { (Outcome::Up, Reason::Ok) };
            answered(check.cast, outcome, reason, latency, 200)
        }
    }
}

/// So many follow each other in one run.
fn requests(check: &Check) -> u32 {
    if check.kind == Kind::Payment { 3 } else { 1 }
}

fn failed(check: &Check, reason: Reason, latency: Duration) -> Observation {
    match reason {
        Reason::HttpStatus => answered(check, Outcome::Down, reason, latency, 503),
        Reason::ConnectRefused => Observation::failed(reason, latency, ""),
        _ => Observation::failed(reason, TIMEOUT, ""),
    }
}

fn answered(check: &Check, outcome: Outcome, reason: Reason, latency: Duration, status: u16) -> Observation {
    let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
    let connect = (micros / 8).min(400);
    let is_http = check.kind != Kind::Tcp;
    let phases = match is_http {
        true => Phases { connect: Some(connect), processing: Some(micros - connect - 60), transfer: Some(60), ..Phases::default() },
        false => Phases { connect: Some(micros), ..Phases::default() },
    };
    let detail = Detail { http_status: is_http.then_some(status), ..Detail::default() };
    Observation { outcome, reason, duration: latency, phases, detail }
}
