//! The registry client: every routed pull is resolved by it, and `explain --live` asks through it too.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;

use super::answer::{self, Found};
use super::asked::Asked;
use super::endpoint::{Attempt, Endpoint};
use super::error::{Refusal, RegistryError, TlsProblem};
use super::exchange::Answer;
use super::judge;
use super::login::Login;
use super::material::{Material, Materials};
use super::patience::Patience;
use super::place::Place;
use super::pool::Pool;
use super::proxy::Proxies;
use super::secrets::Secrets;
use super::session::Session;
use super::tokens::{Identity, Tokens};
use super::url::Url;
use super::wire::{Doing, Wire};

/// One client for the whole daemon: connections, tokens and TLS settings are pooled in it. A clone shares
/// them. It is used from within a tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Clone, Debug)]
struct Shared {
    proxies: Arc<RwLock<Proxies>>,
    limits: Limits,
    pool: Arc<Pool>,
    tokens: Arc<Tokens>,
    materials: Arc<Materials>,
    asked: Asked,
    /// As which registry its requests are counted; none: as that of each question.
    counts_as: Option<&'static str>,
}

/// The attempts to ask one question.
struct Trip<'t> {
    client: &'t Shared,
    question: Resolve<'t>,
    secrets: Arc<Secrets>,
    doing: Arc<Doing>,
    material: Material,
    connect_limit: Duration,
    /// Host and API root, with a slash at the end.
    root: String,
    /// The path that is asked for, below the root.
    path: String,
    attempts: VecDeque<Attempt>,
    failed: Vec<RegistryError>,
}

/// The bounds of one client.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a connection may take to come about, TLS included, where the endpoint says nothing.
    pub connect: Duration,
}

/// One question for one registry.
#[derive(Clone, Copy, Debug)]
pub struct Resolve<'a> {
    /// How the registry is reached.
    pub endpoint: &'a Endpoint,
    /// The path of the repository at that registry, without its host.
    pub repository: &'a str,
    /// A tag or a digest.
    pub reference: &'a str,
    /// The tag to ask for where the reference is a digest that the registry does not find: a cache may fetch an
    /// image only by its tag.
    pub warm: Option<&'a str>,
    /// The registry that the name is really of, sent in the query `ns`; see [`Endpoint::ns`].
    pub ns: Option<&'a str>,
    /// As whom the registry is asked.
    pub login: &'a Login,
    /// When the answer has to be there.
    pub end: Instant,
}

/// A manifest that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes, where the registry says it.
    pub size: Option<u64>,
    /// How long the registry wants to be left alone from now on, as this was the last answer for a while.
    pub rest: Option<Duration>,
    /// The endpoint with the one scheme that has led to this answer.
    pub endpoint: Endpoint,
}

/// The bytes of a manifest, which have the digest that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// How long the registry wants to be left alone from now on, as this was the last answer for a while.
    pub rest: Option<Duration>,
    /// The manifest itself.
    pub bytes: Bytes,
}

impl Manifest {
    /// Reads the answer to GET.
    pub(super) fn read(answer: &Answer, asked: Option<&str>) -> Result<Self, RegistryError> {
        let Found { digest, media_type, rest, .. } = answer::of_get(answer, asked)?;
        Ok(Manifest { digest, media_type, rest, bytes: answer.body.clone() })
    }
}

impl Default for Limits {
    /// 5 s for a connection.
    fn default() -> Self {
        Limits { connect: Duration::from_secs(5) }
    }
}

// === impl Client ===

impl Client {
    /// A client without any connection.
    #[must_use]
    pub fn new(proxies: Proxies, limits: Limits) -> Self {
        Client::counting(proxies, limits, Asked::default())
    }

    /// The same, which counts its requests there.
    #[must_use]
    pub fn counting(proxies: Proxies, limits: Limits, asked: Asked) -> Self {
        let (pool, tokens, materials) = Default::default();
        let proxies = Arc::new(RwLock::new(proxies));
        Client {
            shared: Arc::new(Shared { proxies, limits, pool, tokens, materials, asked, counts_as: None }),
        }
    }

    /// The same, whose requests are counted as of this registry: for those whose hosts clients choose.
    #[must_use]
    pub fn counting_as(&self, registry: &'static str) -> Self {
        Client { shared: Arc::new(Shared { counts_as: Some(registry), ..(*self.shared).clone() }) }
    }

