//! F23: documents that are easily sent and could be hard to read.

use std::time::Duration;

use vendord::feeds::{self, Document, Unreadable};
use vendord::model::Page;

use super::holds;
use super::measure;
use super::targets::BYTES_MAX;

fn read(body: &[u8]) -> Result<Page, Unreadable> {
    feeds::read(&Document::new(None, None, body), None)
}

fn rss(inside: &str) -> String {
    format!("<rss version='2.0'><channel><title>Acme</title>{inside}</channel></rss>")
}

fn item(inside: &str) -> String {
    rss(&format!("<item><title>One</title><guid>1</guid>{inside}</item>"))
}

fn page(inside: &str) -> String {
    format!(r#"{{"page": {{"id": "lanternqx001", "name": "Lantern"}}, "status": {{"indicator": "none"}}{inside}}}"#)
}

fn widget(inside: &str) -> String {
    format!(r#"{{"page_title": "Lantern", "ongoing_incidents": [{inside}], "scheduled_maintenances": []}}"#)
}

#[track_caller]
fn refused(body: &str, part: &str) {
    match read(body.as_bytes()) {
        Err(error) => {
            holds::reason("refused", &error);
            assert!(error.to_string().contains(part), "{error}");
        }
        Ok(page) => panic!("it was read: {page:?}"),
    }
}

#[test]
fn f23_no_document_type_declares_anything() {
    let laughs: String = (1..9).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    for subset in [
        format!("<!ENTITY l0 \"ha\">{laughs}"),
        "<!ENTITY f SYSTEM \"file:///etc/passwd\">".to_owned(),
        "<!ENTITY u SYSTEM \"http://127.0.0.1:9/\">".to_owned(),
        "<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x.dtd\"> %p;".to_owned(),
        "<!ATTLIST item a CDATA 'x'>".to_owned(),
        String::new(),
    ] {
        refused(&format!("<?xml version='1.0'?><!DOCTYPE rss [{subset}]>{}", item("&l8;&f;&u;")), "its document type declares entities");
    }
    // Also where none belongs.
    refused(&item("<!DOCTYPE rss [<!ENTITY a 'b'>]>"), "its document type declares entities");
    refused("<!DOCTYPE rss [<!ENTITY a 'b'>", "");
}

#[test]
fn f23_an_entity_is_what_is_written() {
    let outside = "<!DOCTYPE rss PUBLIC \"-//Acme//DTD\" \"http://127.0.0.1:9/rss.dtd\">";
    let entry = item("<description>&acme; &lt;b&gt;fine&lt;/b&gt; &#x26;lt; &unknown;</description>");
    let page = read(format!("{outside}{entry}").as_bytes()).expect("nothing is declared");
    assert_eq!(page.incidents[0].updates[0].body, "&acme; fine < &unknown;");
}

#[test]
fn f23_depth_is_bounded() {
    let nested = |depth: usize| item(&format!("<description>{}x{}</description>", "<b>".repeat(depth), "</b>".repeat(depth)));
    // rss, channel, item and description stand around them.
    assert_eq!(read(nested(60).as_bytes()).expect("deep").incidents.len(), 1);
    refused(&nested(61), "nested more than 64 deep");
    refused(&rss(&"<a>".repeat(1_000_000)), "nested more than 64 deep");
    // What is no part of a page is stepped over without going down into it, so that no depth of it takes any stack.
    for depth in [127, 128, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let inside =
                [format!(", \"odd\": {deep}"), format!(", \"components\": {deep}"), format!(", \"incidents\": [{{\"id\": {deep}}}]")];
            for document in inside.iter().map(|inside| page(inside)) {
                let page = read(document.as_bytes()).unwrap_or_else(|e| panic!("{depth} {open}: {e}"));
                assert!(page.components.is_empty() && page.incidents.is_empty());
            }
            assert!(read(deep.as_bytes()).is_err() && read(open.repeat(depth).as_bytes()).is_err());
        }
    }
}

#[test]
fn f23_so_many_nodes_and_no_more() {
    let nodes = |number: usize| read(rss(&format!("<item>{}</item>", "<a/>".repeat(number))).as_bytes());
    assert_eq!(nodes(99_990).expect("many").incidents.len(), 1);
    assert_eq!(nodes(100_000).unwrap_err(), Unreadable::TooMany { what: "XML nodes", max: 100_000 });
    let comments = read(rss(&"<!---->".repeat(100_000)).as_bytes());
    assert_eq!(comments.unwrap_err(), Unreadable::TooMany { what: "XML nodes", max: 100_000 });
    let items = read(rss(&"<item></item>".repeat(10_001)).as_bytes());
    assert_eq!(items.unwrap_err(), Unreadable::TooMany { what: "entries", max: 10_000 });
    let entries = |list: &str, one: &str, number: usize| read(page(&format!(", \"{list}\": [{}]", vec![one; number].join(","))).as_bytes());
    assert_eq!(entries("components", "{}", 50_001).unwrap_err(), Unreadable::TooMany { what: "components", max: 50_000 });
    assert_eq!(entries("incidents", "{}", 10_001).unwrap_err(), Unreadable::TooMany { what: "incidents", max: 10_000 });
}

/// A little less than what a page may weigh, which is 10 MiB. A debug build is so slow that it gets a fraction.
const DOCUMENT_BYTES: usize = if cfg!(debug_assertions) { 256 << 10 } else { 10_000_000 };
const CPU_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 });
/// What does not grow with the document, and what does.
const LARGE_BYTES_MAX: usize = if cfg!(debug_assertions) { BYTES_MAX / 2 } else { BYTES_MAX };

