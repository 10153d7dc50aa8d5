//! A webhook receiver that keeps every try with what it answered, and knows what must hold for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::http::{self, Server};
use super::reply::{Mode, Reply};

/// A signature is made for its try: an old timestamp is a replay.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// One request, with what it was answered.
#[derive(Clone, Debug)]
pub struct Try {
    pub at: Instant,
    pub wall: SystemTime,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub mode: Mode,
}

impl Try {
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }

    pub fn webhook_id(&self) -> &str {
        self.header("webhook-id").unwrap_or_default()
    }

    pub fn accepted(&self) -> bool {
        self.mode.status().is_some_and(|code| (200..300).contains(&code))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }

    pub fn alerts(&self) -> Vec<Value> {
        self.json()["data"]["alerts"].as_array().cloned().unwrap_or_default()
    }

    /// What is wrong with its Standard Webhooks signature under `secret`.
    pub fn signature_problem(&self, secret: &str) -> Option<String> {
        let (Some(id), Some(timestamp), Some(signatures)) =
            (self.header("webhook-id"), self.header("webhook-timestamp"), self.header("webhook-signature"))
        else {
            return Some(format!("headers are missing: {:?}", self.headers));
        };
        if !self.is_of_now(timestamp) {
            return Some(format!("timestamp {timestamp} is not that of {:?}", self.wall));
        }
        let want = sign(secret, id, timestamp, &self.body);
        (!signatures.split(' ').any(|s| s == want)).then(|| format!("{signatures} lacks {want}"))
    }

    fn is_of_now(&self, timestamp: &str) -> bool {
        let arrived = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let claimed = Duration::from_secs(timestamp.parse().unwrap_or(0));
        arrived.abs_diff(claimed) <= CLOCK_TOLERANCE
    }
}

fn sign(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let encoded = secret.strip_prefix("whsec_").expect("a secret of Standard Webhooks");
    let key = STANDARD.decode(encoded).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    mac.update(&[id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// The life of one alert identity: (type, episode id) in the order of arrival.
type Life = Vec<(String, String)>;

pub struct Receiver {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    reply: Mutex<Reply>,
    ledger: Mutex<Vec<Try>>,
}

impl Receiver {
    /// Accepts everything.
    pub fn start() -> Receiver {
        let shared = Arc::new(Shared { reply: Mutex::new(Reply::ok()), ledger: Mutex::default() });
        let serving = shared.clone();
        let server = Server::start(move |request, stream, stopped| {
            let method = request.method.clone();
            // Under one lock, so that the ledger's order is that of the modes.
            let reply = serving.note(request);
            reply.serve(&method, stream, stopped);
        });
        Receiver { server, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.server.port)
    }

    /// From now on tries are answered so: a status, a [`Mode`] or a whole [`Reply`] (`Retry-After`, a delay).
    pub fn set(&self, reply: impl Into<Reply>) {
        *self.shared.reply.lock().unwrap() = reply.into();
    }

    pub fn refuse(&self) {
        self.server.close();
    }

    pub fn listen(&self) {
        self.server.open();
    }

    /// Every try so far, oldest first.
    pub fn tries(&self) -> Vec<Try> {
        self.shared.ledger.lock().unwrap().clone()
    }

    pub fn accepted_tries(&self) -> Vec<Try> {
        self.tries().into_iter().filter(Try::accepted).collect()
    }

    /// (type, alert) of everything accepted, with a message that came twice counted once.
    pub fn accepted(&self) -> Vec<(String, Value)> {
        let mut seen = BTreeSet::new();
        self.accepted_tries()
            .into_iter()
            .filter(|t| seen.insert(t.webhook_id().to_owned()))
            .flat_map(|t| t.alerts().into_iter().map(move |alert| (t.event(), alert)))
            .collect()
    }

    /// (type without `alert.`, rule) of everything accepted: what most tests ask for.
    pub fn told(&self) -> Vec<(String, String)> {
        let short = |(event, alert): (String, Value)| {
            let event = event.trim_start_matches("alert.").to_owned();
            (event, alert["rule"].as_str().unwrap_or_default().to_owned())
        };
        self.accepted().into_iter().map(short).collect()
    }

    /// Identities whose firing and resolve do not take turns, from a firing to a resolve of the same episode. Empty when all is well.
    pub fn out_of_turn(&self) -> Vec<(String, Life)> {
        let mut lives: BTreeMap<String, Life> = BTreeMap::new();
        for (event, alert) in self.accepted() {
            if matches!(event.as_str(), "alert.firing" | "alert.resolved") {
                let who = format!("{} {} {}", alert["rule"], alert["vendor"], alert["subject"]);
                lives.entry(who).or_default().push((event, alert["id"].to_string()));
            }
        }
        lives.into_iter().filter(|(_, life)| !takes_turns(life)).collect()
    }

    /// Messages, by type and alert, whose tries did not share one `webhook-id`. A repeat is another message, so this is for tests without repeats.
    pub fn without_one_id(&self) -> Vec<((String, String), BTreeSet<String>)> {
        let mut ids: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for one in self.tries() {
            for alert in one.alerts() {
                let message = (one.event(), alert["id"].to_string());
                ids.entry(message).or_default().insert(one.webhook_id().to_owned());
            }
        }
        ids.into_iter().filter(|(_, ids)| ids.len() > 1).collect()
    }
}

impl Shared {
    fn note(&self, request: http::Request) -> Reply {
        let mut ledger = self.ledger.lock().unwrap();
        let reply = self.reply.lock().unwrap().clone();
        ledger.push(Try {
            at: request.at,
            wall: request.wall,
            path: request.path().to_owned(),
            headers: request.headers,
            body: request.body,
            mode: reply.mode.clone(),
        });
        reply
    }
}

fn takes_turns(life: &Life) -> bool {
    life.len().is_multiple_of(2)
        && life.chunks(2).all(|pair| pair[0].0 == "alert.firing" && pair[1].0 == "alert.resolved" && pair[0].1 == pair[1].1)
}
