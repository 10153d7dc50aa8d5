//! The reference pages in docs/reference are made from the code, so that no key, metric or reason lacks its line.
//! `UPDATE_REFERENCE=1 cargo test --test it reference` writes them; without it they must be as the code is.

use std::fmt::Write;
use std::path::Path;

use vendord::config::{Kinds, tables};
use vendord::model::{Reason, Rule, Shape};
use vendord::telemetry::Telemetry;
use vendord::web::metrics::FAMILIES;

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference").join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, text, "docs/reference/{name} is not as the code is: UPDATE_REFERENCE=1 cargo test --test it reference");
}

/// A cell of a table: a `|` would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

/// What may be written, for people.
fn shape(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".into(),
        Shape::Path => "path".into(),
        Shape::OneOf(words) => words.iter().map(|w| code(&format!("\"{w}\""))).collect::<Vec<_>>().join(", "),
        Shape::WordList(words) => format!("list of {}", words.iter().map(|w| code(&format!("\"{w}\""))).collect::<Vec<_>>().join(", ")),
        Shape::Duration | Shape::Wait => "duration".into(),
        Shape::WaitList => "list of durations".into(),
        Shape::Size => "size".into(),
        Shape::Count(from, to) => format!("{from} to {to}"),
        Shape::CountList(from, to) => format!("list of {from} to {to}"),
        Shape::Runs => "`\"3\"` or `\"3/5\"`".into(),
        Shape::Flag => "true, false".into(),
        Shape::TextList => "text or list of texts".into(),
        Shape::TextMap => "`{ name = \"text\" }`".into(),
        Shape::Secret => "secret".into(),
        Shape::TextOrSecret => "text or secret".into(),
        Shape::SecretMap => "`{ name = \"text\" or secret }`".into(),
        Shape::Table(_) => "table".into(),
        Shape::Tables(_) => "tables".into(),
    }
}

#[test]
fn configuration() {
    let mut page =
        "# Configuration reference\n\nMade from the code. `vendord lint` checks a configuration and says what to write instead.\n\n\
        Durations are texts with units: `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"2h\"`, `\"400d\"`. Sizes: `\"10MiB\"` or a number of bytes. \
        A secret is never written itself: `{ file = \"path\" }`, `{ env = \"NAME\" }` or `{ credential = \"name\" }` (systemd). \
        Keys marked *later* are known and not done yet: only the default may be written.\n"
            .to_owned();
    for table in tables(&Kinds::of_this_version()) {
        write!(page, "\n## `{}`\n\n| key | value | default | |\n|---|---|---|---|\n", table.table).unwrap();
        for key in &table.keys {
            let default = if key.required { "required".to_owned() } else { code(key.default) };
            let later = if key.later { "*later*: " } else { "" };
            writeln!(page, "| `{}` | {} | {default} | {later}{} |", key.name, shape(key.shape), cell(key.help)).unwrap();
        }
    }
    check("configuration.md", &page);
}

#[test]
fn metrics() {
    let mut page = "# Metrics reference\n\nMade from the code. `GET /metrics` answers in the text format 0.0.4, or in OpenMetrics 1.0 when asked for; gzip where accepted.\n\
        Series marked *full* exist only with `[metrics] level = \"full\"`, the default.\n\n| name | type | labels | help |\n|---|---|---|---|\n"
        .to_owned();
    for family in FAMILIES {
        let full = if family.full { ", *full*" } else { "" };
        writeln!(page, "| `{}` | {}{full} | {} | {} |", family.name, family.kind, family.labels, cell(family.help)).unwrap();
    }
    for family in &Telemetry::default().families {
        writeln!(page, "| `{}` | {} | {} | {} |", family.name, family.kind, family.labels, cell(&family.help)).unwrap();
    }
    page.push_str("| `process_*` | | | The usual metrics of a process, on Linux. |\n");
    check("metrics.md", &page);
}

#[test]
fn reasons() {
    let mut page = "# Reasons of a run\n\nMade from the code. The same words in the database, in metric labels and in messages.\n\
        A reason that is *ours* can never make a vendor `down`: such a run is `unknown`.\n\n| reason | whose | says |\n|---|---|---|\n"
        .to_owned();
    for reason in Reason::ALL {
        let whose = match reason {
            Reason::AuthRejected | Reason::RateLimited => "ours, unless `auth_is_down`",
            reason if reason.is_ours() => "ours",
            _ => "",
        };
        writeln!(page, "| `{reason}` | {whose} | {} |", cell(reason.help())).unwrap();
    }
    check("reasons.md", &page);
}

#[test]
fn every_rule_and_every_alert_has_a_runbook_and_the_other_way_round() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    let mut written: Vec<String> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    let alerts = include_str!("../../dashboards/prometheus/alerts.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).chain(alerts).collect();
    let mut wanted: Vec<String> = names.iter().map(|name| format!("{name}.md")).collect();
    written.sort();
    wanted.sort();
    assert_eq!(written, wanted);
    for name in names {
        let (_, text) = vendord::web::runbooks::find(name).unwrap_or_else(|| panic!("{name} is not served"));
        assert!(text.starts_with(&format!("# {name}\n")), "{name}");
        for part in ["**What it says.**", "**Look first", "**Then", "**It ends**"] {
            assert!(text.contains(part), "{name} lacks {part}");
        }
    }
}
