//! The files in `config/` load as they are, hold every key, and show the defaults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vendord::config::{self, Env, Kinds, Loaded};
use vendord::probes::Workshop;

const SIGNING: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx";
/// The main file and every vendor's.
fn files() -> Vec<String> {
    let vendors = std::fs::read_dir(examples().join("vendors")).unwrap();
    let mut files: Vec<String> = vendors.map(|file| format!("vendors/{}", file.unwrap().file_name().display())).collect();
    files.sort();
    files.insert(0, "vendord.toml".to_owned());
    files
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn text_of(file: &str) -> String {
    std::fs::read_to_string(examples().join(file)).unwrap()
}

fn load(path: &Path) -> Loaded {
    let env = Env { variable: Box::new(|name| name.starts_with("ONCALL").then(|| SIGNING.to_string())), current_dir: examples() };
    config::load_with(path, &Workshop::new(), Kinds::of_this_version(), &env)
}

#[test]
fn they_load_as_they_are() {
    let loaded = load(&examples().join("vendord.toml"));
    assert!(loaded.config.is_some(), "{}", loaded.diagnostics.render(false));
    let config = loaded.config.expect("said above");
    let ids: Vec<&str> = config.vendors.iter().map(|vendor| vendor.id.as_str()).collect();
    assert_eq!(ids, ["azure", "cloudflare", "github", "google-cloud", "openai", "slack"]);
    let github = &config.vendors[2];
    assert_eq!((github.name.as_str(), github.category.as_str(), github.website.as_str()), ("GitHub", "devtools", "https://github.com"));
    assert_eq!(github.status_pages[0].url.as_str(), "https://www.githubstatus.com/");
    assert!(config.vendors.iter().all(|vendor| vendor.status_pages.len() == 1 && !vendor.checks.is_empty()));
    assert_eq!(loaded.diagnostics.count(config::Level::Warning), 0, "{}", loaded.diagnostics.render(false));
    assert_eq!(config.store.path, examples().join("vendord.db"));
}

/// `#key = value` is an example to take over, `# text` explains.
fn with_everything_on(text: &str) -> String {
    let taken = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_string(),
        _ => line.to_string(),
    };
    text.lines().map(|line| taken(line) + "\n").collect()
}

#[test]
fn they_load_with_every_example_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("vendors")).unwrap();
    for file in files() {
        let text = with_everything_on(&text_of(&file));
        std::fs::write(dir.path().join(&file), text).unwrap();
    }
    let certificate = rcgen::generate_simple_self_signed(["vendor.example".to_string()]).unwrap();
    std::fs::write(dir.path().join("ca.pem"), certificate.cert.pem()).unwrap();
    let loaded = load(&dir.path().join("vendord.toml"));
    let said = loaded.diagnostics.render(false);
    let config = loaded.config.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(config.receivers.len(), 1);
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.vendors[2].category, "source code");
    assert_eq!(loaded.diagnostics.count(config::Level::Warning), 0, "{said}");
}

#[test]
fn every_key_has_a_place() {
    let all: String = files().iter().map(|file| text_of(file)).collect();
    let written = |key: &str| {
        let mut lines = all.lines().map(|line| line.trim_start_matches('#'));
        lines.any(|line| line.starts_with(&format!("{key} = ")) || line.contains(&format!(" {key} = ")))
    };
    let missing: BTreeSet<String> = config::tables(&Kinds::of_this_version())
        .into_iter()
        .flat_map(|table| table.keys.into_iter().map(move |key| (table.table.clone(), key)))
        .filter(|(_, key)| !written(key.name) && (!key.later || !key.default.is_empty()))
        .filter(|(table, _)| !table.contains(" of ")) // the keys of `tls` stand in a comment
        .filter(|(table, _)| !table.starts_with("[[checks]] kind")) // config/checks shows them: kinds.rs
        .map(|(table, key)| format!("{table} {}", key.name))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_is_written_in_the_main_file_is_the_default() {
    let text = text_of("vendord.toml");
    let tree = toml::de::DeTable::parse(&text).unwrap();
    let mut compared = 0;
    for table in config::tables(&Kinds::of_this_version()) {
        let name = table.table.trim_start_matches('[').trim_end_matches(']');
        let Some(section) = tree.get_ref().get(name).and_then(|section| section.get_ref().as_table()) else {
            continue;
        };
        for key in table.keys {
            let value = section.get(key.name).unwrap_or_else(|| panic!("[{name}] {} is missing", key.name));
            assert_eq!(&text[value.span()], key.default, "[{name}] {}", key.name);
            compared += 1;
        }
    }
    assert!(compared > 25);
}
