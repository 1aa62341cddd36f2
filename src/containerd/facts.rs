//! How containerd is configured, learned from CRI `Status`, `containerd config dump` and /proc.
//!
//! Holds: a fact that could not be learned is absent, never guessed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;
use tonic::Status;

use super::images_config::ImagesConfig;
use super::roots::{PullMode, Roots};
use super::{Cri, Link};
use crate::registry::Login;
use crate::registry::proxy::Proxies;

/// How long `containerd config dump` may take before it is given up.
const DUMP_TIMEOUT: Duration = Duration::from_secs(10);

/// Which host is in the name by which containerd fetches an image from a mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchBy {
    /// A host name that only the shunt uses; its `hosts.toml` leads to the mirror.
    PrivateHost,
    /// The mirror's own host.
    MirrorHost,
}

/// The facts about the containerd behind the socket.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its version, as CRI reports it. Empty where it was not reached.
    pub version: String,
    /// Its process, where the socket gives it.
    pub pid: Option<i32>,
    /// The image of pod sandboxes, which it pulls by itself.
    pub pause_image: Option<String>,
    /// How CRI pulls; none where its config could not be read.
    pub pull_mode: Option<PullMode>,
    /// Where it looks for `hosts.toml` when CRI pulls.
    pub roots: Roots,
    /// The proxies of its environment.
    pub proxies: Proxies,
    /// The snapshotter that fetches layers later, by the pulled name.
    pub lazy_snapshotter: Option<String>,
    /// Where the programs are that verify images, if the plugin for them is on.
    pub verifiers: Option<PathBuf>,
    /// Its own logins, by the host that is really asked.
    pub logins: HashMap<String, Login>,
    /// The host that the shunt's own config sets, whatever follows from the other facts.
    pub fetch_by: Option<FetchBy>,
}

impl Facts {
    /// Asks the containerd behind `link`.
    ///
    /// # Errors
    /// containerd's status where it does not answer CRI yet.
    pub async fn learn(link: &Link) -> Result<Self, Status> {
        let cri = Cri::new(link.clone());
        let version = cri.version().await?.runtime_version;
        let pid = peer_pid(link.socket()).await;
        let mut facts = Self { version, pid, ..Self::default() };
        let status = cri.status().await?;
        let config = status.info.get("config").and_then(|text| serde_json::from_str(text).ok());
        if let Some(config) = config.as_ref().and_then(ImagesConfig::of_status) {
            facts.apply(config);
        } else if let Some(pid) = pid {
            match dump(pid).await.map(|config| ImagesConfig::of_dump(&config)) {
                Ok(Some(config)) => facts.apply(config),
                Ok(None) => tracing::warn!(pid, "containerd's config has no table for images"),
                Err(error) => tracing::warn!(%error, pid, "cannot read containerd's config"),
            }
        }
        if let Some(pid) = pid {
            facts.proxies = proxies(pid).unwrap_or_default();
        }
        Ok(facts)
    }

    fn apply(&mut self, config: ImagesConfig) {
        let mode = config.pull_mode(&self.version);
        self.roots = Roots::of(&self.version, mode, &config.config_path, config.has_mirrors);
        self.pull_mode = mode;
        self.pause_image = config.sandbox;
        self.lazy_snapshotter = config.lazy;
        self.verifiers = config.verifiers;
        self.logins = config.logins;
    }

    /// Whether containerd has answered.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        !self.version.is_empty()
    }

    /// Takes `config_path` from the shunt's own config, whatever containerd says.
    pub fn set_config_path(&mut self, config_path: &Path) {
        self.roots = Roots::of(&self.version, self.pull_mode, &config_path.to_string_lossy(), false);
    }

    /// Why containerd fetches by the mirror's own host, where it does: something else in containerd uses the name, to fetch
    /// layers or to judge the image, or the shunt's own config says so. Looks at the disk.
    #[must_use]
    pub fn fetches_by_mirror_host(&self) -> Option<String> {
        match self.fetch_by {
            Some(FetchBy::PrivateHost) => return None,
            Some(FetchBy::MirrorHost) => {
                return Some("fetch-by = \"mirror-host\" is set under [containerd]".to_owned());
            }
            None => {}
        }
        if let Some(snapshotter) = &self.lazy_snapshotter {
            return Some(format!(
                "the snapshotter {snapshotter} fetches layers later, by the name that was pulled"
            ));
        }
        // Local pulls do not run verifiers.
        let directory = self.verifiers.as_ref().filter(|_| self.pull_mode == Some(PullMode::Transfer))?;
        let is_empty = match std::fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        (!is_empty)
            .then(|| format!("the image verifiers in {} see the name that is pulled", directory.display()))
    }

    /// The proxies of the process that listens on `socket`, without asking it anything; none if no process
    /// listens, or this one may not read its environment.
    pub async fn proxies_behind(socket: &Path) -> Option<Proxies> {
        proxies(peer_pid(socket).await?)
    }

    /// Whether containerd finds something by this path, which may be relative to its own directory. What cannot be
    /// looked at counts as there. Looks at the disk.
    pub fn has_file(&self, path: &Path) -> bool {
        match self.pid {
            Some(pid) => {
                let of_process = |what: &str| PathBuf::from(format!("/proc/{pid}/{what}"));
                has_file(&of_process("root"), &of_process("cwd"), path)
            }
            None => has_file(Path::new("/"), Path::new(""), path),
        }
    }
}

/// More links than the kernel follows.
const MAX_LINKS: usize = 40;

