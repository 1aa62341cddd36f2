//! A tag that is locked, pulled from the registry that it asks for itself.
//!
//! Holds: containerd is asked for the digest of the lock, and the image gets the name that was asked for. What the tag is
//! now is not looked at.
//! Not here: mirrors, whose candidates have the digest too (`candidate`).

use std::sync::Arc;

use tonic::Code;

use super::brought::Brought;
use super::candidate::{Tried, client_login, ended};
use super::contents;
use super::failure;
use super::fetch::{Unfetched, wrong_content};
use super::fetched::Fetched;
use super::leftovers::Temporary;
use super::provenance::Provenance;
use super::record::{Class, End, Failure, Presented, Record, Served};
use super::same_login;
use super::under_way::Pull;
use crate::containerd::Answer;
use crate::policy::Candidate;
use crate::tell::metrics::ORIGIN;
use crate::wire::{self, cri};

impl Pull<'_> {
    /// Tries the registry that the name itself asks for.
    pub(super) async fn locked_origin(
        &self,
        record: &mut Record,
        candidate: &Candidate,
        login: &mut Option<Presented>,
    ) -> Result<Tried, Failure> {
        *login = Some(client_login());
        let fetched = match self.fetch_locked(record, candidate).await {
            Ok(fetched) => fetched,
            Err(Unfetched::Failed(failure)) if failure.class == Class::RateLimited => {
                return Err(match self.login_at(candidate).await {
                    Some(login) => self.limited(candidate, &login, failure),
                    None => failure,
                });
            }
            Err(unfetched) => return ended(unfetched),
        };
        record.served = Some(Served {
            reference: candidate.name.clone(),
            registry: candidate.name.host().to_owned(),
            digest: Some(fetched.digest.clone()),
            size: None,
        });
        Ok(Tried::Served(Box::new(fetched)))
    }

    async fn fetch_locked(&self, record: &mut Record, candidate: &Candidate) -> Result<Fetched, Unfetched> {
        let name = &candidate.name;
        let temporary = Temporary::enter(self.state, name.as_str(), false).await?;
        let broken =
            |error: wire::WireError| Unfetched::Ended(End::Failed(Code::Internal, error.to_string()));
        let message = self.bound(name.host(), self.message).await.map_err(broken)?;
        let message =
            wire::set(&message, cri::pull_image_request::IMAGE, name.as_str().as_bytes()).map_err(broken)?;
        let answer = self.forward(record, &message).await.map_err(Unfetched::Ended)?;
        if !answer.is_ok() {
            return Err(unfetched(&answer, candidate));
        }
        let digest = name.digest().unwrap_or_default();
        if !temporary.leads_to(digest).await? {
            return Err(wrong_content(name.host(), digest).into());
        }
        let found = self.state.containerd.store.get(name.as_str()).await?;
        let target = found.and_then(|image| image.target).ok_or(Unfetched::Gone)?;
        let forbids = format!("{} does not allow that", self.rule_text());
        let checkpoint = self.rule.checkpoint();
        let refused = contents::refused_checkpoint(self.state, &target, checkpoint, &forbids).await;
        if let Some(refused) = refused? {
            return Err(Unfetched::Ended(End::Failed(Code::PermissionDenied, refused)));
        }
        let login = same_login::label(self.login_to_note(), self.name, &target.digest).await;
        let provenance = Provenance::now(name, name.host(), &self.rule_text()).with_way(record, "client");
        let provenance = provenance.redirected(name, &self.state.containerd.facts()).await.with_login(login);
        Ok(Fetched {
            state: Arc::clone(self.state),
            name: self.name.clone(),
            digest: digest.to_owned(),
            temporary,
            provenance,
            brought: Brought::by(ORIGIN, self.state, self.request, self.name),
            keep_also: None,
            adopt_timeout: self.generation.pull.adopt_timeout,
            answer,
        })
    }
}

fn unfetched(answer: &Answer, candidate: &Candidate) -> Unfetched {
    let status = answer.status();
    if answer.is_not_initialized() {
        return Unfetched::Ended(End::Failed(status.code(), status.message().to_owned()));
    }
    match failure::is_overtaken(&status) {
        true => Unfetched::Gone,
        false => Unfetched::Failed(failure::of_containerd(&status, &candidate.name)),
    }
}
