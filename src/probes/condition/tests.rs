//! Conditions as data: what compiles, what does not and where, and what holds of an answer.

use std::net::IpAddr;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue};

use super::{Expectations, Seen, parse};
use crate::model::settings::Value;
use crate::model::{Fault, Settings};
use crate::probes::http::SCOPE;

fn problem(text: &str) -> Fault {
    match parse::condition(text, &SCOPE) {
        Ok(condition) => panic!("{text} compiles to {condition:?}"),
        Err(problem) => problem.fault("expect"),
    }
}

/// The part that is wrong, words of the message, words of the hint.
#[test]
fn faults_point_and_help() {
    let check = |text: &str, part: &str, message: &str, hint: &str| {
        let fault = problem(text);
        let at = fault.at.clone().unwrap_or_default();
        assert_eq!(&text[at], part, "{text}: {fault:?}");
        assert!(fault.message.contains(message), "{text}: {fault:?}");
        let given = fault.hint.clone().unwrap_or_default();
        assert!(given.contains(hint), "{text}: {fault:?}");
    };
    check("", "", "begins with a subject", "status == 200");
    check("== 200", "== 200", "begins with a subject", "status == 200");
    check("statsu == 200", "statsu", "kind http has no subject `statsu`", "did you mean `status`?");
    check("dns.rcode == 'x'", "dns.rcode", "kind http has no subject `dns.rcode`", "");
    check("rtt < 3ms", "rtt", "kind http has no subject `rtt`", "it has: status");
    check("Status == 200", "Status", "no subject", "did you mean `status`?");
    check("status", "", "an operator is missing after `status`", "== !=");
    check("status 200", "", "an operator is missing", "");
    check("status = 200", "=", "`=` is not an operator", "did you mean `==`?");
    check("status === 200", "===", "not an operator", "did you mean `==`?");
    check("body contain 'x'", "contain", "not an operator", "did you mean `contains`?");
    check("body ~ 'x'", "~", "not an operator", "did you mean `matches`?");
    check("status =", "=", "not an operator", "`==`");
    check("status ==", "==", "a value is missing after `==`", "");
    check("$.status == ok", "ok", "`ok` is not a value", "put text in quotes: 'ok'");
    check("$.ok == True", "True", "not a value", "write true");
    check("$.date == 2026-01-01", "2026-01-01", "not a value", "put text in quotes: '2026-01-01'");
    check("latency < 10 s", "10", "not a number", "write a unit: 10ms or 10s");
    check("latency < 'x'", "'x'", "`latency` is a duration, not a text", "write latency < 800ms");
    check("latency == 'x'", "'x'", "`latency` is a duration", "800ms");
    check("latency < 800", "800", "not a number", "write a unit: 800ms");
    check("latency < -3s", "-3s", "not a value", "");
    check("status == '200'", "'200'", "not a text", "without quotes: 200");
    check("status == 1e999", "1e999", "not a value", "");
    check("status contains 3", "3", "`status` is a number", "use ==");
    check("status matches '2..'", "'2..'", "`status` is a number", "use ==");
    check("status in 200", "200", "`in` wants a list", "status in [200, 204]");
    check("status == [200]", "[200]", "not a list", "in [..]");
    check("status in []", "[]", "an empty list", "");
    check("status in [200 204]", "2", "a comma is missing", "");
    check("status in [200", "[200", "closing ] is missing", "");
    check("status in [[200]]", "[", "plain values", "");
    check("status exists", "exists", "always there", "header");
    check("header.x exists 3", "3", "more than one condition", "");
    check("body < 'x'", "'x'", "neither more nor less", "contains");
    check("body == 3", "3", "`body` is a text, not a number", "put text in quotes: '3'");
    check("body == 'x", "'x", "closing ' is missing", "");
    check("body matches '(x'", "'(x'", "not a regular expression: unclosed group", "");
    check("body matches x", "x", "not a value", "quotes");
    check("body contains 3", "3", "`contains` wants a text", "quotes");
    check("body_bytes < 3s", "3s", "`body_bytes` is a size", "10KiB");
    check("header.a b == 'x'", "b", "`b` is not an operator", "");
    check("header. == 'x'", "header.", "not the name of a header", "");
    check("tls.version >= 'new'", "'new'", "not a version", "1.3");
    check("$.took < 3s", "3s", "a JSON value, not a duration", "JSON has no durations");
    check("count($.a", "count($.a", "`)` of count is missing", "count($.items[*])");
    check("status == 200 and latency < 2s", "and latency < 2s", "more than one", "item of its own");
    check("status == 200 || status == 204", "|| status == 204", "more than one", "expect_any");
}

