//! Outages: a vendor's confirmed `down` as one thing with a beginning and an end.
//!
//! Level-triggered: [`outage`] is asked after every change with what is confirmed *now*, and answers what the outage has
//! become. So a reload, a restart or a change that came twice cannot open or end one wrongly. Neither unknown time nor a
//! restart ends an outage; only confirmed recovery does, or that nothing counts any more.

pub mod correlate;

use std::time::Duration;

use crate::health::{Confirmed, capped};
use crate::model::{Blame, Outage, SeverityCap, State, Timestamp, Uuid, VendorId};

/// One check of a vendor that counts.
#[derive(Clone, Copy, Debug)]
pub struct CheckNow<'a> {
    pub name: &'a str,
    pub confirmed: Option<Confirmed>,
    pub severity: SeverityCap,
}

impl CheckNow<'_> {
    fn gives(&self) -> Option<State> {
        capped(self.confirmed?.state, self.severity)
    }

    /// Since when it gives its vendor `down`.
    pub fn down_since(&self) -> Option<Confirmed> {
        self.confirmed.filter(|_| self.gives() == Some(State::Down))
    }
}

/// The worst that the checks have confirmed, evidence or not; `None` while nothing is confirmed.
pub fn confirmed_state(checks: &[CheckNow]) -> Option<State> {
    checks.iter().filter_map(CheckNow::gives).max_by_key(|s| s.badness())
}

/// What became of a vendor's outage.
#[derive(Clone, Debug, PartialEq)]
pub enum OutageChange {
    Opened(Outage),
    /// A failure within the merge gap: the same outage, but a new alert.
    Reopened(Outage),
    /// Another check joined, or it began earlier than was known.
    Grew(Outage),
    Ended(Outage),
}

impl OutageChange {
    pub fn outage(&self) -> &Outage {
        match self {
            OutageChange::Opened(o) | OutageChange::Reopened(o) | OutageChange::Grew(o) | OutageChange::Ended(o) => o,
        }
    }
}

/// Both clocks at the run that made this question worth asking.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub wall: Timestamp,
    pub boot: Duration,
}

/// What the vendor's latest outage (open or not) has become; `None`: nothing new.
pub fn outage(
    vendor: &VendorId,
    latest: Option<&Outage>,
    checks: &[CheckNow],
    merge_gap: Duration,
    blame: Blame,
    now: Now,
    new_id: impl FnOnce() -> Uuid,
) -> Option<OutageChange> {
    let mut down: Vec<(&str, Confirmed)> = checks.iter().filter_map(|c| Some((c.name, c.down_since()?))).collect();
    down.sort_by_key(|(_, c)| c.since);
    let first = down.first().map(|(_, c)| *c);
    match (latest, first) {
        (Some(open), Some(_)) if open.ended_at.is_none() => grown(open, &down).map(OutageChange::Grew),
        (Some(open), None) if open.ended_at.is_none() => Some(OutageChange::Ended(ended(open, checks, now))),
        (Some(over), Some(first)) if since_end(over, first).is_some_and(|gap| gap <= merge_gap) => {
            let reopened = Outage { ended_at: None, stepped: None, ..over.clone() };
            Some(OutageChange::Reopened(grown(&reopened, &down).unwrap_or(reopened)))
        }
        (_, Some(first)) => Some(OutageChange::Opened(Outage {
            id: new_id(),
            vendor: vendor.clone(),
            started_at: first.since,
            not_before: latest.and_then(|over| over.ended_at),
            started_boot: known(first.since_boot),
            confirmed_at: now.wall,
            ended_at: None,
            stepped: None,
            blame,
            checks: down.iter().map(|(name, _)| (*name).to_owned()).collect(),
        })),
        (_, None) => None,
    }
}

/// How long it was over when `next` began, by the clock that did not step where that is known.
fn since_end(over: &Outage, next: Confirmed) -> Option<Duration> {
    let end = over.ended_at?;
    let by_boot = || known(next.since_boot)?.checked_sub(over.started_boot? + over.duration(end));
    Some(by_boot().unwrap_or_else(|| next.since.since(end)))
}

