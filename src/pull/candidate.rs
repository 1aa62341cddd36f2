//! One candidate of a pull: asked for the digest, verified, looked at, fetched by containerd.
//!
//! Holds: nothing is asked of containerd before the candidate has said that it has the image; containerd is asked for
//! exactly the digest that was found, at the candidate that has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::auth::{Auth, AuthError};
use super::failure;
use super::fetch::Unfetched;
use super::fetched::{Fetched, Gone};
use super::record::{Attempt, Class, End, Failure, Presented, Record, Served};
use super::under_way::{Pull, Trial};
use crate::containerd::unary::malformed;
use crate::containerd::{Answer, Facts};
use crate::policy::{Candidate, Role};
use crate::registry::{Endpoint, Login, Refusal, Resolve, Resolved};
use crate::state::{Rest, Trouble};

/// How long a registry may take to say whether it has an image, and as long again for its manifests, where no other
/// candidate is left.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long a pull waits for a containerd that has just been started.
const FACTS_WITHIN: Duration = Duration::from_secs(15);

/// What the registry that the name itself asks for is asked with.
pub(super) fn client_login() -> Presented {
    Presented { words: "the client's login".to_owned(), source: "client".to_owned() }
}

/// What a fetch that did not succeed means for the candidate.
pub(super) fn ended(unfetched: Unfetched) -> Result<Tried, Failure> {
    match unfetched {
        Unfetched::Failed(failure) => Err(failure),
        Unfetched::Ended(end) => Ok(Tried::Ended(end)),
        Unfetched::Gone => Ok(Tried::Gone),
    }
}

/// How a candidate ended.
pub(super) enum Tried {
    /// containerd has the image.
    Served(Box<Fetched>),
    /// The origin's answer, which goes on as it came.
    Answered(Box<Answer>),
    /// It failed, which the record says; the next one is tried.
    Failed,
    /// It ends the pull.
    Ended(End),
    /// What was fetched was removed meanwhile.
    Gone,
}

