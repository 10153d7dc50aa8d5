//! Which components of a page are ours: by id, name, glob, group, region or `Group / Name`; letter case does not matter.

use glob::Pattern;

use crate::model::page::{Component, Touched};

/// The filter of one `[[status_pages]]`.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    components: Vec<Entry>,
    groups: Vec<Entry>,
    regions: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    written: String,
    lower: String,
    /// `None`: not a glob (a name with a lone bracket); then only equality counts.
    pattern: Option<Pattern>,
}

impl Entry {
    fn new(written: &str) -> Entry {
        let lower = written.trim().to_lowercase();
        Entry { written: written.to_owned(), pattern: Pattern::new(&lower).ok(), lower }
    }

    /// Equality goes first: names may hold characters that mean something in a glob.
    fn is(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        self.lower == name || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(&name))
    }

    fn is_component(&self, c: &Component) -> bool {
        let qualified = |qualifier: &Option<String>| qualifier.as_ref().is_some_and(|q| self.is(&format!("{q} / {}", c.name)));
        let in_region = || c.region.as_ref().is_some_and(|region| self.is(&format!("{} / {region}", c.name)));
        self.written == c.id || self.is(&c.name) || qualified(&c.group) || in_region()
    }

    fn is_touched(&self, touched: &Touched) -> bool {
        touched.id.as_ref() == Some(&self.written) || self.is(&touched.name)
    }
}

impl Selection {
    pub fn new(components: &[String], groups: &[String], regions: &[String]) -> Selection {
        let entries = |written: &[String]| written.iter().map(|w| Entry::new(w)).collect();
        Selection { components: entries(components), groups: entries(groups), regions: entries(regions) }
    }

    /// Whether everything is ours.
    pub fn is_all(&self) -> bool {
        self.components.is_empty() && self.groups.is_empty() && self.regions.is_empty()
    }

    pub fn takes(&self, c: &Component) -> bool {
        let member = |entries: &[Entry], of: &Option<String>| of.as_ref().is_some_and(|of| entries.iter().any(|e| e.is(of)));
        let named = self.components.iter().any(|e| e.is_component(c)) || member(&self.groups, &c.group);
        let unnamed = self.components.is_empty() && self.groups.is_empty();
        (named || unnamed) && (self.regions.is_empty() || member(&self.regions, &c.region))
    }

    /// Whether an incident that touches `touches` (nothing named: the whole page) concerns us.
    pub fn concerns(&self, touches: &[Touched], components: &[Component]) -> bool {
        if touches.is_empty() || self.is_all() {
            return true;
        }
        touches.iter().any(|touched| {
            let listed = components.iter().filter(|c| match &touched.id {
                Some(id) => *id == c.id,
                None => touched.name.eq_ignore_ascii_case(&c.name),
            });
            let mut listed = listed.peekable();
            match listed.peek() {
                Some(_) => listed.any(|c| self.takes(c)),
                // Hidden or gone by now: by what it was called.
                None => self.components.iter().any(|e| e.is_touched(touched)),
            }
        })
    }

    /// What was written and matches nothing of `components`.
    pub fn unmatched(&self, components: &[Component]) -> Vec<String> {
        let group = |e: &Entry, of: fn(&Component) -> &Option<String>| components.iter().any(|c| of(c).as_ref().is_some_and(|g| e.is(g)));
        let missing_components = self.components.iter().filter(|e| !components.iter().any(|c| e.is_component(c)));
        let missing_groups = self.groups.iter().filter(|e| !group(e, |c| &c.group));
        let missing_regions = self.regions.iter().filter(|e| !group(e, |c| &c.region));
        missing_components.chain(missing_groups).chain(missing_regions).map(|e| e.written.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Status;

    fn components() -> Vec<Component> {
        let component = |id: &str, group: &str, name: &str, region: &str| Component {
            id: id.into(),
            name: name.into(),
            group: (!group.is_empty()).then(|| group.into()),
            region: (!region.is_empty()).then(|| region.into()),
            status: Status::Operational,
        };
        vec![
            component("a1", "", "API Requests", ""),
            component("a2", "Europe", "Compute", "Frankfurt"),
            component("a3", "Asia", "Compute", "Tokyo"),
            component("a4", "Asia", "Storage [S3]", "Tokyo"),
        ]
    }

    fn taken(components: &[&str], groups: &[&str], regions: &[&str]) -> (String, Vec<String>) {
        let texts = |list: &[&str]| list.iter().map(|t| t.to_string()).collect::<Vec<_>>();
        let selection = Selection::new(&texts(components), &texts(groups), &texts(regions));
        let all = super::tests::components();
        let ids: Vec<&str> = all.iter().filter(|c| selection.takes(c)).map(|c| c.id.as_str()).collect();
        (ids.join(" "), selection.unmatched(&all))
    }

    #[test]
    fn components_are_named_in_many_ways() {
        for (components, groups, regions, want) in [
            (&[][..], &[][..], &[][..], "a1 a2 a3 a4"),
            (&["api requests"], &[], &[], "a1"),
            (&["a3"], &[], &[], "a3"),
            (&["Comp*"], &[], &[], "a2 a3"),
            (&["asia / compute"], &[], &[], "a3"),
            (&["Compute / Tokyo"], &[], &[], "a3"),
            (&["Asia / *"], &[], &[], "a3 a4"),
            (&["Storage [S3]"], &[], &[], "a4"),
            (&["API Requests"], &["Europe"], &[], "a1 a2"),
            (&[], &["asia"], &[], "a3 a4"),
            (&["Compute"], &[], &["Frank*"], "a2"),
            (&[], &[], &["Tokyo"], "a3 a4"),
        ] {
            assert_eq!(taken(components, groups, regions), (want.to_owned(), vec![]), "{components:?} {groups:?} {regions:?}");
        }
        assert_eq!(
            taken(&["API Requests", "Actions"], &["Africa"], &["Mars"]),
            (String::new(), vec!["Actions".into(), "Africa".into(), "Mars".into()])
        );
    }

    #[test]
    fn incidents_concern_us_by_what_they_touch() {
        let selection = Selection::new(&["Asia / Compute".into(), "Hidden".into()], &[], &[]);
        let touched = |id: Option<&str>, name: &str| vec![Touched { id: id.map(str::to_owned), name: name.into() }];
        for (touches, want) in [
            (vec![], true),
            (touched(Some("a3"), "Compute"), true),
            (touched(Some("a2"), "Compute"), false),
            (touched(None, "compute"), true),
            (touched(None, "API Requests"), false),
            (touched(Some("zz"), "hidden"), true),
        ] {
            assert_eq!(selection.concerns(&touches, &components()), want, "{touches:?}");
        }
    }
}
