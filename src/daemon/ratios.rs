//! Uptime over days and the recent past, from stored history: figures that no counter of a process can give. Computed
//! beside everything else, on a read-only connection, once a minute.
//!
//! What cannot change any more is kept from one time to the next, so that the cost does not grow with the length of the past.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::model::{Segment, Timestamp, VendorId};
use crate::store::{Judged, Past, StoreError, chain};
use crate::telemetry::Telemetry;
use crate::uptime::{Tally, availability, clip};
use crate::web::board::{Board, UPTIME_DAYS, UptimeRatios};
use crate::web::history::{self, DAYS, Happened, History};

const EVERY: Duration = Duration::from_secs(60);
/// At the start nothing was seen yet: the second look is soon.
const SOON: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);
/// The longest window.
const LONGEST: Duration = Duration::from_secs(UPTIME_DAYS[UPTIME_DAYS.len() - 1] * DAY.as_secs());
/// Bars are days of any zone: a day that began before this began less than 90 days ago nowhere.
const SHOWN: Duration = Duration::from_secs(86_400 * (DAYS as u64 + 1));
/// What is younger is read anew.
const KEPT_AFTER: Duration = DAY;

/// Until `stop`.
pub async fn run(path: PathBuf, board: Arc<Board>, telemetry: Telemetry, stop: CancellationToken) {
    let mut kept = Kept::default();
    let mut wait = SOON;
    loop {
        let path = path.clone();
        let began = clock::instant();
        let computed = tokio::task::spawn_blocking(move || {
            let seen = look(&path, &mut kept);
            (seen, kept)
        });
        match computed.await {
            Ok((seen, back)) => {
                kept = back;
                tracing::debug!(took_ms = began.elapsed().as_millis() as u64, "the recent past was computed");
                show(&board, &telemetry, seen);
            }
            Err(error) => {
                kept = Kept::default();
                tracing::error!(%error, "computing uptime panicked");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(std::mem::replace(&mut wait, EVERY)) => {}
        }
    }
}

type ByVendor = BTreeMap<VendorId, UptimeRatios>;

/// What the board gets.
struct Seen {
    uptime: ByVendor,
    time_to_resolve: ByVendor,
    acknowledgement_lag: BTreeMap<VendorId, f64>,
    history: BTreeMap<VendorId, Arc<History>>,
}

fn show(board: &Board, telemetry: &Telemetry, seen: Result<Seen, StoreError>) {
    match seen {
        Ok(seen) => board.update(|figures| {
            (figures.uptime, figures.time_to_resolve) = (seen.uptime, seen.time_to_resolve);
            (figures.acknowledgement_lag, figures.history) = (seen.acknowledgement_lag, seen.history);
        }),
        Err(error) => {
            telemetry.store_errors.with_label_values(&["uptime"]).inc();
            tracing::warn!(%error, "cannot compute uptime; the figures of a minute ago stay");
        }
    }
}

/// Of each vendor the timeline up to where it can no longer change.
#[derive(Default)]
struct Kept(BTreeMap<VendorId, Vec<Segment>>);

fn look(path: &Path, kept: &mut Kept) -> Result<Seen, StoreError> {
    let past = Past::open(path)?;
    let mut outages = latest_outages(&past)?;
    let lag = |(vendor, judged): (&VendorId, &Latest)| Some((vendor.clone(), judged.spoken_of.as_ref()?.lag_ms()? as f64 / 1000.0));
    let mut seen = Seen {
        uptime: BTreeMap::new(),
        time_to_resolve: time_to_resolve(&past)?,
        acknowledgement_lag: outages.iter().filter_map(lag).collect(),
        history: BTreeMap::new(),
    };
    let vendors = past.loaded.vendors.iter().filter(|v| !v.retired);
    let mut still = Kept::default();
    for vendor in vendors {
        let timeline = timeline(&past, &vendor.id, kept.0.remove(&vendor.id).unwrap_or_default(), &mut still)?;
        let over = |days: u64| {
            let window = clip(&timeline, past.now - DAY * days as u32, past.now);
            availability(&Tally::of(&window), 1.0).map(|a| a.point)
        };
        seen.uptime.insert(vendor.id.clone(), UPTIME_DAYS.map(over));
        let latest = outages.remove(&vendor.id).and_then(|outages| outages.last);
        seen.history.insert(vendor.id.clone(), Arc::new(history_of(&past, &vendor.id, &timeline, latest)?));
    }
    *kept = still;
    Ok(seen)
}

/// What is shown of a vendor's past; what is settled of it is kept.
fn timeline(past: &Past, vendor: &VendorId, before: Vec<Segment>, still: &mut Kept) -> Result<Vec<Segment>, StoreError> {
    let from = past.now - SHOWN;
    let known_until = known_until(&before, from);
    let whole = joined(&before, &past.vendor_timeline_since(vendor, known_until)?, from, past.now);
    still.0.insert(vendor.clone(), clip(&whole, from, settled(past, vendor)));
    Ok(whole)
}

fn known_until(before: &[Segment], from: Timestamp) -> Timestamp {
    before.last().map_or(from, |last| last.to.max(from))
}

/// What was kept, and from its end on what was read anew.
fn joined(before: &[Segment], fresh: &[Segment], from: Timestamp, now: Timestamp) -> Vec<Segment> {
    let known_until = known_until(before, from);
    chain(vec![clip(before, from, known_until), clip(fresh, known_until, now)])
}

/// Before this nothing of a vendor can change: no run that could still be confirmed began earlier.
fn settled(past: &Past, vendor: &VendorId) -> Timestamp {
    let open = past.current_checks(vendor).filter_map(|check| check.state.settled_until(&check.terms));
    open.chain([past.now - KEPT_AFTER]).min().unwrap_or(past.now)
}

/// The latest outages of a vendor.
#[derive(Default)]
struct Latest {
    last: Option<Judged>,
    /// The last one that the vendor spoke of.
    spoken_of: Option<Judged>,
}

fn latest_outages(past: &Past) -> Result<BTreeMap<VendorId, Latest>, StoreError> {
    let mut latest: BTreeMap<VendorId, Latest> = BTreeMap::new();
    for judged in past.outages(past.now - LONGEST)? {
        let of_vendor = latest.entry(judged.outage.vendor.clone()).or_default();
        if judged.post.is_some() && of_vendor.spoken_of.is_none() {
            of_vendor.spoken_of = Some(judged.clone());
        }
        of_vendor.last.get_or_insert(judged);
    }
    Ok(latest)
}

fn history_of(past: &Past, vendor: &VendorId, timeline: &[Segment], latest: Option<Judged>) -> Result<History, StoreError> {
    let from = past.now - SHOWN;
    let incidents: Vec<Happened> = past.reader.incidents_since(vendor, from)?.into_iter().map(Happened::from).collect();
    let changes = past.reader.declared_since(vendor, from)?;
    // A vendor without a page has no lane of that kind.
    let has_page = !changes.is_empty() || !incidents.is_empty();
    let declared = if has_page { history::declared(&changes, &incidents, from, past.now) } else { Vec::new() };
    Ok(History { to: past.now, latest, measured: history::measured(timeline), declared, incidents })
}

/// Mean seconds from start to end of the incidents that ended in each window.
fn time_to_resolve(past: &Past) -> Result<ByVendor, StoreError> {
    let window = |days: u64| past.now - DAY * days as u32;
    let mut sums: BTreeMap<VendorId, [(f64, u32); UPTIME_DAYS.len()]> = BTreeMap::new();
    for (vendor, end, took) in past.reader.resolved_since(past.now - LONGEST)? {
        let sums = sums.entry(vendor).or_default();
        for (sum, _) in sums.iter_mut().zip(UPTIME_DAYS).filter(|(_, days)| end > window(*days)) {
            *sum = (sum.0 + took.as_secs_f64(), sum.1 + 1);
        }
    }
    let mean = |(sum, count): (f64, u32)| (count > 0).then(|| sum / f64::from(count));
    Ok(sums.into_iter().map(|(vendor, sums)| (vendor, sums.map(mean))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Reason, SegmentReason, State};
    use crate::uptime::merge;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    fn timeline_of(lengths: &[(i64, usize)]) -> Vec<Segment> {
        let mut from = 0;
        merge(lengths.iter().map(|(length, state)| {
            let segment =
                Segment { from: at(from), to: at(from + length), state: State::ALL[*state], reason: SegmentReason::Seen(Reason::Ok) };
            from += length;
            segment
        }))
    }

    proptest! {
        /// Wherever it is cut, and however far the window has moved since.
        #[test]
        fn what_is_kept_and_what_is_read_anew_are_the_whole(
            lengths in prop::collection::vec((1i64..500, 0usize..4), 1..20), cut in 0i64..10_000, moved in 0i64..10_000,
        ) {
            let whole = timeline_of(&lengths);
            let end = whole.last().map_or(at(0), |last| last.to);
            let cut = at(cut).min(end);
            let kept = clip(&whole, at(0), cut);
            let fresh: Vec<Segment> = whole.iter().filter(|segment| segment.to > cut).copied().collect();
            let from = at(moved).min(end);
            prop_assert_eq!(joined(&kept, &fresh, from, end), clip(&whole, from, end));
        }
    }
}
