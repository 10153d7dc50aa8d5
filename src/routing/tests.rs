//! What the book promises, as timetables.

use std::time::Duration;

use super::*;
use crate::model::VendorId;

mod properties;

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1000)
}

fn route(receiver: &str) -> Route {
    Route {
        matching: Matching::default(),
        receiver: receiver.to_owned(),
        group_by: vec!["vendor".to_owned()],
        group_wait: Duration::from_secs(15),
        group_interval: Duration::from_secs(300),
        repeat_interval: Duration::from_secs(4 * 3600),
        continues: false,
    }
}

fn identity(rule: Rule, vendor: &str) -> Identity {
    Identity { rule, vendor: Some(VendorId::new(vendor)), subject: vendor.to_owned() }
}

fn holding(severity: Severity) -> Holding {
    Holding {
        severity,
        since: at(0),
        summary: "down".into(),
        vendor_name: None,
        tier: Some(1),
        measured: Some(State::Down),
        blame: Blame::Inconclusive,
        evidence: vec![],
        declared: None,
        edition: 0,
    }
}

/// A book, its routes and a timetable.
struct Desk {
    book: Book,
    routes: Vec<Route>,
    links: Links,
    ids: u128,
}

impl Desk {
    fn new(routes: Vec<Route>) -> Desk {
        Desk { book: Book::default(), routes, links: Links::default(), ids: 0 }
    }

    fn with<T>(&mut self, now: i64, f: impl FnOnce(&mut Book, &mut Plan) -> T) -> T {
        let ids = &mut self.ids;
        let mut new_id = || {
            *ids += 1;
            Uuid::from_u128(*ids)
        };
        f(&mut self.book, &mut Plan { routes: &self.routes, links: &self.links, now: at(now), new_id: &mut new_id })
    }

    fn judge(&mut self, now: i64, rule: Rule, vendor: &str, severity: Option<Severity>) -> Vec<Delivery> {
        self.with(now, |book, plan| {
            let over = Over { at: plan.now, began: None, summary: None, measured: None };
            book.judge(&identity(rule, vendor), severity.map(holding).ok_or(over), plan);
        });
        self.book.take_changes().deliveries
    }

    fn attempt(&mut self, seq: i64, now: i64, next: Next) {
        self.book.attempted(&Attempt { delivery: seq, at: at(now), code: None, error: None, next });
        self.book.take_changes();
    }

    fn ready(&self, receiver: &str, now: i64) -> Vec<i64> {
        lanes::ready(self.book.pending().filter(|d| d.receiver == receiver), &BTreeSet::new(), at(now)).now
    }
}

fn told(deliveries: &[Delivery]) -> Vec<(Event, i64, usize)> {
    deliveries.iter().map(|d| (d.event, d.due_at.as_millis() / 1000, d.alerts.len())).collect()
}

const CRITICAL: Option<Severity> = Some(Severity::Critical);

#[test]
fn saying_it_twice_tells_it_once() {
    let mut desk = Desk::new(vec![route("oncall")]);
    assert_eq!(told(&desk.judge(100, Rule::VendorDown, "acme", CRITICAL)), [(Event::Firing, 115, 1)]);
    assert_eq!(told(&desk.judge(101, Rule::VendorDown, "acme", CRITICAL)), []);
    assert_eq!(told(&desk.judge(200, Rule::VendorDown, "acme", None)), [(Event::Resolved, 200, 1)]);
    assert_eq!(told(&desk.judge(201, Rule::VendorDown, "acme", None)), []);
}

#[test]
fn alerts_of_a_group_gather_until_it_is_due() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(100, Rule::VendorDown, "acme", CRITICAL);
    assert_eq!(told(&desk.judge(110, Rule::TlsExpiring, "acme", CRITICAL)), [(Event::Firing, 115, 2)]);
    assert_eq!(
        told(&desk.judge(120, Rule::VendorFlapping, "acme", CRITICAL)),
        [(Event::Firing, 415, 1)],
        "a group that was told waits for its interval"
    );
    assert_eq!(told(&desk.judge(121, Rule::VendorDown, "other", CRITICAL)), [(Event::Firing, 136, 1)], "another group does not");
}

#[test]
fn a_resolve_goes_where_its_firing_went_and_after_it() {
    let mut desk = Desk::new(vec![Route { continues: true, ..route("oncall") }, route("lead")]);
    let firing = desk.judge(100, Rule::VendorDown, "acme", CRITICAL);
    assert_eq!(firing.iter().map(|d| d.receiver.as_str()).collect::<Vec<_>>(), ["oncall", "lead"]);
    desk.routes = vec![route("somebody-else")];
    let resolved = desk.judge(101, Rule::VendorDown, "acme", None);
    assert_eq!(resolved.iter().map(|d| d.receiver.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["oncall", "lead"]));
    let oncall = resolved.iter().find(|d| d.receiver == "oncall").unwrap().seq;
    assert_eq!(desk.ready("oncall", 102), Vec::<i64>::new(), "the firing gathers, the resolve waits for it");
    assert_eq!(desk.ready("oncall", 115), [firing[0].seq]);
    desk.attempt(firing[0].seq, 115, Next::Again(at(120)));
    assert_eq!(desk.ready("oncall", 116), Vec::<i64>::new());
    desk.attempt(firing[0].seq, 120, Next::Dead);
    assert_eq!(desk.ready("oncall", 121), [oncall], "a resolve follows a dead firing: its answer may have been lost");
}

