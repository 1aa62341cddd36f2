//! Pulls that were answered with the image on the node, while no registry could serve: how many, and the last.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Those since the start of the daemon.
#[derive(Debug, Default)]
pub struct Outages(Mutex<Answered>);

/// How many, and the last.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// How many.
    pub pulls: u64,
    /// The last image, and when it was asked for.
    pub last: Option<(String, SystemTime)>,
}

impl Outages {
    /// Notes one.
    pub fn note(&self, image: &str) {
        let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answered.pulls += 1;
        answered.last = Some((image.to_owned(), SystemTime::now()));
    }

    /// All of them.
    pub fn answered(&self) -> Answered {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
