//! `kind = "tcp"`: whether a connection can be opened. Nothing is sent; a dialogue and STARTTLS come later.

use std::sync::Arc;
use std::time::Duration;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Target};
use super::failure::{Deadline, Trace};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Key, Observation, Settings, Shape};

pub(super) const KIND: Kind =
    Kind { name: "tcp", help: "whether a TCP connection can be opened", keys: &[KEYS, dial::KEYS, condition::KEYS], build };

const SCOPE: Scope<'static> = Scope::new("tcp", &["latency", "ip"]);

const KEYS: &[Key] =
    &[Key::required("address", Shape::Text, "where to connect to: `db.vendor.example:5432`, `192.0.2.1:25` or `[2001:db8::1]:25`")];

struct TcpProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    wanted: Expectations,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let target = dial::address(settings).map_err(|fault| faults.push(fault));
    let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
    let (Ok(target), Ok(dialer), Ok(wanted)) = (target, dialer, wanted) else { return Err(faults) };
    Ok(Arc::new(TcpProbe { host: target.shown(), target, dialer, wanted }))
}

impl Probe for TcpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            trace.begin(self.host.as_str().into());
            let connected = self.dialer.connect(&self.target, deadline, &mut trace).await;
            let duration = deadline.started.elapsed();
            match connected {
                Ok(_stream) => self.judge(trace, duration),
                Err(failure) => trace.failed(failure, duration),
            }
        })
    }
}

impl TcpProbe {
    fn judge(&self, mut trace: Trace, duration: Duration) -> Observation {
        let seen = Seen { latency: duration, ..Seen::of(&trace.hop, clock::now()) };
        let verdict = judge(&self.wanted, &seen, Manners::default());
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, duration, &verdict.message)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::settings::Value;
    use crate::model::{Outcome, Reason};

    async fn observe(address: &str, expect: &[&str]) -> Observation {
        let expect = expect.iter().map(|text| text.to_string()).collect();
        let settings = Settings([("address", Value::Text(address.into())), ("expect", Value::TextList(expect))].into());
        let probe = build(&settings, &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(probe.host(), address);
        probe.run(Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn connects_and_measures() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = observe(&address.to_string(), &["latency < 5s", "ip == '127.0.0.1'"]).await;
        assert_eq!((seen.outcome, seen.reason), (Outcome::Up, Reason::Ok));
        assert_eq!(seen.detail.hops[0].address, Some(address));
        assert!(seen.phases.connect.is_some() && seen.phases.resolve.is_none());
        assert_eq!(seen.detail.expectations.len(), 2);

        let name = format!("localhost:{}", address.port());
        let seen = observe(&name, &[]).await;
        assert_eq!(seen.outcome, Outcome::Up, "v4 after v6 was refused");
        assert!(seen.phases.resolve.is_some());

        let seen = observe(&address.to_string(), &["latency > 5s"]).await;
        assert_eq!((seen.outcome, seen.reason), (Outcome::Down, Reason::Expectation));
    }

    #[tokio::test]
    async fn a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let seen = observe(&address.to_string(), &[]).await;
        assert_eq!((seen.outcome, seen.reason), (Outcome::Down, Reason::ConnectRefused));
        assert_eq!(seen.detail.message, format!("connection refused by {address}"));
    }
}
