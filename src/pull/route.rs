//! One pull along its candidates, until one serves the image or none is left.
//!
//! Before: `pull` has a decision.  After: `finish` finishes what a candidate served.
//! Holds: candidates are tried one after another in the order of the rule, those that did not answer
//! lately behind the other mirrors, the origin always last.

use std::time::Instant;

use tonic::Status;

use super::auth::{Auth, AuthError};
use super::failure::{self, Class, Failure};
use super::finish::{self, Served};
use super::stall;
use super::{Pull, forward, rule_text};
use crate::containerd::Answer;
use crate::policy::{Candidate, Role, RuleRef};
use crate::state::Ticket;
use crate::wire::{self, cri};

/// How one candidate ended.
enum Outcome {
    Served(Answer),
    /// Not served, and nothing another candidate could change about it.
    Final(Answer),
    Failed(Failure),
}

impl Pull<'_> {
    /// A pull that no rule changes: the request goes on as it came.
    pub(super) async fn pass(&self, rule: &RuleRef<'_>) -> Answer {
        let ticket = self.state.ledger.asked_for(self.name).await;
        let message = match self.bound(rule, self.name.host(), self.message).await {
            Ok(message) => message,
            Err(error) => return crate::containerd::unary::malformed(&error),
        };
        let answer = forward(self.call, &message).await;
        if !answer.is_ok() {
            return answer;
        }
        tracing::info!(image = %self.name, rule = rule.prefix(), "pulled, untouched");
        finish::settle(self.served(rule, self.name.clone(), Role::Origin, answer), ticket).await
    }

    /// A pull along `candidates`.
    pub(super) async fn route(&self, rule: &RuleRef<'_>, candidates: Vec<Candidate>) -> Answer {
        // Adopted content can vanish between pull and adoption, under an image GC: one more round.
        for _ in 0..2 {
            match self.round(rule, &candidates).await {
                Ok(answer) => return answer,
                Err(gone) => tracing::warn!(image = %self.name, %gone, "pulling once more"),
            }
        }
        Answer::failure(&Status::aborted(format!(
            "{}: pulled twice by {}, and both times something removed it before it had its name",
            self.name,
            rule_text(rule)
        )))
    }

    async fn round(&self, rule: &RuleRef<'_>, candidates: &[Candidate]) -> Result<Answer, finish::Gone> {
        let ordered = self.state.health.order(candidates);
        let mut failures = Vec::new();
        for (index, candidate) in ordered.iter().enumerate() {
            if self.call.expired() {
                let status = Status::deadline_exceeded(failure::summary(self.name, rule, &failures));
                return Ok(Answer::failure(&status));
            }
            let ticket = match candidate.role {
                Role::Origin => self.state.ledger.asked_for(self.name).await,
                Role::Mirror => match self.intend(candidate).await {
                    Ok(ticket) => ticket,
                    Err(answer) => return Ok(answer),
                },
            };
            let has_successor = index + 1 < ordered.len();
            match self.attempt(rule, candidate, has_successor).await {
                Outcome::Served(answer) => {
                    tracing::info!(image = %self.name, from = %candidate.name, rule = rule.prefix(), "pulled");
                    let served = self.served(rule, candidate.name.clone(), candidate.role, answer);
                    return finish::adopted(served, ticket).await;
                }
                Outcome::Final(answer) => return Ok(answer),
                Outcome::Failed(failure) if failure.overtaken() => return Err(finish::Gone),
                Outcome::Failed(failure) => {
                    tracing::warn!(image = %self.name, from = %candidate.name, class = ?failure.class,
                        error = failure.message(), "candidate failed");
                    failures.push(failure);
                }
            }
        }
        Ok(Answer::failure(&failure::status(self.name, rule, &failures)))
    }

    async fn intend(&self, candidate: &Candidate) -> Result<Ticket, Answer> {
        if self.generation.policy.settings().names == crate::policy::Names::Both {
            return Ok(self.state.ledger.asked_for(&candidate.name).await);
        }
        self.state.ledger.bring(&self.state.containerd.store, &candidate.name).await.map_err(|error| {
            Answer::failure(&Status::unavailable(format!("{}: not pulled: {error}", self.name)))
        })
    }

    async fn attempt(&self, rule: &RuleRef<'_>, candidate: &Candidate, has_successor: bool) -> Outcome {
        if let Err(failure) = self.told(candidate).await {
            return Outcome::Failed(failure);
        }
        let (auth, message) = match self.prepared(rule, candidate).await {
            Ok(prepared) => prepared,
            Err(AuthError::Wire(error)) => {
                return Outcome::Final(crate::containerd::unary::malformed(&error));
            }
            Err(AuthError::Login(reason)) => {
                return Outcome::Failed(Failure::no_login(candidate.name.clone(), &reason));
            }
        };
        let started = Instant::now();
        let answer = tokio::select! {
            biased;
            answer = self.call.forward(&message) => answer,
            reason = self.stalled(candidate, has_successor) => {
                self.state.health.note_down(&candidate.name, self.generation.pull.retry_down_after);
                return Outcome::Failed(Failure::swallowed(candidate.name.clone(), &reason, started.elapsed()));
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(away) => return Outcome::Final(Answer::failure(&Status::unavailable(away.to_string()))),
        };
        if answer.is_ok() {
            self.state.health.note_up(&candidate.name);
            return Outcome::Served(answer);
        }
        if answer.is_not_initialized() {
            return Outcome::Final(answer);
        }
        let mut failure = Failure::new(candidate.name.clone(), answer.status()).with_login(&auth.to_string());
        if failure.class == Class::Unauthorized {
            failure.explain(&self.state.containerd.facts().config_path);
        }
        match failure.class {
            Class::Local => return Outcome::Final(answer),
            Class::Unreachable => {
                self.state.health.note_down(&candidate.name, self.generation.pull.retry_down_after);
            }
            Class::Unauthorized => {
                self.state.health.note_up(&candidate.name);
                if let Auth::Node { credential, .. } = &auth {
                    self.generation.credentials.refused(&candidate.name, credential);
                }
            }
            _ => self.state.health.note_up(&candidate.name),
        }
        Outcome::Failed(failure)
    }

    /// Ends where the candidate is to be given up for the next.
    async fn stalled(&self, candidate: &Candidate, has_successor: bool) -> String {
        let Some(after) = self.generation.pull.stall_after.filter(|_| has_successor) else {
            return std::future::pending().await;
        };
        let host = candidate.name.host();
        let wanted = &self.generation.transport;
        let tls = wanted.endpoint(host).schemes.first() != Some(&"http");
        stall::watch(self.state, host, (tls, &wanted.connected_host(host)), after).await
    }

    /// Waits until containerd is told how the candidate's host is reached. Where it can't be, it is asked all the
    /// same and says why not, unless it would ask another place.
    async fn told(&self, candidate: &Candidate) -> Result<(), Failure> {
        let (wanted, host) = (&self.generation.transport, candidate.name.host());
        if wanted.needs_of(host).is_empty() {
            return Ok(());
        }
        if self.state.told(host).await || !wanted.must_be_told(host) {
            return Ok(());
        }
        Err(Failure::untold(candidate.name.clone()))
    }

    /// The client's message with the candidate in it: its name, and no credentials that are not its own.
    async fn prepared(
        &self,
        rule: &RuleRef<'_>,
        candidate: &Candidate,
    ) -> Result<(Auth, Vec<u8>), AuthError> {
        let auth = self.auth(rule, candidate).await?;
        let mut message = self.message.to_vec();
        if candidate.role == Role::Mirror {
            let image = candidate.name.as_str().as_bytes();
            message = wire::set(&message, cri::pull_image_request::IMAGE, image).map_err(AuthError::Wire)?;
        }
        message = auth.put(&message).map_err(AuthError::Wire)?;
        if let Auth::Client = auth {
            let bound = self.bound(rule, candidate.name.host(), &message).await;
            message = bound.map_err(AuthError::Wire)?;
        }
        Ok((auth, message))
    }

    fn served(&self, rule: &RuleRef<'_>, from: crate::policy::Name, role: Role, answer: Answer) -> Served {
        Served {
            state: self.state.clone(),
            name: self.name.clone(),
            from,
            role,
            rule: rule_text(rule),
            checkpoint: rule.checkpoint(),
            adopt_timeout: self.generation.pull.adopt_timeout,
            answer,
        }
    }
}
