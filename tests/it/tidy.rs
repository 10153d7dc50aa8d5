//! Rules that a tool can keep, so that review can talk about design. Each rule is a function from files to offences and
//! is shown here to find a bad sample; each test lists every offender.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A tracked text file.
struct Source {
    /// Relative to the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }

    /// (index, line) without comments and without what is compiled for tests alone.
    fn program(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut skip_until: Option<String> = None;
        let mut test_item = false;
        for (index, line) in self.text.lines().enumerate() {
            let code = line.trim_start();
            if let Some(end) = &skip_until {
                if line == end {
                    skip_until = None;
                }
            } else if code.starts_with("#[cfg(test)]") || code.starts_with("#[test]") {
                test_item = true;
            } else if test_item && code.starts_with("#[") {
            } else if test_item {
                test_item = false;
                // rustfmt puts the closing brace of an item under its first letter.
                if code.ends_with('{') {
                    skip_until = Some(format!("{}}}", &line[..line.len() - code.len()]));
                }
            } else if !code.starts_with("//") {
                lines.push((index, line));
            }
        }
        lines
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.starts_with("tests/")
    }
}

/// Everything that git tracks or would; in an unpacked archive without git, every file outside `target`.
fn tracked() -> Vec<Source> {
    let listed = Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]).current_dir(ROOT).output();
    let paths: Vec<String> = match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect()
        }
        _ => walk(Path::new(ROOT)),
    };
    let read = |path: String| {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&path)).ok()?;
        Some(Source { path, text })
    };
    paths.into_iter().filter_map(read).collect()
}

fn walk(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path: PathBuf = entry.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with(".git") {
            found.extend(walk(&path));
        } else if let Ok(relative) = path.strip_prefix(ROOT) {
            found.push(relative.to_string_lossy().into_owned());
        }
    }
    found
}

fn rust(under: &'static str) -> impl Fn(&Source) -> bool {
    move |file| file.path.starts_with(under) && file.path.ends_with(".rs")
}

