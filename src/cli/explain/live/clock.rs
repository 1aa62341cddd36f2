//! What `doctor` asks of each candidate: whether it can serve, and what time it is there.

use std::collections::BTreeSet;
use std::time::SystemTime;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Live;
use crate::cli::explain::answer::Answer;
use crate::cli::explain::target::Target;
use crate::config::Config;
use crate::files::reader::Reader;
use crate::registry::{Failure, Login, Resolve};

/// What one candidate's registry says.
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) is_mirror: bool,
    /// Why it cannot serve.
    pub(crate) failure: Option<(Failure, String)>,
    /// Its time, and ours at that moment.
    pub(crate) clock: Option<(SystemTime, SystemTime)>,
}

impl Live {
    /// Asks all candidates at the same time; for its time only a registry that is not in `known`.
    pub(crate) fn candidates(
        &self,
        answer: &Answer,
        config: &Config,
        reader: &Reader,
        known: &BTreeSet<String>,
    ) -> Vec<Asked> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        let asking = answer.targets().iter().map(async |target| {
            let outcome = self.candidate(target, config, reader).await;
            let failure = outcome.failed_by().map(|(failure, error)| (failure, error.to_owned()));
            let host = target.name.host().to_owned();
            let wants =
                !known.contains(&host) && failure.as_ref().is_none_or(|(failure, _)| has_answered(*failure));
            let clock = if wants { self.clock(target, config).await } else { None };
            Asked { host, is_mirror: target.is_mirror(), failure, clock }
        });
        runtime.block_on(join_all(asking))
    }

    async fn clock(&self, target: &Target, config: &Config) -> Option<(SystemTime, SystemTime)> {
        let Target { name, ns, endpoint, .. } = target;
        let endpoint = config.reach().of(name.host(), *endpoint);
        let (ns, login) = (ns.as_deref().and_then(|ns| endpoint.ns(ns)), Login::Anonymous);
        let reference = name.digest().or(name.tag()).unwrap_or("latest");
        let end = Instant::now() + self.timeout;
        let (endpoint, repository) = (&endpoint, name.path());
        let question = Resolve { endpoint, repository, reference, warm: None, ns, login: &login, end };
        Some((self.client.date(&question).await.ok().flatten()?, SystemTime::now()))
    }
}

/// Whether the registry itself said it.
fn has_answered(failure: Failure) -> bool {
    matches!(failure, Failure::Unauthorized | Failure::Forbidden | Failure::NotFound | Failure::Status)
}
