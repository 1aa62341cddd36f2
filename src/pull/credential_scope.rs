//! A client's credentials, bound to the registry that they are for.
//!
//! Before: `route` has a request that carries them.  After: containerd offers them to that registry alone, and not
//! to the mirrors that a `hosts.toml` names before it.
//! Holds: what counts is the file that is there, for that is what containerd reads, whatever is planned; where the
//! look does not come to an end, they are bound. A client that has bound them itself keeps its word; nothing else in the
//! request changes. Nothing is read for a pull without credentials.
//!
//! Source: containerd `internal/cri/server/images/image_pull.go`, `ParseAuth`: with `server_address`, the host
//! that is asked must be the one of that URL.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Pull;
use super::auth::{has_credentials, in_auth};
use crate::containerd::hosts::{fold, leads_to};
use crate::policy::{Action, RuleRef};
use crate::wire::{self, WireError, cri};

/// How long the look may take. It needs what was learned of containerd, which comes as soon as that answers.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

impl Pull<'_> {
    /// The message with the client's credentials for `host` alone, where containerd would offer them to others, too.
    pub(super) async fn bound(
        &self,
        rule: &RuleRef<'_>,
        host: &str,
        message: &[u8],
    ) -> Result<Vec<u8>, WireError> {
        if !wants_binding(message)? || !self.led_elsewhere(rule, host).await {
            return Ok(message.to_vec());
        }
        bind(message, &self.generation.transport.asked_host(host))
    }

    async fn led_elsewhere(&self, rule: &RuleRef<'_>, host: &str) -> bool {
        let (mirrors, host) = (mirrors(rule, host), host.to_owned());
        let look = async {
            let facts = self.state.containerd.known_facts().await;
            if facts.config_path.is_empty() && !facts.config_known {
                // Nobody knows where its files would be. Where a fence is wanted, one may stand there.
                return self.generation.transport.fence();
            }
            if self.generation.transport.fence() && !mirrors.is_empty() {
                // containerd reads the file more than once in a pull: one that is about to be written counts.
                self.state.told(&host).await;
            }
            let look = move || leads_to(&facts.config_path, &host, &mirrors);
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

/// Whether there are credentials, and for any host.
fn wants_binding(message: &[u8]) -> Result<bool, WireError> {
    let address = wire::get(message, &in_auth(cri::auth_config::SERVER_ADDRESS))?;
    Ok(address.is_none_or(<[u8]>::is_empty) && has_credentials(message)?)
}

/// The request with its credentials for `host` alone, as containerd asks it.
fn bind(message: &[u8], host: &str) -> Result<Vec<u8>, WireError> {
    let address = format!("https://{host}");
    wire::set(message, &in_auth(cri::auth_config::SERVER_ADDRESS), address.as_bytes())
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{AuthConfig, ImageSpec, PullImageRequest};
    use prost::Message;

    use super::*;

    fn request(auth: Option<AuthConfig>) -> Vec<u8> {
        let image = Some(ImageSpec { image: "q.io/a/b:1".to_owned(), ..ImageSpec::default() });
        PullImageRequest { image, auth, sandbox_config: None }.encode_to_vec()
    }

    #[test]
    fn credentials_that_are_for_no_host_want_to_be_bound() {
        let given = |username: &str, address: &str| {
            Some(AuthConfig {
                username: username.to_owned(),
                server_address: address.to_owned(),
                ..AuthConfig::default()
            })
        };
        let rows = [
            (None, false),
            (given("", ""), false),
            (given("ann", ""), true),
            (given("ann", "https://else"), false),
        ];
        for (auth, expected) in rows {
            assert_eq!(wants_binding(&request(auth.clone())).unwrap(), expected, "{auth:?}");
        }
    }

    #[test]
    fn credentials_in_several_pieces_are_bound_whole() {
        let piece = |auth: AuthConfig| wire::append(&[], 2, &auth.encode_to_vec());
        let name = AuthConfig { username: "ann".to_owned(), ..AuthConfig::default() };
        let password = AuthConfig { password: "pw".to_owned(), ..AuthConfig::default() };
        let message = [request(None), piece(name), piece(password)].concat();
        assert!(wants_binding(&message).unwrap());
        let bound = bind(&message, "registry-1.docker.io").unwrap();
        assert!(!wants_binding(&bound).unwrap());
        let bound = PullImageRequest::decode(bound.as_slice()).unwrap();
        assert_eq!(bound.image.unwrap().image, "q.io/a/b:1");
        let auth = bound.auth.unwrap();
        let address = "https://registry-1.docker.io";
        assert_eq!(
            (auth.username.as_str(), auth.password.as_str(), auth.server_address.as_str()),
            ("ann", "pw", address)
        );
    }
}
