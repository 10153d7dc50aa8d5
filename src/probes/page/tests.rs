//! Pages in the layouts of real ones, served on the loopback address; all texts are made up.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::Value;

const TABLE: &str = include_str!("fixtures/table.html");

fn settings(url: &str, parser: &'static str, more: &[(&'static str, &str)]) -> Settings {
    let text = |value: &str| Value::Text(value.to_owned());
    let day = Value::Duration(Duration::from_secs(86_400));
    let mut settings = Settings([("url", text(url)), ("parser", text(parser)), ("interval", day)].into());
    settings.0.extend(more.iter().map(|(key, value)| (*key, text(value))));
    settings
}

fn parse(parser: &'static str, select: &str, body: &str) -> Result<Listing, String> {
    let more = [("select", select)];
    let parser = Parser::of(&settings("", parser, if select.is_empty() { &[] } else { &more })).unwrap();
    parser.read(body.as_bytes(), &HeaderMap::new(), || false)
}

fn shown(listing: &Listing) -> Vec<String> {
    std::iter::once(&listing.columns).chain(&listing.rows).map(|row| row.join(" | ")).collect()
}

#[test]
fn every_parser_reads_its_layout() {
    for (parser, select, body, want) in [
        (
            "html_table",
            "",
            TABLE,
            &[
                "Entity | Purpose | Country",
                "Amazon Web Services | Hosting | Ireland",
                "Amazon Web Services | Backups | Germany",
                "Northwind 1 | Search and logs | USA",
                "Only for customers in the EU |  | ",
                "Contoso | E-mail & messages | Sweden",
            ][..],
        ),
        ("html_table", "#affiliates", TABLE, &["Name", "Acme GmbH", "Acme Ltd inner"]),
        ("html_table", "main h2 ~ table[id]", TABLE, &["Name", "Acme GmbH", "Acme Ltd inner"]),
        ("text", "h1, p", TABLE, &["", "Acme sub-processors", "Last updated: 3 March 2031", "Session 8fa7c1 © 2031"]),
        (
            "markdown_table",
            "",
            include_str!("fixtures/list.md"),
            &["Sub-processor | Purpose | Location", "Amazon Web Services | Hosting | Ireland", "Northwind | Search | logs | USA"],
        ),
        ("markdown_table", "former", include_str!("fixtures/list.md"), &["Sub-processor | Until", "Fabrikam | 2030-01"]),
        (
            "json",
            "",
            include_str!("fixtures/list.json"),
            &["name | location | purpose", "Amazon Web Services | Ireland | Hosting, Backups", "Northwind | USA | Search"],
        ),
        (
            "csv",
            "",
            include_str!("fixtures/list.csv"),
            &["Sub-processor | Purpose | Location", "Amazon Web Services | Hosting | Ireland", "Northwind, Inc. | Search | USA"],
        ),
        ("text", "", "One  line\n\n\tand another\n", &["", "One line", "and another"]),
    ] {
        let listing = parse(parser, select, body).unwrap_or_else(|why| panic!("{parser} {select}: {why}"));
        assert_eq!(shown(&listing), want, "{parser} {select}");
    }
}

