//! `/metrics`, `/healthz` and `/readyz`: what they say, and that they hold nobody up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod dashboard;
mod doors;
mod drawn;
mod picture;
mod prometheus;
mod sums;
mod traffic;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use support::http1;

/// A public key by which nothing is signed.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpH7RTttL68BSg8FsiTA6Ne7kfmwE\nyQGOMPhlRLLmHTCoOXyzyGeso1jOWksj8SvOzex1BkrqVFbxWSEBNCiKOA==\n-----END PUBLIC KEY-----\n";

/// A place for the socket that nobody else takes, as a port would be. With the table of the configuration.
fn listener() -> (tempfile::TempDir, PathBuf, String) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("metrics.sock");
    let table = format!("[metrics]\nlisten = {socket:?}\n");
    (dir, socket, table)
}

/// Status and body of a GET.
fn get(socket: &Path, path: &str) -> (u16, String) {
    let answer = http1::get(socket, path).unwrap();
    (answer.status(), answer.text())
}

/// The numbers by name and labels, as they are written.
fn numbers(socket: &Path) -> BTreeMap<String, f64> {
    let (status, text) = get(socket, "/metrics");
    assert_eq!(status, 200, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}
