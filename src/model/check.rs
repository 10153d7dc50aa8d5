//! The terms under which a check is observed and judged. They are stored with history, so that every reader
//! applies the rules that were in force and needs no configuration.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// `k` of the last `n` runs. `"3"` is three in a row, `"3/5"` three of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KofN {
    pub k: u8,
    pub n: u8,
}

impl KofN {
    /// More would keep an outage unconfirmed for longer than anyone wants, and windows are kept in memory per check.
    pub const RUNS_MAX: u8 = 100;

    pub const fn in_a_row(k: u8) -> Self {
        KofN { k, n: k }
    }
}

impl FromStr for KofN {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            part.trim().parse::<u8>().ok().filter(|n| (1..=KofN::RUNS_MAX).contains(n)).ok_or_else(|| {
                format!(
                    "{text:?} is not a count of runs; write \"3\" (in a row) or \"3/5\" (3 of the last 5), each from 1 to {}",
                    KofN::RUNS_MAX
                )
            })
        };
        match text.split_once('/') {
            None => Ok(KofN::in_a_row(number(text)?)),
            Some((k, n)) => {
                let (k, n) = (number(k)?, number(n)?);
                if k > n {
                    return Err(format!("{text:?} can never hold: {k} of {n} runs"));
                }
                Ok(KofN { k, n })
            }
        }
    }
}

impl fmt::Display for KofN {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.k == self.n { write!(f, "{}", self.k) } else { write!(f, "{}/{}", self.k, self.n) }
    }
}

/// The worst state that a check can give its vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeverityCap {
    #[default]
    Down,
    Degraded,
    None,
}

/// Everything the core needs to know about a check to judge its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub interval: Duration,
    pub timeout: Duration,
    pub retry_interval: Duration,
    pub down_after: KofN,
    pub up_after: KofN,
    pub severity: SeverityCap,
    pub enabled: bool,
}

impl Terms {
    /// An observation is evidence from its start until `interval + timeout + max(interval / 10, 5 s)` later.
    pub fn evidence_until(&self, started_at: Timestamp) -> Timestamp {
        const SLACK_MIN: Duration = Duration::from_secs(5);
        started_at + self.interval + self.timeout + (self.interval / 10).max(SLACK_MIN)
    }

    /// The longest window that a decision looks at.
    pub fn window(&self) -> usize {
        usize::from(self.down_after.n.max(self.up_after.n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_of_n_reads_what_people_write() {
        for (text, want) in [("1", KofN { k: 1, n: 1 }), ("3", KofN { k: 3, n: 3 }), ("3/5", KofN { k: 3, n: 5 })] {
            assert_eq!(text.parse(), Ok(want));
            assert_eq!(want.to_string(), text);
        }
        for text in ["0", "5/3", "three", "", "101", "1/", "-1"] {
            assert!(text.parse::<KofN>().is_err(), "{text}");
        }
    }
}
