//! Which check of ours a monitor of theirs is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Series;
use crate::cli::import::config::draft::named;
use crate::cli::{Context, Failure, find};
use crate::model::{CheckId, Terms, VendorId};
use crate::probes::Workshop;
use crate::store::Loaded;

/// A check whose past can be imported.
#[derive(Clone, Debug)]
pub struct Target {
    pub id: CheckId,
    pub kind: String,
    pub terms: Terms,
    pub merge_gap: Duration,
    /// A vendor that the store does not know yet.
    pub introduced: Option<Introduced>,
}

#[derive(Clone, Debug)]
pub struct Introduced {
    pub id: VendorId,
    pub name: String,
    pub tier: u8,
    pub category: String,
}

/// By `VENDOR/CHECK`.
pub struct Targets(BTreeMap<String, Target>);

impl Targets {
    /// What the configuration has, and what only history knows. With a configuration that is wrong, history alone.
    pub fn of(context: &Context, loaded: Option<&Loaded>) -> Result<Targets, Failure> {
        /// As the configuration has it by default.
        const MERGE_GAP: Duration = Duration::from_secs(300);
        let mut all = BTreeMap::new();
        for check in loaded.iter().flat_map(|loaded| &loaded.checks) {
            let target = Target {
                id: check.id.clone(),
                kind: check.kind.clone(),
                terms: check.terms.clone(),
                merge_gap: MERGE_GAP,
                introduced: None,
            };
            all.insert(check.id.to_string(), target);
        }
        let vendors = match context.load(&Workshop::new()) {
            Ok((config, _)) => config.vendors,
            Err(failure) if all.is_empty() => return Err(failure),
            Err(_) => Vec::new(),
        };
        let stored: BTreeSet<&str> = loaded.iter().flat_map(|loaded| &loaded.vendors).map(|vendor| vendor.id.as_str()).collect();
        for vendor in &vendors {
            let introduced =
                Introduced { id: vendor.id.clone(), name: vendor.name.clone(), tier: vendor.tier, category: vendor.category.clone() };
            let introduced = (!stored.contains(vendor.id.as_str())).then_some(introduced);
            for check in &vendor.checks {
                let target = Target {
                    id: check.id.clone(),
                    kind: check.kind.to_owned(),
                    terms: check.terms.clone(),
                    merge_gap: vendor.merge_gap,
                    introduced: introduced.clone(),
                };
                all.insert(check.id.to_string(), target);
            }
        }
        Ok(Targets(all))
    }

    pub fn named(&self, name: &str) -> Result<Target, Failure> {
        match self.0.get(name) {
            Some(target) => Ok(target.clone()),
            None => Err(find::unknown("check", name, self.0.keys().map(String::as_str)).into()),
        }
    }

    /// The check that is called like a monitor: vendor and check as its group and name, or a check whose name nobody else has.
    pub fn like(&self, series: &Series) -> Option<Target> {
        let (group, name) = (named(&series.group), named(&series.name));
        if let Some(target) = self.0.get(&format!("{group}/{name}")) {
            return Some(target.clone());
        }
        [format!("{group}-{name}"), name].iter().find_map(|name| {
            let mut called = self.0.values().filter(|target| target.id.name.eq_ignore_ascii_case(name));
            called.next().filter(|_| called.next().is_none()).cloned()
        })
    }
}

/// Who was said to be what.
pub struct Maps(BTreeMap<String, Target>);

impl Maps {
    pub fn of(&self, series: &Series) -> Option<Target> {
        self.0.get(&series.title).cloned()
    }
}

/// What `--map` says, by the titles of monitors.
pub fn maps(given: &[String], all: &[Series], targets: &Targets) -> Result<Maps, Failure> {
    let mut maps = BTreeMap::new();
    for map in given {
        let (monitor, check) = map
            .rsplit_once('=')
            .ok_or_else(|| Failure::usage(format!("--map {map:?} has no `=`")).hint("write --map 'MONITOR=VENDOR/CHECK'"))?;
        let is_it =
            |series: &&Series| series.title == monitor || series.name == monitor || series.aliases.iter().any(|alias| alias == monitor);
        let mut called = all.iter().filter(is_it);
        let series = called.next().ok_or_else(|| {
            let titles: Vec<&str> = all.iter().map(|series| series.title.as_str()).collect();
            Failure::usage(format!("there is no monitor {monitor:?}")).hint(format!("it has: {}", titles.join(", ")))
        })?;
        if called.next().is_some() {
            return Err(Failure::usage(format!("several monitors are called {monitor:?}")).hint("name it with its group, or by its number"));
        }
        maps.insert(series.title.clone(), targets.named(check)?);
    }
    Ok(Maps(maps))
}
