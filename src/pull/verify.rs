//! Holds what a candidate has against the signatures that its rule demands, before containerd is asked for it.
//!
//! Holds: what counts is the digest that containerd is asked for afterwards, and the name that the client has asked for. What
//! cannot be found out counts as not signed. All questions of one pull about signatures have one time together, and nothing
//! else that a pull does is in it. What was found before adds no question, and is forgotten only when all candidates have
//! answered.
//! Not here: where signatures are looked for (`quest`), what one says and whether it counts (`signature`).

mod looked;
mod quest;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tokio::time::{Instant, timeout_at};

pub use self::looked::Lacking;
pub use self::quest::{Asks, Place, Quest, SIGNATURES_WITHIN};
use super::failure;
use super::record::{Class, Failure, Record, Verified};
use super::under_way::{Pull, Trial};
use crate::policy::{Candidate, Name};
use crate::registry::{INDEXES, Login, Refusal, Resolved};
use crate::signature::{Identity, Must, Signed, WhenAway};
use crate::state::{Seal, Sealed, State};

impl Pull<'_> {
    /// Refuses what is not signed as the rule demands.
    pub(super) async fn verify(
        &self,
        record: &mut Record,
        mirror: &Trial<'_>,
        login: &Login,
        resolved: &Resolved,
    ) -> Result<(), Failure> {
        record.verified.clear();
        let begin = Instant::now();
        let end = begin + SIGNATURES_WITHIN.saturating_sub(record.verifying);
        let mut refused = Ok(());
        for must in self.must {
            let verified = match must {
                Must::Refused(reason) => Err(Failure::new(Class::Signature, reason.as_str())),
                Must::Signed(signed) => self.signed(signed, mirror, login, resolved, end).await,
            };
            match verified {
                Ok(verified) => record.verified.push(verified),
                Err(failure) => {
                    refused = Err(failure);
                    break;
                }
            }
        }
        record.verifying += begin.elapsed();
        refused
    }

    async fn signed(
        &self,
        signed: &Signed,
        mirror: &Trial<'_>,
        login: &Login,
        resolved: &Resolved,
        end: Instant,
    ) -> Result<Verified, Failure> {
        let sealed = sealed(signed, self.name, &resolved.digest);
        let verified = |seal, was_known| Verified { signature: signed.by.clone(), seal, was_known };
        let unsigned = |why: String| Failure::new(Class::Signature, why).of_unsigned(sealed.clone());
        let unknown = |why: String| Failure::new(Class::Signature, why);
        let fresh = || self.state.seals.get(&sealed).filter(Seal::is_fresh);
        if let Some(seal) = fresh() {
            return Ok(verified(seal, true));
        }
        // Who comes meanwhile waits for the first one, and has its answer if it would have asked in the same way.
        let gate = self.state.verifying.of(&question(mirror.candidate, signed, &sealed));
        let Ok(mut found) = timeout_at(end, gate.write_owned()).await else {
            return Err(unknown("its signatures were not found out in time".to_owned()));
        };
        if let Some(seal) = fresh() {
            return Ok(verified(seal, true));
        }
        if let Some((_, why)) = found.as_ref().filter(|(asked_as, _)| asked_as == login) {
            return Err(unsigned(why.clone()));
        }
        match self.look_for(signed, mirror, login, resolved, end).await {
            Ok(seal) => {
                self.state.seals.note(sealed, seal.clone());
                self.keep_seals();
                Ok(verified(seal, false))
            }
            Err(Lacking::Unsigned(why)) => {
                *found = Some((login.clone(), why.clone()));
                Err(unsigned(why))
            }
            Err(Lacking::Away(why)) => match self.state.seals.get(&sealed) {
                Some(seal) if holds_when_away(signed, &seal) => {
                    tracing::info!(image = %self.name, why, "what was found signed before counts");
                    Ok(verified(seal, true))
                }
                _ => Err(unknown(why)),
            },
        }
    }

    /// After all candidates have failed: what was found signed before is forgotten if each of them has answered, and none
    /// has it signed any more. One that is away may have the signatures.
    pub(super) fn forget_unsigned(&self, record: &Record) {
        let failures = || record.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        if !failures().all(|why| why.class == Class::NotFound || why.unsigned.is_some()) {
            return;
        }
        let unsigned = failures().filter_map(|why| why.unsigned.as_deref());
        if unsigned.filter(|sealed| self.state.seals.forget(sealed)).count() > 0 {
            self.keep_seals();
        }
    }

    /// Looks for signatures at the candidate, and then where the demand says.
    async fn look_for(
        &self,
        signed: &Signed,
        mirror: &Trial<'_>,
        login: &Login,
        resolved: &Resolved,
        end: Instant,
    ) -> Result<Seal, Lacking> {
        let (candidate, has_successor) = (mirror.candidate, mirror.has_successor);
        let (client, endpoint) = (self.client(candidate), resolved.endpoint.clone());
        let first = Place { client, candidate, endpoint, ns: self.ns(mirror), login: login.clone() };
        let is_index = INDEXES.contains(&resolved.media_type.as_str());
        let (name, digest) = (self.name, resolved.digest.as_str());
        Quest { signed, name, digest, is_index, has_successor, end }.look(self, &first).await
    }

    /// Whether the image with this digest was found signed as it has to be, and that still counts if nobody can be asked.
    pub(super) fn was_signed(&self, digest: &str) -> bool {
        self.must.iter().all(|must| match must {
            Must::Refused(_) => false,
            Must::Signed(signed) => {
                let seal = self.state.seals.get(&sealed(signed, self.name, digest));
                seal.is_some_and(|seal| holds_when_away(signed, &seal))
            }
        })
    }

    fn keep_seals(&self) {
        let state = self.state.clone();
        // The pull does not wait for the disk.
        self.state.tasks.spawn_blocking(move || state.seals.keep());
    }
}

