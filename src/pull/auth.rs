//! Which credentials go with the request for one candidate.
//!
//! Holds: the client's credentials go to the registry that was asked for and to no other; a login of the node for a
//! mirror is bound to that mirror's host, so that containerd offers it to no other host.
//! Not here: finding the login (`credentials`).

use std::fmt;

use super::under_way::{Pull, Trial};
use crate::credentials::{self, Credential, Proof};
use crate::files::secret::Secret;
use crate::policy::NodeCredentials;
use crate::registry::Login;
use crate::wire::{self, WireError, cri};

/// The credentials of one request.
pub(super) enum Auth {
    /// The client's, untouched.
    Client,
    /// None of the shunt's: the client's are for another registry, and the node has no login here.
    None,
    /// What containerd's own configuration has for the registry. It looks there by the host of the name, which is
    /// another one here, so the login is given to it.
    Containerd(Login),
    /// None at all, not even containerd's own: the rule says so.
    Withheld {
        /// Why, in words.
        because: &'static str,
    },
    /// The node's own.
    Node {
        /// The login.
        credential: Credential,
    },
}

/// Why no credentials could be chosen.
pub(super) enum AuthError {
    /// The request is not a valid message.
    Wire(WireError),
    /// A login is configured and cannot be used, in words.
    Login(String),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Login(reason) => f.write_str(reason),
        }
    }
}

impl Pull<'_> {
    /// Chooses for one candidate.
    pub(super) async fn auth(&self, mirror: &Trial<'_>) -> Result<Auth, AuthError> {
        let candidate = mirror.candidate;
        if candidate.same_host {
            let is_clients = has_credentials(self.message).map_err(AuthError::Wire)?;
            return Ok(if is_clients {
                Auth::Client
            } else {
                mirror.containerds_login().unwrap_or(Auth::Client)
            });
        }
        match self.generation.policy.node_credentials(&self.rule) {
            NodeCredentials::Never => {
                return Ok(Auth::Withheld { because: "node-credentials = \"never\"" });
            }
            NodeCredentials::WithClient if !has_credentials(self.message).map_err(AuthError::Wire)? => {
                let because = "node-credentials = \"with-client\", and the client has none";
                return Ok(Auth::Withheld { because });
            }
            NodeCredentials::Always | NodeCredentials::WithClient => {}
        }
        let found = self.generation.credentials.for_target(&candidate.name).await;
        let Some(credential) = found.map_err(|error| AuthError::Login(error.to_string()))? else {
            return Ok(mirror.containerds_login().unwrap_or(Auth::None));
        };
        tracing::debug!(candidate = %candidate.name, source = %credential.source, "with the node's login");
        Ok(Auth::Node { credential })
    }
}

impl Trial<'_> {
    fn containerds_login(&self) -> Option<Auth> {
        self.facts.logins.get(&self.endpoint.host).cloned().map(Auth::Containerd)
    }
}

