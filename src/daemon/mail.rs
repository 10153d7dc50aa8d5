//! The way of a report: from the web to the mailbox of its check, and what was heard to the recorder.
//!
//! A report of a check that is paused is taken and leaves nothing, as a look would not have been made.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::fleet::Hint;
use super::inputs::{Inputs, Saw};
use super::prober::Command;
use crate::clock;
use crate::probes::{Probe, Report};
use crate::store::CheckKey;
use crate::telemetry::Telemetry;
use crate::web::push::{Admitted, Taken};

pub struct Mail {
    by_id: ArcSwap<HashMap<String, Arc<Addressee>>>,
    inputs: Inputs,
    telemetry: Telemetry,
}

/// A check that is reported to.
struct Addressee {
    probe: Arc<dyn Probe>,
    /// Where it is recorded; nowhere while it is paused.
    recorded: Option<(CheckKey, Arc<Hint>)>,
}

impl Mail {
    pub fn new(inputs: Inputs, telemetry: Telemetry) -> Mail {
        Mail { by_id: ArcSwap::default(), inputs, telemetry }
    }

    /// Replaces the set of checks; what is unchanged goes on listening where it stood.
    pub fn replace(&self, command: &Command) {
        let mut recorded: HashMap<(usize, usize), (CheckKey, Arc<Hint>)> =
            command.checks.checks.iter().map(|c| ((c.vendor, c.check), (c.key, c.hint.clone()))).collect();
        let before = self.by_id.load();
        let mut by_id = HashMap::new();
        for (v, vendor) in command.config.vendors.iter().enumerate() {
            for (c, check) in vendor.checks.iter().enumerate() {
                let Some(mailbox) = check.probe.mailbox() else { continue };
                let id = check.id.to_string();
                // Nobody listened for what was paused.
                let listened = before.get(&id).filter(|before| before.recorded.is_some());
                if let Some(before) = listened.and_then(|before| before.probe.mailbox()) {
                    mailbox.take_over(before);
                }
                let addressee = Addressee { probe: check.probe.clone(), recorded: recorded.remove(&(v, c)) };
                by_id.insert(id, Arc::new(addressee));
            }
        }
        self.by_id.store(Arc::new(by_id));
    }

    /// Who takes a report for the check `id`, if `token` is its own. One that does not exist is no different from a wrong token.
    pub fn admit(self: &Arc<Self>, id: &str, token: &str) -> Option<Admitted> {
        let addressee = self.by_id.load().get(id).filter(|a| a.probe.mailbox().is_some_and(|m| m.admits(token))).cloned()?;
        let mail = self.clone();
        Some(Box::new(move |report| mail.take(&addressee, report)))
    }

    fn take(&self, addressee: &Addressee, report: &Report) -> Taken {
        let (Some(mailbox), Some((key, hint))) = (addressee.probe.mailbox(), &addressee.recorded) else { return Taken::Paused };
        let now = clock::reading();
        let observation = mailbox.heard(report, clock::instant());
        let news = hint.is_news(observation.outcome);
        if self.inputs.saw(Saw { key: *key, at: now.wall, boot: now.boot, observation }, news) {
            return Taken::Recorded;
        }
        self.telemetry.results_dropped.inc();
        Taken::Refused
    }
}
