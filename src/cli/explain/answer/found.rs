//! What the registries of an answer's candidates have said, after they were asked.

use serde::Serialize;

use super::Answer;
use crate::cli::explain::target::{Target, Whose};
use crate::config::Locked;
use crate::containerd::hosts::Endpoints;
use crate::files::reader::Reader;

/// What the registry of a candidate has answered. The order of the fields is the order of the JSON keys.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Found<'a> {
    /// The candidate.
    pub(crate) reference: &'a str,
    /// Whether it is a mirror or the origin.
    pub(crate) role: &'static str,
    /// The digest there, if it has the image.
    pub(crate) digest: Option<&'a str>,
    /// Why it does not, else.
    pub(crate) error: Option<&'a str>,
    /// Whether it wants a login that only pods have.
    #[serde(skip)]
    pub(crate) wants_client: bool,
    /// Whether it says that it does not have the image.
    #[serde(skip)]
    pub(crate) is_missing: bool,
}

impl Answer {
    /// Which of the candidates have the image, in their order. It is empty if no registry was asked.
    pub(crate) fn found(&self) -> Vec<Found<'_>> {
        self.candidates.iter().filter_map(Found::of).collect()
    }

    /// What a lock says of it: what the first candidate has that has the image.
    pub(crate) fn locked(&self) -> Option<Locked> {
        let locked = |target: &Target| {
            let outcome = target.live.as_ref()?;
            let (digest, platforms) = (outcome.digest.clone()?, outcome.platforms.clone());
            Some(Locked { digest, asked: target.reference.clone(), platforms })
        };
        self.candidates.iter().find_map(locked)
    }

    /// Adds the registry in the name itself, if the policy does not ask it. A pull would not do so either.
    pub(crate) fn add_origin(&mut self, reach: &Endpoints<'_>, reader: &Reader) {
        let Some(name) = self.name.as_ref().and_then(|name| name.parse().ok()) else { return };
        let mut origin = Target::origin(&name);
        if self.candidates.iter().any(|target| target.reference == origin.reference) {
            return;
        }
        let is_said = !reach.wanted.needs_of(name.host()).is_empty();
        origin.add_transport(&reach.of(name.host(), None), is_said, reader);
        self.candidates.push(origin);
    }
}

impl<'a> Found<'a> {
    fn of(target: &'a Target) -> Option<Self> {
        let outcome = target.live.as_ref()?;
        Some(Found {
            reference: &target.reference,
            role: target.role,
            digest: outcome.digest.as_deref(),
            error: outcome.error(),
            wants_client: target.credentials == Whose::Client && outcome.is_unauthorized(),
            is_missing: outcome.is_missing(),
        })
    }
}
