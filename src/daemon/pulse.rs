//! What the service manager hears: ready, reloading, stopping, and at intervals that the daemon works (`sd_notify(3)`).
//!
//! "Works" means that the prober and the recorder both turned lately. A recorder that knows that the store refuses and
//! keeps results in memory has turned: a full disk is no reason to be killed, a loop that stands still is. Without a service
//! manager nothing of this is said to anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Both turn at least every 10 s, whatever there is to do.
const TURNED_WITHIN: Duration = Duration::from_secs(30);

/// Its socket takes a word at once, or nobody reads there.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Who has to turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Prober,
    Recorder,
}

impl Part {
    const ALL: [Part; 2] = [Part::Prober, Part::Recorder];

    const fn as_str(self) -> &'static str {
        match self {
            Part::Prober => "prober",
            Part::Recorder => "recorder",
        }
    }
}

/// When each part turned last, in milliseconds since the daemon began.
#[derive(Clone, Debug)]
pub struct Pulse {
    began: Instant,
    turned: Arc<[AtomicU64; Part::ALL.len()]>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { began: clock::instant(), turned: Arc::default() }
    }
}

impl Pulse {
    pub fn turned(&self, part: Part) {
        self.turned[part as usize].store(self.at(clock::instant()), Ordering::Relaxed);
    }

    fn at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_millis() as u64
    }

    /// The parts that stand still at `now`.
    fn still(&self, now: Instant) -> Vec<Part> {
        let stands = |part: &Part| self.at(now).saturating_sub(self.turned[*part as usize].load(Ordering::Relaxed)) > millis(TURNED_WITHIN);
        Part::ALL.into_iter().filter(stands).collect()
    }
}

const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// Says that the daemon is ready, and from then on that it works, for as long as it does.
pub async fn keep(pulse: Pulse, stop: CancellationToken) {
    tell(vec![NotifyState::Ready]).await;
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    loop {
        match pulse.still(clock::instant()).as_slice() {
            [] => tell(vec![NotifyState::Watchdog]).await,
            still => {
                let parts: Vec<&str> = still.iter().map(|part| part.as_str()).collect();
                tracing::error!(parts = parts.join(", "), "stands still; the service manager will start vendord anew");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            // systemd advises half of it; a busy machine may be late.
            () = tokio::time::sleep(within / 3) => {}
        }
    }
}

/// While the configuration is read anew, and when that is over, whatever came of it.
pub async fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(vec![NotifyState::Reloading, now]).await,
        Err(error) => tracing::debug!(%error, "no time to tell the service manager"),
    }
}

pub async fn reloaded() {
    tell(vec![NotifyState::Ready]).await;
}

pub async fn stopping() {
    tell(vec![NotifyState::Stopping]).await;
}

/// A service manager that does not listen holds up nobody.
async fn tell(state: Vec<NotifyState<'static>>) {
    let told = tokio::task::spawn_blocking(move || sd_notify::notify(&state));
    match tokio::time::timeout(TOLD_WITHIN, told).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "cannot tell the service manager"),
        Ok(Err(error)) => tracing::error!(%error, "telling the service manager panicked"),
        Err(_) => tracing::warn!("the service manager does not listen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f39_who_does_not_turn_stands_still() {
        let pulse = Pulse::default();
        let at = |seconds: u64| pulse.began + Duration::from_secs(seconds);
        let turned = |part: Part, seconds: u64| pulse.turned[part as usize].store(seconds * 1000, Ordering::Relaxed);
        assert_eq!(pulse.still(at(30)), [], "a start is given its time");
        assert_eq!(pulse.still(at(31)), [Part::Prober, Part::Recorder]);
        turned(Part::Prober, 31);
        assert_eq!(pulse.still(at(40)), [Part::Recorder]);
        turned(Part::Recorder, 40);
        assert_eq!(pulse.still(at(61)), []);
        assert_eq!(pulse.still(at(62)), [Part::Prober]);
    }
}
