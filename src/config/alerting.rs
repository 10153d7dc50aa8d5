//! `[[receivers]]` and `[[routes]]`: whom to tell, and of what.

use toml::de::DeValue;

use super::reader::{Description, Desk, Said, Table, Written, bad_name, not_supported, read};
use super::values::{one_of, parse_rate};
use super::{Kinds, Receiver, fingerprint, keys, nearest};
use crate::model::{Fault, Matching, Route, Rule, Severity};

/// Something that was read, with its places; `built` unless there is an error in it.
pub(super) struct Read<T> {
    pub table: Table,
    pub name: String,
    pub built: Option<T>,
}

pub(super) fn receivers(desk: &mut Desk, root: &Written, kinds: Kinds) -> Vec<Read<Receiver>> {
    let mut receivers: Vec<Read<Receiver>> = Vec::new();
    for mut written in root.array(desk, "receivers") {
        let name = written.text("name").unwrap_or_default().to_string();
        written.subject = format!("receiver {name:?}");
        if let Some(receiver) = receiver(desk, &written, &name, kinds) {
            if !name.is_empty() && receivers.iter().any(|other| other.name == name) {
                let fault = Fault::new("name", format!("there are two receivers {name:?}"));
                desk.fault(&receiver.table, fault.hint("give each a name of its own"));
            }
            receivers.push(receiver);
        }
    }
    receivers
}

/// `None` if there is no kind by which it could be read.
fn receiver(desk: &mut Desk, written: &Written, name: &str, kinds: Kinds) -> Option<Read<Receiver>> {
    let find = |name| kinds.channels.iter().find(|kind| kind.name == name);
    let Some(kind) = written.text("kind").and_then(find) else {
        let known: Vec<&str> = kinds.channels.iter().map(|kind| kind.name).collect();
        refuse_kind(desk, written, &known, keys::LATER_CHANNELS);
        return None;
    };
    let all = [kind.keys, keys::RECEIVER];
    let table = read(desk, written, None, &Description::of(&all));
    if let Some(fault) = bad_name("name", "the receiver's name", name) {
        desk.fault(&table, fault);
    }
    let rate = read_rate(desk, &table);
    refuse_no_tries(desk, &table);
    let channel = if table.has_required(&all) { (kind.build)(&table.settings) } else { Err(Vec::new()) };
    let channel = channel.map_err(|faults| faults.into_iter().for_each(|fault| desk.fault(&table, fault)));
    let built = channel.ok().zip(rate).and_then(|(channel, rate)| {
        Some(Receiver {
            name: name.to_string(),
            kind: kind.name,
            channel,
            retry: table.settings.durations("retry")?.to_vec(),
            rate,
            fingerprint: fingerprint::of(kind.name, &table.settings),
        })
    });
    Some(Read { table, name: name.into(), built })
}

fn refuse_no_tries(desk: &mut Desk, table: &Table) {
    if table.settings.durations("retry").is_some_and(<[_]>::is_empty) {
        let fault = Fault::new("retry", "retry has no try: nothing would be sent");
        desk.fault(table, fault.hint("write [\"0s\"] for a single try"));
    }
}

fn read_rate(desk: &mut Desk, table: &Table) -> Option<f64> {
    let text = table.settings.text("rate")?;
    let rate = parse_rate(text);
    if rate.is_none() {
        let fault = Fault::new("rate", format!("rate {text:?} is not a rate"));
        desk.fault(table, fault.hint("write for example \"10/s\" or \"60/m\""));
    }
    rate
}

/// Says why the `kind` of a check or receiver is none.
pub(super) fn refuse_kind(desk: &mut Desk, written: &Written, known: &[&str], later: &[&str]) {
    let there_are = match known {
        [] => "there is none yet".to_string(),
        known => format!("write {}", one_of(known)),
    };
    let Some(value) = written.table.get("kind") else {
        let said = ("`kind` is missing".into(), Some(format!("add `kind`: {there_are}")));
        return desk.error(written, written.span.clone(), said);
    };
    let said: Said = match value.get_ref() {
        DeValue::String(kind) if later.contains(&&**kind) => {
            let (message, _) = not_supported(&format!("kind {kind:?}"), None);
            (message, Some(there_are))
        }
        DeValue::String(kind) => {
            let near = nearest::nearest(kind, known.iter().chain(later).copied());
            let hint = near.map(|near| format!("did you mean {near:?}?"));
            (format!("unknown kind {kind:?}"), hint.or(Some(there_are)))
        }
        other => (format!("kind is {}, not a text", super::values::kind(other)), Some(there_are)),
    };
    desk.error(written, value.span(), said);
}

