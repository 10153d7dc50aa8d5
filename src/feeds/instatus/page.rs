//! What the web page carries for its own scripts: an object `site` with the components, and beside it what is open.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NAME, Phrase, Reader, components, page_status};
use crate::feeds::embedded::{self, Embedded};
use crate::feeds::json::{self, List, Text};
use crate::feeds::{COMPONENTS_MAX, INCIDENTS_MAX, Unreadable, notes};
use crate::model::Page;
use crate::model::page::{Carries, Listing, Status};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Site<'d> {
    name: Phrase,
    status: Text,
    main_status: Text,
    custom_domain: Text,
    #[serde(borrow)]
    components: List<&'d RawValue, COMPONENTS_MAX>,
}

pub fn is(html: &str) -> bool {
    embedded::mentions(html, "activeIncidents") && site(&Embedded::of(html)).is_some()
}

pub fn parse(html: &str) -> Result<Page, Unreadable> {
    let embedded = Embedded::of(html);
    let (site, beside) = site(&embedded).ok_or_else(|| Unreadable::shape(NAME, "its page has no site with a status"))?;
    let mut reader = Reader { texts: Some(embedded.texts()), ..Reader::default() };
    let [incidents, maintenances] = [("activeIncidents", "incidents"), ("activeMaintenances", "maintenances")].map(|(name, what)| {
        let list: Option<List<&RawValue, INCIDENTS_MAX>> =
            Embedded::list(beside, name).and_then(|raw| serde_json::from_str(raw.get()).ok());
        list.map(|list| list.within(what)).transpose()
    });
    let (incidents, maintenances) = (incidents?, maintenances?);
    let listing = |list: &Option<_>| if list.is_some() { Listing::OpenOnly } else { Listing::Absent };
    let has_components = site.components.is_there();
    let carries = Carries { components: has_components, incidents: listing(&incidents), maintenances: listing(&maintenances) };
    let components = components::components(&mut reader, site.components)?;
    let word = site.main_status.as_str().or(site.status.as_str());
    let by_word = reader.notes.meaning("page status", word, page_status);
    let name = reader.text(&site.name.0);
    Ok(Page {
        name: reader.notes.line(name.as_deref()),
        url: site.custom_domain.as_str().and_then(|host| notes::link(Some(&format!("https://{host}")))),
        overall: Status::roll_up(components.iter().map(|c| c.status)).or(by_word).unwrap_or(Status::Unknown),
        components,
        incidents: reader.incidents(incidents.unwrap_or_default())?,
        maintenances: reader.maintenances(maintenances.unwrap_or_default())?,
        carries,
        oddities: std::mem::take(&mut reader.notes).oddities(),
        ..Page::blank(NAME)
    })
}

/// And what stands behind it.
fn site(embedded: &Embedded) -> Option<(Site<'_>, &str)> {
    embedded.objects("site").find_map(|(raw, after)| {
        let site: Site = json::element(raw)?;
        let has_status = site.main_status.as_str().or(site.status.as_str()).is_some_and(super::is_word);
        (has_status && after.contains("\"activeIncidents\":")).then_some((site, after))
    })
}
