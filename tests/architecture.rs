//! Who may import whom, and that the documentation of the config is whole.
//!
//! Before: `docs/architecture.md` explains the house.  After: this holds it up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each module in the order in which a request meets them, with all that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "admin",
            "app",
            "config",
            "credentials",
            "listener",
            "node",
            "policy",
            "proxy",
            "registry",
            "telemetry",
            "transport",
            "upstream",
        ],
    ),
    ("telemetry", &[]),
    ("config", &["credentials", "parallel", "policy", "regular", "secret", "snapshot", "transport"]),
    ("app", &["attend", "listener", "node", "snapshot", "sweep", "upstream"]),
    ("listener", &["node", "router"]),
    ("router", &["admin", "call", "hold", "lookup", "node", "pause", "pull", "relay", "upstream"]),
    ("admin", &["node", "upstream"]),
    ("credentials", &["policy", "regular", "secret", "snapshot"]),
    ("hold", &["call", "upstream"]),
    ("lookup", &["adopt", "call", "checkpoint", "node", "policy", "provenance", "pull", "upstream", "wire"]),
    ("pause", &["call", "node", "policy", "pull", "wire"]),
    (
        "pull",
        &[
            "adopt",
            "call",
            "checkpoint",
            "credentials",
            "hold",
            "node",
            "policy",
            "provenance",
            "secret",
            "sweep",
            "transport",
            "upstream",
            "wire",
        ],
    ),
    ("relay", &["upstream"]),
    ("adopt", &["node", "policy", "provenance", "upstream"]),
    ("checkpoint", &["upstream"]),
    ("provenance", &["adopt", "policy", "transport", "upstream"]),
    ("sweep", &["node", "policy", "upstream"]),
    ("attend", &["node", "pause", "transport", "upstream"]),
    ("call", &["upstream", "wire"]),
    ("node", &["adopt", "credentials", "policy", "pull", "sweep", "transport", "upstream"]),
    ("registry", &["pem", "policy", "proxy", "secret"]),
    ("upstream", &["proxy"]),
    ("proxy", &["secret"]),
    ("parallel", &[]),
    ("policy", &[]),
    ("regular", &[]),
    ("secret", &[]),
    ("transport", &["pem", "policy", "regular", "secret"]),
    ("pem", &["regular"]),
    ("snapshot", &["parallel"]),
    ("wire", &[]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that are named after `crate::` in a text.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.flat_map(|line| [line, "\n"]).collect();
    let mut found = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        // `crate::{a, b::c}` as well as `crate::a::b`
        let names = match part.strip_prefix('{') {
            Some(list) => list.split_once('}').unwrap().0.split(',').map(str::trim).collect(),
            None => vec![part],
        };
        let word =
            |name: &str| name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
        found.extend(names.into_iter().map(word).filter(|name| !name.is_empty()));
    }
    found
}

#[test]
fn imports_are_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, BTreeSet<&str>> =
        MAY_IMPORT.iter().map(|(module, may)| (*module, may.iter().copied().collect())).collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let names = named(&std::fs::read_to_string(&file).unwrap());
        let may = table.get(module).unwrap_or_else(|| panic!("{module} stands in no table"));
        for name in names.iter().filter(|name| *name != module) {
            assert!(may.contains(name.as_str()), "{}: {module} may not import {name}", relative.display());
        }
        used.entry(module.to_owned()).or_default().extend(names);
    }
    for (module, may) in table {
        let used = used.get(module).unwrap_or_else(|| panic!("{module} has no file"));
        for name in may {
            assert!(used.contains(name), "the table lets {module} import {name}, which it does not");
        }
    }
}

#[test]
fn every_module_stands_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = std::fs::read_to_string(root).unwrap();
    let declared: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, listed);
}

#[test]
fn every_key_of_the_example_config_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join("packaging/config.toml")).unwrap();
    let page = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let keys: BTreeSet<&str> = example
        .lines()
        .map(|line| line.trim_start_matches("#: "))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "docs/configuration.md says nothing of `{key}`");
    }
}
