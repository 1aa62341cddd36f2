//! The node's logins for registries, chosen by the target.
//!
//! `config` says which sources there are. A pull asks for the login of a candidate's registry, where that is not the
//! registry that the client asked for; `explain` shows which login that is.
//! Holds: the most specific login wins, whatever source it is from. A source that is for a target and cannot
//! be used is an error, never a pull without a login. No secret is in any error, log line or `Debug` output.
//! Not here: the client's own credentials, and how a login is put into a request (`pull::auth`).

mod basic_auth;
mod credential;
mod docker;
mod error;
mod file;
mod glob;
mod key;
mod known;
mod kubelet;
mod login;
mod native;
mod needed;
mod program;
mod singleflight;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::files::reader::Reader;
use crate::files::secret::Secret;
use crate::policy::Name;

pub use self::credential::{Credential, Known, Proof};
pub use self::docker::{DockerConfig, read_helper_answer};
pub use self::error::{Cause, CredentialsError};
pub use self::key::{KeyError, RegistryKey};
pub use self::kubelet::Provider;
pub use self::kubelet::config::{Providers, read as read_providers};
pub use self::kubelet::exchange::answer as read_provider_answer;
pub use self::login::Login;
pub use self::native::{Entry, Means, Reference, Username};
pub use self::needed::LoginFile;

use self::docker::Held;
use self::key::{Specificity, WHOLE_HOST};

/// How long reading the files for a target may take. They are small; only a disk that hangs is slower.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// How many reads run at once. A read that hangs keeps its permit, so that hanging reads never use up the
/// threads that the program needs for other files.
const READERS: usize = 8;

/// User and password of an `auth` field: `user:password` in base64; `None` where it is something else.
pub fn decode_basic(encoded: &str) -> Option<(String, Secret)> {
    basic_auth::decode(encoded).ok()
}

/// Every source of logins.
#[derive(Debug, Default)]
pub struct Sources {
    /// From the program's own configuration.
    pub entries: Vec<Entry>,
    /// Written out in other programs' files.
    pub logins: Vec<Login>,
    /// Files in Docker's form.
    pub docker: Vec<DockerConfig>,
    /// kubelet's plugins.
    pub providers: Vec<Provider>,
}

/// All logins of the node. Without any, a look-up costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Credentials(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    sources: Sources,
    /// One permit for each read.
    reads: Arc<Semaphore>,
}

/// A source that has a login for a target, and how specific it is.
struct Match<'s> {
    specificity: Specificity,
    source: LoginSource<'s>,
}

