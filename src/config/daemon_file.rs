//! The main file, `vendord.toml`: its tables become [`Config`].

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;
use url::Url;

use super::reader::{Description, Desk, Said, Table, Written, bad_name, not_supported, read as read_table};
use super::{Agent, Config, Kinds, Log, Store, Web, alerting, keys, lint, nearest, vendor_file};
use crate::model::Fault;
use crate::model::id::name_problem;
use crate::probes::Workshop;

/// `None` only where something was found that is an error.
pub(super) fn read(desk: &mut Desk, path: &Path, kinds: Kinds<'static>, workshop: &Workshop) -> Option<Config> {
    let source = desk.open(&desk.env.current_dir.join(path))?;
    let tree = desk.parse(&source)?;
    let root = Written { source: source.clone(), table: &tree, span: 0..0, subject: String::new() };
    refuse_unknown(desk, &root);
    refuse_later(desk, &root);
    let [store, agent, registry, web, metrics, log] =
        ["store", "agent", "registry", "web", "metrics", "log"].map(|name| section(desk, &root, name));
    for name in ["config", "heartbeat", "review", "alerts"] {
        section(desk, &root, name);
    }
    let (store, agent) = (read_store(desk, &store), read_agent(desk, &agent));
    let (web, log) = (read_web(desk, &web), read_log(&log));
    let receivers = alerting::receivers(desk, &root, kinds);
    let routes = alerting::routes(desk, &root);
    let workshop = workshop.with_contact(agent.as_ref().map_or("", |agent| &agent.contact));
    let vendors = vendor_file::read_all(desk, &root, &registry, kinds, &workshop);
    // While something is wrong, what is merely odd would only distract.
    if !desk.diagnostics.has_errors() {
        lint::alerting(desk, &root, &receivers, &routes);
    }
    Some(Config {
        path: path.to_path_buf(),
        store: store?,
        agent: agent?,
        web: web?,
        metrics_full: metrics.settings.text("level")? == "full",
        log: log?,
        vendors,
        receivers: receivers.into_iter().filter_map(|one| one.built).collect(),
        routes: routes.into_iter().filter_map(|one| one.built).collect(),
    })
}

/// `[store]` alone: for whoever reads history, whatever is wrong elsewhere.
pub(super) fn read_only_store(desk: &mut Desk, path: &Path) -> Option<Store> {
    let source = desk.open(&desk.env.current_dir.join(path))?;
    let tree = desk.parse(&source)?;
    let root = Written { source: source.clone(), table: &tree, span: 0..0, subject: String::new() };
    let store = section(desk, &root, "store");
    read_store(desk, &store)
}

const ARRAYS: &[&str] = &["receivers", "routes"];

fn refuse_unknown(desk: &mut Desk, root: &Written) {
    let known: Vec<&str> = sections().chain(["defaults"]).chain(arrays()).collect();
    for (name, value) in root.table {
        let text = &**name.get_ref();
        if !known.contains(&text) {
            let is_table = value.get_ref().is_table() || value.get_ref().is_array();
            desk.error(root, name.span(), misplaced(text, is_table, &known));
        }
    }
}

fn sections() -> impl Iterator<Item = &'static str> {
    keys::SECTIONS.iter().map(|(name, _)| *name)
}

fn arrays() -> impl Iterator<Item = &'static str> {
    ARRAYS.iter().chain(keys::LATER_ARRAYS).copied()
}

fn misplaced(name: &str, is_table: bool, known: &[&str]) -> Said {
    if let Some(section) = home_of(name) {
        let hint = format!("write it below [{section}]");
        return (format!("`{name}` stands outside of its table"), Some(hint));
    }
    if ["checks", "status_pages"].contains(&name) {
        let hint = "move it to the file of its vendor, vendors/NAME.toml";
        return (format!("`{name}` belongs to a vendor"), Some(hint.into()));
    }
    let hint = match nearest::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {}?", bracketed(near)),
        None => {
            let all = sections().chain(["defaults.checks", "defaults.status_pages"]);
            let all: Vec<String> = all.chain(arrays()).map(bracketed).collect();
            format!("known here: {}", all.join(" "))
        }
    };
    let what = if is_table { "table" } else { "key" };
    (format!("unknown {what} `{name}`"), Some(hint))
}

