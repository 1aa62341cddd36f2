//! Tokens for a registry, from the token server that it names.
//!
//! Before: `login` has a Bearer challenge.  After: a token for this repository.
//! Holds: credentials go to the server that the registry names as its realm, for that is how the protocol
//! is; not in plain http where the registry itself is asked over TLS, and not on to where that server
//! redirects.
//!
//! Facts: distribution `docs/spec/auth/token.md` and `oauth.md`; containerd `core/remotes/docker/auth`
//! (`fetch.go`) and `authorizer.go`: with credentials the form is posted first, and 400, 401, 404 and 405
//! mean that the server wants the older GET.

use base64::Engine;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;

use super::access::{Login, sensitive};
use super::answer;
use super::challenge::Challenge;
use super::connect::Wire;
use super::error::{Failure, RegistryError};
use super::exchange::{Answer, Question};
use super::login::common_headers;
use super::redirect;
use super::url::{Url, form};
use crate::files::secret::Secret;

/// The longest answer of a token server: tokens of some hundred KiB have been seen nowhere.
const MAX_TOKEN: usize = 1 << 20;

/// Not a `Debug`: it holds tokens.
#[derive(Deserialize)]
struct Grant {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

struct Request<'r> {
    wire: &'r Wire,
    registry: &'r Url,
    realm: Url,
    login: &'r Login,
    service: Option<&'r str>,
    scopes: Vec<String>,
}

/// Gets a token to pull from `repository`.
pub(super) async fn fetch(
    wire: &Wire,
    registry: &Url,
    challenge: &Challenge,
    login: &Login,
    repository: &str,
) -> Result<Secret, RegistryError> {
    let refuse = |problem: String, failure| RegistryError::Token {
        host: registry.authority(),
        presented: login.presented(),
        problem,
        failure,
    };
    let realm = challenge
        .parameter("realm")
        .ok_or_else(|| refuse("it names no token server".to_owned(), Failure::Protocol))?;
    let realm = Url::parse(realm).ok_or_else(|| {
        let problem = format!("it names {} as its token server, which is no URL", wire.secrets.quote(realm));
        refuse(problem, Failure::Protocol)
    })?;
    if registry.https && !realm.https && login.parts().is_some() {
        let problem = format!("its token server {realm} is in plain http, where no credentials go");
        return Err(refuse(problem, Failure::Unauthorized));
    }
    let mut scopes = vec![format!("repository:{repository}:pull")];
    let further = challenge.parameter("scope").unwrap_or_default().split(' ');
    scopes.extend(further.filter(|scope| !scope.is_empty()).map(str::to_owned));
    scopes.sort();
    scopes.dedup();
    let service = challenge.parameter("service");
    Request { wire, registry, realm, login, service, scopes }.fetch().await
}

/// The token in a token server's answer, where it holds one.
///
/// # Errors
/// It is no JSON object of that form.
pub fn read(body: &[u8]) -> Result<Option<Secret>, serde_json::Error> {
    let Grant { token, access_token } = serde_json::from_slice(body)?;
    let found = [token, access_token].into_iter().flatten().find(|token| !token.is_empty());
    Ok(found.map(Secret::new))
}

impl Request<'_> {
    async fn fetch(&self) -> Result<Secret, RegistryError> {
        if let Some((username, secret)) = self.login.parts() {
            let answer = self.post(username, secret).await?;
            let wants_get = match answer.status.as_u16() {
                400 | 401 | 404 => true,
                405 => !username.is_empty(),
                // containerd's client would make a GET of it on its own.
                301 | 302 | 303 | 307 | 308 => true,
                _ => false,
            };
            if !wants_get {
                return self.granted(&answer);
            }
        }
        let answer = self.get().await?;
        self.granted(&answer)
    }

    async fn post(&self, username: &str, secret: &Secret) -> Result<Answer, RegistryError> {
        let scopes = self.scopes.join(" ");
        let mut pairs = vec![("scope", scopes.as_str()), ("client_id", "containerd-client")];
        pairs.extend(self.service.map(|service| ("service", service)));
        match username {
            "" => pairs.extend([("grant_type", "refresh_token"), ("refresh_token", secret.expose())]),
            _ => pairs.extend([
                ("grant_type", "password"),
                ("username", username),
                ("password", secret.expose()),
            ]),
        }
        let mut headers = common_headers("application/json");
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        let body = Bytes::from(form(&pairs));
        let question =
            Question { method: Method::POST, url: self.realm.clone(), headers, body, limit: MAX_TOKEN };
        self.ask(question, HeaderMap::new()).await
    }

    async fn get(&self) -> Result<Answer, RegistryError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(self.service.map(|service| ("service", service)));
        pairs.extend(self.scopes.iter().map(|scope| ("scope", scope.as_str())));
        let mut private = HeaderMap::new();
        if let Some((username, secret)) = self.login.parts() {
            let pair = format!("{username}:{}", secret.expose());
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            private.extend(sensitive(&format!("Basic {encoded}")).map(|value| (AUTHORIZATION, value)));
        }
        let headers = common_headers("application/json");
        let url = self.realm.with_query(&pairs);
        let question = Question { method: Method::GET, url, headers, body: Bytes::new(), limit: MAX_TOKEN };
        self.ask(question, private).await
    }

    async fn ask(&self, question: Question, private: HeaderMap) -> Result<Answer, RegistryError> {
        let asked = redirect::follow(self.wire, question, &private).await;
        asked.map_err(|error| {
            let failure = error.failure();
            self.refuse(format!("with its token server, {error}"), failure)
        })
    }

    fn granted(&self, answer: &Answer) -> Result<Secret, RegistryError> {
        let server = self.realm.authority();
        if !answer.status.is_success() {
            let detail = answer::detail(answer);
            let problem =
                format!("its token server {server} answers {}{}", answer::status_text(answer.status), detail);
            let failure = match answer.status.as_u16() {
                400..=403 => Failure::Unauthorized,
                429 => Failure::RateLimited,
                _ => Failure::Status,
            };
            return Err(self.refuse(problem, failure));
        }
        if answer.cut {
            let problem = format!("its token server {server} answers with more than {MAX_TOKEN} bytes");
            return Err(self.refuse(problem, Failure::Protocol));
        }
        let found = read(&answer.body).map_err(|_| {
            let problem =
                format!("its token server {server} answers something that is no JSON object with a token");
            self.refuse(problem, Failure::Protocol)
        })?;
        found.ok_or_else(|| {
            self.refuse(format!("the answer of its token server {server} holds none"), Failure::Protocol)
        })
    }

    fn refuse(&self, problem: String, failure: Failure) -> RegistryError {
        let (host, presented) = (self.registry.authority(), self.login.presented());
        RegistryError::Token { host, presented, problem, failure }
    }
}
