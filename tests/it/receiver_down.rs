//! F27: a receiver that is down for six hours, in virtual time: the book, the lanes and the retry schedule as the
//! dispatcher uses them, without a dispatcher; the store is the book's own rows, and every ten minutes a new daemon
//! begins with them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vendord::channels::retry;
use vendord::model::{
    Alert, AlertState, Blame, Delivery, DeliveryState, Event, Identity, Matching, Route, Rule, Severity, State, Timestamp, Uuid, VendorId,
};
use vendord::routing::{Attempt, Book, Holding, Links, Next, Over, Plan, lanes};

const ALERTS: i64 = 1_000;
const DOWN_FOR: i64 = 6 * 3600 * 1000;
const RESTART_EVERY: i64 = 600 * 1000;
/// `rate` of the receiver: tries a second.
const RATE: usize = 10;

/// What a database would hold.
#[derive(Default)]
struct Rows {
    alerts: BTreeMap<Uuid, Alert>,
    deliveries: BTreeMap<i64, Delivery>,
}

impl Rows {
    fn take(&mut self, book: &mut Book) {
        let changes = book.take_changes();
        self.alerts.extend(changes.alerts.into_iter().map(|alert| (alert.id, alert)));
        self.deliveries.extend(changes.deliveries.into_iter().map(|delivery| (delivery.seq, delivery)));
    }

    /// As the store loads it: alerts that are not over, deliveries that are pending or told a firing of one of those.
    fn load(&self) -> Book {
        let firing: Vec<Alert> = self.alerts.values().filter(|a| a.state != AlertState::Resolved).cloned().collect();
        let open: BTreeSet<Uuid> = firing.iter().map(|a| a.id).collect();
        let tells = |d: &Delivery| d.event == Event::Firing && d.alerts.iter().any(|told| open.contains(&told.alert));
        let kept = self.deliveries.values().filter(|d| d.state == DeliveryState::Pending || tells(d));
        let last = self.deliveries.keys().next_back().copied().unwrap_or(0);
        Book::load(firing, kept.cloned().collect(), last)
    }
}

/// What a receiver accepted: when, the message, and of each alert in it (type, identity, episode).
type Ledger = Vec<(i64, Uuid, Vec<(Event, Identity, Uuid)>)>;

struct World {
    book: Book,
    rows: Rows,
    now: i64,
    ids: u128,
    ledger: BTreeMap<&'static str, Ledger>,
    tries: BTreeMap<&'static str, Vec<i64>>,
}

fn route(receiver: &str, continues: bool) -> Route {
    Route {
        matching: Matching::default(),
        receiver: receiver.to_owned(),
        group_by: vec!["vendor".to_owned()],
        group_wait: Duration::from_secs(15),
        group_interval: Duration::from_secs(300),
        repeat_interval: Duration::ZERO,
        continues,
    }
}

/// 40 vendors take turns, each down for a while and well again: an outage begins about every 20 s.
fn timetable() -> BTreeMap<i64, Vec<(Identity, bool)>> {
    let mut table: BTreeMap<i64, Vec<(Identity, bool)>> = BTreeMap::new();
    for n in 0..ALERTS {
        let vendor = format!("vendor-{}", n % 40);
        let identity = Identity { rule: Rule::VendorDown, vendor: Some(VendorId::new(vendor.as_str())), subject: vendor };
        let begins = n * DOWN_FOR / ALERTS;
        // Some are over before the first message is due, some last longer than others.
        let lasts = [2_000, 20_000, 90_000, 400_000][(n % 4) as usize];
        table.entry(begins).or_default().push((identity.clone(), true));
        table.entry(begins + lasts).or_default().push((identity, false));
    }
    table
}

