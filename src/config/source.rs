//! A file as it was read, so that every finding can show its place.
//!
//! Invariants: a file that everybody may write is never read (what it says would run with the daemon's rights);
//! text that stands where a secret belongs is never shown, in no snippet.

use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// More than this is no configuration, and spans stay small.
const FILE_BYTES_MAX: u64 = 10 << 20;

pub struct Source {
    /// As it is shown: relative to the current directory where that is shorter.
    pub shown: String,
    pub text: String,
    masked: Mutex<Vec<Range<usize>>>,
}

/// Why a file cannot be read, and what to do.
pub(super) struct Unreadable {
    pub message: String,
    pub hint: Option<String>,
}

impl Source {
    pub(super) fn new(shown: String, text: String) -> Self {
        Source { shown, text, masked: Mutex::default() }
    }

    pub(super) fn read(path: &Path, shown: String) -> Result<Self, Unreadable> {
        refuse_world_writable(path, &shown)?;
        let bytes = read_at_most(path, FILE_BYTES_MAX)
            .map_err(|message| Unreadable { message: format!("the file cannot be read: {message}"), hint: None })?;
        let text = String::from_utf8(bytes).map_err(|error| Unreadable {
            message: format!("the file is not UTF-8 (at byte {})", error.utf8_error().valid_up_to()),
            hint: Some("save it as UTF-8".into()),
        })?;
        Ok(Source::new(shown, text))
    }

    /// From now on `span` is shown as stars.
    pub(super) fn mask(&self, span: Range<usize>) {
        let mut masked = self.masked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        masked.push(span);
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub fn line_column(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The lines that `span` touches, masked, and where they begin: (text, first byte, first line).
    pub(super) fn lines_around(&self, span: &Range<usize>) -> (String, usize, usize) {
        let (start, end) = (self.floor(span.start), self.floor(span.end));
        let first = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let last = self.text[end..].find('\n').map_or(self.text.len(), |at| end + at);
        let (line, _) = self.line_column(start);
        (self.shown_text(first..last), first, line)
    }

    fn shown_text(&self, part: Range<usize>) -> String {
        let masked = self.masked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let hidden = |at: usize| masked.iter().any(|span| span.contains(&at));
        let mut text = String::with_capacity(part.len());
        for (at, c) in self.text[part.clone()].char_indices() {
            if c != '\n' && hidden(part.start + at) {
                // As many bytes as before, so that spans keep their place.
                text.extend(std::iter::repeat_n('*', c.len_utf8()));
            } else {
                text.push(c);
            }
        }
        text
    }

    fn floor(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at)
    }
}

fn refuse_world_writable(path: &Path, shown: &str) -> Result<(), Unreadable> {
    const OTHERS_WRITE: u32 = 0o002;
    let Ok(meta) = std::fs::metadata(path) else {
        return Ok(()); // reading it says why
    };
    if meta.is_file() && meta.mode() & OTHERS_WRITE != 0 {
        return Err(Unreadable {
            message: format!("the file can be written by everybody ({})", ownership(&meta)),
            hint: Some(format!("run `chmod o-w {shown}`")),
        });
    }
    Ok(())
}

/// `owner alice, mode 0644`
pub(super) fn ownership(meta: &std::fs::Metadata) -> String {
    format!("owner {}, mode {:04o}", user_name(meta.uid()), meta.mode() & 0o7777)
}

/// From the local user database; directory services only have numbers here.
fn user_name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_string())
    });
    name.unwrap_or_else(|| format!("user id {uid}"))
}

/// The bytes of a regular file, or why not, without its name.
pub(super) fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| reason(&error))?;
    let meta = file.metadata().map_err(|error| reason(&error))?;
    if meta.is_dir() {
        return Err("it is a directory".into());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(bytes)
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// `path` without the current directory in front of it.
pub(super) fn shown(path: &Path, current_dir: &Path) -> String {
    let short = path.strip_prefix(current_dir).unwrap_or(path);
    let plain: PathBuf = short.components().filter(|part| *part != std::path::Component::CurDir).collect();
    plain.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = Source::new("a.toml".into(), "one\nzwei = \"ä\" # x\n".into());
        for (at, want) in [(0, (1, 1)), (3, (1, 4)), (4, (2, 1)), (14, (2, 10)), (99, (3, 1))] {
            assert_eq!(source.line_column(at), want, "{at}");
        }
    }

    #[test]
    fn what_is_masked_is_not_shown_and_keeps_its_length() {
        let source = Source::new("a.toml".into(), "x = \"pässword\"\ny = 1\n".into());
        source.mask(5..14);
        let (text, first, line) = source.lines_around(&(0..1));
        assert_eq!((text.as_str(), first, line), ("x = \"*********\"", 0, 1));
    }
}
