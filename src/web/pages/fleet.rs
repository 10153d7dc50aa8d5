//! `/`: every vendor with what it declares and what we measure, the problems first. Rendered from the board alone.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;

use super::parts::{self, When};
use super::{Frame, Place};
use crate::config::{Config, Vendor};
use crate::model::{Status, Timestamp};
use crate::uptime::{Round, percent};
use crate::web::api::words;
use crate::web::bars::{self, Bars};
use crate::web::board::{Figures, VendorFigures};
use crate::web::history::History;
use crate::web::look::Look;
use crate::web::server::Site;
use crate::web::visit::Visit;
use crate::web::zone::lasting;

/// From so many vendors on the page is cut into pages.
const PAGED_FROM: usize = 500;
const PAGE_ROWS: usize = 200;
/// Problems that are shown as cards; the others are in the table, which can be filtered for them.
const CARDS_MAX: usize = 12;
/// Announced work further ahead is not shown.
const AHEAD_DAYS: u64 = 14;

#[derive(Template)]
#[template(path = "fleet.html", whitespace = "minimize")]
struct FleetPage {
    frame: Frame,
    headline: String,
    is_empty: bool,
    cards: Vec<Card>,
    cards_more: usize,
    chips: Vec<Chip>,
    tiers: Vec<Choice>,
    categories: Vec<Choice>,
    sorts: Vec<Choice>,
    groupings: Vec<Choice>,
    words: String,
    state: String,
    groups: Vec<Group>,
    shown: usize,
    total: usize,
    pages: Vec<Link>,
    work: Vec<Work>,
    legend: [Look; 6],
    axis: f32,
    width: u32,
    height: u32,
}

/// A vendor that has a problem.
struct Card {
    id: String,
    name: String,
    look: Look,
    since: Option<When>,
    lasts: String,
    why: String,
    declared: Look,
    measured: Look,
    order: Option<String>,
    incidents: Vec<Titled>,
    outage: Option<String>,
}

struct Titled {
    id: String,
    title: String,
}

struct Group {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    name: String,
    category: String,
    look: Look,
    bars: Option<Bars>,
    uptime: Option<String>,
    incidents: usize,
    seen: Option<When>,
    /// What the search looks in, in lower case.
    find: String,
}

struct Chip {
    label: String,
    count: usize,
    link: String,
    is_on: bool,
    class: &'static str,
}

/// One of the values of a `<select>`.
struct Choice {
    value: String,
    label: String,
    is_on: bool,
}

struct Link {
    label: String,
    link: String,
    is_on: bool,
}

struct Work {
    vendor: String,
    name: String,
    id: String,
    title: String,
    starts: When,
    lasts: Option<String>,
    is_on: bool,
}

/// A vendor of the configuration with what the board has of it.
struct Entry<'e> {
    vendor: &'e Vendor,
    figures: &'e VendorFigures,
    status: Status,
    uptime: Option<f64>,
}

pub async fn fleet(Shared(site): Shared<Arc<Site>>, request: Request) -> Response {
    let visit = super::visit_of(&site, request).await;
    let (config, figures) = (site.config.load_full(), site.board.figures());
    super::page(&visit, StatusCode::OK, &made(&visit, &site, &config, &figures))
}

