//! `kind = "scenario"`: HTTP requests in order, as a user would make them. Values are captured from answers and used in
//! later requests; cookies are kept, inside of one run.
//!
//! - The first step that fails ends the run: its reason is the run's.
//! - Steps with `cleanup` run at the end, whatever happened, in time that is kept for them. They are not measured and
//!   decide nothing; that one failed is said.
//! - What was captured is hidden in everything that people read. Whom to ask never comes from a vendor.

use std::sync::Arc;
use std::time::Duration;

use super::condition::{self, Expectations, Scope, Seen};
use super::failure::{Deadline, Failure, Trace};
use super::http::{self, Answer, Client, Jar, Request};
use super::redact::Secrets;
use super::verdict::{Manners, Verdict, judge};
use super::{Kind, Probe, Run, Workshop, dial};
use crate::model::observation::{Expectation, Hop};
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Secret, Settings, Shape};

mod capture;
#[cfg(test)]
mod tests;

use capture::{Capture, Values, check_names, filled, is_name};

pub(super) const KIND: Kind = Kind {
    name: "scenario",
    help: "HTTP requests in order, with captured values and cookies",
    keys: &[KEYS, dial::KEYS, dial::TLS_KEYS, dial::PROXY_KEYS, MORE_KEYS, condition::KEYS],
    build,
};

/// Longer ones are a test suite.
const STEPS_MAX: usize = 50;
/// The part of the timeout that is kept for cleaning up.
const CLEANUP_PART: u32 = 5;

const KEYS: &[Key] = &[Key::required("steps", Shape::Tables(STEP_KEYS), "the requests, in order")];

const STEP_KEYS: &[&[Key]] = &[STEP, http::REQUEST_KEYS, http::CLIENT_KEYS, condition::HTTP_KEYS, condition::KEYS];

const STEP: &[Key] = &[
    Key::required("name", Shape::Text, "what it is called, in messages and as steps.NAME.SUBJECT"),
    Key::new(
        "capture",
        Shape::TextMap,
        "{}",
        "what later steps use as {{name}}: { name = \"$.path\" }, \"header.NAME\", or either of header.NAME and body with matches '..(..)..'",
    ),
    Key::new("cleanup", Shape::Flag, "false", "runs at the end, also after a failure; decides nothing"),
];

const MORE_KEYS: &[Key] = &[Key::new(
    "auth_is_down",
    Shape::Flag,
    "false",
    "429, and 401, 403 and 407 to a request with credentials, count as down instead of unknown",
)];

/// Keys of the check that are for every step.
const SHARED: [&str; 5] = ["ip", "allow_private", "ca", "server_name", "proxy"];

struct ScenarioProbe {
    steps: Vec<Step>,
    host: String,
    wanted: Expectations,
    user_agent: Arc<str>,
}

struct Step {
    name: String,
    /// With names to fill in.
    settings: Settings,
    client: Client,
    wanted: Expectations,
    captures: Vec<Capture>,
    cleanup: bool,
    needs_body: bool,
    auth_is_down: bool,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let tables = settings.tables("steps").unwrap_or_default();
    if tables.len() > STEPS_MAX {
        return Err(vec![Fault::new("steps", format!("{} steps are more than {STEPS_MAX}", tables.len()))]);
    }
    if tables.iter().all(|table| table.on("cleanup")) {
        let fault = Fault::new("steps", "there is no step that is not `cleanup`");
        return Err(vec![fault.hint("write [[checks.steps]] with a name and a url")]);
    }
    let names: Vec<&str> = tables.iter().filter(|table| !table.on("cleanup")).filter_map(|table| table.text("name")).collect();
    let scope = Scope { kind: "scenario", subjects: &["latency", "steps.NAME.SUBJECT"], steps: &names };
    let wanted = Expectations::compile(settings, &scope).map_err(|all| faults.extend(all));
    let (mut steps, mut known, mut host) = (Vec::new(), Vec::new(), String::new());
    for (n, table) in tables.iter().enumerate() {
        let name = table.text("name").unwrap_or_default();
        if let Some(fault) = bad_name(name, &tables[..n]) {
            faults.push(fault.within("steps", n));
        }
        match step(table, settings, &known, workshop) {
            Ok((mut step, of)) => {
                known.extend(step.captures.iter().map(|capture| capture.name.clone()));
                step.needs_body |= wanted.as_ref().is_ok_and(|wanted| wanted.need_body_of(name));
                if host.is_empty() {
                    host = of;
                }
                steps.push(step);
            }
            Err(all) => {
                for fault in all {
                    if !SHARED.contains(&fault.key) {
                        faults.push(fault.within("steps", n));
                    } else if !faults.contains(&fault) {
                        // What is wrong with keys of the check is told once, there.
                        faults.push(fault);
                    }
                }
                known.extend(table.text_map("capture").into_iter().flat_map(|map| map.keys().cloned()));
            }
        }
    }
    match wanted {
        Ok(wanted) if faults.is_empty() => {
            let user_agent = workshop.user_agent.clone();
            Ok(Arc::new(ScenarioProbe { steps, host, wanted, user_agent }))
        }
        _ => Err(faults),
    }
}

