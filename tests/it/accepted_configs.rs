//! Configurations that load, and what they come to.

use std::path::Path;
use std::time::Duration;

use vendord::config::{self, Config, Env, Kinds, Loaded};
use vendord::model::{KofN, Severity};
use vendord::probes::Workshop;

const SIGNING: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx";

fn load_at(dir: &Path, files: &[(&str, &str)]) -> Loaded {
    for (file, text) in files {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let env = Env { variable: Box::new(|name| (name == "SIGNING").then(|| SIGNING.to_string())), current_dir: dir.to_path_buf() };
    config::load_with(Path::new("vendord.toml"), &Workshop::new(), Kinds::of_this_version(), &env)
}

fn load(files: &[(&str, &str)]) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let loaded = load_at(dir.path(), files);
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)))
}

/// Everything that the acceptance of the daemon and its benchmark write.
const MAIN: &str = r#"
[store]
url = "sqlite:/var/lib/vendord/vendord.db"
[agent]
witnesses = []
max_in_flight = 512
max_per_host = 512
[web]
listen = "127.0.0.1:19978"
[defaults.checks]
interval = "1s"
timeout = "800ms"
retry_interval = "400ms"
down_after = "3"
up_after = "2"
flap_changes = 10000
[defaults.status_pages]
interval = "1s"
[[receivers]]
name = "oncall"
kind = "webhook"
url = "http://127.0.0.1:1234/hook"
secret = { env = "SIGNING" }
retry = ["0s", "1s", "1s", "2s", "500ms"]
[[routes]]
receiver = "oncall"
group_wait = "0s"
group_interval = "1s"
"#;

const ACME: &str = r#"
name = "Acme"
tier = 1
[[status_pages]]
url = "http://127.0.0.1:1/status"
components = ["API"]
[[checks]]
name = "api"
kind = "http"
url = "http://127.0.0.1:1/api"
expect = ["status == 200", "$.status == 'ok'"]
[[checks]]
name = "c1"
kind = "http"
url = "http://127.0.0.1:1/api/1"
expect_status = [200]
interval = "30s"
timeout = "3s"
down_after = 1
"#;

const OTHER: &str = "name = \"Other\"\n[[checks]]\nname = \"port\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\n";

#[test]
fn defaults_reach_the_checks_and_what_a_check_says_goes_before() {
    let config = load(&[("vendord.toml", MAIN), ("vendors/acme.toml", ACME), ("vendors/other.toml", OTHER)]);
    let ids: Vec<&str> = config.vendors.iter().map(|vendor| vendor.id.as_str()).collect();
    assert_eq!(ids, ["acme", "other"]);
    let [api, c1] = &config.vendors[0].checks[..] else {
        panic!("two checks");
    };
    assert_eq!(api.id.to_string(), "acme/api");
    assert_eq!(api.terms.interval, Duration::from_secs(1));
    assert_eq!(api.terms.timeout, Duration::from_millis(800));
    assert_eq!(api.terms.retry_interval, Duration::from_millis(400));
    assert_eq!(api.flap_changes, 10_000);
    assert_eq!(api.expires_within, Some(Duration::from_secs(14 * 86_400)));
    assert_eq!(c1.terms.interval, Duration::from_secs(30));
    assert_eq!(c1.terms.down_after, KofN::in_a_row(1));
    assert_eq!(config.vendors[1].checks[0].expires_within, Some(Duration::from_secs(14 * 86_400)), "a tcp check may see one by STARTTLS");
    assert_eq!(config.vendors[0].status_pages[0].interval, Some(Duration::from_secs(1)));
    assert_eq!(config.receivers[0].retry.last(), Some(&Duration::from_millis(500)));
    assert_eq!(config.routes[0].group_wait, Duration::ZERO);
    assert_eq!(config.store.path, Path::new("/var/lib/vendord/vendord.db"));
}

#[test]
fn without_defaults_the_timeout_and_the_retry_follow_the_interval() {
    let config = load(&[("vendord.toml", ""), ("vendors/other.toml", OTHER)]);
    let terms = &config.vendors[0].checks[0].terms;
    assert_eq!(terms.interval, Duration::from_secs(60));
    assert_eq!(terms.timeout, Duration::from_secs(10));
    assert_eq!(terms.retry_interval, Duration::from_secs(10));
    let short = OTHER.replace("kind", "interval = \"2s\"\nkind");
    let config = load(&[("vendord.toml", ""), ("vendors/other.toml", &short)]);
    let terms = &config.vendors[0].checks[0].terms;
    assert_eq!(terms.timeout, Duration::from_millis(1800));
    assert_eq!(terms.retry_interval, Duration::from_secs(1));
}

