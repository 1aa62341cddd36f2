//! The login with which a candidate's registry is asked.
//!
//! A login that a pull cannot use is an error here too: the registry is not asked without it.

use crate::cli::explain::outcome::Outcome;
use crate::cli::explain::target::Whose;
use crate::credentials::{Credential, Credentials, Proof};
use crate::policy::Name;
use crate::registry::{Failure, Login};

/// The login for a candidate. Programs are run for it, as a pull does.
pub(super) async fn login(name: &Name, whose: Whose, credentials: &Credentials) -> Result<Login, Outcome> {
    match whose {
        // The credentials of a client are not known here.
        Whose::None | Whose::Client => return Ok(Login::Anonymous),
        Whose::Node | Whose::NodeWithClient => {}
    }
    let found = credentials.for_target(name).await;
    let found = found.map_err(|error| Outcome::failed(Failure::Login, error.to_string()))?;
    let Some(Credential { username, proof, .. }) = found else { return Ok(Login::Anonymous) };
    Ok(match proof {
        Proof::Password(password) => Login::Password { username: username.unwrap_or_default(), password },
        Proof::IdentityToken(token) => Login::IdentityToken(token),
    })
}
