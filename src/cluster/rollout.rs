//! Goes from node to node.
//!
//! Holds: no more Jobs run at once than there are slots, whoever else rolls out at the same time: a slot is the name of a Job, and
//! the API gives a name once. After one failure too many no further node is begun, whoever has begun the ones that failed; each of
//! these is put back. Killed at
//! any moment, it is done by the next one: a node's label says that it was begun, and a Job that was left ends by itself.
//! Not here: what the Jobs do.

mod failures;
mod jobs;
mod nodes;
mod others;
mod stop;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use self::failures::Failures;
use super::api::{Api, ApiError};
use super::node::{FAILED, Node, STATE};
use super::share::Share;
use super::template::Template;

/// How long an API may be away: that of a single control plane is, while its own node is changed.
const AWAY: Duration = Duration::from_secs(300);
/// How often it is asked again where it refuses: one that starts knows no accounts and no rights for a moment, and rights that
/// were just made come late.
const REFUSALS: u32 = 15;

/// What is to be reached.
pub enum Goal {
    /// Each node has the program in front of its containerd.
    Serve {
        /// Puts a node back.
        undo: Template,
        /// Which nodes.
        selector: String,
        /// The taint that a node loses then.
        taint: Option<String>,
        /// Those that have failed are left alone, and count.
        only_new: bool,
    },
    /// Every node is put back.
    Remove,
}

/// A rollout.
pub struct Rollout<'a> {
    /// Whom it asks.
    pub api: &'a Api,
    /// What the names of Jobs begin with.
    pub name: String,
    /// For each node.
    pub job: Template,
    /// What for.
    pub goal: Goal,
    /// A CronJob. While it is suspended no node is begun; a removal suspends it, because others would begin again.
    pub cron_job: Option<String>,
    /// A Job. While it runs no node is begun: two rollouts at once would meet on a node.
    pub yield_to: Option<String>,
    /// How many nodes at once.
    pub share: Share,
    /// How many may fail before no other is begun.
    pub failures: usize,
    /// How long a node may take to be Ready again.
    pub ready_within: Duration,
    /// How often the API is asked.
    pub every: Duration,
    /// Unlike that of any other rollout.
    pub id: String,
    /// Where lines go.
    pub say: &'a dyn Fn(Weight, &str),
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Somebody has to look at it.
    Wrong,
    /// A step, as it should be.
    Step,
    /// What was left alone.
    Detail,
}

/// What came of it, in nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// They are as they should be, and were not before.
    pub done: usize,
    /// They are not, and are put back as far as possible. Those of earlier rollouts count where only new ones were wanted.
    pub failed: usize,
    /// They were not begun, because others have failed, or because of the CronJob.
    pub left: usize,
    /// They are not Ready, so nothing was begun.
    pub away: usize,
}

/// What the slots share.
struct Work {
    queue: RefCell<VecDeque<Node>>,
    done: Cell<usize>,
    failures: Failures,
    away: Cell<usize>,
}

/// How it ended with a node.
enum End {
    Done(&'static str),
    /// There is no such node any more.
    Gone,
    /// Nobody is to begin a node now.
    Stopped,
    /// Somebody else has got the slot first.
    Taken,
}

// === impl Rollout ===

impl Rollout<'_> {
    /// Does it all.
    ///
    /// # Errors
    /// The API can't be asked which nodes there are.
    pub async fn run(&self) -> Result<Total, ApiError> {
        if matches!(self.goal, Goal::Remove) {
            self.suspend().await?;
        }
        if self.yields().await {
            (self.say)(Weight::Step, "another rollout runs, so no node is begun");
            return Ok(Total::default());
        }
        // What fails from now on counts, also while this waits.
        let failures = self.failures_before().await?;
        // Whoever is stopped by this ends the node that it has begun.
        let number = self.nodes("").await?.len();
        let slots = self.share.of(number).min(number);
        for slot in 0..slots {
            // What is wrong here is wrong for the first node too, and is said then.
            drop(self.until_free(&self.slot_name(slot)).await);
        }
        let selector = match &self.goal {
            Goal::Serve { selector, .. } => selector,
            Goal::Remove => STATE,
        };
        let all = self.nodes(selector).await?;
        let number = all.len();
        failures.add(all.iter().filter(|node| self.is_only_new() && failures.is_of_before(node)).count());
        let (wanted, rest): (Vec<Node>, Vec<Node>) = all.into_iter().partition(|node| self.is_to_do(node));
        rest.iter().for_each(|node| self.leave(node));
        let (mut ready, away): (Vec<Node>, Vec<Node>) = wanted.into_iter().partition(|node| node.is_ready);
        ready.sort_by_key(Node::turn);
        away.iter().for_each(|node| self.wait_for(node));
        let slots = self.share.of(number).min(ready.len());
        let work = Work {
            queue: RefCell::new(ready.into()),
            done: Cell::new(0),
            failures,
            away: Cell::new(away.len()),
        };
        join_all((0..slots).map(|slot| self.slot(slot, &work))).await;
        Ok(Total {
            done: work.done.get(),
            failed: work.failures.total(),
            left: work.queue.borrow().len(),
            away: work.away.get(),
        })
    }

    fn leave(&self, node: &Node) {
        let state = node.state.as_deref().unwrap_or("put back");
        (self.say)(Weight::Detail, &format!("{}: {state} already, so it is left alone", node.name));
    }

    fn wait_for(&self, node: &Node) {
        (self.say)(Weight::Wrong, &format!("{}: not Ready, so it is left for later", node.name));
    }

    fn slot_name(&self, slot: usize) -> String {
        format!("{}-node-{slot}", self.name)
    }