fn made(visit: &Visit, site: &Site, config: &Config, figures: &Figures) -> FleetPage {
    let all = entries(config, figures, visit.now);
    let mut chosen: Vec<&Entry> = all.iter().filter(|entry| is_chosen(entry, visit)).collect();
    sort(&mut chosen, visit.query.get("sort").unwrap_or("state"));
    let total = chosen.len();
    let (page, pages) = paged(visit, total);
    let on_page = if total > PAGED_FROM { &chosen[page * PAGE_ROWS..((page + 1) * PAGE_ROWS).min(total)] } else { &chosen[..] };
    let problems: Vec<&Entry> = by_trouble(all.iter().filter(|entry| is_problem(entry.status)).collect());
    FleetPage {
        frame: Frame::new(visit, site, Place::Fleet, headline(&all)),
        headline: headline(&all),
        is_empty: all.is_empty(),
        cards: problems.iter().take(CARDS_MAX).map(|entry| card(entry, figures, visit)).collect(),
        cards_more: problems.len().saturating_sub(CARDS_MAX),
        chips: chips(&all, visit),
        tiers: tiers(&all, visit),
        categories: categories(&all, visit),
        sorts: choices(
            visit,
            "sort",
            &[("state", "Sort by state"), ("name", "Sort by name"), ("tier", "Sort by tier"), ("uptime", "Sort by uptime")],
        ),
        groupings: choices(visit, "group", &[("tier", "Group by tier"), ("category", "Group by category"), ("none", "One group")]),
        words: visit.query.get("q").unwrap_or_default().to_owned(),
        state: visit.query.get("state").unwrap_or_default().to_owned(),
        groups: groups(on_page, figures, visit),
        shown: on_page.len(),
        total: all.len(),
        pages,
        work: work(&all, visit),
        legend: bars::LEGEND,
        axis: bars::AXIS,
        width: bars::WIDTH,
        height: bars::HEIGHT,
    }
}

fn entries<'e>(config: &'e Config, figures: &'e Figures, now: Timestamp) -> Vec<Entry<'e>> {
    let known: BTreeMap<&str, &VendorFigures> = figures.vendors.iter().map(|vendor| (vendor.id.as_str(), vendor)).collect();
    let entry = |vendor: &'e Vendor| {
        let of_vendor = *known.get(vendor.id.as_str())?;
        let uptime = figures.uptime.get(&vendor.id).and_then(|ratios| ratios[ratios.len() - 1]);
        Some(Entry { vendor, figures: of_vendor, status: of_vendor.status(now), uptime })
    };
    config.vendors.iter().filter_map(entry).collect()
}

const fn is_problem(status: Status) -> bool {
    matches!(status, Status::Degraded | Status::PartialOutage | Status::MajorOutage)
}

/// `2 of 41 vendors have problems, 1 unknown`
fn headline(all: &[Entry]) -> String {
    let count = |wanted: fn(Status) -> bool| all.iter().filter(|entry| wanted(entry.status)).count();
    let (problems, unknown) = (count(is_problem), count(|status| status == Status::Unknown));
    let also = match unknown {
        0 => String::new(),
        unknown => format!(", {unknown} unknown"),
    };
    match (all.len(), problems) {
        (0, _) => "No vendors yet".to_owned(),
        (1, 1) => "The only vendor has a problem".to_owned(),
        (total, 1) => format!("1 of {total} vendors has a problem{also}"),
        (total, problems) if problems > 0 => format!("{problems} of {total} vendors have problems{also}"),
        (total, _) if unknown == total => format!("{} unknown so far", words::count(total, "vendor")),
        (1, _) => "The only vendor is operational".to_owned(),
        (total, _) if unknown == 0 => format!("All {total} vendors operational"),
        (total, _) => format!("{} of {total} vendors operational{also}", total - unknown),
    }
}

/// From what a reader should look at first to what is well.
const fn trouble(status: Status) -> u8 {
    match status {
        Status::MajorOutage => 5,
        Status::PartialOutage => 4,
        Status::Degraded => 3,
        Status::Unknown => 2,
        Status::Maintenance => 1,
        Status::Operational => 0,
    }
}

fn by_trouble<'a, 'e>(mut entries: Vec<&'a Entry<'e>>) -> Vec<&'a Entry<'e>> {
    entries.sort_by(|a, b| {
        let key = |entry: &Entry| (Reverse(trouble(entry.status)), entry.vendor.tier, entry.vendor.name.to_lowercase());
        key(a).cmp(&key(b))
    });
    entries
}

fn sort(entries: &mut Vec<&Entry>, by: &str) {
    let name = |entry: &&Entry| entry.vendor.name.to_lowercase();
    match by {
        "name" => entries.sort_by_key(name),
        "tier" => entries.sort_by_key(|entry| (entry.vendor.tier, name(entry))),
        "uptime" => entries.sort_by(|a, b| {
            let uptime = |entry: &Entry| entry.uptime.unwrap_or(f64::INFINITY);
            uptime(a).total_cmp(&uptime(b)).then_with(|| name(a).cmp(&name(b)))
        }),
        _ => *entries = by_trouble(std::mem::take(entries)),
    }
}

