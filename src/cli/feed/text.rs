//! A page for a person: what is not as it should be, and how much is.

use super::find::Found;
use crate::cli::table::Table;
use crate::cli::words::{count, instant, tame};
use crate::model::page::{Component, Incident, Listing, Maintenance, Touched};
use crate::model::{Page, Status, Timestamp};

/// Of an update. `--json` has all of it.
const LINES_MAX: usize = 6;

pub fn text(found: &Found, coloured: bool) -> String {
    let page = &found.page;
    let mut text = head(found);
    text += "\n";
    text += &components(page, coloured);
    text += &incidents(page);
    text += &maintenances(page);
    for word in &page.oddities.unknown_words {
        text += &format!("\nnote: the page uses a word that is not known here ({})\n", tame(word));
    }
    text
}

/// What was asked before, why the page is taken for what it is, and what its document carries; then the page.
pub fn explained(found: &Found, coloured: bool) -> String {
    let mut text = String::new();
    if !found.tried.is_empty() {
        text += &format!("Asked before:\n{}\n", found.tried.join("\n"));
    }
    let page = &found.page;
    text += &match found.evidence {
        Some(evidence) => format!("It is taken for {} because of: {}\n", page.format, evidence),
        None => format!("It is read as {} because it was told so; nothing in it says that\n", page.format),
    };
    let listing = |of: &str, listing: Listing| match listing {
        Listing::Absent => format!("no {of}"),
        Listing::Open => format!("all {of} that are open, and a history tells what became of the others"),
        Listing::OpenOnly => format!("all {of} that are open; one that is gone is over"),
        Listing::Recent => format!("the newest {of}, open or over; one that is gone is not over for that"),
        Listing::Archive => format!("old {of}"),
    };
    let components = if page.carries.components { "components" } else { "no list of components" };
    let parts = [components.to_owned(), listing("incidents", page.carries.incidents), listing("maintenances", page.carries.maintenances)];
    text += &format!("It carries: {}\n\n", parts.join("; "));
    text + &self::text(found, coloured)
}

fn head(found: &Found) -> String {
    let page = &found.page;
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| text += &format!("{name:<9} {}\n", tame(value));
    fact("page", page.name.as_deref().unwrap_or("(without a name)"));
    if let Some(url) = &page.url {
        fact("url", url);
    }
    fact("format", page.format);
    if let Some(address) = &found.address {
        fact("read from", address.document.as_str());
    }
    if let Some(at) = page.updated_at {
        fact("updated", &instant(at));
    }
    fact("overall", page.overall.as_str());
    text
}

/// What is not operational, the worst first, and how many are.
fn components(page: &Page, coloured: bool) -> String {
    if page.components.is_empty() {
        let why = if page.carries.components { "the page has no components" } else { "this document lists no components" };
        return format!("{why}\n");
    }
    let mut troubled: Vec<&Component> = page.components.iter().filter(|c| c.status != Status::Operational).collect();
    // What is unknown is level 0, and comes last.
    troubled.sort_by_key(|component| std::cmp::Reverse(component.status.level()));
    let fine = page.components.len() - troubled.len();
    if troubled.is_empty() {
        return match fine {
            1 => "its one component is operational\n".to_owned(),
            fine => format!("all {fine} components are operational\n"),
        };
    }
    let mut table = Table::new(coloured, ["COMPONENT", "STATUS"]);
    for component in troubled {
        table.row([tame(&full_name(component)).into(), component.status.into()]);
    }
    let others = match fine {
        0 => "none is operational".to_owned(),
        1 => "1 more is operational".to_owned(),
        fine => format!("{fine} more are operational"),
    };
    format!("{}{others}\n", table.render())
}

/// `Group / Name`
pub fn full_name(component: &Component) -> String {
    match &component.group {
        Some(group) => format!("{group} / {}", component.name),
        None => component.name.clone(),
    }
}

fn incidents(page: &Page) -> String {
    let (open, over): (Vec<&Incident>, Vec<&Incident>) = page.incidents.iter().partition(|incident| incident.is_open());
    let mut text = match (page.carries.incidents, open.len()) {
        (Listing::Absent, 0) => "\nthis document lists no incidents\n".to_owned(),
        (_, 0) => "\nno open incident\n".to_owned(),
        (_, number) => format!("\n{}:\n", count(number, "open incident")),
    };
    open.iter().for_each(|incident| text += &open_incident(incident));
    if !over.is_empty() {
        text += &format!("{} over (--json has them)\n", if over.len() == 1 { "1 is".to_owned() } else { format!("{} are", over.len()) });
    }
    text
}

fn open_incident(incident: &Incident) -> String {
    let impact = incident.impact.map(|impact| format!("impact {impact}"));
    let stage = incident.stage.map(|stage| stage.to_string());
    let since = incident.started_at.map(|at| format!("since {}", instant(at)));
    let mut text = item(&incident.title, [impact, stage, since], &incident.touches, incident.url.as_deref());
    if let Some(update) = incident.updates.first() {
        let said = [update.at.map(instant), update.stage.map(|stage| stage.to_string())].into_iter().flatten().collect::<Vec<_>>();
        text += &format!("    {}\n", if said.is_empty() { "latest update".to_owned() } else { said.join(", ") });
        let lines: Vec<&str> = update.body.lines().filter(|line| !line.trim().is_empty()).collect();
        lines.iter().take(LINES_MAX).for_each(|line| text += &format!("      {}\n", tame(line)));
        if lines.len() > LINES_MAX {
            text += "      …\n";
        }
    }
    text
}

