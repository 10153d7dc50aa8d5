//! Whom to tell: alerts become deliveries.
//!
//! The [`Book`] is what is known of alerts and undelivered messages, in memory and equal to the store. Its methods take
//! a fact and the time, change the book and note every row that changed; the recorder writes those in the transaction of
//! the state change that caused them. Promises:
//!
//! * Level-triggered: an alert is told to the book as "holds" or "does not hold"; saying it twice changes nothing.
//! * A resolve goes to exactly the receivers to which its firing went, also when it was over before the first try.
//! * Per (receiver, identity) messages are sent in order (`lanes`); a message about another alert never waits for it.
//! * A delivery that is due is frozen: alerts join only one that still waits for its group.
//!
//! It sends nothing, renders nothing for a channel and knows no retry schedule.

mod facts;
pub mod lanes;
mod marked;

use std::collections::{BTreeMap, BTreeSet};

pub use facts::{FACTS_BYTES_MAX, Links};
pub use marked::test_delivery;

use crate::model::{
    Alert, AlertState, Blame, Delivery, DeliveryState, Event, Identity, Matching, Route, Rule, Severity, State, Status, Timestamp, Uuid,
    alert::Told,
};

/// What is true of an identity now.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    pub severity: Severity,
    pub since: Timestamp,
    pub summary: String,
    pub vendor_name: Option<String>,
    pub tier: Option<u8>,
    pub measured: Option<State>,
    pub blame: Blame,
    pub evidence: Vec<String>,
    /// What the vendor declares.
    pub declared: Option<Status>,
    /// Of what is edited by others while it lasts: another edition is news.
    pub edition: u32,
}

/// How a condition ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    pub at: Timestamp,
    /// Where it turns out to have begun earlier than was told.
    pub began: Option<Timestamp>,
    /// What to say now; without, what was said when it began.
    pub summary: Option<String>,
    pub measured: Option<State>,
}

/// The messages of one group go to one receiver.
type Group = (String, Vec<(String, String)>);

/// Alerts that fire, what was told of them, and what has yet to be delivered.
#[derive(Default)]
pub struct Book {
    firing: BTreeMap<Identity, Alert>,
    /// Groups to which a firing of this alert went, or is on its way.
    told: BTreeMap<Uuid, BTreeSet<Group>>,
    /// When the last firing message of a group was (or will be) due.
    last_due: BTreeMap<Group, Timestamp>,
    /// By `seq`.
    pending: BTreeMap<i64, Delivery>,
    next_seq: i64,
    changed_alerts: BTreeMap<Uuid, Alert>,
    changed_deliveries: BTreeSet<i64>,
    /// Deliveries that left the book in this batch.
    done: Vec<Delivery>,
}

/// Rows that changed since the last call of [`Book::take_changes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub alerts: Vec<Alert>,
    pub deliveries: Vec<Delivery>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.deliveries.is_empty()
    }
}

/// How one try ended, and what follows for the delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub delivery: i64,
    pub at: Timestamp,
    pub code: Option<u16>,
    pub error: Option<String>,
    pub next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    Again(Timestamp),
    Dead,
}

/// What planning needs beside the facts.
pub struct Plan<'a> {
    pub routes: &'a [Route],
    pub links: &'a Links,
    pub now: Timestamp,
    /// Makes the ids of new rows.
    pub new_id: &'a mut dyn FnMut() -> Uuid,
}