/// Whether the client brings credentials. kubelet and crictl leave the field out where they have nothing.
fn has_credentials(message: &[u8]) -> Result<bool, WireError> {
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
fn in_auth(field: &[u32]) -> Vec<u32> {
    [cri::pull_image_request::AUTH, field].concat()
}

// === impl Auth ===

impl Auth {
    /// The message with these credentials, for containerd to offer at `host` and nowhere else.
    pub(super) fn put(&self, message: &[u8], host: &str) -> Result<Vec<u8>, WireError> {
        match self {
            Auth::Client if wants_binding(message)? => bind(message, host),
            Auth::Client => Ok(message.to_vec()),
            Auth::None => wire::cut(message, cri::pull_image_request::AUTH),
            Auth::Withheld { .. } => replaced(message, &[]),
            Auth::Containerd(login) => replaced(message, &auth_config(login, host)?),
            Auth::Node { credential } => replaced(message, &auth_config(&credential.login(), host)?),
        }
    }

    /// Where the login comes from, without its user's name.
    pub(super) fn source(&self) -> &str {
        match self {
            Auth::Client => "client",
            Auth::Containerd(_) => "containerd's config",
            Auth::None | Auth::Withheld { .. } => "none",
            Auth::Node { credential } => &credential.source,
        }
    }

    /// The login that the registry at `host` is asked with.
    ///
    /// # Errors
    /// The client's message is not valid protobuf.
    pub(super) fn login(&self, message: &[u8], host: &str) -> Result<Login, WireError> {
        match self {
            Auth::Client => client_login(message, host),
            Auth::None | Auth::Withheld { .. } => Ok(Login::Anonymous),
            Auth::Containerd(login) => Ok(login.clone()),
            Auth::Node { credential } => Ok(credential.login()),
        }
    }
}

/// What containerd makes of a client's credentials for `host` (`ParseAuth` in `image_pull.go` of its CRI plugin): those
/// for another host are left out, and a registry token is not supported.
fn client_login(message: &[u8], host: &str) -> Result<Login, WireError> {
    let text = |field: &[u32]| -> Result<String, WireError> {
        Ok(String::from_utf8_lossy(wire::get(message, &in_auth(field))?.unwrap_or_default()).into_owned())
    };
    let address = text(cri::auth_config::SERVER_ADDRESS)?;
    if !address.is_empty() && host_of(&address) != host {
        return Ok(Login::Anonymous);
    }
    let username = text(cri::auth_config::USERNAME)?;
    if !username.is_empty() {
        return Ok(Login::Password { username, password: Secret::new(text(cri::auth_config::PASSWORD)?) });
    }
    let token = text(cri::auth_config::IDENTITY_TOKEN)?;
    if !token.is_empty() {
        return Ok(Login::IdentityToken(Secret::new(token)));
    }
    let encoded = text(cri::auth_config::AUTH)?;
    Ok(match credentials::decode_basic(&encoded) {
        Some((username, password)) => Login::Password { username, password },
        None => Login::Anonymous,
    })
}

/// `host[:port]` of a URL, as Go's `url.Parse` finds it; empty where there is no scheme.
pub(super) fn host_of(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://") else { return "" };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit('@').next().unwrap_or_default()
}

/// Whether there are credentials, and for any host.
pub(super) fn wants_binding(message: &[u8]) -> Result<bool, WireError> {
    let address = wire::get(message, &in_auth(cri::auth_config::SERVER_ADDRESS))?;
    Ok(address.is_none_or(<[u8]>::is_empty) && has_credentials(message)?)
}

/// The request with its credentials for `host` alone, as containerd asks it.
pub(super) fn bind(message: &[u8], host: &str) -> Result<Vec<u8>, WireError> {
    let address = format!("https://{host}");
    wire::set(message, &in_auth(cri::auth_config::SERVER_ADDRESS), address.as_bytes())
}

impl fmt::Display for Auth {
    /// What a refusal has to do with it, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Client => f.write_str("with the client's credentials, if it has any"),
            Auth::Containerd(Login::Password { username, .. }) => {
                write!(f, "logged in as {username}, from containerd's config")
            }
            Auth::Containerd(_) => f.write_str("with an identity token from containerd's config"),
            Auth::None => f.write_str("without credentials: the node has none for it"),
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
fn auth_config(login: &Login, host: &str) -> Result<Vec<u8>, WireError> {
    let bytes = match login {
        Login::Anonymous => Vec::new(),
        Login::Password { username, password } => {
            let named = wire::set(&[], cri::auth_config::USERNAME, username.as_bytes())?;
            wire::set(&named, cri::auth_config::PASSWORD, password.expose().as_bytes())?
        }
        // Beside a name containerd would not look at the token.
        Login::IdentityToken(secret) => {
            wire::set(&[], cri::auth_config::IDENTITY_TOKEN, secret.expose().as_bytes())?
        }
    };
    wire::set(&bytes, cri::auth_config::SERVER_ADDRESS, format!("https://{host}").as_bytes())
}

#[cfg(test)]
mod tests;
