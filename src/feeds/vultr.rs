//! Vultr: <https://status.vultr.com/status.json>, the alerts of every region, and `alerts.json`, the same without the regions.
//!
//! An alert says how bad it is in its subject alone, and so it does whether it is work: that is announced weeks ahead and is
//! `ongoing` from then on, so that its stage is not known; when it is planned for stands in its text. A "Partial Outage" is one
//! host of many. What is over stays for some days: something open that is no longer listed is over.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, times};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "vultr";

pub const FORMAT: Format =
    Format { hosts: &["status.vultr.com"], live: &["/status.json", "/alerts.json"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    service_alerts: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    regions: Regions<'d>,
}

/// By code; a list where there is none, and at times where there are some. Of more than are read, one too many is kept.
#[derive(Default)]
struct Regions<'d>(Option<Vec<(Option<String>, &'d RawValue)>>);

impl<'de: 'd, 'd> Deserialize<'de> for Regions<'d> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let mut all = serde_json::Deserializer::from_str(raw);
        let regions = match raw.bytes().next() {
            Some(b'{') => all.deserialize_map(Collect),
            Some(b'[') => all.deserialize_seq(Collect),
            _ => return Ok(Regions(None)),
        };
        regions.map(|regions| Regions(Some(regions))).map_err(serde::de::Error::custom)
    }
}

struct Collect;

impl<'d> Visitor<'d> for Collect {
    type Value = Vec<(Option<String>, &'d RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("regions")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut regions = Vec::new();
        while let Some((code, region)) = map.next_entry::<String, &RawValue>()? {
            if regions.len() <= COMPONENTS_MAX {
                regions.push((Some(code), region));
            }
        }
        Ok(regions)
    }

    fn visit_seq<A: SeqAccess<'d>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut regions = Vec::new();
        while let Some(region) = seq.next_element::<&RawValue>()? {
            if regions.len() <= COMPONENTS_MAX {
                regions.push((None, region));
            }
        }
        Ok(regions)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Region<'d> {
    location: Text,
    country: Text,
    #[serde(borrow)]
    alerts: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Alert<'d> {
    id: Text,
    region: Text,
    subject: Text,
    status: Text,
    start_date: Text,
    updated_at: Text,
    #[serde(borrow)]
    entries: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    updated_at: Text,
    message: Text,
}

impl Alert<'_> {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.subject.as_str()?, self.start_date.as_str().unwrap_or_default()));
        notes::id(self.id.as_str()).or_else(|| notes::id(made_up().as_deref()))
    }

    fn says(&self, words: &str) -> bool {
        self.subject.as_str().is_some_and(|subject| subject.to_ascii_lowercase().contains(words))
    }

    fn is_work(&self) -> bool {
        self.says("scheduled maintenance")
    }

    fn is_over(&self) -> bool {
        self.status.as_str() == Some("resolved")
    }

    fn impact(&self) -> Impact {
        if self.says("partial outage") {
            Impact::Major
        } else if self.says("outage") {
            Impact::Critical
        } else {
            Impact::Minor
        }
    }
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"service_alerts\"").then(|| json::read(NAME, text).ok())??;
        body.service_alerts.is_there().then_some(body)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|body| if body.regions.0.is_some() { "service_alerts, regions" } else { "service_alerts" })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no service_alerts"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    page.carries = Carries { components: body.regions.0.is_some(), incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly };
    let regions = body.regions.0.unwrap_or_default();
    if regions.len() > COMPONENTS_MAX {
        return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
    }
    for (code, raw) in regions {
        if let Some(region) = json::element::<Region>(raw) {
            page.components.extend(reader.region(code, &region)?);
        }
    }
    for raw in body.service_alerts.within("alerts")? {
        reader.learn(raw, None)?;
    }
    for (id, told) in std::mem::take(&mut reader.told) {
        let Some(alert) = json::element::<Alert>(told.raw) else { continue };
        if alert.is_work() {
            page.maintenances.push(reader.maintenance(id, &alert, &told)?);
        } else {
            page.incidents.push(reader.incident(id, &alert, &told)?);
        }
    }
    let by_components = Status::roll_up(page.components.iter().map(|c| c.status));
    let by_incidents = Status::by_incidents(&page.incidents);
    let rolled = |status| if status == Status::MajorOutage { Status::PartialOutage } else { status };
    page.overall = by_components.or(by_incidents.map(rolled)).unwrap_or(Status::Operational);
    page.oddities = reader.notes.oddities();
    Ok(page)
}

