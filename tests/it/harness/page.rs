//! A vendor's status page with what it declares, as one engine or another prints it; and with what is wrong with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use super::http::{self, Server};
use super::reply::Reply;

pub const SUMMARY: &str = "/api/v2/summary.json";
pub const INCIDENTS: &str = "/api/v2/incidents.json";
pub const MAINTENANCES: &str = "/api/v2/scheduled-maintenances.json";
pub const ARCHIVE: &str = "/history.json";
pub const FEED: &str = "/history.atom";

/// When the page changed last, as it says.
const NOW: &str = "2026-03-02T08:00:00Z";

/// Whose documents they are; ids look different too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Statuspage,
    Incidentio,
}

/// An incident as the vendor has it. Instants are texts, as on the wire.
#[derive(Clone, Debug)]
pub struct Declared {
    pub id: String,
    pub title: String,
    pub impact: String,
    pub stage: String,
    pub started_at: String,
    pub resolved_at: Option<String>,
    /// Ids of components.
    pub touches: Vec<String>,
    /// (instant, stage, text), oldest first.
    pub updates: Vec<(String, String, String)>,
}

impl Declared {
    /// One that is being looked into.
    pub fn new(id: &str, title: &str, impact: &str, started_at: &str, touches: &[&str]) -> Declared {
        Declared {
            id: id.to_owned(),
            title: title.to_owned(),
            impact: impact.to_owned(),
            stage: "investigating".to_owned(),
            started_at: started_at.to_owned(),
            resolved_at: None,
            touches: touches.iter().map(|t| (*t).to_owned()).collect(),
            updates: vec![(started_at.to_owned(), "investigating".to_owned(), "We are looking into it.".to_owned())],
        }
    }

    pub fn post(&mut self, at: &str, stage: &str, body: &str) {
        self.stage = stage.to_owned();
        self.updates.push((at.to_owned(), stage.to_owned(), body.to_owned()));
        if stage == "resolved" {
            self.resolved_at = Some(at.to_owned());
        }
    }

    pub fn resolved(mut self, at: &str) -> Declared {
        self.post(at, "resolved", "It works again.");
        self
    }

    fn is_open(&self) -> bool {
        !matches!(self.stage.as_str(), "resolved" | "postmortem")
    }
}

/// Announced work.
#[derive(Clone, Debug)]
pub struct Work {
    pub id: String,
    pub title: String,
    pub stage: String,
    pub starts_at: String,
    pub ends_at: String,
    pub touches: Vec<String>,
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Shown {
    pub engine: Engine,
    pub id: String,
    pub name: String,
    /// (id, name, status)
    pub components: Vec<(String, String, String)>,
    pub incidents: Vec<Declared>,
    pub works: Vec<Work>,
    /// Entries of each document of the archive: (code, name, impact, day of March 2026).
    pub archive: Vec<Vec<(String, String, String, u32)>>,
}

impl Shown {
    pub fn component(&mut self, id: &str, status: &str) {
        let one = self.components.iter_mut().find(|(have, _, _)| have == id);
        one.expect("the page has this component").2 = status.to_owned();
    }

    pub fn incident(&mut self, id: &str) -> &mut Declared {
        self.incidents.iter_mut().find(|i| i.id == id).expect("the page has this incident")
    }

    /// `None`: there is no such document.
    fn document(&self, target: &str) -> Option<Value> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let page = json!({ "id": self.id, "name": self.name, "url": "https://status.example", "updated_at": NOW });
        let open: Vec<&Declared> = self.incidents.iter().filter(|i| i.is_open()).collect();
        let list = |all: &[&Declared]| all.iter().map(|i| self.incident_json(i)).collect::<Vec<_>>();
        let coming = |w: &&Work| w.stage != "completed";
        let works = |all: Vec<&Work>| all.into_iter().map(|w| self.work_json(w)).collect::<Vec<_>>();
        Some(match path {
            SUMMARY => json!({
                "page": page,
                "status": self.verdict(&open),
                "components": self.components.iter().map(component_json).collect::<Vec<_>>(),
                "incidents": list(&open),
                "scheduled_maintenances": works(self.works.iter().filter(coming).collect()),
            }),
            INCIDENTS => json!({ "page": page, "incidents": list(&self.incidents.iter().collect::<Vec<_>>()) }),
            MAINTENANCES => json!({ "page": page, "scheduled_maintenances": works(self.works.iter().collect()) }),
            ARCHIVE if self.engine == Engine::Statuspage => {
                let number: usize = query.strip_prefix("page=")?.parse().ok()?;
                archive_json(self.archive.get(number - 1).map_or(&[], Vec::as_slice))
            }
            _ => return None,
        })
    }