/// `open` with the checks that are down now; `None` if that changes nothing.
fn grown(open: &Outage, down: &[(&str, Confirmed)]) -> Option<Outage> {
    let mut grown = open.clone();
    for (name, confirmed) in down {
        if !grown.checks.iter().any(|known| known == name) {
            grown.checks.push((*name).to_owned());
        }
        let (since, boot) = match grown.not_before {
            // It was down already while the outage before it lasted.
            Some(end) if confirmed.since < end => (end, None),
            _ => (confirmed.since, known(confirmed.since_boot)),
        };
        if since < grown.started_at {
            (grown.started_at, grown.started_boot) = (since, boot);
        }
    }
    (grown != *open).then_some(grown)
}

/// Ended with the first good run of the check that recovered last; where a check stopped counting, now.
fn ended(open: &Outage, checks: &[CheckNow], now: Now) -> Outage {
    let recovered = |name: &String| {
        let confirmed = checks.iter().find(|c| c.name == name)?.confirmed.filter(|c| c.state != State::Down)?;
        Some(confirmed.down_until.unwrap_or((confirmed.since, confirmed.since_boot)))
    };
    let ends: Option<Vec<(Timestamp, Duration)>> = open.checks.iter().map(recovered).collect();
    let (end, boot) = ends.and_then(|ends| ends.into_iter().max()).unwrap_or((now.wall, now.boot));
    let end = end.max(open.started_at);
    let by_boot = open.started_boot.and_then(|start| known(boot)?.checked_sub(start));
    let stepped = by_boot.filter(|by_boot| by_boot.abs_diff(end.since(open.started_at)) > STEP_NOISE);
    Outage { ended_at: Some(end), stepped, ..open.clone() }
}

/// Runs that were read back from the journal have no boot clock.
fn known(boot: Duration) -> Option<Duration> {
    (!boot.is_zero()).then_some(boot)
}

