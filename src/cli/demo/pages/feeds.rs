//! Histories as feeds: Atom as Statuspage prints it, RSS as Instatus does. The texts are our own and need no escaping.

use super::Shown;
use crate::cli::demo::world::{Incident, Post};
use crate::model::{Stage, Timestamp};

/// `published` is the newest update; the start is the oldest printed one.
pub fn atom(shown: &Shown) -> String {
    let updated = shown.incidents.iter().map(Incident::updated_at).max().unwrap_or(shown.at);
    let entries: String = shown.incidents.iter().map(|incident| atom_entry(shown, incident)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xml:lang=\"en-US\" xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>tag:{id},2005:/history</id>\n<title>{name} Status - Incident History</title>\n<updated>{updated}</updated>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{address}\"/>\n{entries}</feed>\n",
        id = shown.vendor.id,
        name = shown.vendor.name,
        address = shown.address,
    )
}

fn atom_entry(shown: &Shown, incident: &Incident) -> String {
    let newest = incident.updated_at();
    let posts: String = incident.posts.iter().rev().map(paragraph).collect();
    format!(
        "<entry><id>tag:{id},2005:Incident/{number}</id><published>{newest}</published><updated>{newest}</updated>\
         <link rel=\"alternate\" type=\"text/html\" href=\"{link}\"/><title>{title}</title>\
         <content type=\"html\">{posts}</content></entry>\n",
        id = shown.vendor.id,
        number = incident.number,
        link = shown.incident_address(incident),
        title = incident.title,
    )
}

fn paragraph(post: &Post) -> String {
    let (month, day, time) = (printed(post.at, "%b"), printed(post.at, "%d"), printed(post.at, "%H:%M"));
    format!(
        "&lt;p&gt;&lt;small&gt;{month} &lt;var data-var='date'&gt;{day}&lt;/var&gt;, &lt;var data-var='time'&gt;{time}&lt;/var&gt; \
         UTC&lt;/small&gt;&lt;br&gt;&lt;strong&gt;{}&lt;/strong&gt; - {}&lt;/p&gt;",
        word(post.stage),
        post.body
    )
}

/// `pubDate` is the start, and updates stand on one line, oldest first.
pub fn rss(shown: &Shown) -> String {
    let items: String = shown.incidents.iter().map(|incident| rss_item(shown, incident)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\">\n<channel>\n<title>{name} Status - Incident history</title>\n\
         <link>{address}</link>\n<description>{name}</description>\n{items}</channel>\n</rss>\n",
        name = shown.vendor.name,
        address = shown.address,
    )
}

fn rss_item(shown: &Shown, incident: &Incident) -> String {
    let minutes = incident.updated_at().since(incident.started_at()).as_secs() / 60;
    let posts: Vec<String> = incident
        .posts
        .iter()
        .map(|post| format!("{} GMT+0 - {} - {}", printed(post.at, "%b %d, %H:%M:%S"), word(post.stage), post.body))
        .collect();
    format!(
        "<item><title>{title}</title><description>\nType: Incident\nDuration: {minutes} minutes\n\nAffected Components: {components}\n{posts}\n\
         </description><pubDate>{started}</pubDate><link>{link}</link><guid>{link}</guid></item>\n",
        title = incident.title,
        components = incident.components.join(", "),
        posts = posts.join(" "),
        started = printed(incident.started_at(), "%a, %d %b %Y %H:%M:%S +0000"),
        link = shown.incident_address(incident),
    )
}

const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Investigating => "Investigating",
        Stage::Identified => "Identified",
        Stage::Monitoring => "Monitoring",
        _ => "Resolved",
    }
}

/// In UTC, in the words of `strftime`.
fn printed(at: Timestamp, format: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    at.strftime(format).to_string()
}