impl Book {
    /// The book of a store: its firing alerts, every delivery that is pending or told a firing of one of them, and the next free number.
    pub fn load(alerts: Vec<Alert>, deliveries: Vec<Delivery>, next_seq: i64) -> Book {
        let mut book = Book { next_seq, ..Book::default() };
        book.firing = alerts.into_iter().map(|a| (a.identity.clone(), a)).collect();
        for delivery in deliveries {
            book.remember(&delivery);
            if delivery.state == DeliveryState::Pending {
                book.pending.insert(delivery.seq, delivery);
            }
        }
        book
    }

    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.firing.values()
    }

    pub fn is_firing(&self, identity: &Identity) -> bool {
        self.firing.contains_key(identity)
    }

    pub fn pending(&self) -> impl Iterator<Item = &Delivery> {
        self.pending.values()
    }

    /// Every row that changed, in an order in which they can be written.
    pub fn take_changes(&mut self) -> Changes {
        let mut deliveries: Vec<Delivery> =
            std::mem::take(&mut self.changed_deliveries).iter().filter_map(|seq| self.pending.get(seq).cloned()).collect();
        deliveries.append(&mut self.done);
        deliveries.sort_by_key(|d| d.seq);
        Changes { alerts: std::mem::take(&mut self.changed_alerts).into_values().collect(), deliveries }
    }

    /// `identity` holds, or is over.
    pub fn judge(&mut self, identity: &Identity, condition: Result<Holding, Over>, plan: &mut Plan) {
        match (self.firing.contains_key(identity), condition) {
            (false, Ok(holding)) => self.begin(identity, holding, plan),
            (true, Ok(holding)) => self.worsen(identity, holding, plan),
            (true, Err(over)) => self.end(identity, over, plan),
            (false, Err(_)) => {}
        }
    }

    fn begin(&mut self, identity: &Identity, holding: Holding, plan: &mut Plan) {
        let alert = Alert {
            id: (plan.new_id)(),
            identity: identity.clone(),
            severity: holding.severity,
            state: AlertState::Firing,
            since: holding.since,
            resolved_at: None,
            summary: holding.summary,
            vendor_name: holding.vendor_name,
            tier: holding.tier,
            measured: holding.measured.map(|s| s.as_str().to_owned()),
            declared: holding.declared.map(|s| s.as_str().to_owned()),
            blame: holding.blame,
            evidence: holding.evidence,
            edition: holding.edition,
        };
        self.firing.insert(identity.clone(), alert.clone());
        self.changed_alerts.insert(alert.id, alert.clone());
        if suppressed(&self.firing, identity) {
            return;
        }
        self.tell_firing(&alert, plan);
    }

    /// Tells those whom the routes name and who have not heard of it yet.
    fn tell_firing(&mut self, alert: &Alert, plan: &mut Plan) {
        let told = self.told.get(&alert.id).cloned().unwrap_or_default();
        for route in routes_of(plan.routes, alert).filter(|r| !told.iter().any(|(receiver, _)| *receiver == r.receiver)) {
            let group = (route.receiver.clone(), labels(route, alert));
            let due = self.due_of(&group, route, plan.now);
            self.last_due.insert(group.clone(), due);
            self.told.entry(alert.id).or_default().insert(group.clone());
            self.tell(Event::Firing, group, due, alert, plan);
        }
    }

    /// A group that was told waits for its interval, one that gathers goes on gathering, a new one waits for company.
    fn due_of(&self, group: &Group, route: &Route, now: Timestamp) -> Timestamp {
        let alive = self.told.values().any(|groups| groups.contains(group));
        match self.last_due.get(group).filter(|_| alive) {
            Some(last) if *last > now => *last,
            Some(last) => now.max(*last + route.group_interval),
            None => now + route.group_wait,
        }
    }

    /// A message that still gathers says what is true when it goes out. Afterwards a higher severity and another edition are
    /// news; anything else that changed is not.
    fn worsen(&mut self, identity: &Identity, holding: Holding, plan: &mut Plan) {
        let Some(alert) = self.firing.get_mut(identity) else { return };
        let worse = holding.severity > alert.severity;
        let edited = holding.edition != alert.edition;
        let gathering = gathering(&self.pending, alert.id, plan.now);
        let fresh = !gathering.is_empty() && (&holding.summary, &holding.evidence) != (&alert.summary, &alert.evidence);
        if !worse && !edited && !fresh {
            return;
        }
        // What is edited may be played down; what is measured is as grave as it ever was.
        alert.severity = if edited { holding.severity } else { alert.severity.max(holding.severity) };
        // Dated back, it began earlier than was told.
        alert.since = alert.since.min(holding.since);
        alert.edition = holding.edition;
        alert.declared = holding.declared.map(|s| s.as_str().to_owned());
        alert.summary = holding.summary;
        alert.evidence = holding.evidence;
        let alert = alert.clone();
        self.changed_alerts.insert(alert.id, alert.clone());
        for group in self.told.get(&alert.id).cloned().unwrap_or_default() {
            match gathering.get(&group) {
                Some(seq) => self.freshen(*seq, &alert, plan.links),
                None if worse || edited => self.tell(Event::Updated, group, plan.now, &alert, plan),
                None => {}
            }
        }
        // A route that asks for this severity takes it only now.
        if !suppressed(&self.firing, identity) {
            self.tell_firing(&alert, plan);
        }
    }

    fn freshen(&mut self, seq: i64, alert: &Alert, links: &Links) {
        let Some(delivery) = self.pending.get_mut(&seq) else { return };
        let facts = facts::facts(alert, links);
        let others: usize = delivery.alerts.iter().filter(|told| told.alert != alert.id).map(|told| facts::size(&told.facts)).sum();
        // Where the new words do not fit beside the other alerts of the message, the old ones stay.
        if others + facts::size(&facts) > FACTS_BYTES_MAX {
            return;
        }
        delivery.alerts.iter_mut().filter(|told| told.alert == alert.id).for_each(|told| told.facts = facts.clone());
        self.changed_deliveries.insert(seq);
    }

    fn end(&mut self, identity: &Identity, over: Over, plan: &mut Plan) {
        let Some(mut alert) = self.firing.remove(identity) else { return };
        alert.state = AlertState::Resolved;
        alert.since = over.began.map_or(alert.since, |began| alert.since.min(began));
        alert.resolved_at = Some(over.at.max(alert.since));
        alert.summary = over.summary.unwrap_or(alert.summary);
        alert.measured = over.measured.map(|s| s.as_str().to_owned());
        self.changed_alerts.insert(alert.id, alert.clone());
        for group in self.told.remove(&alert.id).unwrap_or_default() {
            self.tell(Event::Resolved, group, plan.now, &alert, plan);
        }
        self.last_due.retain(|group, _| self.told.values().any(|groups| groups.contains(group)));
        self.tell_uncovered(identity, plan);
    }

    /// What was not told while a worse alert fired is told once that one is over.
    fn tell_uncovered(&mut self, over: &Identity, plan: &mut Plan) {
        if over.rule != Rule::VendorDown {
            return;
        }
        let covered = Identity { rule: Rule::VendorDegraded, ..over.clone() };
        if let Some(alert) = self.firing.get(&covered).cloned() {
            self.tell_firing(&alert, plan);
        }
    }

    /// Puts `alert` into a delivery that still gathers, or into a new one.
    fn tell(&mut self, event: Event, group: Group, due_at: Timestamp, alert: &Alert, plan: &mut Plan) {
        let told = Told { alert: alert.id, identity: alert.identity.clone(), facts: facts::facts(alert, plan.links) };
        let seq = self.joinable(event, &group, due_at, &told, plan.now).unwrap_or_else(|| {
            self.next_seq += 1;
            let delivery = Delivery {
                group: group.1,
                due_at,
                next_attempt_at: Some(due_at),
                ..Delivery::untried((plan.new_id)(), self.next_seq, group.0, event, plan.now)
            };
            self.pending.insert(self.next_seq, delivery);
            self.next_seq
        });
        if let Some(delivery) = self.pending.get_mut(&seq) {
            delivery.alerts.push(told);
        }
        self.changed_deliveries.insert(seq);
    }

    /// A delivery of the same group that is not frozen, has room, and waits for nothing that this alert does not wait for.
    fn joinable(&self, event: Event, group: &Group, due_at: Timestamp, told: &Told, now: Timestamp) -> Option<i64> {
        let fits = |d: &Delivery| {
            let bytes: usize = d.alerts.iter().map(|a| facts::size(&a.facts)).sum();
            bytes + facts::size(&told.facts) <= FACTS_BYTES_MAX
        };
        let gathers = |d: &Delivery| d.attempts == 0 && d.due_at == due_at && (d.due_at > now || self.changed_deliveries.contains(&d.seq));
        let same = |d: &&Delivery| d.event == event && d.receiver == group.0 && d.group == group.1;
        self.pending
            .values()
            .rev()
            .filter(same)
            .find(|d| {
                gathers(d)
                    && fits(d)
                    && self.before(&d.receiver, i64::MAX, [&told.identity])
                        == self.before(&d.receiver, d.seq, d.alerts.iter().map(|a| &a.identity))
            })
            .map(|d| d.seq)
    }

    /// Pending deliveries of a receiver before `seq` that share an identity: what a message about them has to wait for.
    fn before<'a>(&self, receiver: &str, seq: i64, identities: impl IntoIterator<Item = &'a Identity>) -> BTreeSet<i64> {
        let identities: BTreeSet<&Identity> = identities.into_iter().collect();
        let shares = |d: &&Delivery| d.receiver == receiver && d.alerts.iter().any(|a| identities.contains(&a.identity));
        self.pending.range(..seq).map(|(_, d)| d).filter(shares).map(|d| d.seq).collect()
    }

    /// Groups that nobody was reminded of for `repeat_interval` are told again.
    pub fn remind(&mut self, plan: &mut Plan) {
        let mut again: Vec<(Group, Alert)> = Vec::new();
        for alert in self.firing.values().filter(|a| a.state == AlertState::Firing) {
            for group in self.told.get(&alert.id).into_iter().flatten() {
                let repeat = routes_of(plan.routes, alert).find(|r| r.receiver == group.0).map(|r| r.repeat_interval);
                let last = self.last_due.get(group);
                if repeat.zip(last).is_some_and(|(repeat, last)| !repeat.is_zero() && *last + repeat <= plan.now) {
                    again.push((group.clone(), alert.clone()));
                }
            }
        }
        for (group, alert) in again {
            self.last_due.insert(group.clone(), plan.now);
            self.tell(Event::Firing, group, plan.now, &alert, plan);
        }
    }

    /// The wall clock stepped: what waits for an instant waits as long as before.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        let moved = |at: Timestamp| Timestamp::from_millis(at.as_millis().saturating_add(by_ms));
        self.last_due.values_mut().for_each(|due| *due = moved(*due));
        for delivery in self.pending.values_mut() {
            delivery.due_at = moved(delivery.due_at);
            delivery.next_attempt_at = delivery.next_attempt_at.map(moved);
            self.changed_deliveries.insert(delivery.seq);
        }
    }

    /// A try ended. Returns the delivery if it left the book: accepted or dead.
    pub fn attempted(&mut self, attempt: &Attempt) -> Option<Delivery> {
        let delivery = self.pending.get_mut(&attempt.delivery)?;
        delivery.attempts += 1;
        delivery.last_code = attempt.code;
        delivery.last_error = attempt.error.clone();
        match attempt.next {
            Next::Again(at) => {
                delivery.next_attempt_at = Some(at);
                self.changed_deliveries.insert(attempt.delivery);
                None
            }
            Next::Delivered => self.finish(attempt.delivery, DeliveryState::Delivered, Some(attempt.at)),
            Next::Dead => self.finish(attempt.delivery, DeliveryState::Dead, None),
        }
    }

    /// Alerts that joined `done` while its first `tried` ones went out were in no message: what still fires gets one of
    /// its own, what is over is told by its resolve.
    pub fn tell_rest(&mut self, done: &Delivery, tried: usize, plan: &mut Plan) {
        if done.event != Event::Firing {
            return;
        }
        for missed in done.alerts.iter().skip(tried) {
            if let Some(alert) = self.firing.values().find(|a| a.id == missed.alert).cloned() {
                self.tell(Event::Firing, (done.receiver.clone(), done.group.clone()), plan.now, &alert, plan);
            }
        }
    }

    /// Gives up what waits for receivers that no longer exist.
    pub fn bury(&mut self, receiver_exists: impl Fn(&str) -> bool) {
        let orphans: Vec<i64> = self.pending.values().filter(|d| !receiver_exists(&d.receiver)).map(|d| d.seq).collect();
        for seq in orphans {
            if let Some(delivery) = self.pending.get_mut(&seq) {
                delivery.last_error = Some("the receiver was taken out of the configuration".to_owned());
            }
            self.finish(seq, DeliveryState::Dead, None);
        }
    }

    fn finish(&mut self, seq: i64, state: DeliveryState, delivered_at: Option<Timestamp>) -> Option<Delivery> {
        let mut delivery = self.pending.remove(&seq)?;
        delivery.state = state;
        delivery.next_attempt_at = None;
        delivery.delivered_at = delivered_at;
        self.changed_deliveries.remove(&seq);
        self.done.push(delivery.clone());
        Some(delivery)
    }

    fn remember(&mut self, delivery: &Delivery) {
        let group = (delivery.receiver.clone(), delivery.group.clone());
        let firing: BTreeSet<Uuid> = self.firing.values().map(|a| a.id).collect();
        for told in delivery.alerts.iter().filter(|t| delivery.event == Event::Firing && firing.contains(&t.alert)) {
            self.told.entry(told.alert).or_default().insert(group.clone());
            let last = self.last_due.entry(group.clone()).or_insert(delivery.due_at);
            *last = (*last).max(delivery.due_at);
        }
    }
}

