//! The command line: arguments in, data to stdout, everything else to stderr, an exit code out. One file per verb.
//!
//! A verb makes an [`Answer`] and prints nothing itself, so what it says and how it ends is decided in one place; only
//! `demo` tells as it goes.
//! Reading verbs read the store alone, whether a daemon runs or not, and never write. Verbs that write take the store's lock,
//! so that they refuse to work beside a daemon.

mod alert;
mod catalog;
mod demo;
mod doctor;
mod ending;
mod evidence;
mod explain;
mod feed;
mod import;
mod incidents;
mod init;
mod lint;
mod logging;
mod man;
mod once;
mod outages;
mod output;
mod probe;
mod run;
mod screen;
mod shipped;
mod status;
mod store;
mod table;
mod uptime;
mod words;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{self, Config, Diagnostics};
use crate::declared::archive::Kind;
use crate::probes::Workshop;
use crate::web::api::{find, to_json};

pub use ending::{Answer, Exit, Failure};
use screen::Screen;

const EXAMPLES: &str = "\
Examples:
  vendord demo                              see it work, on this machine alone
  vendord init github openai                a configuration to begin with
  vendord lint                              is the configuration right?
  vendord run -c /etc/vendord/vendord.toml  watch the vendors it names
  vendord status --problems                 what is wrong now?";

/// Watches the vendors a company depends on: probes, outages, alerts, history.
#[derive(Parser)]
#[command(name = "vendord", version, before_help = EXAMPLES, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What every verb understands.
#[derive(Args)]
struct Common {
    /// The configuration [default: config/vendord.toml, then /etc/vendord/vendord.toml]
    #[arg(short, long, global = true, value_name = "PATH", env = "VENDORD_CONFIG", hide_env_values = true, overrides_with = "config")]
    config: Option<PathBuf>,
    /// Log more: once debug, twice trace
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Log less: only what a person should act on
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// No colours
    #[arg(long, global = true)]
    no_color: bool,
    /// Never ask
    #[arg(long, global = true)]
    no_input: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// The daemon: watch, record, alert
    Run(run::Arguments),
    /// See it work: simulated vendors on this machine, with a past and an outage to come
    Demo(demo::Arguments),
    /// Write a configuration to begin with
    Init(init::Arguments),
    /// Look now and explain: phases, hops, certificates, expectation by expectation
    Probe(probe::Arguments),
    /// Check the configuration
    Lint(lint::Arguments),
    /// How the vendors are now
    Status(status::Arguments),
    /// Why a vendor is as it is: the chain of evidence
    Explain(explain::Arguments),
    /// What we measured: every outage, or one
    Outages(outages::Arguments),
    /// What vendors declare: every incident, or one with its versions
    Incidents(incidents::Arguments),
    /// What vendors announce: every maintenance, or one
    Maintenance(incidents::Arguments),
    /// How available a vendor or check was
    Uptime(uptime::Arguments),
    /// What people were told, and whether they can be told
    #[command(subcommand)]
    Alert(alert::Verb),
    /// Read one status page now and print what it says
    Feed(feed::Arguments),
    /// The vendors that are known by name
    #[command(subcommand)]
    Catalog(catalog::Verb),
    /// A past from elsewhere: another monitor, a scraped archive
    #[command(subcommand)]
    Import(import::Verb),
    /// The database
    #[command(subcommand)]
    Store(store::Verb),
    /// Whether this machine and the receivers can do their part, and what to do
    Doctor(doctor::Arguments),
    /// Alert and recording rules for Prometheus
    Rules(shipped::Rules),
    /// Dashboards for Grafana
    Dashboards(shipped::Dashboards),
    /// What completes the verbs in a shell
    Completions(man::Completions),
    /// The manual page
    Man(man::Man),
}

/// What a verb may know beside its own arguments.
pub struct Context {
    config: Option<PathBuf>,
    verbosity: logging::Verbosity,
    colour_out: bool,
    colour_err: bool,
}

