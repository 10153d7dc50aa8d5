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

/// Until `stop`.
pub async fn run(path: PathBuf, board: Arc<Board>, telemetry: Telemetry, stop: CancellationToken) {
    loop {
        let path = path.clone();
        match tokio::task::spawn_blocking(move || ratios(&path)).await {
            Ok(Ok((uptime, time_to_resolve))) => {
                board.update(|figures| (figures.uptime, figures.time_to_resolve) = (uptime, time_to_resolve))
            }
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

/// Uptime, and the mean time to resolve.
fn ratios(path: &Path) -> Result<(ByVendor, ByVendor), StoreError> {
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
    let mut resolved = ByVendor::new();
    for (place, days) in UPTIME_DAYS.into_iter().enumerate() {
        for (vendor, mean) in past.reader.time_to_resolve(past.now - DAY * days as u32)? {
            resolved.entry(vendor).or_default()[place] = Some(mean);
        }
    }
    Ok((all, resolved))
}
