//! Salesforce Trust: <https://api.status.salesforce.com/v1/docs/>, the instances on which customers live.
//!
//! An instance lists its own incidents and maintenances, so that an incident stands in it as often as it has instances. Incidents
//! have no title: it is made of the kind of their impact and of the services. One is open until its impact has an end, whatever
//! its newest event says. Of 1,500 instances one is nearly always degraded: a page without a filter is nobody's.
//!
//! Known from captured answers of `instances`, and from the code of other clients: how maintenances look was never captured.

mod words;

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::words::{incident_stage, maintenance_stage, status, title};
use super::budget::Budget;
use super::json::{self, Lax, Text};
use super::notes::{self, Notes};
use super::touches::Touches;
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "salesforce";
const SITE: &str = "https://status.salesforce.com";
/// Impacts of one incident: one is usual.
const IMPACTS_MAX: usize = 1_000;

pub const FORMAT: Format = Format {
    hosts: &["status.salesforce.com", "api.status.salesforce.com"],
    live: &["https://api.status.salesforce.com/v1/instances/{last}/status", "https://api.status.salesforce.com/v1/instances"],
    parts: &["https://api.status.salesforce.com/v1/incidents/active", "https://api.status.salesforce.com/v1/maintenances"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Instance<'d> {
    key: Text,
    location: Text,
    status: Text,
    #[serde(rename = "isActive")]
    is_active: Lax<bool>,
    #[serde(borrow, rename = "Incidents")]
    incidents: Option<&'d RawValue>,
    #[serde(borrow, rename = "Maintenances")]
    maintenances: Option<&'d RawValue>,
    #[serde(borrow, rename = "Products")]
    products: Option<&'d RawValue>,
}

/// An incident or a maintenance.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'d> {
    id: Text,
    name: Text,
    created_at: Text,
    planned_start_time: Text,
    planned_end_time: Text,
    #[serde(borrow)]
    instance_keys: Option<&'d RawValue>,
    #[serde(borrow)]
    service_keys: Option<&'d RawValue>,
    #[serde(borrow, rename = "IncidentImpacts")]
    incident_impacts: Option<&'d RawValue>,
    #[serde(borrow, rename = "IncidentEvents")]
    incident_events: Option<&'d RawValue>,
    #[serde(borrow, rename = "MaintenanceImpacts")]
    maintenance_impacts: Option<&'d RawValue>,
    #[serde(borrow, rename = "MaintenanceEvents")]
    maintenance_events: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Impacted {
    start_time: Text,
    end_time: Text,
    r#type: Text,
    severity: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Post {
    r#type: Text,
    message: Text,
    created_at: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Product {
    key: Text,
}

impl Instance<'_> {
    fn is_one(&self) -> bool {
        let has_products = self.products.is_some_and(|raw| raw.get().starts_with('['));
        self.key.as_str().is_some() && self.status.as_str().is_some() && has_products
    }

    fn serves(&self, product: &str) -> bool {
        let products = json::listed::<Product, COMPONENTS_MAX>(self.products, "products").unwrap_or_default();
        products.iter().any(|one| one.key.as_str() == Some(product))
    }
}

impl Event<'_> {
    fn is_incident(&self) -> bool {
        self.incident_impacts.is_some() && self.instance_keys.is_some()
    }

    fn is_maintenance(&self) -> bool {
        self.maintenance_impacts.is_some() && self.instance_keys.is_some()
    }
}

/// What a document lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Instances,
    Incidents,
    Maintenances,
}

/// The entries of a document, which may be one instance alone.
fn listed(text: &str) -> Option<(What, Vec<&RawValue>)> {
    let keys = ["\"Products\"", "\"IncidentImpacts\"", "\"MaintenanceImpacts\""];
    keys.iter().any(|key| text.contains(key)).then_some(())?;
    let listed = if text.trim_start().starts_with('{') {
        vec![serde_json::from_str::<&RawValue>(text).ok()?]
    } else {
        json::list::<&RawValue, COMPONENTS_MAX>(NAME, text, "instances").ok()?
    };
    let any = |is: fn(&Event) -> bool| listed.iter().filter_map(|raw| json::element(raw)).any(|event: Event| is(&event));
    let what = if listed.iter().filter_map(|raw| json::element(raw)).any(|instance: Instance| instance.is_one()) {
        What::Instances
    } else if any(|event| event.is_incident()) {
        What::Incidents
    } else if any(|event| event.is_maintenance()) {
        What::Maintenances
    } else {
        return None;
    };
    Some((what, listed))
}

fn recognise(document: &Document) -> Option<&'static str> {
    Some(match listed(&document.text)?.0 {
        What::Instances => "key, status, Products of an instance of Salesforce",
        What::Incidents => "IncidentImpacts, instanceKeys",
        What::Maintenances => "MaintenanceImpacts, instanceKeys",
    })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    page(NAME, &document.text, None)
}

