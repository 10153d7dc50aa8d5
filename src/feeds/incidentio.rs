//! (in the making)

use super::{Document, Format, Unreadable};
use crate::model::Page;

pub const FORMAT: Format = Format { name: "incidentio", live: LIVE, history: &[], archive: None, recognise, parse };

const LIVE: &[&str] = &["/api/v2/summary.json"];

fn recognise(_: &Document) -> Option<&'static str> {
    None
}

fn parse(_: &Document) -> Result<Page, Unreadable> {
    Err(Unreadable::Unknown)
}
