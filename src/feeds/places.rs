//! Where the documents of a page are: from an address that people know to the documents that machines read.

use url::Url;

use super::{Document, FORMATS, Format};

/// What stands for the host of the page, and for the last segment of its path.
const ROOT: &str = "{root}";
const LAST: &str = "{last}";

/// Places at which one look asks for a page at most: what a web page names comes from its vendor.
pub const PLACES_MAX: usize = 60;

/// A document of a page, as a format names it: `/api/v2/summary.json` lies below the page's address, `{root}/api/current`
/// on its host, `https://api.example/v1` elsewhere; `{last}` is the last segment of the page's path, and without one there
/// is no such document.
pub fn place(page: &Url, document: &str) -> Option<Url> {
    let last = page.path_segments().and_then(|mut segments| segments.rfind(|s| !s.is_empty()));
    let document = if document.contains(LAST) { document.replace(LAST, last?) } else { document.to_owned() };
    if document.starts_with("https://") {
        return Url::parse(&document).ok();
    }
    let (base, document) = match document.strip_prefix(ROOT) {
        Some(rest) => ("", rest),
        None => (page.path().trim_end_matches('/'), document.as_str()),
    };
    let (path, query) = document.split_once('?').map_or((document, None), |(path, query)| (path, Some(query)));
    let mut url = page.clone();
    url.set_path(&format!("{base}{path}"));
    url.set_query(query);
    url.set_fragment(None);
    Some(url)
}

/// The address of the page to which `url` belongs: of a document below it, what stands before the document.
pub fn page_address(url: &Url) -> Url {
    let mut page = url.clone();
    let known = FORMATS.iter().flat_map(|f| [f.live, f.beside, f.history, f.parts]).flatten();
    let path = url.path().trim_end_matches('/');
    let below = known.map(|document| document.split_once('?').map_or(*document, |(path, _)| path)).filter(|d| d.starts_with('/'));
    if let Some(rest) = below.filter_map(|document| path.strip_suffix(document)).min_by_key(|rest| rest.len()) {
        page.set_path(rest);
        page.set_query(None);
    }
    page
}

/// Whether `url` is one of the documents of a format that do not lie below its pages.
fn is_elsewhere(url: &Url, format: &Format) -> bool {
    let mut documents = [format.live, format.beside, format.history, format.parts].into_iter().flatten();
    documents.any(|document| match (document.strip_prefix(ROOT), document.split_once(LAST)) {
        (Some(path), _) => path.split('?').next() == Some(url.path()),
        (None, Some((before, after))) if before.starts_with("https://") => {
            let last = url.as_str().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            last.is_some_and(|last| !last.is_empty() && !last.contains('/'))
        }
        _ => *document == url.as_str(),
    })
}

/// Where to look for a page, in order: `url` itself if it is a document, else the live documents of `format` below it (of
/// none: of the vendor whose host it is, then of every platform), at last `url` itself.
pub fn candidates(url: &Url, format: Option<&'static Format>) -> Vec<Url> {
    let page = page_address(url);
    let formats: Vec<&Format> = match format {
        Some(format) => vec![format],
        None => {
            let of_the_host = FORMATS.iter().filter(|f| url.host_str().is_some_and(|host| f.hosts.contains(&host)));
            of_the_host.chain(FORMATS.iter().filter(|f| f.hosts.is_empty())).collect()
        }
    };
    let is_document = page != *url || formats.iter().any(|format| is_elsewhere(url, format));
    let mut found: Vec<Url> = Vec::new();
    for candidate in formats.iter().flat_map(|f| f.live).filter_map(|document| place(&page, document)) {
        if !found.contains(&candidate) {
            found.push(candidate);
        }
    }
    found.retain(|candidate| candidate != url);
    found.insert(if is_document { 0 } else { found.len() }, url.clone());
    found
}

