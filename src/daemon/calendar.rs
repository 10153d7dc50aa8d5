//! Calendar jobs: what is done at an hour of the day, and caught up once where that was missed.
//!
//! `tokio-cron-scheduler` ticks once a minute; what is due then is decided here by what ran last, which the store
//! remembers. So a missed tick, a restart or a stepped clock costs a delay and never a run.

use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler};

use crate::model::Timestamp;

/// Every minute, in UTC.
const MINUTELY: &str = "0 * * * * *";
const DAY_MS: i64 = 86_400_000;

/// Something that is done once a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    pub name: &'static str,
    /// UTC, after midnight.
    pub at: Duration,
}

/// Results and evidence that are older than they are kept are deleted.
pub const RETENTION: Daily = Daily { name: "retention", at: Duration::from_secs(3 * 3_600) };
/// The database is read through for damage.
pub const CHECK: Daily = Daily { name: "check", at: Duration::from_secs(4 * 3_600) };

impl Daily {
    /// Whether it is to run now, having run last at `last_run`: its hour came since then. A last run that lies ahead was
    /// stored by a clock that was wrong.
    pub fn is_due(&self, last_run: Option<Timestamp>, now: Timestamp) -> bool {
        let offset = i64::try_from(self.at.as_millis()).unwrap_or(0);
        let latest = (now.as_millis() - offset).div_euclid(DAY_MS) * DAY_MS + offset;
        last_run.is_none_or(|last| last.as_millis() < latest || last > now)
    }
}

/// The clock of all jobs. Ticks are not queued: one that nobody took yet stands for those after it.
pub async fn ticks() -> anyhow::Result<(JobScheduler, mpsc::Receiver<()>)> {
    let (tick, ticked) = mpsc::channel(1);
    let scheduler = JobScheduler::new().await.context("cannot start the calendar")?;
    let job = Job::new(MINUTELY, move |_, _| {
        let _ = tick.try_send(());
    });
    scheduler.add(job.context("the minute is a valid schedule")?).await.context("cannot start the calendar")?;
    scheduler.start().await.context("cannot start the calendar")?;
    Ok((scheduler, ticked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daily_job_is_due_once_a_day_and_caught_up_once() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let job = Daily { name: "x", at: Duration::from_secs(3 * 3_600) };
        for (last, now, due) in [
            (None, "2026-11-23T00:00:00Z", true),
            (Some("2026-11-22T03:00:07Z"), "2026-11-23T02:59:59Z", false),
            (Some("2026-11-22T03:00:07Z"), "2026-11-23T03:00:00Z", true),
            (Some("2026-11-23T03:00:00Z"), "2026-11-23T03:00:00Z", false),
            (Some("2026-11-23T03:00:00Z"), "2026-11-23T23:59:00Z", false),
            // A week without a daemon is one run.
            (Some("2026-11-16T03:00:00Z"), "2026-11-23T01:00:00Z", true),
            (Some("2026-11-23T01:00:00Z"), "2026-11-23T02:00:00Z", false),
            (Some("2026-11-23T01:00:00Z"), "2026-11-23T03:00:00Z", true),
            (Some("2036-11-23T03:00:00Z"), "2026-11-23T02:00:00Z", true),
        ] {
            assert_eq!(job.is_due(last.map(at), at(now)), due, "{last:?} {now}");
        }
    }
}
