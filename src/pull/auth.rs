//! Which credentials go with the request for one candidate.
//!
//! Before: `route` is about to try a candidate.  After: the request has them, or has none.
//! Holds: the client's go to the registry that was asked for and to no other; what the node has for a
//! mirror is bound to that mirror's host, so that containerd offers it to no one else.
//! Not here: finding the login (`credentials`).

use std::fmt;

use super::Pull;
use crate::credentials::{Credential, Proof};
use crate::policy::{Candidate, NodeCredentials, Role, RuleRef};
use crate::wire::{self, WireError, cri};

/// The credentials of one request.
pub(super) enum Auth {
    /// The client's, untouched.
    Client,
    /// None of ours: those of the client are for another registry, and the node has none here. containerd's
    /// own configuration may still have some.
    None,
    /// None at all, containerd's own neither: the rule says so.
    Withheld {
        /// Why, in words.
        because: &'static str,
    },
    /// The node's own.
    Node {
        credential: Credential,
        /// The host that containerd asks.
        host: String,
    },
}

/// Why it cannot be said which.
pub(super) enum AuthError {
    /// The request is no valid message.
    Wire(WireError),
    /// A login is configured and cannot be used, in words.
    Login(String),
}

impl Pull<'_> {
    /// Chooses for one candidate.
    pub(super) async fn auth(&self, rule: &RuleRef<'_>, candidate: &Candidate) -> Result<Auth, AuthError> {
        if candidate.role == Role::Origin || candidate.same_host {
            return Ok(Auth::Client);
        }
        let host = candidate.name.host();
        match self.generation.policy.node_credentials(rule) {
            NodeCredentials::Never => {
                return Ok(Auth::Withheld { because: "the rule says node-credentials = \"never\"" });
            }
            NodeCredentials::WithClient if !has_credentials(self.message).map_err(AuthError::Wire)? => {
                let because = "the client brought none, and the rule says node-credentials = \"with-client\"";
                return Ok(Auth::Withheld { because });
            }
            NodeCredentials::Always | NodeCredentials::WithClient => {}
        }
        let found = self.generation.credentials.for_target(&candidate.name).await;
        let Some(credential) = found.map_err(|error| AuthError::Login(error.to_string()))? else {
            return Ok(Auth::None);
        };
        tracing::debug!(candidate = %candidate.name, source = %credential.source, "with the node's login");
        Ok(Auth::Node { credential, host: self.generation.transport.asked_host(host) })
    }
}

/// Whether the client brings credentials. kubelet and crictl leave the field out where they have nothing.
pub(super) fn has_credentials(message: &[u8]) -> Result<bool, WireError> {
    let fields = [
        cri::auth_config::USERNAME,
        cri::auth_config::AUTH,
        cri::auth_config::IDENTITY_TOKEN,
        cri::auth_config::REGISTRY_TOKEN,
    ];
    for field in fields {
        if wire::get(message, &in_auth(field))?.is_some_and(|value| !value.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The path of a field of the credentials in the whole request: their message may come in several pieces.
pub(super) fn in_auth(field: &[u32]) -> Vec<u32> {
    [cri::pull_image_request::AUTH, field].concat()
}

// === impl Auth ===

impl Auth {
    /// The message with these credentials.
    pub(super) fn put(&self, message: &[u8]) -> Result<Vec<u8>, WireError> {
        match self {
            Auth::Client => Ok(message.to_vec()),
            // Cut out, not emptied: an empty field switches off what containerd's own configuration has
            // (`hostauth` in `registryHosts` of its CRI plugin), and here that is wanted.
            Auth::None => wire::cut(message, cri::pull_image_request::AUTH),
            Auth::Withheld { .. } => replaced(message, &[]),
            Auth::Node { credential, host } => replaced(message, &auth_config(credential, host)?),
        }
    }
}

impl fmt::Display for Auth {
    /// What a refusal has to do with it, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Client => f.write_str("with the client's credentials, if it has any"),
            Auth::None => f.write_str("without credentials: the node has none for this registry"),
            Auth::Withheld { because } => write!(f, "without credentials: {because}"),
            Auth::Node { credential: Credential { username, proof, source }, .. } => {
                match (proof, username) {
                    (Proof::Password(_), Some(name)) => write!(f, "logged in as {name}, from {source}"),
                    _ => write!(f, "with an identity token from {source}"),
                }
            }
        }
    }
}

/// Cut first: what the client sent could be spread over several records.
fn replaced(message: &[u8], auth: &[u8]) -> Result<Vec<u8>, WireError> {
    let message = wire::cut(message, cri::pull_image_request::AUTH)?;
    wire::set(&message, cri::pull_image_request::AUTH, auth)
}

/// An `AuthConfig`. With `server_address` containerd gives the rest to that host only; it compares the URL's
/// host with the one that it asks, so a scheme has to stand there, and which one does not matter.
fn auth_config(credential: &Credential, host: &str) -> Result<Vec<u8>, WireError> {
    let bytes = match &credential.proof {
        Proof::Password(secret) => {
            let name = credential.username.as_deref().unwrap_or_default();
            let named = wire::set(&[], cri::auth_config::USERNAME, name.as_bytes())?;
            wire::set(&named, cri::auth_config::PASSWORD, secret.expose().as_bytes())?
        }
        // Beside a name containerd would not look at the token.
        Proof::IdentityToken(secret) => {
            wire::set(&[], cri::auth_config::IDENTITY_TOKEN, secret.expose().as_bytes())?
        }
    };
    wire::set(&bytes, cri::auth_config::SERVER_ADDRESS, format!("https://{host}").as_bytes())
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{AuthConfig, ImageSpec, PullImageRequest};
    use prost::Message;

    use super::*;
    use crate::files::secret::Secret;

    #[test]
    fn the_clients_credentials_are_replaced_whole() {
        let request = |auth: Option<AuthConfig>| PullImageRequest {
            image: Some(ImageSpec { image: "m/x".to_owned(), ..ImageSpec::default() }),
            auth,
            sandbox_config: None,
        };
        let client = AuthConfig {
            username: "ann".to_owned(),
            password: "pw".to_owned(),
            auth: "eA==".to_owned(),
            registry_token: "t".to_owned(),
            ..AuthConfig::default()
        };
        // One more piece of the same field, as a decoder merges them.
        let mut bytes = request(Some(client)).encode_to_vec();
        bytes.extend([18, 3, 10, 1, b'b']);
        let put = |auth: &Auth| PullImageRequest::decode(auth.put(&bytes).unwrap().as_slice()).unwrap();
        let credential = |username: Option<&str>, proof| Auth::Node {
            credential: Credential {
                username: username.map(str::to_owned),
                proof,
                source: "c.toml:1".to_owned(),
            },
            host: "h.de:5000".to_owned(),
        };
        let secret = || Secret::new("s".to_owned());
        let expected = AuthConfig {
            username: "robot".to_owned(),
            password: "s".to_owned(),
            server_address: "https://h.de:5000".to_owned(),
            ..AuthConfig::default()
        };
        assert_eq!(put(&credential(Some("robot"), Proof::Password(secret()))), request(Some(expected)));
        let expected = AuthConfig {
            identity_token: "s".to_owned(),
            server_address: "https://h.de:5000".to_owned(),
            ..AuthConfig::default()
        };
        assert_eq!(put(&credential(Some("x"), Proof::IdentityToken(secret()))), request(Some(expected)));
        assert_eq!(put(&Auth::None), request(None));
        assert_eq!(put(&Auth::Withheld { because: "" }), request(Some(AuthConfig::default())));
        assert_eq!(put(&Auth::Client).auth.unwrap().username, "b");
    }
}
