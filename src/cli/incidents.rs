//! `vendord incidents` and `vendord maintenance`: what vendors declare, newest first, or one with everything they ever said
//! of it.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;

use super::find;
use super::output::{Output, Wanted, csv, optional};
use super::table::Table;
use super::words::{Since, clock_time, count, instant, lasting, read_since, tame};
use super::{Answer, Context, Failure, to_json};
use crate::declared::Known;
use crate::declared::archive::{Change, Kind, Record};
use crate::model::page::{Impact, Scope, Stage, Update};
use crate::model::{Timestamp, Uuid, VendorId, time::rfc3339};
use crate::store::{IMPORTED, Past, StoredChange, StoredIncident};

#[derive(Args)]
#[command(before_help = "Examples:\n  vendord incidents --open\n  vendord incidents 1f0a2b3c --versions")]
pub struct Arguments {
    /// One with its updates: its id, the end of it as the list shows it, or the vendor's own id
    #[arg(value_name = "ID", conflicts_with_all = ["since", "open", "vendor", "limit", "all"])]
    id: Option<String>,
    /// Every version: what was edited, back-dated, played down or taken back, and when we saw it
    #[arg(long, requires = "id")]
    versions: bool,
    /// Those that lasted then or later: 7d, 2026-11-23 or 2026-11-23T20:35:00Z
    #[arg(long, value_name = "WHEN", value_parser = read_since)]
    since: Option<Since>,
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    /// Only those of this vendor
    #[arg(long)]
    vendor: Option<String>,
    /// Also those that touch nothing we use
    #[arg(long)]
    all: bool,
    /// Only the newest
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Serialize)]
struct Incidents<'i> {
    schema: u32,
    incidents: Vec<Row<'i>>,
}

#[derive(Serialize)]
struct Maintenances<'i> {
    schema: u32,
    maintenances: Vec<Row<'i>>,
}

/// One entry of either kind; what the other kind has is left out.
#[derive(Serialize)]
struct Row<'i> {
    vendor: &'i str,
    source: &'i str,
    id: Uuid,
    source_id: &'i str,
    title: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<Option<Impact>>,
    stage: Option<Stage>,
    #[serde(flatten)]
    times: Times,
    url: Option<&'i str>,
    scope: Scope,
    components: Vec<&'i str>,
    /// Whether it touches what we use.
    concerns: bool,
    #[serde(serialize_with = "rfc3339::serialize")]
    first_seen_at: Timestamp,
    imported: bool,
    /// The vendor took it back.
    removed: bool,
    /// The end is not the vendor's word: it was no longer listed.
    inferred_end: bool,
    versions: u32,
    updates: Vec<UpdateRow<'i>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<VersionRow<'i>>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Times {
    Incident {
        #[serde(serialize_with = "rfc3339::option::serialize")]
        started_at: Option<Timestamp>,
        #[serde(serialize_with = "rfc3339::option::serialize")]
        resolved_at: Option<Timestamp>,
    },
    Maintenance {
        #[serde(serialize_with = "rfc3339::option::serialize")]
        starts_at: Option<Timestamp>,
        #[serde(serialize_with = "rfc3339::option::serialize")]
        ends_at: Option<Timestamp>,
    },
}

#[derive(Serialize)]
struct UpdateRow<'i> {
    #[serde(serialize_with = "rfc3339::option::serialize")]
    at: Option<Timestamp>,
    stage: Option<Stage>,
    body: &'i str,
}

#[derive(Serialize)]
struct VersionRow<'i> {
    version: u32,
    #[serde(serialize_with = "rfc3339::serialize")]
    observed_at: Timestamp,
    changes: &'i [Change],
}

impl<'i> Row<'i> {
    fn new(i: &'i StoredIncident, versions: Option<&'i [StoredChange]>) -> Row<'i> {
        let record = &i.record;
        let times = match record {
            Record::Incident(i) => Times::Incident { started_at: i.started_at, resolved_at: i.resolved_at },
            Record::Maintenance(m) => Times::Maintenance { starts_at: m.starts_at, ends_at: m.ends_at },
        };
        let version = |v: &'i StoredChange| VersionRow { version: v.number, observed_at: v.observed_at, changes: &v.changes };
        Row {
            vendor: i.source.vendor.as_str(),
            source: &i.source.name,
            id: i.id,
            source_id: record.source_id(),
            title: record.title(),
            impact: (record.kind() == Kind::Incident).then(|| record.impact()),
            stage: record.stage(),
            times,
            url: record.url(),
            scope: record.scope(),
            components: record.touches().iter().map(|t| t.name.as_str()).collect(),
            concerns: i.concerns,
            first_seen_at: i.first_seen_at,
            imported: i.imported,
            removed: i.removed,
            inferred_end: i.inferred_end,
            versions: i.versions,
            updates: record.updates().iter().map(|u| UpdateRow { at: u.at, stage: u.stage, body: &u.body }).collect(),
            history: versions.map(|versions| versions.iter().map(version).collect()),
        }
    }
}

