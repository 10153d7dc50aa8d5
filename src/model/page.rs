//! A status page as we understand it, whoever made it: what the vendor declares about itself.
//!
//! Statuses, incidents and maintenances are separate facts and are kept as the page gives them. What a platform does not
//! say is absent, and what we cannot tell is `unknown`; neither is ever "operational".

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::words::words;

words! {
    /// From best to worst; `Unknown` stands apart: it means "we could not tell", and is no worse or better than another.
    Status {
        Operational = "operational",
        Maintenance = "maintenance",
        Degraded = "degraded",
        PartialOutage = "partial_outage",
        MajorOutage = "major_outage",
        Unknown = "unknown",
    }
}

impl Status {
    /// The scale that status-page exporters share: 0 unknown, 1 operational ... 5 major outage.
    pub const fn level(self) -> u8 {
        match self {
            Status::Unknown => 0,
            known => known as u8 + 1,
        }
    }

    pub const fn is_known(self) -> bool {
        !matches!(self, Status::Unknown)
    }

    /// The worst of those that are known; `None` if there is none.
    pub fn worst(statuses: impl IntoIterator<Item = Status>) -> Option<Status> {
        statuses.into_iter().filter(|s| s.is_known()).max()
    }

    /// What open incidents make of a page whose components are not known; `None` without one that hurts.
    pub fn by_incidents(incidents: &[Incident]) -> Option<Status> {
        Status::worst(incidents.iter().filter(|i| i.is_open()).filter_map(|i| Impact::status(i.impact)))
    }

    /// The verdict over the leaf components of a page: the worst of them, but a page is in `major_outage` only if every
    /// leaf is (measured on 12,784 Statuspage summaries without an exception). `None` without a leaf that is known.
    pub fn roll_up(leaves: impl IntoIterator<Item = Status> + Clone) -> Option<Status> {
        match Status::worst(leaves.clone())? {
            Status::MajorOutage if leaves.into_iter().any(|s| s.is_known() && s != Status::MajorOutage) => Some(Status::PartialOutage),
            worst => Some(worst),
        }
    }
}

words! {
    /// How much an incident hurts, in the vendor's own words.
    Impact {
        None = "none",
        Minor = "minor",
        Major = "major",
        Critical = "critical",
    }
}

impl Impact {
    /// How much an incident hurts whose platform says it in the words of components.
    pub const fn of(status: Status) -> Option<Impact> {
        match status {
            Status::Operational | Status::Maintenance => Some(Impact::None),
            Status::Degraded => Some(Impact::Minor),
            Status::PartialOutage => Some(Impact::Major),
            Status::MajorOutage => Some(Impact::Critical),
            Status::Unknown => None,
        }
    }

    /// What an open incident makes of what it touches; unstated counts as `minor`, `none` changes nothing.
    pub const fn status(impact: Option<Impact>) -> Option<Status> {
        match impact {
            Some(Impact::None) => None,
            Some(Impact::Minor) | None => Some(Status::Degraded),
            Some(Impact::Major) => Some(Status::PartialOutage),
            Some(Impact::Critical) => Some(Status::MajorOutage),
        }
    }
}

words! {
    /// Where an incident or a maintenance stands. The last four are those of maintenances.
    Stage {
        Investigating = "investigating",
        Identified = "identified",
        Monitoring = "monitoring",
        Resolved = "resolved",
        Postmortem = "postmortem",
        Scheduled = "scheduled",
        InProgress = "in_progress",
        Verifying = "verifying",
        Completed = "completed",
    }
}

impl Stage {
    /// Nothing follows but words.
    pub const fn is_over(self) -> bool {
        matches!(self, Stage::Resolved | Stage::Postmortem | Stage::Completed)
    }
}

words! {
    /// Whether an incident names what it touches, or concerns the whole page.
    Scope {
        Page = "page",
        Components = "components",
    }
}

/// What one document, or several of the same page together, say.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Name of the format that read it.
    pub format: &'static str,
    pub name: Option<String>,
    pub url: Option<String>,
    pub updated_at: Option<Timestamp>,
    pub overall: Status,
    /// Leaves only: a group is a property of its members.
    pub components: Vec<Component>,
    /// Newest first.
    pub incidents: Vec<Incident>,
    /// Newest first.
    pub maintenances: Vec<Maintenance>,
    pub carries: Carries,
    pub oddities: Oddities,
}

