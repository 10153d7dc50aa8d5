//! The paragraphs in which Statuspage, and those who copied it, print updates:
//! `<p><small>Jan <var data-var='date'>23</var>, <var data-var='time'>21:39</var> UTC</small><br><strong>Resolved</strong> - text</p>`.

use std::time::Duration;

use super::dates::{self, Moment, Printed, Wall};
use crate::feeds::text;
use crate::model::Timestamp;

/// Updates of one entry that are read.
const UPDATES_MAX: usize = 1_000;
/// Bytes of what stands in `<small>` before an update.
const HEAD_BYTES_MAX: usize = 200;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph<'h> {
    pub printed: Printed,
    /// What directly follows the date in `<strong>`.
    pub word: Option<String>,
    /// The rest, without the dash before it.
    pub html: &'h str,
    /// Without `var` elements: the layout of 2014.
    pub bare: bool,
}

/// The updates in the order of the document, and what stands before the first of them.
pub fn read(html: &str) -> (Vec<Paragraph<'_>>, &str) {
    let mut heads: Vec<(usize, Head)> = Vec::new();
    for (at, _) in html.match_indices("<small>") {
        if heads.len() < UPDATES_MAX
            && begins_paragraph(&html[..at])
            && let Some(head) = head(&html[at..])
        {
            heads.push((at, head));
        }
    }
    let end_of = |nth: usize| heads.get(nth + 1).map_or(html.len(), |(at, _)| *at);
    let body = |nth: usize| html[heads[nth].0..end_of(nth)].get(heads[nth].1.bytes..).unwrap_or_default();
    let before = heads.first().map_or(html, |(at, _)| &html[..*at]);
    let paragraph = |(nth, (_, head)): (usize, &(usize, Head))| Paragraph {
        printed: head.printed.clone(),
        word: head.word.clone(),
        html: without_dash(body(nth)),
        bare: head.bare,
    };
    (heads.iter().enumerate().map(paragraph).collect(), before)
}

/// Authors use `<small>` too, in the middle of a text.
fn begins_paragraph(before: &str) -> bool {
    let before = before.trim_end();
    before.is_empty() || before.ends_with("<p>") || before.ends_with("</p>")
}

struct Head {
    printed: Printed,
    word: Option<String>,
    bare: bool,
    /// Length of all of it.
    bytes: usize,
}

fn head(html: &str) -> Option<Head> {
    let inside = html.strip_prefix("<small>")?;
    let end = start_of(inside).find("</small>")?;
    let (printed, _) = dates::printed(&text::plain(&inside[..end]))?;
    let after = &inside[end + "</small>".len()..];
    let (word, rest) = strong(after).map_or((None, after), |(word, rest)| (Some(word), rest));
    Some(Head { printed, word, bare: !inside[..end].contains("<var"), bytes: html.len() - rest.len() })
}

/// The `<strong>` that follows directly, behind a line break.
fn strong(after: &str) -> Option<(String, &str)> {
    let mut rest = after.trim_start();
    for br in ["<br>", "<br/>", "<br />"] {
        rest = rest.strip_prefix(br).unwrap_or(rest).trim_start();
    }
    let inside = rest.strip_prefix("<strong>")?;
    let end = start_of(inside).find("</strong>")?;
    let word = text::line(&text::plain(&inside[..end]), HEAD_BYTES_MAX).text;
    Some((word, &inside[end + "</strong>".len()..]))
}

/// So that an end that is missing is not sought in all of a document, again and again.
fn start_of(html: &str) -> &str {
    &html[..html.floor_char_boundary(HEAD_BYTES_MAX)]
}

fn without_dash(html: &str) -> &str {
    let html = html.trim_start();
    html.strip_prefix(['-', '–', '—']).unwrap_or(html).trim_start()
}

/// How far from UTC an entry's printed times are.
///
/// Zone words lie: pages of 2014 print the one in force when the page was rendered, so that summer entries say `PST` while
/// their `pubDate` says `-0700`; and letters like `IST` have several meanings. The `pubDate` of an entry is nearly always
/// the time of one of its updates, so where a printed wall clock equals that of `pubDate`, the word means its offset.
pub struct Zones {
    corrected: Option<(Option<String>, i32)>,
    fallback_s: i32,
}

impl Zones {
    pub fn of(paragraphs: &[Paragraph], published: Option<Moment>) -> Zones {
        let Some(published) = published else { return Zones { corrected: None, fallback_s: 0 } };
        let fallback_s = published.offset_s;
        let known = Zones { corrected: None, fallback_s };
        if paragraphs.iter().any(|p| known.is_when(&p.printed, published)) {
            return known;
        }
        let same = |p: &&Paragraph| Some(p.printed.wall) == published.wall();
        let an_hour_off = |p: &&Paragraph| {
            let printed = p.printed.zone.as_deref().and_then(dates::zone);
            p.bare && printed.is_some_and(|offset_s| (offset_s - fallback_s).abs() == 3600)
        };
        let calibrated = paragraphs.iter().find(same).or_else(|| paragraphs.iter().find(an_hour_off));
        Zones { corrected: calibrated.map(|p| (p.printed.zone.clone(), fallback_s)), fallback_s }
    }