    fn feed(&self) -> String {
        let head = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><feed xml:lang=\"en-US\" xmlns=\"http://www.w3.org/2005/Atom\">\
             <id>tag:status.example,2005:/history</id><title>{} Status - Incident History</title><updated>{NOW}</updated>",
            self.name
        );
        let entry = |(n, i): (usize, &Declared)| {
            // Mar 02, 08:00 UTC
            let at = |at: &str| {
                format!(
                    "Mar &lt;var data-var='date'&gt;{}&lt;/var&gt;, &lt;var data-var='time'&gt;{}&lt;/var&gt; UTC",
                    &at[8..10],
                    &at[11..16]
                )
            };
            let post = |(when, stage, body): &(String, String, String)| {
                let word = format!("{}{}", stage[..1].to_uppercase(), &stage[1..]);
                format!("&lt;p&gt;&lt;small&gt;{}&lt;/small&gt;&lt;br&gt;&lt;strong&gt;{word}&lt;/strong&gt; - {body}&lt;/p&gt;", at(when))
            };
            let newest = i.updates.iter().map(|(at, _, _)| at.as_str()).max().unwrap_or(NOW);
            let posts: String = i.updates.iter().rev().map(post).collect();
            format!(
                "<entry><id>tag:status.example,2005:Incident/{n}</id><published>{newest}</published><updated>{newest}</updated>\
                 <link rel=\"alternate\" type=\"text/html\" href=\"https://status.example/incidents/{}\"/><title>{}</title>\
                 <content type=\"html\">{posts}</content></entry>",
                i.id, i.title
            )
        };
        let entries: String = self.incidents.iter().enumerate().map(entry).collect();
        format!("{head}{entries}</feed>")
    }

    fn verdict(&self, open: &[&Declared]) -> Value {
        let worst = ["critical", "major", "minor"].into_iter().find(|word| open.iter().any(|i| i.impact == *word)).unwrap_or("none");
        json!({ "indicator": worst, "description": if worst == "none" { "All Systems Operational" } else { "Trouble" } })
    }

    fn incident_json(&self, i: &Declared) -> Value {
        let updates = i.updates.iter().rev().map(|(at, stage, body)| {
            json!({ "id": format!("{} {at}", i.id), "status": stage, "body": body, "created_at": at, "display_at": at, "updated_at": at })
        });
        let mut one = json!({
            "id": i.id, "name": i.title, "status": i.stage, "impact": i.impact, "created_at": i.started_at, "started_at": i.started_at,
            "resolved_at": i.resolved_at, "page_id": self.id, "incident_updates": updates.collect::<Vec<_>>(),
        });
        // incident.io names none.
        if self.engine == Engine::Statuspage {
            one["components"] = self.touched(&i.touches);
        }
        one
    }

    fn work_json(&self, w: &Work) -> Value {
        json!({
            "id": w.id, "name": w.title, "status": w.stage, "impact": "maintenance", "created_at": "2026-03-01T00:00:00Z", "page_id": self.id,
            "scheduled_for": w.starts_at, "scheduled_until": w.ends_at, "incident_updates": [], "components": self.touched(&w.touches),
        })
    }

    fn touched(&self, ids: &[String]) -> Value {
        self.components.iter().filter(|(id, _, _)| ids.contains(id)).map(component_json).collect()
    }
}

fn component_json((id, name, status): &(String, String, String)) -> Value {
    json!({ "id": id, "name": name, "status": status, "group": false, "group_id": null })
}

fn archive_json(entries: &[(String, String, String, u32)]) -> Value {
    let entry = |(code, name, impact, day): &(String, String, String, u32)| {
        let timestamp =
            format!("Mar <var data-var='date'>{day}</var>, <var data-var='time'>09:05</var> - <var data-var='time'>10:45</var> UTC");
        json!({ "code": code, "name": name, "message": "It works again.", "impact": impact, "timestamp": timestamp })
    };
    let incidents: Vec<Value> = entries.iter().map(entry).collect();
    json!({ "months": [{ "name": "March", "year": 2026, "starts_on": 0, "days": 31, "incidents": incidents }] })
}

