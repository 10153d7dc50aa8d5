//! `vendord import observations`, `uptime-kuma` and `gatus`: what another monitor saw, before our own first look.
//!
//! * Every row is counted: it is taken, known (we saw that time ourselves, or it was imported before), there twice, or refused.
//! * Rows go through the fold of production under the terms of the check, but for the pace, which is theirs.
//! * What is older than all that is known begins a part of its own; what is newer goes on with the part before it.

mod databases;
mod outages;
mod parts;
mod rows;
mod sketched;
mod targets;

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;

use super::text::{Refused, Unusable};
use super::{contents, unusable};
use crate::cli::words::{clock_time, tame};
use crate::cli::{Answer, Context, Exit, Failure, to_json};
use crate::clock;
use crate::config;
use crate::model::Timestamp;
use crate::model::time::rfc3339;
use crate::store::{Loaded, Reader, StoreError, Writer};
use parts::{Counts, Plan};
use sketched::Looked;
use targets::{Target, Targets};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord import observations acme/api api.csv --dry-run")]
pub struct Observations {
    /// The check whose past it is
    #[arg(value_name = "VENDOR/CHECK")]
    check: String,
    /// Rows at, outcome, latency_ms, reason: a table, or an object a line; - for stdin
    file: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
#[command(before_help = "Example:\n  vendord import uptime-kuma kuma.db --map 'Shop API=acme/api' --dry-run")]
pub struct Database {
    /// Its database: a copy, or while it does not run
    file: String,
    /// Which check a monitor is, where the names do not say it
    #[arg(long, value_name = "MONITOR=VENDOR/CHECK")]
    map: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    /// Say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

/// What one monitor saw, as far as it can be told.
#[derive(Default)]
pub struct Series {
    pub title: String,
    /// Other names by which it can be called.
    pub aliases: Vec<String>,
    /// Group and name, to be compared with ours.
    pub group: String,
    pub name: String,
    pub looks: Vec<Looked>,
    /// Rows that were read, whatever became of them.
    pub read: usize,
    /// Looks of which only is known that they took place: not which of them failed.
    pub unclear: u64,
    /// Rows that cannot be read.
    pub unreadable: usize,
}

#[derive(Serialize)]
struct Report<'r> {
    schema: u32,
    file: &'r str,
    dry_run: bool,
    monitors: Vec<Told>,
    unmatched: Vec<Unmatched>,
    refused: Vec<Refused>,
    columns_not_read: BTreeSet<String>,
}

#[derive(Serialize)]
struct Told {
    monitor: String,
    check: String,
    #[serde(flatten)]
    counts: Counts,
    /// In rows that stand for several looks: those of which is not known whether they failed.
    unclear: u64,
    refused: usize,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    from: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    to: Option<Timestamp>,
    /// Of the vendor, in its whole past from elsewhere; null before it is written.
    outages: Option<usize>,
}

#[derive(Serialize)]
struct Unmatched {
    monitor: String,
    rows: usize,
}

pub fn observations(context: &Context, arguments: &Observations) -> Result<Answer, Failure> {
    let text = contents(&arguments.file)?;
    let read = rows::read(&text, clock::now()).map_err(|why| unusable(&arguments.file, why))?;
    let mut store = Opened::open(context)?;
    let target = store.targets.named(&arguments.check)?;
    let series =
        Series { title: arguments.check.clone(), looks: read.looks, read: read.read, unreadable: read.refused.len(), ..Series::default() };
    let monitors = store.take(vec![(series, target)], arguments.how.dry_run)?;
    let report = Report {
        schema: 1,
        file: &arguments.file,
        dry_run: arguments.how.dry_run,
        monitors,
        unmatched: Vec::new(),
        refused: read.refused,
        columns_not_read: read.not_read,
    };
    Ok(report.answer(&arguments.how))
}

pub fn uptime_kuma(context: &Context, arguments: &Database) -> Result<Answer, Failure> {
    database(context, arguments, databases::kuma::read)
}

pub fn gatus(context: &Context, arguments: &Database) -> Result<Answer, Failure> {
    database(context, arguments, databases::gatus::read)
}

type ReadDatabase = fn(&str, Timestamp) -> Result<Vec<Series>, String>;

fn database(context: &Context, arguments: &Database, read: ReadDatabase) -> Result<Answer, Failure> {
    if let Err(error) = std::fs::metadata(&arguments.file) {
        return Err(Failure::missing(format!("cannot read {}: {error}", arguments.file)));
    }
    let now = clock::now();
    let all = read(&arguments.file, now).map_err(|why| unusable(&arguments.file, Unusable::new(why)))?;
    let mut store = Opened::open(context)?;
    let maps = targets::maps(&arguments.map, &all, &store.targets)?;
    let (mut matched, mut unmatched) = (Vec::new(), Vec::new());
    for mut series in all {
        // The last sum goes on until its hour is over.
        series.looks.retain(|look| look.at <= now);
        match maps.of(&series).map_or_else(|| store.targets.like(&series), Some) {
            Some(target) => matched.push((series, target)),
            None => unmatched.push(Unmatched { monitor: series.title, rows: series.read }),
        }
    }
    let monitors = store.take(matched, arguments.how.dry_run)?;
    let report = Report {
        schema: 1,
        file: &arguments.file,
        dry_run: arguments.how.dry_run,
        monitors,
        unmatched,
        refused: Vec::new(),
        columns_not_read: BTreeSet::new(),
    };
    Ok(report.answer(&arguments.how))
}

/// The store as it stands, and what can be imported into it.
struct Opened {
    store: config::Store,
    targets: Targets,
}

impl Opened {
    fn open(context: &Context) -> Result<Opened, Failure> {
        let store = config::store(&context.config_path()?).map_err(|found| Failure::diagnostics(&found, context.colour_err))?;
        let loaded = load(&store)?;
        let targets = Targets::of(context, loaded.as_ref())?;
        Ok(Opened { store, targets })
    }

