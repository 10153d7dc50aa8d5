//! Every expression against a real Prometheus that scrapes the demo, in which a vendor fails, declares it, and mends it.

use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use super::board::{self, Board, list, text};
use super::{boards, shipped};
use crate::demo::Demo;
use crate::harness::{Prometheus, s, skip, wait_for};

/// How long the demo is watched: its outage begins after 2 s and is over after 15.
const WITHIN: u64 = 40;
/// Fails, declares, has history and a page.
const ACTOR: &str = "acme-pay";

/// What no demo has, and why; the panels that ask for it say what they show instead.
const ABSENT: &[(&str, &str)] = &[
    ("vendord_check_tls_not_after_timestamp_seconds", "its vendors have no TLS"),
    ("vendord_delivery_attempts_failed_total", "its receiver takes everything"),
    ("vendord_deliveries_dead_total", "its receiver takes everything"),
];

/// A query as Grafana would send it.
struct Query {
    which: String,
    /// With everything that is written.
    whole: String,
    /// Without what stands in for no data; that has to come true within the run.
    bare: Option<String>,
    legend: String,
}

impl Query {
    fn of(board: &Board, panel: &Value, target: &Value, vendor: &str) -> Query {
        let whole = filled(text(&target["expr"]), vendor);
        let bare = without_stand_in(&whole).to_owned();
        let absent = board::metrics(&bare).any(|(metric, _)| ABSENT.iter().any(|(name, _)| *name == metric));
        Query {
            which: format!("{}: {} {} of {vendor}", board.name, panel["title"], target["refId"]),
            bare: (!absent).then_some(bare),
            whole,
            legend: text(&target["legendFormat"]).to_owned(),
        }
    }

    /// Something to show, with the labels that the legend names.
    fn is_answered(&self, prometheus: &Prometheus) -> bool {
        let Some(bare) = &self.bare else { return true };
        let series = prometheus.query_all(bare).unwrap_or_else(|error| panic!("{}: {error}\n{bare}", self.which));
        for one in &series {
            for label in legend_labels(&self.legend) {
                assert!(one["metric"].get(label).is_some(), "{}: the legend names {label:?}, the series has {}", self.which, one["metric"]);
            }
        }
        series.iter().any(|one| list(&one["values"]).iter().any(|sample| sample[1] != "NaN"))
    }
}

/// What Grafana fills in when everything is chosen.
fn filled(expression: &str, vendor: &str) -> String {
    let choices = [("$job", ".+"), ("$tier", ".+"), ("$instance", ".+"), ("$vendor", vendor), ("$__rate_interval", "10s")];
    let filled = choices.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value));
    assert!(!filled.contains('$'), "{filled}");
    filled
}

/// `.. or vector(0)` and `.. or on () label_replace(vector(0), ..)` at the end.
fn without_stand_in(expression: &str) -> &str {
    let cut = [" or vector(0)", " or on () label_replace(vector(0)"].iter().find_map(|stand_in| expression.split_once(stand_in));
    cut.map_or(expression, |(bare, _)| bare)
}

/// `{{vendor}}/{{check}}`
fn legend_labels(legend: &str) -> impl Iterator<Item = &str> {
    legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next())
}

#[test]
fn a_real_prometheus_answers_every_expression() {
    let mut demo = Demo::start(&["--pace", "10", "--port", "0"]);
    let rules = ["alerts.yml", "recording.yml"].map(|file| shipped(&format!("prometheus/{file}")));
    let Some(prometheus) = Prometheus::start(demo.port(), &[&rules[0], &rules[1]]) else {
        return skip("dashboards and rules, executed", "there is no prometheus on PATH; the package `prometheus` has it");
    };
    panels(&prometheus);
    variables(&prometheus);
    annotations(&prometheus);
    recorded_and_alerted(&prometheus);
    assert_eq!(demo.stop(Signal::TERM), Some(0));
}

