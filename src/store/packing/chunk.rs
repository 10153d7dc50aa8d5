//! The results of one timeline, packed: a version, how many, when the first began, and a column for everything of a run.
//!
//! | column | holds |
//! |---|---|
//! | at | milliseconds since the run before |
//! | verdict | reason and outcome |
//! | phases, one each | 0 for none, else the code of the phase (`rounding`) + 1 |
//! | duration | its code, less the code of the sum of the phases, which mostly are the whole of it, plus [`LESS_MAX`] |
//! | status | 0 for none, else the HTTP status + 1 |
//!
//! Time that runs backwards wraps around: nothing is too odd to be kept.

use std::time::Duration;

use super::column::{decode, encode, put_varint, take_varint};
use super::rounding::{self, DURATION_BITS, PHASE_BITS, code, micros, value};
use crate::model::{Outcome, Phases, Reason, Timestamp};
use crate::store::{Sample, StoreError};

const VERSION: u8 = 1;
/// No code is larger, so that a difference of two plus this is not below 0.
const LESS_MAX: u64 = 1 << 13;

/// `samples` in their order. Durations are rounded.
pub fn pack(samples: &[Sample]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_varint(samples.len() as u64, &mut out);
    let Some(first) = samples.first() else { return out };
    out.extend(first.at.as_millis().to_le_bytes());
    let mut column = Vec::with_capacity(samples.len());
    let mut put = |of: &dyn Fn(&Sample) -> u64| {
        column.clear();
        column.extend(samples.iter().map(of));
        encode(&column, &mut out);
    };
    let before = std::cell::Cell::new(first.at.as_millis());
    put(&|s| s.at.as_millis().wrapping_sub(before.replace(s.at.as_millis())) as u64);
    put(&|s| u64::from(s.reason.code()) << 2 | u64::from(s.outcome.code()));
    for nth in 0..Phases::NAMES.len() {
        put(&|s| phase_code(s.phases.values()[nth]));
    }
    put(&|s| LESS_MAX + code(micros(s.duration), DURATION_BITS) - expected(rounding::phases(s.phases).values()));
    put(&|s| s.http_status.map_or(0, |status| u64::from(status) + 1));
    out
}

fn phase_code(us: Option<u32>) -> u64 {
    us.map_or(0, |us| code(u64::from(us), PHASE_BITS) + 1)
}

/// The code that the duration has if it is the sum of the phases, as they are read.
fn expected(phases: [Option<u32>; 5]) -> u64 {
    code(phases.iter().map(|phase| u64::from(phase.unwrap_or(0))).sum(), DURATION_BITS)
}

fn phase(stored: u64) -> Option<u32> {
    stored.checked_sub(1).map(|code| u32::try_from(value(code, PHASE_BITS)).unwrap_or(u32::MAX))
}

/// Room for unpacking that is used again for the next chunk.
#[derive(Default)]
pub struct Unpacker {
    columns: [Vec<u64>; 9],
}

impl Unpacker {
    /// Adds what `chunk` holds to `samples`.
    pub fn unpack(&mut self, chunk: &[u8], samples: &mut Vec<Sample>) -> Result<(), StoreError> {
        self.try_unpack(chunk, samples).ok_or_else(|| StoreError::Corrupt("a chunk of results cannot be read".to_owned()))
    }

    fn try_unpack(&mut self, mut chunk: &[u8], samples: &mut Vec<Sample>) -> Option<()> {
        if *chunk.split_off_first()? != VERSION {
            return None;
        }
        let count = usize::try_from(take_varint(&mut chunk)?).ok()?;
        if count == 0 {
            return Some(());
        }
        let mut at = i64::from_le_bytes(*chunk.split_off(..8)?.first_chunk()?);
        for column in &mut self.columns {
            decode(&mut chunk, count, column)?;
        }
        // All are equally long, which the loop need not find out anew for each of them.
        let [deltas, verdicts, phases @ .., durations, statuses] = self.columns.each_ref().map(|column| &column[..count]);
        samples.reserve(count);
        for nth in 0..count {
            at = at.wrapping_add(deltas[nth] as i64);
            let verdict = u8::try_from(verdicts[nth] >> 2).ok()?;
            let phases = phases.map(|column| phase(column[nth]));
            let duration = value(durations[nth].checked_add(expected(phases))?.checked_sub(LESS_MAX)?, DURATION_BITS);
            let [resolve, connect, tls, processing, transfer] = phases;
            samples.push(Sample {
                at: Timestamp::from_millis(at),
                outcome: Outcome::from_code((verdicts[nth] & 3) as u8)?,
                reason: Reason::from_code(verdict)?,
                duration: Duration::from_micros(duration),
                phases: Phases { resolve, connect, tls, processing, transfer },
                http_status: statuses[nth].checked_sub(1).map(u16::try_from).transpose().ok()?,
            });
        }
        chunk.is_empty().then_some(())
    }
}
