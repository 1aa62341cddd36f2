//! Signatures that the real cosign has made, at a real registry: accepted is exactly what is signed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod keyless;
mod oracle;
mod signed;

use std::collections::BTreeMap;

use cri_shunt::inside::policy::Name;
use cri_shunt::inside::registry::proxy::Proxies;
use cri_shunt::inside::registry::{Client, Endpoint, Limits, Login, Resolve};
use cri_shunt::inside::signature::{By, Demand, Enough, Identity, PublicKey, Search, Signer};
use support::PATIENCE;
use support::cosign::KeyPair;
use support::image::Image;
use support::registry::Registry;
use tokio::time::Instant;

/// An image at a registry.
struct Stored {
    registry: &'static Registry,
    repository: String,
    digest: String,
}

impl Stored {
    /// A new image in a repository of its own; `None` (and a skipped test) where there is no registry.
    fn new(repository: &str) -> Option<Stored> {
        Self::with(repository, &Image::busybox(repository))
    }

    fn with(repository: &str, image: &Image) -> Option<Stored> {
        let registry = Registry::shared()?;
        let repository = format!("signature/{repository}");
        let digest = registry.push(&repository, "1", image);
        Some(Stored { registry, repository, digest })
    }

    /// What is signed of it.
    fn whole(&self) -> String {
        format!("{}/{}@{}", self.registry.host(), self.repository, self.digest)
    }

    fn name(&self) -> Name {
        self.registry.name(&self.repository, "1").parse().unwrap()
    }

    /// The fingerprints of the keys, or the identities, that have signed it, or why that is not enough.
    async fn judged(&self, demand: &Demand) -> Result<Vec<String>, String> {
        let said = judged(self.registry.host(), &self.repository, &self.name(), &self.digest, demand).await;
        said.map_err(|why| why.replace(self.registry.host(), "HOST").replace(&self.digest, "DIGEST"))
    }
}

/// The same at any host.
async fn judged(
    host: &str,
    repository: &str,
    name: &Name,
    digest: &str,
    demand: &Demand,
) -> Result<Vec<String>, String> {
    let (client, endpoint) = (Client::new(Proxies::default(), Limits::default()), Endpoint::of(host));
    let question = Resolve {
        endpoint: &endpoint,
        repository,
        reference: digest,
        warm: None,
        ns: None,
        login: &Login::Anonymous,
        end: Instant::now() + PATIENCE,
    };
    let mut search = Search::new(&client, &question);
    let mut verdict = demand.of(name, digest);
    while let Some(attached) = search.next().await.map_err(|lost| lost.to_string())? {
        if verdict.add(&attached) {
            break;
        }
    }
    let signed = verdict.end().map_err(|unsigned| unsigned.to_string())?;
    let by = |by| match by {
        By::Key(key) => key.fingerprint().to_owned(),
        By::Signer(Signer { issuer, subject, .. }) => format!("{subject} of {issuer}"),
    };
    Ok(signed.into_iter().map(by).collect())
}

fn key(pair: &KeyPair) -> PublicKey {
    PublicKey::from_pem(&pair.public()).unwrap()
}

/// One of these keys, for the same repository.
fn demand(pairs: &[&KeyPair]) -> Demand {
    Demand {
        keys: pairs.iter().map(|pair| key(pair)).collect(),
        keyless: None,
        logs: Vec::new(),
        enough: Enough::Any,
        identity: Identity::Repository,
        without_name: true,
        annotations: BTreeMap::new(),
    }
}
