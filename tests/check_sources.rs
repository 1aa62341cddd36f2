//! `cri-shunt check` on other programs' files: what people read, as a whole.
//!
//! Each test lays out a directory of files as administrators have them, and compares stdout, stderr and the exit status.
//! Holds: each mistake is shown for each format that it can be made in.
//! Not here: what the files mean (each reader's own tests).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "check_sources/again.rs"]
mod again;
#[path = "check_sources/content.rs"]
mod content;
#[path = "check_sources/mistaken.rs"]
mod mistaken;
#[path = "check_sources/reading.rs"]
mod reading;
#[path = "check_sources/several_files.rs"]
mod several_files;
#[path = "check_sources/syntax.rs"]
mod syntax;
#[path = "check_sources/yaml.rs"]
mod yaml;

#[path = "support/program.rs"]
#[allow(unreachable_pub, reason = "each test program uses its own part of this")]
mod program;

use std::path::Path;
use std::process::Output;

use program::{lay_out, run};

/// The formats, by flag and by the path that each test uses.
const FORMATS: [(&str, &str); 5] = [
    ("--config", "config.toml"),
    ("--registries-yaml", "registries.yaml"),
    ("--certs-d", "certs.d"),
    ("--registries-conf", "registries.conf"),
    ("--image-cri-shim", "shim.yaml"),
];

/// Runs `check` in a directory, with what is said at every check left out.
fn check_in(dir: &Path, arguments: &[&str]) -> String {
    shown(&run(dir, &[&["check"], arguments].concat()))
}

fn shown(output: &Output) -> String {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let stdout = stdout.split("Not covered, because").next().unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    format!("{stdout}{stderr}exit {}", output.status.code().unwrap())
}

fn check(files: &[(&str, &str)], arguments: &[&str]) -> String {
    check_in(lay_out(files).path(), arguments)
}

/// One file of a format that is one file.
fn check_file(flag: &str, content: &str) -> String {
    let (_, name) = FORMATS.iter().find(|(known, _)| *known == flag).unwrap();
    check(&[(name, content)], &[flag, name])
}

/// One directory of a `certs.d`.
fn check_hosts(content: &str) -> String {
    check(&[("certs.d/quay.io/hosts.toml", content)], &["--certs-d", "certs.d"])
}