/// What stands around the text changes with every visit and every campaign.
#[test]
fn the_main_text_is_without_navigation_scripts_and_footers() {
    let text = shown(&parse("text", "", TABLE).unwrap()).join("\n");
    for gone in ["Pricing", "color", "app.js", "Session"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert!(text.contains("Acme sub-processors\nLast updated: 3 March 2031\nInfrastructure"), "{text}");
}

#[test]
fn another_coat_is_no_change() {
    let (before, after) =
        (parse("html_table", "", TABLE).unwrap(), parse("html_table", "", include_str!("fixtures/table-redesigned.html")).unwrap());
    let difference = crate::model::Difference::between(&before, &after);
    assert!(difference.is_empty(), "{}", difference.told());
    assert_eq!(before.hash(), after.hash());
}

#[test]
fn what_is_not_the_page_is_never_an_empty_list() {
    let challenge = include_str!("fixtures/challenge.html");
    for (parser, select, body, why) in [
        ("html_table", "", challenge, "a challenge for robots"),
        ("text", "", challenge, "a challenge for robots"),
        ("json", "", challenge, "a challenge for robots"),
        ("text", "", include_str!("fixtures/consent.html"), "a question about consent"),
        ("html_table", "", include_str!("fixtures/consent.html"), "a question about consent"),
        ("html_table", "", include_str!("fixtures/emptied.html"), "no rows"),
        ("html_table", "#gone", TABLE, "`select` matches nothing"),
        ("text", "#gone", TABLE, "`select` matches nothing"),
        ("html_table", "", "<html><body>none</body></html>", "no table"),
        ("markdown_table", "", TABLE, "an HTML page"),
        ("csv", "", TABLE, "an HTML page"),
        ("html_table", "", &"<div>".repeat(600), "nested more than 512 deep"),
        ("json", "", "{\"a\":", "not JSON"),
        ("text", "main", "just text", "not HTML"),
        ("csv", "", "Name,Country\n", "no rows"),
        ("json", "", "[]", "no rows"),
        ("text", "", " \n", "empty"),
    ] {
        let refused = parse(parser, select, body).unwrap_err();
        assert!(refused.contains(why), "{parser} {select}: {refused}");
    }
    // The scripts of a maker of challenges are on ordinary pages too.
    let ordinary = TABLE.replace(
        "</body>",
        &format!("<script src=\"/cdn-cgi/challenge-platform/x.js\"></script>{}</body>", "<p>More words to read.</p>".repeat(30)),
    );
    assert!(parse("html_table", "", &ordinary).is_ok());
}

#[test]
fn other_encodings_are_read() {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, "text/html; charset=iso-8859-1".parse().unwrap())]);
    assert_eq!(decoded(b"caf\xe9", &headers), "café");
    assert_eq!(decoded(b"<meta charset=\"windows-1252\">caf\xe9", &HeaderMap::new()), "<meta charset=\"windows-1252\">café");
    assert_eq!(decoded("\u{feff}café".as_bytes(), &HeaderMap::new()), "café");
}

#[test]
fn f20_hostile_documents_end_soon() {
    for hostile in [
        "<div>".repeat(200_000),
        (0..20_000).map(|n| format!("<b a{n}>")).collect::<String>() + &"<p>x</p>".repeat(50_000),
        "<table><tr><td>".repeat(60_000),
        "<".repeat(1 << 20),
        "&".repeat(1 << 20),
        "<a b='".repeat(150_000),
    ] {
        let began = clock::instant();
        let _ = parse("html_table", "", &hostile);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?} for {}", began.elapsed(), &hostile[..20]);
    }
    let wide = format!("<table><tr><td colspan=99999 rowspan=99999>x{}</table>", "<tr><td colspan=1000>y".repeat(2000));
    assert!(parse("html_table", "", &wide).is_ok_and(|listing| listing.rows.iter().all(|row| row.len() <= 64)));
    let many = format!("<table><tr>{}{}</table>", format!("<td rowspan=1000>{}", "x".repeat(2000)).repeat(64), "<tr><td>".repeat(1000));
    assert!(parse("html_table", "", &many).unwrap_err().contains("4 MiB"));
    for parser in ["markdown_table", "csv", "json", "text"] {
        let began = clock::instant();
        for hostile in ["[", "|", "\\|", "[](", "\"", "*_`"] {
            let _ = parse(parser, "", &format!("a|b\n-|-\n{}", hostile.repeat(300_000)));
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{parser}: {:?}", began.elapsed());
    }
}

