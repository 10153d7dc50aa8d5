//! What holds for every page, whatever format it is of: the last step of reading.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::page::{Component, Incident, Maintenance, Touched, Update};
use crate::model::{Page, Timestamp};

/// Brings a page into its one form: each id once (the newest wins), lists newest first, no end before its start. The
/// result does not depend on the order in which the document had its entries, nor on how often.
pub fn settle(mut page: Page) -> Page {
    page.components = unique(page.components, |c: &Component| c.id.clone(), |_| None);
    page.incidents =
        unique(page.incidents.into_iter().map(incident), |i| i.id.clone(), |i| latest(&i.updates).or(i.resolved_at).or(i.started_at));
    page.incidents.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
    page.maintenances = unique(page.maintenances.into_iter().map(maintenance), |m| m.id.clone(), |m| latest(&m.updates).or(m.starts_at));
    page.maintenances.sort_by(|a, b| (b.starts_at, &b.id).cmp(&(a.starts_at, &a.id)));
    page.oddities.unknown_words.sort_unstable();
    page.oddities.unknown_words.dedup();
    page
}

/// Keeps the order of first appearance. Of two with one id the newer is kept; of two as new, always the same one.
fn unique<T: std::fmt::Debug>(
    all: impl IntoIterator<Item = T>,
    id: impl Fn(&T) -> String,
    newest: impl Fn(&T) -> Option<Timestamp>,
) -> Vec<T> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept: Vec<Kept<T>> = Vec::new();
    for one in all {
        let at = newest(&one);
        let Some(place) = places.get(&id(&one)) else {
            places.insert(id(&one), kept.len());
            kept.push(Kept { one, at, digest: None });
            continue;
        };
        let known = &mut kept[*place];
        if at < known.at {
            continue;
        }
        let fresh = digest(&one);
        if at > known.at || fresh > *known.digest.get_or_insert_with(|| digest(&known.one)) {
            *known = Kept { one, at, digest: Some(fresh) };
        }
    }
    kept.into_iter().map(|kept| kept.one).collect()
}

/// With what it is compared by, so that ten thousand entries with the id of a long one do not look through it as often.
struct Kept<T> {
    one: T,
    at: Option<Timestamp>,
    digest: Option<u64>,
}

fn digest<T: std::fmt::Debug>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{value:?}").hash(&mut hasher);
    hasher.finish()
}

fn latest(updates: &[Update]) -> Option<Timestamp> {
    updates.iter().filter_map(|u| u.at).max()
}

/// Start and end as the specification wants them, from what the format found.
fn incident(mut i: Incident) -> Incident {
    i.updates = newest_first(i.updates);
    i.touches = touched(i.touches);
    let oldest = i.updates.iter().filter_map(|u| u.at).min();
    i.started_at = i.started_at.or(oldest);
    if i.resolved_at.is_none() && i.stage.is_some_and(|s| s.is_over()) {
        let says_so = i.updates.iter().filter(|u| u.stage.is_some_and(|s| s.is_over())).filter_map(|u| u.at).min();
        i.resolved_at = says_so.or(latest(&i.updates)).or(i.started_at);
    }
    if let (Some(start), Some(end)) = (i.started_at, i.resolved_at)
        && end < start
    {
        i.stated_start = Some(start);
        i.started_at = Some(end);
    }
    i
}

fn maintenance(mut m: Maintenance) -> Maintenance {
    m.updates = newest_first(m.updates);
    m.touches = touched(m.touches);
    // A window that ends before it begins has no end that could be believed.
    m.ends_at = m.ends_at.filter(|end| m.starts_at.is_none_or(|start| *end >= start));
    m
}

fn newest_first(mut updates: Vec<Update>) -> Vec<Update> {
    updates.sort_by(|a, b| b.cmp(a));
    updates.dedup();
    updates
}

fn touched(mut touches: Vec<Touched>) -> Vec<Touched> {
    touches.sort();
    touches.dedup();
    touches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::declared::archive::{Ledger, Reading, Record, Version};
    use crate::model::page::{Carries, Impact, Listing};
    use crate::model::{Stage, Uuid};

    fn incidents() -> impl Strategy<Value = Vec<Incident>> {
        let at = || prop::option::of((0i64..20).prop_map(|s| Timestamp::from_millis(s * 1000)));
        let stage = || prop::option::of(prop::sample::select(&Stage::ALL[..5]));
        let update = (at(), stage(), "[ab]").prop_map(|(at, stage, body)| Update { at, stage, body });
        let touches = prop::collection::vec("[a-c]".prop_map(|name| Touched { id: None, name }), 0..3);
        let impact = prop::option::of(prop::sample::select(Impact::ALL));
        let one = ("[a-d]", "[xy]", impact, stage(), at(), at(), prop::collection::vec(update, 0..5), touches);
        let one = one.prop_map(|(id, title, impact, stage, started_at, resolved_at, updates, touches)| Incident {
            id,
            title,
            impact,
            stage,
            started_at,
            stated_start: None,
            undecided: false,
            resolved_at,
            url: None,
            touches,
            updates,
        });
        prop::collection::vec(one, 0..12)
    }

    fn page(incidents: Vec<Incident>) -> Page {
        Page { incidents, ..Page::blank("test") }
    }

    /// The versions that an empty archive makes of two readings.
    fn versions(first: Vec<Incident>, then: Vec<Incident>) -> Vec<Version> {
        let mut ledger = Ledger::default();
        let mut stored: BTreeMap<Uuid, Record> = BTreeMap::new();
        let mut all: Vec<Version> = Vec::new();
        for (second, incidents) in [first, then].into_iter().enumerate() {
            let carries = Carries { components: false, incidents: Listing::Recent, maintenances: Listing::Absent };
            let live = settle(Page { carries, ..page(incidents) });
            let at = Timestamp::from_millis(second as i64);
            let reading = Reading { at, live: &live, history: &[], first_sight: false, moved_at: None };
            let mut ids = all.len() as u128;
            let new_id = || {
                ids += 1;
                Uuid::from_u128(ids)
            };
            let versions = ledger.read(&reading, |id, _| stored.get(&id).cloned(), new_id);
            stored.extend(versions.iter().map(|v| (v.id, v.record.clone())));
            all.extend(versions);
        }
        all
    }

    proptest! {
        #[test]
        fn f26_order_and_repetition_change_nothing(incidents in incidents(), by in 0usize..12) {
            let want = settle(page(incidents.clone()));
            let mut other = incidents;
            if !other.is_empty() {
                let by = by % other.len();
                other.rotate_left(by);
                other.push(other[by].clone());
                for i in &mut other {
                    i.updates.reverse();
                    i.touches.reverse();
                    if let Some(u) = i.updates.first().cloned() { i.updates.push(u); }
                }
            }
            prop_assert_eq!(settle(page(other)), want.clone());
            prop_assert_eq!(settle(want.clone()), want.clone(), "settled is settled");
            for i in &want.incidents {
                prop_assert!(i.resolved_at.is_none_or(|end| i.started_at.is_none_or(|start| start <= end)));
            }
        }

        #[test]
        fn f26_the_same_entries_in_any_order_give_the_same_versions(first in incidents(), then in incidents(), by in 0usize..12) {
            let turned = |mut incidents: Vec<Incident>| {
                if !incidents.is_empty() {
                    let by = by % incidents.len();
                    incidents.rotate_left(by);
                    incidents.push(incidents[0].clone());
                }
                incidents
            };
            prop_assert_eq!(versions(first.clone(), then.clone()), versions(turned(first), turned(then)));
        }
    }
}