pub fn incidents(context: &Context, arguments: &Arguments, kind: Kind) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let all = past.reader.incidents(kind)?;
    let Some(id) = &arguments.id else {
        let chosen = chosen(&past, &all, arguments)?;
        let text = match arguments.wanted.output() {
            Output::Json => json(kind, chosen.into_iter().map(|i| Row::new(i, None)).collect()),
            Output::Csv => spreadsheet(kind, &chosen),
            Output::Text => list(kind, &chosen, past.now, context.colour_out),
        };
        return Ok(Answer::fine(text));
    };
    let one = one(&all, kind, id)?;
    let versions = if arguments.versions { Some(past.reader.versions(one.id)?) } else { None };
    Ok(Answer::fine(match arguments.wanted.output() {
        Output::Json => json(kind, vec![Row::new(one, versions.as_deref())]),
        Output::Csv => spreadsheet(kind, &[one]),
        Output::Text => detail(one, versions.as_deref(), past.now),
    }))
}

fn json(kind: Kind, rows: Vec<Row>) -> String {
    match kind {
        Kind::Incident => to_json(&Incidents { schema: 1, incidents: rows }),
        Kind::Maintenance => to_json(&Maintenances { schema: 1, maintenances: rows }),
    }
}

fn chosen<'i>(past: &Past, all: &'i [StoredIncident], arguments: &Arguments) -> Result<Vec<&'i StoredIncident>, Failure> {
    let vendor = arguments.vendor.as_ref().map(|id| find::vendor(past, id)).transpose()?;
    let since = arguments.since.map(|since| since.at(past.now));
    let on_pages = on_pages(all);
    let newest = all.iter().filter(|i| {
        let told_by_page = is_import(i) && on_pages.get(&i.source.vendor).is_some_and(|known| known.has(&i.record));
        let lasted = |since| i.open || i.record.ends_at().or(i.record.starts_at()).is_none_or(|end| end >= since);
        vendor.is_none_or(|vendor| vendor.id == i.source.vendor)
            && (arguments.all || i.concerns)
            && !told_by_page
            && (!arguments.open || i.open)
            && since.is_none_or(lasted)
    });
    Ok(newest.take(arguments.limit.unwrap_or(usize::MAX)).collect())
}

fn is_import(i: &StoredIncident) -> bool {
    &*i.source.name == IMPORTED
}

/// What stands on the pages of those vendors of which something was imported: the page may have come after the file.
fn on_pages(all: &[StoredIncident]) -> BTreeMap<&VendorId, Known> {
    let mut known: BTreeMap<&VendorId, Known> = BTreeMap::new();
    for i in all.iter().filter(|i| is_import(i)) {
        known.entry(&i.source.vendor).or_default();
    }
    for i in all.iter().filter(|i| !is_import(i)) {
        if let Some(known) = known.get_mut(&i.source.vendor) {
            known.add(&i.record);
        }
    }
    known
}

/// The entry with this id (ours or the vendor's), or the only one whose id ends so. The vendor's page goes before a file
/// that was imported.
fn one<'i>(all: &'i [StoredIncident], kind: Kind, id: &str) -> Result<&'i StoredIncident, Failure> {
    let named: Vec<&StoredIncident> = all.iter().filter(|i| i.record.source_id() == id).collect();
    let of_pages: Vec<&StoredIncident> = named.iter().copied().filter(|i| !is_import(i)).collect();
    match (of_pages.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        (_, []) => {
            let theirs: Vec<&str> = all.iter().map(|i| i.record.source_id()).collect();
            find::by_id_or(kind.as_str(), id, all, |i| i.id, &theirs)
        }
        _ => Err(Failure::usage(format!("more than one {kind} has the vendor's id {id:?}")).hint("take the id from the list")),
    }
}

fn list(kind: Kind, all: &[&StoredIncident], now: Timestamp, coloured: bool) -> String {
    if all.is_empty() {
        return match kind {
            Kind::Incident => "no incidents\n".to_owned(),
            Kind::Maintenance => "no maintenance\n".to_owned(),
        };
    }
    let second = if kind == Kind::Incident { "LASTED" } else { "ENDS (UTC)" };
    let mut table = Table::new(coloured, ["ID", "VENDOR", "STARTS (UTC)", second, "IMPACT", "STAGE", "TITLE"]);
    for i in all {
        let record = &i.record;
        let starts = record.starts_at().map_or("-".to_owned(), clock_time);
        let second = match kind {
            Kind::Incident => lasted(i, now),
            Kind::Maintenance => record.ends_at().map_or("-".to_owned(), clock_time),
        };
        table.row([
            find::short(i.id).into(),
            i.source.vendor.as_str().into(),
            starts.into(),
            second.into(),
            record.impact().map_or("-", Impact::as_str).into(),
            record.stage().map_or("-", Stage::as_str).into(),
            tame(record.title()).into(),
        ]);
    }
    table.render()
}