enum LoginSource<'s> {
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
        let reads = Arc::new(Semaphore::new(READERS));
        Credentials((!empty).then(|| Arc::new(Shared { sources, reads })))
    }

    /// The logins that other programs' files hold, written out.
    #[must_use]
    pub fn logins(&self) -> &[Login] {
        self.0.as_ref().map_or(&[], |shared| &shared.sources.logins)
    }

    /// The login for a target: files are read again each time, and programs are run if necessary.
    ///
    /// # Errors
    /// Where a source that is for the target cannot be used.
    pub async fn for_target(&self, target: &Name) -> Result<Option<Credential>, CredentialsError> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let sources = &shared.sources;
        let failed = |(place, cause)| CredentialsError { registry: target.host().to_owned(), place, cause };
        let unread = |cause| failed(("credentials".to_owned(), cause));
        // Files are read on another thread, because a disk or a network file system can be slow and the one
        // thread of the program has other calls to serve.
        let (reader, name) = (Arc::clone(shared), target.clone());
        let read = async {
            let permit = Arc::clone(&shared.reads).acquire_owned().await;
            let read = move || {
                let _permit = permit;
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

    /// Notes that a registry has refused a login for a target. If the login is from a cached answer of a plugin,
    /// the answer is dropped and the next pull asks the plugin again: the login may have been revoked early.
    pub fn refused(&self, target: &Name, credential: &Credential) {
        for provider in self.0.iter().flat_map(|shared| &shared.sources.providers) {
            provider.forget(target, credential);
        }
    }

    /// What [`Credentials::for_target`] would use first, as far as that is known without running programs, and what
    /// the reader cannot use of it.
    #[must_use]
    pub fn known(&self, target: &Name, reader: &Reader) -> Option<Known> {
        let sources = &self.0.as_ref()?.sources;
        let first = sources.matches(target, reader).into_iter().next()?;
        Some(match first.source {
            LoginSource::Entry(entry) => known::entry(entry, reader),
            LoginSource::Login(login) => login.known(),
            LoginSource::Docker(docker, held) => known::docker(docker, &held, reader),
            LoginSource::Provider(provider) => known::provider(provider, reader),
        })
    }
}

/// What to do with one match. Matches are tried in order until one has a login.
enum Step {
    Done(Result<Credential, (String, Cause)>),
    /// By index, because this comes from another thread.
    Helper {
        docker: usize,
        helper: docker::Helper,
    },
    Provider(usize),
}

// === impl Sources ===

impl Sources {
    /// All sources that are for a target, the most specific first. Equally specific ones stand in this order:
    /// the program's own configuration, other programs' files, Docker's files, kubelet's plugins.
    fn matches(&self, target: &Name, reader: &Reader) -> Vec<Match<'_>> {
        let mut matches = Vec::new();
        let mut add = |specificity: Option<Specificity>, source| {
            matches.extend(specificity.map(|specificity| Match { specificity, source }));
        };
        for entry in &self.entries {
            add(entry.key.covers(target), LoginSource::Entry(entry));
        }
        // k3s prefers this spelling where Docker Hub has two entries.
        let (preferred, others): (Vec<&Login>, Vec<&Login>) =
            self.logins.iter().partition(|login| login.host == "registry-1.docker.io");
        for login in preferred.into_iter().chain(others) {
            add(login.covers(target), LoginSource::Login(login));
        }
        for docker in &self.docker {
            match known::lookup(docker, target, reader) {
                Ok(held) => {
                    for (specificity, held) in held {
                        add(Some(specificity), LoginSource::Docker(docker, held));
                    }
                }
                // It cannot be read, so it may have a login for this target.
                Err(cause) => add(Some(WHOLE_HOST), LoginSource::Docker(docker, Held::Unusable(cause))),
            }
        }
        for provider in &self.providers {
            add(provider.covers(target), LoginSource::Provider(provider));
        }
        // A stable sort: equally specific ones keep the order above.
        matches.sort_by_key(|found| std::cmp::Reverse(found.specificity));
        matches
    }

    /// The matches with every file read, up to the first login.
    fn read(&self, target: &Name) -> Vec<Step> {
        let mut steps = Vec::new();
        for Match { source, .. } in self.matches(target, &Reader::This) {
            let step = match source {
                LoginSource::Entry(entry) => {
                    Step::Done(entry.credential().map_err(|cause| (entry.source.to_string(), cause)))
                }
                LoginSource::Login(login) => {
                    Step::Done(login.credential().map_err(|cause| (login.source.to_string(), cause)))
                }
                LoginSource::Docker(docker, Held::Login(username, proof)) => {
                    Step::Done(Ok(Credential { username, proof, source: docker.place() }))
                }
                LoginSource::Docker(docker, Held::Helper(helper)) => {
                    Step::Helper { docker: index_of(docker, &self.docker), helper }
                }
                LoginSource::Docker(docker, Held::Unusable(cause)) => {
                    Step::Done(Err((docker.place(), cause)))
                }
                LoginSource::Provider(provider) => Step::Provider(index_of(provider, &self.providers)),
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

/// The index of an element in its list.
fn index_of<T>(one: &T, all: &[T]) -> usize {
    all.iter().position(|other| std::ptr::eq(one, other)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