/// Each has data at some time of the run, and something to show at its end.
fn panels(prometheus: &Prometheus) {
    let began = Instant::now();
    let boards = boards();
    let queries = boards.iter().flat_map(|board| board.targets().map(|(panel, target)| Query::of(board, panel, target, ACTOR)));
    let queries: Vec<Query> = queries.collect();
    assert!(queries.len() > 40, "{}", queries.len());
    let mut waiting: Vec<&Query> = queries.iter().collect();
    wait_for("data in every panel", s(WITHIN + 5), || {
        waiting.retain(|query| !query.is_answered(prometheus));
        let names = || waiting.iter().map(|query| format!("{}\n    {}", query.which, query.whole)).collect::<Vec<_>>();
        assert!(began.elapsed() < s(WITHIN), "no data within {WITHIN} s:\n{}", names().join("\n"));
        waiting.is_empty().then_some(())
    });
    for query in &queries {
        let series = prometheus.query(&query.whole).unwrap_or_else(|error| panic!("{}: {error}\n{}", query.which, query.whole));
        assert!(!series.is_empty(), "{} shows nothing\n{}", query.which, query.whole);
    }
}

/// Each offers something to choose, and every vendor that can be chosen has its dashboard without an error.
fn variables(prometheus: &Prometheus) {
    for board in boards() {
        for variable in board.variables().iter().filter(|variable| variable["type"] == "query") {
            let values = label_values(prometheus, text(&variable["definition"]));
            assert!(!values.is_empty(), "{}: {} offers nothing", board.name, variable["name"]);
            for vendor in values.iter().filter(|_| variable["name"] == "vendor") {
                for (panel, target) in board.targets() {
                    let query = Query::of(&board, panel, target, vendor);
                    prometheus.query(&query.whole).unwrap_or_else(|error| panic!("{}: {error}\n{}", query.which, query.whole));
                }
            }
        }
    }
}

/// `label_values(selector, label)` as Grafana asks for it.
fn label_values(prometheus: &Prometheus, definition: &str) -> Vec<String> {
    let inside = definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) = inside.and_then(|inside| inside.rsplit_once(", ")).unwrap_or_else(|| panic!("not label_values: {definition}"));
    let values = prometheus.ask(&format!("label/{label}/values"), &[("match[]", &filled(selector, ACTOR))]);
    let values = values.unwrap_or_else(|error| panic!("{definition}: {error}"));
    list(&values).iter().map(|value| text(value).to_owned()).collect()
}

/// May be empty: nothing has to have happened. Their titles name labels of what is counted.
fn annotations(prometheus: &Prometheus) {
    for board in boards() {
        for annotation in board.annotations() {
            let which = format!("{}: {}", board.name, annotation["name"]);
            let expression = filled(text(&annotation["expr"]), ACTOR);
            prometheus.query_all(&expression).unwrap_or_else(|error| panic!("{which}: {error}\n{expression}"));
            // Whatever the comparison lets through has the labels of all of them.
            let compared = expression.split(" > ").next().expect("a text has a beginning");
            let series = prometheus.query_all(compared).unwrap_or_else(|error| panic!("{which}: {error}\n{compared}"));
            assert!(!series.is_empty(), "{which}: nothing could ever be there\n{compared}");
            for label in legend_labels(text(&annotation["titleFormat"])) {
                assert!(series.iter().all(|one| one["metric"].get(label).is_some()), "{which} names {label:?}");
            }
        }
    }
}

/// As Prometheus has them after reading our files. An alert may be silent, a ratio not.
fn recorded_and_alerted(prometheus: &Prometheus) {
    let data = prometheus.ask("rules", &[]).unwrap_or_else(|error| panic!("the rules: {error}"));
    let rules: Vec<&Value> = list(&data["groups"]).iter().flat_map(|group| list(&group["rules"])).collect();
    assert_eq!(rules.iter().filter(|rule| rule["type"] == "recording").count(), 2, "{data}");
    assert!(rules.iter().filter(|rule| rule["type"] == "alerting").count() >= 12, "{data}");
    for rule in rules {
        let (name, expression) = (&rule["name"], text(&rule["query"]));
        assert_ne!(rule["health"], "err", "{name}: {}", rule["lastError"]);
        let series = prometheus.query(expression).unwrap_or_else(|error| panic!("{name}: {error}\n{expression}"));
        assert!(rule["type"] == "alerting" || !series.is_empty(), "{name} records nothing\n{expression}");
    }
}