/// The instances that serve a product, or all; for another format too, whose vendor publishes here.
pub fn page(format: &'static str, text: &str, product: Option<&str>) -> Result<Page, Unreadable> {
    let (what, listed) = listed(text).ok_or_else(|| Unreadable::shape(format, "it lists neither instances nor what happened to them"))?;
    let mut reader = Reader::default();
    for raw in listed {
        match what {
            What::Incidents => reader.incident(raw, None)?,
            What::Maintenances => reader.maintenance(raw, None)?,
            What::Instances => match json::element(raw).filter(Instance::is_one) {
                Some(instance) if product.is_none_or(|product| instance.serves(product)) => reader.instance(&instance)?,
                _ => {}
            },
        }
    }
    if what == What::Instances && reader.components.is_empty() {
        return Err(Unreadable::shape(format, "it lists no instance of the product"));
    }
    reader.finish(format, what)
}

#[derive(Default)]
struct Reader<'d> {
    notes: Notes,
    budget: Budget,
    /// What was read already: an incident is written out in each of its instances.
    seen: HashSet<&'d str>,
    components: Vec<Component>,
    incidents: Vec<Incident>,
    maintenances: Vec<Maintenance>,
    hit: Touches,
    worked_on: Touches,
}

impl<'d> Reader<'d> {
    fn finish(mut self, format: &'static str, what: What) -> Result<Page, Unreadable> {
        for incident in &mut self.incidents {
            incident.touches = self.hit.of(&incident.id, &mut self.budget)?;
        }
        for maintenance in &mut self.maintenances {
            maintenance.touches = self.worked_on.of(&maintenance.id, &mut self.budget)?;
        }
        // Where instances are not listed, nothing is said of those that are well.
        let open = Status::by_incidents(&self.incidents).unwrap_or(Status::Operational);
        let has = |of: What| what == of || what == What::Instances;
        Ok(Page {
            overall: match what {
                What::Instances => Status::roll_up(self.components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
                What::Incidents => Status::roll_up([open, Status::Operational]).unwrap_or(Status::Unknown),
                What::Maintenances => Status::Unknown,
            },
            carries: Carries {
                components: what == What::Instances,
                incidents: if has(What::Incidents) { Listing::OpenOnly } else { Listing::Absent },
                maintenances: match what {
                    What::Instances => Listing::OpenOnly,
                    What::Incidents => Listing::Absent,
                    What::Maintenances => Listing::Recent,
                },
            },
            components: self.components,
            incidents: self.incidents,
            maintenances: self.maintenances,
            oddities: self.notes.oddities(),
            ..Page::blank(format)
        })
    }

    fn instance(&mut self, instance: &Instance<'d>) -> Result<(), Unreadable> {
        let Some(key) = notes::id(instance.key.as_str()) else { return Ok(()) };
        for raw in json::listed::<&RawValue, INCIDENTS_MAX>(instance.incidents, "incidents of an instance")? {
            self.incident(raw, Some(&key))?;
        }
        for raw in json::listed::<&RawValue, INCIDENTS_MAX>(instance.maintenances, "maintenances of an instance")? {
            self.maintenance(raw, Some(&key))?;
        }
        let status = self.notes.meaning("status", instance.status.as_str(), status).unwrap_or(Status::Unknown);
        self.components.push(Component {
            name: key.clone(),
            id: key,
            group: None,
            region: self.notes.line(instance.location.as_str()),
            // What is out of service calls itself well.
            status: if instance.is_active.0 == Some(false) { Status::Unknown } else { status },
        });
        Ok(())
    }

    /// `instance` is the one in whose list it stands.
    fn incident(&mut self, raw: &'d RawValue, instance: Option<&str>) -> Result<(), Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(()) };
        let Some(id) = notes::id(event.id.as_str()) else { return Ok(()) };
        if let Some(key) = instance {
            self.hit.add(&id, touched(key), &mut self.budget)?;
        }
        if !self.seen.insert(raw.get()) {
            return Ok(());
        }
        if self.incidents.len() == INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
        }
        for key in keys(event.instance_keys)? {
            self.hit.add(&id, touched(&key), &mut self.budget)?;
        }
        let impacts = json::listed::<Impacted, IMPACTS_MAX>(event.incident_impacts, "impacts of an incident")?;
        let ended_at = ended_at(&impacts);
        let updates = self.updates(event.incident_events, incident_stage)?;
        let newest = updates.iter().max().and_then(|update| update.stage).filter(|stage| !stage.is_over());
        let severities = impacts.iter().filter_map(|i| self.notes.meaning("impact", i.severity.as_str(), Impact::parse));
        self.incidents.push(Incident {
            impact: severities.max(),
            title: self.notes.title(
                title(impacts.iter().filter_map(|i| i.r#type.as_str()), &keys(event.service_keys)?).as_deref(),
                "Incident",
                &id,
            ),
            stage: if ended_at.is_some() { Some(Stage::Resolved) } else { newest },
            started_at: impacts.iter().filter_map(|i| i.start_time.instant()).min().or(event.created_at.instant()),
            stated_start: None,
            undecided: false,
            resolved_at: ended_at,
            url: notes::incident_link(Some(SITE), &id),
            touches: Vec::new(),
            updates,
            id,
        });
        Ok(())
    }

    fn maintenance(&mut self, raw: &'d RawValue, instance: Option<&str>) -> Result<(), Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(()) };
        let Some(id) = notes::id(event.id.as_str()) else { return Ok(()) };
        if let Some(key) = instance {
            self.worked_on.add(&id, touched(key), &mut self.budget)?;
        }
        if !self.seen.insert(raw.get()) {
            return Ok(());
        }
        if self.maintenances.len() == INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "maintenances", max: INCIDENTS_MAX });
        }
        for key in keys(event.instance_keys)? {
            self.worked_on.add(&id, touched(&key), &mut self.budget)?;
        }
        let impacts = json::listed::<Impacted, IMPACTS_MAX>(event.maintenance_impacts, "impacts of a maintenance")?;
        let updates = self.updates(event.maintenance_events, maintenance_stage)?;
        self.maintenances.push(Maintenance {
            title: self.notes.title(event.name.as_str(), "Maintenance", &id),
            stage: Some(match ended_at(&impacts) {
                Some(_) => Stage::Completed,
                None if impacts.is_empty() => Stage::Scheduled,
                None => Stage::InProgress,
            }),
            starts_at: event.planned_start_time.instant(),
            ends_at: event.planned_end_time.instant(),
            url: None,
            touches: Vec::new(),
            updates,
            id,
        });
        Ok(())
    }

    fn updates(&mut self, events: Option<&RawValue>, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(events, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: Post| Update {
            at: post.created_at.instant(),
            stage: post.r#type.as_str().and_then(stage),
            body: self.notes.body(post.message.as_str()),
        };
        Ok(posts.into_iter().map(update).collect())
    }
}

