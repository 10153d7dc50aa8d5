//! The daemon's log: to stderr, at the level of the configuration or of `-v` and `-q`.

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config::Log;

/// What these crates trace may hold URLs and headers, and with them secrets.
const NEVER_BELOW_WARN: &[&str] = &[
    "h2",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "rustls_platform_verifier",
    "tower",
    "tokio_cron_scheduler",
];

/// `-v`, `-vv` and `-q`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verbosity {
    pub verbose: u8,
    pub quiet: bool,
}

/// Starts to log. Only once in a process.
pub fn start(log: &Log, verbosity: Verbosity, coloured: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(directives(&log.level, verbosity)).map_err(|e| Failure::config(format!("log level: {e}")))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured && !log.json);
    let started = if log.json { lines.json().flatten_event(true).try_init() } else { lines.try_init() };
    started.map_err(|e| Failure::missing(format!("cannot start the log: {e}")))
}

/// The filter, in the words of `tracing_subscriber`.
fn directives(configured: &str, verbosity: Verbosity) -> String {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => "error",
        (false, 0) => configured,
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let others = if level == "error" { "error" } else { "warn" };
    let kept: Vec<String> = NEVER_BELOW_WARN.iter().map(|name| format!("{name}={others}")).collect();
    format!("{level},{}", kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_quiet_at_every_level() {
        for (configured, verbose, quiet, want) in
            [("info", 0, false, "info"), ("info", 1, false, "debug"), ("warn", 2, false, "trace"), ("trace", 0, true, "error")]
        {
            let text = directives(configured, Verbosity { verbose, quiet });
            assert!(text.starts_with(&format!("{want},h2=")), "{text}");
            assert!(!text.contains("hyper=trace") && !text.contains("reqwest=debug"), "{text}");
            assert!(EnvFilter::try_new(&text).is_ok(), "{text}");
        }
    }
}