fn is_chosen(entry: &Entry, visit: &Visit) -> bool {
    let query = &visit.query;
    let state = query.get("state").is_none_or(|state| matches_state(entry.status, state));
    let tier = query.get("tier").is_none_or(|tier| tier == entry.vendor.tier.to_string());
    let category = query.get("category").is_none_or(|category| category == entry.vendor.category);
    let text = find_text(entry.vendor);
    let found = query.get("q").is_none_or(|words| words.to_lowercase().split_whitespace().all(|word| text.contains(word)));
    state && tier && category && found
}

fn matches_state(status: Status, asked: &str) -> bool {
    match asked {
        "problem" => is_problem(status),
        word => status.as_str() == word,
    }
}

fn find_text(vendor: &Vendor) -> String {
    format!("{} {} {} tier {}", vendor.name, vendor.id, vendor.category, vendor.tier).to_lowercase()
}

fn chips(all: &[Entry], visit: &Visit) -> Vec<Chip> {
    const CHIPS: [(&str, &str, &str); 5] = [
        ("", "All", ""),
        ("problem", "Problems", "mo"),
        ("maintenance", "Maintenance", "mt"),
        ("unknown", "Unknown", "un"),
        ("operational", "Operational", "op"),
    ];
    let asked = visit.query.get("state").unwrap_or_default();
    let chip = |(state, label, class): (&str, &str, &'static str)| {
        let count = all.iter().filter(|entry| state.is_empty() || matches_state(entry.status, state)).count();
        Chip { label: label.to_owned(), count, link: visit.link("state", state), is_on: asked == state, class }
    };
    CHIPS.into_iter().map(chip).filter(|chip| chip.count > 0 || chip.is_on).collect()
}

fn choices(visit: &Visit, key: &str, all: &[(&str, &str)]) -> Vec<Choice> {
    let asked = visit.query.get(key).unwrap_or(all[0].0);
    let choice = |(value, label): &(&str, &str)| Choice { value: (*value).to_owned(), label: (*label).to_owned(), is_on: *value == asked };
    all.iter().map(choice).collect()
}

