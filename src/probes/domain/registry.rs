//! Which server knows the registrations below a top-level domain: a small table, then IANA's list (RFC 9224), read once a day.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::ask;
use crate::clock;
use crate::model::Reason;
use crate::probes::failure::{Deadline, Failure, Trace};
use crate::probes::http::Client;

/// So that the commonest need no list, and for `de io us`, which have a server that the list lacks.
/// From IANA's list (<https://data.iana.org/rdap/dns.json>) and the registries' own pages, November 2026.
const KNOWN: &[(&str, &str)] = &[
    ("ai", "https://rdap.identitydigital.services/rdap/"),
    ("app", "https://pubapi.registry.google/rdap/"),
    ("com", "https://rdap.verisign.com/com/v1/"),
    ("de", "https://rdap.denic.de/"),
    ("dev", "https://pubapi.registry.google/rdap/"),
    ("fr", "https://rdap.nic.fr/"),
    ("info", "https://rdap.identitydigital.services/rdap/"),
    ("io", "https://rdap.identitydigital.services/rdap/"),
    ("net", "https://rdap.verisign.com/net/v1/"),
    ("org", "https://rdap.publicinterestregistry.org/rdap/"),
    ("uk", "https://rdap.nominet.uk/uk/"),
    ("us", "https://rdap.nic.us/"),
];

pub(super) const LIST: &str = "https://data.iana.org/rdap/dns.json";

/// IANA changes it a few times a month.
const LIST_KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// After a failure nobody asks again at once, however many checks want it.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

pub(super) fn known(domain: &str) -> Option<&'static str> {
    let last = tld(domain);
    KNOWN.iter().find(|(tld, _)| *tld == last).map(|(_, server)| *server)
}

fn tld(domain: &str) -> &str {
    domain.rsplit('.').next().unwrap_or(domain)
}

/// IANA's list, shared by all checks of this kind.
pub(in crate::probes) struct Bootstrap {
    url: String,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    servers: Option<(Instant, Arc<Servers>)>,
    failed: Option<(Instant, Failure)>,
}

/// The base URL for each top-level domain.
type Servers = HashMap<String, String>;

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap::at(LIST)
    }
}

impl Bootstrap {
    pub(super) fn at(url: &str) -> Self {
        Bootstrap { url: url.to_owned(), kept: Mutex::default() }
    }

    /// The base URL of who knows `domain`; `None`: nobody who is listed.
    pub(super) async fn server(
        &self,
        domain: &str,
        client: &Client,
        user_agent: &str,
        deadline: Deadline,
    ) -> Result<Option<String>, Failure> {
        // One asks, the others wait for it.
        let what = || "the list of RDAP servers did not come".to_owned();
        let mut kept = deadline.bound(self.kept.lock(), Reason::TimeoutBody, what).await?;
        let servers = self.servers(&mut kept, client, user_agent, deadline).await?;
        Ok(servers.get(tld(domain)).cloned())
    }

    async fn servers(&self, kept: &mut Kept, client: &Client, user_agent: &str, deadline: Deadline) -> Result<Arc<Servers>, Failure> {
        let now = clock::instant();
        let is_young = |since: Instant, age| now.duration_since(since) < age;
        match (&kept.servers, &kept.failed) {
            (Some((read, servers)), _) if is_young(*read, LIST_KEPT_FOR) => return Ok(servers.clone()),
            (Some((_, servers)), Some((failed, _))) if is_young(*failed, AGAIN_AFTER) => return Ok(servers.clone()),
            (None, Some((failed, failure))) if is_young(*failed, AGAIN_AFTER) => return Err(failure.clone()),
            _ => {}
        }
        match self.read(client, user_agent, deadline).await {
            Ok(servers) => {
                let servers = Arc::new(servers);
                kept.servers = Some((now, servers.clone()));
                Ok(servers)
            }
            Err(failure) => {
                kept.failed = Some((now, failure.clone()));
                // An old list is better than none: servers move rarely.
                kept.servers.as_ref().map(|(_, servers)| servers.clone()).ok_or(failure)
            }
        }
    }

    async fn read(&self, client: &Client, user_agent: &str, deadline: Deadline) -> Result<Servers, Failure> {
        let of_list = |failure: Failure| Failure { message: format!("the list of RDAP servers: {}", failure.message), ..failure };
        let answer = ask(client, (&self.url, true), user_agent, deadline, &mut Trace::default()).await.map_err(of_list)?;
        if answer.status != 200 {
            return Err(of_list(Failure::new(Reason::HttpStatus, format!("{} answered with HTTP status {}", self.url, answer.status))));
        }
        servers_of(&answer.body)
            .map_err(|error| of_list(Failure::new(Reason::Protocol, format!("{} is not what RFC 9224 says: {error}", self.url))))
    }
}

/// RFC 9224 3: pairs of top-level domains and their servers.
#[derive(Deserialize)]
struct Document {
    services: Vec<(Vec<String>, Vec<String>)>,
}

fn servers_of(body: &[u8]) -> Result<Servers, serde_json::Error> {
    let document: Document = serde_json::from_slice(body)?;
    let mut servers = Servers::new();
    for (tlds, urls) in document.services {
        let Some(url) = urls.iter().find(|url| url.starts_with("https://")).or(urls.first()) else { continue };
        servers.extend(tlds.into_iter().map(|tld| (tld.to_ascii_lowercase(), url.clone())));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_of_base_urls() {
        for (tld, server) in KNOWN {
            assert!(server.starts_with("https://") && server.ends_with('/'), "{tld}");
        }
        assert_eq!(known("vendor.example.com"), Some("https://rdap.verisign.com/com/v1/"));
        assert_eq!(known("vendor.example"), None);
    }

    #[test]
    fn the_list_is_read_as_rfc_9224_writes_it() {
        let body = br#"{"version":"1.0","services":[[["net","COM"],["http://a.example/","https://b.example/x/"]],[["org"],["http://c.example/"]],[["gone"],[]]]}"#;
        let servers = servers_of(body).unwrap();
        assert_eq!(servers["com"], "https://b.example/x/");
        assert_eq!(servers["org"], "http://c.example/");
        assert_eq!(servers.len(), 3);
        assert!(servers_of(b"<html>").is_err() && servers_of(b"{\"services\":[[1]]}").is_err());
    }
}
