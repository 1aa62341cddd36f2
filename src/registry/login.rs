//! As whom a registry is asked.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::secrets::Secrets;
use crate::files::secret::Secret;

/// As whom a registry is asked. A registry token is not among them, since containerd cannot present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Without credentials.
    Anonymous,
    /// As a user.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// With a token that the token server takes for a login.
    IdentityToken(Secret),
}

impl Login {
    /// User and secret as containerd has them, where there is a secret. An identity token has no user.
    pub(super) fn parts(&self) -> Option<(&str, &Secret)> {
        match self {
            Login::Password { username, password } if !password.expose().is_empty() => {
                Some((username, password))
            }
            Login::IdentityToken(token) => Some(("", token)),
            Login::Anonymous | Login::Password { .. } => None,
        }
    }

    /// The value of `Authorization` for Basic, where there is a secret.
    pub(super) fn basic(&self) -> Option<String> {
        let (username, secret) = self.parts()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{username}:{}", secret.expose()))))
    }

    /// A number for what it sends. It cannot be made without the keys, nor the secret out of it.
    pub fn number(&self, keys: &RandomState) -> u64 {
        keys.hash_one(self.parts().map(|(username, secret)| (username, secret.expose())))
    }

    /// Whose requests are counted with it, for people: behind "for".
    pub fn whose(&self) -> String {
        match self {
            Login::IdentityToken(_) => "an identity token".to_owned(),
            Login::Password { username, .. } if self.parts().is_some() => username.clone(),
            Login::Anonymous | Login::Password { .. } => "requests without a login".to_owned(),
        }
    }

    /// Who asks, for people.
    pub(super) fn presented(&self) -> String {
        match self {
            Login::Anonymous => "without credentials".to_owned(),
            Login::Password { username, password } if password.expose().is_empty() => {
                format!("without credentials (those of {username} have an empty password)")
            }
            Login::Password { username, .. } => format!("as {username}"),
            Login::IdentityToken(_) => "with an identity token".to_owned(),
        }
    }

    pub(super) fn hide_in(&self, secrets: &Secrets) {
        match self.parts() {
            Some(("", token)) => secrets.add(token.expose()),
            Some((username, password)) => secrets.add_pair(&format!("{username}:{}", password.expose())),
            None => {}
        }
    }
}
