//! What the demo prints: where to look, what happens, and the messages that arrive.

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::cast::{ACTOR, VENDORS};
use super::script::{Act, Script};
use crate::cli::screen;
use crate::cli::words::{count, lasting};
use crate::clock;
use crate::model::Timestamp;

/// Where everything is.
pub struct Places<'p> {
    pub web: String,
    pub receiver: String,
    /// The page of the vendor that fails.
    pub page: String,
    pub directory: &'p Path,
    pub is_kept: bool,
    /// How this program was called.
    pub program: String,
    pub ends_after: Option<Duration>,
}

/// Prints as long as somebody reads; when nobody does, the demo ends.
#[derive(Clone)]
pub struct Terminal {
    coloured: bool,
    stop: CancellationToken,
}

/// A message as it is printed.
pub struct Told {
    pub event: String,
    pub severity: String,
    pub rule: String,
    pub summary: String,
    pub evidence: Vec<String>,
    pub is_signed: bool,
}

impl Terminal {
    pub fn new(coloured: bool, stop: &CancellationToken) -> Terminal {
        Terminal { coloured, stop: stop.clone() }
    }

    fn say(&self, text: &str) {
        if screen::tell(text).is_err() {
            self.stop.cancel();
        }
    }

    fn bold(&self, text: &str) -> String {
        self.painted("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.painted("2", text)
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Before there is anything to look at.
    pub fn begin(&self) {
        self.say(&format!("{}  a moment: 90 days of history are being made\n", self.bold("vendord demo")));
    }

    pub fn greet(&self, places: &Places, script: &Script) {
        let Places { web, receiver, page, .. } = places;
        let files = format!(
            "{} ({})",
            places.directory.display(),
            if places.is_kept { "kept" } else { "removed at the end; --keep DIR keeps them" }
        );
        let mut text = format!("\n{}, simulated on this machine: nothing leaves it.\n\n", count(VENDORS.len(), "vendor"));
        for (what, place) in [
            ("page", web.clone()),
            ("metrics", format!("{web}metrics")),
            ("webhooks", format!("{receiver} (printed below)")),
            ("files", files),
        ] {
            text += &format!("  {:10}{place}\n", what);
        }
        text += &format!("\n{}\n{}", self.bold("What to look at"), self.sights(page, script));
        text += &format!("\n{}\n{}", self.bold("In another terminal"), commands(places));
        let ends = places.ends_after.map(|after| format!("after {}, or ", lasting(after))).unwrap_or_default();
        text += &format!("\nEnds {ends}on Ctrl-C.\n\n");
        self.say(&text);
    }

    fn sights(&self, page: &str, script: &Script) -> String {
        let act = script.act(0);
        let until = |at: Timestamp| format!("in {}", lasting(at.since(script.opens_at)));
        let lag = lasting(act.posts_at.since(act.fails_at));
        let lines = [
            ("now".to_owned(), "Pinewood Maps is slow, and its page does not say so".to_owned()),
            (String::new(), "Larkmail says that it is degraded, and our checks see nothing of it".to_owned()),
            (String::new(), "Thistle AI refuses our key: that is about us, so it is unknown and not down".to_owned()),
            (until(act.fails_at), format!("{} fails; an outage, and a message below, within seconds", ACTOR.name)),
            (until(act.posts_at), format!("its page says so, {lag} later: {page}")),
            (until(act.recovers_at), "it works again".to_owned()),
            (until(act.resolves_at), "and its page says that, too".to_owned()),
        ];
        lines.iter().map(|(when, what)| format!("  {when:11}{what}\n")).collect()
    }

    /// A message that the receiver got.
    pub fn message(&self, told: &Told) {
        let colour = match (told.event.as_str(), told.severity.as_str()) {
            ("resolved", _) => "32",
            (_, "critical") => "1;31",
            (_, "warning") => "33",
            _ => "36",
        };
        let signed = if told.is_signed { "signed" } else { "unsigned" };
        let head = self.painted(colour, &format!("{} {}", told.event.to_uppercase(), told.severity));
        let mut text = format!("{}  webhook  {head}  {}\n", self.now(), told.summary);
        text += &format!("{:19}{}\n", "", self.dim(&format!("{}, {signed}", told.rule)));
        for line in told.evidence.iter().take(3) {
            text += &format!("{:19}{}\n", "", self.dim(line));
        }
        self.say(&text);
    }

    /// Something that a simulated vendor does.
    fn happens(&self, what: &str) {
        self.say(&format!("{}  vendor   {what}\n", self.now()));
    }

    fn now(&self) -> String {
        self.dim(&clock_of(clock::now()))
    }

    /// Tells act after act what happens in it, when it happens.
    pub async fn tell(self, script: Script) {
        for nth in 0.. {
            let act = script.act(nth);
            for (at, what) in beats(&act) {
                tokio::time::sleep(at.since(clock::now())).await;
                self.happens(&what);
            }
            if nth == 0 {
                self.say(&after_the_first(&script));
            }
        }
    }
}

fn after_the_first(script: &Script) -> String {
    let lag = script.act(0).posts_at.since(script.act(0).fails_at);
    let again = script.act(1).fails_at.since(script.act(0).resolves_at);
    format!(
        "\nThat was it: what we measured began {} before the vendor said so. `outages` has both, and the lag between them.\n\
         It happens again in {}.\n\n",
        lasting(lag),
        lasting(again)
    )
}

fn beats(act: &Act) -> [(Timestamp, String); 4] {
    let (name, lag) = (ACTOR.name, lasting(act.posts_at.since(act.fails_at)));
    [
        (act.fails_at, format!("{name} answers 503 from now on; its page says that all is well")),
        (act.posts_at, format!("{name} posts an incident on its page, {lag} after it failed")),
        (act.recovers_at, format!("{name} works again")),
        (act.resolves_at, format!("{name} resolves its incident")),
    ]
}

fn commands(places: &Places) -> String {
    let (program, config, actor) = (&places.program, places.directory.join("vendord.toml"), ACTOR.id);
    let verbs = [
        "status".to_owned(),
        "outages --since 90d".to_owned(),
        "incidents --since 90d".to_owned(),
        format!("explain {actor}"),
        format!("uptime {actor} --explain"),
    ];
    verbs.iter().map(|verb| format!("  {program} -c {} {verb}\n", config.display())).collect()
}

/// `12:00:07`, UTC.
fn clock_of(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}