    pub fn offset_s(&self, zone: Option<&str>) -> i32 {
        match &self.corrected {
            Some((word, offset_s)) if word.as_deref() == zone => *offset_s,
            _ => zone.and_then(dates::zone).unwrap_or(self.fallback_s),
        }
    }

    fn is_when(&self, printed: &Printed, moment: Moment) -> bool {
        let zone = printed.zone.as_deref();
        let known = zone.is_some_and(|zone| dates::zone(zone).is_some());
        known && self.instant(printed, moment.at, None).is_some_and(|at| is_minute_of(at, moment.at))
    }

    pub fn instant(&self, printed: &Printed, about: Timestamp, not_after: Option<Timestamp>) -> Option<Timestamp> {
        printed.instant(self.offset_s(printed.zone.as_deref()), about, not_after)
    }
}

/// Printed times are cut to the minute, mostly.
fn is_minute_of(printed: Timestamp, exact: Timestamp) -> bool {
    const MINUTE_MS: i64 = 60_000;
    printed.as_millis().div_euclid(MINUTE_MS) == exact.as_millis().div_euclid(MINUTE_MS)
}

/// The instants of an entry's updates. No year is printed, so it is sought from one update to the next, beginning with
/// the one that happened at `published`, else with the newest, at about `updated`.
pub fn instants(
    paragraphs: &[Paragraph],
    zones: &Zones,
    published: Option<Moment>,
    updated: Option<Moment>,
    feed_updated: Option<Moment>,
) -> Vec<Option<Timestamp>> {
    let mut instants = vec![None; paragraphs.len()];
    let limit = updated.or(feed_updated).map(|at| at.at + DAY);
    // Planned work is published in the future.
    let past = published.filter(|at| limit.is_none_or(|limit| at.at <= limit));
    let Some(about) = updated.or(past).or(feed_updated).or(published) else { return instants };
    let at = |nth: usize, about: Timestamp| zones.instant(&paragraphs[nth].printed, about, limit);
    let is_published = |nth: &usize| published.is_some_and(|p| at(*nth, p.at).is_some_and(|at| is_minute_of(at, p.at)));
    let anchor = (0..paragraphs.len()).find(is_published);
    let (first, first_about) = anchor.zip(published).map_or((0, about.at), |(nth, published)| (nth, published.at));
    for order in [(first..paragraphs.len()).collect::<Vec<_>>(), (0..first).rev().collect()] {
        let mut nearby = first_about;
        for nth in order {
            instants[nth] = at(nth, nearby);
            nearby = instants[nth].unwrap_or(nearby);
        }
    }
    instants
}

/// `THIS IS A SCHEDULED EVENT May 28, 16:30 UTC - May 29, 16:30 UTC`, or `Dec 18, 16:00 - 17:00 UTC`: start and end of
/// announced work, which begins at about `published`.
pub fn window(before: &str, zones: &Zones, published: Timestamp) -> Option<(Timestamp, Option<Timestamp>)> {
    const MARK: &str = "SCHEDULED EVENT";
    let plain = text::line(&text::plain(before), 400).text;
    let (_, dates) = plain.split_once(MARK)?;
    let (mut from, rest) = dates::printed(dates)?;
    let rest = rest.trim_start().trim_start_matches(['-', '–', '—']);
    let until = dates::printed(rest).map(|(until, _)| until).or_else(|| same_day(&from, rest));
    from.zone = from.zone.or_else(|| until.as_ref().and_then(|until| until.zone.clone()));
    let start = zones.instant(&from, published, None)?;
    let end = until.and_then(|until| zones.instant(&until, start, None));
    Some((start, end.map(|end| if end < start { end + DAY } else { end })))
}

