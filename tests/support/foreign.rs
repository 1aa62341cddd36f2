//! The foreign gRPC stack: runs `foreign.py` for a call.
//!
//! It gives the answer as that stack saw it.

use serde::Deserialize;
use std::path::Path;
use std::process::Command;

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
    /// Whether the message is compressed, where that makes it smaller.
    pub gzip: bool,
    /// So many calls on one connection, 0 counts as 1.
    pub repeat: u32,
}

/// `None` (and a skipped test) where python3-grpcio is not installed.
pub fn call(socket: &Path, method: &str, message: &[u8], how: &Call<'_>) -> Option<Answer> {
    // Debian's own first: a python3 that stands before it in PATH does not see Debian's packages.
    let has_grpc = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import grpc"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(python) = ["/usr/bin/python3", "python3"].into_iter().find(has_grpc) else {
        super::skipped("no python3-grpcio here (tests/setup installs it)");
        return None;
    };
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = Command::new(python);
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
    if how.gzip {
        command.arg("--gzip");
    }
    for pair in how.metadata {
        command.args(["--metadata", pair]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
