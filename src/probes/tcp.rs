//! `kind = "tcp"`: whether a connection can be opened. Nothing is sent; a dialogue and STARTTLS come later.

use std::sync::Arc;
use std::time::Duration;

use url::Host;

use super::condition::{self, Expectations, Scope, Seen};
use super::connect::{Guard, Target, connect};
use super::failure::{Deadline, Trace};
use super::resolve::{Family, Resolver};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Settings, Shape};

pub(super) const KIND: Kind = Kind { name: "tcp", help: "whether a TCP connection can be opened", keys: &[KEYS, condition::KEYS], build };

const SCOPE: Scope = Scope { kind: "tcp", subjects: &["latency", "ip"] };

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "where to connect to: `db.vendor.example:5432`, `192.0.2.1:25` or `[2001:db8::1]:25`"),
    Key::new("ip", Shape::OneOf(Family::WORDS), "\"any\"", "the address family to use"),
    Key::new("allow_private", Shape::Flag, "false", "connect to private and other special addresses where a name leads there"),
];

struct TcpProbe {
    target: Target,
    host: String,
    guard: Guard,
    wanted: Expectations,
    resolver: Arc<Resolver>,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let target = target(settings.text("address").unwrap_or_default());
    let asked = target.and_then(|target| Ok((Guard::of(settings, &target)?, target)));
    let wanted = Expectations::compile(settings, &SCOPE);
    match (asked, wanted) {
        (Ok((guard, target)), Ok(wanted)) => {
            Ok(Arc::new(TcpProbe { host: target.shown(), target, guard, wanted, resolver: Arc::clone(&workshop.resolver) }))
        }
        (asked, wanted) => {
            let mut faults: Vec<Fault> = asked.err().into_iter().collect();
            faults.extend(wanted.err().into_iter().flatten());
            Err(faults)
        }
    }
}

fn target(text: &str) -> Result<Target, Fault> {
    let fault =
        |message: String| Fault::new("address", message).hint("write host and port: \"db.vendor.example:5432\" or \"[2001:db8::1]:25\"");
    if text.contains("://") {
        return Err(fault(format!("{text:?} is a URL, not an address")));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| fault(format!("{text:?} has no port")))?;
    let bad_port = || fault(format!("{port:?} is not a port")).at(text.len() - port.len()..text.len());
    let number: u16 = port.parse().map_err(|_| bad_port())?;
    if number == 0 {
        return Err(bad_port());
    }
    let host = Host::parse(host).map_err(|error| fault(format!("{host:?} is not a host: {error}")).at(0..host.len()))?;
    Ok(Target { host, port: number, configured: true })
}

impl Probe for TcpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            let connected = connect(&self.target, self.guard, &self.resolver, deadline, &mut trace).await;
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
        let seen = Seen { latency: duration, ip: trace.detail.address.map(|address| address.ip()), ..Seen::default() };
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
        assert_eq!(seen.detail.address, Some(address));
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

    #[test]
    fn addresses() {
        for (text, host, port) in [("db.example:5432", "db.example", 5432), ("1.2.3.4:25", "1.2.3.4", 25), ("[::1]:25", "[::1]", 25)] {
            let target = target(text).unwrap();
            assert_eq!((target.host.to_string().as_str(), target.port), (host, port));
        }
        for text in ["", "db.example", "db.example:", ":25", "a:0", "a:65536", "http://a:80", "::1:25", "a b:1"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
