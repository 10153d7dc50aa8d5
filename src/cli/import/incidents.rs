//! `vendord import incidents`: what a vendor declared in the past, from a file.
//!
//! Every entry of the file is counted: it is new, changed, unchanged, known already, there twice, or refused with its place.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::text::{Parsed, Refused, Text, Unusable};
use super::{contents, gcp, lines, page, table, unusable};
use crate::cli::words::tame;
use crate::cli::{Answer, Context, Exit, Failure, find, to_json};
use crate::clock;
use crate::config;
use crate::declared::archive::{Ledger, Reading, Version};
use crate::declared::{Known, Record};
use crate::feeds;
use crate::model::page::{Carries, Listing};
use crate::model::{Page, SourceId, Timestamp, Uuid, VendorId};
use crate::probes::Workshop;
use crate::store::{Batch, Declarations, IMPORTED, Past, Reader, StoreError, StoredVersion, Writer};

#[derive(Args)]
#[command(
    before_help = "Examples:\n  vendord import incidents github github.jsonl --dry-run\n  vendord import incidents google-cloud incidents.json"
)]
pub struct Arguments {
    /// Whose past it is: the name of the vendor's file
    vendor: String,
    /// Where it is, or - for stdin
    file: String,
    /// What the file is [default: by its ending, else by what is in it]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// An object a line, or a JSON list of them: id, title, kind, impact, started_at, resolved_at, components, url
    Jsonl,
    /// A table with these columns
    Csv,
    /// incidents.json, scheduled-maintenances.json or history.json of a Statuspage
    Statuspage,
    /// incidents.json of Google Cloud
    Gcp,
}

/// Versions in one commit: the lock is held for the whole import, and a kill loses at most these.
const VERSIONS_PER_BATCH: usize = 1_000;

#[derive(Serialize)]
struct Report<'r> {
    schema: u32,
    vendor: &'r str,
    file: &'r str,
    format: Format,
    dry_run: bool,
    #[serde(flatten)]
    counts: Counts,
    refused: Vec<Refused>,
    columns_not_read: BTreeSet<String>,
    unknown_stages: BTreeSet<String>,
}

/// The first is the sum of the others and of what was refused; `open` counts some of them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Counts {
    read: usize,
    new: usize,
    changed: usize,
    unchanged: usize,
    /// On the vendor's page, or imported before under another id.
    known: usize,
    /// There twice in the file.
    repeated: usize,
    /// New ones that are not over.
    open: usize,
}

pub fn incidents(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let store = config::store(&context.config_path()?).map_err(|found| Failure::diagnostics(&found, context.colour_err))?;
    let vendor = whose(context, &store.path, &arguments.vendor)?;
    let text = contents(&arguments.file)?;
    let text = Text::new(&text);
    let now = clock::now();
    let (format, mut parsed) = parse(&text, arguments, now).map_err(|why| unusable(&arguments.file, why))?;
    let refused = std::mem::take(&mut parsed.refused);
    let (columns_not_read, unknown_stages) = (std::mem::take(&mut parsed.not_read), std::mem::take(&mut parsed.unknown_words));
    let counts = if arguments.dry_run {
        let reader = store.path.exists().then(|| Reader::open(&store.path)).transpose()?;
        take(reader.as_ref(), vendor.id(), parsed, refused.len(), now)?.counts
    } else {
        write(&store, &vendor, parsed, refused.len(), now)?
    };
    let report = Report {
        schema: 1,
        vendor: &arguments.vendor,
        file: &arguments.file,
        format,
        dry_run: arguments.dry_run,
        counts,
        refused,
        columns_not_read,
        unknown_stages,
    };
    let exit = if report.refused.is_empty() { Exit::Fine } else { Exit::Partial };
    Ok(Answer { text: if arguments.json { to_json(&report) } else { report.text() }, exit })
}

/// A vendor that has a history already, or one of the configuration that has none yet.
enum Whose {
    Stored(VendorId),
    Configured(Box<config::Vendor>),
}