#[test]
fn a_wrong_path_shows_its_place() {
    let text = "$.a[?@.x = 1] == 2";
    let fault = problem(text);
    let at = fault.at.unwrap();
    assert!(fault.message.starts_with("not a JSONPath"), "{}", fault.message);
    assert!(at.start > 0 && at.end <= text.len(), "{at:?}");
    assert!(problem("count($[a]) > 1").at.unwrap().start >= "count(".len());
}

const BODY: &str = r#"{"status":"ok","n":3,"t":true,"none":null,"list":["a","b",3],"o":{"k":"v"},"deep":[{"x":1},{"x":2}],"é":"ü"}"#;

fn holds(text: &str) -> (bool, String) {
    held_by(text, BODY.as_bytes())
}

fn held_by(text: &str, body: &[u8]) -> (bool, String) {
    let condition = parse::condition(text, &SCOPE).unwrap_or_else(|p| panic!("{text}: {p:?}"));
    let mut headers = HeaderMap::new();
    for (name, value) in [("content-type", "application/json"), ("x-left", "12"), ("via", "a"), ("via", "b")] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let seen = Seen {
        status: Some(200),
        latency: Duration::from_millis(812),
        body: Some(body),
        headers: Some(&headers),
        cert_days_left: Some(20.25),
        cert_issuer: Some("CN=Some Authority"),
        tls_version: Some("1.3"),
        http_version: Some("2"),
        redirects: Some(1),
        ip: Some(IpAddr::from([192, 0, 2, 1])),
        ..Seen::default()
    };
    let held = condition.hold(&seen);
    (held.passed, held.seen)
}

#[test]
fn conditions_that_hold() {
    for text in [
        "status == 200",
        "status==200",
        "  status   !=  503 ",
        "status < 300",
        "status in [200, 204]",
        "status in [200,]",
        "latency < 1s",
        "latency<=812ms",
        "latency > 0.5s",
        "latency < 1m30s",
        "body contains 'status'",
        "body contains \"\\\"ok\\\"\"",
        r#"body matches '"n":\d'"#,
        "body != ''",
        "body_bytes < 10KiB",
        "body_bytes > 10",
        "header.content-type contains 'json'",
        "header.Content-Type == 'application/json'",
        "header.x-left > 10",
        "header.x-left == 12",
        "header.x-left in ['12', '13']",
        "header.via == 'a, b'",
        "header.via exists",
        "$.status == 'ok'",
        "$.status in ['ok', 'fine']",
        "$.status matches '^o'",
        "$['status'] == 'ok'",
        "$.n == 3",
        "$.n >= 3.0",
        "$.n < 1KiB",
        "$.t == true",
        "$.t != false",
        "$.none == null",
        "$.none != 'x'",
        "$.n != null",
        "$.none exists",
        "$.list contains 'b'",
        "$.list contains 3",
        "$.deep[?@.x == 2].x == 2",
        "$.deep[*].x exists",
        "$.é == 'ü'",
        "count($.list[*]) == 3",
        "count($.deep[?@.x > 5]) == 0",
        "count($.deep[?(@.x > 1)])==1",
        "cert.days_left > 14",
        "cert.issuer contains 'Authority'",
        "cert.days_left exists",
        "tls.version >= '1.2'",
        "tls.version == 'TLSv1.3'",
        "tls.version in ['1.2', '1.3']",
        "http.version == 2",
        "redirects <= 1",
        "ip == '192.0.2.1'",
        "ip in ['192.0.2.1', '192.0.2.2']",
    ] {
        let (passed, seen) = holds(text);
        assert!(passed, "{text}: saw {seen}");
    }
}