fn bad_name(name: &str, before: &[Settings]) -> Option<Fault> {
    if !is_name(name) {
        let fault = Fault::new("name", format!("{name:?} cannot be written as steps.NAME.SUBJECT"));
        return Some(fault.hint("use letters, digits, `_` and `-`"));
    }
    let twice = before.iter().any(|table| table.text("name") == Some(name));
    twice.then(|| Fault::new("name", format!("there are two steps {name:?}")).hint("give each a name of its own"))
}

/// A step, and whom it asks.
fn step(table: &Settings, check: &Settings, known: &[String], workshop: &Workshop) -> Result<(Step, String), Vec<Fault>> {
    let mut faults = check_names(table, known);
    let mut captures = Vec::new();
    for (name, written) in table.text_map("capture").into_iter().flatten() {
        match Capture::of(name, written) {
            Ok(capture) => captures.push(capture),
            Err(fault) => faults.push(fault),
        }
    }
    let mut settings = table.clone();
    settings.0.extend(SHARED.iter().filter_map(|key| check.0.get_key_value(key)).map(|(key, value)| (*key, value.clone())));
    // As it will be, with a value that can stand anywhere.
    let example: Vec<(String, Secret)> = known.iter().map(|name| (name.clone(), Secret::new("x".into()))).collect();
    let request = match filled(&settings, &example) {
        Ok(filled) => Request::of(&filled, &workshop.user_agent).map_err(|all| faults.extend(all)),
        // Told by `check_names`.
        Err(_) => Err(()),
    };
    let client = Client::of(&settings, request.as_ref().ok().map(Request::target), workshop).map_err(|all| faults.extend(all));
    let wanted = Expectations::compile(&settings, &http::SCOPE).map_err(|all| faults.extend(all));
    match (request, client, wanted) {
        (Ok(request), Ok(client), Ok(wanted)) if faults.is_empty() => {
            let host = client.host(request.target());
            let needs_body = wanted.need_body() || captures.iter().any(Capture::needs_body);
            let name = settings.text("name").unwrap_or_default().to_owned();
            let (cleanup, auth_is_down) = (settings.on("cleanup"), check.on("auth_is_down"));
            Ok((Step { name, settings, client, wanted, captures, cleanup, needs_body, auth_is_down }, host))
        }
        _ => Err(faults),
    }
}

impl Probe for ScenarioProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let whole = Deadline::of(timeout);
            let kept = if self.steps.iter().any(|step| step.cleanup) { timeout / CLEANUP_PART } else { Duration::ZERO };
            let deadline = Deadline { timeout: whole.timeout.saturating_sub(kept), ..whole };
            let mut course = Course::default();
            let ended = self.walk(&mut course, deadline).await;
            let duration = whole.started.elapsed();
            let complaints = self.clean_up(&mut course, whole).await;
            self.observation(course, ended, duration, &complaints)
        })
    }
}

/// One run.
#[derive(Default)]
struct Course {
    trace: Trace,
    jar: Jar,
    values: Vec<(String, Secret)>,
    /// The steps that went well.
    done: Vec<Done>,
}

struct Done {
    place: usize,
    answer: Answer,
    hop: Hop,
    verdict: Verdict,
}

/// Why a run ended before its end.
struct Ended {
    outcome: Outcome,
    reason: Reason,
    message: String,
    expectations: Vec<Expectation>,
}

impl From<(&str, Failure)> for Ended {
    fn from((step, failure): (&str, Failure)) -> Self {
        let outcome = if failure.reason.is_ours() { Outcome::Unknown } else { Outcome::Down };
        Ended { outcome, reason: failure.reason, message: format!("step {step}: {}", failure.message), expectations: Vec::new() }
    }
}

impl ScenarioProbe {
    async fn walk(&self, course: &mut Course, deadline: Deadline) -> Result<(), Ended> {
        for (place, step) in self.steps.iter().enumerate().filter(|(_, step)| !step.cleanup) {
            let Course { trace, jar, values, .. } = course;
            let asked = self.ask(step, values, jar, deadline, trace).await;
            let (answer, verdict) = asked.map_err(|failure| Ended::from((step.name.as_str(), failure)))?;
            if !matches!(verdict.outcome, Outcome::Up | Outcome::Degraded) {
                course.trace.detail.evidence = answer.evidence();
                let message = format!("step {}: {}", step.name, verdict.message);
                let expectations = named(&step.name, verdict.expectations);
                return Err(Ended { outcome: verdict.outcome, reason: verdict.reason, message, expectations });
            }
            for capture in &step.captures {
                match capture.take(&answer) {
                    Ok(value) => course.learn(&capture.name, value),
                    Err(why) => {
                        course.trace.detail.evidence = answer.evidence();
                        return Err((step.name.as_str(), Failure::new(Reason::Expectation, why)).into());
                    }
                }
            }
            course.done.push(Done { place, hop: course.trace.hop.clone(), answer, verdict });
        }
        Ok(())
    }