/// One request, with what it was answered; `None`: no status.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub code: Option<u16>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        http::header(&self.headers, name)
    }
}

pub struct FakePage {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    shown: Mutex<Shown>,
    /// What is answered instead, by path; `""`: of everything.
    instead: Mutex<BTreeMap<String, Reply>>,
    /// Whether answers carry an `ETag`.
    tagged: Mutex<bool>,
    asked: Mutex<Vec<Asked>>,
}

impl FakePage {
    /// A Statuspage with two components, `API` and `Console`, that are well, and nothing declared.
    pub fn start() -> FakePage {
        let component = |id: &str, name: &str| (id.to_owned(), name.to_owned(), "operational".to_owned());
        let shown = Shown {
            engine: Engine::Statuspage,
            id: "tidewater001".to_owned(),
            name: "Tidewater".to_owned(),
            components: vec![component("cmpapi", "API"), component("cmpconsole", "Console")],
            incidents: Vec::new(),
            works: Vec::new(),
            archive: Vec::new(),
        };
        let shared =
            Arc::new(Shared { shown: Mutex::new(shown), instead: Mutex::default(), tagged: Mutex::new(true), asked: Mutex::default() });
        let serving = shared.clone();
        let server = Server::start(move |request, stream, stopped| {
            let reply = serving.reply(&request);
            reply.serve(&request.method, stream, stopped);
        });
        FakePage { server, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// From now on the page shows something else.
    pub fn shows(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shared.shown.lock().unwrap());
    }

    /// From now on everything is answered so.
    pub fn answers(&self, reply: impl Into<Reply>) {
        self.answers_at("", reply);
    }

    /// From now on this path is answered so.
    pub fn answers_at(&self, path: &str, reply: impl Into<Reply>) {
        self.shared.instead.lock().unwrap().insert(path.to_owned(), reply.into());
    }

    /// From now on it is a page again.
    pub fn recovers(&self) {
        self.shared.instead.lock().unwrap().clear();
    }

    /// What a document is now.
    pub fn document(&self, path: &str) -> Vec<u8> {
        self.shared.shown.lock().unwrap().document(path).expect("a document of the page").to_string().into_bytes()
    }

    /// From now on its answers carry no `ETag`.
    pub fn untagged(&self) {
        *self.shared.tagged.lock().unwrap() = false;
    }

    pub fn refuse(&self) {
        self.server.close();
    }

    pub fn listen(&self) {
        self.server.open();
    }

    /// Every request so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Requests whose target (with the query) begins so.
    pub fn asked_for(&self, target: &str) -> Vec<Asked> {
        self.asked().into_iter().filter(|a| a.target.starts_with(target)).collect()
    }

    /// How often a path was answered with this status.
    pub fn count(&self, path: &str, code: u16) -> usize {
        self.asked_for(path).iter().filter(|a| a.code == Some(code)).count()
    }
}

impl Shared {
    fn reply(&self, request: &http::Request) -> Reply {
        let reply = {
            let instead = self.instead.lock().unwrap();
            instead.get(request.path()).or_else(|| instead.get("")).cloned()
        };
        let reply = reply.unwrap_or_else(|| self.document(request));
        self.asked.lock().unwrap().push(Asked {
            at: request.at,
            target: request.target.clone(),
            headers: request.headers.clone(),
            code: reply.mode.status(),
        });
        reply
    }

    fn document(&self, request: &http::Request) -> Reply {
        let (kind, body) = {
            let shown = self.shown.lock().unwrap();
            match (request.path(), shown.document(&request.target)) {
                (FEED, _) if shown.engine == Engine::Statuspage => ("application/atom+xml", shown.feed()),
                (_, Some(document)) => ("application/json", document.to_string()),
                (_, None) => return Reply::from(404).body("{}"),
            }
        };
        let reply = Reply::ok().header("Content-Type", kind);
        if !*self.tagged.lock().unwrap() {
            return reply.body(body);
        }
        let tag = format!("\"{:016x}\"", digest(&body));
        let known = http::header(&request.headers, "if-none-match") == Some(tag.as_str());
        if known { Reply::from(304).header("ETag", &tag) } else { reply.header("ETag", &tag).body(body) }
    }
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
