//! The login with which a candidate's registry is asked.
//!
//! A login that a pull cannot use is an error here too: the registry is not asked without it.

use crate::cli::explain::outcome::Outcome;
use crate::cli::explain::target::{Target, Whose};
use crate::config::Config;
use crate::credentials::Cause;
use crate::files::reader::Reader;
use crate::registry::{Failure, Login};

/// The login for a candidate: the node's, else that of containerd for this registry. Programs are run for it, as a
/// pull does. One that the daemon cannot use is not used here.
pub(super) async fn login(
    target: &Target,
    config: &Config,
    containerds: Option<&Login>,
    reader: &Reader,
) -> Result<Login, Outcome> {
    let found = match target.credentials {
        // The credentials of a client are not known here.
        Whose::None | Whose::Client => None,
        Whose::Node | Whose::NodeWithClient => {
            let found = config.credentials.for_target(&target.name).await;
            let problem = target.credentials_problem.as_ref();
            match (found, problem) {
                (Ok(_), Some(problem)) if matches!(reader, Reader::Daemon(_)) => {
                    let host = target.name.host();
                    let error = format!("no login for {host}: the daemon finds: {problem}");
                    return Err(Outcome::failed(Failure::Login, error));
                }
                (found, _) => found.map_err(|error| {
                    // Only the daemon has these.
                    let is_elsewhere =
                        matches!(error.cause, Cause::Variable { .. } | Cause::NoCredentialsDirectory { .. });
                    let hint = if is_elsewhere { "; the daemon may have it" } else { "" };
                    Outcome::failed(Failure::Login, format!("{error}{hint}"))
                })?,
            }
        }
    };
    Ok(found
        .map_or_else(|| containerds.cloned().unwrap_or(Login::Anonymous), |credential| credential.login()))
}
