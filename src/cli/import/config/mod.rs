//! `vendord import gatus-config` and `kuma-config`: another monitor's configuration as checks of ours.
//!
//! The checks go to stdout, to be written to a vendor's file; what could not be carried, and what is left to do, to stderr.

mod conditions;
pub mod draft;
mod gatus;
mod kuma;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::Args;

use super::contents;
use crate::cli::words::{count, tame};
use crate::cli::{Answer, Exit, Failure, screen};
use crate::probes::Workshop;
use draft::{Draft, Refusal, distinguish};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord import gatus-config config.yaml --group core > config/vendors/acme.toml")]
pub struct Gatus {
    /// Its configuration, or - for stdin
    file: String,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
#[command(before_help = "Example:\n  vendord import kuma-config kuma.db --group Acme > config/vendors/acme.toml")]
pub struct Kuma {
    /// Its JSON backup, or its database kuma.db
    file: String,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// Only what is in this group
    #[arg(long)]
    group: Option<String>,
}

/// What became of one of their monitors.
struct Monitor {
    group: String,
    title: String,
    draft: Result<Draft, Refusal>,
}

#[derive(Default)]
pub struct Drafts {
    monitors: Vec<Monitor>,
    /// Sections of the file that say nothing of checks.
    pub not_read: Vec<String>,
}

impl Drafts {
    pub fn take(&mut self, group: &str, name: &str, draft: Result<Draft, Refusal>) {
        let title = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        self.monitors.push(Monitor { group: group.to_owned(), title, draft });
    }
}

pub fn gatus(arguments: &Gatus) -> Result<Answer, Failure> {
    let drafts = gatus::read(&contents(&arguments.file)?).map_err(|why| unusable(&arguments.file, &why))?;
    answer(&arguments.file, "Gatus", drafts, &arguments.which)
}

pub fn kuma(arguments: &Kuma) -> Result<Answer, Failure> {
    let read = match is_database(&arguments.file)? {
        true => kuma::read_database(Path::new(&arguments.file)),
        false => kuma::read(&contents(&arguments.file)?),
    };
    answer(&arguments.file, "Uptime Kuma", read.map_err(|why| unusable(&arguments.file, &why))?, &arguments.which)
}

/// By the first bytes of every SQLite file <https://www.sqlite.org/fileformat2.html#magic_header_string>.
fn is_database(file: &str) -> Result<bool, Failure> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    if file == "-" {
        return Ok(false);
    }
    let mut head = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut head));
    read.map(|_| head == MAGIC).map_err(|error| Failure::missing(format!("cannot read {file}: {error}")))
}

fn unusable(file: &str, why: &str) -> Failure {
    Failure::finding(format!("{file}: {}", tame(why)))
}

fn answer(file: &str, whose: &str, drafts: Drafts, which: &Which) -> Result<Answer, Failure> {
    let Drafts { monitors, not_read } = drafts;
    let workshop = Workshop::new();
    let (mut checks, mut refused) = (Vec::new(), Vec::new());
    let mut read = 0;
    let wanted = |monitor: &Monitor| which.group.as_ref().is_none_or(|group| monitor.group == *group);
    for Monitor { title, draft, .. } in monitors.into_iter().filter(wanted) {
        read += 1;
        let settled = draft.and_then(|mut draft| draft.settle(&workshop).map(|()| draft));
        match settled {
            Ok(draft) => checks.push(draft),
            Err(why) => refused.push((title, why)),
        }
    }
    if read == 0 {
        let why = which.group.as_ref().map_or_else(|| "there is no monitor in it".to_owned(), |group| format!("it has no group {group:?}"));
        return Err(unusable(file, &why));
    }
    distinguish(&mut checks);
    screen::remark(&report(file, read, &checks, &refused, &not_read));
    let partial = !refused.is_empty() || checks.iter().any(|draft| !draft.lost.is_empty());
    Ok(Answer { text: document(whose, &checks), exit: if partial { Exit::Partial } else { Exit::Fine } })
}

fn document(whose: &str, checks: &[Draft]) -> String {
    let mut text = format!("# From {whose}. Write it to config/vendors/NAME.toml: NAME is the vendor that is watched.\n");
    for draft in checks {
        text += &format!("\n# {}\n", tame(&draft.title));
        for lost in &draft.lost {
            text += &format!("# not carried: {}\n", tame(lost));
        }
        text += &draft.toml();
    }
    text
}

fn report(file: &str, read: usize, checks: &[Draft], refused: &[(String, String)], not_read: &[String]) -> String {
    let mut text = format!("{file}: {} read, {}, {} not carried\n", count(read, "monitor"), count(checks.len(), "check"), refused.len());
    for (title, why) in refused {
        text += &format!("{}: not carried: {}\n", tame(title), tame(why));
    }
    for draft in checks {
        let lost = draft.lost.iter().map(|lost| format!("not carried: {lost}"));
        for line in lost.chain(draft.remarks.iter().cloned()) {
            text += &format!("{} ({}): {}\n", tame(&draft.title), draft.name, tame(&line));
        }
    }
    if !not_read.is_empty() {
        text += &format!("not read: {}\n", not_read.join(", "));
    }
    text
}
