//! Has containerd fetch an image: by its digest from a candidate, or as the client asked for it.
//!
//! Holds: a name that exists for the fetching alone is removed again, however the pull ends. The login that goes
//! along is bound to the registry that is really asked.

use std::sync::Arc;

use tokio::sync::OwnedRwLockWriteGuard;
use tonic::{Code, Status};

use super::auth::Auth;
use super::brought::Brought;
use super::credential_scope::LOOK_WITHIN;
use super::failure;
use super::fetched::{Fetched, Gone};
use super::finish;
use super::hosts_files;
use super::leftovers::Temporary;
use super::provenance::Provenance;
use super::record::{Class, End, Failure, Record};
use super::same_login;
use super::under_way::{Pull, Trial};
use crate::containerd::hosts;
use crate::containerd::unary::malformed;
use crate::containerd::{Answer, Facts, StoreError};
use crate::policy::{Action, Candidate, Names, Ns, Origin, Role};
use crate::registry::{Endpoint, Login, Resolved};
use crate::tell::metrics::ORIGIN;
use crate::wire::{self, cri};

/// The longest name that containerd takes for an image (`distribution/reference`: `NameTotalLengthMax`, without
/// the digest), in bytes.
const LONGEST_NAME: usize = 255;

/// How often an image is fetched from one mirror whose downloads turn out to be wrong while other pulls are under way.
const MOST_ATTEMPTS: usize = 4;

/// Why containerd has not fetched what a candidate has.
pub(super) enum Unfetched {
    /// The next candidate may do better.
    Failed(Failure),
    /// That ends the pull.
    Ended(End),
    /// Something removed what was fetched, while it was.
    Gone,
}

impl From<Failure> for Unfetched {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for Unfetched {
    fn from(error: StoreError) -> Self {
        Self::Ended(End::Failed(error.code(), error.to_string()))
    }
}

impl Pull<'_> {
    /// The request as it came. Its login is bound to the registry where containerd would offer it to others too.
    ///
    /// # Errors
    /// [`Gone`], or inside: how the pull ends, as containerd is away or the image is refused.
    pub(super) async fn fetch_as_asked(&self, record: &mut Record) -> Result<Result<Answer, End>, Gone> {
        // containerd asks the registry as this file says. The pull goes on without it, as it came.
        let own = self.name.host();
        if self.state.transport().is_synced(own) {
            let facts = self.state.containerd.facts();
            let _ = tokio::time::timeout(LOOK_WITHIN, self.put_back(own, &facts)).await;
        }
        let message = match self.bound(own, self.message).await {
            Ok(message) => message,
            Err(error) => return Ok(Ok(malformed(&error))),
        };
        // No pull from a mirror is to remove a name that containerd is about to give to this one.
        let gate = self.state.as_asked.of(self.name.repository());
        let _asking = gate.read().await;
        // A name with a digest can be the one that a pull from a mirror uses for a while: it is to stay now.
        let asked_for = match self.name.digest() {
            Some(_) => Some(self.state.temporary_names.enter(self.name.as_str()).await),
            None => None,
        };
        if let Some(in_use) = &asked_for {
            in_use.known().keep();
        }
        match self.forward(record, &message).await {
            Ok(answer) if answer.is_ok() => Ok(finish::passed(self, record, answer).await),
            Ok(answer) if failure::is_overtaken(&answer.status()) => Err(Gone),
            other => Ok(other),
        }
    }

    /// Has containerd pull, and waits for its answer.
    ///
    /// # Errors
    /// containerd is away, which ends the pull.
    pub(super) async fn forward(&self, record: &mut Record, message: &[u8]) -> Result<Answer, End> {
        let _fetching = self.state.fetches.begin();
        let answer = record.waiting(self.call.forward(message)).await;
        answer.map_err(|away| End::Failed(Code::Unavailable, away.to_string()))
    }

