//! (in the making)

use super::{Document, Format, Unreadable};
use crate::model::Page;

pub const FORMAT: Format = Format {
    name: "statuspage",
    live: LIVE,
    history: &["/api/v2/incidents.json", "/api/v2/scheduled-maintenances.json"],
    archive: None,
    recognise,
    parse,
};

const LIVE: &[&str] = &["/api/v2/summary.json"];

fn recognise(_: &Document) -> Option<&'static str> {
    None
}

fn parse(_: &Document) -> Result<Page, Unreadable> {
    Err(Unreadable::Unknown)
}
