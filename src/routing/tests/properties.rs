//! Random conditions, tries and restarts: who was told of what, in which order, and what waits for what.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const RECEIVERS: [&str; 3] = ["oncall", "lead", "archive"];
const RULES: [Rule; 3] = [Rule::VendorDown, Rule::VendorDegraded, Rule::TlsExpiring];
const VENDORS: [&str; 2] = ["acme", "other"];

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let labels = prop_oneof![Just(vec![]), Just(vec!["vendor"]), Just(vec!["vendor", "rule"]), Just(vec!["severity"])];
    let severity = prop_oneof![2 => Just(vec![]), 1 => Just(vec![Severity::Critical])];
    let seconds = || prop_oneof![Just(0u64), Just(15), Just(300)].prop_map(Duration::from_secs);
    let one = (labels, severity, seconds(), seconds(), prop_oneof![Just(0u64), Just(600)], any::<bool>());
    vec(one, 3).prop_map(|all| {
        all.into_iter()
            .zip(RECEIVERS)
            .map(|((labels, severity, group_wait, group_interval, repeat, continues), receiver)| Route {
                matching: Matching { severity, ..Matching::default() },
                group_by: labels.into_iter().map(str::to_owned).collect(),
                group_wait,
                group_interval,
                repeat_interval: Duration::from_secs(repeat),
                continues,
                ..route(receiver)
            })
            .collect()
    })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Rule, vendor, severity and lines of evidence, or over.
    Judge(usize, usize, Option<(Severity, usize)>),
    Wait(i64),
    /// Begins the n-th try that may begin.
    Try(usize),
    /// Ends the n-th try in flight.
    End(usize, u8),
    Commit,
    Remind,
    Restart,
    Bury(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let severity = prop_oneof![Just(Severity::Warning), Just(Severity::Critical)];
    let lines = prop_oneof![4 => Just(1usize), 1 => Just(30), 1 => Just(90)];
    prop_oneof![
        10 => (0..3usize, 0..2usize, proptest::option::of((severity, lines))).prop_map(|(r, v, s)| Step::Judge(r, v, s)),
        6 => (0..200i64).prop_map(Step::Wait),
        6 => (0..9usize).prop_map(Step::Try),
        6 => (0..9usize, 0..6u8).prop_map(|(n, how)| Step::End(n, how)),
        3 => Just(Step::Commit),
        1 => Just(Step::Remind),
        1 => Just(Step::Restart),
        1 => (0..30usize).prop_map(Step::Bury),
    ]
}

/// A desk, what its rows became in a store, and the tries in flight with what they send.
struct World {
    desk: Desk,
    now: i64,
    alerts: BTreeMap<Uuid, Alert>,
    deliveries: BTreeMap<i64, Delivery>,
    in_flight: BTreeMap<i64, Vec<Uuid>>,
}

impl World {
    fn commit(&mut self) {
        let changes = self.desk.book.take_changes();
        self.alerts.extend(changes.alerts.into_iter().map(|a| (a.id, a)));
        self.deliveries.extend(changes.deliveries.into_iter().map(|d| (d.seq, d)));
    }

    /// What may be tried now, as the dispatcher sees it: only what is committed.
    fn ready(&self) -> Vec<i64> {
        let in_flight: BTreeSet<i64> = self.in_flight.keys().copied().collect();
        let of = |receiver: &&str| {
            let pending = self.deliveries.values().filter(|d| d.receiver == **receiver && d.state == DeliveryState::Pending);
            lanes::ready(pending, &in_flight, at(self.now)).now
        };
        RECEIVERS.iter().flat_map(of).collect()
    }

