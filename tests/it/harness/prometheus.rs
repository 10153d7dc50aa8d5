//! A Prometheus that scrapes one daemon every second, in a temporary directory of its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::{free_port, http, s, wait_for};

pub struct Prometheus {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    began: u64,
}

impl Prometheus {
    /// Scrapes `127.0.0.1:port` as job `vendord`, with these rule files loaded. `None`: it is not installed.
    pub fn start(port: u16, rules: &[&Path]) -> Option<Prometheus> {
        let directory = tempfile::Builder::new().prefix("vendord-it-").tempdir().expect("a temporary directory");
        let config = directory.path().join("prometheus.yml");
        let rules: String = rules.iter().map(|file| format!("  - {}\n", file.display())).collect();
        let text = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n{rules}\
             scrape_configs:\n  - job_name: vendord\n    static_configs:\n      - targets: [127.0.0.1:{port}]\n"
        );
        fs::write(&config, text).expect("the directory is ours");
        let log = File::create(directory.path().join("log")).expect("the directory is ours");
        let own = free_port();
        let mut command = Command::new("prometheus");
        command.arg("--config.file").arg(&config).arg("--storage.tsdb.path").arg(directory.path().join("data"));
        command.arg(format!("--web.listen-address=127.0.0.1:{own}")).arg("--log.level=warn");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().ok()?;
        let mut prometheus = Prometheus { child, directory, port: own, began: now() };
        prometheus.wait_until_ready();
        Some(prometheus)
    }

    fn wait_until_ready(&mut self) {
        wait_for("Prometheus", s(20), || {
            let ended = self.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "it ended: {}", self.log());
            http::get(self.port, "/-/ready").ok().filter(|page| page.status == 200)
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The `data` of an answer of its API.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let page = http::get(self.port, &format!("/api/v1/{path}?{query}")).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&page.body).map_err(|error| format!("{error}: {}", page.text()))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// What an expression gives now: its series, each with one value.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        results(self.ask("query", &[("query", expression)])?)
    }

    /// What it gave at any second since the start.
    pub fn query_all(&self, expression: &str) -> Result<Vec<Value>, String> {
        let (start, end) = (self.began.to_string(), now().to_string());
        results(self.ask("query_range", &[("query", expression), ("start", &start), ("end", &end), ("step", "1")])?)
    }
}

fn results(mut data: Value) -> Result<Vec<Value>, String> {
    match data["result"].take() {
        Value::Array(series) => Ok(series),
        other => Err(format!("no list of series: {other}")),
    }
}

/// Unix time in seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log of Prometheus:\n{}", self.log());
        }
    }
}