fn numbered(from: &str, to: &str) -> String {
    let mut text = String::with_capacity(DOCUMENT_BYTES + 100);
    for n in 0.. {
        if text.len() > DOCUMENT_BYTES {
            break;
        }
        text += &format!("{from}{n}{to}");
    }
    text.trim_end_matches(',').to_owned()
}

fn filled(piece: &str) -> String {
    piece.repeat(DOCUMENT_BYTES / piece.len()).trim_end_matches(',').to_owned()
}

/// Documents as large as they may be, made of one thing each.
fn large() -> Vec<(&'static str, Vec<u8>)> {
    let name = "N\u{1f6a2}".repeat(150);
    let update = |head: &str| item(&format!("<description><![CDATA[{}]]></description>", filled(head)));
    let list = |list: &str, inside: &str| page(&format!(", \"{list}\": [{inside}]"));
    let texts: Vec<(&'static str, String)> = vec![
        ("attributes", rss(&format!("<item {}></item>", numbered(" a", "='x'")))),
        ("equal attributes", rss(&format!("<item {}></item>", filled(" type='x'")))),
        ("attributes inside", item(&format!("<description><b {}></b></description>", numbered(" a", "='x'")))),
        ("attributes without an end", rss(&format!("<item {}", filled(" a='x'")))),
        ("one name", rss(&format!("<{}/>", filled("a")))),
        ("one title", item(&format!("<title>{}</title>", filled("x ")))),
        ("one title of the page", rss(&format!("<title>{}</title>", filled("x")))),
        ("one id", item(&format!("<guid>{}</guid>", filled("x")))),
        ("one body", item(&format!("<description>{}</description>", filled("words ")))),
        ("one body, twice escaped", item(&format!("<content:encoded>{}</content:encoded>", filled("&amp;lt;")))),
        ("ampersands", item(&format!("<description>{}</description>", filled("& ")))),
        ("references", item(&format!("<description>{}</description>", filled("&#38;")))),
        ("opening brackets", item(&format!("<description>{}</description>", filled("< ")))),
        ("escaped tags", item(&format!("<description>{}</description>", filled("&lt;a")))),
        ("tags in CDATA", update("<b")),
        ("comments in CDATA", update("<!--")),
        ("scripts in CDATA", update("<script></")),
        ("small", update("<small>")),
        ("paragraphs of updates", update("<p><small>Jan 1,1:1</small>")),
        ("updates of Slack", update("<small>1:11pm</small>")),
        ("updates of xAI", update("<h3>Status: x</h3><div><strong>1 Jan 2020 00:00 Z</strong><h3>x</h3></div>")),
        ("stages", update("<p><strong>Update</strong>")),
        (
            "lines",
            item(&format!("<description>Type: Incident\nAffected Components: a\n{}</description>", filled("Jan 1, 10:00 - Update - "))),
        ),
        ("capitals", item(&format!("<description>Type: x\nAffected Components: {}</description>", filled("A, ")))),
        ("items", rss(&filled(&format!("<item>{}</item>", "word ".repeat(220))))),
        ("changes", rss(&filled(&format!("<item><title>A is down</title><description>{}</description></item>", "word ".repeat(210))))),
        (
            "entries with one id",
            rss(&format!("{}{}", item(&filled("<description>a</description>")), "<item><guid>1</guid></item>".repeat(9_999))),
        ),
        ("spaces", format!("{}{}", filled(" "), rss(""))),
        ("spaces in the prologue", format!("<?xml version='1.0'?>{}{}", filled("\n"), rss(""))),
        ("a title of a web page", format!("<html><title>{}</title>", filled("x"))),
        ("one long name", list("components", &format!("{{\"id\": \"{}\"}}", filled("x")))),
        ("escapes", list("components", &format!("{{\"id\": \"{}\"}}", filled("\\u0041")))),
        ("components", list("components", &numbered("{\"id\":\"", "\"},"))),
        ("components of one long group", {
            let group = format!("{{\"id\":\"g\",\"group\":true,\"name\":\"{name}\"}},");
            list(
                "components",
                &(group + &(0..49_999).map(|n| format!("{{\"id\":\"{n}\",\"group_id\":\"g\"}}")).collect::<Vec<_>>().join(",")),
            )
        }),
        ("incidents that name one long component", {
            let one = format!(",\"components\":[{{\"id\":\"c\",\"name\":\"{name}\"}}]");
            let touching = format!("{{\"id\":\"i\",\"components\":[{}]}}", vec!["{\"id\":\"c\"}"; 50_000].join(","));
            page(&format!("{one},\"incidents\":[{}]", vec![touching; DOCUMENT_BYTES / 600_000].join(",")))
        }),
        ("incidents of a page with a long address", {
            let about = format!("\"page\":{{\"id\":\"lanternqx001\",\"url\":\"https://a.example/{}\"}}", "a".repeat(1_900));
            let incidents: Vec<String> = (0..10_000).map(|n| format!("{{\"id\":\"{n}\"}}")).collect();
            format!("{{{about},\"incidents\":[{}],\"scheduled_maintenances\":[{}]}}", incidents.join(","), incidents.join(","))
        }),
        ("incidents with one id", {
            let posts = numbered("{\"created_at\":\"2020-01-01T00:00:00Z\",\"body\":\"", "\"},");
            let posts = &posts[..posts.len().min(5 << 20)];
            let posts = &posts[..posts.rfind("},").map_or(0, |at| at + 1)];
            list("incidents", &format!("{{\"id\":\"i\",\"incident_updates\":[{posts}]}},{}", vec!["{\"id\":\"i\"}"; 9_999].join(",")))
        }),
        ("updates", list("incidents", &format!("{{\"id\":\"i\",\"incident_updates\":[{}]}}", filled("{\"body\":\"a\"},")))),
        ("empty updates", list("incidents", &format!("{{\"id\":\"i\",\"incident_updates\":[{}]}}", vec!["{}"; 100_000].join(",")))),
        ("one body of JSON", list("incidents", &format!("{{\"id\":\"i\",\"incident_updates\":[{{\"body\":\"{}\"}}]}}", filled("words ")))),
        ("unknown words", list("components", &numbered("{\"id\":\"a\",\"status\":\"", "\"},"))),
        ("unknown keys", page(&format!(",{}", numbered("\"k", "\":1,")))),
        ("brackets", filled("[")),
        ("braces", filled("{\"a\":")),
        ("months", format!("{{\"months\":[{}]}}", filled("{\"year\":2020,\"name\":\"May\",\"incidents\":[]},"))),
        (
            "the past",
            format!(
                "{{\"months\":[{{\"year\":2020,\"name\":\"May\",\"incidents\":[{}]}}]}}",
                numbered("{\"code\":\"c", "\",\"timestamp\":\"May 1, 10:00\"},")
            ),
        ),
        ("what a widget touches", widget(&format!("{{\"id\":\"i\",\"affected_components\":[{}]}}", numbered("{\"id\":\"", "\"},")))),
        ("widgets", widget(&numbered("{\"id\":\"", "\",\"last_update_message\":\"words\"},"))),
        ("pushed pieces without an end", format!("<html>{}", filled("self.__next_f.push([1,\"\\\"summary\\\":{ongoing_incidents\"])"))),
        ("pushed rows", format!("<html>ongoing_incidents{}", numbered("self.__next_f.push([1,\"", ":T1,a\"])"))),
        ("a long text for every update of a page", {
            let updates = filled("{\"message_string\":\"$2f\"},");
            let summary = format!(
                "5:{{\"summary\":{{\"components\":[],\"affected_components\":[],\"ongoing_incidents\":[{{\"id\":\"i\",\"updates\":[{updates}]}}]}}}}"
            );
            let text = serde_json::Value::String(format!("2f:T2710,{}{summary}", "word ".repeat(2_000)));
            format!("<html><script>self.__next_f.push([1,{text}])</script>")
        }),
        ("sites of Upptime", format!("[{}]", numbered("{\"uptime\":1,\"status\":\"up\",\"slug\":\"", "\"},"))),
        ("endpoints of Gatus", format!("[{}]", numbered("{\"name\":\"a\",\"results\":[],\"key\":\"", "\"},"))),
        ("results of Gatus", format!("[{{\"name\":\"a\",\"key\":\"b\",\"results\":[{}]}}]", filled("{},"))),
        (
            "components of Instatus",
            format!("[{{\"isParent\":true,\"name\":\"{name}\",\"children\":[{}]}}]", numbered("{\"id\":\"", "\"},")),
        ),
        ("heartbeats", format!("{{\"heartbeatList\":{{{}}}}}", numbered("\"", "\":[],"))),
        ("monitors", {
            let monitors = numbered("{\"id\":\"", "\"},");
            format!("{{\"publicGroupList\":[{{\"name\":\"{name}\",\"monitorList\":[{monitors}]}}]}}")
        }),
        ("what is included by Better Stack", {
            let head = "\"data\":{\"type\":\"status_page\",\"attributes\":{\"aggregate_state\":\"operational\"}}";
            format!("{{{head},\"included\":[{}]}}", numbered("{\"type\":\"status_update\",\"attributes\":{},\"id\":\"", "\"},"))
        }),
        ("reports with one update", {
            let head = "\"data\":{\"type\":\"status_page\",\"attributes\":{\"aggregate_state\":\"operational\"}}";
            let update = format!("{{\"type\":\"status_update\",\"id\":1,\"attributes\":{{\"message\":\"{}\"}}}}", "word ".repeat(3_000));
            let report = format!(
                "{{\"type\":\"status_report\",\"id\":2,\"relationships\":{{\"status_updates\":{{\"data\":[{}]}}}}}}",
                filled("{\"id\":1},")
            );
            format!("{{{head},\"included\":[{update},{report}]}}")
        }),
        ("locations of Status.io", {
            let containers = numbered("{\"id\":\"", "\"},");
            let component = format!("{{\"id\":\"c\",\"name\":\"{name}\",\"containers\":[{containers}]}}");
            format!("{{\"result\":{{\"status_overall\":{{}},\"status\":[{component}]}}}}")
        }),
        ("incidents of Status.io everywhere", {
            let containers: Vec<String> = (0..5_000).map(|n| format!("{{\"id\":\"{n}\"}}")).collect();
            let component = format!("{{\"id\":\"c\",\"containers\":[{}]}}", containers.join(","));
            let incidents = numbered("{\"components_affected\":[{\"_id\":\"c\"}],\"_id\":\"", "\"},");
            format!("{{\"result\":{{\"status_overall\":{{}},\"status\":[{component}],\"incidents\":[{incidents}]}}}}")
        }),
        ("issues of cState", {
            let issues = numbered("{\"severity\":\"down\",\"affected\":[\"a\"],\"title\":\"", "\"},");
            format!("{{\"is\":\"index\",\"cStateVersion\":\"6\",\"systems\":[],\"pinnedIssues\":[{issues}]}}")
        }),
        ("components of Cachet", format!("{{\"data\":[{}]}}", numbered("{\"name\":\"a\",\"status\":1,\"group_id\":1,\"id\":", "},"))),
        ("services of an event of AWS", {
            let services = numbered("\"s", "\":{\"current\":\"3\"},");
            let region = "r".repeat(290);
            format!(
                "[{{\"arn\":\"a:a:a:{region}\",\"date\":\"1\",\"status\":\"3\",\"event_log\":[],\"impacted_services\":{{{services}}}}}]"
            )
        }),
        ("events of AWS", format!("[{}]", numbered("{\"date\":\"1\",\"status\":\"3\",\"event_log\":[],\"arn\":\"", "\"},"))),
        ("times of AWS", {
            let times = filled("<span>1:11 AM PST</span>");
            let entry = format!("{{\"service\":\"s\",\"service_name\":\"s\",\"date\":\"1\",\"description\":\"{times}\"}}");
            format!("{{\"archive\":[{entry}],\"current\":[]}}")
        }),
        ("products of Google", {
            let products = numbered("{\"title\":\"", "\"},");
            format!("[{{\"id\":\"i\",\"external_desc\":\"x\",\"begin\":\"x\",\"affected_products\":[{products}]}}]")
        }),
        ("incidents of Google", format!("[{}]", numbered("{\"external_desc\":\"x\",\"begin\":\"x\",\"id\":\"", "\"},"))),
        ("geographies of Azure DevOps", {
            let geographies = numbered("{\"id\":\"", "\"},");
            format!("{{\"status\":{{\"health\":\"healthy\"}},\"services\":[{{\"id\":\"{name}\",\"geographies\":[{geographies}]}}]}}")
        }),
        ("services of Oracle", {
            let services = numbered("{\"serviceId\":\"", "\"},");
            format!("{{\"regionHealthReports\":[{{\"regionName\":\"{name}\",\"serviceHealthReports\":[{services}]}}]}}")
        }),
        ("incidents of one long service of Oracle", {
            let incidents = numbered("{\"incidentId\":\"", "\"},");
            let service = format!("{{\"serviceId\":\"s\",\"serviceName\":\"{name}\",\"incidents\":[{incidents}]}}");
            format!("{{\"regionHealthReports\":[{{\"serviceHealthReports\":[{service}]}}]}}")
        }),
        ("issues of Microsoft 365", {
            let issues = numbered("{\"startDateTime\":\"x\",\"service\":\"s\",\"id\":\"", "\"},");
            let service = format!("{{\"service\":\"s\",\"status\":\"x\",\"id\":\"{name}\"}}");
            format!("{{\"@odata.context\":\"x/serviceAnnouncement/issues\",\"value\":[{service},{issues}]}}")
        }),
        ("instances of Salesforce", format!("[{}]", numbered("{\"status\":\"OK\",\"Products\":[],\"key\":\"", "\"},"))),
        ("one incident in every instance of Salesforce", {
            let keys: Vec<String> = (0..1_500).map(|n| format!("\"k{n}\"")).collect();
            let incident = format!("{{\"id\":1,\"IncidentImpacts\":[],\"instanceKeys\":[{}]}}", keys.join(","));
            format!("[{}]", numbered(&format!("{{\"status\":\"OK\",\"Products\":[],\"Incidents\":[{incident}],\"key\":\"k"), "\"},"))
        }),
        ("incidents with one id, everywhere, of Salesforce", {
            let keys: Vec<String> = (0..5_000).map(|n| format!("\"k{n}\"")).collect();
            let first = format!("{{\"id\":1,\"IncidentImpacts\":[],\"instanceKeys\":[{}]}}", keys.join(","));
            format!("[{first},{}]", numbered("{\"id\":1,\"IncidentImpacts\":[],\"instanceKeys\":[],\"createdAt\":\"", "\"},"))
        }),
        ("notes of Slack", {
            let notes = filled("{\"body\":\"a\"},");
            format!("{{\"status\":\"active\",\"active_incidents\":[{{\"id\":1,\"type\":\"outage\",\"notes\":[{notes}]}}]}}")
        }),
        ("services of Slack", {
            let services = numbered("\"", "\",");
            format!("{{\"status\":\"active\",\"active_incidents\":[{{\"id\":1,\"type\":\"outage\",\"services\":[{services}]}}]}}")
        }),
        ("systems of Heroku", format!("{{\"status\":[{}]}}", numbered("{\"status\":\"red\",\"system\":\"", "\"},"))),
        ("incidents of Cachet", format!("{{\"data\":[{}]}}", numbered("{\"status\":1,\"component_id\":1,\"id\":", "},"))),
        ("services of Apple", format!("{{\"services\":[{}]}}", numbered("{\"events\":[],\"serviceName\":\"", "\"},"))),
        ("events of Apple", {
            let events = numbered("{\"messageId\":\"", "\"},");
            format!("{{\"services\":[{{\"serviceName\":\"{name}\",\"events\":[{events}]}}]}}")
        }),
        ("one event of every service of Apple", {
            let service = |n: usize| format!("{{\"serviceName\":\"{n}{}\",\"events\":[{{\"messageId\":\"1\"}}]}}", &name[..name.len() - 9]);
            format!("{{\"services\":[{}]}}", (0..DOCUMENT_BYTES / 400).map(service).collect::<Vec<_>>().join(","))
        }),
        ("regions of Vultr", format!("{{\"service_alerts\":[],\"regions\":{{{}}}}}", numbered("\"", "\":{\"alerts\":[]},"))),
        ("one alert of every region of Vultr", {
            let regions = numbered("\"", "\":{\"alerts\":[{\"id\":\"1\"}]},");
            format!("{{\"service_alerts\":[],\"regions\":{{{regions}}}}}")
        }),
        ("alerts of Vultr", format!("{{\"service_alerts\":[{}]}}", numbered("{\"id\":\"", "\"},"))),
        ("what is included by Zendesk", {
            let incident = "{\"id\":1,\"type\":\"incident\",\"attributes\":{\"status\":\"a\",\"started_at\":\"b\"}}";
            format!("{{\"data\":[{incident}],\"included\":[{}]}}", numbered("{\"type\":\"service\",\"attributes\":{},\"id\":\"", "\"},"))
        }),
        ("incidents of Zendesk with one update", {
            let update = format!("{{\"type\":\"a\",\"id\":1,\"attributes\":{{\"description\":\"{}\"}}}}", "word ".repeat(3_000));
            let related = "\"relationships\":{\"incident_updates\":{\"data\":[{\"type\":\"a\",\"id\":1}]}}";
            let facts = "\"type\":\"incident\",\"attributes\":{\"status\":\"a\",\"started_at\":\"b\"}";
            let incidents: Vec<String> = (0..9_999).map(|n| format!("{{\"id\":{n},{facts},{related}}}")).collect();
            format!("{{\"data\":[{}],\"included\":[{update}]}}", incidents.join(","))
        }),
        ("components of PayPal", {
            let entries = numbered("{\"category\":{},\"status\":{\"production\":\"a\",\"sandbox\":\"a\"},\"id\":", "},");
            format!("{{\"result\":[{entries}]}}")
        }),
        ("monitors of UptimeRobot", format!("{{\"data\":[{}]}}", numbered("{\"statusClass\":\"a\",\"monitorId\":", "},"))),
        ("services of Statuspal", {
            let children = numbered("{\"name\":\"a\",\"id\":", "},");
            let about = "\"status_page\":{\"current_incident_type\":null}";
            format!("{{{about},\"services\":[{{\"id\":\"g\",\"name\":\"{name}\",\"children\":[{children}]}}]}}")
        }),
        ("services below services of Statuspal", {
            let (open, close) = ("{\"id\":1,\"children\":[", "]}");
            let deep = DOCUMENT_BYTES / (open.len() + close.len());
            let tree = open.repeat(deep) + &close.repeat(deep);
            format!("{{\"status_page\":{{\"current_incident_type\":null}},\"services\":[{tree}]}}")
        }),
        ("components of StatusIQ", {
            let members = numbered("{\"component_status\":1,\"enc_component_id\":\"", "\"},");
            let group = format!(
                "{{\"componentgroup_status\":1,\"componentgroup_display_name\":\"{name}\",\"componentgroup_components\":[{members}]}}"
            );
            format!("{{\"data\":{{\"current_status\":[{group}]}}}}")
        }),
        ("services of ilert", {
            let services = numbered("{\"id\":", "},");
            format!("{{\"status\":\"OPERATIONAL\",\"incidents\":[],\"services\":[{services}]}}")
        }),
        ("notices of Sorry", format!("{{\"notices\":[{}]}}", numbered("{\"type\":\"planned\",\"state\":\"a\",\"id\":", "},"))),
        ("components of Sorry", {
            let parts = numbered("{\"name\":\"a\",\"state\":\"b\",\"parent_id\":", "},");
            format!("{{\"components\":[{parts}]}}")
        }),
        ("services of incidents of Checkly", {
            let services = numbered("{\"id\":", "},");
            format!("{{\"incidents\":[{{\"id\":1,\"lastUpdateStatus\":\"a\",\"incidentUpdates\":[],\"services\":[{services}]}}]}}")
        }),
    ];
    let mut all: Vec<(&'static str, Vec<u8>)> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    for byte in [0xff, 0x00] {
        let mut body = item("<description>X</description>").into_bytes();
        let at = body.iter().position(|b| *b == b'X').expect("it is there");
        body.splice(at..=at, vec![byte; DOCUMENT_BYTES]);
        all.push(("a body of no text", body));
    }
    let latin = [b"<?xml version='1.0' encoding='latin1'?>".as_slice(), &vec![0xe9; DOCUMENT_BYTES]].concat();
    all.push(("another encoding", latin));
    all
}

#[test]
fn f23_a_large_document_costs_no_more_than_it_may() {
    let mut dear = Vec::new();
    for (name, body) in large() {
        assert!(body.len() <= 10 << 20, "{name} is no page that would be read");
        let (page, cost) = measure(|| read(&body));
        let outcome = page.map(|page| page.incidents.len()).map_err(|e| e.to_string());
        println!("{name}: {} bytes, {cost:?}, {outcome:?}", body.len());
        if cost.bytes > LARGE_BYTES_MAX || cost.cpu > CPU_MAX {
            dear.push(format!("{name}: {cost:?}"));
        }
    }
    assert!(dear.is_empty(), "{dear:#?}");
}
