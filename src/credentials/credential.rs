//! A login, and what can be said of one without its secret.

use crate::files::secret::Secret;
use crate::registry;

/// A login that can be used now.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user name; a token has none.
    pub username: Option<String>,
    /// The secret.
    pub proof: Proof,
    /// Where it comes from, for people.
    pub source: String,
}

/// The secret of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Password(Secret),
    /// A token that is exchanged for an access token.
    IdentityToken(Secret),
}

/// User name and secret, as a source gives them.
pub(super) type Given = (Option<String>, Proof);

/// A login as far as it is known without its secret and without running a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The user name, if it is known.
    pub username: Option<String>,
    /// Where the login comes from.
    pub source: String,
    /// The program that will be asked at the pull.
    pub asks: Option<String>,
    /// Why it cannot be used now.
    pub problem: Option<String>,
}

impl Proof {
    /// A password as it is written.
    pub(super) fn password(text: &str) -> Self {
        Proof::Password(Secret::new(text.to_owned()))
    }
}

impl Credential {
    /// As a registry is asked with it.
    pub fn login(&self) -> registry::Login {
        match &self.proof {
            Proof::Password(password) => registry::Login::Password {
                username: self.username.clone().unwrap_or_default(),
                password: password.clone(),
            },
            Proof::IdentityToken(token) => registry::Login::IdentityToken(token.clone()),
        }
    }
}
