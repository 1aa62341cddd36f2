//! What `make dist` makes: one binary for every distribution, and packages that put it on a node and take it off again.
//!
//! `make test-dist` builds and runs these. A build takes too long for `make test`, so there they are ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod binary;
mod contents;
mod node;

use std::path::{Path, PathBuf};
use std::process::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

const DIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/dist");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The file of `make dist` for this machine, with this end of its name.
fn dist(name: &str) -> PathBuf {
    let path = Path::new(DIST).join(name);
    assert!(path.exists(), "{} is missing: run make dist", path.display());
    path
}

/// The names that Rust, Debian and RPM have for this machine's kind.
const fn kinds() -> (&'static str, &'static str, &'static str) {
    if cfg!(target_arch = "aarch64") {
        ("aarch64-unknown-linux-gnu", "arm64", "aarch64")
    } else {
        ("x86_64-unknown-linux-gnu", "amd64", "x86_64")
    }
}

fn program() -> PathBuf {
    dist(&format!("cri-shunt-{VERSION}-linux-{}", kinds().1))
}

fn deb(version: &str) -> String {
    format!("cri-shunt_{version}-1_{}.deb", kinds().1)
}

fn rpm(version: &str) -> String {
    format!("cri-shunt-{version}-1.{}.rpm", kinds().2)
}

/// Runs a command, which has to succeed, for its output.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
