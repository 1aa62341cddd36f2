//! Asks the registries of an answer's candidates.
//!
//! Before: `explain --live` has an answer.  After: each candidate carries what its registry says.
//! Holds: the candidates of an image are asked at once and shown in their order; nothing is pulled.
//! Not here: asking (`registry`).

mod endpoint;
mod login;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Whose};
use crate::cli::{Exit, facts, terminal};
use crate::config::Config;
use crate::containerd::Facts;
use crate::containerd::hosts::{self, Wanted};
use crate::policy::Name;
use crate::registry::proxy::Proxies;
use crate::registry::{self, Failure, Found, Login, Network};

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Why it reads none.
    blind: Option<String>,
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
        let proxies = behind.unwrap_or_else(|| Proxies::new(own_environment()));
        let network = Network::new(proxies, CONNECT_TIMEOUT.min(timeout), timeout);
        let facts = runtime.block_on(facts::facts(config));
        let blind = hosts::set_up(&facts.version, facts.config_known, &facts.config_path);
        Ok(Live { network, roots: facts.config_path, blind, runtime: Some(runtime) })
    }

    /// Asks for all candidates; whether one of them can serve.
    pub(super) fn ask(&self, answer: &mut Answer, config: &Config) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        let asking = answer.asked().map(|(reference, whose)| self.candidate(reference, whose, config));
        let outcomes = runtime.block_on(join_all(asking));
        let digests: BTreeSet<&str> = outcomes.iter().filter_map(|found| found.digest.as_deref()).collect();
        let (serves, differ) = (!digests.is_empty(), digests.len() > 1);
        let mut warnings = self.differences(answer, &config.transport);
        warnings.extend(differ.then(|| DIFFER.to_owned()));
        answer.add_live(outcomes, warnings);
        serves
    }

    /// Where containerd would not ask as is asked here.
    fn differences(&self, answer: &Answer, wanted: &Wanted) -> Vec<String> {
        let names = answer.asked().filter_map(|(reference, _)| reference.parse::<Name>().ok());
        let hosts: BTreeSet<String> = names.map(|name| name.host().to_owned()).collect();
        hosts.iter().filter_map(|host| self.difference(host, wanted)).collect()
    }

    fn difference(&self, host: &str, wanted: &Wanted) -> Option<String> {
        let what = if let Some(redirect) = hosts::redirect(&self.roots, host) {
            let (file, to) = (redirect.file.display(), redirect.to.join(", "));
            format!("containerd asks {to} instead of {host}, by {file}")
        } else if let Some(path) = hosts::differing(&self.roots, host, wanted) {
            format!("containerd asks {host} by {}, which is not what is asked by here", path.display())
        } else {
            let why = self.blind.as_ref()?;
            let needs: Vec<String> = wanted.needs_of(host).iter().map(|need| need.what.to_string()).collect();
            if needs.is_empty() {
                return None;
            }
            return Some(format!("containerd is not told that {host} needs {}: {why}", needs.join(", ")));
        };
        Some(format!("{what}: a pull does not meet what is shown here"))
    }

    async fn candidate(&self, reference: &str, whose: Whose, config: &Config) -> Outcome {
        // A candidate's reference is a name that the policy has made.
        let Ok(name) = reference.parse::<Name>() else {
            return Outcome::failed(Failure::Config, format!("{reference} is no image reference"));
        };
        // One limit for all that a candidate takes.
        let end = Instant::now() + self.network.timeout;
        let login = match timeout_at(end, login::login(&name, whose, &config.credentials)).await {
            Ok(Ok(login)) => login,
            Ok(Err(outcome)) => return outcome,
            Err(_) => {
                let error = format!("no login for {} in the time that a candidate has", name.host());
                return Outcome::failed(Failure::Timeout, error);
            }
        };
        let ways = match endpoint::ways(name.host(), &config.transport) {
            Ok(ways) => ways,
            Err(outcome) => return outcome,
        };
        let mut errors: Vec<(Failure, String)> = Vec::new();
        for access in ways {
            match registry::manifest(&name, &access, &login, &self.network, end).await {
                Ok(found) => return Outcome::found(found),
                Err(error) => errors.push((error.failure(), error.to_string())),
            }
            if Instant::now() >= end {
                break;
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