/// Whether something is at `path`, for a process with this root and this working directory.
///
/// Links are followed here. The kernel would look for the target of an absolute one below this process's own root, and
/// that is another one if this process has a mount namespace of its own.
fn has_file(root: &Path, directory: &Path, path: &Path) -> bool {
    let mut found = if path.is_absolute() { root } else { directory }.to_owned();
    let mut rest: Vec<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = rest.pop() {
        let next = found.join(part);
        match std::fs::read_link(&next) {
            Ok(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return true;
                }
                if target.is_absolute() {
                    root.clone_into(&mut found);
                }
                rest.extend(parts(&target));
            }
            // It is no link.
            Err(error) if error.kind() == ErrorKind::InvalidInput => found = next,
            Err(error) => return !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }
    true
}

/// The parts of a path, the first one last. A link is not followed before `..` is.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        _ => None,
    });
    parts.rev().collect()
}

async fn peer_pid(socket: &Path) -> Option<i32> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(stream.as_fd()).ok()?;
    Some(credentials.pid.as_raw_nonzero().get())
}

/// The config of the running containerd with its imports and defaults: its own binary prints it.
///
/// Whoever listens on the socket is run here, so it must go by the name of containerd: a proxy before it, or
/// a program that only speaks CRI, may do anything when it is called with these words.
async fn dump(pid: i32) -> Result<toml::Table, String> {
    let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|error| error.to_string())?;
    let arguments: Vec<String> =
        cmdline.split(|byte| *byte == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    // k3s runs containerd from a binary of many names: this one, not the file's, is what it goes by.
    let name = arguments.first().filter(|name| Path::new(name).file_name() == Some(OsStr::new("containerd")));
    let Some(name) = name else {
        return Err(format!("process {pid} is not containerd by its name"));
    };
    let mut command = tokio::process::Command::new(format!("/proc/{pid}/exe"));
    command.arg0(name);
    if let Some(config) = config_argument(&arguments) {
        command.args(["--config", &config]);
    }
    command.args(["config", "dump"]).current_dir(format!("/proc/{pid}/cwd"));
    command.kill_on_drop(true).stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(DUMP_TIMEOUT, command.output())
        .await
        .map_err(|_| format!("`config dump` did not end within {DUMP_TIMEOUT:?}"))?
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("`config dump`: {}", output.status));
    }
    text.parse().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// The value of `--config FILE`, `--config=FILE`, `-c FILE` among containerd's arguments.
fn config_argument(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter().skip(1);
    while let Some(argument) = arguments.next() {
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        if matches!(flag, "--config" | "-config" | "-c" | "--c") {
            return value.or_else(|| arguments.next().cloned());
        }
    }
    None
}

/// None where it can't be read.
fn proxies(pid: i32) -> Option<Proxies> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let entries = environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Proxies::new(entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_is_found_among_the_arguments() {
        let find = |text: &str| config_argument(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(find("containerd -c /a.toml"), Some("/a.toml".into()));
        assert_eq!(find("containerd --log-level debug --config=/b.toml"), Some("/b.toml".into()));
        assert_eq!(find("containerd --log-level debug"), None);
        assert_eq!(find("--config"), None);
    }

    #[tokio::test]
    async fn only_what_goes_by_the_name_of_containerd_is_run() {
        // This very test program listens, in the place of containerd.
        let error = dump(std::process::id().cast_signed()).await.unwrap_err();
        assert!(error.ends_with("is not containerd by its name"), "{error}");
    }

    #[test]
    fn verifiers_count_where_there_are_any_and_the_transfer_service_pulls() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let with = |mode, verifiers: &Path| Facts {
            pull_mode: Some(mode),
            verifiers: Some(verifiers.to_owned()),
            ..Facts::default()
        };
        assert_eq!(with(PullMode::Transfer, &missing).fetches_by_mirror_host(), None);
        assert_eq!(with(PullMode::Transfer, dir.path()).fetches_by_mirror_host(), None);
        std::fs::write(dir.path().join("verify"), "").unwrap();
        assert!(with(PullMode::Transfer, dir.path()).fetches_by_mirror_host().is_some());
        assert_eq!(with(PullMode::Local, dir.path()).fetches_by_mirror_host(), None);
        let lazy = Facts { lazy_snapshotter: Some("stargz".to_owned()), ..Facts::default() };
        assert!(lazy.fetches_by_mirror_host().is_some());
        let overruled = |facts: Facts, by| Facts { fetch_by: Some(by), ..facts }.fetches_by_mirror_host();
        assert_eq!(overruled(lazy, FetchBy::PrivateHost), None);
        assert!(overruled(Facts::default(), FetchBy::MirrorHost).is_some());
    }

    #[test]
    fn a_file_is_found_as_a_process_with_another_root_finds_it() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["tmp/deep", "home"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        std::fs::write(at("tmp/archive.tar"), "").unwrap();
        symlink("/tmp/archive.tar", at("home/link")).unwrap();
        symlink("/tmp/deep", at("home/dir")).unwrap();
        symlink("link", at("home/second")).unwrap();
        symlink("/tmp/missing", at("home/dangling")).unwrap();
        symlink("round", at("home/round")).unwrap();
        let has = |path: &str| has_file(root.path(), &at("home"), Path::new(path));
        for path in [
            "/tmp/archive.tar",
            "link",
            "second",
            "dir",
            "dir/../archive.tar",
            "./link",
            "../tmp/archive.tar",
            "round",
        ] {
            assert!(has(path), "{path}");
        }
        for path in
            ["archive.tar", "dangling", "dir/archive.tar", "/home/archive.tar", "link/below", "docker.io/a:1"]
        {
            assert!(!has(path), "{path}");
        }
    }

    #[test]
    fn the_shunts_own_config_overrules() {
        let mut facts = Facts::default();
        assert_eq!(facts.roots, Roots::Unknown);
        facts.set_config_path(Path::new("/c"));
        assert_eq!(facts.roots, Roots::at("/c"));
    }
}
