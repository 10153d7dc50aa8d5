//! The outages of a past from elsewhere, told from the timelines of all checks of a vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::parts::Confirmed;
use super::targets::Target;
use crate::model::{Blame, Outage, Segment, SeverityCap, State, Timestamp, Uuid, VendorId};
use crate::store::{StoreError, Writer};

/// A check was down, from its first failing look to the first good one.
#[derive(Clone, Debug, PartialEq)]
struct Failed {
    check: String,
    from: Timestamp,
    to: Timestamp,
    confirmed_at: Timestamp,
}

/// Tells them anew for every vendor of these, and how many each has.
pub fn rewrite<'t>(
    writer: &mut Writer,
    targets: impl Iterator<Item = &'t Target>,
    confirmed: &Confirmed,
) -> Result<BTreeMap<VendorId, usize>, StoreError> {
    let gaps: BTreeMap<VendorId, Duration> = targets.map(|target| (target.id.vendor.clone(), target.merge_gap)).collect();
    let mut numbers = BTreeMap::new();
    for (vendor, gap) in gaps {
        let reader = writer.reader()?;
        let (own, before) = reader.outages_by_origin(&vendor)?;
        let mut failed = Vec::new();
        for check in reader.load()?.checks.iter().filter(|check| check.id.vendor == vendor && check.part().is_some()) {
            if check.terms.severity != SeverityCap::Down {
                continue;
            }
            for (from, to) in downs(&reader.brought_timeline(check)?) {
                // Whoever imports again does not confirm again.
                let then = before.iter().find(|outage| outage.started_at == from).map(|outage| outage.confirmed_at);
                let confirmed_at = confirmed.get(&(check.id.clone(), from)).copied().or(then).unwrap_or(from);
                failed.push(Failed { check: check.id.name.to_string(), from, to, confirmed_at });
            }
        }
        drop(reader);
        let mut outages = together(&vendor, failed, gap);
        // Where we saw one ourselves, that is the one.
        outages.retain(|outage| !own.iter().any(|own| overlap(own, outage)));
        writer.bring_outages(&vendor, &outages)?;
        numbers.insert(vendor, outages.len());
    }
    Ok(numbers)
}

fn overlap(own: &Outage, other: &Outage) -> bool {
    let begins_before_end = |start: Timestamp, end: Option<Timestamp>| end.is_none_or(|end| start < end);
    begins_before_end(own.started_at, other.ended_at) && begins_before_end(other.started_at, own.ended_at)
}

/// When a timeline was down. Unknown time ends nothing.
fn downs(timeline: &[Segment]) -> Vec<(Timestamp, Timestamp)> {
    let mut found: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut open: Option<(Timestamp, Timestamp)> = None;
    for segment in timeline {
        open = match (open, segment.state) {
            (None, State::Down) => Some((segment.from, segment.to)),
            (Some((from, _)), State::Down) => Some((from, segment.to)),
            (Some((from, _)), State::Up | State::Degraded) => {
                found.push((from, segment.from));
                None
            }
            (open, _) => open,
        };
    }
    found.extend(open);
    found
}

/// One outage of what overlaps, or begins again within `gap`.
fn together(vendor: &VendorId, mut failed: Vec<Failed>, gap: Duration) -> Vec<Outage> {
    failed.sort_by_key(|failed| failed.from);
    let mut outages: Vec<Outage> = Vec::new();
    for one in failed {
        let end_of = |outage: &Outage| outage.ended_at.unwrap_or(outage.started_at);
        match outages.last_mut().filter(|outage| one.from <= end_of(outage) + gap) {
            Some(outage) => {
                outage.ended_at = Some(end_of(outage).max(one.to));
                outage.confirmed_at = outage.confirmed_at.min(one.confirmed_at);
                if !outage.checks.contains(&one.check) {
                    outage.checks.push(one.check);
                }
            }
            None => outages.push(Outage {
                id: id(vendor, one.from),
                vendor: vendor.clone(),
                started_at: one.from,
                not_before: None,
                started_boot: None,
                confirmed_at: one.confirmed_at,
                ended_at: Some(one.to),
                stepped: None,
                blame: Blame::Inconclusive,
                checks: vec![one.check],
            }),
        }
    }
    let ids: BTreeSet<Uuid> = outages.iter().map(|outage| outage.id).collect();
    debug_assert_eq!(ids.len(), outages.len());
    outages
}

/// The same outage has the same id, whoever imports it when.
fn id(vendor: &VendorId, from: Timestamp) -> Uuid {
    let digest = Sha256::digest(format!("{}\n{}", vendor.as_str(), from.as_millis()).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Reason, SegmentReason};

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    #[test]
    fn unknown_time_ends_no_outage() {
        let seg = |from, to, state| Segment { from: at(from), to: at(to), state, reason: SegmentReason::Seen(Reason::Ok) };
        let timeline = [
            seg(0, 10, State::Up),
            seg(10, 20, State::Down),
            seg(20, 30, State::Unknown),
            seg(30, 40, State::Down),
            seg(40, 50, State::Unknown),
            seg(50, 60, State::Degraded),
            seg(60, 70, State::Down),
            seg(70, 80, State::Unknown),
        ];
        assert_eq!(downs(&timeline), [(at(10), at(50)), (at(60), at(70))]);
    }

    #[test]
    fn checks_that_fail_together_are_one_outage() {
        let failed = |check: &str, from, to| Failed { check: check.to_owned(), from: at(from), to: at(to), confirmed_at: at(from + 5) };
        let vendor = VendorId::new("acme");
        let all = vec![failed("web", 100, 200), failed("api", 90, 120), failed("api", 250, 260), failed("api", 400, 410)];
        let outages = together(&vendor, all, Duration::from_secs(60));
        let told: Vec<_> = outages.iter().map(|o| (o.started_at, o.ended_at, o.checks.join(" "))).collect();
        assert_eq!(told, [(at(90), Some(at(260)), "api web".to_owned()), (at(400), Some(at(410)), "api".to_owned())]);
        assert_eq!(outages[0].id, together(&vendor, vec![failed("api", 90, 95)], Duration::ZERO)[0].id);
    }
}
