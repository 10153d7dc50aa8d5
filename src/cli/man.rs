//! `vendord man` and `vendord completions SHELL`: made from the same description as the help.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Answer, Cli, Failure};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord completions bash > /etc/bash_completion.d/vendord")]
pub struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Args)]
#[command(before_help = "Example:\n  vendord man | man -l -")]
pub struct Man {}

pub fn completions(arguments: &Completions) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "vendord", &mut script);
    text(script)
}

/// One page with every verb.
pub fn man(_: &Man) -> Result<Answer, Failure> {
    let mut page = Vec::new();
    render(&mut page).map_err(|error| Failure::missing(format!("cannot write the page: {error}")))?;
    text(page)
}

fn render(page: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let about = clap_mangen::Man::new(command.clone());
    about.render_title(page)?;
    about.render_name_section(page)?;
    about.render_synopsis_section(page)?;
    about.render_description_section(page)?;
    about.render_options_section(page)?;
    for verb in command.get_subcommands() {
        section(page, verb, verb.get_name())?;
    }
    about.render_version_section(page)
}

/// A verb, and the verbs under it.
fn section(page: &mut Vec<u8>, verb: &clap::Command, name: &str) -> std::io::Result<()> {
    let mut inner: Vec<&clap::Command> = verb.get_subcommands().collect();
    inner.retain(|verb| !verb.is_hide_set());
    if inner.is_empty() {
        let usage = verb.clone().render_usage().to_string();
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        let mut roff = clap_mangen::roff::Roff::new();
        roff.control("SH", [format!("vendord {name}").as_str()]);
        roff.text([clap_mangen::roff::roman(about)]);
        roff.control("PP", []);
        roff.text([clap_mangen::roff::roman(usage)]);
        roff.to_writer(page)?;
        let own = clap_mangen::Man::new(verb.clone().disable_help_flag(true));
        return own.render_options_section(page);
    }
    inner.into_iter().try_for_each(|verb| section(page, verb, &format!("{name} {}", verb.get_name())))
}

fn text(bytes: Vec<u8>) -> Result<Answer, Failure> {
    Ok(Answer::fine(String::from_utf8_lossy(&bytes).into_owned()))
}
