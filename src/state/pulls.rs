//! The pulls that are under way, for those who want to see how far they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::Request;
use crate::policy::Name;

/// All of them.
#[derive(Clone, Default)]
pub struct Pulls(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    begun: u64,
    pulls: BTreeMap<u64, UnderWay>,
}

/// One pull.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// The name that was asked for.
    pub image: String,
    /// The namespace of the pod that it is for; empty if there is none.
    pub namespace: String,
    /// The client's process, if it is known.
    pub pid: Option<i32>,
    /// Since when.
    pub since: SystemTime,
    /// The reference that is being tried.
    pub candidate: Option<String>,
    /// The digest that it has there, once that is known.
    pub digest: Option<String>,
    /// The candidates that have failed.
    pub failed: Vec<String>,
}

/// A pull that is shown until this is dropped.
pub struct Shown {
    all: Pulls,
    number: u64,
}

impl Pulls {
    /// A pull of `name` begins.
    pub fn begin(&self, request: &Request, name: &Name) -> Shown {
        let under_way = UnderWay {
            image: name.as_str().to_owned(),
            namespace: request.pod.as_ref().map(|pod| pod.namespace.clone()).unwrap_or_default(),
            pid: request.client.pid,
            since: SystemTime::now(),
            candidate: None,
            digest: None,
            failed: Vec::new(),
        };
        let mut known = self.lock();
        known.begun += 1;
        let number = known.begun;
        known.pulls.insert(number, under_way);
        drop(known);
        Shown { all: self.clone(), number }
    }

    /// Those that are under way now, the oldest first.
    pub fn all(&self) -> Vec<UnderWay> {
        self.lock().pulls.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// This candidate is tried now.
    pub fn tries(&self, candidate: &Name) {
        self.change(|pull| {
            pull.candidate = Some(candidate.as_str().to_owned());
            pull.digest = None;
        });
    }

    /// The candidate has the image, with this digest.
    pub fn found(&self, digest: &str) {
        self.change(|pull| pull.digest = Some(digest.to_owned()));
    }

    /// These candidates have failed so far.
    pub fn failed(&self, candidates: Vec<String>) {
        self.change(|pull| pull.failed = candidates);
    }

    fn change(&self, change: impl FnOnce(&mut UnderWay)) {
        if let Some(pull) = self.all.lock().pulls.get_mut(&self.number) {
            change(pull);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.all.lock().pulls.remove(&self.number);
    }
}
