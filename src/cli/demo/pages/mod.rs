//! The documents of the simulated status pages, in the layouts of the platforms that they are made with.

mod api;
mod feeds;
mod people;

use super::cast::{Platform, Vendor};
use super::noise;
use super::world::{Announced, Incident, World};
use crate::model::{Impact, Stage, Timestamp};

/// A page as it is at an instant.
pub struct Shown<'w> {
    pub vendor: &'w Vendor,
    pub platform: Platform,
    /// Without a slash at the end.
    pub address: &'w str,
    pub incidents: Vec<Incident>,
    pub works: Vec<Announced>,
    pub at: Timestamp,
}

/// What is sent.
pub struct Document {
    pub content_type: &'static str,
    pub body: String,
}

impl<'w> Shown<'w> {
    pub fn of(world: &World, vendor: &'w Vendor, platform: Platform, address: &'w str, at: Timestamp) -> Shown<'w> {
        Shown { vendor, platform, address, incidents: world.incidents(vendor, at), works: world.works(vendor, at), at }
    }

    /// The document at `path`; `None`: there is none.
    pub fn document(&self, path: &str) -> Option<Document> {
        match (self.platform, path) {
            (_, "/") => Some(Document { content_type: "text/html; charset=utf-8", body: people::page(self) }),
            (Platform::Statuspage | Platform::Incidentio, path) => api::document(self, path),
            (Platform::Atom, path) if path == self.platform.live() => {
                Some(Document { content_type: "application/atom+xml", body: feeds::atom(self) })
            }
            (Platform::Rss, path) if path == self.platform.live() => {
                Some(Document { content_type: "application/rss+xml", body: feeds::rss(self) })
            }
            (Platform::Atom | Platform::Rss, _) => None,
        }
    }

    /// The worst that is said of a component; `None`: it is well.
    fn worst(&self, component: &str) -> Option<Impact> {
        let open = self.incidents.iter().filter(|incident| incident.is_open() && incident.components.contains(&component));
        open.map(|incident| incident.impact).max()
    }

    fn at_work(&self, component: &str) -> bool {
        self.works.iter().any(|work| work.stage == Stage::InProgress && work.components.contains(&component))
    }

    fn incident_address(&self, incident: &Incident) -> String {
        format!("{}/incidents/{}", self.address, self.incident_id(incident))
    }

    /// As long and of such letters as the platform makes them.
    fn incident_id(&self, incident: &Incident) -> String {
        self.id(&format!("incident {}", incident.number))
    }

    fn id(&self, of: &str) -> String {
        let of = format!("{} {of}", self.vendor.id);
        match self.platform {
            // A ULID: <https://github.com/ulid/spec>.
            Platform::Incidentio => format!("01J{}", noise::letters(&of, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 23)),
            _ => noise::letters(&of, b"0123456789abcdefghijklmnopqrstuvwxyz", 12),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::cli::demo::cast::VENDORS;
    use crate::cli::demo::script::{Pace, Script};
    use crate::feeds;
    use crate::model::Page;

    const ADDRESS: &str = "http://127.0.0.1:9";

    fn world() -> World {
        let began = Timestamp::parse("2026-11-23T20:35:00Z").unwrap();
        World { began, script: Some(Script { opens_at: began, pace: Pace(1.0) }) }
    }

    /// As the daemon's own reader understands it.
    fn read(vendor: &Vendor, path: &str, seconds: u64) -> Option<Page> {
        let (world, platform) = (world(), vendor.platform?);
        let shown = Shown::of(&world, vendor, platform, ADDRESS, world.began + Duration::from_secs(seconds));
        let document = shown.document(path)?;
        let url = Url::parse(&format!("{ADDRESS}{path}")).unwrap();
        let read = feeds::Document::new(Some(&url), Some(document.content_type), document.body.as_bytes());
        Some(feeds::read(&read, None).unwrap_or_else(|why| panic!("{} {path}: {why}", vendor.id)))
    }

    fn live(vendor: &Vendor, seconds: u64) -> Option<Page> {
        read(vendor, vendor.platform?.live(), seconds)
    }

    #[test]
    fn every_page_is_read_as_what_it_is_made_with() {
        for vendor in VENDORS.iter().filter(|vendor| vendor.platform.is_some()) {
            let page = live(vendor, 0).unwrap_or_else(|| panic!("{} has no document", vendor.id));
            let want = match vendor.platform {
                Some(Platform::Statuspage) => "statuspage",
                Some(Platform::Incidentio) => "incidentio",
                _ => "rss",
            };
            assert_eq!((page.format, page.name.as_deref()), (want, Some(vendor.name)));
            assert!(page.oddities.unknown_words.is_empty(), "{}: {:?}", vendor.id, page.oddities);
            let history = read(vendor, "/api/v2/incidents.json", 0).unwrap_or(page);
            let posted = vendor.troubles.iter().filter(|trouble| trouble.posted.is_some()).count();
            assert_eq!(history.incidents.len(), posted, "{}", vendor.id);
        }
    }

    /// Seconds matter for the lag: where the platform prints them they arrive, and else minutes do.
    #[test]
    fn posts_keep_their_instants() {
        for vendor in VENDORS.iter().filter(|vendor| vendor.platform.is_some()) {
            let history = read(vendor, "/api/v2/incidents.json", 0).or_else(|| live(vendor, 0)).unwrap();
            for (ours, theirs) in world().incidents(vendor, world().began).iter().zip(&history.incidents) {
                let first = theirs.updates.iter().filter_map(|update| update.at).min().unwrap();
                let within = if vendor.platform == Some(Platform::Atom) { 60_000 } else { 1 };
                assert!((0..within).contains(&ours.started_at().millis_since(first)), "{} {}: {first}", vendor.id, ours.title);
                assert_eq!(ours.is_open(), theirs.is_open(), "{} {}", vendor.id, ours.title);
            }
        }
    }

    #[test]
    fn the_actor_speaks_late_and_then_all_is_well_again() {
        let actor = &VENDORS[0];
        let stages: Vec<_> = [25, 61, 110, 135, 151].iter().map(|s| live(actor, *s).unwrap()).collect();
        let said: Vec<_> = stages.iter().map(|page| (page.overall.as_str(), page.incidents.len())).collect();
        let wanted = [("operational", 0), ("partial_outage", 1), ("partial_outage", 1), ("partial_outage", 1), ("operational", 0)];
        assert_eq!(said, wanted);
        assert_eq!(stages[2].incidents[0].stage, Some(Stage::Identified));
        assert_eq!(stages[3].incidents[0].stage, Some(Stage::Monitoring));
    }
}