    /// The Job that puts back the node of a slot. It does not take the name of the slot, which somebody else could get meanwhile.
    fn undo_of(slot: &str) -> String {
        format!("{slot}-undo")
    }

    fn is_only_new(&self) -> bool {
        matches!(self.goal, Goal::Serve { only_new: true, .. })
    }

    fn is_to_do(&self, node: &Node) -> bool {
        let revision = self.job.revision();
        match &self.goal {
            Goal::Serve { only_new, .. } => {
                !(node.is("served", revision) || *only_new && node.is(FAILED, revision))
            }
            Goal::Remove => node.state.is_some(),
        }
    }

    fn taint(&self) -> Option<&str> {
        match &self.goal {
            Goal::Serve { taint, .. } => taint.as_deref(),
            Goal::Remove => None,
        }
    }

    /// One node after the other, until there is none, or too many have failed.
    async fn slot(&self, slot: usize, work: &Work) {
        let name = self.slot_name(slot);
        while !self.is_stopped().await {
            self.look_at_others(&work.failures).await;
            // A node that waits for this with its workloads kept away loses nothing by a failure.
            let may_fail =
                |node: &Node| work.failures.total() <= self.failures || node.has_taint(self.taint());
            let next = work.queue.borrow().iter().position(may_fail);
            let Some(node) = next.and_then(|at| work.queue.borrow_mut().remove(at)) else { return };
            match self.until_free(&name).await {
                Ok(false) => {}
                // Hours may have passed. What was looked at before is looked at again.
                Ok(true) => {
                    work.queue.borrow_mut().push_front(node);
                    continue;
                }
                Err(why) => {
                    self.failed(&node.name, &why, work);
                    continue;
                }
            }
            let Some(node) = self.seen_again(&node.name, work).await else { continue };
            (self.say)(Weight::Step, &format!("{}: begins", node.name));
            let ended = self.one(&name, &node).await;
            let freed = self.free(&name).await;
            match ended.and_then(|end| freed.map(|()| end)) {
                Ok(End::Done(word)) => {
                    work.done.set(work.done.get() + 1);
                    (self.say)(Weight::Step, &format!("{}: {word}", node.name));
                }
                Ok(End::Gone) => self.gone(&node.name),
                Ok(End::Stopped | End::Taken) => work.queue.borrow_mut().push_front(node),
                Err(why) => self.failed(&node.name, &why, work),
            }
        }
    }

    /// The node as it is now. Hours may have passed, and somebody else may have done it.
    async fn seen_again(&self, name: &str, work: &Work) -> Option<Node> {
        match self.node(name).await {
            Ok(Some(node)) if !self.is_to_do(&node) => {
                if node.is(FAILED, self.job.revision()) {
                    work.failures.note(&node);
                }
                self.leave(&node);
            }
            Ok(Some(node)) if !node.is_ready => {
                work.away.set(work.away.get() + 1);
                self.wait_for(&node);
            }
            Ok(Some(node)) => return Some(node),
            Ok(None) => self.gone(name),
            Err(why) => self.failed(name, &why, work),
        }
        None
    }

    fn gone(&self, name: &str) {
        (self.say)(Weight::Step, &format!("{name}: is gone from the cluster"));
    }

    fn failed(&self, name: &str, why: &str, work: &Work) {
        work.failures.add(1);
        for line in why.lines() {
            (self.say)(Weight::Wrong, &format!("{name}: {line}"));
        }
    }

    async fn one(&self, slot: &str, node: &Node) -> Result<End, String> {
        let name = &node.name;
        if matches!(self.goal, Goal::Serve { .. }) && node.state.is_none() {
            // Whoever takes the program out finds the node by this, or is seen here.
            self.note(name, Some("changing"), None).await?;
            if self.is_stopped().await {
                return Ok(End::Stopped);
            }
        }
        let worked = match self.job(slot, slot, &self.job, name).await {
            Ok(true) => self.ready(name).await,
            Ok(false) => return Ok(End::Taken),
            Err(why) => Err(why),
        };
        let Err(why) = worked else {
            let Goal::Serve { taint, .. } = &self.goal else {
                self.note(name, None, None).await?;
                return Ok(End::Done("is put back"));
            };
            self.note(name, Some("served"), taint.as_deref()).await?;
            return Ok(End::Done("is served"));
        };
        if self.node(name).await.is_ok_and(|node| node.is_none()) {
            return Ok(End::Gone);
        }
        let Goal::Serve { undo, .. } = &self.goal else { return Err(why) };
        let back = match self.job(slot, &Rollout::undo_of(slot), undo, name).await {
            Ok(_) => "it is put back".to_owned(),
            Err(why) => format!("it could not be put back:\n{why}"),
        };
        let noted = self.note(name, Some(FAILED), None).await.err().unwrap_or_default();
        Err(format!("failed:\n{why}\n{back}\n{noted}"))
    }

    /// Asks again while the API is away, or has just come back.
    async fn insist(&self, ask: impl AsyncFn() -> Result<Value, ApiError>) -> Result<Value, ApiError> {
        let end = Instant::now() + AWAY;
        let mut refused = None;
        loop {
            let error = match ask().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let end = match &error {
                ApiError::Away { .. } => end,
                ApiError::Status { status, .. } if status.is_server_error() => end,
                ApiError::Status { status: StatusCode::TOO_MANY_REQUESTS, .. } => end,
                ApiError::Status { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                    *refused.get_or_insert_with(|| Instant::now() + self.every * REFUSALS)
                }
                _ => return Err(error),
            };
            if Instant::now() > end {
                return Err(error);
            }
            tokio::time::sleep(self.every).await;
        }
    }
}
