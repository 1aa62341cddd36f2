//! Asks the registries of an answer's candidates.
//!
//! Before: `explain --live` has an answer.  After: each candidate carries what its registry says.
//! Holds: the candidates of an image are asked at once and shown in their order; nothing is pulled.
//! Not here: asking (`registry`).

mod login;
mod way;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::answer::{Answer, Whose};
use crate::cli::{Exit, terminal};
use crate::config::Config;
use crate::policy::Name;
use crate::proxy::Proxies;
use crate::registry::{self, Failure, Found, Login, Network};
use crate::transport;
use crate::upstream::{Facts, Link};

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long containerd may take to say how it is set up.
const PATIENCE: Duration = Duration::from_secs(2);

const DIFFER: &str =
    "the candidates answer different digests: a mirror is out of date, or is of another registry";

/// What a registry says of a candidate. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    digest: Option<String>,
    media_type: Option<String>,
    size: Option<u64>,
    failure: Option<Failure>,
    error: Option<String>,
}

/// What asking takes.
pub(super) struct Live {
    network: Network,
    /// Where containerd looks for `hosts.toml`.
    roots: Vec<PathBuf>,
    runtime: Option<Runtime>,
}

impl Live {
    pub(super) fn new(config: &Config, timeout: Duration) -> Result<Self, Exit> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                terminal::complain(&error);
                Exit::Runtime
            })?;
        let socket = config.containerd.socket.as_path();
        let behind = runtime.block_on(Facts::proxies_behind(socket));
        // containerd's own environment, where it can be known; else the shell's.
        let proxies = Proxies::new(behind.unwrap_or_else(own_environment));
        let network = Network::new(proxies, CONNECT_TIMEOUT.min(timeout), timeout);
        let roots = match &config.containerd.config_path {
            Some(path) => vec![path.clone()],
            None => runtime.block_on(config_path(socket)),
        };
        Ok(Live { network, roots, runtime: Some(runtime) })
    }

    /// Asks for all candidates; whether one of them can serve.
    pub(super) fn ask(&self, answer: &mut Answer, config: &Config) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        let asking = answer.asked().map(|(reference, whose)| self.candidate(reference, whose, config));
        let outcomes = runtime.block_on(join_all(asking));
        let digests: BTreeSet<&str> = outcomes.iter().filter_map(|found| found.digest.as_deref()).collect();
        let (serves, differ) = (!digests.is_empty(), digests.len() > 1);
        let mut warnings = self.redirects(answer);
        warnings.extend(differ.then(|| DIFFER.to_owned()));
        answer.add_live(outcomes, warnings);
        serves
    }

    /// Where containerd would ask another host than is asked here.
    fn redirects(&self, answer: &Answer) -> Vec<String> {
        let names = answer.asked().filter_map(|(reference, _)| reference.parse::<Name>().ok());
        let hosts: BTreeSet<String> = names.map(|name| name.host().to_owned()).collect();
        let redirects = hosts.iter().filter_map(|host| Some((host, transport::redirect(&self.roots, host)?)));
        let text = |(host, redirect): (&String, transport::Redirect)| {
            let (file, to) = (redirect.file.display(), redirect.to.join(", "));
            format!(
                "containerd asks {to} instead of {host}, by {file}: a pull does not meet what is shown here"
            )
        };
        redirects.map(text).collect()
    }

    async fn candidate(&self, reference: &str, whose: Whose, config: &Config) -> Outcome {
        // A candidate's reference is a name that the policy has made.
        let Ok(name) = reference.parse::<Name>() else {
            return Outcome::failed(Failure::Config, format!("{reference} is no image reference"));
        };
        let login = match login::login(&name, whose, &config.credentials).await {
            Ok(login) => login,
            Err(outcome) => return outcome,
        };
        let ways = match way::ways(name.host(), &config.transport) {
            Ok(ways) => ways,
            Err(outcome) => return outcome,
        };
        let mut errors: Vec<(Failure, String)> = Vec::new();
        for access in ways {
            match registry::manifest(&name, &access, &login, &self.network).await {
                Ok(found) => return Outcome::found(found),
                Err(error) => errors.push((error.failure(), error.to_string())),
            }
        }
        // The last way is the one that containerd speaks of.
        let failure = errors.last().map_or(Failure::Config, |(failure, _)| *failure);
        let own = whose == Whose::Client && login == Login::Anonymous && failure == Failure::Unauthorized;
        let hint = if own { "; a pod's own credentials would go there, and are not known here" } else { "" };
        let errors: Vec<String> = errors.into_iter().map(|(_, error)| error).collect();
        Outcome::failed(failure, format!("{}{hint}", errors.join("; then ")))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The system's resolver may still be at a name that was given up, and would be waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where containerd looks for `hosts.toml`, where it says so at once.
async fn config_path(socket: &Path) -> Vec<PathBuf> {
    let link = Link::new(socket.into());
    let learned = tokio::time::timeout(PATIENCE, Facts::learn(&link)).await;
    learned.ok().and_then(Result::ok).unwrap_or_default().config_path
}

fn own_environment() -> Vec<(String, String)> {
    // Variables that are no text are none of the proxies'.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

impl Outcome {
    fn found(found: Found) -> Self {
        let Found { digest, media_type, size } = found;
        Outcome { digest: Some(digest), media_type: Some(media_type), size, failure: None, error: None }
    }

    fn failed(failure: Failure, error: String) -> Self {
        Outcome { digest: None, media_type: None, size: None, failure: Some(failure), error: Some(error) }
    }

    /// One line.
    pub(super) fn text(&self) -> String {
        match (&self.digest, &self.media_type, &self.error) {
            (Some(digest), Some(media_type), _) => format!("{digest} ({media_type})"),
            (_, _, error) => format!("error: {}", error.as_deref().unwrap_or_default()),
        }
    }
}