    fn take(&mut self, all: Vec<(Series, Target)>, dry_run: bool) -> Result<Vec<Told>, Failure> {
        if dry_run {
            let plans = self.plans(all, load(&self.store)?.as_ref());
            return Ok(plans.into_iter().map(|(series, target, plan)| told(&series, &target, &plan, None)).collect());
        }
        let mut writer = Writer::open(&self.store.path, self.store.allow_network_fs, clock::boot_id()).map_err(super::incidents::in_use)?;
        let loaded = writer.reader()?.load()?;
        for (_, target) in &all {
            if let Some(vendor) = &target.introduced {
                writer.introduce(&vendor.id, &vendor.name, vendor.tier, &vendor.category)?;
            }
        }
        let mut plans = self.plans(all, Some(&loaded));
        let confirmed = parts::write(&mut writer, plans.iter_mut().map(|(_, target, plan)| (&*target, plan)))?;
        let outages = outages::rewrite(&mut writer, plans.iter().map(|(_, target, _)| target), &confirmed)?;
        writer.close()?;
        Ok(plans.into_iter().map(|(series, target, plan)| told(&series, &target, &plan, outages.get(&target.id.vendor).copied())).collect())
    }

    fn plans(&self, all: Vec<(Series, Target)>, loaded: Option<&Loaded>) -> Vec<(Series, Target, Plan)> {
        let plan = |(mut series, target): (Series, Target)| {
            let plan = Plan::of(std::mem::take(&mut series.looks), &target, loaded);
            (series, target, plan)
        };
        all.into_iter().map(plan).collect()
    }
}

/// What the store has, if there is one yet.
fn load(store: &config::Store) -> Result<Option<Loaded>, Failure> {
    match Reader::open(&store.path).and_then(|reader| reader.load()) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(StoreError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn told(series: &Series, target: &Target, plan: &Plan, outages: Option<usize>) -> Told {
    let (from, to) = plan.window();
    Told {
        monitor: series.title.clone(),
        check: target.id.to_string(),
        counts: Counts { read: series.read, ..plan.counts },
        unclear: series.unclear,
        refused: series.unreadable,
        from,
        to,
        outages,
    }
}

impl Report<'_> {
    fn answer(&self, how: &How) -> Answer {
        let partial = !self.refused.is_empty() || !self.unmatched.is_empty() || self.monitors.iter().any(|told| told.refused > 0);
        let exit = if partial { Exit::Partial } else { Exit::Fine };
        Answer { text: if how.json { to_json(self) } else { self.text() }, exit }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for told in &self.monitors {
            text += &told.line();
        }
        for r in &self.refused {
            let field = r.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
            text += &format!("{}:{}:{}: {field}{}\n", self.file, r.place.line, r.place.column, tame(&r.message));
        }
        for unmatched in &self.unmatched {
            let name = tame(&unmatched.monitor);
            text += &format!(
                "{name}: {} rows not taken: no check is called like it; name one with --map '{name}=VENDOR/CHECK'\n",
                unmatched.rows
            );
        }
        if !self.columns_not_read.is_empty() {
            let names: Vec<String> = self.columns_not_read.iter().map(|name| tame(name)).collect();
            text += &format!("not read: {}\n", names.join(", "));
        }
        if self.dry_run {
            text += "nothing was written: it was a dry run\n";
        }
        text
    }
}

impl Told {
    fn line(&self) -> String {
        let Counts { read, taken, drawn, known, repeated } = self.counts;
        let from = if self.monitor == self.check { String::new() } else { format!(" from {}", tame(&self.monitor)) };
        let mut line =
            format!("{}{from}: {read} read, {taken} taken, {known} known, {repeated} repeated, {} refused", self.check, self.refused);
        if let (Some(from), Some(to)) = (self.from, self.to) {
            line += &format!("; {} to {} UTC", clock_time(from), clock_time(to));
        }
        line.push('\n');
        if drawn > 0 {
            line += &format!("  {drawn} of the taken stand for sums: single looks are not kept there\n");
        }
        if self.unclear > 0 {
            line += &format!("  not carried: {} looks of which is not known when they failed; that time is unknown\n", self.unclear);
        }
        line
    }
}
