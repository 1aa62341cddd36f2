//! One pull: asks the daemon as a client of CRI, and then where the image came from.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Instant, SystemTime};

use k8s_cri::v1;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use prost_types::Timestamp;
use serde::Deserialize;
use tonic::Status;

use super::names::Wanted;
use super::result::Pulled;
use crate::containerd::{Download, Link, Store};
use crate::credentials::{Credential, Credentials, Proof};
use crate::files::secret::Secret;
use crate::pull::lookup::INFO_KEY;

/// Pulls images through one daemon.
pub(super) struct Puller {
    link: Link,
    store: Store,
    namespace: String,
    logins: Credentials,
}

/// Where an image came from, as the daemon says it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Provenance {
    registry: Option<String>,
    reference: Option<String>,
    rule: Option<String>,
    time: Option<String>,
    tried: Option<String>,
    answered_in_outage: Option<String>,
}

impl Puller {
    pub(super) fn new(socket: &Path, store: Store, namespace: String, logins: Credentials) -> Self {
        Puller { link: Link::new(socket.into()), store, namespace, logins }
    }

    /// Pulls one image.
    pub(super) async fn pull(&self, wanted: Wanted) -> Pulled {
        let (begin, since) = (Instant::now(), SystemTime::now());
        let mut pulled = match self.ask(&wanted).await {
            Ok(id) => self.tell(&wanted, id, since).await,
            Err((code, error)) => Pulled { outcome: "failed", code, error: Some(error), ..Pulled::default() },
        };
        pulled.seconds = begin.elapsed().as_secs_f64();
        Pulled { name: wanted.name.as_str().to_owned(), input: wanted.input, ..pulled }
    }

    /// The image's id; or the code and the words of the failure.
    async fn ask(&self, wanted: &Wanted) -> Result<String, (Option<String>, String)> {
        let name = &wanted.name;
        let login = self.logins.for_target(name).await.map_err(|error| (None, format!("{name}: {error}")))?;
        let pod = v1::PodSandboxMetadata { namespace: self.namespace.clone(), ..Default::default() };
        let request = v1::PullImageRequest {
            image: Some(v1::ImageSpec { image: wanted.input.clone(), ..Default::default() }),
            auth: login.as_ref().map(auth),
            sandbox_config: (!self.namespace.is_empty())
                .then(|| v1::PodSandboxConfig { metadata: Some(pod), ..Default::default() }),
        };
        match ImageServiceClient::new(self.link.clone()).pull_image(request).await {
            Ok(answer) => Ok(answer.into_inner().image_ref),
            Err(status) => Err((Some(format!("{:?}", status.code())), self.words(name.as_str(), &status))),
        }
    }

    /// The daemon's errors name the image; those of the way to it do not.
    fn words(&self, name: &str, status: &Status) -> String {
        // The way to the daemon is the one to containerd, whose errors speak of containerd.
        let away = format!("containerd is not reachable on {}", self.link.socket().display());
        let text = match status.message().strip_prefix(&away) {
            Some(rest) => format!("cri-shunt is not reachable on {}{rest}", self.link.socket().display()),
            None => status.message().to_owned(),
        };
        if text.contains(name) { text } else { format!("{name}: {text}") }
    }

    /// What can be said of the image that is there now.
    async fn tell(&self, wanted: &Wanted, id: String, since: SystemTime) -> Pulled {
        let request = v1::ImageStatusRequest {
            image: Some(v1::ImageSpec { image: wanted.input.clone(), ..Default::default() }),
            verbose: true,
        };
        let answer = ImageServiceClient::new(self.link.clone()).image_status(request).await;
        let answer = answer.map(|answer| answer.into_inner()).unwrap_or_default();
        let from = answer.info.get(INFO_KEY).and_then(|text| serde_json::from_str(text).ok());
        let from: Provenance = from.unwrap_or_default();
        let repository = format!("{}@", wanted.name.repository());
        let digests = answer.image.unwrap_or_default().repo_digests;
        let digest = digests.iter().find_map(|name| name.strip_prefix(&repository)).map(str::to_owned);
        // A user who may not ask containerd gets no numbers.
        let have =
            Download::default().look(&self.store, digest.as_deref(), &HashMap::new(), since).await.ok();
        let have = have.filter(|have| have.layers > 0);
        let is_known = from.time.is_some();
        let is_present = is_since(from.answered_in_outage.as_deref(), since);
        Pulled {
            outcome: if is_present { "present" } else { "pulled" },
            registry: from.registry.filter(|_| is_known),
            reference: from.reference,
            rule: from.rule,
            tried: from.tried,
            digest,
            id: Some(id),
            layers: have.map(|have| have.layers),
            bytes: have.map(|have| have.bytes),
            fetched_bytes: have.map(|have| have.fetched),
            ..Pulled::default()
        }
    }
}

/// Whether this is a time that is not before the other, to the second.
fn is_since(time: Option<&str>, since: SystemTime) -> bool {
    let time = time.and_then(|time| time.parse::<Timestamp>().ok());
    time.is_some_and(|time| time.seconds >= Timestamp::from(since).seconds)
}

/// The login as kubelet sends it: without an address, so that it is for the registry of the image.
fn auth(credential: &Credential) -> v1::AuthConfig {
    let text = |secret: &Secret| secret.expose().to_owned();
    let username = credential.username.clone().unwrap_or_default();
    match &credential.proof {
        Proof::Password(password) => {
            v1::AuthConfig { username, password: text(password), ..Default::default() }
        }
        Proof::IdentityToken(token) => v1::AuthConfig { identity_token: text(token), ..Default::default() },
    }
}
