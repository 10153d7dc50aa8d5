//! What a page said before, and whether what it says now is to be believed.
//!
//! - "Could not read" is never "all removed": what is not believed leaves the last good listing as it is.
//! - A listing with fewer than half of the rows is believed once it was seen in the same form three times, each at least
//!   half an interval after the one before: looks that follow a failure at once are no second opinion.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Difference, Listing, PageVersion};

const SIGHTS_TO_BELIEVE: u32 = 3;
/// Of fewer rows than this, half of them is no sign of a broken page.
const ROWS_TO_DOUBT: usize = 4;

/// Handed on when a configuration is reloaded, and filled from the store at start.
pub struct Memory {
    /// Where and how the page is read: what was read otherwise is not comparable.
    source: String,
    interval: Duration,
    known: Mutex<Arc<Mutex<Known>>>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<Listing>,
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    hash: String,
    sights: u32,
    last_at: Instant,
}

/// What a listing is, compared with the one before.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    First,
    Same,
    Changed(Difference),
    /// So many rows where there were that many.
    Doubted {
        had: usize,
        sights: u32,
    },
}

impl Memory {
    pub(super) fn new(source: String, interval: Duration) -> Memory {
        Memory { source, interval, known: Mutex::default() }
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// What the store has.
    pub fn remember(&self, version: &PageVersion) {
        if version.source == self.source {
            lock(&self.shared()).last = Some(version.listing.clone());
        }
    }

    /// After a reload: goes on with what `before` knows, if that is the same page read in the same way.
    pub fn take_over(&self, before: &Memory) {
        if before.source == self.source {
            *lock(&self.known) = before.shared();
        }
    }

    /// Compares, and keeps what is believed.
    pub(super) fn judge(&self, listing: Listing, now: Instant) -> Judged {
        let shared = self.shared();
        let mut known = lock(&shared);
        let Some(last) = &known.last else {
            known.last = Some(listing);
            return Judged::First;
        };
        let (had, has) = (last.rows.len(), listing.rows.len());
        let difference = Difference::between(last, &listing);
        if had >= ROWS_TO_DOUBT && has * 2 < had {
            let sights = known.doubted(&listing, self.interval / 2, now);
            if sights < SIGHTS_TO_BELIEVE {
                return Judged::Doubted { had, sights };
            }
        }
        known.doubt = None;
        if difference.is_empty() {
            return Judged::Same;
        }
        known.last = Some(listing);
        Judged::Changed(difference)
    }

    fn shared(&self) -> Arc<Mutex<Known>> {
        lock(&self.known).clone()
    }
}

impl Known {
    /// How often this listing was seen by now.
    fn doubted(&mut self, listing: &Listing, apart: Duration, now: Instant) -> u32 {
        let hash = listing.hash();
        match &mut self.doubt {
            Some(doubt) if doubt.hash == hash => {
                if now.saturating_duration_since(doubt.last_at) >= apart {
                    (doubt.sights, doubt.last_at) = (doubt.sights + 1, now);
                }
                doubt.sights
            }
            _ => {
                self.doubt = Some(Doubt { hash, sights: 1, last_at: now });
                1
            }
        }
    }
}

/// Whoever panicked had written all or nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const HOUR: Duration = Duration::from_secs(3600);

    fn listing(rows: usize) -> Listing {
        Listing { columns: Vec::new(), rows: (0..rows).map(|n| vec![format!("row {n}")]).collect() }
    }

    fn memory(rows: usize) -> Memory {
        let memory = Memory::new("a".into(), HOUR * 24);
        memory.remember(&PageVersion { source: "a".into(), listing: listing(rows), difference: None });
        memory
    }

    #[test]
    fn a_listing_that_shrank_is_believed_when_it_stays_so() {
        let memory = memory(10);
        let now = clock::instant();
        let doubted = |sights| Judged::Doubted { had: 10, sights };
        assert_eq!(memory.judge(listing(4), now), doubted(1));
        assert_eq!(memory.judge(listing(4), now + HOUR), doubted(1), "a look right after a failure is no second opinion");
        assert_eq!(memory.judge(listing(4), now + HOUR * 12), doubted(2));
        assert_eq!(memory.judge(listing(3), now + HOUR * 24), doubted(1), "another form begins anew");
        assert_eq!(memory.judge(listing(10), now + HOUR * 36), Judged::Same, "the last good one was kept");
        assert_eq!(memory.judge(listing(4), now + HOUR * 48), doubted(1));
        assert_eq!(memory.judge(listing(4), now + HOUR * 60), doubted(2));
        let Judged::Changed(difference) = memory.judge(listing(4), now + HOUR * 72) else { panic!("it stays so") };
        assert_eq!(difference.summary(), "6 rows removed");
        assert_eq!(memory.judge(listing(4), now + HOUR * 84), Judged::Same);
    }

    #[test]
    fn half_of_the_rows_and_small_listings_are_believed() {
        let now = clock::instant();
        for (had, has) in [(10, 5), (3, 1), (1, 3)] {
            assert!(matches!(memory(had).judge(listing(has), now), Judged::Changed(_)), "{had} {has}");
        }
    }

    #[test]
    fn what_was_read_otherwise_is_not_compared() {
        let other = Memory::new("b".into(), HOUR);
        other.take_over(&memory(10));
        other.remember(&PageVersion { source: "a".into(), listing: listing(10), difference: None });
        assert_eq!(other.judge(listing(1), clock::instant()), Judged::First);
        let same = Memory::new("a".into(), HOUR);
        same.take_over(&memory(10));
        assert_eq!(same.judge(listing(10), clock::instant()), Judged::Same);
    }
}