#[track_caller]
fn none(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

#[track_caller]
fn check(rule: &str, files: impl Fn(&Source) -> bool, offences: impl Fn(&Source) -> Vec<String>) {
    let all = tracked();
    let judged: Vec<&Source> = all.iter().filter(|file| files(file)).collect();
    assert!(!judged.is_empty(), "{rule}: no file to judge");
    none(rule, judged.into_iter().flat_map(offences).collect());
}

fn sample(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

// --- layering -------------------------------------------------------------------------------------------------------

/// The map of ARCHITECTURE.md from top to bottom: a module uses what stands above it and, where `true`, beside it.
const MAP: &[(&[&str], bool)] = &[
    (&["model"], true),
    (&["health", "blame", "uptime", "schedule", "incidents", "declared", "compliance", "routing", "review"], true),
    (&["feeds"], true),
    (&["clock", "telemetry", "fetch"], true),
    (&["probes", "channels", "store", "config"], false),
    (&["web"], true),
    (&["daemon"], true),
    (&["cli"], true),
    (&["main", "lib"], true),
];

/// Uses beside each other that the map allows all the same.
const BESIDE: &[(&str, &str)] = &[("config", "probes"), ("config", "channels")];

fn level(module: &str) -> Option<usize> {
    MAP.iter().position(|(modules, _)| modules.contains(&module))
}

/// `src/fetch/guard.rs` belongs to `fetch`.
fn module_of(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    inside.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

fn layering(file: &Source) -> Vec<String> {
    let own = module_of(&file.path);
    let Some(own_level) = level(own) else {
        return vec![file.at(0, &format!("module `{own}` has no place in the map"))];
    };
    let judge = |(line, used): (usize, String)| {
        let problem = match level(&used) {
            _ if used == own || BESIDE.contains(&(own, used.as_str())) => return None,
            None => "which has no place in the map",
            Some(l) if l > own_level => "which stands below it",
            Some(l) if l == own_level && !MAP[l].1 => "which stands beside it",
            Some(_) => return None,
        };
        Some(file.at(line, &format!("`{own}` uses `{used}`, {problem}")))
    };
    uses(file).into_iter().filter_map(judge).collect()
}

/// The modules that are named after `crate::`, or `vendord::` in the binary, also in braces.
fn uses(file: &Source) -> Vec<(usize, String)> {
    let program = file.program();
    let mut found = Vec::new();
    for (nth, (line, text)) in program.iter().enumerate() {
        let text = format!("\n{text}");
        for start in ["crate::", "vendord::", &root(&file.path)] {
            for (at, _) in text.match_indices(start) {
                let rest = &text[at + start.len()..];
                let group: String = match rest.strip_prefix('{') {
                    Some(inside) => {
                        std::iter::once(inside).chain(program[nth + 1..].iter().map(|(_, later)| *later)).collect::<Vec<_>>().join(" ")
                    }
                    None => format!("{rest}}}"),
                };
                let modules = heads(&group).into_iter().take(if rest.starts_with('{') { usize::MAX } else { 1 });
                found.extend(modules.map(|module| (*line, module)));
            }
        }
    }
    found
}

/// How a file can name the root of the crate by climbing; one `super` may also climb out of a module inside the file,
/// so that one counts only where a line begins with it.
fn root(path: &str) -> String {
    let depth = path.trim_end_matches("/mod.rs").matches('/').count();
    if depth == 1 { "\nuse super::".to_owned() } else { "super::".repeat(depth) }
}

/// The first names of `a::{b, c}, d}`: `a` and `d`. Types and macros are no modules.
fn heads(group: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            c if depth == 0 => names.last_mut().expect("one at least").push(c),
            _ => {}
        }
    }
    let head = |name: &String| {
        let end = name.trim().find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = name.trim();
        name[..end.unwrap_or(name.len())].to_owned()
    };
    names.iter().map(head).filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
}

#[test]
fn a_module_uses_what_stands_above_it() {
    check("layering", rust("src/"), layering);
}

#[test]
fn the_layering_rule_can_fail() {
    for (path, text, offences) in [
        ("src/model/a.rs", "use crate::health::State;", 1),
        ("src/model/a.rs", "use crate::model::State;", 0),
        ("src/health/a.rs", "use crate::{blame, model::{State, Terms}};", 0),
        ("src/health/a.rs", "use crate::{\n    model::State,\n    web::Page,\n    store,\n};", 2),
        ("src/fetch/mod.rs", "use crate::clock;\nlet a = crate::channels::KINDS;", 1),
        ("src/store/a.rs", "use crate::config::Store;", 1),
        ("src/config/a.rs", "use crate::probes::Probe;\nuse crate::channels::KINDS;", 0),
        ("src/config/a.rs", "use crate::store::Store;", 1),
        ("src/cli/a.rs", "use crate::daemon::run;\nuse crate::Thing;", 0),
        ("src/main.rs", "fn main() { vendord::cli::run() }", 0),
        ("src/model/a.rs", "// crate::web::Page\n#[cfg(test)]\nmod tests {\n    use crate::web::A;\n}", 0),
        ("src/model/a.rs", "#[cfg(test)]\nmod tests;\nuse crate::web::A;", 1),
        ("src/model/mod.rs", "use super::web::Page;\npub mod inner {\n    use super::Timestamp;\n}", 1),
        ("src/model/a.rs", "use super::Timestamp;\nuse super::super::web::Page;", 1),
        ("src/elsewhere.rs", "", 1),
        ("src/cli/a.rs", "use crate::elsewhere::A;", 1),
    ] {
        let got = layering(&sample(path, text));
        assert_eq!(got.len(), offences, "{path} {text}: {got:?}");
    }
}

// --- the core cannot wait -------------------------------------------------------------------------------------------

const IMPURE: &[&str] = &["tokio", "reqwest", "rusqlite", "SystemTime", "Instant::now", "std::fs", "std::env"];

fn is_pure(file: &Source) -> bool {
    rust("src/")(file) && level(module_of(&file.path)).is_some_and(|l| l <= 1)
}

fn impurity(file: &Source) -> Vec<String> {
    let names = |line: &str| IMPURE.iter().filter(|word| has_word(line, word)).copied().collect::<Vec<_>>();
    file.program()
        .into_iter()
        .flat_map(|(at, line)| names(line).into_iter().map(move |word| (at, word)))
        .map(|(at, word)| file.at(at, &format!("the core names `{word}`")))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn the_core_is_pure() {
    check("the core has no async, no clock, no files, no globals", is_pure, impurity);
}

#[test]
fn the_purity_rule_can_fail() {
    for (text, offences) in [
        ("use tokio::time;", 1),
        ("let t = std::time::Instant::now(); std::fs::read(a)", 2),
        ("fn f(at: Instant) {} // tokio\n/// reqwest", 1),
        ("let my_tokio = tokio_like;", 0),
    ] {
        assert_eq!(impurity(&sample("src/health.rs", text)).len(), offences, "{text}");
    }
    assert!(is_pure(&sample("src/blame/x.rs", "")) && !is_pure(&sample("src/store/x.rs", "")));
}

// --- size and openings ----------------------------------------------------------------------------------------------

const LINES_MAX: usize = 800;

fn length(file: &Source) -> Vec<String> {
    let lines = file.text.lines().count();
    let offence = || file.at(LINES_MAX, &format!("{lines} lines, more than {LINES_MAX}"));
    (lines > LINES_MAX).then(offence).into_iter().collect()
}

fn opening(file: &Source) -> Vec<String> {
    let opens = file.text.starts_with("//! ");
    let offence = || file.at(0, "does not open with what the module is for (`//! `)");
    (!opens).then(offence).into_iter().collect()
}

#[test]
fn files_are_short() {
    check("file length", |f| rust("src/")(f) || rust("tests/")(f), length);
}

#[test]
fn modules_open_with_what_they_are_for() {
    check("module documentation", rust("src/"), opening);
}

#[test]
fn the_rules_on_files_can_fail() {
    assert_eq!(length(&sample("src/a.rs", &"\n".repeat(LINES_MAX + 1))).len(), 1);
    assert_eq!(length(&sample("src/a.rs", &"\n".repeat(LINES_MAX))).len(), 0);
    assert_eq!(opening(&sample("src/a.rs", "use a;")).len(), 1);
    assert_eq!(opening(&sample("src/a.rs", "//! What.")).len(), 0);
}

// --- nothing left undone --------------------------------------------------------------------------------------------

/// Built from pieces, so that this file does not offend.
const UNDONE: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("FIX", "ME"), concat!("#[ig", "nore")];

fn undone(file: &Source) -> Vec<String> {
    let found = |line: &str| UNDONE.iter().find(|word| line.contains(**word));
    let lines = file.text.lines().enumerate();
    lines.filter_map(|(at, line)| Some(file.at(at, found(line)?))).collect()
}

fn unwraps(file: &Source) -> Vec<String> {
    if file.is_test() {
        return Vec::new();
    }
    let program = file.program().into_iter();
    program
        .filter(|(_, line)| line.contains(".unwrap()"))
        .map(|(at, _)| file.at(at, "`.unwrap()` outside tests: return the error, or `expect` why it cannot happen"))
        .collect()
}

#[test]
fn nothing_is_left_undone() {
    check("undone", |f| rust("src/")(f) || rust("tests/")(f), undone);
}

#[test]
fn unwrap_is_for_tests() {
    check("unwrap", rust("src/"), unwraps);
}

#[test]
fn the_rules_on_what_is_undone_can_fail() {
    for word in UNDONE {
        assert_eq!(undone(&sample("src/a.rs", &format!("fine\n    {word}"))).len(), 1);
    }
    let bad = "a.unwrap();\n#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\nb.unwrap();\n// c.unwrap()";
    assert_eq!(unwraps(&sample("src/a.rs", bad)).len(), 2);
    assert_eq!(unwraps(&sample("src/a/tests.rs", bad)).len(), 0);
}

// --- the repository stands alone ------------------------------------------------------------------------------------

/// Where people and machines keep their own things.
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/ro", "ot/")];
/// The folder beside the repository that CI knows, and nobody else.
const SIBLING: &str = concat!("../sha", "red");

fn outside(file: &Source) -> Vec<String> {
    let depth = file.path.matches('/').count();
    let problem = |line: &str| {
        if line.contains(SIBLING) || climbs(line) > depth {
            return Some("leads out of the repository");
        }
        PLACES.iter().any(|place| is_absolute(line, place)).then_some("names a place of one machine")
    };
    let lines = file.text.lines().enumerate();
    lines.filter_map(|(at, line)| Some(file.at(at, problem(line)?))).collect()
}

/// The most `../` in a row.
fn climbs(line: &str) -> usize {
    let mut most = 0;
    let mut rest = line;
    while let Some(at) = rest.find("../") {
        let run = &rest[at..];
        let count = run.len() - run.trim_start_matches("../").len();
        most = most.max(count / "../".len());
        rest = &run[count..];
    }
    most
}

/// `place` at the beginning of a path, not inside a longer one or a URL.
fn is_absolute(line: &str, place: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '}' | '*');
    line.match_indices(place).any(|(at, _)| !line[..at].chars().next_back().is_some_and(inside))
}

