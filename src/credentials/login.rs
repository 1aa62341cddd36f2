//! Logins that are written out in other programs' files: `registries.yaml`, image-cri-shim.
//!
//! Holds: of several fields those are used that containerd would use.
//! Not here: reading those files (`config::sources`).

use super::basic_auth::decode;
use super::credential::{Credential, Known, Proof};
use super::error::Cause;
use super::key::{RegistryKey, Specificity};
use crate::files::secret::Secret;
use crate::policy::{Name, Source};

/// Credentials for one registry.
#[derive(Clone, Debug)]
pub struct Login {
    /// The host as it is written, or `*`, which matches no host.
    pub host: String,
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// `user:password` in base64.
    pub encoded: Option<Secret>,
    /// An identity token.
    pub identity_token: Option<Secret>,
    /// Where it is written.
    pub source: Source,
}

// === impl Login ===

impl Login {
    /// How specific it is, if it is for this name.
    pub(super) fn covers(&self, target: &Name) -> Option<Specificity> {
        self.host.parse::<RegistryKey>().ok()?.covers(target)
    }

    /// The order of the fields is that of `ParseAuth` in containerd's CRI plugin.
    pub(super) fn credential(&self) -> Result<Credential, Cause> {
        let source = self.source.to_string();
        if let Some(name) = &self.username {
            let password = self.password.clone().unwrap_or_else(|| Secret::new(String::new()));
            return Ok(Credential { username: Some(name.clone()), proof: Proof::Password(password), source });
        }
        if let Some(token) = &self.identity_token {
            return Ok(Credential { username: None, proof: Proof::IdentityToken(token.clone()), source });
        }
        let nothing = "the login has neither a user name nor a token";
        let encoded = self.encoded.as_ref().ok_or(Cause::Login(nothing))?;
        let (name, password) = decode(encoded.expose()).map_err(Cause::Login)?;
        Ok(Credential { username: Some(name), proof: Proof::Password(password), source })
    }

    pub(super) fn known(&self) -> Known {
        let (username, problem) = match self.credential() {
            Ok(credential) => (credential.username, None),
            Err(cause) => (None, Some(cause.to_string())),
        };
        Known { username, source: self.source.to_string(), asks: None, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_count_in_containerds_order() {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let empty = Login {
            host: "h.de".to_owned(),
            username: None,
            password: None,
            encoded: None,
            identity_token: None,
            source: Source { file: "r.yaml".into(), line: 3 },
        };
        let shown = |login: &Login| match login.credential() {
            Ok(Credential { username, proof, .. }) => match proof {
                Proof::Password(password) => format!("{}:{}", username.unwrap(), password.expose()),
                Proof::IdentityToken(token) => format!("identity {}", token.expose()),
            },
            Err(cause) => cause.to_string(),
        };
        assert_eq!(shown(&empty), "the login has neither a user name nor a token");
        let encoded = Login { encoded: secret("Zm9vOmJhcg=="), ..empty.clone() };
        assert_eq!(shown(&encoded), "foo:bar");
        let token = Login { identity_token: secret("t"), ..encoded };
        assert_eq!(shown(&token), "identity t");
        let named = Login { username: Some("ann".to_owned()), ..token };
        assert_eq!(shown(&named), "ann:");
        assert_eq!(shown(&Login { password: secret("pw"), ..named }), "ann:pw");
        let odd = Login { encoded: secret("pants"), ..empty };
        assert_eq!(shown(&odd), "`auth` is not base64");
    }
}
