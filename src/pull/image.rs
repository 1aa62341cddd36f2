//! PullImage: decides, and takes the candidates one after another.
//!
//! Holds: containerd is asked for exactly what the policy allows; a denied name reaches no registry. A client's
//! credentials go to the registry that they are for, and to no other.
//! Not here: how names match rules (`policy`), one candidate (`candidate`).

use std::sync::Arc;

use bytes::Bytes;
use tonic::Code;

use super::candidate::Tried;
use super::fetched::Gone;
use super::finish;
use super::record::{End, OnNode, Record, RuleText, Verdict};
use super::recorder::Recorder;
use super::under_way::Pull;
use crate::containerd::unary::{Call, forward, malformed};
use crate::containerd::{Answer, hosts};
use crate::policy::{Asked, Candidate, Decision, Name, tag_beside_digest};
use crate::state::{Request, State};
use crate::wire::{self, cri};

/// How often a pull begins again, where an image garbage collection removed what it had fetched.
const ROUNDS: usize = 3;

/// How a pull ended.
enum Outcome {
    /// With containerd's answer, which goes on as it came.
    Answered(Box<Answer>),
    /// With the image that is on the node already.
    Present(Box<Answer>, OnNode),
    /// With an error of the shunt's own.
    Ended(End),
}

/// Answers a PullImage.
pub async fn pull_image(state: &Arc<State>, request: &Arc<Request>, call: &Call, message: Bytes) -> Answer {
    let image = match wire::get(&message, cri::pull_image_request::IMAGE) {
        Ok(image) => image.unwrap_or_default(),
        Err(error) => return malformed(&error),
    };
    let asked = String::from_utf8_lossy(image);
    let mut recorder = Recorder::new(state, Record::new(request, &asked));
    let name: Result<Name, _> = std::str::from_utf8(image).unwrap_or_default().parse();
    let outcome = match name {
        Ok(name) => decided(state, request, call, &message, &name, recorder.record()).await,
        // containerd can't read it either, and says so in its own words.
        Err(_) => Outcome::Answered(Box::new(forward(call, &message).await)),
    };
    match outcome {
        Outcome::Answered(answer) => {
            recorder.end(End::Containerd(answer.status().code()));
            *answer
        }
        Outcome::Present(answer, image) => {
            recorder.end(End::Present(image));
            *answer
        }
        Outcome::Ended(end) => Answer::failure(&recorder.end(end).status()),
    }
}

async fn decided(
    state: &Arc<State>,
    request: &Arc<Request>,
    call: &Call,
    message: &Bytes,
    name: &Name,
    record: &mut Record,
) -> Outcome {
    record.name = Some(name.clone());
    if hosts::is_private(name.host()) {
        let reason = format!("{} is a host of cri-shunt's own; no image can be asked for there", name.host());
        return Outcome::Ended(End::Failed(Code::InvalidArgument, reason));
    }
    let generation = &request.generation;
    let decision = generation.policy.decide(&Asked::of(name));
    let tag = tag_beside_digest(&record.asked);
    let tag = tag.as_deref();
    let pull = |rule| Pull { state, request, call, message, generation, name, tag, rule };
    match decision {
        Decision::Deny { rule, reason } => {
            record.rule = Some(RuleText::of(&rule));
            record.verdict = Verdict::Deny { reason: reason.to_string() };
            Outcome::Ended(End::Denied)
        }
        Decision::Pass { rule } => {
            record.rule = Some(RuleText::of(&rule));
            record.verdict = Verdict::Pass;
            pull(rule).pass(record).await
        }
        Decision::Route { rule, candidates, .. } => {
            record.rule = Some(RuleText::of(&rule));
            record.verdict = Verdict::Route;
            pull(rule).route(record, &candidates).await
        }
    }
}

impl Pull<'_> {
    /// A pull that no rule changes: the request goes on as it came.
    async fn pass(&self, record: &mut Record) -> Outcome {
        outcome(self.fetch_as_asked(record).await)
    }

    /// A pull along `candidates`.
    async fn route(&self, record: &mut Record, candidates: &[Candidate]) -> Outcome {
        for _ in 0..ROUNDS {
            match self.round(record, candidates).await {
                Ok(outcome) => return outcome,
                Err(Gone) => tracing::warn!(image = %self.name, "{Gone}; pulling once more"),
            }
        }
        let reason =
            format!("pulled {ROUNDS} times, and each time something removed it before it had its name");
        Outcome::Ended(End::Failed(Code::Aborted, reason))
    }

    async fn round(&self, record: &mut Record, candidates: &[Candidate]) -> Result<Outcome, Gone> {
        record.attempts.clear();
        record.served = None;
        let ordered = self.state.health.order(candidates, self.rule.order());
        for (index, candidate) in ordered.iter().enumerate() {
            if self.call.expired() {
                return Ok(Outcome::Ended(End::TooLate));
            }
            let has_successor = self.has_one_to_ask(&ordered[index + 1..]).await;
            match self.try_candidate(record, candidate, has_successor).await {
                Tried::Served(fetched) => return finish::adopted(*fetched, record).await.map(outcome),
                Tried::Answered(answer) => return Ok(Outcome::Answered(answer)),
                Tried::Ended(end) => return Ok(Outcome::Ended(end)),
                Tried::Gone => return Err(Gone),
                Tried::Failed => {}
            }
        }
        Ok(match self.on_the_node(record).await {
            Some((answer, image)) => Outcome::Present(Box::new(answer), image),
            None => Outcome::Ended(End::NoneServed),
        })
    }

    /// Whether one of the candidates would be asked now.
    async fn has_one_to_ask(&self, candidates: &[Candidate]) -> bool {
        for candidate in candidates {
            if self.rest(candidate).await.is_none() {
                return true;
            }
        }
        false
    }
}

fn outcome(finished: Result<Answer, End>) -> Outcome {
    match finished {
        Ok(answer) => Outcome::Answered(Box::new(answer)),
        Err(end) => Outcome::Ended(end),
    }
}
