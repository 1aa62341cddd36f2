//! The committed man pages and completions say what the definition of the command line says, and the chart has the alerts and the
//! dashboard that are shipped. `make generate` writes them (this test, with `GENERATE` set).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod file_format;
mod man;
mod shells;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging");

/// What is written, below `packaging`.
const FOLDERS: [&str; 3] = ["man", "completions", "helm/cri-shunt/files"];

/// The chart's copies: a chart takes no file from outside, and a link is lost where an archive or a patch carries the sources.
const COPIES: [(&str, &str); 2] =
    [("prometheus/alerts.yaml", "alerts.yaml"), ("grafana/cri-shunt.json", "dashboard.json")];

/// Writes the folders into `directory`.
fn write(directory: &Path) {
    // Without the commit, which each commit would change.
    let command = cri_shunt::definition().version(env!("CARGO_PKG_VERSION"));
    for folder in FOLDERS {
        fs::create_dir_all(directory.join(folder)).unwrap();
    }
    man::write(&command, &directory.join("man"));
    file_format::write(&directory.join("man"));
    shells::write(&command, &directory.join("completions"));
    for (shipped, copy) in COPIES {
        let text = fs::read_to_string(Path::new(PACKAGING).join(shipped)).unwrap();
        fs::write(directory.join(FOLDERS[2]).join(copy), text).unwrap();
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
fn the_committed_pages_completions_and_copies_are_up_to_date() {
    let packaging = Path::new(PACKAGING);
    if std::env::var_os("GENERATE").is_some() {
        return write(packaging);
    }
    let fresh = tempfile::tempdir().unwrap();
    write(fresh.path());
    for folder in FOLDERS {
        let (committed, fresh) = (files(&packaging.join(folder)), files(&fresh.path().join(folder)));
        assert!(
            committed.keys().eq(fresh.keys()) && committed.iter().all(|(name, text)| fresh[name] == *text),
            "packaging/{folder} is stale: make generate"
        );
    }
}
