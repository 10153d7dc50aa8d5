//! A page as people see it, so that there is something to open in a browser. The texts are our own and need no escaping.

use super::Shown;
use crate::cli::demo::world::Incident;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color:#222}\
                     .note{background:#f3f4f6;padding:.5rem 1rem}article{border-top:1px solid #ccc}small{color:#555}";

pub fn page(shown: &Shown) -> String {
    let name = shown.vendor.name;
    let open = shown.incidents.iter().filter(|incident| incident.is_open()).count();
    let verdict = if open == 0 { "All systems operational".to_owned() } else { format!("Open incidents: {open}") };
    let components: String = shown.vendor.components.iter().map(|component| component_line(shown, component)).collect();
    let incidents: String = shown.incidents.iter().map(incident).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name} Status</title><style>{STYLE}</style></head><body>\
         <p class=\"note\">A simulated vendor of <code>vendord demo</code>. It does not exist.</p>\
         <h1>{name} Status</h1><p><strong>{verdict}</strong></p><ul>{components}</ul><h2>Incidents</h2>{incidents}</body></html>\n"
    )
}

fn component_line(shown: &Shown, component: &str) -> String {
    let status = shown.worst(component).map_or("operational".to_owned(), |impact| format!("{} trouble", impact.as_str()));
    format!("<li>{component}: {status}</li>")
}

fn incident(incident: &Incident) -> String {
    let posts = incident.posts.iter().rev();
    let posts: String = posts.map(|p| format!("<p><b>{}</b> {}<br><small>{}</small></p>", p.stage.as_str(), p.body, p.at)).collect();
    format!("<article><h3>{}</h3>{posts}</article>", incident.title)
}
