//! The registry client against registries of every sort, and `explain --live`, which asks through it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod command;
mod content;
mod doctor;
mod guards;
mod kept;
mod kept_files;
mod limits;
mod login;
mod node;
mod privacy;
mod proxies;
mod tls;
mod tokens;
mod transport;
mod verdicts;

use cri_shunt::inside::files::secret::Secret;
use cri_shunt::inside::policy::Name;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Client, Endpoint, Limits, Login, Refusal, Resolve, Resolved};

use std::time::Duration;

use support::PATIENCE;
use support::http1::Message;
use support::registry::Registry;
use support::scripted::{Reply, reply};
use tokio::time::Instant;

fn client() -> Client {
    client_through(Proxies::default(), PATIENCE)
}

fn client_through(proxies: Proxies, connect: Duration) -> Client {
    Client::new(proxies, Limits { connect })
}

/// The way to a host in plain http.
fn plain(host: &str) -> Endpoint {
    Endpoint { host: host.to_owned(), schemes: vec!["http"], ..Endpoint::default() }
}

/// A registry that names `realm` as its token server.
fn naming(realm: String) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
    move |_| {
        let challenge = format!(r#"Bearer realm="{realm}",service="s""#);
        reply(401, &[("WWW-Authenticate", &challenge)], "")
    }
}

fn user(username: &str, password: &str) -> Login {
    Login::Password { username: username.to_owned(), password: Secret::new(password.to_owned()) }
}

async fn resolve(
    client: &Client,
    name: &str,
    endpoint: &Endpoint,
    login: &Login,
    time: Duration,
) -> Result<Resolved, Refusal> {
    let name: Name = name.parse().unwrap();
    let reference = name.digest().or(name.tag()).unwrap();
    let end = Instant::now() + time;
    client
        .resolve(&Resolve { endpoint, repository: name.path(), reference, warm: None, ns: None, login, end })
        .await
}

/// The digest, or the error's sort and text with the host's changing port left out.
async fn ask_within(
    name: &str,
    endpoint: &Endpoint,
    login: &Login,
    client: &Client,
    time: Duration,
) -> String {
    match resolve(client, name, endpoint, login, time).await {
        Ok(found) => format!("{} {}", found.digest, found.media_type),
        Err(error) => told(&error).replace(&endpoint.host, "HOST"),
    }
}

fn told(error: &Refusal) -> String {
    let failure = serde_json::to_value(error.failure()).unwrap();
    format!("{}: {error}", failure.as_str().unwrap())
}

async fn ask_through(name: &str, endpoint: &Endpoint, login: &Login, client: &Client) -> String {
    ask_within(name, endpoint, login, client, PATIENCE).await
}

async fn ask(name: &str, endpoint: &Endpoint, login: &Login) -> String {
    ask_through(name, endpoint, login, &client()).await
}

/// A registry in which `repository:1` is, and what asking for it answers.
fn stored(repository: &str) -> Option<(&'static Registry, String)> {
    let registry = Registry::shared()?;
    let image = support::image::Image::busybox(repository);
    let digest = registry.push(repository, "1", &image);
    Some((registry, format!("{digest} {}", image.media_type())))
}
