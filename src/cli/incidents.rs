//! `vendord incidents` and `vendord maintenance`: what vendors declare, newest first, or one with everything they ever said
//! of it.

use clap::Args;

use super::find;
use super::output::{Output, Wanted};
use super::table::Table;
use super::words::{Since, clock_time, count, instant, lasting, read_since, tame};
use super::{Answer, Context, Failure};
use crate::declared::archive::Kind;
use crate::model::Timestamp;
use crate::model::page::{Impact, Stage, Update};
use crate::store::{Past, StoreError, StoredChange, StoredIncident};
use crate::web::api::incidents::{self as api, Asked};

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

pub fn incidents(context: &Context, arguments: &Arguments, kind: Kind) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let asked = Asked {
        id: arguments.id.clone(),
        versions: arguments.versions,
        since: arguments.since.map(|since| since.at(past.now)),
        open: arguments.open,
        vendor: arguments.vendor.clone(),
        all: arguments.all,
        offset: 0,
        limit: arguments.limit,
    };
    let chosen = api::chosen(&past, kind, &asked)?;
    Ok(Answer::fine(match (arguments.wanted.output(), &arguments.id) {
        (Output::Json, _) => api::json(&past, kind, &chosen, &asked)?,
        (Output::Csv, _) => api::csv(kind, &chosen),
        (Output::Text, None) => list(kind, &chosen, past.now, context.colour_out),
        (Output::Text, Some(_)) => chosen.iter().map(|one| text(&past, one, arguments.versions)).collect::<Result<String, StoreError>>()?,
    }))
}

fn text(past: &Past, one: &StoredIncident, with_versions: bool) -> Result<String, StoreError> {
    let versions = if with_versions { Some(past.reader.versions(one.id)?) } else { None };
    Ok(detail(one, versions.as_deref(), past.now))
}

fn list(kind: Kind, all: &[StoredIncident], now: Timestamp, coloured: bool) -> String {
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
    match (i.imported, api::is_import(i)) {
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