    async fn ask(
        &self,
        step: &Step,
        values: &Values,
        jar: &mut Jar,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<(Answer, Verdict), Failure> {
        let unusable = |why: String| Failure::new(Reason::Protocol, why);
        let settings = filled(&step.settings, values).map_err(|name| unusable(format!("`{name}` was not captured")))?;
        let mut request = Request::of(&settings, &self.user_agent).map_err(|faults| {
            let keys: Vec<&str> = faults.iter().map(|fault| fault.key).collect();
            unusable(format!("what was captured cannot be sent ({})", keys.join(", ")))
        })?;
        // What is sent was captured from somebody, and goes nowhere else.
        request.keeps_body_home = step.settings.text("body").is_some_and(|body| body.contains("{{"));
        let asked = step.client.ask_with(Some(jar), &request, step.needs_body, deadline.restarted(), trace).await;
        let mut secrets = Secrets::default();
        jar.values().for_each(|value| secrets.add(value));
        trace.hide(&Arc::new(secrets));
        let answer = asked?;
        let manners = Manners { sends_credentials: request.sends_credentials, auth_is_down: step.auth_is_down, is_http: true, said: "" };
        let verdict = judge(&step.wanted, &answer.seen(&trace.hop), manners);
        Ok((answer, verdict))
    }

    /// Runs what cleans up, as far as there is something to clean up; what went wrong with it.
    async fn clean_up(&self, course: &mut Course, whole: Deadline) -> Vec<String> {
        let mut complaints = Vec::new();
        for step in self.steps.iter().filter(|step| step.cleanup) {
            // What was never captured was never made.
            let Ok(_) = filled(&step.settings, &course.values) else { continue };
            let mut trace = Trace::default();
            let asked = self.ask(step, &course.values, &mut course.jar, whole, &mut trace).await;
            course.trace.hide_all_of(&trace);
            match asked {
                Ok((answer, verdict)) => {
                    if !matches!(verdict.outcome, Outcome::Up | Outcome::Degraded) {
                        complaints.push(format!("cleanup {}: {}", step.name, verdict.message));
                    }
                    for capture in &step.captures {
                        let _ = capture.take(&answer).map(|value| course.learn(&capture.name, value));
                    }
                }
                Err(failure) => complaints.push(format!("cleanup {}: {}", step.name, failure.message)),
            }
        }
        complaints
    }

    fn observation(&self, course: Course, ended: Result<(), Ended>, duration: Duration, complaints: &[String]) -> Observation {
        let Course { mut trace, done, .. } = course;
        let ended = ended.err().unwrap_or_else(|| self.judge_whole(&done, duration));
        let all = done.into_iter().flat_map(|done| named(&self.steps[done.place].name, done.verdict.expectations));
        trace.detail.expectations = all.chain(ended.expectations).collect();
        let message = [std::slice::from_ref(&ended.message), complaints].concat().join("; ");
        trace.ended(ended.outcome, ended.reason, duration, &message)
    }

    /// All steps went well: what is expected of the whole, and whether one was slow.
    fn judge_whole(&self, done: &[Done], latency: Duration) -> Ended {
        let steps = done.iter().map(|done| (self.steps[done.place].name.as_str(), done.answer.seen(&done.hop))).collect();
        let seen = Seen { latency, steps, ..Seen::default() };
        let Verdict { outcome, reason, message, expectations } = judge(&self.wanted, &seen, Manners::default());
        let slow = done.iter().find(|done| done.verdict.outcome == Outcome::Degraded);
        match (outcome, slow) {
            (Outcome::Up, Some(slow)) => {
                let message = format!("step {}: {}", self.steps[slow.place].name, slow.verdict.message);
                Ended { outcome: Outcome::Degraded, reason: slow.verdict.reason, message, expectations }
            }
            // Nothing says of a whole that it "connected".
            _ => Ended { outcome, reason, message: message.replacen("connected", &steps_done(done.len()), 1), expectations },
        }
    }
}

impl Course {
    /// From now on a later step may use it, and nobody reads it.
    fn learn(&mut self, name: &str, value: Secret) {
        let mut secrets = Secrets::default();
        secrets.add(value.expose());
        self.trace.hide(&Arc::new(secrets));
        self.values.push((name.to_owned(), value));
    }
}

fn steps_done(count: usize) -> String {
    if count == 1 { "1 step".to_owned() } else { format!("{count} steps") }
}

fn named(step: &str, expectations: Vec<Expectation>) -> Vec<Expectation> {
    expectations.into_iter().map(|e| Expectation { expression: format!("{step}: {}", e.expression), ..e }).collect()
}