/// What a list of an incident has; for the updates there is JSON.
fn spreadsheet(kind: Kind, all: &[&StoredIncident]) -> String {
    let [starts, ends] = match kind {
        Kind::Incident => ["started_at", "resolved_at"],
        Kind::Maintenance => ["starts_at", "ends_at"],
    };
    let heads =
        ["id", "source_id", "vendor", "source", "title", "impact", "stage", starts, ends, "components", "url", "imported", "versions"];
    let cells = |i: &&StoredIncident| {
        let record = &i.record;
        let names: Vec<&str> = record.touches().iter().map(|t| t.name.as_str()).collect();
        [
            i.id.to_string(),
            record.source_id().to_owned(),
            i.source.vendor.to_string(),
            i.source.name.to_string(),
            record.title().to_owned(),
            optional(record.impact()),
            optional(record.stage()),
            optional(record.starts_at()),
            optional(record.ends_at()),
            names.join(";"),
            optional(record.url()),
            i.imported.to_string(),
            i.versions.to_string(),
        ]
    };
    csv(heads, all.iter().map(cells))
}

fn lasted(i: &StoredIncident, now: Timestamp) -> String {
    match (i.record.starts_at(), i.record.ends_at()) {
        (Some(start), Some(end)) => lasting(end.since(start)),
        (Some(start), None) if i.open => format!("{}, open", lasting(now.since(start))),
        _ if i.open => "open".to_owned(),
        _ => "-".to_owned(),
    }
}

fn detail(i: &StoredIncident, versions: Option<&[StoredChange]>, now: Timestamp) -> String {
    let record = &i.record;
    let names: Vec<String> = record.touches().iter().map(|t| tame(&t.name)).collect();
    let ended = match (record.ends_at(), i.inferred_end) {
        (Some(at), true) => format!("{} (seen: it was no longer listed)", instant(at)),
        (Some(at), false) => instant(at),
        (None, _) if i.open => "not yet".to_owned(),
        (None, _) => "not stated".to_owned(),
    };
    let mut lines = vec![
        ("title", tame(record.title())),
        ("id", i.id.to_string()),
        ("vendor", format!("{} ({}, there {})", i.source.vendor, i.source.name, tame(record.source_id()))),
        ("starts", record.starts_at().map_or("not stated".to_owned(), instant)),
        ("ends", ended),
        ("stage", record.stage().map_or("not stated", Stage::as_str).to_owned()),
        ("touches", if names.is_empty() { "the whole page".to_owned() } else { names.join(", ") }),
        ("first seen", format!("{}{}", instant(i.first_seen_at), seen_how(i))),
    ];
    if record.kind() == Kind::Incident {
        lines.insert(5, ("lasted", lasted(i, now)));
        lines.insert(6, ("impact", record.impact().map_or("not stated", Impact::as_str).to_owned()));
    }
    lines.extend(record.url().map(|url| ("page", tame(url))));
    if i.removed {
        lines.push(("note", "the vendor no longer lists it".to_owned()));
    }
    if !i.concerns {
        lines.push(("note", "it touches nothing we use".to_owned()));
    }
    let mut text: String = lines.iter().map(|(name, value)| format!("{name:<11}{value}\n")).collect();
    match versions {
        Some(versions) => versions.iter().for_each(|v| text += &version(v)),
        None => record.updates().iter().for_each(|u| text += &update(u)),
    }
    text
}

fn seen_how(i: &StoredIncident) -> &'static str {
    match (i.imported, is_import(i)) {
        (true, true) => ", imported from a file",
        (true, false) => ", in the past that the page offered",
        (false, _) => "",
    }
}

fn update(u: &Update) -> String {
    let stage = u.stage.map(|s| format!(" {s}")).unwrap_or_default();
    format!("\n{}{stage}\n{}", u.at.map_or("undated".to_owned(), instant), indented(&u.body))
}

fn indented(body: &str) -> String {
    body.lines().map(|line| format!("  {}\n", tame(line))).collect()
}

fn version(v: &StoredChange) -> String {
    let mut text = format!(
        "\nversion {}, seen {}: {}\n",
        v.number,
        instant(v.observed_at),
        match v.changes.len() {
            0 => "first seen".to_owned(),
            n => count(n, "change"),
        }
    );
    for change in &v.changes {
        text += &format!("  {}\n", tame(&change.field));
        for (sign, value) in [('-', &change.before), ('+', &change.after)] {
            if !value.is_null() {
                text += &format!("    {sign} {}\n", shown(value));
            }
        }
    }
    text
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => tame(text),
        serde_json::Value::Object(update) if update.contains_key("body") => {
            let stage = update["stage"].as_str().map(|s| format!("[{s}] ")).unwrap_or_default();
            format!("{stage}{}", tame(update["body"].as_str().unwrap_or_default()))
        }
        other => tame(&other.to_string()),
    }
}