    fn end(&mut self, seq: i64, next: Next) -> Result<(), TestCaseError> {
        let sent = self.in_flight.remove(&seq).expect("it is in flight");
        self.desk.book.attempted(&Attempt { delivery: seq, at: at(self.now), code: None, error: None, next });
        self.commit();
        let alerts: Vec<Uuid> = self.deliveries[&seq].alerts.iter().map(|a| a.alert).collect();
        prop_assert_eq!(alerts, sent, "an alert joined a delivery that was being sent");
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Judge(rule, vendor, holds) => {
                let now = self.now;
                let holding = holds.map(|(severity, lines)| Holding { evidence: vec!["x".repeat(300); lines], ..holding(severity) });
                self.desk.with(now, |book, plan| {
                    let over = Over { at: plan.now, began: None, summary: None, measured: None };
                    book.judge(&identity(RULES[rule], VENDORS[vendor]), holding.ok_or(over), plan);
                });
            }
            Step::Wait(by) => {
                // The recorder commits before time passes.
                self.commit();
                self.now += by;
            }
            Step::Try(n) => {
                self.commit();
                if let Some(seq) = self.ready().get(n).copied() {
                    let alerts = self.deliveries[&seq].alerts.iter().map(|a| a.alert).collect();
                    self.in_flight.insert(seq, alerts);
                }
            }
            Step::End(n, how) => {
                if let Some(seq) = self.in_flight.keys().nth(n).copied() {
                    let next = match how {
                        0 => Next::Dead,
                        1 | 2 => Next::Again(at(self.now + 60)),
                        _ => Next::Delivered,
                    };
                    self.end(seq, next)?;
                }
            }
            Step::Commit => self.commit(),
            Step::Remind => {
                let now = self.now;
                self.desk.with(now, |book, plan| book.remind(plan));
            }
            Step::Restart => self.restart()?,
            Step::Bury(n) => {
                if let Some(gone) = RECEIVERS.get(n) {
                    self.in_flight.retain(|seq, _| self.deliveries[seq].receiver != *gone);
                    self.desk.book.bury(|receiver| receiver != *gone);
                }
            }
        }
        Ok(())
    }

    /// A book from what was written, as the store selects it.
    fn restart(&mut self) -> Result<(), TestCaseError> {
        self.commit();
        self.in_flight.clear();
        let firing: Vec<Alert> = self.alerts.values().filter(|a| a.state != AlertState::Resolved).cloned().collect();
        let tells = |d: &Delivery| d.event == Event::Firing && d.alerts.iter().any(|t| firing.iter().any(|a| a.id == t.alert));
        let deliveries = self.deliveries.values().filter(|d| d.state == DeliveryState::Pending || tells(d)).cloned().collect();
        let book = Book::load(firing, deliveries, self.deliveries.keys().last().copied().unwrap_or(0));
        prop_assert_eq!(book.firing().collect::<Vec<_>>(), self.desk.book.firing().collect::<Vec<_>>());
        prop_assert_eq!(book.pending().collect::<Vec<_>>(), self.desk.book.pending().collect::<Vec<_>>());
        prop_assert_eq!(&book.told, &self.desk.book.told);
        self.desk.book = book;
        Ok(())
    }

    fn older_about<'a>(&'a self, d: &'a Delivery, identity: &'a Identity) -> impl Iterator<Item = i64> + 'a {
        let pending = self.deliveries.range(..d.seq).map(|(_, older)| older).filter(|o| o.state == DeliveryState::Pending);
        pending.filter(move |o| o.receiver == d.receiver && o.alerts.iter().any(|a| a.identity == *identity)).map(|o| o.seq)
    }

    /// What holds whenever everything is committed.
    fn holds(&self) -> Result<(), TestCaseError> {
        let ready = self.ready();
        for d in self.deliveries.values().filter(|d| d.state == DeliveryState::Pending) {
            let waits: Vec<BTreeSet<i64>> = d.alerts.iter().map(|a| self.older_about(d, &a.identity).collect()).collect();
            prop_assert!(waits.windows(2).all(|w| w[0] == w[1]), "an alert waits for what is about others: {:?}", d);
            let due = d.next_attempt_at.unwrap_or(d.due_at) <= at(self.now);
            let may = due && waits.iter().all(BTreeSet::is_empty) && !self.in_flight.contains_key(&d.seq);
            prop_assert_eq!(ready.contains(&d.seq), may, "{:?}", d);
            prop_assert!(!self.in_flight.contains_key(&d.seq) || waits.iter().all(BTreeSet::is_empty), "two tries about one alert");
        }
        Ok(())
    }

    fn messages(&self) -> Result<(), TestCaseError> {
        for d in self.deliveries.values() {
            prop_assert!(d.alerts.iter().map(|a| facts::size(&a.facts)).sum::<usize>() <= FACTS_BYTES_MAX);
            let about: BTreeSet<&Identity> = d.alerts.iter().map(|a| &a.identity).collect();
            prop_assert_eq!(about.len(), d.alerts.len(), "an identity twice in one message");
        }
        Ok(())
    }

    /// Whom the routes name hears of what fires, also where it became worse only later.
    fn audience(&self) -> Result<(), TestCaseError> {
        for alert in self.desk.book.firing().filter(|a| !suppressed(&self.desk.book.firing, &a.identity)) {
            let told: BTreeSet<&str> = self.desk.book.told.get(&alert.id).into_iter().flatten().map(|(receiver, _)| &**receiver).collect();
            for route in routes_of(&self.desk.routes, alert) {
                prop_assert!(told.contains(&*route.receiver), "{} does not hear of {:?}", route.receiver, alert);
            }
        }
        Ok(())
    }

    /// Per receiver and identity: firing, perhaps again or updated, resolved once, and so on.
    fn stories(&self) -> Result<(), TestCaseError> {
        let mut open: BTreeMap<(&str, &Identity), Uuid> = BTreeMap::new();
        for d in self.deliveries.values() {
            for told in &d.alerts {
                let key = (d.receiver.as_str(), &told.identity);
                match (d.event, open.get(&key)) {
                    (Event::Firing, None) => drop(open.insert(key, told.alert)),
                    (Event::Firing | Event::Updated, Some(alert)) => prop_assert_eq!(*alert, told.alert),
                    (Event::Resolved, Some(alert)) => {
                        prop_assert_eq!(*alert, told.alert);
                        open.remove(&key);
                    }
                    (event, None) => prop_assert!(false, "{event} without a firing: {:?}", d),
                    (event, _) => prop_assert!(false, "{event} was not asked for: {:?}", d),
                }
            }
        }
        for ((receiver, identity), alert) in open {
            prop_assert!(self.alerts[&alert].state != AlertState::Resolved, "{receiver} never hears that {identity:?} is over");
        }
        Ok(())
    }

    fn deliver_everything(&mut self) -> Result<(), TestCaseError> {
        self.commit();
        for seq in self.in_flight.keys().copied().collect::<Vec<_>>() {
            self.end(seq, Next::Delivered)?;
        }
        for _ in 0..=2 * self.deliveries.len() {
            for seq in self.ready() {
                let alerts = self.deliveries[&seq].alerts.iter().map(|a| a.alert).collect();
                self.in_flight.insert(seq, alerts);
                self.end(seq, Next::Delivered)?;
            }
            self.now += 600;
        }
        prop_assert_eq!(self.desk.book.pending().count(), 0, "something waits for ever");
        Ok(())
    }
}

proptest! {
    #[test]
    fn everybody_hears_the_whole_story_in_order(routes in routes(), steps in vec(step(), 1..60)) {
        let (alerts, deliveries, in_flight) = Default::default();
        let mut world = World { desk: Desk::new(routes), now: 1000, alerts, deliveries, in_flight };
        for step in steps {
            world.step(step)?;
            if world.desk.book.changed_deliveries.is_empty() && world.desk.book.done.is_empty() {
                world.holds()?;
            }
        }
        world.audience()?;
        world.deliver_everything()?;
        world.holds()?;
        world.messages()?;
        world.stories()?;
    }
}
