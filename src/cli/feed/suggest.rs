//! `--suggest`: the lines that make a page one of a vendor's, ready to paste into its file.

use std::collections::BTreeMap;

use url::Url;

use super::find::Found;
use super::text::full_name;
use crate::cli::words::tame;
use crate::config::catalog;
use crate::feeds;
use crate::model::page::Component;

pub fn suggest(found: &Found) -> String {
    let page = &found.page;
    let mut text = String::from("[[status_pages]]\n");
    match address(found) {
        Some(url) => {
            text += &format!("url = {}\n", quoted(url.as_str()));
            if let Some(id) = catalogued(&url) {
                text += &format!("# Not needed with `catalog = \"{id}\"` above.\n");
            }
        }
        None => text += "url = \"https://status.example.org\"     # the page's address, which the document does not tell\n",
    }
    if !found.detected {
        text += &format!("format = {}\n", quoted(page.format));
    }
    text + &components(&page.components)
}

/// What the daemon is to ask for: the page, unless the document that was asked for is all that there is of it.
fn address(found: &Found) -> Option<Url> {
    match &found.address {
        Some(address) if address.itself && found.page.format == "rss" => Some(address.asked.clone()),
        Some(address) => Some(feeds::page_address(&address.asked)),
        None => Url::parse(found.page.url.as_deref()?).ok().filter(|url| matches!(url.scheme(), "http" | "https")),
    }
}

/// The catalogue's entry that leads to this address.
fn catalogued(url: &Url) -> Option<&'static str> {
    let same =
        |known: &str| Url::parse(known).is_ok_and(|known| known.as_str().trim_end_matches('/') == url.as_str().trim_end_matches('/'));
    catalog::entries().iter().find(|entry| same(entry.address())).map(|entry| entry.id)
}

/// Every one, as a comment: without a choice, all are used.
fn components(components: &[Component]) -> String {
    if components.is_empty() {
        return String::new();
    }
    let mut text = String::from("# What you use; without `components`, everything on the page.\n#components = [\n");
    for name in filters(components) {
        text += &format!("#    {},\n", quoted(&name));
    }
    text + "#]\n"
}

/// For each component a text that means it and no other: its name, else with its group or region, else its id.
fn filters(components: &[Component]) -> Vec<String> {
    let ways: [fn(&Component) -> Option<String>; 3] = [
        |component| Some(component.name.clone()),
        |component| component.group.as_ref().map(|_| full_name(component)),
        |component| component.region.as_ref().map(|region| format!("{} / {region}", component.name)),
    ];
    let mut number: BTreeMap<String, usize> = BTreeMap::new();
    for name in components.iter().flat_map(|component| ways.iter().filter_map(|way| way(component))) {
        *number.entry(name.to_lowercase()).or_default() += 1;
    }
    let unique = |name: &String| number.get(&name.to_lowercase()) == Some(&1);
    let filter = |component: &Component| ways.iter().filter_map(|way| way(component)).find(unique);
    components.iter().map(|component| filter(component).map_or_else(|| component.id.clone(), |name| valid(&name))).collect()
}

/// A name that is no glob has to be written as one that means the name.
fn valid(name: &str) -> String {
    if glob::Pattern::new(name).is_ok() { name.to_owned() } else { glob::Pattern::escape(name) }
}

/// As a TOML text: what JSON escapes, TOML escapes in the same way.
fn quoted(text: &str) -> String {
    serde_json::Value::from(tame(text)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::feed::find::Address;
    use crate::cli::feed::text::tests::troubled;
    use crate::declared::Selection;
    use crate::model::Status;

    fn address(asked: &str, document: &str) -> Option<Address> {
        let url = |text| Url::parse(text).unwrap();
        Some(Address { asked: url(asked), document: url(document), itself: asked == document })
    }

    #[test]
    fn what_is_not_unique_gets_its_group() {
        let found = Found { page: troubled(), address: None, detected: true, evidence: None, tried: Vec::new() };
        let want = "\
[[status_pages]]
url = \"https://status.acme.example/\"
# What you use; without `components`, everything on the page.
#components = [
#    \"Payments / API\",
#    \"Billing / API\",
#    \"Web \\\"shop\\\"\",
#    \"Mail\",
#    \"Odd [[]eu\",
#]
";
        assert_eq!(suggest(&found), want);
        let taken: String = want
            .lines()
            .map(|line| line.strip_prefix('#').filter(|l| !l.starts_with(' ') || l.ends_with(',')).unwrap_or(line).to_owned() + "\n")
            .collect();
        let tree = toml::de::DeTable::parse(&taken).unwrap();
        assert!(tree.get_ref().contains_key("status_pages"), "{taken}");
    }

    #[test]
    fn each_text_means_its_component_and_no_other() {
        let component = |id: &str, group: Option<&str>, name: &str, region: Option<&str>| Component {
            id: id.into(),
            name: name.into(),
            group: group.map(str::to_owned),
            region: region.map(str::to_owned),
            status: Status::Operational,
        };
        let components = [
            component("a", None, "API", None),
            component("b", Some("EU"), "Compute", Some("Paris")),
            component("c", Some("EU"), "compute", Some("Rome")),
            component("d", Some("US"), "Compute", None),
            component("e", None, "Twin", None),
            component("f", None, "Twin", None),
            component("g", None, "Odd [x", None),
        ];
        let filters = filters(&components);
        assert_eq!(filters, ["API", "Compute / Paris", "compute / Rome", "US / Compute", "e", "f", "Odd [[]x"]);
        for (filter, own) in filters.iter().zip(&components) {
            let selection = Selection::new(std::slice::from_ref(filter), &[], &[]);
            let taken: Vec<&str> = components.iter().filter(|c| selection.takes(c)).map(|c| c.id.as_str()).collect();
            assert_eq!(taken, [own.id.as_str()], "{filter}");
        }
    }

    #[test]
    fn the_address_is_the_pages_unless_the_document_is_all_there_is() {
        let page = "https://www.githubstatus.com/";
        let summary = "https://www.githubstatus.com/api/v2/summary.json";
        let mut found = Found { page: troubled(), address: address(page, summary), detected: false, evidence: None, tried: Vec::new() };
        let text = suggest(&found);
        assert!(text.starts_with("[[status_pages]]\nurl = \"https://www.githubstatus.com/\"\n# Not needed with `catalog = \"github\"` above.\nformat = \"statuspage\"\n"), "{text}");
        found.address = address(summary, summary);
        assert!(suggest(&found).contains("url = \"https://www.githubstatus.com/\""));
        found.page.format = "rss";
        found.address = address("https://status.hetzner.com/de.atom", "https://status.hetzner.com/de.atom");
        assert!(suggest(&found).contains("url = \"https://status.hetzner.com/de.atom\"\n# Not needed with `catalog = \"hetzner\"`"));
        found.page.url = None;
        found.address = None;
        assert!(suggest(&found).contains("url = \"https://status.example.org\""));
    }
}
