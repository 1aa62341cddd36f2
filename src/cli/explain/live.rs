//! Asks the registries of an answer's candidates, all at the same time, for `explain --live`. Nothing is pulled.

mod clock;
mod login;
mod signed;
mod spared;
mod verdict;

pub(crate) use self::clock::Asked;
pub(crate) use self::signed::{Checked, Held};

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout_at};

use self::spared::Spared;
use super::answer::Answer;
use super::outcome::Outcome;
use super::target::{Target, Whose};
use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::{daemon, facts};
use crate::config::Config;
use crate::containerd::Facts;
use crate::containerd::hosts::{self, Wanted};
use crate::files::reader::Reader;
use crate::registry::proxy::Proxies;
use crate::registry::{Client, Endpoint, Failure, Limits, Login, Resolve};
use crate::state::Rest;

/// What is said of candidates that are not the same image.
pub(crate) const DIFFER: &str =
    "the candidates have different digests: a mirror is out of date, or is for another registry";

/// How much is asked of a registry that has an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What a pull would find out: containerd has to take the image.
    Pull,
    /// The digest alone: by HEAD, and by GET only where HEAD does not tell it.
    Digest,
    /// The digests of all platforms as well.
    Platforms,
}

/// Everything that is needed to ask.
pub(crate) struct Live {
    client: Client,
    /// How long one candidate may take as a whole.
    timeout: Duration,
    /// Where containerd looks for `hosts.toml`.
    roots: Vec<PathBuf>,
    /// Why it does not read them.
    blind: Option<String>,
    /// Whether a pull leads it to mirrors by host names of the shunt's own.
    leads: bool,
    /// containerd's version; empty where it does not answer.
    version: String,
    /// containerd's own logins, by the host that is really asked.
    logins: HashMap<String, Login>,
    /// By host, until when the daemon asks none of them; and why that is not known.
    rests: (Vec<(String, String)>, Option<String>),
    spared: Spared,
    depth: Depth,
    runtime: Option<Runtime>,
}

impl Live {
    /// For one image after another.
    pub(crate) fn new(config: &Config, timeout: Duration) -> Result<Self, Exit> {
        let runtime = runtime()?;
        let socket = config.containerd.socket.as_path();
        let behind = runtime.block_on(Facts::proxies_behind(socket));
        // containerd's own environment where it can be read, else the one of this process.
        let proxies = behind.unwrap_or_else(|| Proxies::new(own_environment()));
        let client = Client::new(proxies, Limits { connect: Limits::default().connect.min(timeout) });
        let facts = runtime.block_on(facts::facts(config));
        let blind = hosts::set_up(&facts);
        let (roots, leads) = (facts.roots.read().to_vec(), leads_to_mirrors(&facts));
        let Facts { version, logins, .. } = facts;
        let rests = runtime.block_on(rests(config.listen.socket.as_path()));
        let (spared, depth, runtime) = (Spared::default(), Depth::Pull, Some(runtime));
        Ok(Live { client, timeout, roots, blind, leads, version, logins, rests, spared, depth, runtime })
    }

    /// For a long list: a registry that does not answer is left after a few images.
    pub(crate) fn for_many(config: &Config, timeout: Duration, depth: Depth) -> Result<Self, Exit> {
        let mut live = Live::new(config, timeout)?;
        (live.spared, live.depth) = (Spared::for_many(), depth);
        Ok(live)
    }

    /// Asks for all candidates; whether one of them can serve.
    pub(super) fn ask(&self, answer: &mut Answer, config: &Config, reader: &Reader) -> bool {
        let Some(runtime) = &self.runtime else { return false };
        runtime.block_on(self.asked(answer, config, reader))
    }

    /// Asks for the candidates of several images, `jobs` images at the same time, and calls `after` behind each.
    pub(crate) fn ask_each(
        &self,
        answers: &mut [Answer],
        jobs: usize,
        (config, reader): (&Config, &Reader),
        after: impl Fn(),
    ) {
        let after = &after;
        self.all(
            answers.iter_mut().map(|answer| async move {
                self.asked(answer, config, reader).await;
                after();
            }),
            jobs,
        );
    }

