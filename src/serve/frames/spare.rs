//! A connection to containerd that was made and greeted before its client has come, so that no client waits for that.
//!
//! Holds: it is given away only if containerd has not ended it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::containerd::Greeted;

/// At most one connection, for the client that comes next.
#[derive(Debug)]
pub struct Spare {
    /// Where containerd listens. None for no connection at all.
    socket: Option<Box<Path>>,
    waiting: Mutex<Option<Greeted>>,
}

impl Spare {
    /// One to the containerd at `socket`, which is not made yet.
    pub fn to(socket: &Path) -> Spare {
        Spare { socket: Some(socket.into()), waiting: Mutex::new(None) }
    }

    /// Clients make their own connections.
    pub fn none() -> Spare {
        Spare { socket: None, waiting: Mutex::new(None) }
    }

    /// Makes one, unless one waits. Where containerd does not answer, it is tried again with the next client.
    pub fn fill(&self) {
        let Some(socket) = &self.socket else { return };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_none() {
            *waiting = Greeted::connect(socket).ok();
        }
    }

    /// The one that waits.
    pub(super) fn take(&self) -> Option<Greeted> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
