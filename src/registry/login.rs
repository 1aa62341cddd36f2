//! The requests to one registry, logged in as far as it asks for that.
//!
//! Before: `manifest` has a URL.  After: the answer of the registry, never a 401.
//! Holds: nothing of a login is sent before it is asked for. Of several challenges, Bearer is answered
//! before Basic.
//!
//! Facts: containerd `core/remotes/docker/authorizer.go`.

use base64::Engine;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::access::{Access, Login, sensitive};
use super::answer::{ACCEPTED, MAX_MANIFEST};
use super::challenge::{self, Challenge};
use super::connect::Wire;
use super::error::RegistryError;
use super::exchange::{Answer, Question};
use super::redirect;
use super::token;
use super::url::Url;
use crate::files::secret::Secret;

/// What this program calls itself.
const AGENT: &str = concat!("cri-shunt/", env!("CARGO_PKG_VERSION"));

/// What is asked of one registry.
pub(super) struct Session<'s> {
    login: &'s Login,
    repository: &'s str,
    /// The headers of the transport.
    configured: HeaderMap,
    authorization: Option<HeaderValue>,
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
}

impl<'s> Session<'s> {
    pub(super) fn new(login: &'s Login, access: &Access, repository: &'s str) -> Result<Self, RegistryError> {
        Ok(Session { login, repository, configured: access.header_map()?, authorization: None })
    }

    /// Asks for a manifest, and answers a challenge once.
    pub(super) async fn ask(
        &mut self,
        wire: &Wire,
        method: Method,
        url: &Url,
    ) -> Result<Answer, RegistryError> {
        let headers = common_headers(ACCEPTED);
        let limit = if method == Method::HEAD { 0 } else { MAX_MANIFEST };
        let question = Question { method, url: url.clone(), headers, body: Bytes::new(), limit };
        let answer = self.asked(wire, question.clone()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if self.authorization.is_some() || !answer.url.same_origin(url) {
            return Err(self.unauthorized(&answer, url));
        }
        self.authorization = Some(self.authorization(wire, &answer, url).await?);
        let answer = self.asked(wire, question).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Err(self.unauthorized(&answer, url));
        }
        Ok(answer)
    }

    async fn asked(&self, wire: &Wire, question: Question) -> Result<Answer, RegistryError> {
        let mut private = self.configured.clone();
        if let Some(authorization) = &self.authorization {
            // In the place of one that is configured, as in containerd.
            private.insert(AUTHORIZATION, authorization.clone());
        }
        redirect::follow(wire, question, &private).await
    }

    /// The answer to the challenges of a 401.
    async fn authorization(
        &self,
        wire: &Wire,
        answer: &Answer,
        url: &Url,
    ) -> Result<HeaderValue, RegistryError> {
        let challenges = challenges(answer);
        let find = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let refuse = |detail: String| RegistryError::Unauthorized {
            host: url.authority(),
            presented: self.login.presented(),
            detail,
        };
        let unfit = || refuse("; what it sent as a token can be in no header".to_owned());
        if let Some(challenge) = find("bearer") {
            let token = token::fetch(wire, url, challenge, self.login, self.repository).await?;
            wire.secrets.add(token.expose());
            return sensitive(&format!("Bearer {}", token.expose())).ok_or_else(unfit);
        }
        if find("basic").is_none() {
            let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
            return Err(refuse(match schemes.as_slice() {
                [] => "; it names no way to log in".to_owned(),
                schemes => format!("; it wants {}, which containerd does not speak", schemes.join(", ")),
            }));
        }
        match self.login.parts() {
            Some((username, secret)) if !username.is_empty() => {
                let pair = format!("{username}:{}", secret.expose());
                let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
                sensitive(&format!("Basic {encoded}")).ok_or_else(unfit)
            }
            _ => Err(refuse("; it wants a user and a password".to_owned())),
        }
    }

    fn unauthorized(&self, answer: &Answer, url: &Url) -> RegistryError {
        let detail = match answer.url.same_origin(url) {
            false => format!("; {} had redirected there, where no credentials go", url.authority()),
            true => {
                let challenges = challenges(answer);
                let error = challenges.iter().find_map(|challenge| challenge.parameter("error"));
                error.map_or(String::new(), |error| format!(": {}", answer.quote(error)))
            }
        };
        // Registries answer 401 too for what is not there, so as not to tell.
        let hint = "; there is no such repository, or these credentials may not read it";
        let presented = self.login.presented();
        RegistryError::Unauthorized { host: answer.url.authority(), presented, detail: detail + hint }
    }
}

pub(super) fn common_headers(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    headers.flat_map(|value| challenge::parse(value.as_bytes())).collect()
}
