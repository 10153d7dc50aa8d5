//! What comes along for Prometheus and Grafana: read by the rules of Grafana's linter, by promtool, and executed, every
//! expression of it, by a Prometheus that scrapes the demo.

mod board;
mod executed;
mod linted;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::skip;
use board::Board;

const NAMES: [&str; 3] = ["fleet", "vendor", "daemon"];

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(file)
}

fn read(file: &str) -> String {
    let path = shipped(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn boards() -> Vec<Board> {
    NAMES.iter().map(|name| Board::read(name)).collect()
}

fn vendord(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vendord")).args(arguments).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_metric_that_is_named_is_one_of_ours() {
    // Comes with the witnesses ("is it us?"); until then the gate of the alerts is open, which is what no witness means.
    const NOT_YET: &str = "vendord_connectivity_up";
    let reference = include_str!("../../docs/reference/metrics.md");
    let exists = |name: &str| {
        let bare = ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix));
        let histogram = bare.is_some_and(|bare| reference.contains(&format!("| `{bare}` | histogram |")));
        histogram || reference.contains(&format!("| `{name}` |")) || name.starts_with("process_")
    };
    let rules = ["alerts.yml", "recording.yml", "alerts_test.yml"].map(|file| read(&format!("prometheus/{file}")));
    let lines = rules.iter().flat_map(|text| text.lines()).filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned);
    let expressions: Vec<String> = boards().iter().flat_map(Board::expressions).chain(lines).collect();
    let named: BTreeSet<&str> = expressions.iter().flat_map(|text| board::metrics(text)).map(|(name, _)| name).collect();
    assert!(named.len() > 30, "{named:?}");
    assert!(named.contains(NOT_YET) && !exists(NOT_YET), "{NOT_YET} exists: take the exception away");
    let unknown: Vec<&&str> = named.iter().filter(|name| **name != NOT_YET && !exists(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn promtool_finds_no_fault_in_the_rules_and_they_fire_when_they_should() {
    let files = ["alerts.yml", "recording.yml"].map(|file| shipped(&format!("prometheus/{file}")));
    let mut check = Command::new("promtool");
    check.args(["check", "rules", "--lint=all", "--lint-fatal"]).args(&files);
    let mut test = Command::new("promtool");
    test.args(["test", "rules"]).arg(shipped("prometheus/alerts_test.yml"));
    for mut command in [check, test] {
        match command.output() {
            Ok(output) => assert!(output.status.success(), "{command:?}: {output:?}"),
            Err(_) => return skip("the rules for Prometheus", "there is no promtool on PATH; the package `prometheus` has it"),
        }
    }
}

/// Printed rules are rules too, with the address that was asked for.
#[test]
fn rules_are_printed_with_the_address_of_the_pages() {
    let printed = vendord(&["rules", "--url", "https://vendord.example.org/"]);
    assert!(!printed.contains("127.0.0.1"), "{printed}");
    assert_eq!(printed.replace("https://vendord.example.org", "http://127.0.0.1:9978"), read("prometheus/alerts.yml"));
    assert_eq!(vendord(&["rules", "--recording"]), read("prometheus/recording.yml"));
}

#[test]
fn a_dashboard_is_printed_for_a_folder_and_for_the_import_by_hand() {
    for name in NAMES {
        assert_eq!(vendord(&["dashboards", name]), read(&format!("grafana/{name}.json")));
        let text = vendord(&["dashboards", name, "--format", "import"]);
        assert!(!text.contains("${datasource}"), "{name}: Grafana asks for the data source instead");
        let printed: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(printed["__inputs"][0]["name"], "DS_PROMETHEUS", "{name}");
        assert_eq!(printed["__inputs"][0]["pluginId"], "prometheus", "{name}");
        let needs: BTreeSet<&str> = printed["__requires"].as_array().unwrap().iter().filter_map(|need| need["id"].as_str()).collect();
        let board = Board::read(name);
        let used = board.panels().iter().map(|panel| panel["type"].as_str().unwrap()).chain(["grafana", "prometheus"]);
        assert_eq!(needs, used.collect(), "{name}");
        let variables = printed["templating"]["list"].as_array().unwrap();
        assert!(!variables.is_empty() && variables.iter().all(|variable| variable["type"] == "query"), "{name}");
    }
}
