//! A client's credentials, bound to the registry that they are for.
//!
//! This is for a pull that goes on as it came: containerd then offers them to that registry alone, and not to mirrors that
//! a `hosts.toml` names before it.
//!
//! Holds: the file on the disk counts, because containerd reads it, and not the plan. If the file cannot be read in time,
//! the credentials are bound. If the client has bound them itself, its host stays; nothing else in the request changes.
//! Nothing is read for a pull without credentials. Where the policy is only observed and no rule is for the image, only a
//! file of the shunt's own counts, which an earlier policy has left until it is removed.
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
pub(super) const LOOK_WITHIN: Duration = Duration::from_secs(5);

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
        let is_enforced = !self.rule.is_observing();
        let look = async {
            let facts = self.state.containerd.known_facts().await;
            if facts.roots == Roots::Unknown {
                // It is not known where its files would be. If a fence is wanted, there may be one.
                return is_enforced && self.generation.transport.fence();
            }
            if self.generation.transport.fence() && !mirrors.is_empty() {
                // containerd reads the file more than once in a pull: one that is about to be written counts.
                self.state.synced(&host).await;
            }
            let look = move || leads_to(facts.roots.read(), &host, &mirrors);
            tokio::task::spawn_blocking(look).await.unwrap_or(is_enforced)
        };
        tokio::time::timeout(LOOK_WITHIN, look).await.unwrap_or(is_enforced)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use k8s_cri::v1::{AuthConfig, PullImageRequest};
    use prost::Message;

    use crate::policy::{Mode, Policy, Settings};
    use crate::pull::fixture::Parts;
    use crate::state::fixture;

    /// The policy before had a fence, and its file is not removed yet.
    #[tokio::test]
    async fn in_an_observed_policy_only_a_file_that_was_left_binds_a_login() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { mode: Mode::Observe, ..Settings::default() };
        let whole = Policy::new(Vec::new(), settings).unwrap();
        let auth = AuthConfig { username: "ann".into(), password: "pw".into(), ..AuthConfig::default() };
        let message = PullImageRequest { auth: Some(auth), ..PullImageRequest::default() };
        let parts = Parts::new(dir.path(), whole.into_acting().0, "q.dev/a:1", &message);
        parts.state.containerd.learned(fixture::facts(dir.path()));
        std::fs::create_dir(dir.path().join("q.dev")).unwrap();
        for (first_line, is_bound) in [("# Written by cri-shunt", true), ("# Somebody else's", false)] {
            let text = format!("{first_line}\n[host.'https://m.dev']\n");
            std::fs::write(dir.path().join("q.dev/hosts.toml"), text).unwrap();
            let sent = parts.pull().bound("q.dev", &parts.message).await.unwrap();
            let auth = PullImageRequest::decode(sent.as_slice()).unwrap().auth.unwrap();
            let expected = if is_bound { "https://q.dev" } else { "" };
            assert_eq!(auth.server_address, expected, "{first_line}");
        }
    }
}
