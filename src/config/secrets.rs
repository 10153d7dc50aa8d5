//! References to secrets: `{ file = ".." }`, `{ env = ".." }`, `{ credential = ".." }`.
//!
//! Invariants: the text of a secret stands in no message; a file that everybody may read is refused.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{ownership, read_at_most, shown};
use super::values::{Complaint, at, kind};
use crate::model::Secret;

const SECRET_BYTES_MAX: u64 = 64 << 10;
const FORMS: &str = "write { file = \"path\" }, { env = \"NAME\" } or { credential = \"name\" }";

/// The value of an environment variable, by name.
pub type Variable = dyn Fn(&str) -> Option<String>;

/// What the process was started with. An argument, so that tests need not change the environment of the test process.
pub struct Env {
    pub variable: Box<Variable>,
    /// Paths are shown relative to it.
    pub current_dir: PathBuf,
}

impl Env {
    pub fn of_this_process() -> Self {
        Env { variable: Box::new(|name| std::env::var(name).ok()), current_dir: std::env::current_dir().unwrap_or_default() }
    }

    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|text| !text.is_empty())
    }
}

/// Follows a reference. `folder` is where relative paths begin.
pub(super) fn follow(key: &str, value: &Spanned<DeValue>, folder: &Path, env: &Env) -> Result<Secret, Complaint> {
    let DeValue::Table(table) = value.get_ref() else {
        return Err(at(value, not_a_reference(key, value.get_ref())));
    };
    let reference = reference(key, table).map_err(|(span, why)| match span {
        Some(span) => Complaint { span, message: why, hint: Some(FORMS.into()) },
        None => at(value, (why, Some(FORMS.into()))),
    })?;
    let found = match reference.form {
        "file" => from_file(key, &folder.join(reference.name), reference.open, env),
        "env" => from_variable(key, reference.name, env),
        _ => from_credential(key, reference.name, env),
    };
    found.map_err(|why| at(reference.value, why))
}

/// Message and what to do.
type Refused = (String, Option<String>);

fn not_a_reference(key: &str, value: &DeValue) -> Refused {
    match value {
        DeValue::String(_) => (format!("`{key}` must not stand in the file itself"), Some(format!("keep it elsewhere and {FORMS}"))),
        other => (format!("{key} is {}, not a reference to a secret", kind(other)), Some(FORMS.into())),
    }
}

struct Reference<'t> {
    form: &'static str,
    name: &'t str,
    value: &'t Spanned<DeValue<'t>>,
    /// `allow_world_readable = true`
    open: bool,
}

type Misplaced = (Option<std::ops::Range<usize>>, String);

fn reference<'t>(key: &str, table: &'t DeTable<'t>) -> Result<Reference<'t>, Misplaced> {
    const WORLD_READABLE: &str = "allow_world_readable";
    let forms = ["file", "env", "credential"];
    let unknown = table.keys().find(|name| !forms.contains(&&**name.get_ref()) && name.get_ref() != WORLD_READABLE);
    if let Some(unknown) = unknown {
        return Err((Some(unknown.span()), format!("{key} has no key `{}`", unknown.get_ref())));
    }
    let mut named = forms.into_iter().filter_map(|form| Some((form, table.get(form)?)));
    let (Some((form, value)), None) = (named.next(), named.next()) else {
        return Err((None, format!("`{key}` must have exactly one of file, env and credential")));
    };
    let Some(name) = value.get_ref().as_str().filter(|name| !name.is_empty()) else {
        return Err((Some(value.span()), format!("{key}.{form} is not a name")));
    };
    let open = match table.get(WORLD_READABLE).map(Spanned::get_ref) {
        None => false,
        Some(DeValue::Boolean(open)) => *open,
        Some(_) => {
            return Err((None, format!("{key}.{WORLD_READABLE} is not true or false")));
        }
    };
    Ok(Reference { form, name, value, open })
}

fn from_variable(key: &str, name: &str, env: &Env) -> Result<Secret, Refused> {
    match (env.variable)(name) {
        Some(text) if !text.trim_end().is_empty() => Ok(Secret::new(trimmed(text))),
        Some(_) => Err((
            format!("the environment variable {name}, which `{key}` names, is empty"),
            Some(format!("set {name} where vendord is started")),
        )),
        None => Err((
            format!("the environment variable {name}, which `{key}` names, is not set"),
            Some(format!("set {name} where vendord is started")),
        )),
    }
}

fn from_credential(key: &str, name: &str, env: &Env) -> Result<Secret, Refused> {
    let Some(folder) = env.get("CREDENTIALS_DIRECTORY") else {
        return Err((
            format!("`{key}` names a credential, and $CREDENTIALS_DIRECTORY is not set"),
            Some(format!("give it with LoadCredential={name}:/path in the systemd unit, or write {{ file = \"path\" }}")),
        ));
    };
    // The service manager guards the folder; modes inside it differ between its versions.
    from_file(key, &Path::new(&folder).join(name), true, env)
}

fn from_file(key: &str, path: &Path, open: bool, env: &Env) -> Result<Secret, Refused> {
    const OTHERS_READ: u32 = 0o004;
    let shown = shown(path, &env.current_dir);
    if let Ok(meta) = std::fs::metadata(path)
        && meta.is_file()
        && meta.mode() & OTHERS_READ != 0
        && !open
    {
        return Err((
            format!("the secret file {shown} can be read by everybody ({})", ownership(&meta)),
            Some(format!("run `chmod o-r {shown}`, or add `allow_world_readable = true` to the reference")),
        ));
    }
    let unreadable = |why: String| {
        let meta = std::fs::metadata(path).ok();
        let owned = meta.map(|meta| format!(" ({})", ownership(&meta)));
        (
            format!("the secret file {shown}, which `{key}` names, cannot be used: {why}{}", owned.unwrap_or_default()),
            Some(remedy(&why, &shown)),
        )
    };
    let bytes = read_at_most(path, SECRET_BYTES_MAX).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not text (UTF-8)".into()))?;
    if text.trim_end().is_empty() {
        return Err(unreadable("it is empty".into()));
    }
    Ok(Secret::new(trimmed(text)))
}

fn remedy(why: &str, shown: &str) -> String {
    if why.contains("no such file") {
        "correct the path, or write the secret there with mode 0600; relative paths begin beside vendord.toml".into()
    } else if why.contains("permission") {
        format!("let the user that runs vendord read it, for example `chown vendord {shown}`")
    } else {
        "name a file that holds the secret and nothing else".into()
    }
}

/// Without the line end that editors and `echo` add.
fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    text
}