    /// Does all of this, `jobs` at the same time. What comes of it is in no order.
    fn all<T>(&self, work: impl Iterator<Item = impl Future<Output = T>>, jobs: usize) -> Vec<T> {
        let Some(runtime) = &self.runtime else { return Vec::new() };
        runtime.block_on(stream::iter(work).buffer_unordered(jobs.max(1)).collect())
    }

    async fn asked(&self, answer: &mut Answer, config: &Config, reader: &Reader) -> bool {
        let asking = answer.targets().iter().map(|target| self.candidate(target, config, reader));
        let outcomes = join_all(asking).await;
        let digests: BTreeSet<&str> = outcomes.iter().filter_map(|found| found.digest.as_deref()).collect();
        let (serves, differ) = (!digests.is_empty(), digests.len() > 1);
        let mut warnings = self.differences(answer, config);
        warnings.extend(self.left_alone(answer));
        warnings.extend(differ.then(|| DIFFER.to_owned()));
        answer.add_live(outcomes, warnings);
        serves
    }

    /// Which of the candidates' registries the running daemon does not ask at present, in words.
    fn left_alone(&self, answer: &Answer) -> Vec<String> {
        let hosts: BTreeSet<String> =
            answer.targets().iter().map(|target| target.name.key().host().to_owned()).collect();
        let (rests, unknown) = &self.rests;
        let of_these = rests.iter().filter(|(host, _)| hosts.contains(host));
        let words = of_these.map(|(host, until)| format!("the daemon does not ask {host}: {until}"));
        words.chain(unknown.clone()).collect()
    }

    /// Where containerd asks in another way than this command.
    fn differences(&self, answer: &Answer, config: &Config) -> Vec<String> {
        let (mut hosts, mut found) = (BTreeSet::new(), BTreeSet::new());
        for target in answer.targets() {
            let host = target.name.host();
            if target.is_mirror() && self.leads {
                // What files say of the mirror's own name changes nothing.
                continue;
            }
            if target.endpoint.is_none() {
                hosts.insert(host);
                continue;
            }
            let endpoint = config.reach().of(host, target.endpoint);
            let blind = self.blind.as_ref();
            found.extend(
                blind.map(|why| format!("containerd is not told to ask {host} by {endpoint}: {why}")),
            );
        }
        let of_hosts = hosts.into_iter().filter_map(|host| self.difference(host, &config.transport));
        of_hosts.chain(found).collect()
    }

    fn difference(&self, host: &str, wanted: &Wanted) -> Option<String> {
        let what = if let Some(redirect) = hosts::redirect(&self.roots, host) {
            let (file, to) = (redirect.file.display(), redirect.to.join(", "));
            format!("containerd asks {to} instead of {host}, by {file}")
        } else if let Some(path) = hosts::differing(&self.roots, host, wanted) {
            format!(
                "containerd asks {host} by {}, which differs from the way that is used here",
                path.display()
            )
        } else {
            let why = self.blind.as_ref()?;
            let needs: Vec<String> = wanted.needs_of(host).iter().map(|need| need.what.to_string()).collect();
            if needs.is_empty() {
                return None;
            }
            return Some(format!("containerd is not told that {host} needs {}: {why}", needs.join(", ")));
        };
        Some(format!("{what}: a pull may end differently than shown here"))
    }

    /// How a candidate's registry is asked, and as whom; or why it is not asked.
    async fn way(
        &self,
        target: &Target,
        config: &Config,
        reader: &Reader,
        end: Instant,
    ) -> Result<(Endpoint, Login), Outcome> {
        // This command may have more rights than the daemon.
        if let Some(problem) = &target.is_cut_off {
            return Err(Outcome::failed(Failure::Config, format!("the daemon cannot use {problem}")));
        }
        let host = target.name.host();
        let endpoint = config.reach().of(host, target.endpoint);
        if let Some(outcome) = self.spared.answer(&endpoint.host) {
            return Err(outcome);
        }
        let containerds = self.logins.get(&endpoint.host).filter(|_| !target.is_withheld);
        let login = timeout_at(end, login::login(target, config, containerds, reader)).await;
        let late =
            |_| Outcome::failed(Failure::Timeout, format!("the login for {host} was not found in time"));
        Ok((endpoint, login.map_err(late)??))
    }

