//! The foreign gRPC stack: runs `foreign.py` for a call.
//!
//! Before: a socket, a method and the bytes of a message.  After: the answer as that stack saw it.

use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// Debian's own, for that is the one with python3-grpcio; another may come first in PATH.
const PYTHON: &str = "/usr/bin/python3";

/// An answer, as python3-grpcio reports it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Answer {
    pub code: i32,
    pub message: Option<String>,
    /// The message as hex digits; none where the call failed.
    pub response: Option<String>,
    /// Name, value as hex digits.
    pub initial: Vec<(String, String)>,
    pub trailing: Vec<(String, String)>,
}

/// How to call.
#[derive(Clone, Debug, Default)]
pub struct Call<'a> {
    /// `grpc.default_authority`; C-core's own choice without.
    pub authority: Option<&'a str>,
    /// `name=value`; values of `-bin` names as hex digits.
    pub metadata: &'a [&'a str],
    /// So many calls on one connection, 0 counts as 1.
    pub repeat: u32,
}

/// `None` (and a skipped test) where python3-grpcio is not installed.
pub fn call(socket: &Path, method: &str, message: &[u8], how: &Call<'_>) -> Option<Answer> {
    let has_grpc = Command::new(PYTHON).args(["-c", "import grpc"]).output();
    if !has_grpc.is_ok_and(|output| output.status.success()) {
        super::skipped("no python3-grpcio here (tests/setup installs it)");
        return None;
    }
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/foreign.py")).arg(socket).args([
        method,
        "--hex",
        &hex,
        "--repeat",
        &how.repeat.max(1).to_string(),
    ]);
    if let Some(authority) = how.authority {
        command.args(["--authority", authority]);
    }
    for pair in how.metadata {
        command.args(["--metadata", pair]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