#[test]
fn messages_about_other_alerts_never_wait() {
    let mut desk = Desk::new(vec![Route { group_wait: Duration::ZERO, ..route("oncall") }]);
    let stuck = desk.judge(100, Rule::VendorDown, "acme", CRITICAL)[0].seq;
    desk.attempt(stuck, 100, Next::Again(at(10_000)));
    let other = desk.judge(101, Rule::VendorDown, "other", CRITICAL)[0].seq;
    let second = desk.judge(102, Rule::TlsExpiring, "acme", CRITICAL)[0].seq;
    assert_eq!(desk.ready("oncall", 101), [other]);
    let resolves: Vec<i64> = desk
        .judge(500, Rule::TlsExpiring, "acme", None)
        .iter()
        .chain(&desk.judge(500, Rule::VendorDown, "acme", None))
        .map(|d| d.seq)
        .collect();
    desk.attempt(second, 500, Next::Delivered);
    assert_eq!(desk.ready("oncall", 501), [other, resolves[0]]);
}

#[test]
fn degraded_is_not_told_while_down_fires() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(100, Rule::VendorDown, "acme", CRITICAL);
    assert_eq!(told(&desk.judge(101, Rule::VendorDegraded, "acme", Some(Severity::Warning))), []);
    let after = desk.judge(200, Rule::VendorDown, "acme", None);
    assert_eq!(told(&after), [(Event::Resolved, 200, 1), (Event::Firing, 215, 1)], "it is told once down is over");
    assert_eq!(told(&desk.judge(300, Rule::VendorDegraded, "acme", None)), [(Event::Resolved, 300, 1)]);
}

#[test]
fn a_higher_severity_is_an_update_a_lower_one_is_not() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(100, Rule::TlsExpiring, "acme", Some(Severity::Warning));
    assert_eq!(told(&desk.judge(116, Rule::TlsExpiring, "acme", CRITICAL)), [(Event::Updated, 116, 1)]);
    assert_eq!(told(&desk.judge(117, Rule::TlsExpiring, "acme", Some(Severity::Warning))), []);
}

#[test]
fn what_still_fires_is_repeated() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(0, Rule::VendorDown, "acme", CRITICAL);
    let hours = 3600;
    for (now, want) in [(3 * hours, 0), (4 * hours + 15, 1), (4 * hours + 16, 0), (8 * hours + 15, 1)] {
        desk.with(now, |book, plan| book.remind(plan));
        assert_eq!(desk.book.take_changes().deliveries.len(), want, "after {now} s");
    }
}

#[test]
fn what_a_receiver_fails_at_is_told_to_another() {
    let mut desk =
        Desk::new(vec![route("oncall"), Route { matching: Matching { tier: vec![3], ..Matching::default() }, ..route("backup") }]);
    let to = |d: Vec<Delivery>| d.into_iter().map(|d| d.receiver).collect::<Vec<_>>();
    let failing = Identity { rule: Rule::DeliveryFailing, vendor: None, subject: "oncall".into() };
    desk.with(1, |book, plan| book.judge(&failing, Ok(Holding { tier: None, ..holding(Severity::Critical) }), plan));
    assert_eq!(to(desk.book.take_changes().deliveries), ["backup"]);
}

#[test]
fn a_delivery_stays_below_the_limit_and_the_rest_follows() {
    let mut desk = Desk::new(vec![Route { group_by: vec![], ..route("oncall") }]);
    let long = |n: usize| Holding { evidence: vec!["x".repeat(300); n], ..holding(Severity::Critical) };
    for n in 0..20 {
        desk.with(100, |book, plan| book.judge(&identity(Rule::VendorDown, &format!("v{n}")), Ok(long(10)), plan));
    }
    desk.with(100, |book, plan| book.judge(&identity(Rule::VendorDown, "huge"), Ok(long(500)), plan));
    let deliveries = desk.book.take_changes().deliveries;
    assert!(deliveries.len() > 3);
    assert_eq!(deliveries.iter().map(|d| d.alerts.len()).sum::<usize>(), 21, "none is lost");
    for d in &deliveries {
        assert!(d.alerts.iter().map(|a| facts::size(&a.facts)).sum::<usize>() <= FACTS_BYTES_MAX);
    }
    let huge = &deliveries.iter().flat_map(|d| &d.alerts).find(|a| a.identity.subject == "huge").unwrap().facts;
    assert!(huge["evidence"].as_array().unwrap().last().unwrap().as_str().unwrap().ends_with("more lines were cut)"));
}

