//! What a state looks like: colour, shape and word, always all three. Colours are in `assets/vendord.css`, by class; the
//! shapes are symbols of the layout, by the same name.

use crate::model::{State, Status};
use crate::web::history::on_scale;

/// How one state is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Class of the colour and id of the shape.
    pub class: &'static str,
    pub word: &'static str,
}

impl Look {
    pub const fn of(status: Status) -> Look {
        let (class, word) = match status {
            Status::Operational => ("op", "operational"),
            Status::Maintenance => ("mt", "maintenance"),
            Status::Degraded => ("dg", "degraded"),
            Status::PartialOutage => ("po", "partial outage"),
            Status::MajorOutage => ("mo", "major outage"),
            Status::Unknown => ("un", "unknown"),
        };
        Look { class, word }
    }

    /// In the words of checks.
    pub const fn measured(state: State) -> Look {
        Look { word: state.as_str(), ..Look::of(on_scale(state)) }
    }
}

/// In the word that a lane uses for it: what we measure is up or down.
pub const fn word(status: Status, lane: Lane) -> &'static str {
    match (lane, status) {
        (Lane::Measured, Status::Operational) => "up",
        (Lane::Measured, Status::MajorOutage | Status::PartialOutage) => "down",
        (_, status) => Look::of(status).word,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Declared,
    Measured,
}

impl Lane {
    pub const fn as_str(self) -> &'static str {
        match self {
            Lane::Declared => "declared",
            Lane::Measured => "measured",
        }
    }
}

/// How high a bar is, of its lane: what is worse is higher, so that it is readable without colour.
pub const fn height(status: Status) -> f32 {
    match status {
        Status::Operational | Status::Unknown => 0.4,
        Status::Maintenance | Status::Degraded => 0.7,
        Status::PartialOutage | Status::MajorOutage => 1.0,
    }
}
