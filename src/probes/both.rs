//! `ip = "both"`: the same look over IPv4 and over IPv6, for every kind that has the key.
//!
//! One family that fails beside one that works is `degraded` with the reason of the failure (F17): users of that family
//! are cut off, the others are not. What is our own fault in one family says nothing, and the other one stands.

use std::sync::Arc;
use std::time::Duration;

use super::{Kind, Probe, Run, Workshop};
use crate::model::settings::Built;
use crate::model::{Detail, Fault, Observation, Outcome, Settings, Value};
use crate::probes::failure::clean;

struct Both {
    v4: Arc<dyn Probe>,
    v6: Arc<dyn Probe>,
}

pub(super) fn build(kind: &Kind, settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let over = |family: &str| {
        let mut settings = settings.clone();
        settings.0.insert("ip", Value::Text(family.to_owned()));
        (kind.build)(&settings, workshop)
    };
    // What is wrong with one is wrong with the other.
    let v4 = over("v4")?;
    if v4.memory().is_some() {
        let fault = Fault::new("ip", "a page is compared with what it said before, over one family");
        return Err(vec![fault.hint("write \"v4\" or \"v6\", or leave it out")]);
    }
    Ok(Arc::new(Both { v4, v6: over("v6")? }))
}

impl Probe for Both {
    fn host(&self) -> &str {
        self.v4.host()
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let (v4, v6) = futures_util::future::join(self.v4.run(timeout), self.v6.run(timeout)).await;
            together(v4, v6)
        })
    }
}

fn together(v4: Observation, v6: Observation) -> Observation {
    let badness = |o: &Observation| match o.outcome {
        Outcome::Up => 0,
        Outcome::Unknown => 1,
        Outcome::Degraded => 2,
        Outcome::Down => 3,
    };
    let (works, fails, family) = if badness(&v6) > badness(&v4) { (v4, v6, "IPv6") } else { (v6, v4, "IPv4") };
    let alone = |outcome| matches!(outcome, Outcome::Up | Outcome::Degraded);
    let duration = works.duration.max(fails.duration);
    let mut told = match (works.outcome, fails.outcome) {
        // Both are the same: what IPv4 saw is told, as it would be without the key.
        (a, b) if a == b => fails.clone(),
        (up, Outcome::Unknown) if alone(up) => {
            let message =
                clean(&format!("{}; not seen over {family}: {}", works.detail.message, fails.detail.message), Detail::MESSAGE_CHARS_MAX);
            Observation { detail: Detail { message, ..works.detail.clone() }, ..works.clone() }
        }
        (up, _) if alone(up) => {
            let message = clean(&format!("over {family}: {}", fails.detail.message), Detail::MESSAGE_CHARS_MAX);
            Observation { outcome: Outcome::Degraded, detail: Detail { message, ..fails.detail.clone() }, ..fails.clone() }
        }
        _ => fails.clone(),
    };
    told.duration = duration;
    told.detail.hops = fails.detail.hops.into_iter().chain(works.detail.hops).collect();
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    fn seen(outcome: Outcome, reason: Reason) -> Observation {
        Observation { outcome, ..Observation::failed(reason, Duration::ZERO, "said") }
    }

    #[test]
    fn f17_one_family_that_fails_degrades() {
        use Outcome::*;
        let refused = || seen(Down, Reason::ConnectRefused);
        let ok = || seen(Up, Reason::Ok);
        let slow = || seen(Degraded, Reason::Slow);
        let ours = || seen(Unknown, Reason::OwnResource);
        for (v4, v6, outcome, reason, message) in [
            (ok(), ok(), Up, Reason::Ok, "said"),
            (ok(), refused(), Degraded, Reason::ConnectRefused, "over IPv6: said"),
            (refused(), ok(), Degraded, Reason::ConnectRefused, "over IPv4: said"),
            (slow(), refused(), Degraded, Reason::ConnectRefused, "over IPv6: said"),
            (ok(), slow(), Degraded, Reason::Slow, "over IPv6: said"),
            (refused(), refused(), Down, Reason::ConnectRefused, "said"),
            (ok(), ours(), Up, Reason::Ok, "said; not seen over IPv6: said"),
            (ours(), refused(), Down, Reason::ConnectRefused, "said"),
            (ours(), ours(), Unknown, Reason::OwnResource, "said"),
        ] {
            let told = together(v4, v6);
            assert_eq!((told.outcome, told.reason, told.detail.message.as_str()), (outcome, reason, message));
        }
    }
}