fn tiers(all: &[Entry], visit: &Visit) -> Vec<Choice> {
    let mut tiers: Vec<u8> = all.iter().map(|entry| entry.vendor.tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    let asked = visit.query.get("tier").unwrap_or_default();
    let choice = |tier: &u8| Choice { value: tier.to_string(), label: format!("Tier {tier}"), is_on: asked == tier.to_string() };
    tiers.iter().map(choice).collect()
}

fn categories(all: &[Entry], visit: &Visit) -> Vec<Choice> {
    let mut names: Vec<&str> = all.iter().map(|entry| entry.vendor.category.as_str()).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let asked = visit.query.get("category").unwrap_or_default();
    names.iter().map(|name| Choice { value: (*name).to_owned(), label: (*name).to_owned(), is_on: *name == asked }).collect()
}

/// Which page is asked for, and links to all of them.
fn paged(visit: &Visit, total: usize) -> (usize, Vec<Link>) {
    if total <= PAGED_FROM {
        return (0, Vec::new());
    }
    let count = total.div_ceil(PAGE_ROWS);
    let asked = visit.query.get("page").and_then(|text| text.parse::<usize>().ok()).unwrap_or(1).clamp(1, count);
    let link = |page: usize| Link { label: page.to_string(), link: visit.link("page", &page.to_string()), is_on: page == asked };
    (asked - 1, (1..=count).map(link).collect())
}

fn groups(entries: &[&Entry], figures: &Figures, visit: &Visit) -> Vec<Group> {
    let title = |entry: &Entry| match visit.query.get("group") {
        Some("none") => String::new(),
        Some("category") if entry.vendor.category.is_empty() => "No category".to_owned(),
        Some("category") => entry.vendor.category.clone(),
        _ => format!("Tier {}", entry.vendor.tier),
    };
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for entry in entries {
        groups.entry(title(entry)).or_default().push(row(entry, figures, visit));
    }
    groups.into_iter().map(|(title, rows)| Group { title, rows }).collect()
}

fn row(entry: &Entry, figures: &Figures, visit: &Visit) -> Row {
    let Entry { vendor, figures: of_vendor, status, uptime } = entry;
    let history = figures.history.get(&vendor.id);
    let bars = history.filter(|history| !history.measured.is_empty() || !history.declared.is_empty());
    Row {
        id: vendor.id.to_string(),
        name: vendor.name.clone(),
        category: vendor.category.clone(),
        look: Look::of(*status),
        bars: bars.map(|history| Bars::of(&bars::days(history, &visit.zone, visit.now))),
        uptime: uptime.map(|ratio| percent(ratio, 2, Round::Down)),
        incidents: of_vendor.open_incidents().count(),
        seen: of_vendor.seen_at().map(|at| When::of(at, &visit.zone, visit.now)),
        find: find_text(vendor),
    }
}

fn card(entry: &Entry, all: &Figures, visit: &Visit) -> Card {
    let Entry { vendor, figures, status, .. } = entry;
    let now = visit.now;
    let since = parts::since(figures, now);
    let titled = |incident: &crate::web::board::OpenIncident| Titled { id: incident.id.to_string(), title: incident.title.to_string() };
    const NONE: Look = Look { class: "no", word: "-" };
    Card {
        id: vendor.id.to_string(),
        name: vendor.name.clone(),
        look: Look::of(*status),
        since: since.map(|at| When::of(at, &visit.zone, now)),
        lasts: since.map_or(String::new(), |at| lasting(now.since(at))),
        why: parts::why(figures, now),
        declared: figures.declared(now).map_or(NONE, Look::of),
        measured: figures.measured(now).map_or(NONE, Look::measured),
        order: order(figures, all.history.get(&vendor.id).map(|history| &**history), &vendor.name, now),
        incidents: figures.open_incidents().take(3).map(titled).collect(),
        outage: figures.outage.as_ref().map(|outage| outage.id.to_string()),
    }
}

/// Who said it first, while an outage lasts.
fn order(figures: &VendorFigures, history: Option<&History>, name: &str, now: Timestamp) -> Option<String> {
    let outage = figures.outage.as_ref()?;
    let latest = history.and_then(|history| history.latest.as_ref()).filter(|latest| latest.outage.id == outage.id);
    let posted = latest.and_then(|latest| latest.post).map(|post| post.posted_at);
    let stated = figures.open_incidents().filter_map(|incident| incident.started_at).min();
    Some(parts::capital(&match (posted, stated) {
        (Some(posted), _) if posted >= outage.started_at => {
            format!("our checks failed {} before {name} posted", lasting(posted.since(outage.started_at)))
        }
        (Some(posted), _) => format!("{name} posted {} before our checks failed", lasting(outage.started_at.since(posted))),
        (None, Some(_)) => return None,
        (None, None) if figures.pages.is_empty() => return None,
        (None, None) => format!("{name} has not posted after {}", lasting(now.since(outage.started_at))),
    }))
}

fn work(all: &[Entry], visit: &Visit) -> Vec<Work> {
    let until = visit.now + std::time::Duration::from_secs(AHEAD_DAYS * 86_400);
    let announced =
        all.iter().flat_map(|entry| entry.figures.pages.iter().flat_map(move |page| page.announced.iter().map(move |a| (entry, a))));
    let mut work: Vec<_> = announced.filter(|(_, a)| a.starts_at < until && a.ends_at.unwrap_or(a.starts_at) > visit.now).collect();
    work.sort_by_key(|(_, announced)| announced.starts_at);
    let shown = |(entry, announced): (&Entry, &crate::web::board::Announced)| Work {
        vendor: entry.vendor.id.to_string(),
        name: entry.vendor.name.clone(),
        id: announced.id.to_string(),
        title: announced.title.to_string(),
        starts: When::of(announced.starts_at, &visit.zone, visit.now),
        lasts: announced.ends_at.map(|end| lasting(end.since(announced.starts_at))),
        is_on: announced.starts_at <= visit.now,
    };
    work.into_iter().map(shown).collect()
}
