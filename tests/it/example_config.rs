//! The files in `config/` load as they are, hold every key, and show the defaults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vendord::config::{self, Env, Kinds, Loaded};
use vendord::probes::Workshop;

const SIGNING: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx";
const FILES: [&str; 2] = ["vendord.toml", "vendors/github.toml"];

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
    let config = loaded.config.unwrap();
    assert_eq!(config.vendors.len(), 1);
    assert_eq!(config.vendors[0].checks.len(), 2);
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
    for file in FILES {
        let text = with_everything_on(&text_of(file));
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    let loaded = load(&dir.path().join("vendord.toml"));
    let said = loaded.diagnostics.render(false);
    let config = loaded.config.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(config.receivers.len(), 1);
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.vendors[0].status_pages.len(), 1);
    assert_eq!(loaded.diagnostics.count(config::Level::Warning), 1, "{said}");
}

#[test]
fn every_key_has_a_place() {
    let all: String = FILES.iter().map(|file| text_of(file)).collect();
    let written = |key: &str| {
        let mut lines = all.lines().map(|line| line.trim_start_matches('#'));
        lines.any(|line| line.starts_with(&format!("{key} = ")) || line.contains(&format!(" {key} = ")))
    };
    let missing: BTreeSet<String> = config::tables(&Kinds::of_this_version())
        .into_iter()
        .flat_map(|table| table.keys.into_iter().map(move |key| (table.table.clone(), key)))
        .filter(|(_, key)| !(written(key.name) || key.later && key.default.is_empty()))
        .filter(|(table, _)| !table.contains(" of ")) // the keys of `tls` stand in a comment
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
