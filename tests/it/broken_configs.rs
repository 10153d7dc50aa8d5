//! Every message about a broken configuration, as a person sees it. Each must tell what is wrong, where, and what to do.
//!
//! One snapshot per case in `snapshots/broken`; `cargo insta review` shows what a change does to them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vendord::config::{self, Env, Kinds, Loaded};
use vendord::probes::Workshop;

/// A configuration in a directory of its own.
#[derive(Default)]
struct Case {
    name: &'static str,
    main: &'static str,
    vendors: Vec<(&'static str, &'static str)>,
    /// Path, text, mode.
    files: Vec<(&'static str, &'static str, u32)>,
}

fn main_file(name: &'static str, main: &'static str) -> Case {
    Case { name, main, ..Case::default() }
}

fn vendor(name: &'static str, text: &'static str) -> Case {
    main_file(name, "").vendor("acme.toml", text)
}

impl Case {
    fn vendor(mut self, file: &'static str, text: &'static str) -> Self {
        self.vendors.push((file, text));
        self
    }

    fn file(mut self, path: &'static str, text: &'static str, mode: u32) -> Self {
        self.files.push((path, text, mode));
        self
    }

    fn load(&self) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let main = write(dir.path(), "vendord.toml", self.main, 0o644);
        write(dir.path(), "vendors/fine.toml", "name = \"Fine\"\n", 0o644);
        for (file, text) in &self.vendors {
            write(dir.path(), &format!("vendors/{file}"), text, 0o644);
        }
        for (path, text, mode) in &self.files {
            write(dir.path(), path, text, *mode);
        }
        let env = Env { variable: Box::new(variable), current_dir: dir.path().to_path_buf() };
        config::load_with(&main, &Workshop::new(), Kinds::of_this_version(), &env)
    }
}

fn write(dir: &Path, path: &str, text: &str, mode: u32) -> PathBuf {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    path
}

const SIGNING: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx";

