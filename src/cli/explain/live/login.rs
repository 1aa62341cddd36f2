//! As whom the registry of a candidate is asked.
//!
//! Before: `explain` has said whose credentials a candidate gets.  After: the registry client has them.
//! Holds: a login that a pull could not use is an error here too, and nobody is asked without it.
//! Not here: finding it (`credentials`).

use super::Outcome;
use crate::cli::explain::answer::Whose;
use crate::credentials::{Credential, Credentials, Proof};
use crate::policy::Name;
use crate::registry::{Failure, Login};

/// The login for a candidate. Programs are run for it where a pull would run them.
pub(super) async fn login(name: &Name, whose: Whose, credentials: &Credentials) -> Result<Login, Outcome> {
    match whose {
        // A client's are not known here.
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