/// The deliveries that tell the firing of `alert` and are not yet due, by group.
fn gathering(pending: &BTreeMap<i64, Delivery>, alert: Uuid, now: Timestamp) -> BTreeMap<Group, i64> {
    let tells = |d: &&Delivery| d.event == Event::Firing && d.alerts.iter().any(|told| told.alert == alert);
    let gathers = pending.values().filter(|d| d.attempts == 0 && d.due_at > now).filter(tells);
    gathers.map(|d| ((d.receiver.clone(), d.group.clone()), d.seq)).collect()
}

/// While a vendor is down nobody needs to hear that it is degraded.
fn suppressed(firing: &BTreeMap<Identity, Alert>, identity: &Identity) -> bool {
    identity.rule == Rule::VendorDegraded && firing.contains_key(&Identity { rule: Rule::VendorDown, ..identity.clone() })
}

/// The routes that take `alert`: the first that matches, and those after it while it says `continue`.
/// What a receiver fails at is told to others: by their routes, else to the first other receiver.
fn routes_of<'a>(routes: &'a [Route], alert: &'a Alert) -> impl Iterator<Item = &'a Route> {
    let failing = (alert.identity.rule == Rule::DeliveryFailing).then_some(alert.identity.subject.as_str());
    let able = move |r: &&Route| failing != Some(r.receiver.as_str());
    let mut taken: Vec<&Route> = Vec::new();
    for route in routes.iter().filter(able).filter(|r| matches(&r.matching, alert)) {
        if !taken.iter().any(|t| t.receiver == route.receiver) {
            taken.push(route);
        }
        if !route.continues {
            break;
        }
    }
    if taken.is_empty() && failing.is_some() {
        taken.extend(routes.iter().find(able));
    }
    taken.into_iter()
}

