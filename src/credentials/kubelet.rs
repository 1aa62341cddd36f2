//! kubelet's credential provider plugins: programs on the node for ECR, GCR, ACR and others.
//!
//! Holds: a plugin runs for images that its patterns match, once at a time for each registry (or for each image,
//! if it answers by image), and not again while its answer is valid.
//! Not here: the file (`config`), request and answer (`exchange`), which key of an answer counts (`glob`).
//!
//! Facts: kubernetes v1.36 `pkg/credentialprovider/plugin`.

mod cache;
pub(super) mod config;
pub(super) mod exchange;
mod fields;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use self::cache::Cache;
use self::exchange::{KeyType, ProviderAnswer};
use super::credential::{Credential, Given, Proof};
use super::error::Cause;
use super::glob::Glob;
use super::key::Specificity;
use super::program::{Program, ProgramError};
use super::singleflight::SingleFlight;
use crate::files::secret::Secret;
use crate::policy::Name;

/// One run of the plugin: the image it was asked for, and the result.
type Run = (Arc<str>, Result<Arc<ProviderAnswer>, Cause>);

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
    single_flight: SingleFlight<Run>,
    /// Whether its last answer was for one image only.
    by_image: AtomicBool,
}

impl Provider {
    /// The program file.
    #[must_use]
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// How specific the best pattern is that matches this name.
    pub(super) fn covers(&self, target: &Name) -> Option<Specificity> {
        self.match_images.iter().filter_map(|glob| glob.covers(target)).max()
    }

    /// Its name in messages.
    pub(super) fn place(&self) -> String {
        format!("credential provider {} ({})", self.name, self.file.display())
    }

    /// Drops the cached answer for a name if it gives this login. A newer answer stays.
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

    /// The login that the plugin has for a name.
    pub(super) async fn login(&self, target: &Name) -> Result<Option<Given>, Cause> {
        let image = self.image(target);
        let answer = match self.cache.get(&image, Instant::now()) {
            Some(answer) => answer,
            None => self.ask(&image).await?,
        };
        Ok(given(&answer, &image))
    }

    /// The spelling for the plugin: the name's own if a pattern matches it, else the folded one.
    fn image(&self, target: &Name) -> String {
        let spelled = target.repository();
        let known = self.match_images.iter().any(|glob| glob.matches(spelled));
        if known { spelled.to_owned() } else { target.key().repository().to_owned() }
    }

    /// Runs the plugin once at a time for each registry, because most answers are for a whole registry. If the
    /// answer is for another image only, it runs once at a time for each image.
    async fn ask(&self, image: &str) -> Result<Arc<ProviderAnswer>, Cause> {
        if !self.by_image.load(Ordering::Relaxed) {
            let (asked, outcome) =
                self.single_flight.join(cache::registry(image).to_owned(), self.run(image)).await;
            let ours = *asked == *image
                || match &outcome {
                    Ok(answer) => answer.key_type != KeyType::Image,
                    // A caller that has waited for a run that hangs does not wait for another one.
                    Err(cause) => matches!(cause, Cause::Program(ProgramError::Slow { .. })),
                };
            if ours {
                return outcome;
            }
        }
        self.single_flight.join(image.to_owned(), self.run(image)).await.1
    }

    async fn run(&self, image: &str) -> Run {
        (image.into(), self.answer(image).await)
    }

    async fn answer(&self, image: &str) -> Result<Arc<ProviderAnswer>, Cause> {
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
fn given(answer: &ProviderAnswer, image: &str) -> Option<Given> {
    answer.login(image).map(|(username, password)| (Some(username), Proof::Password(password)))
}
