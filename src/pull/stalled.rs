//! Finds out that a mirror gives nothing any more while containerd fetches from it: containerd may wait for ever.
//!
//! Holds: a pull for which bytes arrive is not broken off, however slow it is; nor one for which no other candidate is
//! left, or for which nothing is being downloaded, as its layers are unpacked.

use tokio::time::{Instant, sleep};

use super::auth::Auth;
use super::contents;
use super::record::{Class, Failure};
use super::under_way::{Pull, Trial};
use crate::containerd::{Arrived, StoreError};
use crate::registry::{Login, Refusal, Resolve, Resolved};

/// How often containerd is looked at within `stall-after`.
const LOOKS: u32 = 4;

/// How many times `stall-after` nothing may arrive from a mirror that still answers: one that fetches a large layer from
/// elsewhere first sends nothing for a while.
const LIVING: u32 = 12;

impl Pull<'_> {
    /// Ends when the mirror gives nothing any more, with what is to be said of that.
    pub(super) async fn stalled(
        &self,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        resolved: &Resolved,
    ) -> Failure {
        let text = self.until_stalled(mirror, auth, login, resolved).await;
        let host = mirror.candidate.name.host();
        tracing::warn!(image = %self.name, mirror = host, "leaving a mirror: {text}");
        Failure::new(Class::Unreachable, text)
    }

    async fn until_stalled(
        &self,
        mirror: &Trial<'_>,
        auth: &Auth,
        login: &Login,
        resolved: &Resolved,
    ) -> String {
        let Some(limit) = self.generation.pull.stall_after.filter(|_| mirror.has_successor) else {
            return std::future::pending().await;
        };
        let (mut arrived, mut manifests) = (Arrived::default(), Vec::new());
        let (mut changed, mut asked) = (Instant::now(), Instant::now());
        loop {
            sleep(limit / LOOKS).await;
            match self.arrived(&resolved.digest, &mut manifests).await {
                Ok(now) if now.is_waiting() && now == arrived => {}
                Ok(now) => {
                    (arrived, changed) = (now, Instant::now());
                    continue;
                }
                // containerd's own error will come.
                Err(error) => {
                    tracing::debug!(%error, "cannot see how much of an image is there");
                    changed = Instant::now();
                    continue;
                }
            }
            let nothing = format!("nothing has arrived from it for {:.1} s", changed.elapsed().as_secs_f64());
            if changed.elapsed() >= limit * LIVING {
                return nothing;
            }
            if asked.max(changed).elapsed() < limit / 2 {
                continue;
            }
            asked = Instant::now();
            let question = Resolve {
                endpoint: &mirror.endpoint,
                repository: mirror.candidate.name.path(),
                reference: &resolved.digest,
                warm: None,
                ns: self.ns(mirror),
                login,
                end: asked + limit / 2,
            };
            if let Some(refusal) = self.is_mute(&question, mirror, auth).await {
                return format!("{nothing}, and it does not answer: {}", refusal.brief());
            }
        }
    }

    async fn arrived(&self, digest: &str, manifests: &mut Vec<String>) -> Result<Arrived, StoreError> {
        if manifests.is_empty() {
            *manifests = contents::manifests_here(self.state, digest).await?;
        }
        self.state.containerd.store.arrived(manifests).await
    }

    /// Why the mirror does not answer any more; None if it does, whatever it says, and if it wants to be left alone.
    async fn is_mute(&self, question: &Resolve<'_>, mirror: &Trial<'_>, auth: &Auth) -> Option<Refusal> {
        if self.state.health.rest(&mirror.candidate.name, question.login).is_some() {
            return None;
        }
        match self.client(mirror.candidate).resolve(question).await {
            Ok(resolved) => {
                self.note_last(mirror, question.login, resolved.rest);
                None
            }
            Err(refusal) => {
                let failure = self.refused(mirror, auth, question.login, &refusal);
                (failure.class == Class::Unreachable).then_some(refusal)
            }
        }
    }
}
