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
use serde_json::{Map, Value};

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

/// Why the answer of a token server is of no use. The texts say nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not even an object.
    #[error("something that is not a JSON object with a token")]
    NotAnObject,
    /// containerd reads nothing of an answer in which one field has a wrong type.
    #[error("with a `{0}` that is not {1}, so containerd does not read the answer")]
    Field(&'static str, &'static str),
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
            let is_cut = matches!(realm, "http" | "https");
            let quotes = if is_cut { " (its address has to be in quotes)" } else { "" };
            let realm = wire.secrets.quote(realm);
            let problem = format!("it names {realm} as its token server, which is not a URL{quotes}");
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

/// The token in a token server's answer to GET, where it holds one.
///
/// # Errors
/// It is not a JSON object of that form.
pub fn read(body: &[u8]) -> Result<Option<Grant>, Unreadable> {
    read_as(body, &["access_token", "token"])
}

/// The same for the answer to a form (`OAuthTokenResponse` of containerd): it has one name for the token.
pub fn read_of_form(body: &[u8]) -> Result<Option<Grant>, Unreadable> {
    read_as(body, &["access_token"])
}

/// Go's types decide: a string for a number is an error there, and so is a text that is not a time.
fn read_as(body: &[u8], names: &[&'static str]) -> Result<Option<Grant>, Unreadable> {
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(|_| Unreadable::NotAnObject)?;
    let field = |name: &'static str| object.get(name).filter(|value| !value.is_null());
    let text = |name: &'static str| match field(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(Unreadable::Field(name, "a text")),
    };
    text("refresh_token")?;
    let tokens: Vec<&str> =
        names.iter().map(|name| text(name)).flat_map(Result::transpose).collect::<Result<_, _>>()?;
    let expires_in = match field("expires_in").map(Value::as_i64) {
        Some(None) => return Err(Unreadable::Field("expires_in", "a whole number")),
        seconds => seconds.flatten(),
    };
    let issued_at = match text("issued_at")?.map(str::parse::<Timestamp>) {
        Some(Err(_)) => return Err(Unreadable::Field("issued_at", "a time")),
        time => time.and_then(Result::ok),
    };
    let token = tokens.into_iter().find(|token| !token.is_empty());
    let life = life(expires_in, issued_at);
    Ok(token.map(|token| Grant { token: Secret::new(token.to_owned()), life }))
}

/// How long a token may be used: until shortly before it expires.
fn life(expires_in: Option<i64>, issued: Option<Timestamp>) -> Duration {
    let seconds = expires_in.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let whole = seconds.map_or(DEFAULT_LIFE, Duration::from_secs);
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
                return self.granted(&answer, read_of_form);
            }
        }
        let answer = self.get().await?;
        self.granted(&answer, read)
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

    fn granted(
        &self,
        answer: &Answer,
        read: fn(&[u8]) -> Result<Option<Grant>, Unreadable>,
    ) -> Result<Grant, RegistryError> {
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
        let found = read(&answer.body)
            .map_err(|error| refuse(format!("its token server {server} answers {error}")))?;
        let grant = found.ok_or_else(|| {
            let holds = matches!(self::read(&answer.body), Ok(Some(_)));
            let only = if holds { " under the name access_token, where containerd looks for it" } else { "" };
            refuse(format!("the answer of its token server {server} holds no token{only}"))
        })?;
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
            (r#"{"token":"t","expires_in":-1,"issued_at":null}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":null}"#.to_owned(), 54),
            (r#"{"token":"t","expires_in":99999999}"#.to_owned(), 3590),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{ahead}"}}"#), 290),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{minute_ago}"}}"#), 230),
            (format!(r#"{{"token":"t","expires_in":300,"issued_at":"{hour_ago}"}}"#), 290),
        ];
        for (body, seconds) in rows {
            let grant = read(body.as_bytes()).unwrap().unwrap();
            // The test itself takes some time.
            assert!((seconds - 9..=seconds).contains(&grant.life.as_secs()), "{body}: {:?}", grant.life);
        }
    }

    #[test]
    fn an_answer_is_read_by_the_types_that_containerd_has() {
        let told =
            |read: fn(&[u8]) -> Result<Option<Grant>, Unreadable>, body: &str| match read(body.as_bytes()) {
                Ok(found) => found.map_or("none".to_owned(), |grant| grant.token.expose().to_owned()),
                Err(error) => error.to_string(),
            };
        let field = |name: &str, kind: &str| {
            format!("with a `{name}` that is not {kind}, so containerd does not read the answer")
        };
        for (body, expected) in [
            (r#"{"token":"t","access_token":"a"}"#, "a".to_owned()),
            (r#"{"token":"t","access_token":""}"#, "t".to_owned()),
            (r#"{"token":"t","expires_in":"300"}"#, field("expires_in", "a whole number")),
            (r#"{"token":"t","expires_in":300.5}"#, field("expires_in", "a whole number")),
            (r#"{"token":"t","expires_in":1e300}"#, field("expires_in", "a whole number")),
            (r#"{"token":"t","issued_at":7}"#, field("issued_at", "a text")),
            (r#"{"token":"t","issued_at":"yesterday"}"#, field("issued_at", "a time")),
            (r#"{"token":7}"#, field("token", "a text")),
            (r#"{"token":"t","refresh_token":[]}"#, field("refresh_token", "a text")),
            ("[]", "something that is not a JSON object with a token".to_owned()),
        ] {
            assert_eq!(told(read, body), expected, "{body}");
        }
        assert_eq!(told(read_of_form, r#"{"token":"t"}"#), "none");
        assert_eq!(told(read_of_form, r#"{"token":7,"access_token":"a"}"#), "a");
    }
}