/// Everything: reads the arguments, runs the verb, prints what it has to say.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let json = given("--json") || given("--output=json") || arguments.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    let screen = Screen::of_this_process(given("--no-color"), json);
    let exit = match parse(&arguments) {
        Ok(Cli { verb: None, .. }) => screen.show(&Answer::fine(short_help(&screen))),
        Ok(Cli { verb: Some(verb), common }) => screen.end(dispatch(verb, common, &screen)),
        Err(error) if error.use_stderr() => screen.end(Err(usage(&error))),
        Err(help) => screen.show(&Answer::fine(styled(&help.render(), &screen))),
    };
    ExitCode::from(exit as u8)
}

fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&Cli::command().try_get_matches_from(arguments)?)
}

fn short_help(screen: &Screen) -> String {
    styled(&Cli::command().render_help(), screen)
}

fn styled(text: &clap::builder::StyledStr, screen: &Screen) -> String {
    if screen.colour_out { text.ansi().to_string() } else { text.to_string() }
}

/// Clap's message in our form: it begins with `error: ` and ends with how to get help.
fn usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
    let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    Failure { details: rest.to_owned(), ..Failure::usage(message.trim_end()) }
}

fn dispatch(verb: Verb, common: Common, screen: &Screen) -> Result<Answer, Failure> {
    let verbosity = logging::Verbosity { verbose: common.verbose, quiet: common.quiet };
    let context = Context { config: common.config, verbosity, colour_out: screen.colour_out, colour_err: screen.colour_err };
    match verb {
        Verb::Run(arguments) => run::run(&context, &arguments),
        Verb::Demo(arguments) => demo::demo(&context, &arguments),
        Verb::Init(arguments) => init::init(&context, &arguments),
        Verb::Probe(arguments) => probe::probe(&context, &arguments),
        Verb::Lint(arguments) => lint::lint(&context, &arguments),
        Verb::Status(arguments) => status::status(&context, &arguments),
        Verb::Explain(arguments) => explain::explain(&context, &arguments),
        Verb::Outages(arguments) => outages::outages(&context, &arguments),
        Verb::Incidents(arguments) => incidents::incidents(&context, &arguments, Kind::Incident),
        Verb::Maintenance(arguments) => incidents::incidents(&context, &arguments, Kind::Maintenance),
        Verb::Uptime(arguments) => uptime::uptime(&context, &arguments),
        Verb::Alert(verb) => alert::alert(&context, &verb),
        Verb::Feed(arguments) => feed::feed(&context, &arguments),
        Verb::Catalog(verb) => catalog::catalog(&context, &verb),
        Verb::Import(verb) => import::import(&context, &verb),
        Verb::Store(verb) => store::store(&context, &verb),
        Verb::Doctor(arguments) => doctor::doctor(&context, &arguments),
        Verb::Rules(arguments) => shipped::rules(&arguments),
        Verb::Dashboards(arguments) => shipped::dashboards(&arguments),
        Verb::Completions(arguments) => man::completions(&arguments),
        Verb::Man(arguments) => man::man(&arguments),
    }
}

impl Context {
    /// The file that was named, else the first of the usual ones.
    fn config_path(&self) -> Result<PathBuf, Failure> {
        const USUAL: [&str; 2] = ["config/vendord.toml", "/etc/vendord/vendord.toml"];
        if let Some(path) = &self.config {
            return Ok(path.clone());
        }
        let found = USUAL.iter().map(Path::new).find(|path| path.exists()).map(Path::to_owned);
        found.ok_or_else(|| {
            let message = format!("there is no configuration: neither {} nor {}", USUAL[0], USUAL[1]);
            Failure::config(message).hint("name one with -c PATH or VENDORD_CONFIG")
        })
    }

    /// The configuration with what is odd about it, or everything that is wrong.
    fn load(&self, workshop: &Workshop) -> Result<(Config, Diagnostics), Failure> {
        let loaded = config::load(&self.config_path()?, workshop);
        match loaded.config {
            Some(config) => Ok((config, loaded.diagnostics)),
            None => Err(Failure::diagnostics(&loaded.diagnostics, self.colour_err)),
        }
    }

    /// For verbs that only read history: nothing else of the configuration has to be right.
    fn store_path(&self) -> Result<PathBuf, Failure> {
        let store = config::store(&self.config_path()?).map_err(|diagnostics| Failure::diagnostics(&diagnostics, self.colour_err))?;
        Ok(store.path)
    }

    /// For verbs that need more than the store.
    fn config(&self) -> Result<Config, Failure> {
        Ok(self.load(&Workshop::new())?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
