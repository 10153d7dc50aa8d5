//! What the pages said in the past, as the daemon's own reader understands the documents of that time.
//!
//! Incidents are not here: the daemon takes them in when it sees a page for the first time, with all that is listed there.

use std::time::Duration;

use url::Url;

use super::cast::{self, Platform, VENDORS, Vendor};
use super::pages::Shown;
use super::world::World;
use crate::declared::{Selection, Standing};
use crate::feeds;
use crate::model::{Status, Timestamp, VendorId};

/// The past does not depend on where the pages of today are.
const ADDRESS: &str = "http://127.0.0.1";
/// What changed was seen within so long.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Changes of what each vendor declares, in the order of time.
pub fn statuses(world: &World) -> Vec<(VendorId, Timestamp, Status)> {
    VENDORS.iter().filter_map(|vendor| Some((vendor, vendor.platform?))).flat_map(|(vendor, page)| of(world, vendor, page)).collect()
}

fn of(world: &World, vendor: &Vendor, platform: Platform) -> Vec<(VendorId, Timestamp, Status)> {
    let read = |at| (at, status(world, vendor, platform, at));
    let mut seen: Vec<(Timestamp, Status)> = looks(world, vendor).into_iter().map(read).collect();
    seen.push((world.away().from, Status::Unknown));
    seen.sort_by_key(|(at, _)| *at);
    seen.dedup_by_key(|(_, status)| *status);
    seen.into_iter().map(|(at, status)| (VendorId::new(vendor.id), at, status)).collect()
}

/// The reads that found something new: the first one, the first one after we were away, and one after every change.
fn looks(world: &World, vendor: &Vendor) -> Vec<Timestamp> {
    let (began, away) = (world.began - cast::PAST, world.away());
    let posts = world.incidents(vendor, world.began).into_iter().flat_map(|incident| incident.posts).map(|post| post.at);
    let works = world.works(vendor, world.began).into_iter().flat_map(|work| [work.starts_at, work.ends_at]);
    let changes = posts.chain(works).map(|at| at + READ_WITHIN.mul_f64(world.chance(vendor.id, at)));
    let seen = changes.filter(|at| began < *at && *at < world.began && !(away.from <= *at && *at < away.to));
    [began, away.to].into_iter().chain(seen).collect()
}

fn status(world: &World, vendor: &Vendor, platform: Platform, at: Timestamp) -> Status {
    let shown = Shown::of(world, vendor, platform, ADDRESS, at);
    let (Some(document), Ok(url)) = (shown.document(platform.live()), Url::parse(&format!("{ADDRESS}{}", platform.live()))) else {
        return Status::Unknown;
    };
    let read = feeds::Document::new(Some(&url), Some(document.content_type), document.body.as_bytes());
    let Ok(page) = feeds::read(&read, None) else { return Status::Unknown };
    let components = page.carries.components.then_some(&page.components[..]);
    let open = page.incidents.iter().filter(|incident| incident.is_open());
    Standing::of(components, &Selection::new(&[], &[], &[]), page.overall, open).status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_declared_follows_what_was_posted() {
        let began = Timestamp::parse("2026-11-23T20:35:00Z").unwrap();
        let all = statuses(&World { began, script: None });
        let of =
            |vendor: &str| all.iter().filter(|(id, ..)| id.as_str() == vendor).map(|(_, _, status)| status.as_str()).collect::<Vec<_>>();
        let acme = ["operational", "partial_outage", "operational", "degraded", "operational", "unknown", "operational", "major_outage"];
        assert_eq!(of("acme-pay"), [&acme[..], &["operational"]].concat());
        assert_eq!(of("larkmail").last(), Some(&"degraded"));
        assert_eq!(of("pinewood"), ["operational", "degraded", "operational", "unknown", "operational"], "it has not said that it is slow");
        assert!(of("thistle-ai").is_empty());
        for vendor in VENDORS.iter().filter(|vendor| vendor.platform.is_some()) {
            let times: Vec<Timestamp> = all.iter().filter(|(id, ..)| id.as_str() == vendor.id).map(|(_, at, _)| *at).collect();
            assert!(times.is_sorted() && times[0] == began - cast::PAST, "{}: {times:?}", vendor.id);
        }
    }
}
