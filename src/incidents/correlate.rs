//! Their word against our clock: which of a vendor's incidents speaks of which outage, and how late it came.
//!
//! Nothing of it is stored: a vendor may post, or back-date, long after an outage was over, so it is asked again at every
//! look. An incident may speak of several outages; an outage is spoken of by the post that is nearest to its beginning.

use std::time::Duration;

use crate::model::words::words;
use crate::model::{Outage, Segment, State, Timestamp, Uuid};
use crate::uptime::{Tally, clip};

/// An incident may begin, by its vendor's word, this long after our outage was over.
const BEGINS_WITHIN: Duration = Duration::from_secs(60 * 60);
/// An outage may begin this long after its vendor thought that it was over.
pub const LINKED_WITHIN: Duration = Duration::from_secs(180 * 60);
/// Nobody is blamed for having said nothing of less.
const SILENT_FROM: Duration = Duration::from_secs(10 * 60);

words! {
    /// How what a vendor declares and what we measured go together.
    Class {
        /// Posted while it lasted, or before.
        Acknowledged = "acknowledged",
        /// Posted when it was over.
        Late = "late",
        /// We saw it, they never said.
        Silent = "silent",
        /// They said, we never felt it.
        Phantom = "phantom",
    }
}

/// What matters here of an incident that touches what we use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Post {
    pub incident: Uuid,
    /// The vendor's word, which may be back-dated.
    pub started_at: Timestamp,
    pub resolved_at: Option<Timestamp>,
    /// Of the first update, by the vendor's clock; never later than when we saw it.
    pub posted_at: Timestamp,
}

impl Post {
    fn speaks_of(&self, outage: &Outage, now: Timestamp) -> bool {
        let begins_in_time = self.started_at - BEGINS_WITHIN <= outage.ended_at.unwrap_or(now);
        begins_in_time && self.resolved_at.is_none_or(|resolved| resolved + LINKED_WITHIN >= outage.started_at)
    }

    /// Milliseconds from our first failing run to the post; negative: the vendor told us first.
    pub const fn lag_ms(&self, outage: &Outage) -> i64 {
        self.posted_at.millis_since(outage.started_at)
    }
}

/// The post about `outage`, of those of its vendor.
pub fn post_about<'p>(outage: &Outage, posts: &'p [Post], now: Timestamp) -> Option<&'p Post> {
    let about = posts.iter().filter(|post| post.speaks_of(outage, now));
    about.min_by_key(|post| (post.lag_ms(outage).unsigned_abs(), post.incident))
}

/// `None`: not judged, because it still lasts, it was short, or there may yet be a post. `has_page`: there is a place where
/// the vendor could have said it.
pub fn class_of(outage: &Outage, post: Option<&Post>, has_page: bool, now: Timestamp) -> Option<Class> {
    let over = outage.ended_at;
    match post {
        Some(post) if over.is_some_and(|end| post.posted_at > end) => Some(Class::Late),
        Some(_) => Some(Class::Acknowledged),
        None => {
            let no_more_posts = over.is_some_and(|end| now > end + BEGINS_WITHIN);
            (has_page && no_more_posts && outage.duration(now) >= SILENT_FROM).then_some(Class::Silent)
        }
    }
}

