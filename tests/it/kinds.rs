//! Every kind of check has a page in `docs/checks/` and a commented example in `config/checks/`, and both are whole:
//! the page and the example name every key that is the kind's own, and the example loads as it is.

use std::path::{Path, PathBuf};

use vendord::config::{self, Env, Kinds};
use vendord::model::{Key, Shape};
use vendord::probes::{KINDS, Workshop};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}; every kind of check needs it"))
}

/// Its own keys and those inside of them.
fn keys(all: &'static [&'static [Key]]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in all.iter().copied().flatten() {
        names.push(key.name);
        match key.shape {
            Shape::Table(inner) => names.extend(inner.iter().map(|key| key.name)),
            Shape::Tables(inner) => names.extend(inner.iter().copied().flatten().map(|key| key.name)),
            _ => {}
        }
    }
    names
}

#[test]
fn every_kind_has_its_page_and_every_page_its_kind() {
    for kind in KINDS {
        let page = read(&format!("docs/checks/{}.md", kind.name));
        let missing: Vec<&str> = keys(kind.keys).into_iter().filter(|key| !page.contains(&format!("`{key}`"))).collect();
        assert!(missing.is_empty(), "docs/checks/{}.md does not name {missing:?}", kind.name);
        assert!(page.contains("```toml"), "docs/checks/{}.md has no example", kind.name);
        assert!(read("docs/checks.md").contains(&format!("(checks/{}.md)", kind.name)), "docs/checks.md does not lead to {}", kind.name);
    }
    for (folder, ending) in [("docs/checks", ".md"), ("config/checks", ".toml")] {
        for file in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(KINDS.iter().any(|kind| format!("{}{ending}", kind.name) == name), "{folder}/{name} is of no kind");
        }
    }
}

/// As [`config::load`] would, with the example as the only vendor.
fn load(kind: &str, text: &str) -> config::Loaded {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("vendors")).unwrap();
    std::fs::write(folder.path().join("vendors").join(format!("{kind}.toml")), text).unwrap();
    std::fs::write(folder.path().join("vendord.toml"), "").unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["vendor.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("client.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("client.key"), key.serialize_pem()).unwrap();
    let env =
        Env { variable: Box::new(|name| Some(format!("secret-of-{name}-0123456789abcdef"))), current_dir: folder.path().to_path_buf() };
    config::load_with(&folder.path().join("vendord.toml"), &Workshop::new(), Kinds::of_this_version(), &env)
}

/// `#key = value` is an example to take over, `# text` explains.
fn with_everything_on(text: &str) -> String {
    let taken = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|line| taken(line) + "\n").collect()
}

#[test]
fn every_kind_has_an_example_that_loads() {
    for kind in KINDS {
        let file = format!("config/checks/{}.toml", kind.name);
        let text = read(&file);
        for text in [text.clone(), with_everything_on(&text)] {
            let loaded = load(kind.name, &text);
            let said = loaded.diagnostics.render(false);
            let config = loaded.config.unwrap_or_else(|| panic!("{file}: {said}"));
            assert_eq!(loaded.diagnostics.count(config::Level::Warning), 0, "{file}: {said}");
            assert!(config.vendors[0].checks.iter().any(|check| check.kind == kind.name), "{file} has no check of its kind");
        }
        let written = |key: &str| {
            text.lines().any(|line| {
                line.trim_start_matches('#').trim_start().starts_with(&format!("{key} = "))
                    || line.contains(&format!("{{ {key} = "))
                    || line.contains(&format!(", {key} = "))
                    || line.trim_end_matches(']').ends_with(&format!(".{key}"))
            })
        };
        let missing: Vec<&str> = keys(kind.keys).into_iter().filter(|key| !written(key)).collect();
        assert!(missing.is_empty(), "{file} does not show {missing:?}");
    }
}
