//! Uptime over days, from stored history: figures that no counter of a process can give. Computed beside everything
//! else, on a read-only connection, once a minute.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::VendorId;
use crate::store::{Past, StoreError};
use crate::telemetry::Telemetry;
use crate::uptime::{Tally, availability, clip};
use crate::web::board::{Board, UPTIME_DAYS, UptimeRatios};

const EVERY: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// The longest window.
const LONGEST: Duration = Duration::from_secs(UPTIME_DAYS[UPTIME_DAYS.len() - 1] * DAY.as_secs());

/// Until `stop`.
pub async fn run(path: PathBuf, board: Arc<Board>, telemetry: Telemetry, stop: CancellationToken) {
    loop {
        let path = path.clone();
        match tokio::task::spawn_blocking(move || ratios(&path)).await {
            Ok(Ok(ratios)) => board.update(|figures| {
                (figures.uptime, figures.time_to_resolve) = (ratios.uptime, ratios.time_to_resolve);
                figures.acknowledgement_lag = ratios.acknowledgement_lag;
            }),
            Ok(Err(error)) => {
                telemetry.store_errors.with_label_values(&["uptime"]).inc();
                tracing::warn!(%error, "cannot compute uptime; the figures of a minute ago stay");
            }
            Err(error) => tracing::error!(%error, "computing uptime panicked"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

type ByVendor = BTreeMap<VendorId, UptimeRatios>;

/// As `Figures` has them.
struct Ratios {
    uptime: ByVendor,
    time_to_resolve: ByVendor,
    acknowledgement_lag: BTreeMap<VendorId, f64>,
}

fn ratios(path: &Path) -> Result<Ratios, StoreError> {
    let past = Past::open(path)?;
    let mut all = BTreeMap::new();
    for vendor in past.loaded.vendors.iter().filter(|v| !v.retired) {
        let timeline = past.vendor_timeline(&vendor.id)?;
        let over = |days: u64| {
            let window = clip(&timeline, past.now - DAY * days as u32, past.now);
            availability(&Tally::of(&window), 1.0).map(|a| a.point)
        };
        all.insert(vendor.id.clone(), UPTIME_DAYS.map(over));
    }
    Ok(Ratios { uptime: all, time_to_resolve: time_to_resolve(&past)?, acknowledgement_lag: acknowledgement_lag(&past)? })
}

/// Seconds from our first failing run to the vendor's first post, of the last outage that it spoke of.
fn acknowledgement_lag(past: &Past) -> Result<BTreeMap<VendorId, f64>, StoreError> {
    let mut lags = BTreeMap::new();
    for judged in past.outages(past.now - LONGEST)? {
        if let Some(lag) = judged.lag_ms() {
            lags.entry(judged.outage.vendor).or_insert(lag as f64 / 1000.0);
        }
    }
    Ok(lags)
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
