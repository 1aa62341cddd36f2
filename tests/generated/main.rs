//! The committed man pages and completions say what the definition of the command line says.
//! `make generate` writes them (this test, with `GENERATE` set).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod file_format;
mod man;
mod shells;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Writes the folders `man` and `completions` into `directory`.
fn write(directory: &Path) {
    // Without the commit, which each commit would change.
    let command = cri_shunt::definition().version(env!("CARGO_PKG_VERSION"));
    for folder in ["man", "completions"] {
        fs::create_dir_all(directory.join(folder)).unwrap();
    }
    man::write(&command, &directory.join("man"));
    file_format::write(&directory.join("man"));
    shells::write(&command, &directory.join("completions"));
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
    };
    fs::read_dir(dir).unwrap().map(read).collect()
}

#[test]
fn the_committed_pages_and_completions_are_up_to_date() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    if std::env::var_os("GENERATE").is_some() {
        return write(&packaging);
    }
    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path());
    for folder in ["man", "completions"] {
        let (committed, fresh) = (files(&packaging.join(folder)), files(&fresh.path().join(folder)));
        assert!(
            committed.keys().eq(fresh.keys()) && committed.iter().all(|(name, text)| fresh[name] == *text),
            "packaging/{folder} is stale: make generate"
        );
    }
}
