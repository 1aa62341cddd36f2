//! Gets a token for a registry from the token server that it names.
//!
//! Credentials go to the server that the registry names as its realm, for that is how the protocol is; not in
//! plain http where the registry itself is asked over TLS, and not on to where that server redirects.
//!
//! Facts: distribution `docs/spec/auth/token.md` and `oauth.md`; containerd `core/remotes/docker/auth`
//! (`fetch.go`) and `authorizer.go`: with credentials the form is posted first, and 400, 401, 404 and 405
//! mean that the server wants the older GET.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use prost_types::Timestamp;
use serde::Deserialize;

use super::answer;
use super::challenge::Challenge;
use super::endpoint::LONGEST_HEADER;
use super::error::{Class, Failure, RegistryError, status_text};
use super::exchange::{Answer, Question};
use super::guard::Reach;
use super::limits;
use super::login::Login;
use super::redirect;
use super::secrets::sensitive;
use super::url::{Url, form};
use super::wire::Wire;
use crate::files::secret::Secret;

/// The longest answer of a token server, in bytes: room for the longest token under both of its names.
const MAX_ANSWER: usize = 256 << 10;

/// The most scopes that a registry may ask for beside the repository's own.
const MAX_SCOPES: usize = 16;

/// How long a token holds of which nothing is said (`token.md`).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);

/// How long a token is kept at most, whatever is said.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// What a token server is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    realm: Url,
    service: Option<String>,
    scopes: Vec<String>,
    /// Where the registry may lead that has named the realm.
    reach: Reach,
}

/// A token.
pub struct Grant {
    /// The token itself.
    pub token: Secret,
    /// How long it may be used.
    pub life: Duration,
}

/// What a token server answers. No `Debug`: it holds tokens.
#[derive(Deserialize)]
struct Granted {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    issued_at: Option<serde_json::Value>,
}

/// A wish, and who has it.
pub(super) struct Request<'r> {
    pub(super) wire: &'r Wire,
    pub(super) login: &'r Login,
    pub(super) wish: &'r Wish,
}

impl Wish {
    /// What a challenge of a registry wants to be asked for, to pull from `repository`.
    pub(super) fn of(
        challenge: &Challenge,
        wire: &Wire,
        login: &Login,
        repository: &str,
        reach: Reach,
    ) -> Result<Self, RegistryError> {
        let refuse = |problem: String, failure| refusal(wire, login, problem, Class::of(failure));
        let realm = challenge
            .parameter("realm")
            .ok_or_else(|| refuse("it names no token server".to_owned(), Failure::Protocol))?;
        let realm = Url::parse(realm).ok_or_else(|| {
            let realm = wire.secrets.quote(realm);
            let problem = format!("it names {realm} as its token server, which is not a URL");
            refuse(problem, Failure::Protocol)
        })?;
        if wire.own.https && !realm.https && login.parts().is_some() {
            let server = realm.authority();
            let problem = format!("its token server {server} is in plain http, where no credentials go");
            return Err(refuse(problem, Failure::Unauthorized));
        }
        let mut scopes = vec![format!("repository:{repository}:pull")];
        let further = challenge.parameter("scope").unwrap_or_default().split(' ');
        scopes.extend(further.filter(|scope| !scope.is_empty()).take(MAX_SCOPES).map(str::to_owned));
        scopes.sort();
        scopes.dedup();
        Ok(Wish { realm, service: challenge.parameter("service").map(str::to_owned), scopes, reach })
    }
}

/// The token in a token server's answer, where it holds one.
///
/// # Errors
/// It is not a JSON object of that form.
pub fn read(body: &[u8]) -> Result<Option<Grant>, serde_json::Error> {
    let Granted { token, access_token, expires_in, issued_at } = serde_json::from_slice(body)?;
    let found = [token, access_token].into_iter().flatten().find(|token| !token.is_empty());
    let life = life(expires_in.as_ref(), issued_at.as_ref());
    Ok(found.map(|token| Grant { token: Secret::new(token), life }))
}

/// How long a token may be used: until shortly before it expires.
fn life(expires_in: Option<&serde_json::Value>, issued_at: Option<&serde_json::Value>) -> Duration {
    let seconds = expires_in.and_then(serde_json::Value::as_f64).filter(|seconds| *seconds > 0.0);
    let whole = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(DEFAULT_LIFE);
    let issued = issued_at.and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
    let age = issued.and_then(|at| SystemTime::now().duration_since(SystemTime::try_from(at).ok()?).ok());
    // A token that seems to come from the future, or to have expired already, comes from another clock.
    let age = age.filter(|age| *age < whole).unwrap_or_default();
    let left = (whole - age).min(LONGEST_LIFE);
    left.saturating_sub((left / 10).min(Duration::from_secs(10)))
}

