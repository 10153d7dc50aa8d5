//! The icmp kind against this machine's own loopback addresses, which answer, and against such that do not.

use super::*;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{Check, SHORT, TIMEOUT, check};

use Outcome::{Down, Unknown, Up};

fn echoing(address: &str) -> Check {
    check(KIND, "address", address)
}

/// Where this process may not send echoes, every run must say what to do, and is never the vendor's fault.
fn is_allowed(seen: &Observation) -> bool {
    if seen.reason == Reason::OwnResource {
        assert_eq!(seen.outcome, Unknown);
        assert!(seen.detail.message.contains("net.ipv4.ping_group_range"), "{}", seen.detail.message);
        return false;
    }
    true
}

#[tokio::test]
async fn a_host_that_answers_is_up() {
    for address in ["127.0.0.1", "::1", "[::1]", "localhost"] {
        let check = echoing(address).expect(&["loss == 0", "rtt < 5s", "latency < 5s"]);
        let seen = check.within(TIMEOUT).await;
        if !is_allowed(&seen) {
            continue;
        }
        assert_eq!((seen.outcome, seen.reason), (Up, Reason::Ok), "{address}: {}", seen.detail.message);
        assert!(seen.detail.message.starts_with("3 of 3 came back, median "), "{}", seen.detail.message);
        assert!(seen.phases.processing.is_some() && seen.duration >= PAUSE_MAX * 2 && seen.duration < TIMEOUT);
    }
}

#[tokio::test]
async fn count_size_and_conditions_are_kept() {
    let many = echoing("127.0.0.1").with("count", Value::Count(7)).with("size", Value::Count(8)).within(SHORT).await;
    if !is_allowed(&many) {
        return;
    }
    assert!(many.detail.message.starts_with("7 of 7"), "the pauses fit into the timeout: {}", many.detail.message);
    for (size, df) in [(1400, true), (20_000, false), (65_507, false)] {
        let big = echoing("127.0.0.1").with("count", Value::Count(1)).with("size", Value::Count(size)).with("df", Value::Flag(df));
        big.sees(Up, Reason::Ok).await;
    }
    let strict = echoing("127.0.0.1").with("count", Value::Count(1)).expect(&["rtt > 5s"]);
    let seen = strict.sees(Down, Reason::Expectation).await;
    assert!(seen.detail.evidence.is_some());
}

#[tokio::test]
async fn runs_beside_each_other_do_not_hear_each_other() {
    let seen = futures_util::future::join_all((0..20).map(|_| async { echoing("127.0.0.1").within(TIMEOUT).await })).await;
    for seen in seen.iter().filter(|seen| is_allowed(seen)) {
        assert!(seen.detail.message.starts_with("3 of 3"), "{}", seen.detail.message);
    }
}

#[tokio::test]
async fn where_nothing_comes_back_in_time_is_down() {
    let seen = echoing("127.0.0.1").within(Duration::ZERO).await;
    if is_allowed(&seen) {
        assert_eq!((seen.outcome, seen.reason), (Down, Reason::ConnectTimeout), "{}", seen.detail.message);
        assert!(seen.detail.message.starts_with("nothing came back of"), "{}", seen.detail.message);
        assert!(seen.detail.evidence.is_some() && seen.phases.processing.is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_sent_in_one_piece_is_unreachable() {
    // The loopback carries 65,536 bytes, less than such an echo has with the header of IPv6.
    let big = |df| echoing("::1").with("size", Value::Count(65_507)).with("count", Value::Count(1)).with("df", Value::Flag(df));
    let seen = big(true).within(TIMEOUT).await;
    if is_allowed(&seen) {
        assert_eq!((seen.outcome, seen.reason), (Down, Reason::ConnectUnreachable), "{}", seen.detail.message);
        assert!(seen.detail.message.contains("in one piece"), "{}", seen.detail.message);
        big(false).sees(Up, Reason::Ok).await;
    }
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let mut probe = IcmpProbe::of(&echoing("localhost").settings, &Workshop::new()).unwrap();
    assert_eq!(probe.host(), "localhost");
    probe.target.configured = false;
    let seen = probe.run(TIMEOUT).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    assert!(seen.detail.message.starts_with("localhost leads to"), "{}", seen.detail.message);
}

#[test]
fn what_came_back_is_counted() {
    let start = clock::instant();
    let ms = Duration::from_millis;
    let mut flown = Flown { sent: vec![start; 4], took: vec![None, Some(ms(30)), Some(ms(10)), Some(ms(20))] };
    assert_eq!((flown.came_back(), flown.loss(4), flown.median()), (3, 0.25, Some(ms(20))));
    assert_eq!(flown.rest_within(), REST_WITHIN + ms(60));
    flown.take(Some(1));
    assert_eq!(flown.took[1], Some(ms(30)), "a second answer to the same echo changes nothing");
    flown.take(Some(9));
    flown.take(None);
    assert_eq!(flown.came_back(), 3);
    flown.take(Some(0));
    assert_eq!((flown.came_back(), flown.loss(4)), (4, 0.0));
    assert_eq!(Flown::default().median(), None);
}

#[test]
fn faults_name_their_key() {
    for address in ["", "a b", "http://a/", "a:1", "[::1]:7"] {
        assert_eq!(echoing(address).faults(), ["address"], "{address}");
    }
    assert_eq!(echoing("192.0.2.1").text("ip", "v6").faults(), ["ip"]);
    assert_eq!(echoing("a").expect(&["body == ''"]).faults(), ["expect"]);
}
