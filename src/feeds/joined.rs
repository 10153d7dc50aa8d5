//! Several documents of one page as one.

use std::collections::BTreeMap;

use super::budget::Budget;
use crate::model::Page;
use crate::model::page::{Component, Listing, Status};

/// `page` with what other documents of the same page say beside it. What both say of a component is taken from `page`,
/// where that knows it; the verdict is that of the components, where there are any.
pub fn joined(mut page: Page, others: impl IntoIterator<Item = Page>) -> Page {
    for other in others {
        page.name = page.name.or(other.name);
        page.url = page.url.or(other.url);
        page.updated_at = page.updated_at.max(other.updated_at);
        page.components = components(page.components, other.components);
        page.incidents.extend(other.incidents);
        page.maintenances.extend(other.maintenances);
        page.carries.components |= other.carries.components;
        page.carries.incidents = either(page.carries.incidents, other.carries.incidents);
        page.carries.maintenances = either(page.carries.maintenances, other.carries.maintenances);
        page.oddities.unknown_words.extend(other.oddities.unknown_words);
        page.oddities.texts_cut += other.oddities.texts_cut;
        page.oddities.stages_inferred += other.oddities.stages_inferred;
        let by_components = Status::roll_up(page.components.iter().map(|c| c.status));
        page.overall = by_components.or(Status::worst([page.overall, other.overall])).unwrap_or(Status::Unknown);
    }
    name_touched(&mut page);
    super::settle(page)
}

/// What a document names by its id alone is called as it is in another.
fn name_touched(page: &mut Page) {
    let mut budget = Budget::default();
    let names: BTreeMap<&str, &str> = page.components.iter().map(|c| (c.id.as_str(), c.name.as_str())).collect();
    let touches = page.incidents.iter_mut().map(|i| &mut i.touches).chain(page.maintenances.iter_mut().map(|m| &mut m.touches));
    for touched in touches.flatten().filter(|touched| touched.id.as_ref() == Some(&touched.name)) {
        if let Some(name) = names.get(touched.name.as_str()).and_then(|name| budget.copy(name).ok()) {
            touched.name = name;
        }
    }
}

/// What only the second has stands behind.
fn components(first: Vec<Component>, second: Vec<Component>) -> Vec<Component> {
    if first.is_empty() {
        return second;
    }
    let mut second: BTreeMap<String, Component> = second.into_iter().map(|c| (c.id.clone(), c)).collect();
    let mut all: Vec<Component> = first.into_iter().map(|c| known(second.remove(&c.id), c)).collect();
    all.extend(second.into_values());
    all
}

fn known(second: Option<Component>, first: Component) -> Component {
    let Some(second) = second else { return first };
    Component {
        name: if first.name == first.id { second.name } else { first.name },
        group: first.group.or(second.group),
        region: first.region.or(second.region),
        status: if first.status.is_known() { first.status } else { second.status },
        id: first.id,
    }
}

fn either(first: Listing, second: Listing) -> Listing {
    if first == Listing::Absent { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(id: &str, name: &str, status: Status) -> Component {
        Component { id: id.into(), name: name.into(), group: None, region: None, status }
    }

    #[test]
    fn names_of_one_and_states_of_the_other() {
        let mut names = Page::blank("uptimekuma");
        names.components = vec![component("7", "Mail", Status::Unknown), component("8", "Web", Status::Unknown)];
        names.carries.components = true;
        let mut states = Page::blank("uptimekuma");
        states.components = vec![component("9", "9", Status::Operational), component("7", "7", Status::MajorOutage)];
        states.carries.incidents = Listing::Open;
        let page = joined(names, [states]);
        let got: Vec<_> = page.components.iter().map(|c| (c.name.as_str(), c.status)).collect();
        assert_eq!(got, [("Mail", Status::MajorOutage), ("Web", Status::Unknown), ("9", Status::Operational)]);
        assert_eq!((page.overall, page.carries.incidents), (Status::PartialOutage, Listing::Open));
    }
}
