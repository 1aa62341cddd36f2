//! The node's logins for registries, chosen by the target.
//!
//! Before: `config` describes the sources.  After: `pull` gives a candidate on another registry than the one
//! that was asked for what is configured for it; `explain` says what that would be.
//! Holds: the most specific login wins, whatever source it is from; a source that is for a target and cannot
//! be used is an error, never a pull without a login. No secret is in any error, log line or `Debug` output.
//! Not here: the client's own credentials (`pull`), which go to the registry that they are for and nowhere
//! else; how a login is put into a request (`pull::auth`).

mod docker;
mod error;
mod file;
mod key;
mod kubelet;
mod login;
mod native;
mod program;
mod singleflight;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::files::secret::Secret;
use crate::policy::Name;

pub use self::docker::{DockerConfig, read_helper_answer};
pub use self::error::{Cause, CredentialsError};
pub use self::key::{KeyError, RegistryKey};
pub use self::kubelet::Provider;
pub use self::kubelet::config::{Providers, read as read_providers};
pub use self::kubelet::exchange::answer as read_provider_answer;
pub use self::login::Login;
pub use self::native::{Entry, Means, Reference, Username};

use self::docker::Held;
use self::key::{Specificity, WHOLE_HOST};

/// How long the files of a target may take together. They are small, so what is slower is a disk that hangs.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How many read at once. Who reads from a disk that hangs keeps its place, so that the program's other work on
/// files does not run out of threads over it.
const READERS: usize = 8;

/// A login that can be used now.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The user's name; a token has none.
    pub username: Option<String>,
    /// What is presented.
    pub proof: Proof,
    /// Where it came from, for people.
    pub source: String,
}

/// The secret of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password.
    Password(Secret),
    /// A token that is changed for an access token.
    IdentityToken(Secret),
}

/// A user's name and the secret, as a source gives them.
type Given = (Option<String>, Proof);

/// What can be said of a login without the secret and without running a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The user's name, where it is known.
    pub username: Option<String>,
    /// Where the login comes from.
    pub source: String,
    /// The program that is asked at the pull.
    pub asks: Option<String>,
    /// Why it cannot be used now.
    pub problem: Option<String>,
}

/// Every source of logins.
#[derive(Debug, Default)]
pub struct Sources {
    /// Of the program's own configuration.
    pub entries: Vec<Entry>,
    /// Of other programs' files, written out.
    pub logins: Vec<Login>,
    /// Files in Docker's form.
    pub docker: Vec<DockerConfig>,
    /// kubelet's plugins.
    pub providers: Vec<Provider>,
}

/// All logins of the node. Where there are none, asking costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    sources: Sources,
    /// The places of those who read.
    places: Arc<Semaphore>,
}

/// Where a login for a target is, and how well it fits.
struct Match<'s> {
    specificity: Specificity,
    found: Found<'s>,
}

