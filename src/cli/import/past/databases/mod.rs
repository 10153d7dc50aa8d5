//! Databases of other monitors: opened for reading, and only what they were is told.

pub mod gatus;
pub mod kuma;

use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::sketched::Looked;
use crate::model::{Outcome, Reason, Timestamp};

fn open(path: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    Ok(db)
}

fn has_table(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)", [name], |r| r.get(0))
}

/// `2026-01-02 03:04:05.678`, with or without `T` and a zone in one of the forms in which Go and JavaScript write it; without
/// one it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.trim().split_once([' ', 'T'])?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let zone = zone.trim_start();
    let offset = match zone.as_bytes() {
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ..] | [sign @ (b'+' | b'-'), h1, h2, m1, m2, ..] => {
            let all = [*sign, *h1, *h2, b':', *m1, *m2];
            String::from_utf8_lossy(&all).into_owned()
        }
        _ => "Z".to_owned(),
    };
    Timestamp::parse(&format!("{date}T{time}{offset}"))
}

/// What other monitors say of a failure, in our words: the first that is found.
const WORDS: [(&str, Reason); 20] = [
    ("no such host", Reason::DnsNxdomain),
    ("enotfound", Reason::DnsNxdomain),
    ("eai_again", Reason::DnsTimeout),
    ("servfail", Reason::DnsServfail),
    ("refused", Reason::ConnectRefused),
    ("unreachable", Reason::ConnectUnreachable),
    ("no route", Reason::ConnectUnreachable),
    ("certificate has expired", Reason::TlsExpired),
    ("certificate is not trusted", Reason::TlsUntrusted),
    ("certificate is valid for", Reason::TlsName),
    ("altnames", Reason::TlsName),
    ("x509", Reason::TlsUntrusted),
    ("certificate", Reason::TlsUntrusted),
    ("tls", Reason::TlsHandshake),
    ("timeout", Reason::TimeoutHeaders),
    ("timed out", Reason::TimeoutHeaders),
    ("deadline exceeded", Reason::TimeoutHeaders),
    ("reset", Reason::Receive),
    ("no heartbeat", Reason::Receive),
    ("status code", Reason::HttpStatus),
];

/// Why a look failed, as far as a text tells it.
fn reason(said: &str) -> Reason {
    let lower = said.to_ascii_lowercase();
    WORDS.iter().find(|(word, _)| lower.contains(word)).map_or(Reason::Expectation, |(_, reason)| *reason)
}

fn look(at: Timestamp, latency: Duration, outcome: Outcome, reason: Reason) -> Looked {
    Looked { at, latency_us: super::sketched::micros(latency), every: 0, outcome, reason, confirmed: false, drawn: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_other_programs_write_them() {
        let want = Timestamp::parse("2026-01-02T03:04:05.678Z");
        for text in [
            "2026-01-02 03:04:05.678",
            "2026-01-02T03:04:05.678Z",
            "2026-01-02 03:04:05.678 +0000 UTC",
            "2026-01-02 03:04:05.678000000 +0000 UTC m=+12.5",
            "2026-01-02 03:04:05.678+00:00",
            "2026-01-02T04:04:05.678+01:00",
            "2026-01-02 02:04:05.678 -0100 X",
        ] {
            assert_eq!(instant(text), want, "{text}");
        }
        assert_eq!(instant("noon"), None);
    }

    #[test]
    fn reasons_in_our_words() {
        for (said, want) in [
            ("connect ECONNREFUSED 192.0.2.1:443", Reason::ConnectRefused),
            ("timeout of 48000ms exceeded", Reason::TimeoutHeaders),
            ("Request failed with status code 503", Reason::HttpStatus),
            ("Get \"https://x\": dial tcp: lookup x: no such host", Reason::DnsNxdomain),
            ("200 - OK, but keyword is not in [..]", Reason::Expectation),
            ("", Reason::Expectation),
        ] {
            assert_eq!(reason(said), want, "{said}");
        }
    }
}