fn touched(key: &str) -> Touched {
    Touched { id: Some(key.to_owned()), name: key.to_owned() }
}

fn keys(raw: Option<&RawValue>) -> Result<Vec<String>, Unreadable> {
    let keys = json::listed::<Text, COMPONENTS_MAX>(raw, "keys of an incident")?;
    Ok(keys.iter().filter_map(|key| notes::id(key.as_str())).collect())
}

/// When the last impact ended; `None` while one of them has no end.
fn ended_at(impacts: &[Impacted]) -> Option<Timestamp> {
    impacts.iter().map(|impact| impact.end_time.instant()).collect::<Option<Vec<_>>>()?.into_iter().max()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn an_incident_stands_in_each_of_its_instances() {
        check(
            NAME,
            "instances",
            r#"
                partial_outage components OpenOnly OpenOnly
                c AB1 AB1: operational
                c AB2 AB2: degraded
                c AB3 AB3: partial_outage
                c AB4 AB4: unknown
                c AB5 AB5: maintenance
                c AB6 AB6: unknown
                i 71 major - 2031-02-01T04:00..? "Feature degradation, Service disruption (Core service, Crm suite)" [AB2, AB3] 2
                i 72 minor monitoring 2031-01-31T04:00..? "Slow searching (Search)" [AB2] 1
                m 81 in_progress 2031-02-02T04:00..2031-02-02T06:00 "New floors" [AB5] 1
                m 80 scheduled 2031-02-02T04:00..2031-02-02T06:00 "Maintenance 80" [AB1, AB5] 0
                ? status: SHRUG_CORE
            "#,
        );
        let page = fixture(NAME, "instances", None).unwrap();
        assert_eq!(page.components[1].region.as_deref(), Some("EMEA"));
        assert_eq!(page.incidents[0].url.as_deref(), Some("https://status.salesforce.com/incidents/71"));
        assert_eq!(page.incidents[0].updates[0].stage, Some(Stage::Resolved), "what its newest event says is not yet so");
    }

    #[test]
    fn one_instance_alone() {
        check(NAME, "instance-ok", "operational components OpenOnly OpenOnly\nc AB1 AB1: operational");
        check(NAME, "instance-out-of-service", "unknown components OpenOnly OpenOnly\nc AB4 AB4: unknown");
    }

    #[test]
    fn what_happens_without_the_instances() {
        check(
            NAME,
            "incidents-active",
            r#"
                partial_outage - OpenOnly Absent
                i 74 - - 2031-02-03T05:00..? "Incident 74" [] 0
                i 73 critical - 2031-02-03T04:00..? "Nothing works" [AB1, AB2] 0
                i 70 minor resolved 2031-01-01T04:00..2031-01-01T05:30 "Feature degradation (Search)" [AB1] 0
                ? impact: purple
            "#,
        );
        check(
            NAME,
            "maintenances",
            r#"
                unknown - Absent Recent
                m 83 completed 2031-01-02T04:00..2031-01-02T06:00 "Old floors" [AB1] 0
                m 82 scheduled ?..? "Maintenance 82" [AB1] 0
            "#,
        );
    }
}
