//! Asks the registries of an answer's candidates.
//!
//! Before: `explain --live` has an answer.  After: each candidate carries what its registry says.
//! Holds: the candidates of an image are asked at once and shown in their order; nothing is pulled.
//! Not here: asking (`registry`).

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::answer::{Answer, Whose};
use crate::cli::{Exit, terminal};
use crate::config::Config;
use crate::credentials::{Credential, Credentials, Proof};
use crate::policy::Name;
use crate::proxy::Proxies;
use crate::registry::{self, Access, Failure, Found, Login, Network, Scheme};
use crate::secret::Secret;
use crate::transport::{Reach, Wanted};
use crate::upstream::Facts;

/// How long a connection may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    credentials: Credentials,
    transport: Wanted,
    runtime: Option<Runtime>,
}

impl Live {
    pub(super) fn new(config: &Config, timeout: Duration) -> Result<Self, Exit> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                terminal::complain(&error);
                Exit::Runtime
            })?;
        let behind = runtime.block_on(Facts::proxies_behind(config.containerd.socket.as_path()));
        // containerd's own environment, where it can be known; else the shell's.
        let proxies = Proxies::new(behind.unwrap_or_else(own_environment));
        let network = Network::new(proxies, CONNECT_TIMEOUT.min(timeout), timeout);
        let (credentials, transport) = (config.credentials.clone(), config.transport.clone());
        Ok(Live { network, credentials, transport, runtime: Some(runtime) })
    }

    /// Asks for all candidates; whether one of them can serve.
    pub(super) fn ask(&self, answer: &mut Answer) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        let asking = answer.asked().map(|(reference, whose)| self.candidate(reference, whose));
        let outcomes = runtime.block_on(join_all(asking));
        let digests: BTreeSet<&str> = outcomes.iter().filter_map(|found| found.digest.as_deref()).collect();
        let (serves, differ) = (!digests.is_empty(), digests.len() > 1);
        let warning =
            "the candidates answer different digests: a mirror is out of date, or is of another registry";
        answer.add_live(outcomes, differ.then(|| warning.to_owned()).into_iter().collect());
        serves
    }

    async fn candidate(&self, reference: &str, whose: Whose) -> Outcome {
        // A candidate's reference is a name that the policy has made.
        let Ok(name) = reference.parse::<Name>() else {
            return Outcome::failed(Failure::Config, format!("{reference} is no image reference"));
        };
        let (access, login) = match self.way(&name, whose).await {
            Ok(way) => way,
            Err(reason) => return Outcome::failed(Failure::Config, reason),
        };
        match registry::manifest(&name, &access, &login, &self.network).await {
            Ok(found) => Outcome::found(found),
            Err(error) => {
                let own = whose == Whose::Client
                    && login == Login::Anonymous
                    && error.failure() == Failure::Unauthorized;
                let hint =
                    if own { "; a pod's own credentials would go there, and are not known here" } else { "" };
                Outcome::failed(error.failure(), format!("{error}{hint}"))
            }
        }
    }

    /// The transport and the login of a candidate: the one place where configuration meets the registry
    /// client. Where the node's login is for clients with one of their own, it is shown with it.
    async fn way(&self, name: &Name, whose: Whose) -> Result<(Access, Login), String> {
        let host = name.host();
        let access = match self.transport.needs_of(host).is_empty() {
            true => Access::of(host),
            false => access(self.transport.reach(host))?,
        };
        let found = match whose {
            Whose::None | Whose::Client => None,
            Whose::Node | Whose::NodeWithClient => {
                self.credentials.for_target(name).await.map_err(|error| error.to_string())?
            }
        };
        let Some(Credential { username, proof, source }) = found else {
            return Ok((access, Login::Anonymous));
        };
        let login = match proof {
            Proof::Password(password) => Login::Password { username: username.unwrap_or_default(), password },
            Proof::IdentityToken(token) => Login::IdentityToken(token),
            Proof::RegistryToken(_) => {
                return Err(format!(
                    "no login for {host}: {source}: containerd cannot present a registry token"
                ));
            }
        };
        Ok((access, login))
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

/// What containerd is told of a host, for the registry client.
fn access(reach: Reach) -> Result<Access, String> {
    let read = |(name, value): &(String, crate::transport::HeaderValue)| -> Result<(String, Secret), String> {
        let value = value.read().map_err(|error| format!("the header {name}: {error}"))?;
        Ok((name.clone(), value))
    };
    Ok(Access {
        scheme: match reach.schemes.as_slice() {
            ["http"] => Scheme::Http,
            ["https", "http"] => Scheme::HttpsElseHttp,
            _ => Scheme::Https,
        },
        host: reach.host,
        root: reach.api_root.unwrap_or_else(|| "/v2".to_owned()),
        namespace: None,
        ca: reach.ca,
        client_cert: reach.client.into_iter().next(),
        skip_verify: reach.skip_verify,
        headers: reach.headers.iter().map(read).collect::<Result<_, _>>()?,
    })
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
