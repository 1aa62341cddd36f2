//! What `explain --live` is made of: the registry client against registries of every sort.
//!
//! Before: `cri_shunt::inside::registry`.  After: an administrator reads why a pull fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod command;
mod login;
mod node;
mod privacy;
mod proxies;
mod tls;
mod tokens;
mod transport;

use std::time::Duration;

use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::policy::Name;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{self, Access, Login, Network, Scheme};

use support::registry::Registry;
use tokio::time::Instant;

/// How long a step may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

fn network() -> Network {
    Network::new(Proxies::default(), PATIENCE, PATIENCE)
}

/// The way to a host in plain http.
fn plain(host: &str) -> Access {
    Access { scheme: Scheme::Http, ..Access::of(host) }
}

fn user(username: &str, password: &str) -> Login {
    Login::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

/// The digest, or the error's sort and text with the host's changing port left out.
async fn ask_through(name: &str, access: &Access, login: &Login, network: &Network) -> String {
    let name: Name = name.parse().unwrap();
    match registry::manifest(&name, access, login, network, Instant::now() + network.timeout).await {
        Ok(found) => format!("{} {}", found.digest, found.media_type),
        Err(error) => {
            let failure = serde_json::to_value(error.failure()).unwrap();
            format!("{}: {error}", failure.as_str().unwrap()).replace(&access.host, "HOST")
        }
    }
}

async fn ask(name: &str, access: &Access, login: &Login) -> String {
    ask_through(name, access, login, &network()).await
}

/// A registry in which `repository:1` is, and what asking for it answers.
fn stored(repository: &str) -> Option<(&'static Registry, String)> {
    let registry = Registry::shared()?;
    let image = support::image::Image::busybox(repository);
    let digest = registry.push(repository, "1", &image);
    Some((registry, format!("{digest} {}", image.media_type())))
}
