//! `on-outage = "present"`: answers a pull that no registry can serve with the image that is on the node.
//!
//! Holds: only if each candidate failed for reasons of its own (it does not answer, 5xx, 429), so never after a registry
//! has said no (401, 403, 404). Only for the name that was pulled, with the login that it was pulled with, and by the rule
//! of the same namespaces: else a pull of an image that is there would be a way around its login. Only if CRI finds the
//! image by that name, as a client looks for it afterwards.

use std::time::{Duration, SystemTime};

use tonic::Status;

use super::contents;
use super::provenance::{self, Provenance};
use super::record::{OnNode, Record};
use super::same_login::{BroughtLogin, Unknowable};
use super::under_way::Pull;
use crate::containerd::{Answer, StoreError};
use crate::files::go_duration;
use crate::wire::{self, WireError, cri};

/// Why the image on the node is not the answer.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it is not on the node")]
    Absent,
    #[error("its record has another digest, {0}")]
    OtherDigest(String),
    #[error("its last pull did not note a login: it was before on-outage was set, or not through cri-shunt")]
    NoLogin,
    #[error("the request does not bring the login that it was pulled with")]
    OtherLogin,
    #[error("it was pulled at {pulled}, and outage-max-age is {}", go_duration::text(*max_age))]
    TooOld { pulled: String, max_age: Duration },
    #[error("containerd does not show it by its name and its digest")]
    NotShown,
    #[error("{0}")]
    Checkpoint(String),
    #[error("it was not found signed as it has to be, or too long ago")]
    Unsigned,
    #[error(transparent)]
    Login(#[from] Unknowable),
    #[error(transparent)]
    Message(#[from] WireError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("containerd: {}", .0.message())]
    Cri(Box<Status>),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Cri(Box::new(status))
    }
}

impl Pull<'_> {
    /// The login of this pull, where it is to be remembered with the image.
    pub(super) fn login_to_note(&self) -> Option<BroughtLogin> {
        let outage = self.generation.policy.outage(&self.rule);
        outage.serves().then(|| self.brought_login().ok()).flatten()
    }

    fn brought_login(&self) -> Result<BroughtLogin, WireError> {
        Ok(BroughtLogin::of(self.message, &self.state.login_key)?.by_rule(&self.rule))
    }

    /// The answer with the image on the node, after the candidates of the record have failed; none where they have
    /// said no, or where it may not be the answer.
    pub(super) async fn on_the_node(&self, record: &Record) -> Option<(Answer, OnNode)> {
        let outage = self.generation.policy.outage(&self.rule);
        // A registry that had no time to answer has not failed.
        if !outage.serves() || !is_outage(record) || self.call.expired() {
            return None;
        }
        match self.find(outage.max_age).await {
            Ok(found) => {
                self.state.outages.note(self.name.as_str());
                Some(found)
            }
            Err(reason) => {
                let (image, rule) = (self.name, self.rule_text());
                tracing::info!(%image, rule, %reason, "no registry can serve it, and the image on the node is not the answer");
                None
            }
        }
    }

    async fn find(&self, max_age: Option<Duration>) -> Result<(Answer, OnNode), Refused> {
        let (state, name) = (self.state, self.name);
        let record = state.containerd.store.get(name.as_str()).await?.ok_or(Refused::Absent)?;
        let target = record.target.ok_or(Refused::Absent)?;
        let is_other = |digest: &str| digest != target.digest;
        if name.digest().is_some_and(is_other) || self.pin.is_some_and(|pin| !pin.accepts(&target.digest)) {
            return Err(Refused::OtherDigest(target.digest));
        }
        let provenance = Provenance::from_labels(&record.labels).ok_or(Refused::NoLogin)?;
        let noted = provenance.login().ok_or(Refused::NoLogin)?;
        if !self.brought_login()?.made(noted, name.repository(), &target.digest).await? {
            return Err(Refused::OtherLogin);
        }
        let pulled = provenance.time.clone();
        if let Some(max_age) = max_age.filter(|max_age| !is_within(&pulled, *max_age)) {
            return Err(Refused::TooOld { pulled, max_age });
        }
        let id = state.containerd.cri.image(name.as_str()).await?.ok_or(Refused::NotShown)?.id;
        // The tag may lead to an image of which the record does not know yet.
        let by_digest = format!("{}@{}", name.repository(), target.digest);
        let is_same = state.containerd.cri.image(&by_digest).await?.is_some_and(|image| image.id == id);
        if !is_same {
            return Err(Refused::NotShown);
        }
        let forbids = format!("{} does not allow that", self.rule_text());
        let checkpoint = self.rule.checkpoint();
        if let Some(refused) = contents::refused_checkpoint(state, &target, checkpoint, &forbids).await? {
            return Err(Refused::Checkpoint(refused));
        }
        if !self.was_signed(&target.digest) {
            return Err(Refused::Unsigned);
        }
        if let Err(error) = provenance::note_outage(&state.containerd.store, name, &target).await {
            tracing::warn!(image = %name, %error, "cannot note that it was the answer to a pull");
        }
        let answer = wire::set(&[], cri::pull_image_response::IMAGE_REF, id.as_bytes())?;
        Ok((Answer::message(&answer), OnNode { digest: target.digest, pulled }))
    }
}

/// Whether all candidates failed, and none of them because it said no.
fn is_outage(record: &Record) -> bool {
    let mut failures = record.attempts.iter().map(|attempt| attempt.failure.as_ref());
    !record.attempts.is_empty() && failures.all(|why| why.is_some_and(|why| why.class.is_outage()))
}

/// Whether this moment is at most so long ago. A time in the future is not trusted.
fn is_within(moment: &str, max_age: Duration) -> bool {
    let moment = moment.parse::<prost_types::Timestamp>().ok().and_then(|at| SystemTime::try_from(at).ok());
    let age = moment.and_then(|moment| SystemTime::now().duration_since(moment).ok());
    age.is_some_and(|age| age <= max_age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_pull_is_bounded() {
        let at = |moment: SystemTime| prost_types::Timestamp::from(moment).to_string();
        let (now, hour) = (SystemTime::now(), Duration::from_secs(3600));
        assert!(is_within(&at(now - hour / 2), hour));
        assert!(!is_within(&at(now - 2 * hour), hour));
        assert!(!is_within(&at(now + hour), hour), "the clock was set back");
        assert!(!is_within("yesterday", hour));
    }
}