/// Whether `post` is about something that we watched (for most of its time, by the vendor's `timeline`) and did not feel.
pub fn is_phantom(post: &Post, outages: &[Outage], timeline: &[Segment], now: Timestamp) -> bool {
    let Some(resolved) = post.resolved_at.filter(|end| *end > post.started_at) else { return false };
    let seen = clip(timeline, post.started_at, resolved);
    let tally = Tally::of(&seen);
    let felt = seen.iter().any(|segment| matches!(segment.state, State::Down | State::Degraded));
    let watched = u128::from(tally.known().unsigned_abs()) * 2 >= resolved.since(post.started_at).as_millis();
    watched && !felt && !outages.iter().any(|outage| post.speaks_of(outage, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Blame, Reason, SegmentReason, VendorId};

    const MINUTE: i64 = 60_000;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * MINUTE)
    }

    fn outage(from: i64, to: Option<i64>) -> Outage {
        Outage {
            id: Uuid::nil(),
            vendor: VendorId::new("acme"),
            started_at: at(from),
            not_before: None,
            started_boot: None,
            confirmed_at: at(from),
            ended_at: to.map(at),
            stepped: None,
            blame: Blame::Vendor,
            checks: Vec::new(),
        }
    }

    fn post(started: i64, posted: i64, resolved: Option<i64>) -> Post {
        Post {
            incident: Uuid::from_u128(posted.unsigned_abs().into()),
            started_at: at(started),
            posted_at: at(posted),
            resolved_at: resolved.map(at),
        }
    }

    #[test]
    fn what_lies_within_the_window_is_linked() {
        let ours = outage(1000, Some(1030));
        for (post, linked) in [
            (post(1000, 1006, None), true),
            (post(1090, 1090, None), true),
            (post(1091, 1091, None), false),
            (post(700, 700, Some(820)), true),
            (post(700, 700, Some(819)), false),
            (post(900, 2000, Some(2001)), true),
        ] {
            assert_eq!(post_about(&ours, &[post], at(3000)).is_some(), linked, "{post:?}");
        }
        assert!(post_about(&outage(1000, None), &[post(1100, 1100, None)], at(1045)).is_some(), "it still lasts");
    }

    #[test]
    fn the_nearest_post_speaks_and_tells_the_lag() {
        let ours = outage(1000, Some(1030));
        let posts = [post(990, 980, None), post(1000, 1006, None), post(1001, 1040, None)];
        let nearest = post_about(&ours, &posts, at(3000)).unwrap();
        assert_eq!(nearest.lag_ms(&ours), 6 * MINUTE);
        assert_eq!(post_about(&ours, &posts[..1], at(3000)).unwrap().lag_ms(&ours), -20 * MINUTE, "they told us first");
    }

    #[test]
    fn each_outage_has_its_class() {
        let over = outage(1000, Some(1030));
        for (outage, post, has_page, now, class) in [
            (&over, Some(post(1000, 1006, None)), true, 2000, Some(Class::Acknowledged)),
            (&over, Some(post(990, 990, None)), true, 2000, Some(Class::Acknowledged)),
            (&over, Some(post(1000, 1031, None)), true, 2000, Some(Class::Late)),
            (&over, None, true, 1091, Some(Class::Silent)),
            (&over, None, true, 1090, None),
            (&over, None, false, 2000, None),
            (&outage(1000, Some(1009)), None, true, 2000, None),
            (&outage(1000, None), None, true, 2000, None),
            (&outage(1000, None), Some(post(1000, 1300, None)), true, 2000, Some(Class::Acknowledged)),
        ] {
            assert_eq!(class_of(outage, post.as_ref(), has_page, at(now)), class, "{outage:?} {post:?}");
        }
    }

    #[test]
    fn a_phantom_is_what_we_watched_and_did_not_feel() {
        let state = |from, to, state| Segment { from: at(from), to: at(to), state, reason: SegmentReason::Seen(Reason::Ok) };
        let up = [state(0, 2000, State::Up)];
        let dip = [state(0, 1010, State::Up), state(1010, 1012, State::Degraded), state(1012, 2000, State::Up)];
        let half = [state(0, 1015, State::Up), state(1015, 2000, State::Unknown)];
        let less = [state(0, 1014, State::Up), state(1014, 2000, State::Unknown)];
        let theirs = post(1000, 1000, Some(1030));
        for (timeline, phantom) in [(&up[..], true), (&dip[..], false), (&half[..], true), (&less[..], false), (&[][..], false)] {
            assert_eq!(is_phantom(&theirs, &[], timeline, at(2000)), phantom, "{timeline:?}");
        }
        assert!(!is_phantom(&theirs, &[outage(1100, Some(1130))], &up, at(2000)), "an outage that it may speak of");
        assert!(!is_phantom(&post(1000, 1000, None), &[], &up, at(2000)), "not over");
    }
}