#[test]
fn a_book_from_the_store_goes_on_where_it_was() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.with(100, |book, plan| book.judge(&identity(Rule::VendorDown, "acme"), Ok(holding(Severity::Critical)), plan));
    let written = desk.book.take_changes();
    desk.book = Book::load(written.alerts, written.deliveries, 1);
    assert_eq!(told(&desk.judge(101, Rule::VendorDown, "acme", CRITICAL)), []);
    assert_eq!(told(&desk.judge(120, Rule::TlsExpiring, "acme", CRITICAL)), [(Event::Firing, 415, 1)]);
    let resolved = desk.judge(200, Rule::VendorDown, "acme", None);
    assert_eq!((resolved[0].seq, told(&resolved)), (3, vec![(Event::Resolved, 200, 1)]));
}

#[test]
fn what_waits_for_a_receiver_that_is_gone_is_dead_and_says_so() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(100, Rule::VendorDown, "acme", CRITICAL);
    desk.book.bury(|_| false);
    let dead = desk.book.take_changes().deliveries;
    assert_eq!((dead[0].state, desk.book.pending().count()), (DeliveryState::Dead, 0));
    assert!(dead[0].last_error.as_ref().unwrap().contains("configuration"));
}

/// The receiver that asked for critical alerts alone never heard of one that began as a warning.
#[test]
fn who_asks_for_a_severity_hears_of_what_reaches_it_later() {
    let critical = Matching { severity: vec![Severity::Critical], ..Matching::default() };
    let mut desk = Desk::new(vec![Route { matching: critical, ..route("oncall") }, route("lead")]);
    let to = |d: &[Delivery]| d.iter().map(|d| (d.receiver.clone(), d.event)).collect::<Vec<_>>();
    assert_eq!(to(&desk.judge(1, Rule::TlsExpiring, "acme", Some(Severity::Warning))), [("lead".to_owned(), Event::Firing)]);
    let worse = desk.judge(100, Rule::TlsExpiring, "acme", CRITICAL);
    assert_eq!(to(&worse), [("lead".to_owned(), Event::Updated), ("oncall".to_owned(), Event::Firing)]);
    assert_eq!(to(&desk.judge(200, Rule::TlsExpiring, "acme", None)).len(), 2, "both hear of the end");
}

#[test]
fn what_joined_while_the_message_went_out_gets_its_own() {
    let mut desk = Desk::new(vec![route("oncall")]);
    desk.judge(100, Rule::VendorDown, "acme", CRITICAL);
    desk.judge(114, Rule::TlsExpiring, "acme", CRITICAL);
    let joined = desk.judge(114, Rule::VendorFlapping, "acme", CRITICAL).remove(0);
    assert_eq!(joined.alerts.len(), 3);
    desk.judge(115, Rule::VendorFlapping, "acme", None);
    desk.attempt(joined.seq, 115, Next::Delivered);
    desk.with(115, |book, plan| book.tell_rest(&joined, 1, plan));
    let rest = desk.book.take_changes().deliveries;
    assert_eq!(told(&rest), [(Event::Firing, 115, 1)], "what is over is told by its resolve");
    assert_eq!((rest[0].alerts[0].identity.rule, &rest[0].group), (Rule::TlsExpiring, &joined.group));
    desk.with(115, |book, plan| book.tell_rest(&joined, 3, plan));
    assert_eq!(desk.book.take_changes().deliveries, []);
}

#[test]
fn a_message_that_gathers_says_what_is_true_when_it_goes_out() {
    let mut desk = Desk::new(vec![route("oncall")]);
    let mut judge = |now: i64, severity, evidence: &[&str]| {
        let evidence = evidence.iter().map(|line| (*line).to_owned()).collect();
        let holding = Holding { evidence, ..holding(severity) };
        desk.with(now, |book, plan| book.judge(&identity(Rule::VendorDown, "acme"), Ok(holding), plan));
        let deliveries = desk.book.take_changes().deliveries;
        deliveries.iter().map(|d| (d.event, d.alerts[0].facts["evidence"].as_array().unwrap().len())).collect::<Vec<_>>()
    };
    assert_eq!(judge(100, Severity::Warning, &["a"]), [(Event::Firing, 1)]);
    assert_eq!(judge(101, Severity::Warning, &["a"]), []);
    assert_eq!(judge(102, Severity::Warning, &["a", "b"]), [(Event::Firing, 2)]);
    assert_eq!(judge(103, Severity::Critical, &["a", "b", "c"]), [(Event::Firing, 3)], "worse, and nobody was told yet");
    assert_eq!(judge(115, Severity::Critical, &["a", "b", "c", "d"]), [], "once it is due it is frozen");
}