fn same_day(from: &Printed, rest: &str) -> Option<Printed> {
    let (hour, minute, zone) = dates::printed_time(rest)?;
    Some(Printed { wall: Wall { hour, minute, ..from.wall }, second: 0, zone: zone.or_else(|| from.zone.clone()), ..from.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<Moment> {
        dates::moment(text)
    }

    #[test]
    fn only_what_follows_the_date_is_a_word() {
        let html = "<p><small>Jan <var data-var='date'> 3</var>, <var data-var='time'>21:39</var> UTC</small><br><strong>Update</strong> - \
                    One <strong>Resolved</strong> thing <small>Jan 1, 10:00 UTC</small> here.</p>\
                    <p><small>Jan  2, 09:09 PST</small><br /> <strong>Investigating</strong> -</p><p><small>Legal</small> words</p>";
        let (paragraphs, before) = read(html);
        let words: Vec<_> = paragraphs.iter().map(|p| (p.word.as_deref(), p.bare)).collect();
        assert_eq!(words, [(Some("Update"), false), (Some("Investigating"), true)]);
        assert!(paragraphs[0].html.starts_with("One <strong>") && before == "<p>");
        assert_eq!(paragraphs[1].html, "</p><p><small>Legal</small> words</p>");
    }

    fn times(heads: &[&str], published: &str, updated: &str) -> Vec<String> {
        let html: String = heads.iter().map(|head| format!("<p><small>{head}</small><br><strong>Update</strong> - x</p>")).collect();
        let (paragraphs, _) = read(&html);
        let zones = Zones::of(&paragraphs, moment(published));
        let instants = instants(&paragraphs, &zones, moment(published), moment(updated), None);
        instants.into_iter().map(|at| at.map_or("-".to_owned(), |at| at.to_string()[..16].to_owned())).collect()
    }

    #[test]
    fn years_and_zones() {
        let var =
            |day: &str, time: &str, zone: &str| format!("Nov <var data-var='date'>{day}</var>, <var data-var='time'>{time}</var> {zone}");
        for (what, heads, published, updated, want) in [
            (
                "new year",
                vec!["Jan  1, 00:10 UTC", "Dec 31, 23:50 UTC"],
                "2020-01-01T00:10:30Z",
                "2020-01-01T00:10:30Z",
                vec!["2020-01-01T00:10", "2019-12-31T23:50"],
            ),
            (
                "a long one",
                vec!["Dec  1, 10:00 UTC", "Jul  1, 10:00 UTC", "Jan 10, 10:00 UTC"],
                "2020-12-01T10:00:00Z",
                "2020-12-01T10:00:00Z",
                vec!["2020-12-01T10:00", "2020-07-01T10:00", "2020-01-10T10:00"],
            ),
            ("edited late", vec!["Feb  8, 09:00 UTC"], "2020-02-08T09:00:14Z", "2020-11-08T09:00:14Z", vec!["2020-02-08T09:00"]),
            (
                "postmortem",
                vec!["Jan  9, 10:00 UTC", "Dec 28, 09:00 UTC"],
                "2019-12-28T09:00:14Z",
                "2020-01-09T10:00:14Z",
                vec!["2020-01-09T10:00", "2019-12-28T09:00"],
            ),
            ("planned", vec!["May 22, 15:26 UTC"], "2025-05-28T16:30:00Z", "2025-05-22T15:26:24Z", vec!["2025-05-22T15:26"]),
            (
                "lying word of 2014",
                vec!["Jul  1, 09:09 PST", "Jul  1, 08:00 PST"],
                "Tue, 01 Jul 2014 09:09:10 -0700",
                "",
                vec!["2014-07-01T16:09", "2014-07-01T15:00"],
            ),
            ("the same without a match", vec!["Jul  1, 09:09 PST"], "Tue, 01 Jul 2014 11:11:10 -0700", "", vec!["2014-07-01T16:09"]),
            (
                "true words",
                vec![&var("5", "09:09", "PST"), &var("1", "08:00", "PDT")],
                "2020-11-05T09:09:10-08:00",
                "",
                vec!["2020-11-05T17:09", "2020-11-01T15:00"],
            ),
            ("printed in a zone, published in UTC", vec![&var("5", "09:09", "PST")], "2020-11-05T17:09:10Z", "", vec!["2020-11-05T17:09"]),
            ("letters with several meanings", vec![&var("5", "09:09", "CST")], "2020-11-05T09:09:10+08:00", "", vec!["2020-11-05T01:09"]),
            (
                "unknown letters",
                vec![&var("5", "09:09", "XQT"), &var("5", "09:00", "XQT")],
                "2020-11-05T09:09:10+05:45",
                "",
                vec!["2020-11-05T03:24", "2020-11-05T03:15"],
            ),
            ("no date at all", vec!["Jul  1, 09:09 UTC"], "", "", vec!["-"]),
        ] {
            assert_eq!(times(&heads, published, updated), want, "{what}");
        }
    }

    #[test]
    fn windows() {
        for (text, published, want) in [
            (
                "May <var>28</var>, <var>16:30</var> UTC &nbsp;-&nbsp; May <var>29</var>, <var>16:30</var> UTC",
                "2025-05-28T16:30:00Z",
                Some(("2025-05-28T16:30", "2025-05-29T16:30")),
            ),
            ("Dec 18, 16:00 - 17:00 UTC", "2019-12-18T16:00:00Z", Some(("2019-12-18T16:00", "2019-12-18T17:00"))),
            ("Dec 31, 23:00 UTC - Jan  1, 02:00 UTC", "2019-12-31T23:00:00Z", Some(("2019-12-31T23:00", "2020-01-01T02:00"))),
            ("Dec 31, 23:00 - 02:00 UTC", "2019-12-31T23:00:00Z", Some(("2019-12-31T23:00", "2020-01-01T02:00"))),
            ("soon", "2019-12-31T23:00:00Z", None),
        ] {
            let zones = Zones { corrected: None, fallback_s: 0 };
            let html = format!("<p><strong>THIS IS A SCHEDULED EVENT {text}</strong></p>");
            let got = window(&html, &zones, moment(published).unwrap().at);
            let got = got.map(|(start, end)| (start.to_string()[..16].to_owned(), end.unwrap().to_string()[..16].to_owned()));
            assert_eq!(got, want.map(|(a, b)| (a.to_owned(), b.to_owned())), "{text}");
        }
    }
}