impl Page {
    /// A page of which nothing is known yet.
    pub fn blank(format: &'static str) -> Page {
        Page {
            format,
            name: None,
            url: None,
            updated_at: None,
            overall: Status::Unknown,
            components: Vec::new(),
            incidents: Vec::new(),
            maintenances: Vec::new(),
            carries: Carries::default(),
            oddities: Oddities::default(),
        }
    }
}

/// What a document lists. What it does not carry, its silence says nothing about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carries {
    pub components: bool,
    pub incidents: Listing,
    pub maintenances: Listing,
}

/// Which incidents (or maintenances) a document lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// None at all: the document is about something else.
    #[default]
    Absent,
    /// All that are open (or announced) and no other. One that is gone may be over: its history says so, if there is one.
    Open,
    /// The newest, whether open or over: leaving the list means nothing, unless older ones are still in it.
    Recent,
    /// All that are open and no other, and there is no history to ask: one that is gone is over.
    OpenOnly,
    /// Old ones, told in less detail than elsewhere: only what was never seen is taken from it.
    Archive,
}

/// What a reader should hear of, although the page could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Words that we do not know, as `status: Security Issue`; each once.
    pub unknown_words: Vec<String>,
    /// Texts that were longer than is kept.
    pub texts_cut: u32,
    /// Stages that no word of the platform states: they were read out of prose.
    pub stages_inferred: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Names are not unique, ids are.
    pub id: String,
    pub name: String,
    pub group: Option<String>,
    pub region: Option<String>,
    pub status: Status,
}

/// What an incident or maintenance names as touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Touched {
    /// Where the platform gives one.
    pub id: Option<String>,
    /// As printed, without the group.
    pub name: String,
}

/// One incident as the vendor declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// The vendor's.
    pub id: String,
    pub title: String,
    /// `None`: the platform does not say, or in a word that we do not know.
    pub impact: Option<Impact>,
    pub stage: Option<Stage>,
    pub started_at: Option<Timestamp>,
    /// As the vendor wrote it, where that lies after the end and could not be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated_start: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    /// Nothing says whether it is open or over: it is recorded, and nobody is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
    pub url: Option<String>,
    /// Empty: the whole page.
    pub touches: Vec<Touched>,
    /// Newest first.
    pub updates: Vec<Update>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Update {
    pub at: Option<Timestamp>,
    pub stage: Option<Stage>,
    /// Clean text, without mark-up.
    pub body: String,
}

/// Announced work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub id: String,
    pub title: String,
    pub stage: Option<Stage>,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub url: Option<String>,
    /// Empty: the whole page.
    pub touches: Vec<Touched>,
    /// Newest first.
    pub updates: Vec<Update>,
}

impl Incident {
    /// One of which nothing more is known.
    pub fn new(id: String, title: String) -> Incident {
        Incident {
            id,
            title,
            impact: None,
            stage: None,
            started_at: None,
            stated_start: None,
            resolved_at: None,
            undecided: false,
            url: None,
            touches: Vec::new(),
            updates: Vec::new(),
        }
    }

    pub fn is_open(&self) -> bool {
        !self.undecided && self.resolved_at.is_none() && !self.stage.is_some_and(Stage::is_over)
    }

    pub fn scope(&self) -> Scope {
        scope(&self.touches)
    }
}

impl Maintenance {
    /// One of which nothing more is known.
    pub fn new(id: String, title: String) -> Maintenance {
        Maintenance { id, title, stage: None, starts_at: None, ends_at: None, url: None, touches: Vec::new(), updates: Vec::new() }
    }

    pub fn is_over(&self) -> bool {
        self.stage.is_some_and(Stage::is_over)
    }

    pub fn scope(&self) -> Scope {
        scope(&self.touches)
    }
}

fn scope(touches: &[Touched]) -> Scope {
    if touches.is_empty() { Scope::Page } else { Scope::Components }
}