#[test]
fn selects_are_judged_at_load() {
    for (parser, select) in [("text", "a["), ("html_table", "::"), ("json", "name"), ("csv", "x")] {
        let fault = Parser::of(&settings("", parser, &[("select", select)])).err().unwrap();
        assert_eq!((fault.key, fault.hint.is_some()), ("select", true), "{parser}");
    }
}

#[test]
fn a_page_is_read_over_one_family() {
    let faults = KIND.probe(&settings("https://a.example/", "text", &[("ip", "both")]), &Workshop::new()).err().unwrap();
    assert_eq!(faults[0].key, "ip");
}

/// Serves whatever is put into it, as 200.
async fn site() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/legal/subprocessors?token=s3cret", listener.local_addr().unwrap());
    let body = Arc::new(Mutex::new(String::new()));
    let served = body.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let body = served.lock().unwrap().clone();
            let status = if body == "503" { "503 Service Unavailable" } else { "200 OK" };
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    });
    (url, body)
}

#[tokio::test]
async fn a_change_is_news_and_what_cannot_be_read_is_a_failure() {
    let (url, body) = site().await;
    let probe = build(&settings(&url, "html_table", &[]), &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let row = |name: &str| format!("<tr><td>{name}</td><td>DE</td></tr>");
    let page = |names: &[&str]| {
        format!("<html><table><tr><th>Name</th><th>Country</th></tr>{}</table></html>", names.iter().map(|n| row(n)).collect::<String>())
    };
    let five = ["A", "B", "C", "D", "E"];
    for (served, outcome, reason, message, is_new) in [
        (page(&five), Outcome::Up, Reason::Ok, "5 rows, read for the first time", true),
        (page(&["E", "D", "C", "B", "A"]), Outcome::Up, Reason::Ok, "5 rows, unchanged", false),
        (page(&["A", "B", "C", "D", "F"]), Outcome::Up, Reason::Ok, "1 row added, 1 removed: + F | DE; - E | DE", true),
        (page(&[]), Outcome::Down, Reason::Protocol, "could not be read: there are no rows on the page", false),
        (
            include_str!("fixtures/challenge.html").into(),
            Outcome::Down,
            Reason::Protocol,
            "could not be read: a challenge for robots, not the page",
            false,
        ),
        (page(&["A"]), Outcome::Down, Reason::Expectation, "1 rows where there were 5: not believed yet, seen 1 of 3 times", false),
        ("503".into(), Outcome::Down, Reason::HttpStatus, "503 Service Unavailable, wanted 2xx", false),
        (page(&["A", "B", "C", "D", "F"]), Outcome::Up, Reason::Ok, "5 rows, unchanged", false),
    ] {
        *body.lock().unwrap() = served;
        let seen = probe.run(Duration::from_secs(5)).await;
        assert_eq!((seen.outcome, seen.reason, seen.detail.message.as_str()), (outcome, reason, message));
        assert_eq!(seen.detail.version.is_some(), is_new, "{message}");
        assert_eq!(seen.detail.evidence.is_some(), outcome == Outcome::Down, "{message}");
        assert!(!format!("{:?}", seen.detail).contains("s3cret"));
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_what_was_stored() {
    let (url, body) = site().await;
    *body.lock().unwrap() = "Name,Country\nA,DE\nB,SE\n".into();
    let settings = settings(&url, "csv", &[]);
    let probe = build(&settings, &Workshop::new()).ok().unwrap();
    let version = probe.run(Duration::from_secs(5)).await.detail.version.unwrap();
    assert!(version.difference.is_none());

    *body.lock().unwrap() = "Name,Country\nA,DE\nB,NO\n".into();
    let again = build(&settings, &Workshop::new()).ok().unwrap();
    again.memory().unwrap().remember(&version);
    let seen = again.run(Duration::from_secs(5)).await;
    assert_eq!(seen.detail.message, "1 row changed: ~ B: Country 'SE' -> 'NO'");
    assert_eq!(seen.detail.version.unwrap().difference.unwrap().changed.len(), 1);
}
