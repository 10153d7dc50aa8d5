//! `vendord init`: a configuration to begin with. It never touches a file that is there.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Answer, Context, Exit, Failure, catalog};
use crate::config::catalog::{Entry, Reading};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord init github openai")]
pub struct Arguments {
    /// Vendors of the catalogue to watch; `vendord catalog search` finds them
    #[arg(value_name = "CATALOG_ID")]
    ids: Vec<String>,
    /// Where to write it
    #[arg(long, value_name = "DIRECTORY", default_value = USUAL_DIRECTORY)]
    dir: PathBuf,
}

const USUAL_DIRECTORY: &str = "config";

/// Nobody but the owner may change what the daemon runs on, whatever the umask says.
const MODE: u32 = 0o644;

const MAIN: &str = r##"# Configuration of vendord. Everything has a default; what is not written here has it.
# `vendord lint` checks all files and says what to write instead. Lines that begin with `#` and a name are examples.

[store]
url = "sqlite:vendord.db"            # the history; beside this file, or in $STATE_DIRECTORY if that is set (systemd)

[agent]
#contact = "sre@example.org"         # goes into the User-Agent, so that a vendor knows whom to ask
# Witnesses ("is it us?") are URLs that tell whether our own network works: witnesses = ["https://..", "https://..", ..]
# This version does not ask them yet and refuses the key.

[web]
listen = "127.0.0.1:9978"            # http://127.0.0.1:9978/metrics

# Whom to tell. A secret is never written here, only where it is:
# { file = "path" }, { env = "NAME" } or { credential = "name" } (systemd).
#[[receivers]]
#name = "oncall"
#kind = "webhook"
#url = "https://hooks.example.org/vendord"
#secret = { env = "ONCALL_SECRET" }  # whsec_.. as of Standard Webhooks; `vendord alert test oncall` tries it

# Of what: without `match`, of everything.
#[[routes]]
#receiver = "oncall"
"##;

pub fn init(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let entries = chosen(&arguments.ids)?;
    let main = arguments.dir.join("vendord.toml");
    let vendors = arguments.dir.join("vendors");
    make_directory(&vendors)?;
    let mut text = String::new();
    let main_written = write(&main, MAIN, &mut text)?;
    let mut kept = 0;
    for entry in &entries {
        let path = vendors.join(format!("{}.toml", entry.id));
        kept += usize::from(!write(&path, &vendor_file(entry), &mut text)?);
    }
    text += &next(context, &arguments.dir, &entries);
    // The main file is there for the second vendor that is added; alone it is all that was asked for.
    let partial = kept > 0 || entries.is_empty() && !main_written;
    Ok(Answer { text, exit: if partial { Exit::Partial } else { Exit::Fine } })
}

/// All of them, each once, or what is wrong with the first that is unknown: then nothing is written.
fn chosen(ids: &[String]) -> Result<Vec<&'static Entry>, Failure> {
    let mut entries: Vec<&'static Entry> = Vec::new();
    for id in ids {
        let entry = catalog::entry(id)?;
        if !entries.iter().any(|other| other.id == entry.id) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|error| Failure::missing(format!("cannot make the directory {}: {error}", path.display())))
}

/// Writes a new file; whether it did. What is there is kept.
fn write(path: &Path, text: &str, said: &mut String) -> Result<bool, Failure> {
    let failed = |error: std::io::Error| Failure::missing(format!("cannot write {}: {error}", path.display()));
    match fs::OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).map_err(failed)?;
            *said += &format!("wrote  {}\n", path.display());
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            *said += &format!("kept   {}: it was there already\n", path.display());
            Ok(false)
        }
        Err(error) => Err(failed(error)),
    }
}

fn vendor_file(entry: &Entry) -> String {
    let home = entry.website.unwrap_or("https://api.example.org/health");
    let page = match entry.reading() {
        Reading::NotYet => catalog::page_lines(entry),
        Reading::Format(_) | Reading::FoundOut => format!(
            "\n# Which parts of its status page you use; without, all. This lists their names:\n# vendord feed --suggest {}\n\
             #[[status_pages]]\n#components = [\"API*\"]\n",
            entry.address()
        ),
    };
    format!(
        "# {}. The file's name is the vendor's id. Name, category, website and status page come from the built-in catalogue\n\
         # (`vendord catalog show {}`) unless they are written here.\n\
         catalog = \"{}\"\n\
         tier = 3                             # how much depends on it: 1 is most, to 4\n\
         {page}\n\
         # What you measure yourself: put in an address of it that you use.\n\
         #[[checks]]\n\
         #name = \"api\"\n\
         #kind = \"http\"\n\
         #url = \"{home}\"\n\
         #interval = \"60s\"\n\
         #expect = [\"status == 200\"]\n",
        entry.name, entry.id, entry.id
    )
}

/// What to do now.
fn next(context: &Context, dir: &Path, entries: &[&Entry]) -> String {
    let found_by_itself = dir == Path::new(USUAL_DIRECTORY) && context.config.is_none();
    let config = if found_by_itself { String::new() } else { format!(" -c {}", dir.join("vendord.toml").display()) };
    let mut steps = Vec::new();
    if entries.is_empty() {
        steps.push(("vendord catalog search WORD".to_owned(), "which vendors are known"));
        let dir = if dir == Path::new(USUAL_DIRECTORY) { String::new() } else { format!(" --dir {}", dir.display()) };
        steps.push((format!("vendord init{dir} ID"), "watch one of them"));
    }
    steps.push((format!("vendord{config} lint"), "is the configuration right?"));
    steps.push((format!("vendord{config} run"), "watch"));
    let width = steps.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let lines: String = steps.iter().map(|(command, what)| format!("  {command:<width$}  {what}\n")).collect();
    format!("\nNext:\n{lines}")
}
