//! `[[checks]]` of a vendor, with what `[defaults.checks]` gives them.
//!
//! A fault in a default is told at the default, once, however many checks use it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::alerting::refuse_kind;
use super::reader::{Description, Desk, Said, Table, Written, bad_name, default, read, unknown};
use super::values::show_duration;
use super::vendor_file::Defaults;
use super::{Check, Kinds, fingerprint, keys};
use crate::model::{CheckId, Fault, Key, Settings, SeverityCap, Terms, Value, VendorId};
use crate::probes::{Kind, Probe, Workshop};

/// Looking more often than this is an attack, or a slip of the unit.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const TIMEOUT_DEFAULT_MAX: Duration = Duration::from_secs(10);
const RETRY_DEFAULT_MAX: Duration = Duration::from_secs(10);

/// Tells what is wrong with the defaults themselves, whether or not a check uses them.
pub(super) fn read_defaults(desk: &mut Desk, written: &Written, kinds: Kinds) {
    let all = keys::check_defaults(&kinds);
    let elsewhere = |name: &str| {
        let own = keys::is_own(name, &kinds);
        own.then(|| {
            let message = format!("`{name}` cannot be a default");
            (message, Some("write it in each of the [[checks]]".into()))
        })
    };
    let description = Description { keys: &[&all], tables: &[], elsewhere: &elsewhere };
    let table = read(desk, written, None, &description);
    check_interval(desk, &table);
}

pub(super) fn read_all(
    desk: &mut Desk,
    file: &Written,
    vendor: &VendorId,
    defaults: &Defaults,
    kinds: Kinds<'static>,
    workshop: &Workshop,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut names = Names::default();
    for (n, mut written) in file.array(desk, "checks").into_iter().enumerate() {
        written.subject = match written.text("name") {
            Some(name) => format!("{vendor}/{name}"),
            None => format!("{vendor}: check {}", n + 1),
        };
        let find = |name| kinds.probes.iter().find(|kind| kind.name == name);
        let Some(kind) = written.text("kind").and_then(find) else {
            let known: Vec<&str> = kinds.probes.iter().map(|kind| kind.name).collect();
            refuse_kind(desk, &written, &known, &[]);
            continue;
        };
        let table = read_check(desk, &written, kind, defaults, kinds);
        names.check(desk, &table);
        checks.extend(build(desk, table, vendor, kind, workshop));
    }
    names.check_renames(desk);
    checks.shrink_to_fit();
    checks
}