/// Where a web page says that its documents are.
pub fn hinted(web_page: &Document, format: Option<&'static Format>) -> Vec<Url> {
    let formats = FORMATS.iter().filter(|f| format.is_none_or(|wanted| wanted.name == f.name));
    formats.filter_map(|f| f.hint).flat_map(|hint| hint(web_page)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn documents_belong_to_pages() {
        for (document, page) in [
            ("https://status.example/", "https://status.example/"),
            ("https://status.example/api/v2/summary.json", "https://status.example/"),
            ("https://status.example/eu/api/v2/incidents.json?x=1", "https://status.example/eu"),
            ("https://status.example/history.atom", "https://status.example/"),
            ("https://status.example/api/v2/status.json", "https://status.example/"),
        ] {
            assert_eq!(page_address(&url(document)), url(page), "{document}");
        }
    }

    #[test]
    fn a_page_is_looked_for_at_every_known_place_and_at_last_where_it_was_said_to_be() {
        let page = url("https://status.example/eu/");
        let found = candidates(&page, None);
        assert_eq!(found[0].as_str(), "https://status.example/eu/api/v2/summary.json");
        assert_eq!(found.last(), Some(&page));
        let document = url("https://status.example/history.rss");
        assert_eq!(candidates(&document, super::super::format("rss"))[0], document);
        assert_eq!(candidates(&document, None).iter().filter(|c| **c == document).count(), 1);
    }

    #[test]
    fn a_vendor_with_a_format_of_its_own_is_asked_where_it_answers() {
        for (page, want) in [
            ("https://health.aws.amazon.com/health/status", "https://health.aws.amazon.com/public/currentevents"),
            ("https://status.cloud.google.com/", "https://status.cloud.google.com/incidents.json"),
            ("https://www.google.com/appsstatus/dashboard/", "https://www.google.com/appsstatus/dashboard/incidents.json"),
            ("https://status.salesforce.com", "https://api.status.salesforce.com/v1/instances"),
            ("https://status.salesforce.com/instances/AB1", "https://api.status.salesforce.com/v1/instances/AB1/status"),
            ("https://status.heroku.com/", "https://api.status.salesforce.com/v1/instances?products=Heroku"),
            ("https://status.slack.com/", "https://status.slack.com/api/v2.0.0/current"),
            ("https://status.dev.azure.com/", "https://status.dev.azure.com/_apis/status/health?api-version=7.1-preview.1"),
            ("https://ocistatus.oraclecloud.com/", "https://ocistatus.oraclecloud.com/api/v2/components.json"),
        ] {
            assert_eq!(candidates(&url(page), None)[0].as_str(), want, "{page}");
        }
        // A document stands for itself.
        for document in [
            "https://api.status.salesforce.com/v1/instances/AB1/status",
            "https://api.status.salesforce.com/v1/incidents/active",
            "https://health.aws.amazon.com/public/currentevents",
            "https://status.heroku.com/api/v4/current-status",
            "https://status.dev.azure.com/_apis/status/health?geographies=EU",
        ] {
            assert_eq!(candidates(&url(document), None)[0].as_str(), document);
        }
    }

    #[test]
    fn one_look_can_ask_at_every_place_of_any_platform() {
        for page in ["https://status.example/eu/", "https://status.example/status/acme"] {
            let known = candidates(&url(page), None);
            assert!(known.len() < PLACES_MAX, "{}: {known:#?}", known.len());
            assert_eq!(known.last(), Some(&url(page)));
        }
    }

    #[test]
    fn a_document_lies_below_its_page_on_its_host_or_elsewhere() {
        let page = url("https://status.example/status/acme/?x=1#y");
        for (document, want) in [
            ("/history.json?page=2", Some("https://status.example/status/acme/history.json?page=2")),
            ("{root}/api/{last}", Some("https://status.example/api/acme")),
            ("https://api.example/1/{last}", Some("https://api.example/1/acme")),
        ] {
            assert_eq!(place(&page, document).as_ref().map(Url::as_str), want, "{document}");
        }
        assert_eq!(place(&url("https://status.example/"), "{root}/api/{last}"), None);
    }
}