    /// What was `resolved` at `candidate`, under a name that is removed afterwards. containerd is told of the scheme
    /// that has led to an answer, and tries no other.
    pub(super) async fn fetch(
        &self,
        record: &mut Record,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        resolved: &Resolved,
    ) -> Result<Fetched, Unfetched> {
        let (candidate, Resolved { endpoint, digest, .. }) = (mirror.candidate, resolved);
        let host = self.fetch_host(mirror, endpoint).await?;
        let name = format!("{}@{digest}", self.fetch_repository(candidate, &host)?);
        let temporary = Temporary::enter(self.state, &name, host.kind == HostKind::Private).await?;
        let message = wire::set(self.message, cri::pull_image_request::IMAGE, name.as_bytes());
        let message = message.and_then(|message| auth.put(&message, &endpoint.host));
        let message =
            message.map_err(|error| Unfetched::Ended(End::Failed(Code::Internal, error.to_string())))?;
        let mut retried: Option<(String, OwnedRwLockWriteGuard<()>)> = None;
        let mut spoilt = None;
        for _ in 0..MOST_ATTEMPTS {
            let fetching = self.state.fetches.begin();
            let answer = tokio::select! {
                answer = record.waiting(self.call.forward(&message)) => answer,
                failure = self.stalled(mirror, auth, login, resolved) => return Err(failure.into()),
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(away) => {
                    return Err(Unfetched::Ended(End::Failed(Code::Unavailable, away.to_string())));
                }
            };
            if answer.is_ok() {
                self.state.unread_hosts.is_read(&host.name);
                if !temporary.leads_to(digest).await? {
                    return Err(wrong_content(&endpoint.host, digest).into());
                }
                return Ok(self.fetched(candidate, digest, temporary, answer, (record, auth)).await);
            }
            let Some(found) = failure::spoilt(&answer.status()) else {
                return Err(self.unfetched(mirror, endpoint, &host, &answer));
            };
            let was_alone = fetching.is_alone();
            drop(fetching);
            // Two pulls that share a blob share its download, and another registry may have spoilt it. So of those that
            // met it one after another tries again, until one fetches alone: then the bytes are its own mirror's.
            let is_retry = retried.as_ref().is_some_and(|(digest, _)| *digest == found.digest);
            if !is_retry {
                // Given back first, so that nobody waits for one who waits.
                drop(retried.take());
                let gate = self.state.spoilt.of(&found.digest);
                retried = Some((found.digest.clone(), gate.write_owned().await));
            }
            self.throw_away(&found.digest).await;
            if is_retry && was_alone && found.is_wrong {
                return Err(wrong_content(&endpoint.host, &found.digest).into());
            }
            spoilt = Some(found);
        }
        let wrong = spoilt.filter(|found| found.is_wrong);
        Err(wrong.map_or(Unfetched::Gone, |found| wrong_content(&endpoint.host, &found.digest).into()))
    }

    /// The repository by whose name containerd is asked for the candidate.
    fn fetch_repository(&self, candidate: &Candidate, host: &FetchHost) -> Result<String, Failure> {
        let path = if host.kind == HostKind::Registry { self.name.path() } else { candidate.name.path() };
        let name = format!("{}/{path}", host.name);
        if name.len() <= LONGEST_NAME {
            return Ok(name);
        }
        let text = format!("its name at containerd, {name}, would be longer than {LONGEST_NAME} bytes");
        Err(Failure::new(Class::Config, text))
    }

    /// containerd keeps a download whose bytes turn out to be wrong, and never gets over it: every later pull of that
    /// digest, from wherever, goes on with those bytes. So it is thrown away.
    async fn throw_away(&self, digest: &str) {
        match self.state.containerd.store.abort_ingests(digest).await {
            Ok(()) => {
                tracing::info!(image = %self.name, digest, "threw away a download that was not what it had to be");
            }
            Err(error) => tracing::warn!(%error, "cannot throw away a download with wrong content"),
        }
    }

    async fn fetched(
        &self,
        candidate: &Candidate,
        digest: &str,
        temporary: Temporary,
        answer: Answer,
        (record, auth): (&Record, &Auth),
    ) -> Fetched {
        let login = same_login::label(self.login_to_note(), self.name, digest).await;
        // What is behind the mirror's own tag, nobody has verified for that name.
        let both = self.generation.policy.settings().names == Names::Both && self.must.is_empty();
        let is_mirror = candidate.role == Role::Mirror;
        let source = if is_mirror { candidate.name.host() } else { ORIGIN };
        Fetched {
            state: Arc::clone(self.state),
            name: self.name.clone(),
            digest: digest.to_owned(),
            temporary,
            provenance: Provenance::now(&candidate.name, candidate.name.host(), &self.rule_text())
                .with_login(login)
                .with_way(record, auth.source()),
            brought: Brought::by(source, self.state, self.request, self.name),
            keep_also: (both && is_mirror && !candidate.needs_private_host).then(|| candidate.name.clone()),
            adopt_timeout: self.generation.pull.adopt_timeout,
            answer,
        }
    }

    fn unfetched(
        &self,
        mirror: &Trial<'_>,
        endpoint: &Endpoint,
        host: &FetchHost,
        answer: &Answer,
    ) -> Unfetched {
        let (candidate, status) = (mirror.candidate, answer.status());
        if answer.is_not_initialized() {
            return Unfetched::Ended(End::Failed(status.code(), status.message().to_owned()));
        }
        if failure::is_overtaken(&status) {
            return Unfetched::Gone;
        }
        if host.kind == HostKind::Private && hosts::is_unread_private_host(status.message()) {
            self.state.unread_hosts.note(&host.name, &endpoint.host, &mirror.facts);
            let text = format!(
                "containerd does not read the file for {}; cri-shunt status says what to change",
                endpoint.host
            );
            return Unfetched::Failed(Failure::new(Class::Config, text));
        }
        // People know the mirror by its own name.
        let text = match host.kind {
            HostKind::Private => status.message().replace(&host.name, &endpoint.host),
            HostKind::Mirror | HostKind::Registry => status.message().to_owned(),
        };
        let failure = failure::of_containerd(&Status::new(status.code(), text), &candidate.name);
        Unfetched::Failed(failure)
    }