enum Found<'s> {
    Entry(&'s Entry),
    Login(&'s Login),
    Docker(&'s DockerConfig, Held),
    Provider(&'s Provider),
}

// === impl Credentials ===

impl Credentials {
    /// The logins of these sources.
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let Sources { entries, logins, docker, providers } = &sources;
        let empty = entries.is_empty() && logins.is_empty() && docker.is_empty() && providers.is_empty();
        let places = Arc::new(Semaphore::new(READERS));
        Credentials((!empty).then(|| Arc::new(Shared { sources, places })))
    }

    /// The logins that other programs' files hold, written out.
    #[must_use]
    pub fn logins(&self) -> &[Login] {
        self.0.as_ref().map_or(&[], |shared| &shared.sources.logins)
    }

    /// The login for a target, read anew; programs are run for it where need be.
    ///
    /// # Errors
    /// Where a source that is for the target cannot be used.
    pub async fn for_target(&self, target: &Name) -> Result<Option<Credential>, CredentialsError> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let sources = &shared.sources;
        let failed = |(place, cause)| CredentialsError { registry: target.host().to_owned(), place, cause };
        let unread = |cause| failed(("credentials".to_owned(), cause));
        // Files are read on a thread of their own: a disk, or a network file system, may take its time, and
        // the one thread of the program has other calls to serve.
        let (reader, name) = (Arc::clone(shared), target.clone());
        let read = async {
            let place = Arc::clone(&shared.places).acquire_owned().await;
            let read = move || {
                let _place = place;
                reader.sources.read(&name)
            };
            tokio::task::spawn_blocking(read).await
        };
        let read = tokio::time::timeout(READ_WITHIN, read).await;
        let read = read.map_err(|_| unread(Cause::Late { after: READ_WITHIN }))?;
        for step in read.map_err(|_| unread(Cause::Login("reading them was cut short")))? {
            let found = match step {
                Step::Done(result) => result.map(Some),
                Step::Helper { docker, helper } => sources.ask_helper(docker, &helper).await,
                Step::Provider(provider) => sources.ask_provider(provider, target).await,
            };
            if let Some(credential) = found.map_err(failed)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }

    /// Notes that a registry has refused a login for a target: where it is from an answer of a plugin that is
    /// kept, that may have been withdrawn before its time, so the next pull asks anew.
    pub fn refused(&self, target: &Name, credential: &Credential) {
        for provider in self.0.iter().flat_map(|shared| &shared.sources.providers) {
            provider.forget(target, credential);
        }
    }

    /// What [`Credentials::for_target`] would use first, as far as it can be said without running programs.
    #[must_use]
    pub fn known(&self, target: &Name) -> Option<Known> {
        let sources = &self.0.as_ref()?.sources;
        let first = sources.matches(target).into_iter().next()?;
        Some(match first.found {
            Found::Entry(entry) => entry.known(),
            Found::Login(login) => login.known(),
            Found::Docker(docker, held) => docker.known(&held),
            Found::Provider(provider) => provider.known(),
        })
    }
}

/// What is to be done about one match, in order, until there is a login.
enum Step {
    Done(Result<Credential, (String, Cause)>),
    /// By its place among the sources, for this comes from another thread.
    Helper {
        docker: usize,
        helper: docker::Helper,
    },
    Provider(usize),
}

// === impl Sources ===

impl Sources {
    /// Everything that is for a target, the most specific first. Of equals: the program's own
    /// configuration, then other programs' files, Docker's files, kubelet's plugins, each in its order.
    fn matches(&self, target: &Name) -> Vec<Match<'_>> {
        let mut matches = Vec::new();
        let mut add = |specificity: Option<Specificity>, found| {
            matches.extend(specificity.map(|specificity| Match { specificity, found }));
        };
        for entry in &self.entries {
            add(entry.key.covers(target), Found::Entry(entry));
        }
        // k3s prefers this spelling where Docker Hub has two entries.
        let (preferred, others): (Vec<&Login>, Vec<&Login>) =
            self.logins.iter().partition(|login| login.host == "registry-1.docker.io");
        for login in preferred.into_iter().chain(others) {
            add(login.covers(target), Found::Login(login));
        }
        for docker in &self.docker {
            match docker.lookup(target) {
                Ok(held) => {
                    for (specificity, held) in held {
                        add(Some(specificity), Found::Docker(docker, held));
                    }
                }
                // Nobody knows what it holds, so it may hold this.
                Err(cause) => add(Some(WHOLE_HOST), Found::Docker(docker, Held::Unusable(cause))),
            }
        }
        for provider in &self.providers {
            add(provider.covers(target), Found::Provider(provider));
        }
        // Stable: equals stay in the order above.
        matches.sort_by_key(|found| std::cmp::Reverse(found.specificity));
        matches
    }

    /// The matches with every file read. What follows a login is not needed.
    fn read(&self, target: &Name) -> Vec<Step> {
        let mut steps = Vec::new();
        for Match { found, .. } in self.matches(target) {
            let step = match found {
                Found::Entry(entry) => {
                    Step::Done(entry.credential().map_err(|cause| (entry.source.to_string(), cause)))
                }
                Found::Login(login) => {
                    Step::Done(login.credential().map_err(|cause| (login.source.to_string(), cause)))
                }
                Found::Docker(docker, Held::Login(username, proof)) => {
                    Step::Done(Ok(Credential { username, proof, source: docker.place() }))
                }
                Found::Docker(docker, Held::Helper(helper)) => {
                    Step::Helper { docker: place_of(docker, &self.docker), helper }
                }
                Found::Docker(docker, Held::Unusable(cause)) => Step::Done(Err((docker.place(), cause))),
                Found::Provider(provider) => Step::Provider(place_of(provider, &self.providers)),
            };
            let last = matches!(step, Step::Done(_));
            steps.push(step);
            if last {
                break;
            }
        }
        steps
    }

    async fn ask_helper(
        &self,
        docker: usize,
        helper: &docker::Helper,
    ) -> Result<Option<Credential>, (String, Cause)> {
        let Some(docker) = self.docker.get(docker) else { return Ok(None) };
        let answer = docker.ask(helper).await.map_err(|cause| (docker.place(), cause))?;
        Ok(answer.map(|(username, proof)| Credential { username, proof, source: docker.place() }))
    }

    async fn ask_provider(
        &self,
        provider: usize,
        target: &Name,
    ) -> Result<Option<Credential>, (String, Cause)> {
        let Some(provider) = self.providers.get(provider) else { return Ok(None) };
        let answer = provider.login(target).await.map_err(|cause| (provider.place(), cause))?;
        Ok(answer.map(|(username, proof)| Credential { username, proof, source: provider.place() }))
    }
}

/// The place of one element of a list.
fn place_of<T>(one: &T, all: &[T]) -> usize {
    all.iter().position(|other| std::ptr::eq(one, other)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
