//! How much one client may have open, and all together.
//!
//! A client is a process. What it may not have any more is refused to it alone: so a program that loses connections, or
//! does not read its answers, takes nothing from others. `docs/specification.md` has the sum of all these.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tonic::Status;

use crate::containerd::{Share, Taken, Windows};

/// Calls that one connection may have under way. kubelet has one for each exec probe, hook and container that it stops.
const CALLS_OF_CONNECTION: u32 = 1024;
/// The same for connections beyond the first few of a process, which have small windows too.
const CALLS_OF_MORE: u32 = 64;
/// Calls of one process, and of all.
const CALLS_OF_PROCESS: usize = 2048;
const CALLS: usize = 4096;
/// Connections of one process, and of all.
const CONNECTIONS_OF_PROCESS: usize = 256;
const CONNECTIONS: usize = 1024;
/// Connections with large windows, of one process and of all.
const LARGE_OF_PROCESS: usize = 4;
const LARGE: usize = 32;
/// Bytes of whole messages and answers, of one process and of all. One message of the longest kind takes 48 MiB.
const MESSAGES_OF_PROCESS: usize = 64 << 20;
const MESSAGES: usize = 128 << 20;

/// What all clients have open.
pub struct Limits {
    all: Allowance,
    processes: HashMap<Option<i32>, Weak<Allowance>>,
}

/// What may be open at the same time.
struct Allowance {
    connections: Arc<Share>,
    large: Arc<Share>,
    calls: Arc<Share>,
    messages: Arc<Share>,
}

/// A connection that is let in, for as long as this lives.
pub struct Admitted {
    process: Arc<Allowance>,
    _connection: Taken,
    large: Option<Taken>,
}

impl Limits {
    /// Nothing is open.
    pub fn new() -> Self {
        let all = Allowance {
            connections: Share::new(CONNECTIONS),
            large: Share::new(LARGE),
            calls: Share::new(CALLS),
            messages: Share::new(MESSAGES),
        };
        Self { all, processes: HashMap::new() }
    }

    /// Lets in one more connection of the process `pid`, unless it has too many, or all have.
    pub fn admit(&mut self, pid: Option<i32>) -> Option<Admitted> {
        let known = self.processes.get(&pid).and_then(Weak::upgrade);
        let process = known.unwrap_or_else(|| {
            self.processes.retain(|_, process| process.strong_count() > 0);
            let process = Arc::new(Allowance {
                connections: self.all.connections.part(CONNECTIONS_OF_PROCESS),
                large: self.all.large.part(LARGE_OF_PROCESS),
                calls: self.all.calls.part(CALLS_OF_PROCESS),
                messages: self.all.messages.part(MESSAGES_OF_PROCESS),
            });
            self.processes.insert(pid, Arc::downgrade(&process));
            process
        });
        let connection = process.connections.take(1)?;
        let large = process.large.take(1);
        Some(Admitted { process, _connection: connection, large })
    }
}

impl Admitted {
    /// What may be on the way on this connection, in each direction.
    pub fn windows(&self) -> Windows {
        if self.large.is_some() { Windows::LARGE } else { Windows::SMALL }
    }

    /// How many calls it may have under way.
    pub fn calls(&self) -> u32 {
        if self.large.is_some() { CALLS_OF_CONNECTION } else { CALLS_OF_MORE }
    }

    /// One more call, unless the process has too many, or all have.
    pub fn call(&self) -> Option<Taken> {
        self.process.calls.take(1)
    }

    /// The memory for its messages.
    pub fn messages(&self) -> Arc<Share> {
        self.process.messages.clone()
    }
}

/// The refusal of a call.
pub fn too_many() -> Status {
    Status::resource_exhausted("cri-shunt: this client has too many calls under way; ask again later")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_process_leaves_room_for_others() {
        let mut limits = Limits::new();
        let mut open: Vec<_> = std::iter::from_fn(|| limits.admit(Some(1))).collect();
        assert_eq!(open.len(), CONNECTIONS_OF_PROCESS);
        let large = |open: &[Admitted]| open.iter().filter(|one| one.windows() == Windows::LARGE).count();
        assert_eq!(large(&open), LARGE_OF_PROCESS);
        let calls: Vec<_> = std::iter::from_fn(|| open[0].call()).collect();
        assert_eq!(calls.len(), CALLS_OF_PROCESS);
        assert!(open[9].call().is_none());

        let other = limits.admit(Some(2)).unwrap();
        assert!(other.call().is_some());
        assert_eq!(other.windows(), Windows::LARGE);

        // What it closes it can open again.
        open.pop();
        assert!(limits.admit(Some(1)).is_some());
    }

    #[test]
    fn what_has_gone_leaves_nothing() {
        let mut limits = Limits::new();
        for pid in 0..3000 {
            assert!(limits.admit(Some(pid)).is_some());
        }
        assert_eq!(limits.processes.len(), 1);
        let open: Vec<_> = (0..3000).map_while(|pid| limits.admit(Some(pid))).collect();
        assert_eq!(open.len(), CONNECTIONS);
        assert_eq!(open.iter().filter(|one| one.windows() == Windows::LARGE).count(), LARGE);
    }
}
