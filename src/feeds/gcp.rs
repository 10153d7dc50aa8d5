//! Google Cloud, <https://status.cloud.google.com/incidents.schema.json>, and Google Workspace, whose dashboard is the same at
//! another address: the incidents of the last year or so, open or over, and beside them the products.
//!
//! What has no end is open; how far they are is not said. Of a product that no open incident names nothing is said, and the
//! dashboard shows it as available. Few incidents are made public, so that a list without any says nothing of the cloud.
//!
//! Until April 2021 the list looked otherwise: without `id` (its `number` was given to several, so that the address is the id),
//! products and `status_impact`. The dashboard of Workspace was never captured: only other clients say that it is the same.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Stage, Status, Touched, Update};

const NAME: &str = "gcp";
const WORKSPACE_HOST: &str = "www.google.com";
/// Addresses of incidents are relative to these.
const CLOUD: &str = "https://status.cloud.google.com/";
const WORKSPACE: &str = "https://www.google.com/appsstatus/dashboard/";

pub const FORMAT: Format = Format {
    hosts: &["status.cloud.google.com", WORKSPACE_HOST],
    live: &["/incidents.json"],
    beside: &["/products.json"],
    ..Format::new(NAME, recognise, parse)
};

/// An incident as Google lists it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Event<'d> {
    pub id: Text,
    pub uri: Text,
    pub external_desc: Text,
    pub begin: Text,
    pub end: Text,
    severity: Text,
    status_impact: Text,
    service_key: Text,
    service_name: Text,
    #[serde(borrow)]
    affected_products: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Product {
    id: Text,
    title: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    when: Text,
    status: Text,
    text: Text,
}

/// `products.json`
#[derive(Default, Deserialize)]
#[serde(default)]
struct Products {
    products: List<Product, COMPONENTS_MAX>,
}

impl Event<'_> {
    pub fn is_one(&self) -> bool {
        self.external_desc.as_str().is_some() && self.begin.as_str().is_some()
    }
}

fn listed(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    if text.contains('{') && !text.contains("\"external_desc\"") {
        return Err(Unreadable::shape(NAME, "it has no list of incidents with external_desc"));
    }
    json::list::<&RawValue, INCIDENTS_MAX>(NAME, text, "incidents")
}

fn events<'d>(listed: &[&'d RawValue]) -> impl Iterator<Item = Event<'d>> {
    listed.iter().filter_map(|raw| json::element(raw)).filter(Event::is_one)
}

fn is_at(document: &Document, name: &str) -> bool {
    document.url.is_some_and(|url| url.host_str().is_some_and(|host| FORMAT.hosts.contains(&host)) && url.path().ends_with(name))
}

fn recognise(document: &Document) -> Option<&'static str> {
    if is_at(document, "/products.json") && products(&document.text).is_some() {
        return Some("the products of a dashboard of Google");
    }
    let listed = listed(&document.text).ok()?;
    if events(&listed).next().is_some() {
        return Some("a list of external_desc, begin");
    }
    (listed.is_empty() && is_at(document, "/incidents.json")).then_some("an empty list where Google lists its incidents")
}

