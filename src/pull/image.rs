//! PullImage: decides, and takes the candidates one after another.
//!
//! Holds: containerd is asked for exactly what the policy allows; a denied name reaches no registry. A client's
//! credentials go to the registry that they are for, and to no other.
//! Not here: how names match rules (`policy`), one candidate (`candidate`).

use std::sync::Arc;

use bytes::Bytes;
use tonic::Code;

use super::candidate::Tried;
use super::failure;
use super::fetched::Gone;
use super::finish;
use super::record::{End, Locked, OnNode, Record, RuleText, Verdict, Would};
use super::recorder::Recorder;
use super::under_way::Pull;
use super::verify;
use crate::containerd::unary::{Call, forward, malformed};
use crate::containerd::{Answer, hosts};
use crate::policy::{Candidate, Decision, Name, tag_beside_digest};
use crate::state::{Request, State};
use crate::wire::{self, cri};

/// How often an image is fetched, if each time something removes it before it has its name: containerd's garbage
/// collection, or a client. `tests/adopt_stress.rs` has a client that removes one image all the time; three rounds were too
/// few there once.
const ROUNDS: usize = 6;

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
    state.turns.next().await;
    let name: Result<Name, _> = std::str::from_utf8(image).unwrap_or_default().parse();
    let outcome = match name {
        Ok(name) => decided(state, request, call, &message, &name, recorder.record()).await,
        // containerd can't read it either, and says so in its own words.
        Err(_) => Outcome::Answered(Box::new(forward(call, &message).await)),
    };
    match outcome {
        Outcome::Answered(answer) => {
            let status = answer.status();
            if let (false, Some(name)) = (answer.is_ok(), &recorder.record().name) {
                let words = failure::of_containerd(&status, name).text;
                recorder.record().containerds_words = Some(words);
            }
            recorder.end(End::Containerd(status.code()));
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
    let tag = tag_beside_digest(&record.asked);
    let asked = request.asks(name).with_tag(tag.as_deref());
    record.would = Would::of(generation, &asked);
    let decision = generation.policy.decide(&asked);
    record.rule = Some(RuleText::of(decision.rule()));
    record.verdict = Verdict::of(&decision);
    let pin = decision.locked();
    record.locked = pin.map(|pin| Locked { digest: pin.digest().to_owned(), file: pin.file().to_owned() });
    // The candidates of a tag that is locked have the digest.
    let tag = tag.as_deref().or(name.tag().filter(|_| pin.is_some()));
    let shown = &state.pulls.begin(request, name);
    let must = &generation.must(&generation.policy, &asked, &decision)[..];
    let pull = |rule| Pull { state, request, call, message, generation, name, tag, pin, rule, must, shown };
    if let (false, Some(reason)) = (record.verdict.denies(), verify::refusal(must)) {
        return Outcome::Ended(End::Unsigned(reason.to_owned()));
    }
    match decision {
        Decision::Deny { .. } => Outcome::Ended(End::Denied),
        Decision::Pass { rule } if must.is_empty() => pull(rule).rounds(record, None).await,
        Decision::Pass { rule } => pull(rule).rounds(record, Some(&[Candidate::origin(name)])).await,
        Decision::Route { rule, candidates, .. } => pull(rule).rounds(record, Some(&candidates)).await,
    }
}

impl Pull<'_> {
    /// A pull along `candidates`; where signatures are demanded, of which the registry of the name itself may be the only one.
    /// Without any it is one that no rule changes: the request goes on as it came.
    async fn rounds(&self, record: &mut Record, candidates: Option<&[Candidate]>) -> Outcome {
        for _ in 0..ROUNDS {
            let round = match candidates {
                Some(candidates) => self.round(record, candidates).await,
                None => self.fetch_as_asked(record).await.map(outcome),
            };
            match round {
                Ok(outcome) => return outcome,
                Err(Gone) => tracing::warn!(image = %self.name, "{Gone}; pulling once more"),
            }
        }
        let reason =
            format!("pulled {ROUNDS} times, and each time something removed it before it had its name");
        Outcome::Ended(End::Failed(Code::Aborted, reason))
    }

    async fn round(&self, record: &mut Record, candidates: &[Candidate]) -> Result<Outcome, Gone> {
        // Who failed before the image was removed is told too.
        record.attempts.retain(|attempt| attempt.failure.is_some());
        record.served = None;
        record.verified.clear();
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
        self.forget_unsigned(record);
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