    /// The host by whose name containerd is asked for the candidate.
    async fn fetch_host(&self, mirror: &Trial<'_>, endpoint: &Endpoint) -> Result<FetchHost, Failure> {
        let Trial { candidate, facts, .. } = mirror;
        if candidate.ns == Ns::Needed && self.serves_by_ns(mirror, endpoint).await {
            let name = self.name.host().to_owned();
            return Ok(FetchHost { name, kind: HostKind::Registry });
        }
        let own = candidate.name.host();
        // Whether the mirror's own name says all that containerd has to know.
        let is_plain = mirror.endpoint == Endpoint::of(own) && !candidate.needs_private_host;
        let own_name = Ok(FetchHost { name: own.to_owned(), kind: HostKind::Mirror });
        let problem = match self.private_host(facts, endpoint).await {
            Ok(name) => return Ok(FetchHost { name, kind: HostKind::Private }),
            Err(problem) => problem,
        };
        if is_plain || (candidate.endpoint.is_none() && self.has_file(own, facts).await) {
            return own_name;
        }
        let advice = hosts::set_up(facts).unwrap_or_default();
        let text = format!("containerd cannot be told how {own} is reached: {problem}: {advice}");
        Err(Failure::new(Class::Config, text.trim_end_matches(": ").to_owned()))
    }

    /// Whether containerd finds the file that a mirror needs for its own host.
    async fn has_file(&self, host: &str, facts: &Arc<Facts>) -> bool {
        self.state.synced(host).await && self.put_back(host, facts).await
    }

    async fn put_back(&self, host: &str, facts: &Arc<Facts>) -> bool {
        let (state, facts, host) = (self.state.clone(), facts.clone(), host.to_owned());
        let put_back = move || hosts_files::put_back(&state, &facts, &[&host]);
        tokio::task::spawn_blocking(put_back).await.unwrap_or(false)
    }

    /// Whether containerd, asked for the name as the client has it, asks this mirror and tells it of the registry, and
    /// asks nobody whom the rule does not name.
    async fn serves_by_ns(&self, mirror: &Trial<'_>, endpoint: &Endpoint) -> bool {
        let Some(Action::Route(route)) = self.rule.rule().map(|rule| &rule.action) else { return false };
        // Such a mirror has the repository below its path as it is in the name.
        let Some(path) = mirror.candidate.name.path().strip_suffix(self.name.path()) else { return false };
        let root = format!("{}/{path}", endpoint.api_root.as_deref().unwrap_or("/v2"));
        let allowed = route.mirrors.iter().map(|mirror| hosts::fold(mirror.location.host())).collect();
        let (host, registry) = (self.name.host().to_owned(), endpoint.host.clone());
        let origin = route.origin == Origin::Last;
        let (state, facts) = (self.state.clone(), mirror.facts.clone());
        let reads = move || {
            hosts_files::put_back(&state, &facts, &[&host, hosts::DEFAULT]);
            let place = (registry.as_str(), root.trim_end_matches('/'));
            hosts::serves(facts.roots.read(), &host, place, &allowed, origin)
        };
        tokio::task::spawn_blocking(reads).await.unwrap_or(false)
    }

    /// The endpoint's private host; or why it has not got one.
    async fn private_host(&self, facts: &Arc<Facts>, endpoint: &Endpoint) -> Result<String, String> {
        let (state, facts, endpoint) = (self.state.clone(), facts.clone(), endpoint.clone());
        // All of it waits for the disk, and for others that do.
        let ensured = tokio::task::spawn_blocking(move || {
            if let Some(reason) = hosts::no_private_hosts(&facts) {
                return Err(reason);
            }
            state.need_host(state.private_hosts.host(&endpoint));
            state.private_hosts.ensure(&facts.roots, &endpoint).map_err(|error| match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            })
        });
        ensured.await.unwrap_or_else(|error| Err(format!("the file was not written: {error}")))
    }
}

pub(super) fn wrong_content(registry: &str, digest: &str) -> Failure {
    Failure::new(Class::Protocol, format!("what {registry} sent is not {digest}"))
}

struct FetchHost {
    name: String,
    kind: HostKind,
}

/// Whose host it is by which containerd is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HostKind {
    /// The endpoint's private host.
    Private,
    /// The mirror's own.
    Mirror,
    /// The registry's in the name that was asked for: containerd's own file leads to the mirror.
    Registry,
}