pub(super) fn routes(desk: &mut Desk, root: &Written) -> Vec<Read<Route>> {
    let names = receiver_names(root);
    let tables = root.array(desk, "routes");
    tables.iter().map(|written| route(desk, written, &names)).collect()
}

/// Of all receivers, also those with faults: a route to one of them is not at fault.
fn receiver_names(root: &Written) -> Vec<String> {
    let Some(DeValue::Array(tables)) = root.table.get("receivers").map(|value| value.get_ref()) else {
        return Vec::new();
    };
    let names = tables.iter().filter_map(|table| table.get_ref().get("name")?.get_ref().as_str());
    names.map(str::to_string).collect()
}

fn route(desk: &mut Desk, written: &Written, names: &[String]) -> Read<Route> {
    let table = read(desk, written, None, &Description::of(&[keys::ROUTE]));
    let receiver = table.settings.text("receiver").unwrap_or_default().to_string();
    if !names.contains(&receiver) {
        let near = nearest::nearest(&receiver, names.iter().map(String::as_str));
        let hint = match (near, names) {
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, []) => "add a table [[receivers]] of that name".into(),
            (None, names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("write {}", one_of(&names))
            }
        };
        let fault = Fault::new("receiver", format!("there is no receiver {receiver:?}"));
        desk.fault(&table, fault.hint(hint));
    }
    let built = build_route(desk, &table, receiver.clone());
    Read { table, name: receiver, built }
}

fn build_route(desk: &mut Desk, table: &Table, receiver: String) -> Option<Route> {
    let settings = &table.settings;
    Some(Route {
        matching: matching(desk, table)?,
        receiver,
        group_by: settings.texts("group_by")?.to_vec(),
        group_wait: *settings.duration("group_wait")?,
        group_interval: *settings.duration("group_interval")?,
        repeat_interval: *settings.duration("repeat_interval")?,
        continues: settings.on("continue"),
    })
}

fn matching(desk: &mut Desk, table: &Table) -> Option<Matching> {
    let wanted = table.settings.table("match")?;
    let texts = |key| wanted.texts(key).map(<[String]>::to_vec);
    let found = Matching {
        tier: wanted.counts("tier")?.iter().filter_map(|tier| u8::try_from(*tier).ok()).collect(),
        vendor: texts("vendor")?,
        rule: texts("rule")?,
        severity: texts("severity")?.iter().filter_map(|word| Severity::parse(word)).collect(),
    };
    check_globs(desk, table, "match.vendor", &found.vendor);
    check_globs(desk, table, "match.rule", &found.rule);
    check_rules(desk, table, &found.rule);
    Some(found)
}

fn check_globs(desk: &mut Desk, table: &Table, key: &'static str, texts: &[String]) {
    for (item, text) in texts.iter().enumerate() {
        if let Err(error) = glob::Pattern::new(text) {
            let message = format!("{key} {text:?} is not a glob: {}", error.msg);
            desk.fault(table, Fault::new(key, message).item(item).at(error.pos..text.len()));
        }
    }
}

/// A rule that no version has is a slip; one that this version does not have matches nothing.
fn check_rules(desk: &mut Desk, table: &Table, texts: &[String]) {
    let known = || Rule::ALL.iter().map(|rule| rule.as_str());
    for (item, text) in texts.iter().enumerate() {
        let Ok(pattern) = glob::Pattern::new(text) else {
            continue;
        };
        if known().any(|rule| pattern.matches(rule)) {
            continue;
        }
        let fault = Fault::new("match.rule", format!("no rule of this version is called {text:?}")).item(item);
        match nearest::nearest(text, known()) {
            Some(near) => desk.fault(table, fault.hint(format!("did you mean {near:?}?"))),
            None => {
                let known: Vec<&str> = known().collect();
                desk.warn(table, fault.hint(format!("there are {}", known.join(", "))));
            }
        }
    }
}