fn matches(matching: &Matching, alert: &Alert) -> bool {
    let globs = |patterns: &[String], text: &str| {
        patterns.is_empty() || patterns.iter().any(|p| glob::Pattern::new(p).is_ok_and(|p| p.matches(text)))
    };
    let vendor = alert.identity.vendor.as_ref().map_or("", |v| v.as_str());
    (matching.tier.is_empty() || alert.tier.is_some_and(|t| matching.tier.contains(&t)))
        && globs(&matching.vendor, vendor)
        && globs(&matching.rule, alert.identity.rule.as_str())
        && (matching.severity.is_empty() || matching.severity.contains(&alert.severity))
}

/// What `group_by` may name: what stays the same while an alert fires, which its severity need not.
pub const GROUP_LABELS: &[&str] = &["vendor", "rule", "tier", "subject"];

fn labels(route: &Route, alert: &Alert) -> Vec<(String, String)> {
    let value = |label: &str| match label {
        "vendor" => alert.identity.vendor.as_ref().map(|v| v.to_string()).unwrap_or_default(),
        "rule" => alert.identity.rule.to_string(),
        "tier" => alert.tier.map(|t| t.to_string()).unwrap_or_default(),
        _ => alert.identity.subject.clone(),
    };
    route.group_by.iter().map(|label| (label.clone(), value(label))).collect()
}

#[cfg(test)]
mod tests;