/// As its header is written.
fn bracketed(name: &str) -> String {
    if arrays().any(|array| array == name) { format!("[[{name}]]") } else { format!("[{name}]") }
}

/// The one table that has this key.
fn home_of(key: &str) -> Option<&'static str> {
    let mut homes = keys::SECTIONS.iter().filter(|(_, keys)| keys.iter().any(|known| known.name == key));
    match (homes.next(), homes.next()) {
        (Some((home, _)), None) => Some(home),
        _ => None,
    }
}

fn refuse_later(desk: &mut Desk, root: &Written) {
    for name in keys::LATER_ARRAYS {
        for table in root.array(desk, name) {
            let said = not_supported(&format!("[[{name}]]"), None);
            desk.error(root, table.span, said);
        }
    }
}

/// A table of the main file; one that is not there has its defaults.
fn section(desk: &mut Desk, root: &Written, name: &str) -> Table {
    let empty = DeTable::new();
    let mut written = root.section(desk, name, name).unwrap_or(Written { table: &empty, ..root.clone() });
    written.subject = format!("[{name}]");
    let keys = keys::SECTIONS.iter().find(|(section, _)| *section == name).map_or(&[][..], |(_, keys)| keys);
    read_table(desk, &written, None, &Description::of(&[keys]))
}

const KEEP_OBSERVATIONS_MIN: Duration = Duration::from_secs(86_400);

fn read_store(desk: &mut Desk, table: &Table) -> Option<Store> {
    let url = table.settings.text("url")?;
    let Some(file) = url.strip_prefix("sqlite:") else {
        desk.fault(table, store_fault(url));
        return None;
    };
    let file = file.strip_prefix("//").unwrap_or(file);
    if file.is_empty() {
        desk.fault(table, Fault::new("url", format!("{url:?} names no file")).hint("write for example \"sqlite:vendord.db\""));
        return None;
    }
    // systemd lists several folders with colons; the first one is ours.
    let state = desk.env.get("STATE_DIRECTORY");
    let folder = match state.as_deref().and_then(|list| list.split(':').next()) {
        Some(state) => desk.env.current_dir.join(state),
        None => desk.folder.clone(),
    };
    let keep_observations = *table.settings.duration("keep_observations")?;
    if keep_observations < KEEP_OBSERVATIONS_MIN {
        let fault =
            Fault::new("keep_observations", "results are packed by the day and cannot be kept for less").hint("write at least \"1d\"");
        desk.fault(table, fault);
        return None;
    }
    Some(Store {
        path: folder.join(file),
        commit_within: *table.settings.duration("commit_within")?,
        keep_observations,
        keep_evidence: *table.settings.duration("keep_evidence")?,
        begin_anew: table.settings.text("on_corruption")? == "new",
        allow_network_fs: table.settings.on("allow_network_fs"),
    })
}

fn store_fault(url: &str) -> Fault {
    let scheme = url.split(':').next().unwrap_or_default();
    // The rest of such a URL may hold a password.
    let message = match scheme {
        "postgres" | "postgresql" => "PostgreSQL is not supported by this version yet".into(),
        _ => "the store's url does not begin with \"sqlite:\"".to_string(),
    };
    Fault::new("url", message).hint("write \"sqlite:vendord.db\", or the path of another file")
}

fn read_agent(desk: &mut Desk, table: &Table) -> Option<Agent> {
    let settings = &table.settings;
    let id = match settings.text("id")? {
        "" => host_name(),
        id => id.to_string(),
    };
    for (key, text) in [("id", id.as_str()), ("location", settings.text("location")?)] {
        if let Some(fault) = bad_name(key, key, text) {
            desk.fault(table, fault);
        }
    }
    let contact = settings.text("contact")?;
    if !contact.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
        let message = format!("contact {contact:?} cannot stand in a header");
        desk.fault(table, Fault::new("contact", message).hint("write an address or URL in ASCII"));
    }
    let limit = |key| settings.count(key).map(|count| usize::try_from(*count).unwrap_or(usize::MAX));
    Some(Agent {
        id,
        location: settings.text("location")?.to_string(),
        contact: contact.to_string(),
        max_in_flight: limit("max_in_flight")?,
        max_per_host: limit("max_per_host")?,
    })
}

