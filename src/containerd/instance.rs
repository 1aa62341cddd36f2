//! One containerd: the connections to it, and what was learned of it.
//!
//! `watch` writes down what it learns; handlers read it, or wait for it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, watch};

use super::{Cri, Facts, Link, Store};
use crate::policy::Name;

/// The containerd that the shunt stands in front of.
pub struct Containerd {
    /// For calls of the shunt's own; each client connection has its own link.
    pub link: Link,
    /// CRI questions of the shunt's own.
    pub cri: Cri,
    /// containerd's stores.
    pub store: Store,
    /// Notified when the pause image's name was removed.
    pub pause_image_removed: Notify,
    facts: watch::Sender<Option<Arc<Facts>>>,
}

impl Containerd {
    /// The containerd that listens on `socket`. Nothing is asked of it yet.
    pub fn new(socket: Arc<Path>) -> Self {
        let link = Link::new(socket);
        Self {
            cri: Cri::new(link.clone()),
            store: Store::new(link.clone()),
            link,
            pause_image_removed: Notify::new(),
            facts: watch::Sender::new(None),
        }
    }

    /// What was learned of it so far.
    pub fn facts(&self) -> Arc<Facts> {
        self.facts.borrow().clone().unwrap_or_default()
    }

    /// What was learned of it; waits until it is.
    pub async fn known_facts(&self) -> Arc<Facts> {
        let mut facts = self.facts.subscribe();
        // The sender lives in `self`, so waiting ends with a value.
        match facts.wait_for(Option::is_some).await {
            Ok(facts) => facts.clone().unwrap_or_default(),
            Err(_) => Arc::default(),
        }
    }

    /// Whether it answers questions of the CRI.
    pub fn answers(&self) -> bool {
        self.facts.borrow().is_some()
    }

    /// What was learned of it, as it changes; none while it does not answer.
    pub fn watch_facts(&self) -> watch::Receiver<Option<Arc<Facts>>> {
        self.facts.subscribe()
    }

    /// Notes how it is set up.
    pub fn learned(&self, facts: Facts) {
        self.facts.send_replace(Some(Arc::new(facts)));
    }

    /// Forgets how it was set up: it has ended, and may come back with another configuration.
    pub fn forget_facts(&self) {
        self.facts.send_replace(None);
    }

    /// The pause image's name, where it is known.
    pub fn pause_image(&self) -> Option<Name> {
        self.facts().pause_image.as_deref()?.parse().ok()
    }
}
