//! The login with which a candidate's registry is asked.
//!
//! A login that a pull cannot use is an error here too: the registry is not asked without it.

use crate::cli::explain::outcome::Outcome;
use crate::cli::explain::target::Whose;
use crate::credentials::Credentials;
use crate::policy::Name;
use crate::registry::{Failure, Login};

/// The login for a candidate: the node's, else that of containerd for this registry. Programs are run for it, as a
/// pull does.
pub(super) async fn login(
    name: &Name,
    whose: Whose,
    credentials: &Credentials,
    containerds: Option<&Login>,
) -> Result<Login, Outcome> {
    let found = match whose {
        // The credentials of a client are not known here.
        Whose::None | Whose::Client => None,
        Whose::Node | Whose::NodeWithClient => {
            let found = credentials.for_target(name).await;
            found.map_err(|error| Outcome::failed(Failure::Login, error.to_string()))?
        }
    };
    Ok(found
        .map_or_else(|| containerds.cloned().unwrap_or(Login::Anonymous), |credential| credential.login()))
}