impl Request<'_> {
    /// Asks the token server.
    pub(super) async fn fetch(&self) -> Result<Grant, RegistryError> {
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
        let Wish { realm, service, scopes, .. } = self.wish;
        let scopes = scopes.join(" ");
        let mut pairs = vec![("scope", scopes.as_str()), ("client_id", "containerd-client")];
        pairs.extend(service.as_deref().map(|service| ("service", service)));
        match username {
            "" => pairs.extend([("grant_type", "refresh_token"), ("refresh_token", secret.expose())]),
            _ => pairs.extend([
                ("grant_type", "password"),
                ("username", username),
                ("password", secret.expose()),
            ]),
        }
        let mut headers = answer::common_headers("application/json");
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(CONTENT_TYPE, form_type);
        let (url, body) = (realm.clone(), Bytes::from(form(&pairs)));
        let question = Question { method: Method::POST, url, headers, body, limit: MAX_ANSWER };
        self.ask(question, HeaderMap::new()).await
    }

    async fn get(&self) -> Result<Answer, RegistryError> {
        let Wish { realm, service, scopes, .. } = self.wish;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(service.as_deref().map(|service| ("service", service)));
        pairs.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        let mut private = HeaderMap::new();
        let basic = self.login.basic().and_then(|basic| sensitive(&basic));
        private.extend(basic.map(|basic| (AUTHORIZATION, basic)));
        let headers = answer::common_headers("application/json");
        let url = realm.with_query(&pairs);
        let question = Question { method: Method::GET, url, headers, body: Bytes::new(), limit: MAX_ANSWER };
        self.ask(question, private).await
    }

    async fn ask(&self, question: Question, private: HeaderMap) -> Result<Answer, RegistryError> {
        let asked = redirect::follow(self.wire, question, &private, self.wish.reach).await;
        asked.map(|followed| followed.answer).map_err(|error| {
            let class = error.class();
            let problem = match error {
                RegistryError::Astray { host, astray } => format!("its token server {host} {astray}"),
                error => format!("with its token server, {error}"),
            };
            self.refuse(problem, class)
        })
    }

    fn granted(&self, answer: &Answer) -> Result<Grant, RegistryError> {
        let server = self.wish.realm.authority();
        if !answer.status.is_success() {
            let (status, class) = (status_text(Some(answer.status)), answer::class(answer));
            let words = limits::again(answer, class) + &answer::detail(answer);
            let problem = format!("its token server {server} answers {status}{words}");
            let failure = match answer.status.as_u16() {
                _ if class.failure == Failure::RateLimited => Failure::RateLimited,
                400..=403 => Failure::Unauthorized,
                _ => Failure::Status,
            };
            return Err(self.refuse(problem, Class { failure, ..class }));
        }
        let refuse = |problem: String| self.refuse(problem, Class::of(Failure::Protocol));
        if answer.cut {
            return Err(refuse(format!(
                "its token server {server} answers with more than {MAX_ANSWER} bytes"
            )));
        }
        let found = read(&answer.body).map_err(|_| {
            refuse(format!(
                "its token server {server} answers something that is not a JSON object with a token"
            ))
        })?;
        let grant =
            found.ok_or_else(|| refuse(format!("the answer of its token server {server} holds no token")))?;
        if grant.token.expose().len() > LONGEST_HEADER {
            let most = "which no server takes in a header";
            let problem = format!(
                "its token server {server} sends a token of more than {LONGEST_HEADER} bytes, {most}"
            );
            return Err(refuse(problem));
        }
        Ok(grant)
    }

    fn refuse(&self, problem: String, class: Class) -> RegistryError {
        refusal(self.wire, self.login, problem, class)
    }
}

fn refusal(wire: &Wire, login: &Login, problem: String, class: Class) -> RegistryError {
    RegistryError::Token { host: wire.own.authority(), presented: login.presented(), problem, class }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let before = |seconds| Timestamp::from(SystemTime::now() - Duration::from_secs(seconds)).to_string();
        let (minute_ago, hour_ago) = (before(60), before(3600));
        let ahead = Timestamp::from(SystemTime::now() + Duration::from_secs(3600)).to_string();
        let rows = [
            (r#"{"token":"t"}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":300}"#.to_owned(), 290),
            (r#"{"token":"t","expires_in":"300"}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":-1,"issued_at":7}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":1e300}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":99999999}"#.to_owned(), 3590),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{ahead}"}}"#), 290),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{minute_ago}"}}"#), 230),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{hour_ago}"}}"#), 290),
            (r#"{"token":"t","expires_in":300,"issued_at":"yesterday"}"#.to_owned(), 290),
        ];
        for (body, seconds) in rows {
            let grant = read(body.as_bytes()).unwrap().unwrap();
            // The test itself takes some time.
            assert!((seconds - 9..=seconds).contains(&grant.life.as_secs()), "{body}: {:?}", grant.life);
        }
    }
}
