//! `kind = "domain"`: until when a domain is registered, as its registry says by RDAP (RFC 9082, RFC 9083).
//!
//! - When it ends is told by the alert `dns.domain`; it changes no state.
//! - A registry that publishes no end is no failure. That a registry cannot be asked says nothing about the domain, and
//!   by default such a check gives its vendor no state.
//! - Registries count questions: a day between two, and long waits after a failure, are the defaults.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::condition::{self, Expectations, Scope};
use super::dial;
use super::failure::{Deadline, Failure, Trace};
use super::http::{Answer, Client, Request};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::{Built, Value};
use crate::model::{Fault, Key, Observation, Outcome, Reason, Secret, Settings, Shape, Timestamp};

mod registration;
mod registry;
#[cfg(test)]
mod tests;

use registration::Registration;
pub(super) use registry::Bootstrap;

/// The end of a registration of `domain`, if there is one; or why it is none.
pub fn any_registration(body: &[u8], domain: &str) -> Result<Option<Timestamp>, String> {
    registration::read(body, domain).map(|registration| registration.expires_at)
}

pub(super) const KIND: Kind = Kind {
    name: "domain",
    help: "until when a domain is registered, by RDAP",
    keys: &[KEYS, dial::KEYS, dial::PROXY_KEYS, &[CA], condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new(
    "domain",
    &[
        "status",
        "latency",
        "body",
        "header.NAME",
        "$...",
        "count($...)",
        "cert.days_left",
        "cert.issuer",
        "tls.version",
        "http.version",
        "redirects",
        "ip",
    ],
);

const KEYS: &[Key] = &[
    Key::new(
        "domain",
        Shape::Text,
        "",
        "the domain as it is registered, without `www` or other names below it; default: the check's `name`",
    ),
    Key::new("server", Shape::Text, "", "the base URL of the RDAP server; default: the one that IANA lists for the top-level domain")
        .alone(),
    Key::new("interval", Shape::Duration, "\"24h\"", "time between two looks; takes nothing from [defaults.checks]").alone(),
    Key::new(
        "retry_interval",
        Shape::Duration,
        "\"10m\"",
        "time between looks while the last one disagrees with the state; takes nothing from [defaults.checks]",
    )
    .alone(),
    Key::new(
        "severity",
        Shape::OneOf(&["down", "degraded", "none"]),
        "\"none\"",
        "the worst state it can give its vendor; takes nothing from [defaults.checks]",
    )
    .alone(),
];

const CA: Key = Key::new("ca", Shape::Path, "", "a PEM file of certificates to trust instead of the system's");

/// Answers have a few KiB; IANA's list has 70.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// Registries and what is in front of them move; longer chains are loops.
const REDIRECTS_MAX: u64 = 5;

struct DomainProbe {
    domain: String,
    /// The RDAP server's base URL, where it is known without asking.
    server: Option<Server>,
    host: String,
    client: Client,
    bootstrap: Arc<Bootstrap>,
    user_agent: Arc<str>,
    wanted: Expectations,
}

#[derive(Clone)]
struct Server {
    base: String,
    /// The check names it.
    configured: bool,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let domain = domain(settings).map_err(|fault| faults.push(fault));
    let named = server(settings).map_err(|fault| faults.push(fault));
    let mut asks = settings.clone();
    asks.0.extend([
        ("follow_max", Value::Count(REDIRECTS_MAX)),
        ("redirects", Value::Flag(true)),
        ("body_bytes_max", Value::Size(BODY_BYTES_MAX)),
    ]);
    let client = Client::of(&asks, None, workshop).map_err(|all| faults.extend(all));
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
    let (Ok(domain), Ok(named), Ok(client), Ok(wanted)) = (domain, named, client, wanted) else { return Err(faults) };
    let known = || registry::known(&domain).map(|base| Server { base: base.to_owned(), configured: false });
    let server = named.or_else(known);
    let asked = server.as_ref().map_or(registry::LIST, |server| &server.base);
    let host =
        Url::parse(asked).map(|url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443)));
    Ok(Arc::new(DomainProbe {
        host: host.unwrap_or_else(|_| domain.clone()),
        domain,
        server,
        client,
        bootstrap: workshop.bootstrap.clone(),
        user_agent: workshop.user_agent.clone(),
        wanted,
    }))
}

/// As registries write it: lower case, ASCII, without the final dot.
fn domain(settings: &Settings) -> Result<String, Fault> {
    const EXAMPLE: &str = "write for example domain = \"vendor.example\"";
    let (key, text) = match settings.text("domain") {
        Some(text) => ("domain", text),
        None => ("name", settings.text("name").unwrap_or_default()),
    };
    let fault = |why: &str| Fault::new(key, format!("{text:?} {why}")).hint(EXAMPLE);
    let bare = text.strip_suffix('.').unwrap_or(text);
    let domain = match Host::parse(bare) {
        Ok(Host::Domain(name)) => name,
        Ok(_) => return Err(fault("is an address, which nobody registers as a domain")),
        Err(_) => return Err(fault("is not a domain")),
    };
    match domain.split_once('.') {
        None => Err(fault("is not a domain that is registered")),
        Some(("www", rest)) if rest.contains('.') => {
            Err(Fault::new(key, format!("{text:?} is a name below the registered domain")).hint(format!("write domain = {rest:?}")))
        }
        Some(_) if domain.split('.').any(str::is_empty) => Err(fault("is not a domain")),
        Some(_) => Ok(domain),
    }
}