fn stands_alone(file: &Source) -> bool {
    // What others wrote is kept as it was.
    file.path != ".ci/run" && !file.path.starts_with("tests/fixtures/")
}

#[test]
fn nothing_points_out_of_the_repository() {
    check("the repository stands alone", stands_alone, outside);
}

#[test]
fn the_rule_on_places_can_fail() {
    for (path, text, offences) in [
        ("docs/a.md", format!("see {SIBLING}/style.md"), 1),
        ("docs/a.md", "see [b](../b.md)".to_owned(), 0),
        ("docs/a.md", "see [b](../../b.md)".to_owned(), 1),
        ("README.md", "see ../b.md".to_owned(), 1),
        ("src/a/b.rs", format!("\"{}x\"", PLACES[0]), 1),
        ("src/a/b.rs", format!("https://host{}x", PLACES[0]), 0),
        ("src/a/b.rs", "/var/lib/vendord".to_owned(), 0),
    ] {
        assert_eq!(outside(&sample(path, &text)).len(), offences, "{path}: {text}");
    }
}

// --- what must be there ---------------------------------------------------------------------------------------------

const MUST_EXIST: &[&str] =
    &["LICENSE-MIT", "LICENSE-APACHE", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "tests/run", ".ci/run", "docs/decisions"];

fn missing(root: &Path) -> Vec<String> {
    let absent = MUST_EXIST.iter().filter(|name| !root.join(name).exists());
    absent.map(|name| format!("{name}:1: does not exist")).collect()
}

#[test]
fn what_every_reader_looks_for_exists() {
    none("files that must exist", missing(Path::new(ROOT)));
}

#[test]
fn the_rule_on_missing_files_can_fail() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(missing(empty.path()).len(), MUST_EXIST.len());
    let distinct: BTreeSet<_> = MUST_EXIST.iter().collect();
    assert_eq!(distinct.len(), MUST_EXIST.len());
}