impl Pull<'_> {
    /// Tries one candidate, and notes in the record how that went.
    pub(super) async fn try_candidate(
        &self,
        record: &mut Record,
        candidate: &Candidate,
        has_successor: bool,
    ) -> Tried {
        let begin = Instant::now();
        let mut login = None;
        // It may have failed before the pull began again. Each candidate is told once.
        record.attempts.retain(|before| before.candidate != *candidate);
        self.shown.tries(&candidate.name);
        let tried = match candidate.role {
            Role::Origin if self.must.is_empty() => self.origin(record, candidate, &mut login).await,
            Role::Origin | Role::Mirror => self.mirror(record, candidate, has_successor, &mut login).await,
        };
        if tried.is_err() {
            // What it has was not served.
            record.verified.clear();
        }
        let (tried, failure) = match tried {
            Ok(tried) => (tried, None),
            Err(failure) if failure.class.leads_on() => (Tried::Failed, Some(failure)),
            Err(failure) => (Tried::Ended(End::NoneServed), Some(failure)),
        };
        let took = begin.elapsed();
        let attempt = Attempt { candidate: candidate.clone(), login, failure, took };
        attempt.log();
        record.attempts.push(attempt);
        self.shown.failed(record.failed());
        tried
    }

    /// The registry that the name itself asks for: the request goes on as it came, unless the registry is left alone.
    async fn origin(
        &self,
        record: &mut Record,
        candidate: &Candidate,
        login: &mut Option<Presented>,
    ) -> Result<Tried, Failure> {
        if let Some(rest) = self.rest(candidate).await {
            return Err(failure::of_rest(rest));
        }
        if self.pin.is_some() {
            return self.locked_origin(record, candidate, login).await;
        }
        *login = Some(client_login());
        let answer = match self.fetch_as_asked(record).await {
            Ok(Ok(answer)) if answer.is_ok() => return Ok(Tried::Answered(Box::new(answer))),
            Ok(Ok(answer)) => answer,
            Ok(Err(end)) => return Ok(Tried::Ended(end)),
            Err(Gone) => return Ok(Tried::Gone),
        };
        let failure = failure::of_containerd(&answer.status(), &candidate.name);
        if failure.class == Class::RateLimited
            && let Some(login) = self.login_at(candidate).await
        {
            return Err(self.limited(candidate, &login, failure));
        }
        match record.attempts.is_empty() {
            // Nothing of the rule was tried before it, so containerd's own error says all.
            true => Ok(Tried::Answered(Box::new(answer))),
            false => Err(failure),
        }
    }

    /// A mirror, or the registry of the name itself where signatures are demanded: it is asked for the digest here.
    async fn mirror(
        &self,
        record: &mut Record,
        candidate: &Candidate,
        has_successor: bool,
        login: &mut Option<Presented>,
    ) -> Result<Tried, Failure> {
        // A pull may come before anything was learned of containerd.
        let known = tokio::time::timeout(FACTS_WITHIN, self.state.containerd.known_facts());
        let Ok(facts) = known.await else {
            let reason =
                format!("containerd does not answer on {}", self.state.containerd.link.socket().display());
            return Ok(Tried::Ended(End::Failed(tonic::Code::Unavailable, reason)));
        };
        self.state.registry.set_proxies(facts.proxies.clone());
        let mirror = self.trial(candidate, facts, has_successor);
        let auth = match self.auth(&mirror).await {
            Ok(auth) => auth,
            Err(AuthError::Wire(error)) => return Ok(Tried::Answered(Box::new(malformed(&error)))),
            Err(AuthError::Login(reason)) => return Err(Failure::new(Class::Login, reason)),
        };
        let presented = self.login(&auth, &mirror.endpoint)?;
        if let Some(rest) = self.state.health.rest(&candidate.name, &presented) {
            return Err(failure::of_rest(rest));
        }
        *login = Some(Presented { words: auth.to_string(), source: auth.source().to_owned() });
        let resolved = self.resolve(&mirror, &auth, &presented).await?;
        self.verify(record, &mirror, &presented, &resolved).await?;
        self.admit(&mirror, &auth, &presented, &resolved).await?;
        self.shown.found(&resolved.digest);
        let fetched = match self.fetch(record, &mirror, &auth, &presented, &resolved).await {
            Ok(fetched) => fetched,
            Err(Unfetched::Failed(failure)) => {
                return Err(self.not_given(candidate, &presented, failure));
            }
            Err(unfetched) => return ended(unfetched),
        };
        self.state.health.note_served(&candidate.name);
        record.served = Some(Served {
            reference: candidate.name.clone(),
            registry: resolved.endpoint.host,
            digest: Some(resolved.digest),
            size: resolved.size,
        });
        Ok(Tried::Served(Box::new(fetched)))
    }

    pub(super) fn trial<'a>(
        &self,
        candidate: &'a Candidate,
        facts: Arc<Facts>,
        has_successor: bool,
    ) -> Trial<'a> {
        let endpoint = self.generation.reach().of(candidate.name.host(), candidate.endpoint);
        Trial { candidate, endpoint, facts, has_successor }
    }

    /// Until when the candidate's registry is left alone, if it is. As whom it would be asked is found out only where some
    /// login rests there: a program may have to be run for that.
    pub(super) async fn rest(&self, candidate: &Candidate) -> Option<Rest> {
        if !self.state.health.has_rests(&candidate.name) {
            return None;
        }
        self.state.health.rest(&candidate.name, &self.login_at(candidate).await?)
    }

    /// As whom the candidate's registry is asked, as far as that is known now.
    pub(super) async fn login_at(&self, candidate: &Candidate) -> Option<Login> {
        let registry = self.trial(candidate, self.state.containerd.facts(), true);
        let auth = self.auth(&registry).await.ok()?;
        self.login(&auth, &registry.endpoint).ok()
    }

    /// The mirror has said that it has the image, and containerd has met this failure there.
    fn not_given(&self, candidate: &Candidate, login: &Login, failure: Failure) -> Failure {
        match failure.class {
            Class::RateLimited => return self.limited(candidate, login, failure),
            Class::Protocol | Class::Containerd | Class::Unreachable | Class::ServerError => {
                self.note_down(candidate, Trouble::NotGiven);
            }
            _ => {}
        }
        failure
    }

    /// The registry has answered containerd with 429. For how long it wants to be left alone, containerd does not tell.
    pub(super) fn limited(&self, candidate: &Candidate, login: &Login, failure: Failure) -> Failure {
        failure.with_rest(self.state.health.note_rest(&candidate.name, login, None))
    }

    /// Asks the candidate whether it has the image, and for its digest.
    async fn resolve(&self, mirror: &Trial<'_>, auth: &Auth, login: &Login) -> Result<Resolved, Failure> {
        let Trial { candidate, endpoint, has_successor, .. } = mirror;
        let name = &candidate.name;
        let question = Resolve {
            endpoint,
            repository: name.path(),
            reference: name.digest().or(name.tag()).unwrap_or("latest"),
            warm: self.tag.filter(|_| candidate.warm_by_tag),
            ns: self.ns(mirror),
            login,
            end: self.answer_by(*has_successor),
        };
        let begin = Instant::now();
        let resolved = self.client(candidate).resolve(&question).await;
        let resolved = resolved.map_err(|refusal| self.refused(mirror, auth, login, &refusal))?;
        if candidate.role == Role::Mirror {
            self.state.health.note_speed(candidate, begin.elapsed());
        }
        self.note_last(mirror, login, resolved.rest);
        Ok(resolved)
    }

    /// As whom the candidate's registry is asked.
    pub(super) fn login(&self, auth: &Auth, endpoint: &Endpoint) -> Result<Login, Failure> {
        let login = auth.login(self.message, &endpoint.host);
        login.map_err(|error| Failure::new(Class::Login, error.to_string()))
    }

    /// When a registry has to have answered that is asked now: sooner where another candidate is left, and never later
    /// than the client waits.
    pub(super) fn answer_by(&self, has_successor: bool) -> Instant {
        let within = self.generation.pull.stall_after.filter(|_| has_successor).unwrap_or(ANSWER_WITHIN);
        let end = Instant::now() + within;
        self.request.deadline.map_or(end, |deadline| deadline.min(end))
    }

    /// The registry has answered, and may want to be left alone from now on.
    pub(super) fn note_last(&self, mirror: &Trial<'_>, login: &Login, rest: Option<Duration>) {
        if let Some(rest) = rest {
            self.state.health.note_rest(&mirror.candidate.name, login, Some(rest));
        }
    }

    /// What a candidate's refusal says of its registry and of the login, and what it means for the pull.
    pub(super) fn refused(
        &self,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        refusal: &Refusal,
    ) -> Failure {
        let (candidate, class) = (mirror.candidate, failure::class(refusal));
        match failure::trouble(refusal) {
            // The client's time was up, which says nothing of the registry.
            Some(Trouble::Mute) if self.call.expired() => {}
            Some(trouble) => self.note_down(candidate, trouble),
            // It has not been asked.
            None if matches!(class, Class::Config | Class::Login) => {}
            None => self.state.health.note_answer(&candidate.name),
        }
        if let (Class::Unauthorized, Auth::Node { credential, .. }) = (class, auth) {
            self.generation.credentials.refused(&candidate.name, credential);
        }
        let rest = failure::wants_rest(refusal)
            .then(|| self.state.health.note_rest(&candidate.name, login, refusal.retry_after()));
        failure::of_registry(refusal, auth, rest)
    }

    /// Only mirrors are put behind others, and told of: which registries clients ask for, they decide.
    fn note_down(&self, candidate: &Candidate, trouble: Trouble) {
        if candidate.role == Role::Origin {
            return;
        }
        self.state.health.note_down(&candidate.name, trouble, self.generation.pull.retry_down_after);
    }
}
