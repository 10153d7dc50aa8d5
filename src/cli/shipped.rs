//! `vendord rules` and `vendord dashboards`: what comes along for Prometheus and Grafana. Needs no configuration.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Answer, Failure};

const ALERTS: &str = include_str!("../../dashboards/prometheus/alerts.yml");
const RECORDING: &str = include_str!("../../dashboards/prometheus/recording.yml");

/// Where the rules say that vendord is.
const BASE: &str = "http://127.0.0.1:9978";

/// (name, what it shows, JSON).
const DASHBOARDS: &[(&str, &str, &str)] = &[
    ("fleet", "every vendor at a glance", include_str!("../../dashboards/grafana/fleet.json")),
    ("vendor", "one vendor, its checks and phases", include_str!("../../dashboards/grafana/vendor.json")),
    ("daemon", "vendord itself", include_str!("../../dashboards/grafana/daemon.json")),
];

/// What a dashboard that is imported by hand calls its data source.
const INPUT: &str = "${DS_PROMETHEUS}";

#[derive(Args)]
#[command(before_help = "Example:\n  vendord rules --url https://vendord.example.org > /etc/prometheus/vendord.yml")]
pub struct Rules {
    /// The recording rules instead of the alerts
    #[arg(long)]
    recording: bool,
    /// Where people reach vendord's pages, for the links to runbooks
    #[arg(long, value_name = "URL", default_value = BASE)]
    url: String,
}

#[derive(Args)]
#[command(before_help = "Example:\n  vendord dashboards fleet --format import > fleet.json")]
pub struct Dashboards {
    /// Which one; without, the list of them
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// For a folder that Grafana reads, or for its import by hand, which asks for the data source
    #[arg(long, value_enum, default_value_t = Format::Provisioned)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Provisioned,
    Import,
}

pub fn rules(arguments: &Rules) -> Result<Answer, Failure> {
    let rules = if arguments.recording { RECORDING } else { ALERTS };
    Ok(Answer::fine(rules.replace(BASE, arguments.url.trim_end_matches('/'))))
}

pub fn dashboards(arguments: &Dashboards) -> Result<Answer, Failure> {
    let Some(name) = &arguments.name else {
        let lines = DASHBOARDS.iter().map(|(name, shows, _)| format!("{name:<8}{shows}\n"));
        return Ok(Answer::fine(lines.collect()));
    };
    let known = DASHBOARDS.iter().find(|(known, _, _)| known == name);
    let (_, _, text) = known.ok_or_else(|| {
        let names: Vec<&str> = DASHBOARDS.iter().map(|(name, _, _)| *name).collect();
        Failure::usage(format!("there is no dashboard {name:?}")).hint(format!("there are: {}", names.join(", ")))
    })?;
    match arguments.format {
        Format::Provisioned => Ok(Answer::fine((*text).to_owned())),
        Format::Import => Ok(Answer::fine(imported(text))),
    }
}

/// As Grafana exports "for sharing externally": the data source is an input.
fn imported(text: &str) -> String {
    let mut board: Map<String, Value> =
        serde_json::from_str(&text.replace("${datasource}", INPUT)).expect("a dashboard of ours is JSON, as a test checks");
    if let Some(Value::Array(variables)) = board.get_mut("templating").and_then(|templating| templating.get_mut("list")) {
        variables.retain(|variable| variable["type"] != "datasource");
    }
    let panels = board["panels"].as_array().into_iter().flatten().filter_map(|panel| panel["type"].as_str());
    let kinds: std::collections::BTreeSet<&str> = panels.collect();
    let mut needs = vec![
        json!({ "type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.4.0" }),
        json!({ "type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0" }),
    ];
    needs.extend(kinds.iter().map(|kind| json!({ "type": "panel", "id": kind, "name": kind, "version": "" })));
    let input = json!({
        "name": "DS_PROMETHEUS", "label": "Prometheus", "description": "where vendord is scraped", "type": "datasource",
        "pluginId": "prometheus", "pluginName": "Prometheus"
    });
    board.insert("__inputs".to_owned(), json!([input]));
    board.insert("__requires".to_owned(), Value::Array(needs));
    super::to_json(&board)
}
