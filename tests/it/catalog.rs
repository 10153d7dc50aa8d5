//! The catalogue and the configuration that is made from it, through the real binary.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Runs it in `directory`, without any configuration in sight.
fn vendord(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
    command.args(args).current_dir(directory).env("NO_COLOR", "1").env_remove("VENDORD_CONFIG");
    command.output().expect("the binary starts")
}

#[track_caller]
fn printed(directory: &Path, args: &[&str], code: i32) -> String {
    let output = vendord(directory, args);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}

#[track_caller]
fn json_of(directory: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&printed(directory, args, 0)).expect("JSON")
}

#[test]
fn the_catalogue_is_searched() {
    let dir = tempfile::tempdir().unwrap();
    let found = json_of(dir.path(), &["catalog", "search", "--json"]);
    assert_eq!((&found["schema"], found["vendors"].as_array().map(Vec::len)), (&json!(1), Some(1156)));
    let found = json_of(dir.path(), &["catalog", "search", "google", "cloud", "--json"]);
    assert_eq!(
        found["vendors"][0],
        json!({"id": "google-cloud", "name": "Google Cloud", "category": "cloud", "platform": "gcp", "readable": true, "format": "gcp",
            "status_page": "https://status.cloud.google.com", "feed": null, "website": "https://cloud.google.com",
            "aliases": ["gcp", "google-cloud-platform"]})
    );
    let payments = json_of(dir.path(), &["catalog", "search", "--category", "payments", "--platform", "statuspage", "--json"]);
    let all = payments["vendors"].as_array().unwrap();
    assert!(all.len() > 10 && all.iter().all(|v| v["category"] == "payments" && v["readable"] == true && v["format"] == "statuspage"));
    let three = printed(dir.path(), &["catalog", "search", "--limit", "3"], 0);
    assert!(three.starts_with("ID ") && three.ends_with("\n3 vendors\n"), "{three}");
    assert_eq!(printed(dir.path(), &["catalog", "search", "githbu"], 0), "no vendor of the catalogue matches; did you mean \"github\"?\n");
    let wrong = printed(dir.path(), &["catalog", "search", "--platform", "statuspgae"], 2);
    assert_eq!(wrong, "error: there is no platform \"statuspgae\"; did you mean \"statuspage\"?\n");
}

#[test]
fn one_vendor_is_shown_with_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let seen = ["github", "gcp", "redis", "pagerduty", "azure"].map(|id| printed(dir.path(), &["catalog", "show", id], 0));
    insta::assert_snapshot!(seen.join("\n---\n"));
    let github = json_of(dir.path(), &["catalog", "show", "github", "--json"]);
    assert_eq!((&github["schema"], &github["id"], &github["toml"]), (&json!(1), &json!("github"), &json!("catalog = \"github\"\n")));
    let wrong = printed(dir.path(), &["catalog", "show", "githib"], 2);
    assert_eq!(wrong, "error: there is no vendor \"githib\" in the catalogue; did you mean \"github\"?\n");
}

#[test]
fn a_configuration_to_begin_with_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let said = printed(dir.path(), &["init", "github", "openai", "gcp", "azure", "google-cloud"], 0);
    let want = "\
wrote  config/vendord.toml
wrote  config/vendors/github.toml
wrote  config/vendors/openai.toml
wrote  config/vendors/google-cloud.toml
wrote  config/vendors/azure.toml

Next:
  vendord lint  is the configuration right?
  vendord run   watch
";
    assert_eq!(said, want);
    let lint = printed(dir.path(), &["lint", "--fail-on", "warning"], 0);
    assert!(lint.ends_with("4 vendors, 0 checks, 4 status pages, 0 receivers: 1 note\n"), "{lint}");
    let main = std::fs::read_to_string(dir.path().join("config/vendord.toml")).unwrap();
    assert!(main.contains("#[[receivers]]") && main.contains("itnesses"));
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
fn its_examples_are_right_too() {
    let dir = tempfile::tempdir().unwrap();
    printed(dir.path(), &["init", "github", "20i"], 0);
    for file in ["vendord.toml", "vendors/github.toml", "vendors/20i.toml"] {
        let path = dir.path().join("config").join(file);
        let text = with_everything_on(&std::fs::read_to_string(&path).unwrap());
        // The test has no such variable.
        std::fs::write(path, text.replace("secret = { env", "#secret = { env")).unwrap();
    }
    let lint = printed(dir.path(), &["lint"], 0);
    assert!(lint.contains("2 vendors, 2 checks, 2 status pages, 1 receiver"), "{lint}");
}

#[test]
fn what_is_there_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    printed(dir.path(), &["init", "--dir", "here", "github"], 0);
    let github = dir.path().join("here/vendors/github.toml");
    std::fs::write(&github, "# mine\n").unwrap();
    let said = printed(dir.path(), &["init", "--dir", "here", "github", "stripe"], 5);
    assert!(said.contains("kept   here/vendors/github.toml: it was there already\nwrote  here/vendors/stripe.toml\n"), "{said}");
    assert!(said.contains("vendord -c here/vendord.toml lint"), "{said}");
    assert_eq!(std::fs::read_to_string(&github).unwrap(), "# mine\n");
    let said = printed(dir.path(), &["init", "--dir", "here", "slack"], 0);
    assert!(said.starts_with("kept   here/vendord.toml"), "a second vendor is nothing odd: {said}");
    printed(dir.path(), &["init", "--dir", "here"], 5);
    printed(dir.path(), &["init", "--dir", "there"], 0);
}

#[test]
fn nothing_is_written_if_one_vendor_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let said = printed(dir.path(), &["init", "github", "githib"], 2);
    assert_eq!(said, "error: there is no vendor \"githib\" in the catalogue; did you mean \"github\"?\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::write(dir.path().join("file"), "").unwrap();
    let said = printed(dir.path(), &["init", "--dir", "file"], 4);
    assert!(said.starts_with("error: cannot make the directory file/vendors: "), "{said}");
}
