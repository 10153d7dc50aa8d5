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
            (Platform::Atom, "/history.atom") => Some(Document { content_type: "application/atom+xml", body: feeds::atom(self) }),
            (Platform::Rss, "/history.rss") => Some(Document { content_type: "application/rss+xml", body: feeds::rss(self) }),
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