impl Whose {
    fn id(&self) -> &VendorId {
        match self {
            Whose::Stored(id) => id,
            Whose::Configured(vendor) => &vendor.id,
        }
    }
}

fn whose(context: &Context, store: &Path, id: &str) -> Result<Whose, Failure> {
    let stored = match Past::open(store) {
        Ok(past) => past.loaded.vendors,
        Err(StoreError::Missing(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if let Some(vendor) = stored.iter().find(|vendor| vendor.id.as_str() == id) {
        return Ok(Whose::Stored(vendor.id.clone()));
    }
    let mut configured = context.load(&Workshop::new())?.0.vendors;
    if let Some(place) = configured.iter().position(|vendor| vendor.id.as_str() == id) {
        return Ok(Whose::Configured(Box::new(configured.swap_remove(place))));
    }
    let names: BTreeSet<&str> = stored.iter().map(|v| v.id.as_str()).chain(configured.iter().map(|v| v.id.as_str())).collect();
    Err(find::unknown("vendor", id, names.into_iter()).into())
}

fn parse(text: &Text, arguments: &Arguments, now: Timestamp) -> Result<(Format, Parsed), Unusable> {
    let format = arguments.format.or_else(|| by_ending(&arguments.file)).map_or_else(|| by_content(text), Ok)?;
    let parsed = match format {
        Format::Jsonl => lines::read(text, now),
        Format::Csv => table::read(text, now),
        Format::Statuspage => page::read(text),
        Format::Gcp => gcp::read(text),
    };
    Ok((format, parsed?))
}

fn by_ending(file: &str) -> Option<Format> {
    match Path::new(file).extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

fn by_content(text: &Text) -> Result<Format, Unusable> {
    let first = text.lines().next().unwrap_or_default();
    match first.bytes().next() {
        None => Err(Unusable::new("it is empty")),
        Some(b'[') => {
            let all: Vec<&serde_json::value::RawValue> = serde_json::from_str(text.text).map_err(|error| Unusable::json(text, &error))?;
            Ok(if all.first().is_some_and(|element| gcp::is(element.get())) { Format::Gcp } else { Format::Jsonl })
        }
        Some(b'{') if page::is(text.text) => Ok(Format::Statuspage),
        // An object that fills a line is one of several; else it is a document of something else.
        Some(b'{') if serde_json::from_str::<serde::de::IgnoredAny>(first).is_ok() => Ok(Format::Jsonl),
        Some(b'{' | b'<') => Err(Unusable::new("it is a document of none of the formats jsonl, csv, statuspage and gcp")),
        Some(_) => Ok(Format::Csv),
    }
}

/// What an import comes to, before anything of it is written.
struct Taken {
    source: SourceId,
    versions: Vec<Version>,
    counts: Counts,
}

fn take(reader: Option<&Reader>, vendor: &VendorId, parsed: Parsed, refused: usize, now: Timestamp) -> Result<Taken, StoreError> {
    let source = SourceId::new(vendor, IMPORTED);
    let mut ledgers = reader.map(Reader::ledgers).transpose()?.unwrap_or_default();
    let mut ledger = ledgers.remove(&source).unwrap_or_default();
    let listed = records_of(feeds::settle(page_of(parsed.records, Listing::Absent)));
    let ids: BTreeSet<&str> = listed.iter().map(Record::source_id).collect();
    let mut known = Known::default();
    if let Some(reader) = reader {
        for page in ledgers.keys().filter(|page| page.vendor == *vendor) {
            reader.records_of(page)?.iter().for_each(|record| known.add(record));
        }
        // What was imported before has its id there, unless it came from another collection.
        let before = reader.records_of(&source)?;
        before.iter().filter(|record| !ids.contains(record.source_id())).for_each(|record| known.add_event(record));
    }
    let all = listed.len();
    let unknown: Vec<Record> = listed.into_iter().filter(|record| !known.has(record)).collect();
    let left = unknown.len();
    let page = page_of(unknown, if parsed.coarse { Listing::Archive } else { Listing::Absent });
    let versions = versions(&mut ledger, &page, reader, now);
    let new = versions.iter().filter(|v| v.number == 1);
    let counts = Counts {
        read: parsed.read,
        new: new.clone().count(),
        changed: versions.len() - new.clone().count(),
        unchanged: left - versions.len(),
        known: all - left,
        repeated: (parsed.read - refused).saturating_sub(all),
        open: new.filter(|v| !v.record.is_over()).count(),
    };
    Ok(Taken { source, versions, counts })
}

/// The entries as a page, which says nothing by what it leaves out.
fn page_of(records: Vec<Record>, listing: Listing) -> Page {
    let (mut incidents, mut maintenances) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Incident(incident) => incidents.push(incident),
            Record::Maintenance(maintenance) => maintenances.push(maintenance),
        }
    }
    let carries = Carries { components: false, incidents: listing, maintenances: listing };
    Page { incidents, maintenances, carries, ..Page::blank(IMPORTED) }
}

fn records_of(page: Page) -> Vec<Record> {
    let maintenances = page.maintenances.into_iter().map(Record::Maintenance);
    page.incidents.into_iter().map(Record::Incident).chain(maintenances).collect()
}

fn versions(ledger: &mut Ledger, page: &Page, reader: Option<&Reader>, now: Timestamp) -> Vec<Version> {
    let reading = Reading { at: now, live: page, history: &[], first_sight: true, moved_at: None };
    let before = |id, kind| reader.and_then(|reader| reader.record(id, kind).ok().flatten());
    let versions = ledger.read(&reading, before, Uuid::now_v7);
    versions.into_iter().map(|version| Version { imported: true, ..version }).collect()
}

fn write(store: &config::Store, vendor: &Whose, parsed: Parsed, refused: usize, now: Timestamp) -> Result<Counts, Failure> {
    let mut writer = Writer::open(&store.path, store.allow_network_fs, clock::boot_id()).map_err(in_use)?;
    if let Whose::Configured(vendor) = vendor {
        writer.introduce(&vendor.id, &vendor.name, vendor.tier, &vendor.category)?;
    }
    let reader = writer.reader()?;
    let taken = take(Some(&reader), vendor.id(), parsed, refused, now)?;
    drop(reader);
    let stored = |version: &Version| StoredVersion { source: taken.source.clone(), version: version.clone(), concerns: true };
    for versions in taken.versions.chunks(VERSIONS_PER_BATCH) {
        let declared = Declarations { versions: versions.iter().map(stored).collect(), ..Declarations::default() };
        writer.commit(&Batch { declared, ..Batch::default() })?;
        writer.checkpoint_if_due()?;
    }
    writer.close()?;
    Ok(taken.counts)
}

pub(super) fn in_use(error: StoreError) -> Failure {
    match error {
        StoreError::Locked { path, holder } => Failure::missing(format!("{} is in use by a vendord that runs: {holder}", path.display()))
            .hint("stop it first; writing through a running daemon is not in this version"),
        other => other.into(),
    }
}

impl Report<'_> {
    fn text(&self) -> String {
        let Counts { read, new, changed, unchanged, known, repeated, open } = self.counts;
        let refused = self.refused.len();
        let mut text = format!(
            "{}: {read} read, {new} new, {changed} changed, {unchanged} unchanged, {known} known, {repeated} repeated, {refused} refused\n",
            self.vendor
        );
        for r in &self.refused {
            let field = r.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
            text += &format!("{}:{}:{}: {field}{}\n", self.file, r.place.line, r.place.column, tame(&r.message));
        }
        let listed = |names: &BTreeSet<String>| names.iter().map(|name| tame(name)).collect::<Vec<_>>().join(", ");
        if open > 0 {
            text += &format!("{open} of the new are not over, until a file with their end is imported\n");
        }
        if !self.unknown_stages.is_empty() {
            text += &format!("words for the stage that are not known: {}\n", listed(&self.unknown_stages));
        }
        if !self.columns_not_read.is_empty() {
            text += &format!("not read: {}\n", listed(&self.columns_not_read));
        }
        if self.dry_run {
            text += "nothing was written: it was a dry run\n";
        }
        text
    }
}