/// Clocks that disagree by less are disciplined by NTP or smear a leap second.
pub const STEP_NOISE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    mod properties;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(s as i64 * 1000)
    }

    fn now(s: u64) -> Now {
        Now { wall: at(s), boot: Duration::from_secs(s) }
    }

    fn check(name: &str, state: State, since: u64) -> CheckNow<'_> {
        let confirmed = Confirmed { state, since: at(since), since_boot: Duration::from_secs(since), reason: Reason::Ok, down_until: None };
        CheckNow { name, confirmed: Some(confirmed), severity: SeverityCap::Down }
    }

    fn ask(latest: Option<&Outage>, checks: &[CheckNow], s: u64) -> Option<OutageChange> {
        outage(&VendorId::new("acme"), latest, checks, Duration::from_secs(300), Blame::Inconclusive, now(s), || {
            Uuid::from_u128(u128::from(s))
        })
    }

    fn opened(checks: &[CheckNow], s: u64) -> Outage {
        match ask(None, checks, s) {
            Some(OutageChange::Opened(o)) => o,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn begins_at_the_first_failing_run_and_ends_at_the_first_good_one() {
        let open = opened(&[check("api", State::Down, 100), check("tls", State::Up, 0)], 103);
        assert_eq!((open.started_at, open.confirmed_at, open.ended_at), (at(100), at(103), None));
        let Some(OutageChange::Ended(over)) = ask(Some(&open), &[check("api", State::Up, 200)], 202) else { panic!() };
        assert_eq!((over.ended_at, over.stepped), (Some(at(200)), None));
        assert_eq!(ask(Some(&over), &[check("api", State::Up, 200)], 203), None);
    }

    #[test]
    fn a_second_check_joins_and_may_move_the_start_back() {
        let open = opened(&[check("api", State::Down, 100)], 101);
        let both = [check("api", State::Down, 100), check("web", State::Down, 98)];
        let Some(OutageChange::Grew(grown)) = ask(Some(&open), &both, 104) else { panic!() };
        assert_eq!((grown.started_at, grown.checks.len()), (at(98), 2));
        assert_eq!(ask(Some(&grown), &both, 105), None);
        let Some(OutageChange::Ended(over)) = ask(Some(&grown), &[check("api", State::Up, 150), check("web", State::Up, 140)], 151) else {
            panic!()
        };
        assert_eq!(over.ended_at, Some(at(150)), "it ends with the last recovery");
    }

    #[test]
    fn a_new_failure_within_the_merge_gap_is_the_same_outage() {
        let over = Outage { ended_at: Some(at(200)), ..opened(&[check("api", State::Down, 100)], 101) };
        let Some(OutageChange::Reopened(again)) = ask(Some(&over), &[check("api", State::Down, 500)], 502) else { panic!() };
        assert_eq!((again.id, again.started_at, again.ended_at), (over.id, at(100), None));
        assert!(matches!(ask(Some(&over), &[check("api", State::Down, 501)], 502), Some(OutageChange::Opened(_))));
    }

    #[test]
    fn in_an_hour_that_repeats_itself_the_gap_is_a_gap() {
        let over = Outage { ended_at: Some(at(200)), ..opened(&[check("api", State::Down, 100)], 101) };
        let began = |boot| {
            let down = Confirmed {
                state: State::Down,
                since: at(200),
                since_boot: Duration::from_secs(boot),
                reason: Reason::Ok,
                down_until: None,
            };
            ask(Some(&over), &[CheckNow { name: "api", confirmed: Some(down), severity: SeverityCap::Down }], 200)
        };
        assert!(matches!(began(500), Some(OutageChange::Reopened(_))));
        assert!(matches!(began(501), Some(OutageChange::Opened(_))));
    }

    #[test]
    fn what_no_longer_counts_ends_it_now() {
        let open = opened(&[check("api", State::Down, 100)], 101);
        let Some(OutageChange::Ended(over)) = ask(Some(&open), &[check("web", State::Up, 0)], 300) else { panic!() };
        assert_eq!(over.ended_at, Some(at(300)));
    }

    #[test]
    fn where_the_wall_clock_stepped_the_other_clock_tells_the_length() {
        let open = opened(&[check("api", State::Down, 100)], 101);
        let back =
            Confirmed { state: State::Up, since: at(100), since_boot: Duration::from_secs(700), reason: Reason::Ok, down_until: None };
        let recovered = CheckNow { name: "api", confirmed: Some(back), severity: SeverityCap::Down };
        let Some(OutageChange::Ended(over)) = ask(Some(&open), &[recovered], 100) else { panic!() };
        assert_eq!(over.duration(at(0)), Duration::from_secs(600));
    }

    #[test]
    fn a_check_that_may_only_degrade_opens_nothing() {
        let capped = CheckNow { severity: SeverityCap::Degraded, ..check("api", State::Down, 100) };
        assert_eq!(ask(None, &[capped], 101), None);
        assert_eq!(confirmed_state(&[capped]), Some(State::Degraded));
    }

    /// The slow check was confirmed late, and its outage reached back into one that was long over.
    #[test]
    fn an_outage_does_not_reach_into_the_one_before() {
        let over = Outage { ended_at: Some(at(200)), ..opened(&[check("api", State::Down, 100)], 101) };
        let Some(OutageChange::Opened(open)) = ask(Some(&over), &[check("api", State::Down, 900)], 902) else { panic!() };
        let both = [check("api", State::Down, 900), check("web", State::Down, 150)];
        let Some(OutageChange::Grew(grown)) = ask(Some(&open), &both, 903) else { panic!() };
        assert_eq!((grown.started_at, grown.started_boot), (at(200), None));
    }

    /// A check that recovered and became degraded later made the outage last until then.
    #[test]
    fn only_the_way_out_of_down_ends_it() {
        let open = opened(&[check("api", State::Down, 100), check("web", State::Down, 100)], 101);
        let degraded = Confirmed { down_until: Some((at(150), Duration::ZERO)), ..check("api", State::Degraded, 300).confirmed.unwrap() };
        let api = CheckNow { confirmed: Some(degraded), ..check("api", State::Degraded, 300) };
        let Some(OutageChange::Ended(over)) = ask(Some(&open), &[api, check("web", State::Up, 250)], 310) else { panic!() };
        assert_eq!(over.ended_at, Some(at(250)));
    }

    /// A check that may no longer take its vendor down left an outage without length.
    #[test]
    fn a_check_that_only_degrades_from_now_on_ends_it_now() {
        let open = opened(&[check("api", State::Down, 100)], 101);
        let capped = CheckNow { severity: SeverityCap::Degraded, ..check("api", State::Down, 100) };
        let Some(OutageChange::Ended(over)) = ask(Some(&open), &[capped], 300) else { panic!() };
        assert_eq!(over.ended_at, Some(at(300)));
    }
}
