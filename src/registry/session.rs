//! The requests to one registry, logged in as far as it asks for that.
//!
//! Nothing of a login is sent before the registry has asked for it; what it has granted is sent at once the next
//! time, until shortly before it expires. Of several challenges, Bearer is answered before Basic.
//!
//! Facts: containerd `core/remotes/docker/authorizer.go`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use super::answer::{self, ACCEPTED};
use super::challenge::{self, Challenge};
use super::error::RegistryError;
use super::exchange::{Answer, Question};
use super::guard::Reach;
use super::login::Login;
use super::redirect::{self, Followed};
use super::secrets::sensitive;
use super::token::{Request, Wish};
use super::tokens::{Kept, Slot};
use super::url::Url;
use super::wire::Wire;

/// How long Basic is sent without being asked for.
const BASIC_LIFE: Duration = Duration::from_secs(3600);

/// The most challenges that are looked at.
const MAX_CHALLENGES: usize = 16;

/// The requests to one registry.
pub(super) struct Session<'s> {
    pub(super) wire: Wire,
    pub(super) login: &'s Login,
    pub(super) repository: &'s str,
    /// The headers of the configuration.
    pub(super) configured: HeaderMap,
    /// What this registry has granted.
    pub(super) slot: Arc<Slot>,
}

impl Session<'_> {
    /// Asks, and answers a challenge once. Up to `limit` bytes of the answer are read. It is the registry's, never a 401.
    pub(super) async fn ask(&self, method: Method, url: &Url, limit: usize) -> Result<Answer, RegistryError> {
        let headers = answer::common_headers(ACCEPTED);
        let question = Question { method, url: url.clone(), headers, body: Bytes::new(), limit };
        let sent = self.granted().await;
        let Followed { answer, reach } = self.asked(&question, sent.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        if !answer.url.same_origin(url) {
            return Err(self.unauthorized(&answer, url));
        }
        let Some(new) = self.authorized(&answer, reach, sent.as_ref()).await? else {
            return Err(self.not_accepted(&answer, url, sent.as_ref()));
        };
        let Followed { answer, .. } = self.asked(&question, Some(&new)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.forget(&new).await;
            return Err(self.not_accepted(&answer, url, Some(&new)));
        }
        Ok(answer)
    }

    /// The time of the registry, by its first answer.
    pub(super) async fn date(&self, url: &Url) -> Result<Option<SystemTime>, RegistryError> {
        let headers = answer::common_headers(ACCEPTED);
        let question =
            Question { method: Method::HEAD, url: url.clone(), headers, body: Bytes::new(), limit: 0 };
        let Followed { answer, .. } = self.asked(&question, None).await?;
        Ok(answer.header("date").and_then(|text| httpdate::parse_http_date(text).ok()))
    }

    async fn asked(
        &self,
        question: &Question,
        granted: Option<&HeaderValue>,
    ) -> Result<Followed, RegistryError> {
        let mut private = self.configured.clone();
        if let Some(authorization) = granted {
            // In the place of one that is configured, as in containerd.
            private.insert(AUTHORIZATION, authorization.clone());
        }
        redirect::follow(&self.wire, question.clone(), &private, Reach::Anywhere).await
    }

    /// What the registry takes, where that is known. A token that is about to expire is replaced first.
    async fn granted(&self) -> Option<HeaderValue> {
        self.wire.doing.now(format!("waiting for a token for {}", self.wire.own.authority()));
        let mut slot = self.slot.0.lock().await;
        let kept = slot.as_ref()?;
        if !kept.holds() {
            let wish = kept.wish.clone();
            // Whatever is wrong with it, the registry's next challenge will tell.
            *slot = match wish {
                Some(wish) => self.token(wish).await.ok(),
                None => None,
            };
        }
        let authorization = slot.as_ref()?.authorization.clone();
        drop(slot);
        self.hide(&authorization);
        Some(authorization)
    }

    /// The answer to the challenges of a 401; `None` where it is what was sent already.
    async fn authorized(
        &self,
        answer: &Answer,
        reach: Reach,
        sent: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let challenges = challenges(answer);
        let find = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let Some(challenge) = find("bearer") else {
            let basic = self.basic(&challenges, answer)?;
            let is_new = Some(&basic) != sent;
            let until = Instant::now() + BASIC_LIFE;
            let kept = Kept { wish: None, authorization: basic.clone(), until };
            *self.slot.0.lock().await = is_new.then_some(kept);
            return Ok(is_new.then_some(basic));
        };
        let wish = Wish::of(challenge, &self.wire, self.login, self.repository, reach)?;
        self.wire.doing.now(format!("waiting for a token for {}", self.wire.own.authority()));
        let mut slot = self.slot.0.lock().await;
        // Another question may have got one meanwhile.
        if let Some(kept) = slot.as_ref()
            && kept.wish.as_ref() == Some(&wish)
            && kept.holds()
            && Some(&kept.authorization) != sent
        {
            let authorization = kept.authorization.clone();
            self.hide(&authorization);
            return Ok(Some(authorization));
        }
        *slot = None;
        let kept = self.token(wish).await?;
        let authorization = kept.authorization.clone();
        *slot = Some(kept);
        Ok(Some(authorization))
    }

    async fn token(&self, wish: Wish) -> Result<Kept, RegistryError> {
        let grant = Request { wire: &self.wire, login: self.login, wish: &wish }.fetch().await?;
        self.wire.secrets.add(grant.token.expose());
        let authorization = sensitive(&format!("Bearer {}", grant.token.expose())).ok_or_else(|| {
            self.refused(
                "; what its token server sent as a token has bytes that no header may have".to_owned(),
                "",
            )
        })?;
        Ok(Kept { wish: Some(wish), authorization, until: Instant::now() + grant.life })
    }

    fn basic(&self, challenges: &[Challenge], answer: &Answer) -> Result<HeaderValue, RegistryError> {
        if !challenges.iter().any(|challenge| challenge.scheme == "basic") {
            let schemes: Vec<&str> = challenges.iter().map(|challenge| challenge.scheme.as_str()).collect();
            let schemes = answer.quote(&schemes.join(", ")).unwrap_or_default();
            let detail = match schemes.as_str() {
                "" => "; it names no way to log in".to_owned(),
                schemes => format!("; it wants {schemes}, which containerd does not speak"),
            };
            return Err(self.refused(detail, ""));
        }
        let has_user = self.login.parts().is_some_and(|(username, _)| !username.is_empty());
        let basic = self.login.basic().filter(|_| has_user);
        let basic = basic.ok_or_else(|| self.refused(String::new(), "; it wants a user and a password"))?;
        sensitive(&basic).ok_or_else(|| self.refused("; this login can be in no header".to_owned(), ""))
    }

    async fn forget(&self, refused: &HeaderValue) {
        let mut slot = self.slot.0.lock().await;
        if slot.as_ref().is_some_and(|kept| kept.authorization == *refused) {
            *slot = None;
        }
    }

    fn hide(&self, authorization: &HeaderValue) {
        if let Ok(text) = authorization.to_str() {
            self.wire.secrets.add(text.split_once(' ').map_or(text, |(_, secret)| secret));
        }
    }

    fn refused(&self, detail: String, hint: &'static str) -> RegistryError {
        let (host, presented) = (self.wire.own.authority(), self.login.presented());
        RegistryError::Unauthorized { host, presented, detail, hint }
    }

    /// A 401 to what the login was worth. Of a password that was sent as such there is nothing else to say.
    fn not_accepted(&self, answer: &Answer, url: &Url, sent: Option<&HeaderValue>) -> RegistryError {
        let is_password = sent.is_some_and(|sent| sent.as_bytes().starts_with(b"Basic "));
        match (self.unauthorized(answer, url), self.login) {
            (RegistryError::Unauthorized { host, detail, .. }, Login::Password { username, .. })
                if is_password && answer.url.same_origin(url) =>
            {
                RegistryError::Password { host, username: username.clone(), detail }
            }
            (error, _) => error,
        }
    }

    fn unauthorized(&self, answer: &Answer, url: &Url) -> RegistryError {
        let detail = match answer.url.same_origin(url) {
            false => format!("; {} had redirected there, where no credentials go", url.authority()),
            true => {
                let challenges = challenges(answer);
                let error = challenges.iter().find_map(|challenge| challenge.parameter("error"));
                error
                    .and_then(|error| answer.quote(error))
                    .map_or(String::new(), |error| format!(": {error}"))
            }
        };
        // Registries also answer 401 for an image that they do not have, so as not to tell.
        let hint = "; there is no such repository, or these credentials may not read it";
        let presented = self.login.presented();
        RegistryError::Unauthorized { host: answer.url.authority(), presented, detail, hint }
    }
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    headers.flat_map(|value| challenge::parse(value.as_bytes())).take(MAX_CHALLENGES).collect()
}