#[test]
fn a_fingerprint_changes_with_its_check_alone() {
    let fingerprints = |acme: &str| -> Vec<u64> {
        let config = load(&[("vendord.toml", MAIN), ("vendors/acme.toml", acme)]);
        config.vendors[0].checks.iter().map(|check| check.fingerprint).collect()
    };
    let before = fingerprints(ACME);
    assert_eq!(before, fingerprints(&ACME.replace("name = \"Acme\"", "name = \"ACME\"")));
    let after = fingerprints(&ACME.replace("interval = \"30s\"", "interval = \"31s\""));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn routes_match_by_one_value_or_a_list() {
    let main =
        MAIN.replace("[[routes]]\n", "[[routes]]\nmatch = { tier = 1, vendor = [\"a*\"], severity = \"critical\" }\ncontinue = true\n");
    let config = load(&[("vendord.toml", &main), ("vendors/acme.toml", ACME)]);
    let route = &config.routes[0];
    assert_eq!(route.matching.tier, [1]);
    assert_eq!(route.matching.vendor, ["a*"]);
    assert_eq!(route.matching.severity, [Severity::Critical]);
    assert!(route.continues);
}

#[test]
fn secrets_are_read_without_the_line_end() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("signing");
    std::fs::write(&secret, format!("{SIGNING}\n")).unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let by_file = MAIN.replace("{ env = \"SIGNING\" }", "{ file = \"signing\" }");
    let one = load_at(dir.path(), &[("vendord.toml", &by_file), ("vendors/acme.toml", ACME)]);
    let two = load_at(dir.path(), &[("vendord.toml", MAIN)]);
    let fingerprint = |loaded: Loaded| loaded.config.unwrap().receivers[0].fingerprint;
    assert_eq!(fingerprint(one), fingerprint(two));
}

#[test]
fn ten_thousand_checks_are_read() {
    let mut text = String::from("name = \"Bench\"\ntier = 1\n");
    for i in 0..10_000 {
        text += &format!("[[checks]]\nname = \"c{i}\"\nkind = \"http\"\nurl = \"http://127.0.0.1:1/{i}\"\nexpect_status = [200]\n");
    }
    let dir = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let loaded = load_at(dir.path(), &[("vendord.toml", MAIN), ("vendors/bench.toml", &text)]);
    println!("{:?}", began.elapsed());
    assert_eq!(loaded.config.unwrap().vendors[0].checks.len(), 10_000);
}

#[test]
fn files_are_named_one_by_one_or_by_globs_and_hidden_ones_are_left_out() {
    let main = "[registry]\nvendors = [\"bench.toml\", \"v/**/*.toml\", \"bench.toml\"]\n";
    let config =
        load(&[("vendord.toml", main), ("bench.toml", ""), ("v/one.toml", ""), ("v/deep/two.toml", ""), ("v/.#one.toml", "broken =")]);
    let ids: Vec<&str> = config.vendors.iter().map(|vendor| vendor.id.as_str()).collect();
    assert_eq!(ids, ["bench", "two", "one"]);
    assert_eq!(config.vendors[0].name, "bench");
    assert_eq!(config.vendors[0].tier, 3);
}

/// What the service manager tells goes before where the file is.
#[test]
fn systemd_says_where_state_and_credentials_are() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("credentials")).unwrap();
    std::fs::write(dir.path().join("credentials/signing"), SIGNING).unwrap();
    let main = MAIN
        .replace("sqlite:/var/lib/vendord/vendord.db", "sqlite:vendord.db")
        .replace("{ env = \"SIGNING\" }", "{ credential = \"signing\" }");
    std::fs::write(dir.path().join("vendord.toml"), main).unwrap();
    let credentials = dir.path().join("credentials").display().to_string();
    let env = Env {
        variable: Box::new(move |name| match name {
            "STATE_DIRECTORY" => Some("/var/lib/vendord:/var/lib/other".into()),
            "CREDENTIALS_DIRECTORY" => Some(credentials.clone()),
            _ => None,
        }),
        current_dir: dir.path().to_path_buf(),
    };
    let loaded = config::load_with(Path::new("vendord.toml"), &Workshop::new(), Kinds::of_this_version(), &env);
    let config = loaded.config.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
    assert_eq!(config.store.path, Path::new("/var/lib/vendord/vendord.db"));
    assert_eq!(config.receivers.len(), 1);
}

