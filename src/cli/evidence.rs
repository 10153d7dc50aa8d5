//! What was seen in failing runs, as `outages ID` and `explain` show it.

use std::fmt::Write;

use super::words::{clock_time, tame};
use crate::model::Phases;
use crate::store::StoredEvidence;

/// Of a body; `--json` has all that is kept.
const BODY_LINES_MAX: usize = 5;

/// One block for each run.
pub fn text(all: &[StoredEvidence]) -> String {
    let mut text = String::new();
    for one in all {
        let seen = &one.seen;
        let _ = writeln!(text, "\n{} UTC  {}  failing run {} ({})", clock_time(one.at), one.check, one.nth, one.reason);
        let _ = writeln!(text, "  {}", tame(&seen.message));
        for hop in &seen.hops {
            let times = Phases::NAMES
                .iter()
                .zip(hop.phases)
                .filter_map(|(name, micros)| Some(format!("{name} {} ms", f64::from(micros?) / 1000.0)));
            let place = [Some(hop.target.as_str()), hop.address.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" at ");
            let status = hop.http_status.map(|status| format!(", {status}")).unwrap_or_default();
            let _ = writeln!(text, "  {}{status}: {}", tame(&place), times.collect::<Vec<_>>().join(", "));
        }
        for (mark, said) in [(">", &seen.request), ("<", &seen.response), ("|", &seen.body)] {
            for line in said.lines().take(BODY_LINES_MAX.max(if mark == "<" { 40 } else { 0 })) {
                let _ = writeln!(text, "  {mark} {}", tame(line));
            }
        }
    }
    text
}