impl World {
    fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.now)
    }

    fn judge(&mut self, identity: &Identity, fires: bool) {
        let now = self.at();
        let holding = Holding {
            severity: Severity::Critical,
            since: now,
            summary: "down".to_owned(),
            vendor_name: None,
            tier: Some(1),
            measured: Some(State::Down),
            blame: Blame::Inconclusive,
            evidence: Vec::new(),
            declared: None,
            edition: 0,
        };
        let condition = if fires { Ok(holding) } else { Err(Over { at: now, began: None, summary: None, measured: None }) };
        let routes = [route("down", true), route("well", false)];
        let ids = &mut self.ids;
        let mut new_id = || {
            *ids += 1;
            Uuid::from_u128(*ids)
        };
        self.book.judge(identity, condition, &mut Plan { routes: &routes, links: &Links::default(), now, new_id: &mut new_id });
        self.rows.take(&mut self.book);
    }

    /// Tries what may be tried now, within the rate. Answers when the lane has something to do next.
    fn serve(&mut self, receiver: &'static str) -> i64 {
        let now = self.now;
        let ready = lanes::ready(self.book.pending().filter(|d| d.receiver == receiver), &BTreeSet::new(), self.at());
        let tries = self.tries.entry(receiver).or_default();
        let second: Vec<i64> = tries.iter().rev().copied().take_while(|at| *at > now - 1000).collect();
        let room = RATE - second.len();
        tries.extend(std::iter::repeat_n(now, ready.now.len().min(room)));
        for seq in ready.now.iter().take(room) {
            self.attempt(*seq, receiver == "well" || now >= DOWN_FOR);
        }
        match (ready.now.len() > room, second.last(), ready.now.is_empty()) {
            (true, Some(oldest), _) => oldest + 1000,
            (true, None, _) => now + 1000,
            // Something changed: look again at what that made ready.
            (false, _, false) => now,
            (false, _, true) => ready.next.map_or(i64::MAX, |next| next.as_millis()),
        }
    }

    fn attempt(&mut self, seq: i64, accepts: bool) {
        let delivery = self.book.pending().find(|d| d.seq == seq).cloned().unwrap();
        let jitter = (seq * 37 % 21 - 10) as f64 / 10.0;
        let again = retry::wait(&retry::SCHEDULE, delivery.attempts + 1, jitter, None);
        let next = match (accepts, again) {
            (true, _) => Next::Delivered,
            (false, Some(wait)) => Next::Again(self.at() + wait),
            (false, None) => Next::Dead,
        };
        let receiver = if delivery.receiver == "down" { "down" } else { "well" };
        if accepts {
            let told = delivery.alerts.iter().map(|told| (delivery.event, told.identity.clone(), told.alert)).collect();
            self.ledger.entry(receiver).or_default().push((self.now, delivery.id, told));
        }
        self.book.attempted(&Attempt { delivery: seq, at: self.at(), code: None, error: None, next });
        self.rows.take(&mut self.book);
    }
}

/// Runs until nothing waits any more. Answers what each receiver accepted.
fn run() -> World {
    let mut world = World { book: Book::default(), rows: Rows::default(), now: 0, ids: 0, ledger: BTreeMap::new(), tries: BTreeMap::new() };
    let mut table = timetable();
    let mut restart = RESTART_EVERY;
    loop {
        while let Some(due) = table.first_entry().filter(|entry| *entry.key() <= world.now) {
            for (identity, fires) in due.remove() {
                world.judge(&identity, fires);
            }
        }
        let next = world.serve("down").min(world.serve("well"));
        if restart <= world.now {
            world.book = world.rows.load();
            restart = world.now + RESTART_EVERY;
        }
        if table.is_empty() && world.book.pending().next().is_none() {
            return world;
        }
        let planned = table.keys().next().copied().unwrap_or(i64::MAX);
        let next = next.min(planned).min(restart);
        assert!(next < 100 * 3600 * 1000, "what waits is tried within the schedule");
        world.now = next.max(world.now + i64::from(next <= world.now));
    }
}

#[test]
fn f27_a_receiver_that_was_down_for_6_h_gets_everything_in_order() {
    let world = run();
    assert!(world.rows.deliveries.values().all(|d| d.state == DeliveryState::Delivered), "nothing is dead");
    for (receiver, ledger) in &world.ledger {
        let ids: BTreeSet<Uuid> = ledger.iter().map(|(_, id, _)| *id).collect();
        assert_eq!(ids.len(), ledger.len(), "{receiver}: nothing came twice");
        let mut lives: BTreeMap<&Identity, Vec<(Event, Uuid)>> = BTreeMap::new();
        for (event, identity, episode) in ledger.iter().flat_map(|(_, _, told)| told) {
            lives.entry(identity).or_default().push((*event, *episode));
        }
        let episodes: usize = lives.values().map(|life| life.len() / 2).sum();
        assert_eq!(episodes as i64, ALERTS, "{receiver}: nothing is lost");
        for (identity, life) in lives {
            let in_turn = |pair: &[(Event, Uuid)]| {
                pair.len() == 2 && pair[0].0 == Event::Firing && pair[1].0 == Event::Resolved && pair[0].1 == pair[1].1
            };
            assert!(life.chunks(2).all(in_turn), "{receiver}: {identity:?} {life:?}");
            let opened: Vec<Timestamp> = life.chunks(2).map(|pair| world.rows.alerts[&pair[0].1].since).collect();
            assert!(opened.is_sorted(), "{receiver}: {identity:?}");
        }
    }
    let accepted = |receiver| world.ledger[receiver].iter().map(|(at, ..)| *at);
    assert!(accepted("down").all(|at| at >= DOWN_FOR));
    let last_event = timetable().keys().next_back().copied().unwrap();
    assert!(accepted("well").all(|at| at <= last_event + 320_000), "the other receiver does not notice");
    for tries in world.tries.values() {
        assert!(tries.windows(RATE + 1).all(|w| w[RATE] - w[0] >= 1000), "at most {RATE} tries a second");
    }
    let hours = |ms: i64| ms as f64 / 3_600_000.0;
    eprintln!("drained {:.2} h after its return; {} tries", hours(accepted("down").max().unwrap() - DOWN_FOR), world.tries["down"].len());
}
