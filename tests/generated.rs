//! The committed man pages and completions are those that the program writes.
//!
//! Before: `cri-shunt generate packaging`.  After: packages install the copies.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn files(dir: &Path) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    std::fs::read_dir(dir).unwrap().map(read).collect()
}

#[test]
fn the_committed_pages_and_completions_are_up_to_date() {
    let fresh = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_cri-shunt");
    let status = Command::new(program).arg("generate").arg(fresh.path()).status().unwrap();
    assert!(status.success());
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for folder in ["man", "completions"] {
        let (committed, fresh) = (files(&packaging.join(folder)), files(&fresh.path().join(folder)));
        assert!(
            committed.keys().eq(fresh.keys()) && committed.iter().all(|(name, text)| fresh[name] == *text),
            "packaging/{folder} is stale: cargo run -- generate packaging"
        );
    }
}
