//! The rules of Grafana's dashboard linter, and our own where they differ: `instance` is asked for on the dashboard of the
//! daemon alone, because what a vendor's state is must not depend on who saw it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::board::{self, Board, list, text};
use super::boards;

const UNITS: &[&str] = &["none", "s", "percentunit", "bytes", "ops"];
const DESCRIBED: &[&str] = &["stat", "table", "timeseries", "state-timeline", "status-history"];
/// A grid is this wide.
const COLUMNS: u64 = 24;

#[test]
fn each_is_found_by_its_identity_and_changed_by_nobody() {
    for board in boards() {
        let name = &board.name;
        assert_eq!(board.json["uid"], format!("vendord-{name}"));
        assert_eq!(board.json["tags"], json!(["vendord"]), "{name}");
        assert_eq!(board.json["schemaVersion"], 39, "{name}: Grafana 10.4 and later");
        assert_eq!(board.json["editable"], false, "{name}");
        assert_eq!(board.json["refresh"], "1m", "{name}");
        assert_eq!(board.json["timezone"], "browser", "{name}");
        assert_eq!(board.json["graphTooltip"], 1, "{name}");
        assert!(board.json.get("id").is_none_or(Value::is_null), "{name}: an id is of one Grafana");
        let links = list(&board.json["links"]);
        let link = (&links[0]["tags"], &links[0]["asDropdown"], &links[0]["keepTime"], &links[0]["includeVars"]);
        assert_eq!((links.len(), link), (1, (&json!(["vendord"]), &json!(true), &json!(true), &json!(true))), "{name}");
    }
}

#[test]
fn variables_come_from_the_data_source_that_was_chosen() {
    for board in boards() {
        let name = &board.name;
        let [source, job, ..] = board.variables() else { panic!("{name} has no variables") };
        let kind = (&source["name"], &source["label"], &source["type"], &source["query"]);
        assert_eq!(kind, (&json!("datasource"), &json!("Data source"), &json!("datasource"), &json!("prometheus")), "{name}");
        assert_eq!((&job["name"], &job["label"]), (&json!("job"), &json!("Job")), "{name}");
        for variable in &board.variables()[1..] {
            let which = format!("{name}: {}", variable["name"]);
            assert_eq!(variable["refresh"], 2, "{which}: asked again when the time changes");
            assert_eq!(variable["datasource"]["uid"], "${datasource}", "{which}");
            assert_eq!(variable["query"]["query"], variable["definition"], "{which}");
            if variable["name"] != "vendor" {
                let many = (&variable["multi"], &variable["includeAll"], &variable["allValue"]);
                assert_eq!(many, (&json!(true), &json!(true), &json!(".+")), "{which}");
            }
        }
        let has_instance = board.variables().iter().any(|variable| variable["name"] == "instance");
        assert_eq!(has_instance, name == "daemon");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for board in boards() {
        for panel in board.panels() {
            let which = format!("{}: {}", board.name, panel["title"]);
            assert!(DESCRIBED.contains(&text(&panel["type"])), "{which}: {}", panel["type"]);
            assert!(!text(&panel["title"]).is_empty() && !text(&panel["description"]).is_empty(), "{which}");
            assert_eq!(panel["datasource"], json!({ "type": "prometheus", "uid": "${datasource}" }), "{which}");
            assert!(UNITS.contains(&text(&panel["fieldConfig"]["defaults"]["unit"])), "{which}");
            assert!(!list(&panel["targets"]).is_empty(), "{which} asks for nothing");
            let names: BTreeSet<&str> = list(&panel["targets"]).iter().map(|target| text(&target["refId"])).collect();
            assert_eq!(names.len(), list(&panel["targets"]).len(), "{which}: two queries have one name");
        }
    }
}

#[test]
fn every_query_asks_the_chosen_source_for_the_chosen_job() {
    for board in boards() {
        for (panel, target) in board.targets() {
            let which = format!("{}: {} {}", board.name, panel["title"], target["refId"]);
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{which}");
            chosen(&board, text(&target["expr"]), &which);
            for window in windows(text(&target["expr"])) {
                assert_eq!(window, "$__rate_interval", "{which}");
            }
        }
        for annotation in board.annotations() {
            let which = format!("{}: {}", board.name, annotation["name"]);
            assert_eq!(annotation["datasource"]["uid"], "${datasource}", "{which}");
            chosen(&board, text(&annotation["expr"]), &which);
            assert_eq!(windows(text(&annotation["expr"])), ["2m"], "{which}: two steps, so that nothing falls between them");
        }
    }
}

/// Every selector of every metric, not only one of them.
fn chosen(board: &Board, expression: &str, which: &str) {
    let wanted: &[&str] = match board.name.as_str() {
        "daemon" => &["job=~\"$job\"", "instance=~\"$instance\""],
        "vendor" => &["job=~\"$job\"", "vendor=~\"$vendor\""],
        _ => &["job=~\"$job\""],
    };
    let mut selectors = 0;
    for (metric, rest) in board::metrics(expression) {
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        wanted.iter().for_each(|wanted| assert!(matchers.contains(wanted), "{which}: {metric} lacks {wanted}"));
        selectors += 1;
    }
    assert!(selectors > 0, "{which} names no metric");
}

/// `[..]` of every range.
fn windows(expression: &str) -> Vec<&str> {
    expression.split('[').skip(1).filter_map(|rest| rest.split(']').next()).collect()
}

/// Counters are read as rates: what they stand at means nothing. Those given up are few, and since the start.
#[test]
fn counters_are_read_as_rates() {
    const AS_THEY_STAND: &[&str] = &["vendord_deliveries_dead_total"];
    for board in boards() {
        for expression in board.expressions() {
            for (metric, _) in board::metrics(&expression) {
                let counts = metric.ends_with("_total") || metric.ends_with("_bucket") || metric.ends_with("_count");
                let at = expression.find(metric).expect("it was found there");
                let is_rate = ["rate(", "increase("].iter().any(|function| expression[..at].ends_with(function));
                assert!(!counts || is_rate || AS_THEY_STAND.contains(&metric), "{}: {expression}", board.name);
            }
        }
    }
}

#[test]
fn panels_have_their_own_place_and_number() {
    for board in boards() {
        let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in board.panels() {
            let which = format!("{}: {}", board.name, panel["title"]);
            assert!(numbers.insert(panel["id"].as_u64().expect("a number")), "{which}: its id is taken");
            let [x, y, wide, high] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a number"));
            assert!(wide > 0 && high > 0 && x + wide <= COLUMNS, "{which} is wider than the grid");
            for cell in (y..y + high).flat_map(|row| (x..x + wide).map(move |column| (row, column))) {
                assert!(taken.insert(cell), "{which} lies upon another at {cell:?}");
            }
        }
    }
}