fn vendor_of(main: &str, vendor: &str) -> config::Vendor {
    load(&[("vendord.toml", main), ("vendors/acme.toml", vendor)]).vendors.remove(0)
}

#[test]
fn the_catalogue_says_what_the_file_does_not() {
    let github = vendor_of("", "catalog = \"github\"\n");
    assert_eq!((github.id.as_str(), github.name.as_str(), github.category.as_str()), ("acme", "GitHub", "devtools"));
    assert_eq!((github.website.as_str(), github.tier), ("https://github.com", 3));
    let [page] = &github.status_pages[..] else { panic!("one page") };
    assert_eq!((page.name.as_str(), page.url.as_str(), page.format.as_str()), ("status", "https://www.githubstatus.com/", "auto"));
    assert!(page.enabled && page.components.is_empty());
    let own = vendor_of("", "catalog = \"github\"\nname = \"Our forge\"\ncategory = \"\"\nwebsite = \"https://git.example\"\n");
    assert_eq!((own.name.as_str(), own.category.as_str(), own.website.as_str()), ("Our forge", "", "https://git.example"));
    let alias = vendor_of("", "catalog = \"microsoft-azure\"\n");
    assert_eq!(alias.name, "Microsoft Azure");
    assert_eq!(alias.status_pages[0].url.as_str(), "https://rssfeed.azure.status.microsoft/en-us/status/feed/", "the feed can be read");
}

#[test]
fn the_catalogues_page_is_used_for_what_the_first_leaves_out() {
    let main = "[defaults.status_pages]\ninterval = \"90s\"\nstale_after = \"1h\"\n";
    let pages = |text: &str| vendor_of(main, &format!("catalog = \"github\"\n{text}")).status_pages;
    let [page] = &pages("")[..] else { panic!("one page") };
    assert_eq!((page.interval, page.stale_after), (Some(Duration::from_secs(90)), Duration::from_secs(3600)));
    let [page] = &pages("[[status_pages]]\nname = \"declared\"\ncomponents = \"Actions\"\ninterval = \"30s\"\n")[..] else {
        panic!("one page")
    };
    assert_eq!((page.name.as_str(), page.url.as_str()), ("declared", "https://www.githubstatus.com/"));
    assert_eq!((page.components.as_slice(), page.interval), (&["Actions".to_owned()][..], Some(Duration::from_secs(30))));
    let two = pages("[[status_pages]]\n[[status_pages]]\nurl = \"https://eu.githubstatus.com\"\nformat = \"rss\"\n");
    let seen: Vec<_> = two.iter().map(|page| (page.name.as_str(), page.url.as_str(), page.format.as_str())).collect();
    assert_eq!(seen, [("status", "https://www.githubstatus.com/", "auto"), ("status-2", "https://eu.githubstatus.com/", "rss")]);
    let [other] = &pages("[[status_pages]]\nurl = \"https://status.example/eu\"\n")[..] else { panic!("one page") };
    assert_eq!(other.url.as_str(), "https://status.example/eu");
    assert!(pages("status_pages = []\n").is_empty(), "no page is wanted");
}

/// Its source is broken until it was read once, which is no error; that it never will be is worth a word.
#[test]
fn a_page_that_cannot_be_read_yet_loads_and_is_told_unless_it_is_switched_off() {
    let warnings = |vendor: &str| {
        let dir = tempfile::tempdir().unwrap();
        let loaded = load_at(dir.path(), &[("vendord.toml", ""), ("vendors/acme.toml", vendor)]);
        assert!(loaded.config.is_some());
        loaded.diagnostics.count(config::Level::Warning)
    };
    assert_eq!(warnings("catalog = \"redis\"\n"), 1);
    for quiet in [
        "catalog = \"github\"\n",
        "catalog = \"pagerduty\"\n",
        "catalog = \"google-cloud\"\n",
        "catalog = \"redis\"\n[[status_pages]]\nenabled = false\n",
        "catalog = \"redis\"\n[[status_pages]]\nurl = \"https://status.redis.io/history.atom\"\n",
    ] {
        assert_eq!(warnings(quiet), 0, "{quiet}");
    }
}
