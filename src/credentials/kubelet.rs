//! kubelet's credential provider plugins: programs that the node has already, for ECR, GCR, ACR and others.
//!
//! Before: `config` reads the node's `CredentialProviderConfig`.  After: a login for one name, or nothing.
//! Holds: a provider runs for images that its patterns match, once at a time for each registry (or image,
//! where it answers by image), and not again while its answer lasts.
//! Not here: the file (`config`), what is said (`exchange`), which key of an answer counts (`glob`).
//!
//! Facts: kubernetes v1.36 `pkg/credentialprovider/plugin`.

mod cache;
pub(super) mod config;
mod duration;
pub(super) mod exchange;
mod fields;
mod glob;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use self::cache::{Cache, KeyType};
use self::exchange::Answer;
use super::error::Cause;
use super::key::Specificity;
use super::program::{Program, ProgramError};
use super::singleflight::Flights;
use super::{Credential, Given, Known, Proof};
use crate::files::secret::Secret;
use crate::policy::Name;

pub(super) use self::glob::Glob;

/// One run: the image that it was for, and how it ended.
type Run = (Arc<str>, Result<Arc<Answer>, Cause>);

/// One plugin as the file describes it.
#[derive(Debug)]
pub struct Provider {
    name: String,
    /// The file that names it.
    file: PathBuf,
    program: PathBuf,
    match_images: Vec<Glob>,
    default_duration: Duration,
    /// `v1`, `v1beta1` or `v1alpha1`.
    version: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, Secret)>,
    timeout: Duration,
    cache: Cache,
    flights: Flights<Run>,
    /// Whether its last answer was for one image only.
    by_image: AtomicBool,
}

impl Provider {
    /// The file that is run.
    #[must_use]
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// How specific its patterns are, where one is for this name.
    pub(super) fn covers(&self, target: &Name) -> Option<Specificity> {
        self.match_images.iter().filter_map(|glob| glob.covers(target)).max()
    }

    /// How it is named in messages.
    pub(super) fn place(&self) -> String {
        format!("credential provider {} ({})", self.name, self.file.display())
    }

    pub(super) fn known(&self) -> Known {
        let asks = Some(self.program.display().to_string());
        Known { username: None, source: self.place(), asks, problem: None }
    }

    /// Drops what is kept for a name and gives this login. An answer that others have had since stays.
    pub(super) fn forget(&self, target: &Name, refused: &Credential) {
        if refused.source != self.place() {
            return;
        }
        let image = self.image(target);
        self.cache.forget(&image, |answer| {
            given(answer, &image).is_some_and(|(username, proof)| {
                (username.as_ref(), &proof) == (refused.username.as_ref(), &refused.proof)
            })
        });
    }

    /// What the plugin has for a name.
    pub(super) async fn login(&self, target: &Name) -> Result<Option<Given>, Cause> {
        let image = self.image(target);
        let answer = match self.cache.get(&image, Instant::now()) {
            Some(answer) => answer,
            None => self.ask(&image).await?,
        };
        Ok(given(&answer, &image))
    }

    /// The spelling in which the plugin knows the image: that of the name, if a pattern is for it.
    fn image(&self, target: &Name) -> String {
        let spelled = target.repository();
        let known = self.match_images.iter().any(|glob| glob.matches(spelled));
        if known { spelled.to_owned() } else { target.key().repository().to_owned() }
    }

    /// One run at a time for a registry, for most answers are for all of it; where what comes turns out to be
    /// for another image only, one at a time for the image.
    async fn ask(&self, image: &str) -> Result<Arc<Answer>, Cause> {
        if !self.by_image.load(Ordering::Relaxed) {
            let (asked, outcome) =
                self.flights.join(cache::registry(image).to_owned(), self.run(image)).await;
            let ours = *asked == *image
                || match &outcome {
                    Ok(answer) => answer.key_type != KeyType::Image,
                    // Who has waited for one that hangs is not to wait for another.
                    Err(cause) => matches!(cause, Cause::Program(ProgramError::Slow { .. })),
                };
            if ours {
                return outcome;
            }
        }
        self.flights.join(image.to_owned(), self.run(image)).await.1
    }

    async fn run(&self, image: &str) -> Run {
        (image.into(), self.answer(image).await)
    }

    async fn answer(&self, image: &str) -> Result<Arc<Answer>, Cause> {
        let program = Program {
            path: &self.program,
            arguments: &self.arguments,
            environment: &self.environment,
            timeout: self.timeout,
        };
        let finished = program.run(exchange::request(image, self.version)).await?;
        let stdout = finished.success(&self.program)?;
        let answer = exchange::answer(&stdout, self.version, image)
            .map_err(|message| Cause::Answer { program: self.program.clone(), message })?;
        let lasts = answer.duration.unwrap_or(self.default_duration);
        self.by_image.store(answer.key_type == KeyType::Image, Ordering::Relaxed);
        let answer = Arc::new(answer);
        self.cache.put(&answer, lasts, Instant::now());
        Ok(answer)
    }
}

/// The login that an answer has for an image.
fn given(answer: &Answer, image: &str) -> Option<Given> {
    answer.login(image).map(|(username, password)| (Some(username), Proof::Password(password)))
}