pub(super) fn unconfigured(
    kind: &str,
    given: impl IntoIterator<Item = (&'static str, Value)>,
    workshop: &Workshop,
) -> Result<(&'static str, Arc<dyn Probe>), Vec<Fault>> {
    let kinds = Kinds::of_this_version();
    let Some(kind) = kinds.probes.iter().find(|known| known.name == kind) else {
        let known: Vec<&str> = kinds.probes.iter().map(|kind| kind.name).collect();
        let fault = Fault::new("kind", format!("there is no kind of check {kind:?}"));
        return Err(vec![fault.hint(format!("kinds are: {}", known.join(", ")))]);
    };
    let keys: Vec<&Key> = keys::of_check(kind).into_iter().flatten().collect();
    let mut settings = Settings(keys.iter().rev().filter_map(|key| Some((key.name, default(key)?))).collect());
    let known = |name: &str| keys.iter().any(|key| key.name == name);
    settings.0.extend(given.into_iter().filter(|(name, _)| known(name)));
    let missing = keys.iter().find(|key| key.required && key.name != "name" && key.name != "kind" && !settings.0.contains_key(key.name));
    match missing {
        Some(key) => Err(vec![
            Fault::new(key.name, format!("kind {} cannot do without `{}`", kind.name, key.name)).hint("write a check in a vendor's file"),
        ]),
        None => Ok((kind.name, kind.probe(&settings, workshop)?)),
    }
}

fn read_check(desk: &mut Desk, written: &Written, kind: &Kind, defaults: &Defaults, kinds: Kinds<'static>) -> Table {
    let own = keys::of_check(kind);
    let elsewhere = |name: &str| Some(not_of_this_kind(name, kind, kinds));
    let description = Description { keys: &own, tables: &[], elsewhere: &elsewhere };
    read(desk, written, defaults.checks.as_ref(), &description)
}

fn not_of_this_kind(name: &str, kind: &Kind, kinds: Kinds) -> Said {
    let names = |keys: Vec<&'static [Key]>| keys.into_iter().flatten().map(|key| key.name);
    let others: Vec<&str> =
        kinds.probes.iter().filter(|other| names(keys::of_check(other)).any(|key| key == name)).map(|other| other.name).collect();
    if others.is_empty() {
        let known: Vec<&str> = names(keys::of_check(kind)).collect();
        return unknown(name, "", known);
    }
    let message = format!("a check of kind {:?} has no key `{name}`", kind.name);
    (message, Some(format!("it is one of kind {}", others.join(", "))))
}

/// Names that a vendor's checks have, and had.
#[derive(Default)]
struct Names {
    names: BTreeSet<String>,
    renamed: Vec<(String, super::Place, String)>,
}

impl Names {
    fn check(&mut self, desk: &mut Desk, table: &Table) {
        let Some(name) = table.settings.text("name") else {
            return;
        };
        if let Some(fault) = bad_name("name", "the check's name", name) {
            desk.fault(table, fault);
        }
        if !self.names.insert(name.to_string()) {
            let fault = Fault::new("name", format!("this vendor has two checks {name:?}"));
            desk.fault(table, fault.hint("give each a name of its own"));
        }
        let Some(before) = table.settings.text("renamed_from") else {
            return;
        };
        if self.renamed.iter().any(|(other, ..)| other == before) {
            let message = format!("two checks are renamed from {before:?}");
            let hint = "only one of them can carry its history on";
            desk.fault(table, Fault::new("renamed_from", message).hint(hint));
        }
        let place = table.place("renamed_from");
        self.renamed.push((before.to_string(), place, table.subject.clone()));
    }

    fn check_renames(self, desk: &mut Desk) {
        for (before, place, subject) in self.renamed {
            if self.names.contains(&before) {
                let said = (
                    format!("renamed from {before:?}, which is still a check of this vendor"),
                    Some("remove renamed_from, or the old check".into()),
                );
                desk.say(super::Level::Error, place, &subject, said);
            }
        }
    }
}

fn build(desk: &mut Desk, mut table: Table, vendor: &VendorId, kind: &'static Kind, workshop: &Workshop) -> Option<Check> {
    let terms = terms(desk, &table);
    if let Some(terms) = &terms {
        keep_computed(&mut table.settings, terms);
    }
    if !table.has_required(&keys::of_check(kind)) {
        return None;
    }
    let probe = match kind.probe(&table.settings, workshop) {
        Ok(probe) => probe,
        Err(faults) => {
            faults.into_iter().for_each(|fault| desk.fault(&table, fault));
            return None;
        }
    };
    let settings = &table.settings;
    Some(Check {
        id: CheckId::new(vendor, settings.text("name")?),
        renamed_from: settings.text("renamed_from").map(str::to_string),
        kind: kind.name,
        terms: terms?,
        flap_changes: u32::try_from(*settings.count("flap_changes")?).ok()?,
        expires_within: expires_within(settings),
        labels: settings.text_map("labels")?.clone(),
        fingerprint: fingerprint::of(kind.name, settings),
        probe,
    })
}

fn expires_within(settings: &Settings) -> Option<Duration> {
    settings.duration("expires_within").copied()
}

/// What was computed counts as a setting: the fingerprint sees it.
fn keep_computed(settings: &mut Settings, terms: &Terms) {
    let computed = [("timeout", terms.timeout), ("retry_interval", terms.retry_interval)];
    for (key, duration) in computed {
        settings.0.insert(key, Value::Duration(duration));
    }
}

fn terms(desk: &mut Desk, table: &Table) -> Option<Terms> {
    let settings = &table.settings;
    check_interval(desk, table);
    let interval = *settings.duration("interval")?;
    Some(Terms {
        interval,
        timeout: timeout(desk, table, interval),
        retry_interval: retry_interval(desk, table, interval),
        down_after: *settings.runs("down_after")?,
        up_after: *settings.runs("up_after")?,
        severity: match settings.text("severity")? {
            "none" => SeverityCap::None,
            "degraded" => SeverityCap::Degraded,
            _ => SeverityCap::Down,
        },
        enabled: settings.on("enabled"),
    })
}

fn check_interval(desk: &mut Desk, table: &Table) {
    let Some(interval) = table.settings.duration("interval") else {
        return;
    };
    if *interval < INTERVAL_MIN {
        let message = format!("interval {:?} is too short", show_duration(*interval));
        let fault = Fault::new("interval", message);
        desk.fault(table, fault.hint("write \"100ms\" or more"));
    }
}

/// A look must end before the next one begins. What reports by itself is not looked at: its grace is what evidence has to last for.
fn timeout(desk: &mut Desk, table: &Table, interval: Duration) -> Duration {
    if let Some(grace) = table.settings.duration("grace") {
        if table.wrote("timeout") {
            let fault = Fault::new("timeout", "does not exist for what reports by itself");
            desk.fault(table, fault.hint("write how late a report may come: grace = \"1m\""));
        }
        return *grace;
    }
    let computed = TIMEOUT_DEFAULT_MAX.min(interval * 9 / 10);
    let Some(written) = table.settings.duration("timeout").copied() else {
        return computed;
    };
    if written < interval || table.refused("interval") {
        return written;
    }
    let (key, hint) = match (table.wrote("timeout"), table.wrote("interval")) {
        (false, true) => ("interval", "write a longer interval, or a timeout in this check"),
        _ => ("timeout", "write a shorter timeout, or a longer interval"),
    };
    let message = format!("timeout {:?} is not shorter than the interval {:?}", show_duration(written), show_duration(interval));
    desk.fault(table, Fault::new(key, message).hint(hint));
    computed
}

fn retry_interval(desk: &mut Desk, table: &Table, interval: Duration) -> Duration {
    let Some(written) = table.settings.duration("retry_interval").copied() else {
        return RETRY_DEFAULT_MAX.min(interval / 2);
    };
    if written > interval && table.wrote("retry_interval") && !table.refused("interval") {
        let message = format!(
            "retry_interval {:?} is longer than the interval {:?}, which is used instead",
            show_duration(written),
            show_duration(interval)
        );
        desk.warn(table, Fault::new("retry_interval", message));
    }
    if written < INTERVAL_MIN {
        let message = format!("retry_interval {:?} is too short", show_duration(written));
        let fault = Fault::new("retry_interval", message);
        desk.fault(table, fault.hint("write \"100ms\" or more"));
    }
    written.min(interval)
}
