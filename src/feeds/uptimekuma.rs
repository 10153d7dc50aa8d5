//! Uptime Kuma: <https://github.com/louislam/uptime-kuma/wiki/API-Documentation>. One document has the names of the monitors and
//! what is announced, another the newest heartbeats by their ids.
//!
//! Times have no zone and are UTC, but for windows of maintenance, which are in the zone that stands beside them. Only what is
//! pinned is listed: an incident that is gone is over.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable, times};
use crate::model::Page;
use crate::model::page::{Carries, Component, Incident, Listing, Maintenance, Stage, Status, Update};

const NAME: &str = "uptimekuma";
/// More heartbeats of one monitor are refused: a page shows the last 100.
const BEATS_MAX: usize = 10_000;

pub const FORMAT: Format = Format {
    live: &["{root}/api/status-page/{last}"],
    beside: &["{root}/api/status-page/heartbeat/{last}"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'d> {
    config: Lax<About>,
    incident: Option<&'d RawValue>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    public_group_list: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    maintenance_list: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    heartbeat_list: Beats<'d>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    title: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Group<'d> {
    name: Text,
    #[serde(borrow)]
    monitor_list: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Monitor {
    id: Text,
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Beat {
    status: Text,
    time: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Notice {
    id: Text,
    title: Text,
    content: Text,
    created_date: Text,
    last_updated_date: Text,
    active: Lax<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Planned<'d> {
    id: Text,
    title: Text,
    description: Text,
    status: Text,
    timezone_offset: Text,
    #[serde(borrow)]
    timeslot_list: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Slot {
    start_date: Text,
    end_date: Text,
}

/// The heartbeats of each monitor by its id. Of more monitors than are read one more is kept.
#[derive(Default)]
struct Beats<'d>(Option<BTreeMap<String, &'d RawValue>>);

impl<'d, 'b: 'd> Deserialize<'b> for Beats<'d> {
    fn deserialize<D: Deserializer<'b>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let read = raw.starts_with('{').then(|| serde_json::Deserializer::from_str(raw).deserialize_map(Monitors).ok());
        Ok(Beats(read.flatten()))
    }
}

struct Monitors;

impl<'d> Visitor<'d> for Monitors {
    type Value = BTreeMap<String, &'d RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("heartbeats by monitor")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut monitors = BTreeMap::new();
        while let Some((id, beats)) = map.next_entry::<Cow<str>, &RawValue>()? {
            if monitors.len() <= COMPONENTS_MAX {
                monitors.insert(id.into_owned(), beats);
            }
        }
        Ok(monitors)
    }
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let is_one = ["\"publicGroupList\"", "\"heartbeatList\""].iter().any(|key| text.contains(key));
        let body: Body<'d> = is_one.then(|| json::read(NAME, text).ok())??;
        (body.public_group_list.is_there() || body.heartbeat_list.0.is_some()).then_some(body)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    let body = Body::of(&document.text)?;
    Some(if body.public_group_list.is_there() { "publicGroupList" } else { "heartbeatList" })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has neither publicGroupList nor heartbeatList"))?;
    let mut reader = Reader::default();
    if !body.public_group_list.is_there() {
        let components = reader.beats(body.heartbeat_list.0.unwrap_or_default())?;
        let carries = Carries { components: true, ..Carries::default() };
        let overall = Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(Status::Unknown);
        return Ok(Page { overall, components, carries, oddities: reader.notes.oddities(), ..Page::blank(NAME) });
    }
    let components = reader.monitors(body.public_group_list.within("components")?)?;
    let notices = body.incidents.within("incidents")?.into_iter().chain(body.incident);
    let incidents: Vec<Incident> = notices.filter_map(json::element::<Notice>).filter_map(|notice| reader.incident(&notice)).collect();
    let mut maintenances = Vec::new();
    for planned in body.maintenance_list.within("maintenances")?.into_iter().filter_map(json::element::<Planned>) {
        maintenances.extend(reader.maintenance(&planned)?);
    }
    Ok(Page {
        name: reader.notes.line(body.config.0.unwrap_or_default().title.as_str()),
        // What the monitors say is in the other document.
        overall: Status::by_incidents(&incidents).unwrap_or(Status::Unknown),
        components,
        incidents,
        maintenances,
        carries: Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn monitors(&mut self, groups: Vec<&RawValue>) -> Result<Vec<Component>, Unreadable> {
        let mut components = Vec::new();
        for group in groups.into_iter().filter_map(json::element::<Group>) {
            let name = self.notes.line(group.name.as_str());
            let monitors = json::listed::<&RawValue, COMPONENTS_MAX>(group.monitor_list, "components")?;
            for monitor in monitors.into_iter().filter_map(json::element::<Monitor>) {
                let Some(id) = notes::id(monitor.id.as_str().or(monitor.name.as_str())) else { continue };
                components.push(Component {
                    name: self.notes.line(monitor.name.as_str()).unwrap_or_else(|| id.clone()),
                    group: name.as_deref().map(|name| self.budget.copy(name)).transpose()?,
                    region: None,
                    status: Status::Unknown,
                    id,
                });
            }
            if components.len() > COMPONENTS_MAX {
                return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
            }
        }
        Ok(components)
    }

    /// A monitor without a heartbeat is unknown, not down.
    fn beats(&mut self, monitors: BTreeMap<String, &RawValue>) -> Result<Vec<Component>, Unreadable> {
        if monitors.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
        let mut components = Vec::new();
        for (id, raw) in monitors {
            let Some(id) = notes::id(Some(&id)) else { continue };
            let beats = json::listed::<&RawValue, BEATS_MAX>(Some(raw), "heartbeats of a monitor")?;
            let newest = beats.into_iter().filter_map(json::element::<Beat>).max_by_key(|beat| beat.time.as_str().and_then(times::utc));
            let status = newest.and_then(|beat| self.notes.meaning("status", beat.status.as_str(), beat_status));
            components.push(Component { name: id.clone(), group: None, region: None, status: status.unwrap_or(Status::Unknown), id });
        }
        Ok(components)
    }

    fn incident(&mut self, notice: &Notice) -> Option<Incident> {
        let made_up = || Some(format!("{} {}", notice.title.as_str()?, notice.created_date.as_str()?));
        let id = notes::id(notice.id.as_str()).or_else(|| notes::id(made_up().as_deref()))?;
        let (created, edited) = (notice.created_date.as_str().and_then(times::utc), notice.last_updated_date.as_str().and_then(times::utc));
        let is_over = notice.active.0 == Some(false);
        Some(Incident {
            title: self.notes.title(notice.title.as_str(), "Incident", &id),
            impact: None,
            stage: is_over.then_some(Stage::Resolved),
            started_at: created,
            stated_start: None,
            undecided: false,
            resolved_at: edited.filter(|_| is_over),
            url: None,
            touches: Vec::new(),
            updates: vec![Update { at: edited.or(created), stage: None, body: self.notes.body(notice.content.as_str()) }],
            id,
        })
    }

    /// Of one that comes again and again, the first window that is listed.
    fn maintenance(&mut self, planned: &Planned) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = notes::id(planned.id.as_str().or(planned.title.as_str())) else { return Ok(None) };
        let slots = json::listed::<&RawValue, BEATS_MAX>(planned.timeslot_list, "windows of a maintenance")?;
        let at = |text: &Text| times::at(text.as_str()?, planned.timezone_offset.as_str());
        let windows = slots.into_iter().filter_map(json::element::<Slot>).map(|slot| (at(&slot.start_date), at(&slot.end_date)));
        let first = windows.filter(|(start, _)| start.is_some()).min();
        let body = self.notes.body(planned.description.as_str());
        Ok(Some(Maintenance {
            title: self.notes.title(planned.title.as_str(), "Maintenance", &id),
            stage: self.notes.meaning("stage", planned.status.as_str(), maintenance_stage),
            starts_at: first.and_then(|(start, _)| start),
            ends_at: first.and_then(|(_, end)| end),
            url: None,
            touches: Vec::new(),
            updates: Vec::from_iter((!body.is_empty()).then_some(Update { at: None, stage: None, body })),
            id,
        }))
    }
}

/// <https://github.com/louislam/uptime-kuma/blob/master/src/util.ts>
fn beat_status(word: &str) -> Option<Status> {
    match word {
        "0" => Some(Status::MajorOutage),
        "1" => Some(Status::Operational),
        // It failed, and is tried again before that counts.
        "2" => Some(Status::Unknown),
        "3" => Some(Status::Maintenance),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "scheduled" => Some(Stage::Scheduled),
        "under-maintenance" => Some(Stage::InProgress),
        // Switched off is not coming either.
        "ended" | "inactive" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn names_and_what_is_announced() {
        check(
            NAME,
            "status-page",
            r#"
                degraded components OpenOnly OpenOnly
                c 7 Oven / Heat: unknown
                c 8 Oven / Timer: unknown
                c 9 Shop / Till: unknown
                i 4 - - 2031-05-06T06:00..? "No bread" [] 1
                m 4 scheduled 2031-05-07T08:00..2031-05-07T09:00 "Every week" [] 0
                m 3 in_progress 2031-05-06T06:00..2031-05-06T08:00 "Sweeping" [] 1
                m 6 - ?..? "Odd" [] 0
                m 5 completed ?..? "Switched off" [] 0
                ? stage: sleeping
            "#,
        );
        check(
            NAME,
            "status-page-2",
            r#"
                degraded components OpenOnly OpenOnly
                i 5 - - 2031-05-06T06:00..? "Burnt" [] 1
                i 6 - resolved 2031-05-05T06:00..2031-05-05T08:00 "Was raw" [] 1
            "#,
        );
    }

    #[test]
    fn the_newest_heartbeat_counts() {
        check(
            NAME,
            "heartbeat",
            r#"
                partial_outage components Absent Absent
                c 10 10: unknown
                c 11 11: maintenance
                c 12 12: unknown
                c 13 13: unknown
                c 7 7: major_outage
                c 8 8: unknown
                c 9 9: operational
                ? status: 9
            "#,
        );
    }

    #[test]
    fn both_documents_are_one_page() {
        let [page, beats] = ["status-page", "heartbeat"].map(|name| fixture(NAME, name, None).unwrap());
        let page = super::super::joined(page, [beats]);
        let states: Vec<_> = page.components.iter().take(3).map(|c| (c.name.as_str(), c.status)).collect();
        assert_eq!(states, [("Heat", Status::MajorOutage), ("Timer", Status::Unknown), ("Till", Status::Operational)]);
        assert_eq!((page.overall, page.incidents.len(), page.name.as_deref()), (Status::PartialOutage, 1, Some("Bakery")));
    }
}