#[test]
fn conditions_that_do_not_hold_show_what_was_seen() {
    for (text, want) in [
        ("status == 503", "200"),
        ("latency < 800ms", "812ms"),
        ("body == 'x'", r#"'{"status":"ok","n":3,"t":true,"none":null,"list":["a","b",3],"o":{"k":"v"},"dee…'"#),
        ("header.x-left < 3", "'12'"),
        ("header.content-type > 3", "'application/json'"),
        ("header.nope exists", "no such header"),
        ("header.nope != 'x'", "no such header"),
        ("$.status == 3", "'ok'"),
        ("$.n == '3'", "3"),
        ("$.n != '3'", "3"),
        ("$.n contains '3'", "3"),
        ("$.o == 'x'", "an object"),
        ("$.list == 'x'", "an array of 3"),
        ("$.nope == 'x'", "nothing there"),
        ("$.nope != 'x'", "nothing there"),
        ("$.nope exists", "nothing there"),
        ("$.list[*] == 'a'", "3 nodes where one is wanted"),
        ("count($.list[*]) > 3", "3"),
        ("cert.days_left > 21", "20.2"),
        ("tls.version == '1.2'", "1.3"),
        ("ip == '192.0.2.9'", "'192.0.2.1'"),
    ] {
        assert_eq!(holds(text), (false, want.to_owned()), "{text}");
    }
    for (body, want) in [
        (&b""[..], "an empty body"),
        (b"<html>\n\x1b[0m", "a body that is not JSON: '<html> [0m'"),
        (b"\xff\xfe", "a body that is not JSON: '\u{fffd}\u{fffd}'"),
    ] {
        assert_eq!(held_by("$.a == 1", body), (false, want.to_owned()));
        assert_eq!(held_by("count($.a) == 0", body), (false, want.to_owned()));
    }
    assert!(held_by("$.a == 1", b"\xef\xbb\xbf{\"a\":1}").0, "a byte order mark is ignored");
}

fn compile(key: &'static str, value: Value) -> Result<Expectations, Vec<Fault>> {
    Expectations::compile(&Settings([(key, value)].into()), &SCOPE)
}

#[test]
fn every_fault_of_a_list_is_told_with_its_item() {
    let texts = ["status == 200", "statu == 1", "latency < 3"];
    let list = Value::TextList(texts.iter().map(|t| t.to_string()).collect());
    let faults = compile("expect_any", list).unwrap_err();
    let places: Vec<_> = faults.iter().map(|f| (f.key, f.item)).collect();
    assert_eq!(places, [("expect_any", Some(1)), ("expect_any", Some(2))]);
    let many = Value::TextList(vec!["status == 200".into(); 101]);
    assert_eq!(compile("expect", many).unwrap_err().len(), 1);
}

#[test]
fn sugar_is_a_condition() {
    let statuses = compile("expect_status", Value::CountList(vec![200, 401])).unwrap();
    assert_eq!(statuses.all[0].expression, "status in [200, 401]");
    assert!(statuses.name_status() && statuses.want_status(401) && !statuses.want_status(403));
    assert!(!statuses.need_body());
    let body = compile("expect_body", Value::Text("^o.k$".into())).unwrap();
    assert!(body.need_body() && !body.name_status());
    let faults = compile("expect_body", Value::Text("(".into())).unwrap_err();
    assert_eq!(faults[0].key, "expect_body");
    let huge = compile("expect_body", Value::Text(r"(\w{1000}){1000}".into()));
    assert!(huge.is_err(), "an expression that takes too much memory is a fault");
}

/// Whatever people write, and however it is cut, compiling it ends in an answer whose place lies within the text.
#[test]
fn nothing_that_can_be_written_breaks_the_parser() {
    let texts = [
        "count($.deep[?@['é'] == \"ü\"]) in [1, 2ms, 'x\\'y']",
        "header.x-é matches \"a\\\"b\" and",
        "$.a[?match(@.b, '[')] != -1.5e3KiB ] , \u{1f600}",
    ];
    for text in texts {
        let cuts: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        for (n, from) in cuts.iter().enumerate() {
            for to in &cuts[n..] {
                let part = &text[*from..*to];
                if let Err(problem) = parse::condition(part, &SCOPE) {
                    let at = problem.fault("expect").at.unwrap_or_default();
                    assert!(part.get(at.clone()).is_some(), "{part:?}: {at:?}");
                }
            }
        }
    }
}
