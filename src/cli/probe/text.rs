//! What a person reads: the verdict first, then where the time went, who answered, what was expected.

use std::fmt::Write;

use super::Seen;
use crate::blame;
use crate::cli::table::Table;
use crate::cli::words::{instant, tame};
use crate::clock;
use crate::model::observation::{Chain, Evidence, Hop};
use crate::model::{Outcome, Phases};

pub fn text(seen: &Seen, coloured: bool) -> String {
    let o = &seen.observation;
    let mut text = String::new();
    let reason = if o.outcome == Outcome::Up { String::new() } else { format!(" ({})", o.reason) };
    let _ = writeln!(text, "{} ({}): {}{reason} after {}", seen.name, seen.kind, o.outcome.as_str(), millis(o.duration.as_micros()));
    let _ = writeln!(text, "  {}", tame(&o.detail.message));
    if !o.detail.hops.is_empty() {
        text += "\n";
        text += &hops(&o.detail.hops, o.phases, coloured);
    }
    for (n, chain) in o.detail.hops.iter().enumerate().filter_map(|(n, hop)| Some((n, hop.chain.as_ref()?))) {
        text += "\n";
        text += &certificates(if o.detail.hops.len() > 1 { Some(n + 1) } else { None }, chain);
    }
    if !o.detail.expectations.is_empty() {
        text += "\nexpected\n";
        for one in &o.detail.expectations {
            let mark = if one.passed { "ok  " } else { "FAIL" };
            let _ = writeln!(text, "  {mark}  {}: saw {}", tame(&one.expression), tame(&one.seen));
        }
    }
    if let Some(evidence) = &o.detail.evidence {
        text += &said(evidence);
    }
    if let Some(blame) = blame::of_run(o.outcome, o.reason) {
        let _ = writeln!(text, "\nblame: {}", blame.as_str());
    }
    text
}

fn hops(hops: &[Hop], sum: Phases, coloured: bool) -> String {
    let mut table = Table::new(coloured, ["HOP", "ADDRESS", "STATUS", "TLS", "RESOLVE", "CONNECT", "TLS", "PROCESSING", "TRANSFER"]);
    let times = |phases: Phases| phases.values().map(|micros| micros.map_or("-".to_owned(), |micros| millis(u128::from(micros))));
    for hop in hops {
        let [resolve, connect, tls, processing, transfer] = times(hop.phases);
        table.row([
            tame(&hop.target).into(),
            hop.address.map_or("-".to_owned(), |address| address.to_string()).into(),
            hop.http_status.map_or("-".to_owned(), |status| status.to_string()).into(),
            hop.tls_version.unwrap_or("-").to_owned().into(),
            resolve.into(),
            connect.into(),
            tls.into(),
            processing.into(),
            transfer.into(),
        ]);
    }
    if hops.len() > 1 {
        let [resolve, connect, tls, processing, transfer] = times(sum);
        let empty = || String::new().into();
        table.row([
            "all".to_owned().into(),
            empty(),
            empty(),
            empty(),
            resolve.into(),
            connect.into(),
            tls.into(),
            processing.into(),
            transfer.into(),
        ]);
    }
    table.render()
}

fn certificates(hop: Option<usize>, chain: &Chain) -> String {
    let now = clock::now();
    let days = |at: crate::model::Timestamp| at.millis_since(now).div_euclid(86_400_000);
    let of = hop.map_or(String::new(), |hop| format!(" of hop {hop}"));
    let verified = if chain.verified { "verified, earliest end in its path" } else { "NOT verified, its leaf ends" };
    let mut text = format!("certificate{of}: {verified} {} ({} days)\n", instant(chain.not_after), days(chain.not_after));
    for (n, one) in chain.certificates.iter().enumerate() {
        let _ = writeln!(text, "  {n}  {}", tame(&one.subject));
        if !one.names.is_empty() && n == 0 {
            let _ = writeln!(text, "     for {}", tame(&one.names.join(", ")));
        }
        let _ = writeln!(text, "     from {}, until {} ({} days)", tame(&one.issuer), instant(one.not_after), days(one.not_after));
    }
    text
}

fn said(evidence: &Evidence) -> String {
    let mut text = String::new();
    for (head, said) in [("sent", &evidence.request), ("answered", &evidence.response), ("body", &evidence.body)] {
        if !said.is_empty() {
            let _ = writeln!(text, "\n{head}");
            said.lines().for_each(|line| text += &format!("  {}\n", tame(line)));
        }
    }
    text
}

/// `12.3 ms`
fn millis(micros: u128) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}