impl Asks for Pull<'_> {
    async fn place<'p>(&'p self, candidate: &'p Candidate) -> Result<Place<'p>, String> {
        let repository = candidate.name.repository();
        let trial = self.trial(candidate, self.state.containerd.facts(), false);
        let login = match self.auth(&trial).await {
            Ok(auth) => self.login(&auth, &trial.endpoint).map_err(|failure| failure.text),
            Err(error) => Err(error.to_string()),
        };
        let login = login.map_err(|error| format!("{repository}, {error}"))?;
        let client = self.client(candidate);
        match self.state.health.rest(&candidate.name, &login) {
            Some(rest) => Err(failure::of_rest(rest).text),
            None => Ok(Place { client, candidate, endpoint: trial.endpoint, ns: None, login }),
        }
    }

    fn answer_by(&self, has_successor: bool) -> Instant {
        // As for every other question of a pull.
        Pull::answer_by(self, has_successor)
    }

    fn heard(&self, place: &Place<'_>, refusal: Option<&Refusal>) {
        if let Some(refusal) = refusal.filter(|refusal| failure::wants_rest(refusal)) {
            let (name, rest) = (&place.candidate.name, refusal.retry_after());
            self.state.health.note_rest(name, &place.login, rest);
        }
    }
}

/// Why an image is refused, whatever is signed; none where it depends on that.
pub(super) fn refusal(must: &[Must]) -> Option<&str> {
    must.iter().find_map(|must| match must {
        Must::Refused(reason) => Some(reason.as_str()),
        Must::Signed(_) => None,
    })
}

/// Whether what was found before counts while a registry does not say which signatures there are.
pub fn holds_when_away(signed: &Signed, seal: &Seal) -> bool {
    seal.is_fresh() || matches!(signed.when_away, WhenAway::Cached(age) if seal.is_within(age))
}

/// Whether it was found that the image with one of these digests, which is on the node under this name, is signed as it
/// has to be.
pub(super) fn is_sealed(state: &State, must: &[Must], name: &Name, digests: &[&str]) -> bool {
    must.iter().all(|must| match must {
        Must::Refused(_) => false,
        Must::Signed(signed) => {
            digests.iter().any(|digest| state.seals.get(&sealed(signed, name, digest)).is_some())
        }
    })
}

/// The digests of an image on the node, from its names that have one. Most names have the same.
pub(super) fn digests(repo_digests: &[String]) -> Vec<&str> {
    let digests = repo_digests.iter().filter_map(|name| name.split_once('@')).map(|(_, digest)| digest);
    digests.collect::<BTreeSet<&str>>().into_iter().collect()
}

/// What two pulls ask together, in words: also where signatures are looked for, which makes no difference to a seal.
fn question(candidate: &Candidate, signed: &Signed, Sealed { digest, demand: _, name }: &Sealed) -> String {
    format!("{} {digest} {} {name}", candidate.name, signed.fingerprint())
}

/// What a seal is for.
pub fn sealed(signed: &Signed, name: &Name, digest: &str) -> Sealed {
    let name = match signed.demand.identity {
        // The tag does not count.
        Identity::Repository | Identity::ExactRepository(_) => name.repository(),
        _ => name.as_str(),
    };
    Sealed { digest: digest.to_owned(), demand: signed.demand.fingerprint(), name: name.to_owned() }
}
