//! A client's credentials, bound to the registry that they are for.
//!
//! This is for a pull that goes on as it came: containerd then offers them to that registry alone, and not to mirrors that
//! a `hosts.toml` names before it.
//!
//! Holds: the file on the disk counts, because containerd reads it, and not the plan. If the file cannot be read in time,
//! the credentials are bound. If the client has bound them itself, its host stays; nothing else in the request changes.
//! Nothing is read for a pull without credentials.
//!
//! Source: containerd `internal/cri/server/images/image_pull.go`, `ParseAuth`: with `server_address`, the host
//! that is asked must be the one of that URL.

use std::collections::BTreeSet;
use std::time::Duration;

use super::auth::{bind, wants_binding};
use super::under_way::Pull;
use crate::containerd::Roots;
use crate::containerd::hosts::{fold, leads_to};
use crate::policy::{Action, RuleRef};
use crate::wire::WireError;

/// How long the look may take. It needs what was learned of containerd, which comes as soon as that answers.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Pull<'_> {
    /// The message with the client's credentials for `host` alone, where containerd would offer them to others, too.
    pub(super) async fn bound(&self, host: &str, message: &[u8]) -> Result<Vec<u8>, WireError> {
        if !wants_binding(message)? || !self.led_elsewhere(host).await {
            return Ok(message.to_vec());
        }
        bind(message, &self.generation.transport.asked_host(host))
    }

    async fn led_elsewhere(&self, host: &str) -> bool {
        let (mirrors, host) = (mirrors(&self.rule, host), host.to_owned());
        let look = async {
            let facts = self.state.containerd.known_facts().await;
            if facts.roots == Roots::Unknown {
                // It is not known where its files would be. If a fence is wanted, there may be one.
                return self.generation.transport.fence();
            }
            if self.generation.transport.fence() && !mirrors.is_empty() {
                // containerd reads the file more than once in a pull: one that is about to be written counts.
                self.state.synced(&host).await;
            }
            let look = move || leads_to(facts.roots.read(), &host, &mirrors);
            tokio::task::spawn_blocking(look).await.unwrap_or(true)
        };
        tokio::time::timeout(LOOK_WITHIN, look).await.unwrap_or(true)
    }
}

/// The registries that the rule leads to and that are not `host`.
fn mirrors(rule: &RuleRef<'_>, host: &str) -> BTreeSet<String> {
    let Some(Action::Route(route)) = rule.rule().map(|rule| &rule.action) else { return BTreeSet::new() };
    let mut hosts: BTreeSet<String> =
        route.mirrors.iter().map(|mirror| fold(mirror.location.host())).collect();
    hosts.remove(&fold(host));
    hosts
}
