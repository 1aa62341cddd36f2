//! Docker's credential helpers: `docker-credential-NAME get`.
//!
//! Holds: "credentials not found" is not an error; every other failure is. Of the output only the fixed texts
//! below are shown.
//!
//! Facts: docker/docker-credential-helpers `credentials/credentials.go`, `credentials/error.go`: the server
//! comes on stdin, a JSON object or an error's text goes to stdout.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::super::credential::{Given, Proof};
use super::super::error::Cause;
use super::super::program::Program;
use super::auth::TOKEN_USER;
use crate::files::secret::Secret;

/// A helper and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    pub(super) program: PathBuf,
    pub(super) server: String,
}

/// What every helper says if it does not know the server.
const NOT_FOUND: &str = "credentials not found";

/// Other messages that helpers write to stdout. Anything else there can be the secret itself, and an error is
/// shown in a pod's events.
const COMPLAINTS: [&str; 2] = ["no credentials server URL", "no credentials username"];

impl Helper {
    /// The program file.
    pub(crate) fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// Runs the helper.
    pub(super) async fn get(&self, timeout: Duration) -> Result<Option<Given>, Cause> {
        let arguments = ["get".to_owned()];
        let program = Program { path: &self.program, arguments: &arguments, environment: &[], timeout };
        let finished = program.run(self.server.clone().into_bytes()).await?;
        if finished.status.success() {
            let unusable = |message| Cause::Answer { program: self.program.clone(), message };
            return read(&finished.stdout).map(Some).map_err(unusable);
        }
        let said = String::from_utf8_lossy(&finished.stdout);
        if said.contains(NOT_FOUND) {
            return Ok(None);
        }
        let complaint = COMPLAINTS.iter().find(|complaint| said.trim() == **complaint);
        Err(finished.failure(&self.program, complaint.copied().unwrap_or_default()).into())
    }
}

/// Reads the answer of a helper.
///
/// # Errors
/// Why the answer cannot be used; nothing of the answer is in it.
pub fn read(stdout: &[u8]) -> Result<Given, String> {
    if stdout.trim_ascii().is_empty() {
        return Err("it is empty".to_owned());
    }
    let value: Value = serde_json::from_slice(stdout).map_err(|error| format!("it is not JSON: {error}"))?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let (Some(username), Some(secret)) = (text("Username"), text("Secret")) else {
        return Err("it has no `Username` and `Secret`".to_owned());
    };
    if username == TOKEN_USER {
        return Ok((None, Proof::IdentityToken(Secret::new(secret.to_owned()))));
    }
    Ok((Some(username.to_owned()), Proof::password(secret)))
}
