//! Holds that nothing in `tests/support` is left over.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a line calls, or gives on as a function: `Node::eks` in a table. A declaration is no call, and neither is a `use`.
fn calls(line: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let before = line.match_indices('(').map(|(at, _)| {
        let before = line[..at]
            .rsplit_once("::<")
            .map_or(&line[..at], |(name, kind)| if kind.ends_with('>') { name } else { &line[..at] });
        let name = before.rsplit(|c| !is_of_name(c)).next().unwrap_or_default();
        (before.strip_suffix(name).unwrap_or_default(), name)
    });
    let mut found: Vec<&str> = before
        .filter(|(before, name)| !before.ends_with("fn ") && !name.is_empty())
        .map(|(_, name)| name)
        .collect();
    if !line.trim_start().starts_with("use ") {
        found.extend(line.match_indices("::").filter_map(|(at, _)| {
            let rest = &line[at + 2..];
            let end = rest.find(|c| !is_of_name(c))?;
            rest[end..].starts_with([',', ')']).then_some(&rest[..end])
        }));
    }
    found
}

#[test]
fn a_call_is_no_declaration_and_no_word() {
    assert_eq!(calls("pub fn one(a: u8) { two(a.three(), four) }"), ["two", "three"]);
    assert_eq!(calls("five::<Vec<u8>>(6)"), ["five"]);
    assert_eq!(calls("(\"EKS\", Node::eks), Node::k3s,"), ["eks", "k3s"]);
    assert_eq!(calls("use seven::{eight, nine::ten, Eleven};"), [""; 0]);
}

/// The programs that share `tests/support` allow code that one of them does not use. Here it is seen what none uses.
#[test]
fn each_helper_of_the_tests_has_a_user() {
    fn texts(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                texts(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut all = Vec::new();
    for directory in ["tests", "benches"] {
        texts(&root().join(directory), &mut all);
    }
    let code = all.iter().flat_map(|(_, text)| text.lines()).filter(|l| !l.trim_start().starts_with("//"));
    let called: BTreeSet<&str> = code.flat_map(calls).collect();
    let (mut unused, mut count) = (Vec::new(), 0);
    for (path, text) in all.iter().filter(|(path, _)| path.starts_with(root().join("tests/support"))) {
        for line in text.lines().map(str::trim_start) {
            let declared = line.strip_prefix("pub fn ").or_else(|| line.strip_prefix("pub async fn "));
            let Some(name) = declared.and_then(|rest| rest.split(['(', '<']).next()) else { continue };
            count += 1;
            if !called.contains(name) {
                unused.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(count > 100, "{count}");
    assert_eq!(unused, [""; 0]);
}