    /// Takes other proxies for all further requests: containerd may have another environment after a restart.
    pub fn set_proxies(&self, proxies: Proxies) {
        *self.shared.proxies.write().unwrap_or_else(PoisonError::into_inner) = proxies;
    }

    /// Asks for the reference of the question alone: HEAD, then GET where HEAD cannot tell. With several schemes the next
    /// is tried where one leads to no answer at all.
    pub(super) async fn ask(&self, question: &Resolve<'_>) -> Result<Resolved, Refusal> {
        let asked = Some(question.reference).filter(|reference| answer::is_digest(reference));
        let patience = Patience::new(question.login, &question.endpoint.host, question.end);
        let found = patience.hold(async {
            let path = Place::manifest(question.reference).path(question.repository)?;
            let mut trip = Trip::start(&self.shared, question, &patience, path).await?;
            loop {
                let (session, url) = trip.next()?;
                if let Some(found) = trip.noted(judge::resolve(&session, &url, asked).await) {
                    return Ok((found, url.https));
                }
            }
        });
        let (Found { digest, media_type, size, rest }, https) = found.await?;
        Ok(Resolved { digest, media_type, size, rest, endpoint: question.endpoint.settled(https) })
    }

    /// The bytes of the manifest with this digest. They are hashed, and no longer than containerd takes.
    /// `question.reference` is not looked at.
    ///
    /// # Errors
    /// Why the registry does not give them.
    pub async fn manifest(&self, question: &Resolve<'_>, digest: &str) -> Result<Manifest, Refusal> {
        self.manifest_of(&Resolve { reference: digest, ..*question }, digest).await
    }

    /// The bytes of the manifest that the question's reference leads to, which must have this digest.
    pub(super) async fn manifest_of(
        &self,
        question: &Resolve<'_>,
        digest: &str,
    ) -> Result<Manifest, Refusal> {
        if !answer::is_digest(digest) {
            let error = RegistryError::Config(format!("\"{digest}\" is not a digest"));
            return Err(error.told(&Secrets::default()));
        }
        let place = Place::manifest(question.reference);
        self.get(question, &place, |answer| Manifest::read(answer, Some(digest))).await
    }

    /// Reads what is at this place of the repository. `question.reference` is not looked at.
    pub(super) async fn get<T>(
        &self,
        question: &Resolve<'_>,
        place: &Place<'_>,
        read: impl Fn(&Answer) -> Result<T, RegistryError>,
    ) -> Result<T, Refusal> {
        let patience = Patience::new(question.login, &question.endpoint.host, question.end);
        let fetched = patience.hold(async {
            let path = place.path(question.repository)?;
            let mut trip = Trip::start(&self.shared, question, &patience, path).await?;
            loop {
                let (session, url) = trip.next()?;
                let answer = session.ask(Method::GET, &url, place.limit).await;
                if let Some(fetched) = trip.noted(answer.and_then(|answer| read(&answer))) {
                    return Ok(fetched);
                }
            }
        });
        fetched.await
    }
}

// === impl Trip ===

impl<'t> Trip<'t> {
    async fn start(
        client: &'t Shared,
        question: &Resolve<'t>,
        patience: &Patience,
        path: String,
    ) -> Result<Self, RegistryError> {
        let (endpoint, secrets) = (question.endpoint, Arc::clone(&patience.secrets));
        let connect_limit = endpoint.connect_limit()?.unwrap_or(client.limits.connect);
        let material = client.materials.of(endpoint).await?;
        for value in material.headers.values() {
            secrets.add_header(&String::from_utf8_lossy(value.as_bytes()));
        }
        let root = endpoint.api_root.as_deref().unwrap_or("/v2").trim_matches('/');
        let slash = if root.is_empty() { "" } else { "/" };
        Ok(Trip {
            client,
            question: *question,
            secrets,
            doing: Arc::clone(&patience.doing),
            material,
            connect_limit,
            root: format!("{}{slash}{root}/", endpoint.host),
            path,
            attempts: endpoint.attempts().into(),
            failed: Vec::new(),
        })
    }

