//! The committed man pages and completions say what the definition of the command line says.
//!
//! Before: `make generate` writes them anew (this test, with `GENERATE` set).  After: packages install them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use clap_complete::Shell;

/// Writes the folders `man` and `completions` into `directory`.
fn write(directory: &Path) {
    let command = cri_shunt::definition();
    let man = directory.join("man");
    fs::create_dir_all(&man).unwrap();
    clap_mangen::generate_to(command.clone(), &man).unwrap();
    let completions = directory.join("completions");
    fs::create_dir_all(&completions).unwrap();
    for (shell, name) in
        [(Shell::Bash, "cri-shunt.bash"), (Shell::Zsh, "_cri-shunt"), (Shell::Fish, "cri-shunt.fish")]
    {
        let mut file = File::create(completions.join(name)).unwrap();
        clap_complete::generate(shell, &mut command.clone(), "cri-shunt", &mut file);
    }
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
