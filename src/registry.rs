//! Asks a registry for a manifest as containerd would, and says what came of it.
//!
//! Before: `explain --live` has a candidate, the transport to it and a login.  After: a digest, or an error
//! that a person can act on.
//! Holds: a secret goes to the host that it was given for, and to the token server that this host names;
//! never to a redirect's target on another host, and never in plain text where the registry is asked over
//! TLS. What others say is repeated without it. Nothing is written anywhere; requests are HEAD, and GET only
//! where HEAD leaves a question open.
//! Not here: which candidates there are (`policy`), whose secret it is (`credentials`).
//!
//! Facts: containerd `core/remotes/docker` (`resolver.go`, `authorizer.go`, `config/hosts.go`).

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::time::Instant;

mod access;
mod answer;
pub mod challenge;
mod connect;
mod endpoint;
mod error;
mod exchange;
mod login;
pub mod proxy;
mod redirect;
mod secrets;
mod tls;
pub mod token;
mod trust;
mod url;

pub use access::{Access, Login, Network, Scheme};
pub use answer::Found;
pub use endpoint::{Endpoint, HeaderValue};
pub use error::{Failure, Refusal};
pub use exchange::Reply;
pub use url::Url;

use self::answer::Verdict;
use self::connect::Wire;
use self::error::{RegistryError, TlsProblem};
use self::exchange::Answer;
use self::login::Session;
use self::secrets::Secrets;
use crate::policy::Name;

/// How long the request may take that only adds to an error.
const REASON_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks for the manifest of `name`, until `end`.
///
/// # Errors
/// Why there is none, or none that containerd would take.
pub async fn manifest(
    name: &Name,
    access: &Access,
    login: &Login,
    network: &Network,
    end: Instant,
) -> Result<Found, Refusal> {
    let secrets = Arc::new(Secrets::of(access, login));
    let told = |error: RegistryError| error.told(&secrets);
    let wire = Wire::new(access, network, Arc::clone(&secrets)).map_err(told)?;
    let asked = tokio::time::timeout_at(end, ask(name, access, login, &wire)).await;
    let slow = |_| Err(RegistryError::TooSlow { doing: wire.doing(), limit: network.timeout });
    asked.unwrap_or_else(slow).map_err(told)
}

async fn ask(name: &Name, access: &Access, login: &Login, wire: &Wire) -> Result<Found, RegistryError> {
    let reference = name.digest().or(name.tag()).unwrap_or("latest");
    let url = access.url(&format!("{}/manifests/{reference}", name.path()))?;
    let result = ask_at(&url, name, access, login, wire).await;
    let speaks_no_tls = |error: &RegistryError| matches!(error, RegistryError::Tls { host, problem: TlsProblem::NotSpoken } if *host == url.authority());
    match result {
        // On the loopback containerd finds out by trying.
        Err(error) if access.scheme == Scheme::HttpsElseHttp && speaks_no_tls(&error) => {
            ask_at(&url.in_plain_http(), name, access, login, wire).await
        }
        result => result,
    }
}

async fn ask_at(
    url: &Url,
    name: &Name,
    access: &Access,
    login: &Login,
    wire: &Wire,
) -> Result<Found, RegistryError> {
    let mut session = Session::new(login, access, name.path())?;
    let head = session.ask(wire, Method::HEAD, url).await?;
    match answer::of_head(&head, name)? {
        Verdict::Found(found) => Ok(found),
        Verdict::AskAgain => answer::of_get(&session.ask(wire, Method::GET, url).await?, name),
        Verdict::AskWhy => {
            let get = tokio::time::timeout(REASON_TIMEOUT, session.ask(wire, Method::GET, url)).await;
            Err(answer::reason(&head, get.ok().and_then(Result::ok).as_ref()))
        }
    }
}

/// Reads the answers of a registry to HEAD and to GET as [`manifest`] would.
///
/// # Errors
/// As there, but for what can only befall a connection.
pub fn judge(name: &Name, access: &Access, login: &Login, [head, get]: [Reply; 2]) -> Result<Found, Refusal> {
    let secrets = Arc::new(Secrets::of(access, login));
    let judged = || {
        let url = access.url(name.path())?;
        let [head, get] = [head, get].map(|reply| Answer::new(url.clone(), reply, Arc::clone(&secrets)));
        match answer::of_head(&head, name)? {
            Verdict::Found(found) => Ok(found),
            Verdict::AskAgain => answer::of_get(&get, name),
            Verdict::AskWhy => Err(answer::reason(&head, Some(&get))),
        }
    };
    judged().map_err(|error: RegistryError| error.told(&secrets))
}