/// The host's name, with what a name cannot have replaced.
fn host_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = host.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    match name_problem(&name) {
        None => name,
        Some(_) => "vendord".into(),
    }
}

fn read_web(desk: &mut Desk, table: &Table) -> Option<Web> {
    let settings = &table.settings;
    let listen = read_listen(desk, table)?;
    let external_url = match settings.text("external_url")? {
        "" => None,
        text => match http_url(text) {
            Ok(url) => Some(url),
            Err((message, hint)) => {
                let mut fault = Fault::new("external_url", format!("external_url {message}"));
                fault.hint = hint;
                desk.fault(table, fault);
                None
            }
        },
    };
    let route_prefix = settings.text("route_prefix")?;
    if !route_prefix.starts_with('/') || route_prefix.contains(['?', '#', ' ']) {
        let fault = Fault::new("route_prefix", format!("route_prefix {route_prefix:?} is not a path"));
        desk.fault(table, fault.hint("write for example \"/vendord\""));
    }
    Some(Web {
        listen,
        external_url,
        route_prefix: route_prefix.to_string(),
        allow_remote: settings.on("allow_remote"),
        lifecycle: settings.on("lifecycle"),
        hosts: read_hosts(desk, table)?,
        timezone: read_timezone(desk, table)?,
    })
}

fn read_hosts(desk: &mut Desk, table: &Table) -> Option<Vec<String>> {
    let written = table.settings.texts("hosts")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    for (item, name) in written.iter().enumerate().filter(|(_, name)| name.is_empty() || !name.chars().all(is_name)) {
        let fault = Fault::new("hosts", format!("hosts {name:?} is not the name of a host"));
        desk.fault(table, fault.hint("write it without scheme, port and path: \"vendord.example.org\"").item(item));
    }
    Some(written.to_vec())
}

fn read_timezone(desk: &mut Desk, table: &Table) -> Option<String> {
    let name = table.settings.text("timezone")?;
    if !name.eq_ignore_ascii_case("utc") && jiff::tz::TimeZone::get(name).is_err() {
        let fault = Fault::new("timezone", format!("timezone {name:?} is not known on this machine"));
        desk.fault(table, fault.hint("write \"UTC\" or an IANA name such as \"Europe/Berlin\" (it comes with the package tzdata)"));
    }
    Some(name.to_owned())
}

fn read_listen(desk: &mut Desk, table: &Table) -> Option<Vec<SocketAddr>> {
    let written = table.settings.texts("listen")?;
    if written.is_empty() {
        let fault = Fault::new("listen", "listen names no address");
        desk.fault(table, fault.hint("write for example \"127.0.0.1:9978\""));
    }
    let mut listen = Vec::new();
    for (item, text) in written.iter().enumerate() {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() || table.settings.on("allow_remote") => {
                listen.push(address);
            }
            Ok(address) => {
                let message = format!("listen {address} can be reached from other machines");
                let hint = "add `allow_remote = true` if that is meant, or write \"127.0.0.1:9978\"";
                desk.fault(table, Fault::new("listen", message).hint(hint).item(item));
            }
            Err(_) => {
                let message = format!("listen {text:?} is not an address and port");
                let hint = "write for example \"127.0.0.1:9978\" or \"[::1]:9978\"";
                desk.fault(table, Fault::new("listen", message).hint(hint).item(item));
            }
        }
    }
    (listen.len() == written.len()).then_some(listen)
}

/// An `http` or `https` URL with a host; or what is wrong with the text, to be put behind the key's name.
pub(super) fn http_url(text: &str) -> Result<Url, Said> {
    let example = || Some("write for example \"https://example.org\"".to_string());
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Err((format!("{text:?} is not an http or https URL"), example())),
        Ok(url) => Ok(url),
        Err(error) => Err((format!("{text:?} is not a URL: {error}"), example())),
    }
}

fn read_log(table: &Table) -> Option<Log> {
    Some(Log { level: table.settings.text("level")?.to_string(), json: table.settings.text("format")? == "json" })
}