fn variable(name: &str) -> Option<String> {
    match name {
        "SIGNING" => Some(SIGNING.into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

const ONE_CHECK: &str = "[[checks]]\nname = \"api\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\n";

fn cases() -> Vec<Case> {
    let mut cases = syntax_cases();
    cases.extend(main_file_cases());
    cases.extend(alerting_cases());
    cases.extend(secret_cases());
    cases.extend(vendor_cases());
    cases.extend(check_cases());
    cases.extend(probe_cases());
    cases.extend(default_cases());
    cases
}

fn syntax_cases() -> Vec<Case> {
    vec![
        vendor(
            "syntax-several",
            "name = Acme\ntier = 01\n[[checks]\nkind = 'http'\nurl = https://example.org\nenabled = yes\nenabled = true\n[x]\n[x]\n",
        ),
        vendor("syntax-unclosed", "name = \"Acme\n[[checks]]\nname \"api\"\nexpect_body = \"\\d+\"\nlabels = { a = \"b\"\nx = [1,\n"),
        main_file("syntax-in-main-file", "[web\nlisten = 1\n"),
    ]
}

fn main_file_cases() -> Vec<Case> {
    vec![
        main_file("unknown-tables", "[stroe]\nurl = \"sqlite:x\"\n[foo]\n[receivers]\nname = \"x\"\n[[web]]\n"),
        main_file("key-outside-of-table", "listen = \"127.0.0.1:1\"\nfoo = 1\nchecks = []\n"),
        main_file("unknown-keys", "[store]\ncommit_witin = \"1s\"\nfoo = 1\n[log]\nlevle = \"info\"\n"),
        main_file(
            "wrong-types",
            "[store]\nurl = 3\ncommit_within = 5\nallow_network_fs = \"yes\"\n[agent]\nmax_in_flight = \"512\"\nmax_per_host = 0\ncontact = [1]\n[web]\nlisten = [\"127.0.0.1:1\", 2]\n",
        ),
        main_file(
            "durations",
            "[store]\ncommit_within = \"10 sec\"\n[defaults.checks]\ninterval = \"5 minutes\"\ntimeout = \"0s\"\nretry_interval = \"soon\"\n[defaults.status_pages]\ntimeout = \"15\"\nstale_after = 1.5\n",
        ),
        main_file("words", "[log]\nlevel = \"INFO\"\nformat = \"yaml\"\n[metrics]\nlevel = \"ful\"\n"),
        main_file("store-urls", "[store]\nurl = \"postgres://vendord:hunter2@db/vendord\"\n"),
        main_file("store-empty", "[store]\nurl = \"sqlite:\"\n"),
        main_file("store-no-scheme", "[store]\nurl = \"vendord.db\"\n"),
        main_file(
            "listen",
            "[web]\nlisten = [\"localhost:9978\", \"0.0.0.0:9978\", \"127.0.0.1\"]\nexternal_url = \"vendord.example\"\nroute_prefix = \"vendord\"\n",
        ),
        main_file("store-keeps", "[store]\nkeep_observations = \"12h\"\non_corruption = \"ignore\"\n"),
        main_file("agent", "[agent]\nid = \"a b\"\nlocation = \"\"\ncontact = \"jürgen\"\n"),
        main_file(
            "not-supported-yet",
            "[agent]\nwitnesses = [\"https://a\", \"https://b\", \"https://c\"]\n[registry]\norg = \"us.toml\"\n[web]\ntls = { cert = \"a.pem\", key = \"b.pem\" }\n[config]\nwatch = true\n[heartbeat]\nurl = \"https://ping.example/secret-token\"\n[review]\nbrowser = \"chromium\"\n[[profiles]]\nname = \"x\"\n[[schedules]]\nname = \"x\"\n",
        ),
        main_file("vendors-missing", "[registry]\nvendors = [\"acme.toml\", \"v/*.toml\", \"***\"]\n"),
        main_file("world-writable", "").file("vendors/acme.toml", ONE_CHECK, 0o666),
    ]
}

fn alerting_cases() -> Vec<Case> {
    vec![
        main_file(
            "receiver-kinds",
            "[[receivers]]\nname = \"a\"\nkind = \"slack\"\n[[receivers]]\nname = \"b\"\nkind = \"webhok\"\n[[receivers]]\nname = \"c\"\n[[receivers]]\nname = \"d\"\nkind = 1\n[[routes]]\nreceiver = \"a\"\n",
        ),
        main_file(
            "receiver-keys",
            "[[receivers]]\nname = \"on call\"\nkind = \"webhook\"\nurl = \"ftp://hooks.example/secret-path\"\nrate = \"10\"\nretry = [\"0s\", \"5\", 5]\nsecrte = { env = \"SIGNING\" }\n[[receivers]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"http://hooks.example/secret-path\"\n[[receivers]]\nname = \"x\"\nkind = \"webhook\"\n[[routes]]\nreceiver = \"x\"\n",
        ),
        main_file(
            "routes",
            "[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"https://hooks.example/secret-path\"\nsecret = { env = \"SIGNING\" }\n[[routes]]\nreceiver = \"oncal\"\n[[routes]]\nreceiver = \"somebody\"\nmatch = { tier = [1, 5], severity = \"warn\", rule = [\"vendor.dwon\", \"[\"], vendr = \"x\" }\ngroup_by = [\"vendor\", \"label\"]\n[[routes]]\nmatch = \"all\"\n",
        ),
        main_file(
            "routes-not-supported-yet",
            "[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\nsecret = { env = \"SIGNING\" }\n[[routes]]\nreceiver = \"oncall\"\nescalate = [{ after = \"15m\", receiver = \"lead\" }]\nfallback = \"x\"\nmatch = { blame = \"vendor\" }\n[[routes.routes]]\nreceiver = \"oncall\"\n",
        ),
        main_file(
            "routes-warnings",
            "[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\n[[receivers]]\nname = \"forgotten\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\nsecret = { env = \"SIGNING\" }\n[[routes]]\nreceiver = \"oncall\"\nmatch = { tier = 1, rule = \"reg.*\" }\n",
        ),
        main_file(
            "route-never-reached",
            "[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\nsecret = { env = \"SIGNING\" }\n[[routes]]\nreceiver = \"oncall\"\n[[routes]]\nreceiver = \"oncall\"\nmatch = { tier = 1 }\n",
        ),
        main_file("route-without-receivers", "[[routes]]\nreceiver = \"oncall\"\n"),
    ]
}

/// A webhook whose secret is what the case is about.
macro_rules! signed {
    ($secret:literal) => {
        concat!(
            "[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\nsecret = ",
            $secret,
            "\n[[routes]]\nreceiver = \"oncall\"\n"
        )
    };
}

fn secret_cases() -> Vec<Case> {
    vec![
        main_file(
            "nothing-to-do",
            "[web]\nlisten = []\n[[receivers]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"https://hooks.example/\"\nretry = []\n[[routes]]\nreceiver = \"a\"\n",
        ),
        main_file("secret-in-file", signed!("\"whsec_hunter2hunter2\"")),
        main_file("secret-wrong-forms", signed!("{ file = \"a\", env = \"B\" }")),
        main_file("secret-unknown-form", signed!("{ vault = \"a\" }")),
        main_file("secret-empty-reference", signed!("{}")),
        main_file("secret-number", signed!("{ file = 3 }")),
        main_file("secret-variable-missing", signed!("{ env = \"NOT_SET\" }")),
        main_file("secret-variable-empty", signed!("{ env = \"EMPTY\" }")),
        main_file("secret-credential", signed!("{ credential = \"oncall\" }")),
        main_file("secret-file-missing", signed!("{ file = \"secrets/oncall\" }")),
        main_file("secret-file-empty", signed!("{ file = \"oncall\" }")).file("oncall", "\n", 0o600),
        main_file("secret-file-is-directory", signed!("{ file = \"vendors\" }")).vendor("acme.toml", ""),
        main_file("secret-world-readable", signed!("{ file = \"oncall\" }")).file("oncall", "whsec_hunter2", 0o644),
        main_file("secret-not-what-it-should-be", signed!("{ file = \"oncall\" }")).file("oncall", "hunter2\n", 0o600),
    ]
}

fn vendor_cases() -> Vec<Case> {
    vec![
        vendor("vendor-keys", "nmae = \"Acme\"\ntier = 5\nid = \"other\"\nmerge_gap = 300\nwebsite = true\ninterval = \"10s\"\nfoo = 1\n"),
        vendor(
            "vendor-tables",
            "catalog = \"acme\"\n[[check]]\nname = \"x\"\n[checks]\nname = \"x\"\n[[documents]]\nkind = \"dpa\"\n[hq]\ncountry = \"DE\"\n",
        ),
        main_file("vendor-file-name", "").vendor("über uns.toml", ""),
        main_file("vendor-twice", "[registry]\nvendors = [\"vendors/*.toml\", \"more/*.toml\"]\n").vendor("acme.toml", "").file(
            "more/acme.toml",
            "",
            0o644,
        ),
        vendor("catalog-unknown", "catalog = \"githib\"\n[[status_pages]]\ncomponents = [\"Actions\"]\n"),
        vendor("catalog-not-a-text", "catalog = [\"github\"]\n[[status_pages]]\n"),
        vendor("catalog-cannot-be-read-yet", "catalog = \"redis\"\n"),
        vendor("catalog-is-for-the-first-page", "catalog = \"github\"\n[[status_pages]]\n[[status_pages]]\ninterval = \"1m\"\n"),
        vendor(
            "status-page-filters",
            "catalog = \"github\"\n[[status_pages]]\nformat = \"statuspgae\"\ncomponents = [\"API\", \"Actions [beta\", \"\"]\ngroups = \"***\"\nregions = [3]\n[[status_pages]]\nurl = \"https://status.example\"\nformat = \"own\"\n",
        ),
        vendor(
            "pages-that-are-told",
            "[[status_pages]]\nurl = \"https://status.example\"\nmap = { overall = \"$.x\" }\n[[status_pages]]\nurl = \"https://status.example\"\nformat = \"generic_json\"\n[[status_pages]]\nurl = \"https://status.example\"\nformat = \"generic_json\"\nmap = { overall = \"$.[\" }\n[[status_pages]]\nurl = \"https://status.example\"\nformat = \"generic_html\"\nmap = { overall = \"h1\", mood = \"p\" }\nheaders = { \"bad name\" = \"x\" }\n[[status_pages]]\nurl = \"https://status.example\"\nformat = \"generic_html\"\nmap = { overall = \"h1\" }\nwords = { fine = \"good\" }\n",
        ),
        main_file("defaults-status-pages", "[defaults.status_pages]\nformat = \"Statuspage\"\nregions = [\"[\"]\n")
            .vendor("acme.toml", "catalog = \"github\"\n"),
        vendor(
            "status-pages",
            "[[status_pages]]\ncomponent = [\"API\"]\n[[status_pages]]\nurl = \"status.example\"\nformat = 3\n[[status_pages]]\nname = \"status-2\"\nurl = \"https://status.example\"\n",
        ),
    ]
}

fn check_cases() -> Vec<Case> {
    vec![
        vendor(
            "check-unknown-key",
            "name = \"Acme\"\n\n[[checks]]\nname = \"api\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nintervall = 3\n",
        ),
        vendor(
            "check-kinds",
            "[[checks]]\nname = \"a\"\nkind = \"command\"\n[[checks]]\nname = \"b\"\nkind = \"htpp\"\n[[checks]]\nname = \"c\"\n[[checks]]\nname = \"d\"\nkind = \"magic\"\n",
        ),
        vendor("check-missing", "[[checks]]\nkind = \"tcp\"\n[[checks]]\nkind = \"http\"\nname = \"\"\n"),
        vendor(
            "check-key-of-other-kind",
            "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nurl = \"https://example.org\"\nexpires_within = \"14d\"\n",
        ),
        vendor(
            "check-names",
            "[[checks]]\nname = \"a/b\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\n[[checks]]\nname = \"x\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\n[[checks]]\nname = \"x\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\n",
        ),
        vendor(
            "check-renames",
            "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nrenamed_from = \"old\"\n[[checks]]\nname = \"b\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nrenamed_from = \"old\"\n[[checks]]\nname = \"c\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nrenamed_from = \"a\"\n",
        ),
        vendor(
            "check-terms",
            "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\ninterval = \"1ms\"\ndown_after = \"5/3\"\nup_after = 0\nseverity = \"critical\"\nflap_changes = -1\nlabels = { team = 3 }\n[[checks]]\nname = \"b\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\ninterval = \"10s\"\ntimeout = \"10s\"\nretry_interval = \"20s\"\n",
        ),
        vendor(
            "check-not-supported-yet",
            "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nruns_on = [\"eu\"]\nquorum = 2\nservices = [\"x\"]\n",
        ),
    ]
}

fn probe_cases() -> Vec<Case> {
    vec![
        vendor("http-headers-sent", "[[checks]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example/\"\nheaders = { \"bad name\" = \"x\", Authorization = \"Bearer hunter2\\n\" }\nbody_bytes_max = \"10M\"\ndegraded_over = \"0.8\"\n"),
        vendor("http-conditions", "[[checks]]\nname = \"api\"\nkind = \"http\"\nurl = \"https://api.example/\"\nexpect = [\"status == 200\", \"stauts == 200\", 'body = \"ok\"', \"\"\"latency < fast\"\"\", \"body == \\\"a\\\" x\"]\nexpect_body = '('\nexpect_status = [200, 99]\n"),
        vendor("http-urls", "[[checks]]\nname = \"a\"\nkind = \"http\"\nurl = \"api.example/health\"\n[[checks]]\nname = \"b\"\nkind = \"http\"\nurl = \"ftp://api.example/health\"\n[[checks]]\nname = \"c\"\nkind = \"http\"\nurl = \"https://user:hunter2@api.example/\"\nmethod = \"G E T\"\nip = \"v5\"\n"),
        vendor("http-headers", "[[checks]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example/\"\nheaders = { \"bad name\" = \"x\", Authorization = \"Bearer hunter2\\n\", X = { env = \"NOT_SET\" } }\nbody_bytes_max = \"1 MB\"\nfollow_max = 99\n"),
        vendor("http-ca", "[[checks]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example/\"\nca = \"missing.pem\"\n"),
        vendor("tcp-addresses", "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"db.example\"\n[[checks]]\nname = \"b\"\nkind = \"tcp\"\naddress = \"db.example:99999\"\nexpect = [\"status == 200\"]\n"),
        vendor("scenario", "[[checks]]\nname = \"a\"\nkind = \"scenario\"\nexpect = [\"steps.logn.status == 200\"]\n[[checks.steps]]\nname = \"login\"\nurl = \"https://api.example/{{user}}\"\ncapture = { token = \"$.token\", bad = \"body matches 'x'\" }\n[[checks.steps]]\nname = \"login\"\nurl = \"https://{{token}}.example/\"\nheaders = { Authorization = \"Bearer {{tokn}}\" }\n"),
        vendor("push", "[[checks]]\nname = \"a\"\nkind = \"push\"\ntimeout = \"5s\"\ntoken = { file = \"short\" }\n[[checks]]\nname = \"b\"\nkind = \"push\"\ntoken = \"in-the-open-in-the-open\"\n")
            .file("short", "hunter2", 0o600),
        main_file("defaults-token", "[defaults.checks]\ntoken = \"x\"\ntimeout = \"5s\"\n")
            .vendor("acme.toml", "[[checks]]\nname = \"a\"\nkind = \"push\"\ninterval = \"1s\"\ntoken = { env = \"NOT_SET\" }\n"),
        main_file("defaults-ca-told-once", "[defaults.checks]\nca = \"missing.pem\"\n").vendor("acme.toml", "[[checks]]\nname = \"a\"\nkind = \"http\"\nurl = \"https://api.example/\"\n[[checks]]\nname = \"b\"\nkind = \"http\"\nurl = \"https://api.example/\"\n"),
    ]
}

fn default_cases() -> Vec<Case> {
    vec![
        main_file(
            "defaults",
            "[defaults]\ncheck = 1\n[defaults.checks]\nurl = \"https://example.org\"\nname = \"x\"\nintervall = \"10s\"\ndown_after = \"many\"\n[defaults.status_pages]\nurl = \"x\"\n",
        ),
        main_file("defaults-timeout", "[defaults.checks]\ntimeout = \"5s\"\n")
            .vendor("acme.toml", "[[checks]]\nname = \"a\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\ninterval = \"5s\"\n"),
        main_file("defaults-told-once", "[defaults.checks]\ninterval = \"never\"\n")
            .vendor("acme.toml", ONE_CHECK)
            .vendor("other.toml", ONE_CHECK),
    ]
}

#[test]
fn every_message_tells_what_to_do() {
    for case in cases() {
        let loaded = case.load();
        let text = shown(&loaded);
        assert!(!text.contains("hunter2") && !text.contains("secret-path") && !text.contains("secret-token"), "{}: {text}", case.name);
        let json = loaded.diagnostics.json();
        assert!(json["findings"][0]["message"].is_string(), "{}: {json}", case.name);
        insta::with_settings!({snapshot_path => "snapshots/broken", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(case.name, text);
        });
    }
}

#[test]
fn a_reload_says_file_line_vendor_and_key() {
    let text = "name = \"Acme\"\n[[checks]]\nname = \"api\"\nkind = \"tcp\"\naddress = \"127.0.0.1:9\"\nintervall = 3\n";
    let lines: Vec<String> = vendor("", text).load().diagnostics.lines().collect();
    assert_eq!(lines, ["vendors/acme.toml:6:1: acme/api: unknown key `intervall`; did you mean `interval`?"]);
    let json = vendor("", text).load().diagnostics.json();
    let finding = serde_json::json!({"severity": "error", "file": "vendors/acme.toml", "line": 6, "column": 1, "subject": "acme/api", "message": "unknown key `intervall`", "hint": "did you mean `interval`?"});
    assert_eq!(json, serde_json::json!({"schema": 1, "findings": [finding]}));
}

#[test]
fn a_secret_that_everybody_may_read_can_be_allowed() {
    let case = main_file("", signed!("{ file = \"oncall\", allow_world_readable = true }")).file("oncall", SIGNING, 0o644);
    assert!(case.load().config.is_some());
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env { variable: Box::new(variable), current_dir: dir.path().to_path_buf() };
    let load = |path: &str| {
        let path = Path::new(path);
        config::load_with(path, &Workshop::new(), Kinds::of_this_version(), &env)
    };
    let missing: Vec<String> = load("vendord.toml").diagnostics.lines().collect();
    assert_eq!(missing, ["vendord.toml: the file cannot be read: there is no such file"]);
    std::fs::write(dir.path().join("vendord.toml"), b"[agent]\nid = \"\xff\"\n").unwrap();
    let latin: Vec<String> = load("vendord.toml").diagnostics.lines().collect();
    assert_eq!(latin, ["vendord.toml: the file is not UTF-8 (at byte 14); save it as UTF-8"]);
}

/// The two forms, one after the other, without what differs between machines.
fn shown(loaded: &Loaded) -> String {
    let lines: Vec<String> = loaded.diagnostics.lines().collect();
    let text = format!("{}\n{}\n", loaded.diagnostics.render(false), lines.join("\n"));
    let owner = regex::Regex::new("owner [^,]+,").unwrap();
    let directory = regex::Regex::new(r"/\S*/\.tmp\w+/").unwrap();
    let text = owner.replace_all(&text, "owner SOMEBODY,");
    directory.replace_all(&text, "DIR/").into_owned()
}

#[test]
fn errors_leave_no_configuration_and_warnings_leave_one() {
    for case in cases() {
        let loaded = case.load();
        assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors(), "{}: {}", case.name, shown(&loaded));
    }
}
