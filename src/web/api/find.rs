//! Names that people type: found, or answered with the one they most likely meant.

use super::Refusal;
use crate::config::nearest;
use crate::model::Uuid;
use crate::store::{Past, StoredVendor};

/// The entry that is called `name`; else a failure that names the nearest one.
pub fn find<'t, T>(what: &str, name: &str, among: &'t [T], name_of: impl Fn(&T) -> &str) -> Result<&'t T, Refusal> {
    among.iter().find(|entry| name_of(entry) == name).ok_or_else(|| unknown(what, name, among.iter().map(name_of)))
}

pub fn unknown<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str>) -> Refusal {
    const NAMES_MAX: usize = 10;
    let names: Vec<&str> = names.collect();
    let failure = Refusal::unknown(format!("there is no {what} {name:?}"));
    match nearest(name, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean {near:?}?")),
        None if names.is_empty() => failure.hint(format!("there is no {what} at all")),
        None if names.len() <= NAMES_MAX => failure.hint(format!("known: {}", names.join(", "))),
        None => failure,
    }
}

/// A vendor that is or was watched.
pub fn vendor<'p>(past: &'p Past, id: &str) -> Result<&'p StoredVendor, Refusal> {
    find("vendor", id, &past.loaded.vendors, |vendor| vendor.id.as_str())
}

/// Of an id, in lists.
const SHOWN_CHARS: usize = 8;

/// The end of an id: its beginning is time, which neighbours share.
pub fn short(id: Uuid) -> String {
    let text = id.to_string();
    text[text.len() - SHOWN_CHARS..].to_owned()
}

/// The entry with this id, or the only one whose id ends so.
pub fn by_id<'t, T>(what: &str, id: &str, all: &'t [T], id_of: impl Fn(&T) -> Uuid) -> Result<&'t T, Refusal> {
    by_id_or(what, id, all, id_of, &[])
}

/// As [`by_id`]; `others` are names that could have been meant too.
pub fn by_id_or<'t, T>(what: &str, id: &str, all: &'t [T], id_of: impl Fn(&T) -> Uuid, others: &[&str]) -> Result<&'t T, Refusal> {
    const ENDING_CHARS_MIN: usize = 4;
    let ids: Vec<String> = all.iter().map(|entry| id_of(entry).to_string()).collect();
    let written = id.to_ascii_lowercase();
    let mut ending = all.iter().zip(&ids).filter(|(_, known)| written.len() >= ENDING_CHARS_MIN && known.ends_with(&written));
    match (ending.next(), ending.next()) {
        (Some((entry, _)), None) => Ok(entry),
        (Some(_), Some(_)) => Err(Refusal::asked(format!("more than one {what} has an id that ends in {id:?}")).hint("write more of it")),
        (None, _) => {
            let like_written = |known: &'_ String| known[known.len().saturating_sub(id.len().max(SHOWN_CHARS))..].to_owned();
            let known: Vec<String> = ids.iter().map(like_written).collect();
            Err(unknown(what, id, known.iter().map(String::as_str).chain(others.iter().copied())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named() {
        let names = ["github", "gitlab"];
        let said = |name: &str| {
            let refusal = find("vendor", name, &names, |n| n).unwrap_err();
            format!("{}; {}", refusal.message, refusal.hint.unwrap_or_default())
        };
        assert_eq!(find("vendor", "gitlab", &names, |n| n).unwrap(), &"gitlab");
        assert_eq!(said("githbu"), "there is no vendor \"githbu\"; did you mean \"github\"?");
        assert_eq!(said("aws"), "there is no vendor \"aws\"; known: github, gitlab");
        let none: [&str; 0] = [];
        assert!(find("vendor", "a", &none, |n| n).is_err());
    }
}