fn server(settings: &Settings) -> Result<Option<Server>, Fault> {
    let Some(text) = settings.text("server") else { return Ok(None) };
    let fault = |why: &str| {
        let fault = Fault::new("server", format!("{text:?} {why}"));
        Err(fault.hint("write the base URL of an RDAP server: \"https://rdap.verisign.com/com/v1/\""))
    };
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => fault("is not a web address"),
        Ok(url) if url.query().is_some() || url.fragment().is_some() => fault("goes on after its path"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() || url.port() == Some(0) => fault("is not a base URL"),
        Ok(_) => Ok(Some(Server { base: text.to_owned(), configured: true })),
        Err(_) => fault("is not a URL"),
    }
}

/// GET, of whoever the URL names: the check or a list.
async fn ask(
    client: &Client,
    (url, configured): (&str, bool),
    user_agent: &str,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    // RFC 7480 4.2.
    let accept = Secret::new("application/rdap+json, application/json".to_owned());
    let settings =
        Settings([("url", Value::Text(url.to_owned())), ("headers", Value::SecretMap([("Accept".to_owned(), accept)].into()))].into());
    let request = Request::of(&settings, user_agent).map_err(|faults| {
        let why = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        Failure::new(Reason::Protocol, format!("{url} cannot be asked: {why}"))
    })?;
    let request = if configured { request } else { request.found() };
    client.ask(&request, true, deadline, trace).await
}

impl Probe for DomainProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            let server = match self.server(deadline).await {
                Ok(server) => server,
                // IANA is not the vendor: whatever happened to its list says nothing about the domain.
                Err(failure) => return trace.ended(Outcome::Unknown, failure.reason, deadline.started.elapsed(), &failure.message),
            };
            let url = format!("{}/domain/{}", server.base.trim_end_matches('/'), self.domain);
            match ask(&self.client, (&url, server.configured), &self.user_agent, deadline, &mut trace).await {
                Ok(answer) => of_the_domain(self.judge(&answer, trace)),
                Err(failure) => of_the_domain(trace.failed(failure, deadline.started.elapsed())),
            }
        })
    }
}

/// That the registry's own certificate ends is no news about the vendor.
fn of_the_domain(mut observation: Observation) -> Observation {
    observation.detail.hops.iter_mut().for_each(|hop| hop.chain = None);
    observation
}

impl DomainProbe {
    async fn server(&self, deadline: Deadline) -> Result<Server, Failure> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let listed = self.bootstrap.server(&self.domain, &self.client, &self.user_agent, deadline).await?;
        let base = listed.ok_or_else(|| {
            let message = format!("IANA lists no RDAP server for {}; if there is one, name it with `server`", self.domain);
            Failure::new(Reason::OwnResource, message)
        })?;
        Ok(Server { base, configured: false })
    }

    fn judge(&self, answer: &Answer, mut trace: Trace) -> Observation {
        let (outcome, reason, message) = match answer.status {
            200 => match registration::read(&answer.body, &self.domain) {
                Ok(registration) => {
                    trace.detail.expires_at = registration.expires_at;
                    let verdict = judge(&self.wanted, &answer.seen(&trace.hop), Manners::default());
                    trace.detail.expectations = verdict.expectations;
                    match verdict.outcome {
                        Outcome::Up => (Outcome::Up, Reason::Ok, registration.said(clock::now())),
                        outcome => (outcome, verdict.reason, verdict.message),
                    }
                }
                Err(why) => (Outcome::Down, Reason::Protocol, format!("{} does not answer with a registration: {why}", self.host)),
            },
            404 => (Outcome::Down, Reason::DnsNxdomain, format!("{} is not registered, says {}", self.domain, self.host)),
            429 => (Outcome::Unknown, Reason::RateLimited, format!("{}: we ask too often", self.host)),
            status => (Outcome::Down, Reason::HttpStatus, format!("{} answered with HTTP status {status}", self.host)),
        };
        if outcome != Outcome::Up {
            trace.detail.evidence = answer.evidence();
        }
        trace.ended(outcome, reason, answer.latency, &message)
    }
}

impl Registration {
    /// `registered until 2030-01-02 (registrar Names Ltd.; active)`
    fn said(&self, now: Timestamp) -> String {
        let about: Vec<String> =
            self.registrar.iter().map(|registrar| format!("registrar {registrar}")).chain(self.statuses.iter().cloned()).collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join("; ")) };
        match self.expires_at {
            None => format!("registered; the registry publishes no expiry{about}"),
            Some(at) => {
                let day = at.to_string().split('T').next().unwrap_or_default().to_owned();
                if at > now { format!("registered until {day}{about}") } else { format!("the registration ended on {day}{about}") }
            }
        }
    }
}