fn products(text: &str) -> Option<Vec<Product>> {
    let products: Products = text.contains("\"products\"").then(|| json::read(NAME, text).ok())??;
    products.products.is_there().then(|| products.products.within("products").ok())?
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if let Some(products) = products(&document.text) {
        return Ok(of_products(&products));
    }
    let listed = listed(&document.text)?;
    if !listed.is_empty() && events(&listed).next().is_none() {
        return Err(Unreadable::shape(NAME, "nothing in its list has external_desc and begin"));
    }
    let is_workspace = document.url.is_some_and(|url| url.host_str() == Some(WORKSPACE_HOST));
    let mut reader = Reader { dashboard: if is_workspace { WORKSPACE } else { CLOUD }, ..Reader::default() };
    let mut incidents = Vec::new();
    for event in events(&listed) {
        incidents.extend(reader.incident(&event)?);
    }
    let components = affected(&incidents);
    let by_incidents = Status::by_incidents(&incidents).unwrap_or(Status::Operational);
    Ok(Page {
        updated_at: incidents.iter().flat_map(|i| &i.updates).filter_map(|u| u.at).max(),
        // All the other products are available, as far as is told.
        overall: Status::roll_up([by_incidents, Status::Operational]).filter(|_| !incidents.is_empty()).unwrap_or(Status::Unknown),
        components,
        incidents,
        carries: Carries { components: false, incidents: Listing::Recent, maintenances: Listing::Absent },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

fn of_products(products: &[Product]) -> Page {
    let mut notes = Notes::default();
    let mut component = |product: &Product| {
        let id = notes::id(product.id.as_str().or(product.title.as_str()))?;
        let name = notes.line(product.title.as_str()).unwrap_or_else(|| id.clone());
        Some(Component { id, name, group: None, region: None, status: Status::Operational })
    };
    Page {
        components: products.iter().filter_map(&mut component).collect(),
        carries: Carries { components: true, ..Carries::default() },
        oddities: notes.oddities(),
        ..Page::blank(NAME)
    }
}

/// What open incidents name, each as bad as the worst of them says.
fn affected(incidents: &[Incident]) -> Vec<Component> {
    let mut affected: BTreeMap<&str, Component> = BTreeMap::new();
    for incident in incidents.iter().filter(|incident| incident.is_open()) {
        let status = Impact::status(incident.impact).unwrap_or(Status::Operational);
        for touched in &incident.touches {
            let id = touched.id.as_ref().unwrap_or(&touched.name);
            let fresh = Component { id: id.clone(), name: touched.name.clone(), group: None, region: None, status };
            let known = affected.entry(id).or_insert_with(|| fresh.clone());
            known.status = known.status.max(status);
            // Where they call it differently, the first by the alphabet counts.
            known.name = fresh.name.min(std::mem::take(&mut known.name));
        }
    }
    affected.into_values().collect()
}

/// Reads incidents one by one; for the import of saved lists, too.
pub struct Reader {
    pub notes: Notes,
    budget: Budget,
    dashboard: &'static str,
}

impl Default for Reader {
    fn default() -> Self {
        Reader { notes: Notes::default(), budget: Budget::default(), dashboard: CLOUD }
    }
}

impl Reader {
    /// `None`: nothing tells it from others.
    pub fn incident(&mut self, event: &Event) -> Result<Option<Incident>, Unreadable> {
        let uri = event.uri.as_str().map(|uri| uri.trim_start_matches('/'));
        let Some(id) = notes::id(event.id.as_str().or(event.uri.as_str())) else { return Ok(None) };
        // An end that cannot be read is one all the same.
        let is_over = event.end.as_str().is_some();
        Ok(Some(Incident {
            title: self.notes.title(event.external_desc.as_str().map(title), "Incident", &id),
            impact: self.impact(event),
            stage: is_over.then_some(Stage::Resolved),
            started_at: event.begin.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: event.end.instant(),
            url: uri.and_then(|uri| notes::link(Some(&format!("{}{uri}", self.dashboard)))),
            touches: self.touches(event)?,
            updates: self.updates(event)?,
            id,
        }))
    }

    /// `status_impact` says it in classes; before there was one, `severity` did.
    fn impact(&mut self, event: &Event) -> Option<Impact> {
        let word = event.status_impact.as_str().or(event.severity.as_str());
        self.notes.meaning("impact", word, |word| match word {
            "AVAILABLE" => Some(Impact::None),
            "SERVICE_INFORMATION" | "low" => Some(Impact::Minor),
            "SERVICE_DISRUPTION" | "medium" => Some(Impact::Major),
            "SERVICE_OUTAGE" | "high" => Some(Impact::Critical),
            _ => None,
        })
    }

    /// The products; where there are none, the service, unless it stands for several.
    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let products = json::listed::<Product, COMPONENTS_MAX>(event.affected_products, "products of an incident")?;
        self.budget.touched(products.len())?;
        let mut touches: Vec<Touched> = products.iter().filter_map(|product| self.touched(&product.id, &product.title)).collect();
        if touches.is_empty() && event.service_key.as_str() != Some("zall") {
            touches.extend(self.touched(&event.service_key, &event.service_name));
        }
        Ok(touches)
    }

    fn touched(&mut self, id: &Text, name: &Text) -> Option<Touched> {
        Some(Touched { id: notes::id(id.as_str()), name: self.notes.line(name.as_str())? })
    }

    fn updates(&mut self, event: &Event) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.updates, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: Post| Update {
            at: post.when.instant(),
            stage: (post.status.as_str() == Some("AVAILABLE")).then_some(Stage::Resolved),
            body: self.notes.body(post.text.as_str()),
        };
        Ok(posts.into_iter().map(update).collect())
    }
}

/// Workspace describes an incident in several lines, of which one is its title: `**Title:** Mail is late`.
fn title(description: &str) -> &str {
    let mut lines = description.lines().map(str::trim);
    let of = |line: &str| ["**Title:**", "**Title**:", "Title:"].iter().find_map(|mark| line.strip_prefix(mark).map(str::len));
    let Some((line, length)) = lines.find_map(|line| Some((line, of(line)?))) else { return description };
    let title = line[line.len() - length..].trim();
    if title.is_empty() { lines.find(|line| !line.is_empty()).unwrap_or(description) } else { title }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::tests::{check, fixture, sketch};
    use super::super::{joined, read};
    use super::*;

    #[test]
    fn what_has_no_end_is_open() {
        check(
            NAME,
            "incidents",
            r#"
                partial_outage - Recent Absent
                c p1 Storage Shed: major_outage
                c p2 Ladder Hall: major_outage
                i qC3 minor - 2031-02-03T10:00..? "Ladders creak" [Ladder Hall] 1
                i qB2 critical - 2031-02-02T10:00..? "The shed is shut" [Storage Shed, Ladder Hall] 2
                i qA1 major resolved 2031-02-01T10:00..2031-02-01T12:30 "Slow doors" [Door Desk] 2
                i q99 - resolved 2031-01-31T10:00..2031-01-31T10:00 "Odd noises" [] 0
                ? impact: SERVICE_HICCUP
            "#,
        );
        let page = fixture(NAME, "incidents", None).unwrap();
        assert_eq!(page.incidents[2].url.as_deref(), Some("https://status.cloud.google.com/incidents/qA1"));
        assert_eq!(page.incidents[2].updates[0].stage, Some(Stage::Resolved), "newest first");
    }

    #[test]
    fn as_it_was_until_2021() {
        check(
            NAME,
            "incidents-until-2021",
            r#"
                partial_outage - Recent Absent
                c shed Storage Shed: partial_outage
                i /incident/shed/20002 major - 2020-03-02T10:00..? "The shed is shut" [Storage Shed] 1
                i /incident/zall/20002 critical resolved 2020-03-01T10:00..2020-03-01T12:30 "Nothing opens" [] 1
            "#,
        );
    }

    #[test]
    fn workspace_is_the_same_elsewhere() {
        let url = "https://www.google.com/appsstatus/dashboard/incidents.json";
        let page = fixture(NAME, "incidents-workspace", Some(url)).unwrap();
        let one = &page.incidents[0];
        assert_eq!((one.title.as_str(), one.impact), ("Pigeons are late", Some(Impact::Minor)));
        assert_eq!(one.url.as_deref(), Some("https://www.google.com/appsstatus/dashboard/incidents/wA1"));
        assert_eq!(page.incidents[1].title, "Pigeons are lost");
        assert_eq!(page.overall, Status::Degraded);
    }

    #[test]
    fn a_list_without_incidents_says_nothing() {
        let read = |url: &str| fixture(NAME, "refused-no-incidents", Some(url)).map(|page| page.overall);
        assert_eq!(read("https://status.cloud.google.com/incidents.json"), Ok(Status::Unknown));
        assert_eq!(read("https://status.acme.example/incidents.json"), Err(Unreadable::Unknown));
    }

    #[test]
    fn products_are_known_by_their_address_and_available_unless_an_incident_names_them() {
        let text = br#"{"products": [{"title": "Storage Shed", "id": "p1"}, {"title": "Door Desk", "id": "p3"}, {}]}"#;
        assert_eq!(read(&Document::new(None, None, text), None), Err(Unreadable::Unknown));
        let url = Url::parse("https://status.cloud.google.com/products.json").unwrap();
        let products = read(&Document::new(Some(&url), None, text), None).unwrap();
        assert_eq!(sketch(&products), "unknown components Absent Absent\nc p1 Storage Shed: operational\nc p3 Door Desk: operational\n");
        let page = joined(fixture(NAME, "incidents", None).unwrap(), [products]);
        let got: Vec<_> = page.components.iter().map(|c| (c.name.as_str(), c.status)).collect();
        let want = [("Storage Shed", Status::MajorOutage), ("Ladder Hall", Status::MajorOutage), ("Door Desk", Status::Operational)];
        assert_eq!((got.as_slice(), page.overall, page.carries.components), (want.as_slice(), Status::PartialOutage, true));
    }
}