    async fn candidate(&self, target: &Target, config: &Config, reader: &Reader) -> Outcome {
        let Target { name, ns, credentials, warm_tag, .. } = target;
        let whose = *credentials;
        // One limit for everything that is done for a candidate.
        let end = Instant::now() + self.timeout;
        let (endpoint, login) = match self.way(target, config, reader, end).await {
            Ok(way) => way,
            Err(outcome) => return outcome,
        };
        let ns = ns.as_deref().and_then(|ns| endpoint.ns(ns));
        let reference = name.digest().or(name.tag()).unwrap_or("latest");
        let (endpoint, repository, warm) = (&endpoint, name.path(), warm_tag.as_deref());
        let question = Resolve { endpoint, repository, reference, warm, ns, login: &login, end };
        let error = match self.client.resolve(&question).await {
            Ok(found) => {
                let told = match self.depth {
                    Depth::Pull => verdict::of(&self.client, &question, found, &self.version).await,
                    Depth::Digest => Ok(Outcome::found(found)),
                    Depth::Platforms => verdict::with_platforms(&self.client, &question, found).await,
                };
                let told = told.unwrap_or_else(|failed| failed);
                self.spared.note(&endpoint.host, told.failed_by());
                return told;
            }
            Err(error) => error,
        };
        let failure = error.failure();
        self.spared.note(&endpoint.host, Some((failure, &error.to_string())));
        if failure == Failure::RateLimited || error.retry_after().is_some() {
            let rest = Rest::from_now(name.key().host(), &login, error.retry_after());
            return Outcome::failed(failure, format!("{error}; {rest}"));
        }
        let own = whose == Whose::Client && failure == Failure::Unauthorized;
        let hint =
            if own { "; a pod's own credentials are used there, and they are not known here" } else { "" };
        Outcome::failed(failure, format!("{error}{hint}"))
    }
}

/// What the running daemon says of registries that it does not ask at present, and why it does not say it if it should.
/// Without a daemon nothing is left alone.
async fn rests(socket: &Path) -> (Vec<(String, String)>, Option<String>) {
    if !socket.exists() || !daemon::may_be_asked(socket) {
        return (Vec::new(), None);
    }
    match daemon::ask(socket, daemon::PATIENCE).await {
        Ok(daemon) => {
            let rests = daemon.rests.iter().filter_map(|rest| rest.split_once(": "));
            (rests.map(|(host, until)| (host.to_owned(), until.to_owned())).collect(), None)
        }
        Err(error) => {
            (Vec::new(), Some(format!("it is not known which registries the daemon leaves alone: {error}")))
        }
    }
}

/// Whether a pull leads containerd to mirrors by private hosts, and not by the mirrors' own.
fn leads_to_mirrors(facts: &Facts) -> bool {
    let roots = facts.roots.read();
    !roots.is_empty()
        && !roots.iter().any(|root| root.is_relative())
        && facts.fetches_by_mirror_host().is_none()
}

impl Drop for Live {
    fn drop(&mut self) {
        // The system's resolver may still look up a name. It is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn own_environment() -> Vec<(String, String)> {
    // Variables that are not text are not those of proxies.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::Roots;

    #[test]
    fn mirrors_are_asked_by_their_own_name_where_containerd_cannot_be_led() {
        let at = |directory: &str| Facts { roots: Roots::at(directory), ..Facts::default() };
        assert!(leads_to_mirrors(&at("/c")));
        assert!(!leads_to_mirrors(&at("certs.d")));
        assert!(!leads_to_mirrors(&Facts { roots: Roots::None, ..Facts::default() }));
        assert!(!leads_to_mirrors(&Facts::default()));
        let lazy = Facts { lazy_snapshotter: Some("stargz".to_owned()), ..at("/c") };
        assert!(!leads_to_mirrors(&lazy));
    }
}
