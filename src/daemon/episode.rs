//! Which failing runs of a check are kept as evidence: the first and the last [`KEPT`] of each episode. Pure.
//!
//! An episode begins with the first failing run and ends with recovery. One that breaks off unconfirmed leaves nothing.

use std::collections::VecDeque;

/// As many at each end.
pub const KEPT: usize = 3;

/// The episode that is going on, if any.
#[derive(Debug, Default, PartialEq)]
pub struct Episode {
    runs: u32,
    /// Journal rows of the first runs, and of the last ones beyond them.
    first: Vec<i64>,
    last: VecDeque<i64>,
}

impl Episode {
    /// As it was before a restart: number in the episode and journal row of what is kept, oldest first.
    pub fn resumed(rows: &[(u32, i64)]) -> Self {
        let early = |nth: u32| nth as usize <= KEPT;
        Episode {
            runs: rows.last().map_or(0, |(nth, _)| *nth),
            first: rows.iter().filter(|(nth, _)| early(*nth)).map(|(_, seq)| *seq).collect(),
            last: rows.iter().filter(|(nth, _)| !early(*nth)).map(|(_, seq)| *seq).collect(),
        }
    }

    /// A failing run: its number, and the row that it takes the place of.
    pub fn failed(&mut self, seq: i64) -> (u32, Option<i64>) {
        self.runs = self.runs.saturating_add(1);
        if self.first.len() < KEPT {
            self.first.push(seq);
            return (self.runs, None);
        }
        self.last.push_back(seq);
        let gone = if self.last.len() > KEPT { self.last.pop_front() } else { None };
        (self.runs, gone)
    }

    /// It is over. What is not worth keeping, if it was never `confirmed`.
    pub fn over(&mut self, confirmed: bool) -> Vec<i64> {
        let Episode { first, last, .. } = std::mem::take(self);
        if confirmed { Vec::new() } else { first.into_iter().chain(last).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept after `runs` failing ones, with a restart after `restart` of them.
    fn kept(runs: i64, restart: i64) -> Vec<(u32, i64)> {
        let (mut episode, mut rows) = (Episode::default(), Vec::new());
        for seq in 1..=runs {
            let (nth, gone) = episode.failed(seq);
            rows.retain(|(_, kept)| Some(*kept) != gone);
            rows.push((nth, seq));
            if seq == restart {
                let resumed = Episode::resumed(&rows);
                assert_eq!(resumed, episode);
                episode = resumed;
            }
        }
        rows
    }

    #[test]
    fn the_first_and_the_last_are_kept() {
        let rows = |seqs: &[u32]| seqs.iter().map(|n| (*n, i64::from(*n))).collect::<Vec<_>>();
        for (runs, want) in [(1, &[1][..]), (4, &[1, 2, 3, 4]), (6, &[1, 2, 3, 4, 5, 6]), (100, &[1, 2, 3, 98, 99, 100])] {
            for restart in [0, 1, 3, 5, 50] {
                assert_eq!(kept(runs, restart), rows(want), "{runs} runs, restart after {restart}");
            }
        }
    }

    #[test]
    fn what_breaks_off_leaves_nothing() {
        let mut episode = Episode::default();
        for seq in 1..=8 {
            episode.failed(seq);
        }
        assert_eq!(episode.over(false), [1, 2, 3, 6, 7, 8]);
        assert_eq!(episode, Episode::default());
        episode.failed(9);
        assert!(episode.over(true).is_empty());
        assert_eq!(episode.over(true), Vec::<i64>::new());
    }
}