    /// What to ask next, or why nothing is left to ask.
    fn next(&mut self) -> Result<(Session<'t>, Url), RegistryError> {
        while let Some(Attempt { https, after_plain }) = self.attempts.pop_front() {
            match self.failed.last() {
                Some(error) if !error.is_without_answer() || Instant::now() >= self.question.end => break,
                // The host speaks plain http, and is not blamed for it.
                Some(RegistryError::Tls { problem: TlsProblem::NotSpoken, .. }) if after_plain => {
                    self.failed.pop();
                }
                Some(_) if after_plain => continue,
                _ => {}
            }
            let url = self.url(https)?;
            return Ok((self.session(&url), url));
        }
        let nothing = || RegistryError::Config(format!("{} has no scheme", self.question.endpoint.host));
        let mut failed = std::mem::take(&mut self.failed);
        Err(match failed.len() {
            0 | 1 => failed.pop().unwrap_or_else(nothing),
            _ => RegistryError::Several(failed),
        })
    }

    /// What an attempt has brought; its error is kept for [`Trip::next`].
    fn noted<T>(&mut self, result: Result<T, RegistryError>) -> Option<T> {
        result.map_err(|error| self.failed.push(error)).ok()
    }

    fn url(&self, https: bool) -> Result<Url, RegistryError> {
        let scheme = if https { "https" } else { "http" };
        let text = format!("{scheme}://{}{}", self.root, self.path);
        let url = Url::parse(&text)
            .ok_or_else(|| RegistryError::Config(format!("{text} is not a URL that can be asked")))?;
        Ok(match self.question.ns {
            Some(ns) => url.with_query(&[("ns", ns)]),
            None => url,
        })
    }

    fn session(&self, url: &Url) -> Session<'t> {
        let Resolve { login, repository, ns, .. } = self.question;
        let proxies = self.client.proxies.read().unwrap_or_else(PoisonError::into_inner).clone();
        let wire = Wire {
            own: url.clone(),
            registry: self.client.counts_as.unwrap_or(&self.question.endpoint.host).to_owned(),
            proxies,
            connect_limit: self.connect_limit,
            tls: Arc::clone(&self.material.tls),
            secrets: Arc::clone(&self.secrets),
            pool: Arc::clone(&self.client.pool),
            doing: Arc::clone(&self.doing),
            asked: self.client.asked.clone(),
        };
        Session {
            wire,
            login,
            repository,
            configured: self.material.headers.clone(),
            slot: self.client.tokens.slot(self.identity(url, repository, ns, login)),
        }
    }

    /// Whom a token is for, and who may use it.
    fn identity(&self, url: &Url, repository: &str, ns: Option<&str>, login: &Login) -> Identity {
        let (scheme, number) = ([u8::from(url.https)], self.material.tls.number.to_le_bytes());
        let (user, secret) = login.parts().map_or(("", ""), |(user, secret)| (user, secret.expose()));
        let kind: &[u8] = match login {
            Login::Anonymous => b"anonymous",
            Login::Password { .. } => b"password",
            Login::IdentityToken(_) => b"identity token",
        };
        let mut parts: Vec<&[u8]> = vec![&scheme, self.root.as_bytes(), &number, repository.as_bytes()];
        parts.extend([ns.unwrap_or_default().as_bytes(), kind, user.as_bytes(), secret.as_bytes()]);
        for (name, value) in &self.material.headers {
            parts.extend([name.as_str().as_bytes(), value.as_bytes()]);
        }
        Identity::of(parts)
    }
}

/// The time of a registry, for who finds out whether this machine's clock is right.
impl Client {
    /// What the registry's `Date` is, whatever it answers else; none if it sends none. It gets no login.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn date(&self, question: &Resolve<'_>) -> Result<Option<SystemTime>, Refusal> {
        let patience = Patience::new(question.login, &question.endpoint.host, question.end);
        let date = patience.hold(async {
            let path = Place::manifest(question.reference).path(question.repository)?;
            let mut trip = Trip::start(&self.shared, question, &patience, path).await?;
            loop {
                let (session, url) = trip.next()?;
                if let Some(date) = trip.noted(session.date(&url).await) {
                    return Ok(date);
                }
            }
        });
        date.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pulls run on whatever thread is free.
    #[test]
    fn questions_can_be_sent_between_threads() {
        fn sent<T: Send>(_: &T) {}
        let client = Client::new(Proxies::default(), Limits::default());
        let endpoint = Endpoint::of("r.example");
        let (login, end) = (Login::Anonymous, Instant::now());
        let question = Resolve {
            endpoint: &endpoint,
            repository: "a",
            reference: "1",
            warm: None,
            ns: None,
            login: &login,
            end,
        };
        sent(&client.resolve(&question));
        sent(&client.manifest(&question, "sha256:0"));
    }
}
