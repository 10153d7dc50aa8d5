//! Whole documents, read as anybody reads them. The fixtures are made by hand, in the platforms' layouts.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::feeds::read;
use crate::model::Timestamp;
use crate::model::page::Update;

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/feeds/rss/");
    std::fs::read(format!("{folder}{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn parsed(body: &[u8]) -> Result<Page, Unreadable> {
    read(&Document::new(None, None, body), None)
}

#[track_caller]
fn page(name: &str) -> Page {
    let page = parsed(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(page.format, "rss");
    page
}

/// `2031-04-10 11:02`
fn short(at: Option<Timestamp>) -> String {
    at.map_or("-".to_owned(), |at| at.to_string()[..16].replace('T', " "))
}

/// `status | stage, from, until, title, what it touches | ...`, maintenances last.
fn summary(page: &Page) -> String {
    let mut parts = vec![page.overall.to_string()];
    let names = |touches: &[crate::model::page::Touched]| touches.iter().map(|t| t.name.clone()).collect::<Vec<_>>().join("+");
    let stage = |stage: Option<crate::model::Stage>| stage.map_or("-", |stage| stage.as_str());
    for i in &page.incidents {
        let end = short(i.resolved_at);
        parts.push(format!("{}, {}, {end}, {}, {}", stage(i.stage), short(i.started_at), i.title, names(&i.touches)));
    }
    for m in &page.maintenances {
        let end = short(m.ends_at);
        parts.push(format!("{}, {}, {end}, {}, {}", stage(m.stage), short(m.starts_at), m.title, names(&m.touches)));
    }
    parts.join(" | ")
}

#[test]
fn every_layout_and_trap() {
    for (name, want) in [
        // Lines of one minute belong together; a later minute reopens.
        (
            "statuspage-same-minute.atom",
            "degraded | resolved, 2031-04-10 11:02, 2031-04-10 12:20, Parcels are sorted slowly,  \
             | investigating, 2031-04-09 07:00, -, Labels are printed twice, ",
        ),
        (
            "statuspage-new-year.atom",
            "operational | resolved, 2030-12-31 23:05, 2031-01-01 00:12, Fireworks on the roof,  \
             | resolved, 2030-12-03 08:05, 2030-12-03 09:00, Slow & \"odd\" answers, ",
        ),
        (
            "statuspage-2014.atom",
            "operational | resolved, 2014-11-20 15:40, 2014-11-20 17:09, Cold boilers,  \
             | resolved, 2014-07-01 06:30, 2014-07-01 21:05, Hot boilers, ",
        ),
        (
            "statuspage-planned.atom",
            "operational | scheduled, 2031-05-28 16:30, 2031-05-29 04:30, New shelves in the archive,  \
             | scheduled, 2031-05-24 10:00, 2031-05-24 11:30, Paint on the doors,  \
             | in_progress, 2031-05-22 20:00, -, Oil for the lifts,  \
             | completed, 2031-05-10 09:00, 2031-05-10 12:00, Wax for the floor, ",
        ),
        (
            "statuspage-words.atom",
            "degraded | monitoring, 2031-06-19 08:00, -, A word in the text,  \
             | resolved, 2031-06-10 09:00, 2031-06-10 10:00, Told afterwards,  \
             | -, 2031-06-05 09:00, -, A word that nobody knows, ",
        ),
        ("statuspage-out-of-order.rss", "operational | resolved, 2031-06-14 03:32, 2031-06-14 03:42, A diary kept badly, "),
        ("onlineornot.rss", "degraded | monitoring, 2031-09-03 11:00, -, Rudder is stuck, "),
        (
            "stages.rss",
            "degraded | resolved, 2031-03-25 03:05, 2031-03-25 03:05, Lanterns flicker,  | identified, 2031-03-23 11:00, -, Oil is low,  \
             | in_progress, -, -, Wicks are trimmed, ",
        ),
        ("lambstatus.rss", "degraded | monitoring, 2029-05-13 06:41, -, Shears are blunt, "),
        (
            "incidentio.atom",
            "degraded | monitoring, 2031-02-20 21:00, -, Ink runs thin, Paper (A4)+Pens \
             | resolved, 2031-02-18 15:30, 2031-02-18 16:40, Feathers missing, Pens | scheduled, -, -, Desk is moved, Desk",
        ),
        (
            "instatus.rss",
            "degraded | resolved, 2031-09-25 15:15, 2031-09-25 16:01, Gates open late, North gate+South gate \
             | monitoring, 2031-09-24 10:00, -, Bells ring,  | completed, 2031-09-21 10:00, 2031-09-21 11:00, Rope is changed, Bells",
        ),
        (
            "aws-log.rss",
            "degraded | -, 2031-02-22 22:00, -, Loud fans, fan-xx-west-2 | -, 2031-02-22 21:00, -, Slow lifts, lift-xx-west-2 \
             | resolved, 2031-02-22 20:00, 2031-02-23 00:22, Wet discs, disc-xx-east-1 \
             | resolved, 2031-02-10 20:00, 2031-02-10 20:00, Wet discs, disc-xx-east-1",
        ),
        ("aws-quiet.rss", "unknown"),
        ("azure-open.xml", "degraded | -, 2031-07-23 14:44, -, Blue doors in the east, Doors+East"),
        ("azure-clear.xml", "operational"),
        (
            "gcp.atom",
            "degraded | resolved, 2031-03-31 15:30, 2031-03-31 22:54, Rain in the vault, Umbrella+Vault \
             | -, 2031-02-02 19:30, -, Fog on the stairs, ",
        ),
        (
            "slack.atom",
            "unknown | -, 2031-12-10 17:00, -, Nobody hears anybody,  \
             | resolved, 2031-12-08 23:23, 2031-12-09 17:34, Echo in the hall, ",
        ),
        (
            "xai.xml",
            "degraded | resolved, 2031-07-07 15:40, 2031-07-07 16:37, Thoughts come late, Left half (v2) \
             | monitoring, 2031-07-06 15:00, -, Dreams are dull, Right half",
        ),
        (
            "changes.atom",
            "degraded | -, 2031-08-20 16:05, -, Coop is now degraded, Coop \
             | resolved, 2031-08-19 11:30, 2031-08-19 11:30, Nest: a fault in our own checking, not in the service, Nest \
             | resolved, 2031-08-19 11:00, 2031-08-19 12:00, Coop is now a partial outage, Coop",
        ),
        (
            "equal-guids.rss",
            "unknown | -, 2031-03-24 03:05, -, Crane stands still,  | -, 2031-03-22 18:05, -, Crane moves oddly,  \
             | -, 2031-03-19 18:05, -, Crane moves oddly,  | -, 2031-03-19 03:05, -, Fog,  | -, 2031-03-18 03:05, -, Storm, ",
        ),
        (
            "plain.rss",
            "degraded | resolved, 2031-03-25 11:05, 2031-03-25 11:05, Rope broke,  | investigating, 2031-03-24 10:05, -, Tide: very low,  \
             | resolved, 2031-03-23 03:05, 2031-03-23 03:05, Gulls,  | -, 2031-03-22 03:05, -, Nets, ",
        ),
        ("damaged.rss", "unknown | -, 2031-03-04 03:05, -, Salt & pepper gone,  | -, 2031-03-03 10:05, -, The one before had no end, "),
        ("rss-1.0.rdf", "operational | resolved, 2031-03-24 02:05, 2031-03-24 02:05, mud in the basin, "),
        ("prefixed.atom", "operational | resolved, 2031-03-24 03:05, 2031-03-24 03:05, 1 < 2 <script> is no tag, "),
    ] {
        assert_eq!(summary(&page(name)), want, "{name}");
    }
}

#[test]
fn what_a_feed_carries() {
    for (name, listing) in
        [("azure-clear.xml", Listing::OpenOnly), ("aws-quiet.rss", Listing::Recent), ("statuspage-planned.atom", Listing::Recent)]
    {
        let carries = page(name).carries;
        assert_eq!((carries.components, carries.incidents, carries.maintenances), (false, listing, listing), "{name}");
    }
}

#[test]
fn the_two_feeds_of_a_page_agree() {
    for (atom, rss) in [("statuspage-new-year.atom", "statuspage-new-year.rss"), ("statuspage-2014.atom", "statuspage-2014.rss")] {
        let (atom, rss) = (page(atom), page(rss));
        assert_eq!((summary(&atom), &atom.name, &atom.url), (summary(&rss), &rss.name, &rss.url));
        let updates = |page: &Page| page.incidents.iter().flat_map(|i| i.updates.clone()).collect::<Vec<Update>>();
        assert_eq!(updates(&atom), updates(&rss));
    }
    assert_eq!(summary(&page("instatus.rss")), summary(&page("instatus-text-only.rss")), "the text alone is enough");
}

#[test]
fn pages_have_a_name_and_an_address() {
    for (fixture, name, url, updated_at) in [
        ("statuspage-planned.atom", "Fernwell", "https://status.fernwell.example", "2031-05-22 22:31"),
        ("statuspage-2014.rss", "Kettlework", "https://status.kettlework.example", "2014-11-21 08:00"),
        ("damaged.rss", "Harbour & Sons News", "https://harbour.example/", "2031-03-04 03:05"),
        ("prefixed.atom", "Harbour & Sons", "https://harbour.example/?a=1&b=2", "2031-03-24 03:05"),
    ] {
        let page = page(fixture);
        let got = (page.name.as_deref(), page.url.as_deref(), short(page.updated_at));
        assert_eq!(got, (Some(name), Some(url), updated_at.to_owned()), "{fixture}");
    }
}

#[test]
fn ids_are_the_vendors_or_stable() {
    let ids = |name: &str| page(name).incidents.into_iter().map(|i| i.id).collect::<Vec<_>>();
    assert_eq!(ids("gcp.atom"), ["Vault1", "Stairs9"]);
    assert_eq!(ids("statuspage-out-of-order.rss"), ["https://status.fernwell.example/incidents/oo1"]);
    assert!(ids("incidentio.atom")[0].contains("//incidents/"), "compared as text, not as an address");
    let derived = ids("equal-guids.rss");
    assert_eq!(derived[3..], ["https://harbour.example/1", "https://harbour.example/2"]);
    assert_eq!(derived, ids("equal-guids.rss"));
}

#[test]
fn texts_are_clean_and_oddities_counted() {
    let words = page("statuspage-words.atom");
    assert_eq!(words.oddities.unknown_words, ["stage: Erledigt"]);
    assert_eq!(words.incidents[0].updates[0].body, "Resolved is one part, Jun 1, 10:00 UTC another.");
    assert_eq!(page("prefixed.atom").incidents[0].updates[0].body, "Less < more & bold");
    assert_eq!(page("damaged.rss").incidents[0].updates[0].body, "Text with\nand tags & 1 < 2, &unknown; …");
    assert_eq!(page("instatus.rss").incidents[0].updates[0].body, "The gates are open");
    for (name, inferred) in [("slack.atom", 1), ("plain.rss", 1), ("statuspage-words.atom", 0)] {
        assert_eq!(page(name).oddities.stages_inferred, inferred, "{name}");
    }
}

#[test]
fn what_is_no_feed_is_refused_with_a_reason() {
    let deep = format!("<rss><channel><item>{}", "<a>".repeat(100));
    let many = format!("<rss><channel><item>{}", "<a/>".repeat(200_000));
    let entries = format!("<rss><channel>{}</channel></rss>", "<item/>".repeat(crate::feeds::INCIDENTS_MAX + 1));
    for (body, want) in [
        ("", "the body is empty"),
        ("<!doctype html><title>Wait</title>", "it is a web page (\"Wait\"), not a feed"),
        ("<?xml version='1.0'?><!-- x --><!DOCTYPE html><html/>", "it is of no format known here"),
        ("<rss version='2.0'><channel><item><title>a</title></item>", "it is not a rss document: it is cut off after 1 whole entries"),
        ("<!DOCTYPE rss [<!ENTITY a 'b'>]><rss/>", "it is not a rss document: its document type declares entities"),
        ("<svg/>", "it is of no format known here"),
        (&deep, "it is not a rss document: its elements are nested more than 64 deep"),
        (&many, "it has more than 100000 XML nodes"),
        (&entries, "it has more than 10000 entries"),
    ] {
        assert_eq!(parsed(body.as_bytes()).map_err(|error| error.to_string()).unwrap_err(), want);
    }
}

/// F23: a second each at most; twice that is allowed to a build that is not optimised.
#[test]
fn f23_bombs_cost_little() {
    let lol: String = (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY l0 'lol'>{lol}]><rss><channel><title>&l9;</title></channel></rss>");
    let outside =
        "<!DOCTYPE rss SYSTEM 'file:///etc/passwd'><rss><channel><item><title>&x;</title><guid>1</guid></item></channel></rss>".to_owned();
    let attributes: String = (0..100_000).map(|n| format!(" a{n}='1'")).collect();
    let names: String = (0..100_000).map(|n| format!(" xmlns:a{n}='urn:{n}'")).collect();
    let bodies = [
        laughs,
        outside.clone(),
        format!("<feed><entry><link{attributes} href='x'/></entry></feed>"),
        format!("<feed{names}><entry/></feed>"),
        "<rss>".repeat(100_000),
        format!("<rss><channel><item><description>{}", "<a ".repeat(1 << 19)),
        format!("<rss><channel><item><description>{}</description></item></channel></rss>", "&lt;a ".repeat(1 << 18)),
        format!("<rss><channel><item><description>{}</description></item></channel></rss>", "&lt;p&gt;&lt;small&gt;".repeat(1 << 15)),
        format!("<rss><channel><item>{}</item></channel></rss>", "</x>".repeat(1 << 18)),
        format!("<rss><channel>{}</channel></rss>", "&".repeat(1 << 20)),
    ];
    for body in bodies {
        let before = processor_time();
        let _ = parsed(body.as_bytes());
        let took = processor_time().saturating_sub(before);
        assert!(took < Duration::from_secs(2), "{took:?}: {}", &body[..80]);
    }
    let page = parsed(outside.as_bytes()).unwrap();
    assert_eq!(page.incidents[0].title, "&x;", "nothing from outside");
}

/// Of this thread, so that what else the machine does is not counted.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

const FIXTURES: &[&str] = &[
    "statuspage-same-minute.atom",
    "statuspage-new-year.rss",
    "statuspage-planned.atom",
    "incidentio.atom",
    "instatus.rss",
    "instatus-text-only.rss",
    "aws-log.rss",
    "azure-open.xml",
    "gcp.atom",
    "slack.atom",
    "xai.xml",
    "changes.atom",
    "damaged.rss",
    "rss-1.0.rdf",
    "prefixed.atom",
];

#[test]
fn a_body_cut_in_the_middle_is_an_error() {
    for name in FIXTURES {
        let body = fixture(name);
        let text = String::from_utf8(body.clone()).unwrap();
        let end = ["</rss>", "</feed>", "</rdf:RDF>", "</a:feed>"].iter().find_map(|end| Some(text.rfind(end)? + end.len())).unwrap();
        for cut in (0..end).filter(|cut| text.is_char_boundary(*cut)) {
            assert!(parsed(&body[..cut]).is_err(), "{name} cut at {cut}");
        }
        assert_eq!(parsed(&body[..end]), parsed(&body), "{name}");
    }
}

proptest! {
    #[test]
    fn bytes_that_flip_panic_nothing(name in prop::sample::select(FIXTURES), flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut body = fixture(name);
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Ok(page) = parsed(&body) {
            for incident in &page.incidents {
                prop_assert!(!incident.title.is_empty() && !incident.id.is_empty());
                prop_assert!(incident.resolved_at.is_none_or(|end| incident.started_at.is_none_or(|start| start <= end)));
            }
        }
    }

    /// F26: the order of the entries changes nothing.
    #[test]
    fn f26_entries_in_any_order(by in 1usize..4) {
        let text = String::from_utf8(fixture("statuspage-planned.atom")).unwrap();
        let (head, rest) = text.split_once("  <entry>").unwrap();
        let mut entries: Vec<&str> = rest.trim_end().trim_end_matches("</feed>").split("  <entry>").collect();
        entries.rotate_left(by);
        entries.push(entries[0]);
        let turned = format!("{head}  <entry>{}</feed>", entries.join("  <entry>"));
        prop_assert_eq!(parsed(turned.as_bytes()), parsed(text.as_bytes()));
    }
}
