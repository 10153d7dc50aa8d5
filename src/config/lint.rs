//! What loads and is probably not what was meant.

use super::Receiver;
use super::alerting::Read;
use super::catalog::Entry;
use super::diagnostics::{Level, Place};
use super::reader::{Desk, Written, with_key};
use crate::model::{Fault, Matching, Route};

pub(super) fn alerting(desk: &mut Desk, root: &Written, receivers: &[Read<Receiver>], routes: &[Read<Route>]) {
    if !root.table.contains_key("receivers") {
        let said = ("no receivers: nobody is told of anything".into(), Some("add [[receivers]] and [[routes]]".into()));
        return file(desk, root, Level::Info, said);
    }
    unused(desk, receivers, routes);
    unreachable(desk, routes);
    if !routes.iter().any(takes_all) {
        let message = "an alert that no route takes is kept, and nobody is told of it";
        let hint = "add a last route without `match`";
        file(desk, root, Level::Warning, (message.into(), Some(hint.into())));
    }
    receivers.iter().for_each(|receiver| of_channel(desk, receiver));
}

fn file(desk: &mut Desk, root: &Written, level: Level, said: (String, Option<String>)) {
    let place = Place { source: root.source.clone(), span: None };
    desk.say(level, place, "", said);
}

/// A route with faults may be anything: nothing is said because of it.
fn takes_all(route: &Read<Route>) -> bool {
    route.built.as_ref().is_none_or(|route| route.matching == Matching::default())
}

fn unused(desk: &mut Desk, receivers: &[Read<Receiver>], routes: &[Read<Route>]) {
    for receiver in receivers {
        if !routes.iter().any(|route| route.name == receiver.name) {
            let message = format!("no route leads to the receiver {:?}", receiver.name);
            let hint = "add a [[routes]] with this receiver, or remove it";
            desk.warn(&receiver.table, Fault::new("name", message).hint(hint));
        }
    }
}

fn unreachable(desk: &mut Desk, routes: &[Read<Route>]) {
    let last =
        routes.iter().position(|route| route.built.as_ref().is_some_and(|route| route.matching == Matching::default() && !route.continues));
    for route in routes.iter().skip(last.map_or(routes.len(), |last| last + 1)) {
        let message = "no alert comes to this route: one above takes all";
        let hint = "move it up, or give the one above a `match` or `continue = true`";
        desk.warn(&route.table, Fault::new("receiver", message).hint(hint));
    }
}

/// A page of the catalogue that nothing here can read.
pub(super) fn unreadable(desk: &mut Desk, place: Place, subject: &str, entry: &Entry) {
    let message = format!("the status page of {} cannot be read by this version yet: it is made with {}", entry.name, entry.engine());
    let hint = "write `enabled = false` below [[status_pages]] until it can, or the `url` of a feed that it has";
    desk.say(Level::Warning, place, subject, (message, Some(hint.into())));
}

/// What its channel says of itself.
fn of_channel(desk: &mut Desk, receiver: &Read<Receiver>) {
    let channel = receiver.built.as_ref().map(|built| &built.channel);
    for warning in channel.map(|channel| channel.warnings()).unwrap_or_default() {
        let warning = with_key("the receiver", warning);
        let place = receiver.table.header.clone();
        desk.say(Level::Warning, place, &receiver.table.subject, (warning, None));
    }
}