/// One alert, and the regions below which it stands.
struct Told<'d> {
    raw: &'d RawValue,
    regions: BTreeSet<String>,
}

#[derive(Default)]
struct Reader<'d> {
    /// By id.
    told: BTreeMap<String, Told<'d>>,
    /// Names by code.
    names: BTreeMap<String, String>,
    notes: Notes,
    budget: Budget,
}

impl<'d> Reader<'d> {
    fn region(&mut self, code: Option<String>, region: &Region<'d>) -> Result<Option<Component>, Unreadable> {
        let is_one = region.location.as_str().is_some() || region.alerts.is_some();
        let Some(id) = notes::id(code.as_deref().or(region.location.as_str())).filter(|_| is_one) else { return Ok(None) };
        let name = self.notes.line(region.location.as_str()).unwrap_or_else(|| id.clone());
        if name != id {
            self.names.insert(id.clone(), name.clone());
        }
        let mut worst = Status::Operational;
        for raw in json::listed::<&RawValue, INCIDENTS_MAX>(region.alerts, "alerts")? {
            worst = worst.max(self.learn(raw, Some(&id))?.unwrap_or(Status::Operational));
        }
        Ok(Some(Component { id, name, group: None, region: self.notes.line(region.country.as_str()), status: worst }))
    }

    /// What it makes of where it stands, if it is open.
    fn learn(&mut self, raw: &'d RawValue, region: Option<&str>) -> Result<Option<Status>, Unreadable> {
        let Some(alert) = json::element::<Alert>(raw) else { return Ok(None) };
        let Some(id) = alert.id() else { return Ok(None) };
        self.budget.touched(1)?;
        let region = notes::id(region.or(alert.region.as_str())).map(|region| self.budget.copy(&region)).transpose()?;
        match self.told.entry(id) {
            Slot::Vacant(slot) => drop(slot.insert(Told { raw, regions: region.into_iter().collect() })),
            Slot::Occupied(mut slot) => {
                let told = slot.get_mut();
                told.regions.extend(region);
                if raw.get() > told.raw.get() {
                    told.raw = raw;
                }
            }
        }
        if self.told.len() > INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "alerts", max: INCIDENTS_MAX });
        }
        Ok(Impact::status(Some(alert.impact())).filter(|_| !alert.is_over() && !alert.is_work()))
    }

    fn incident(&mut self, id: String, alert: &Alert, told: &Told) -> Result<Incident, Unreadable> {
        let title = self.notes.title(alert.subject.as_str(), "Alert", &id);
        Ok(Incident {
            impact: Some(alert.impact()),
            stage: self.is_over(alert).then_some(Stage::Resolved),
            started_at: alert.start_date.instant(),
            resolved_at: alert.updated_at.instant().filter(|_| alert.is_over()),
            touches: self.touches(told)?,
            updates: self.updates(alert)?,
            ..Incident::new(id, title)
        })
    }

    fn maintenance(&mut self, id: String, alert: &Alert, told: &Told) -> Result<Maintenance, Unreadable> {
        let title = self.notes.title(alert.subject.as_str(), "Maintenance", &id);
        let updates = self.updates(alert)?;
        // The last that was said of it; whether updates stand in this order or the other means nothing.
        let planned = |label: &str| updates.iter().filter_map(|update| Some((update.at, planned(&update.body, label)?))).max();
        Ok(Maintenance {
            stage: self.is_over(alert).then_some(Stage::Completed),
            starts_at: planned("Start Time:").map(|(_, at)| at),
            ends_at: planned("End Time:").map(|(_, at)| at),
            touches: self.touches(told)?,
            updates,
            ..Maintenance::new(id, title)
        })
    }

    fn is_over(&mut self, alert: &Alert) -> bool {
        let known = |word: &str| matches!(word, "ongoing" | "resolved").then_some(word == "resolved");
        self.notes.meaning("stage", alert.status.as_str(), known).unwrap_or(false)
    }

    fn touches(&mut self, told: &Told) -> Result<Vec<Touched>, Unreadable> {
        let mut touches = Vec::new();
        for region in &told.regions {
            let name = self.names.get(region).unwrap_or(region);
            touches.push(Touched { name: self.budget.copy(name)?, id: Some(region.clone()) });
        }
        Ok(touches)
    }

    fn updates(&mut self, alert: &Alert) -> Result<Vec<Update>, Unreadable> {
        let entries = json::listed::<Entry, UPDATES_MAX>(alert.entries, "updates")?;
        self.budget.updates(entries.len())?;
        let update = |entry: &Entry| Update { at: entry.updated_at.instant(), stage: None, body: self.notes.body(entry.message.as_str()) };
        Ok(entries.iter().map(update).collect())
    }
}