fn maintenances(page: &Page) -> String {
    let (over, ahead): (Vec<&Maintenance>, Vec<&Maintenance>) = page.maintenances.iter().partition(|work| work.is_over());
    if ahead.is_empty() && over.is_empty() {
        return String::new();
    }
    let mut text = match ahead.len() {
        0 => "\nno maintenance is announced\n".to_owned(),
        number => format!("\n{}:\n", count(number, "maintenance")),
    };
    for work in ahead {
        text += &item(&work.title, [work.stage.map(|stage| stage.to_string()), span(work), None], &work.touches, work.url.as_deref());
    }
    text
}

fn span(work: &Maintenance) -> Option<String> {
    let at = |at: Option<Timestamp>| at.map(instant);
    match (at(work.starts_at), at(work.ends_at)) {
        (Some(from), Some(to)) => Some(format!("{from} to {to}")),
        (Some(from), None) => Some(format!("from {from}")),
        (None, Some(to)) => Some(format!("until {to}")),
        (None, None) => None,
    }
}

fn item(title: &str, facts: [Option<String>; 3], touches: &[Touched], url: Option<&str>) -> String {
    let mut text = format!("  {}\n", tame(title));
    let facts: Vec<String> = facts.into_iter().flatten().collect();
    if !facts.is_empty() {
        text += &format!("    {}\n", facts.join(", "));
    }
    let names: Vec<&str> = touches.iter().map(|touched| touched.name.as_str()).collect();
    text += &format!("    {}\n", if names.is_empty() { "the whole page".to_owned() } else { tame(&names.join(", ")) });
    url.map_or(text.clone(), |url| text + &format!("    {}\n", tame(url)))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::model::page::{Carries, Oddities, Update};
    use crate::model::{Impact, Stage};

    fn at(text: &str) -> Option<Timestamp> {
        Timestamp::parse(text)
    }

    fn component(id: &str, group: Option<&str>, name: &str, status: Status) -> Component {
        Component { id: id.into(), name: name.into(), group: group.map(str::to_owned), region: None, status }
    }

    /// A page with something of everything.
    pub fn troubled() -> Page {
        let incident = Incident {
            id: "i1".into(),
            title: "Errors\u{1b}[2J in the API".into(),
            impact: Some(Impact::Major),
            stage: Some(Stage::Identified),
            started_at: at("2026-11-23T20:30:00Z"),
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: Some("https://status.acme.example/i1".into()),
            touches: vec![Touched { id: Some("c1".into()), name: "API".into() }],
            updates: vec![Update { at: at("2026-11-23T20:34:00Z"), stage: Some(Stage::Identified), body: "Found.\nWe fix it.".into() }],
        };
        let silent = Incident {
            id: "i2".into(),
            title: "Odd".into(),
            impact: None,
            stage: None,
            touches: vec![],
            updates: vec![],
            ..incident.clone()
        };
        let over = Incident { id: "i0".into(), stage: Some(Stage::Resolved), resolved_at: at("2026-11-22T10:00:00Z"), ..incident.clone() };
        let work = Maintenance {
            id: "m1".into(),
            title: "New disks".into(),
            stage: Some(Stage::Scheduled),
            starts_at: at("2026-11-24T02:00:00Z"),
            ends_at: None,
            url: None,
            touches: vec![],
            updates: vec![],
        };
        Page {
            format: "statuspage",
            name: Some("Acme".into()),
            url: Some("https://status.acme.example/".into()),
            updated_at: at("2026-11-23T20:35:00Z"),
            overall: Status::PartialOutage,
            components: vec![
                component("c1", Some("Payments"), "API", Status::PartialOutage),
                component("c2", Some("Billing"), "API", Status::Operational),
                component("c3", None, "Web \"shop\"", Status::MajorOutage),
                component("c4", None, "Mail", Status::Unknown),
                component("c5", None, "Odd [eu", Status::Operational),
            ],
            incidents: vec![incident, silent, over],
            maintenances: vec![work],
            carries: Carries { components: true, incidents: Listing::Recent, maintenances: Listing::Open },
            oddities: Oddities { unknown_words: vec!["status: wobbly".into()], texts_cut: 0, stages_inferred: 0 },
        }
    }

    fn shown(page: Page) -> String {
        text(&Found { page, address: None, detected: true, evidence: None, tried: Vec::new() }, false)
    }

    #[test]
    fn people_see_what_is_wrong_first() {
        let want = "\
page      Acme
url       https://status.acme.example/
format    statuspage
updated   2026-11-23 20:35:00 UTC
overall   partial_outage

COMPONENT       STATUS
Web \"shop\"      major_outage
Payments / API  partial_outage
Mail            unknown
2 more are operational

2 open incidents:
  Errors [2J in the API
    impact major, identified, since 2026-11-23 20:30:00 UTC
    API
    https://status.acme.example/i1
    2026-11-23 20:34:00 UTC, identified
      Found.
      We fix it.
  Odd
    since 2026-11-23 20:30:00 UTC
    the whole page
    https://status.acme.example/i1
1 is over (--json has them)

1 maintenance:
  New disks
    scheduled, from 2026-11-24 02:00:00 UTC
    the whole page

note: the page uses a word that is not known here (status: wobbly)
";
        assert_eq!(shown(troubled()), want);
    }

    #[test]
    fn a_page_without_trouble_is_short_and_a_document_does_not_pretend() {
        let calm = Page {
            overall: Status::Operational,
            components: vec![component("c1", None, "API", Status::Operational), component("c2", None, "Web", Status::Operational)],
            incidents: vec![],
            maintenances: vec![],
            oddities: Oddities::default(),
            ..troubled()
        };
        assert!(shown(calm.clone()).ends_with("\n\nall 2 components are operational\n\nno open incident\n"), "{}", shown(calm));
        let bare = Page { components: vec![], carries: Carries::default(), ..calm };
        assert!(shown(bare).ends_with("this document lists no components\n\nthis document lists no incidents\n"));
    }
}
