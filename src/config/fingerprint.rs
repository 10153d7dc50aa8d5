//! One number for everything a check or receiver was configured with. Equal settings have equal numbers, so that a
//! reload leaves alone what did not change. The text of secrets goes in (a new token is a change) and cannot come out.

use sha2::{Digest, Sha256};

use crate::model::{Settings, Value};

pub(super) fn of(kind: &str, settings: &Settings) -> u64 {
    let mut hash = Sha256::new();
    text(&mut hash, kind);
    table(&mut hash, settings);
    let digest = hash.finalize();
    let (head, _) = digest.split_first_chunk::<8>().expect("SHA-256 has 32 bytes");
    u64::from_be_bytes(*head)
}

/// Lengths go before texts, so that no two different settings give the same bytes.
fn text(hash: &mut Sha256, text: &str) {
    number(hash, text.len() as u128);
    hash.update(text.as_bytes());
}

fn number(hash: &mut Sha256, number: u128) {
    hash.update(number.to_be_bytes());
}

fn table(hash: &mut Sha256, settings: &Settings) {
    number(hash, settings.0.len() as u128);
    for (key, entry) in &settings.0 {
        text(hash, key);
        value(hash, entry);
    }
}

fn value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Text(word) => text(hash, word),
        Value::Duration(duration) => number(hash, duration.as_nanos()),
        Value::Size(bytes) => number(hash, u128::from(*bytes)),
        Value::Count(count) => number(hash, u128::from(*count)),
        Value::Runs(runs) => number(hash, u128::from(runs.k) << 8 | u128::from(runs.n)),
        Value::Flag(flag) => number(hash, u128::from(*flag)),
        Value::DurationList(list) => each(hash, list, |hash, item| number(hash, item.as_nanos())),
        Value::TextList(list) => each(hash, list, |hash, item| text(hash, item)),
        Value::CountList(list) => each(hash, list, |hash, item| number(hash, u128::from(*item))),
        Value::TextMap(map) => {
            number(hash, map.len() as u128);
            for (name, word) in map {
                text(hash, name);
                text(hash, word);
            }
        }
        Value::Secret(secret) => text(hash, secret.expose()),
        Value::SecretMap(map) => {
            number(hash, map.len() as u128);
            for (name, secret) in map {
                text(hash, name);
                text(hash, secret.expose());
            }
        }
        Value::Table(settings) => table(hash, settings),
        Value::Tables(tables) => each(hash, tables, table),
    }
}

fn each<T>(hash: &mut Sha256, list: &[T], add: impl Fn(&mut Sha256, &T)) {
    number(hash, list.len() as u128);
    for item in list {
        add(hash, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    #[test]
    fn every_change_is_seen() {
        let settings = |entries: &[(&'static str, Value)]| Settings(entries.iter().cloned().collect());
        let of = |entries: &[(&'static str, Value)]| of("http", &settings(entries));
        let secret = |text: &str| Value::Secret(Secret::new(text.into()));
        let list = |items: &[&str]| Value::TextList(items.iter().map(|item| item.to_string()).collect());
        assert_eq!(of(&[("a", secret("x"))]), of(&[("a", secret("x"))]));
        for (one, other) in [
            (secret("x"), secret("y")),
            (list(&["ab", "c"]), list(&["a", "bc"])),
            (list(&[]), list(&[""])),
            (Value::Flag(true), Value::Flag(false)),
        ] {
            assert_ne!(of(&[("a", one)]), of(&[("a", other)]));
        }
        assert_ne!(of(&[("a", secret("x"))]), of(&[("b", secret("x"))]));
    }
}