/// `Start Time: 2026-08-24 14:00:00 UTC`
fn planned(body: &str, label: &str) -> Option<Timestamp> {
    let (_, rest) = body.split_once(label)?;
    times::utc(rest.lines().next()?.trim().strip_suffix(" UTC")?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;

    #[test]
    fn alerts_stand_below_their_regions() {
        check(
            "vultr",
            "status-busy",
            r#"
                partial_outage components OpenOnly OpenOnly
                c kir Kirwall: partial_outage
                c lun Lunden: partial_outage
                c ost Ostby: operational
                c vik Vikstad: major_outage
                i al-2 critical - 2031-03-04T09:00..? "Vikstad Network Outage" [Vikstad] 1
                i al-1 minor - 2031-03-04T08:00..? "Kirwall Degraded Network Performance" [Kirwall] 2
                i al-0 minor - 2031-03-04T07:00..? "Billing is slow" [] 1
                i al-3 major - 2031-03-03T09:00..? "Partial Outage" [Kirwall, Lunden] 1
                i al-5 major resolved 2031-03-01T09:00..2031-03-01T10:00 "Partial Outage" [Lunden] 1
                i al-6 minor resolved 2031-03-01T08:00..2031-03-01T08:30 "Ostby Degraded Network Performance" [Ostby] 2
                m al-4 - 2031-03-09T14:00..2031-03-09T18:00 "Ostby Scheduled Maintenance - 2031-03-09" [Ostby] 2
                m al-7 completed 2031-03-02T14:00..? "Ostby Scheduled Maintenance - 2031-03-02" [Ostby] 1
                ? stage: pondered
            "#,
        );
    }

    #[test]
    fn without_regions_nothing_is_known_of_them() {
        check(
            "vultr",
            "alerts",
            r#"
                partial_outage - OpenOnly OpenOnly
                i al-2 critical - 2031-03-04T09:00..? "Vikstad Network Outage" [vik] 1
            "#,
        );
        check("vultr", "alerts-quiet", "operational - OpenOnly OpenOnly");
        check("vultr", "status-no-regions", "operational components OpenOnly OpenOnly");
        check(
            "vultr",
            "status-list-of-regions",
            "degraded components OpenOnly OpenOnly\nc Kirwall Kirwall: degraded\ni al-1 minor - 2031-03-04T08:00..? \"Kirwall Wobble\" [Kirwall] 0",
        );
    }
}
