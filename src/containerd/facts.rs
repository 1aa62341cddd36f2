//! What containerd is set up to do, learned from containerd itself.
//!
//! Before: `pause`, `provenance`, the stall watch.  After: CRI `Status`, `containerd config dump`, /proc.
//! Holds: a fact that could not be learned is absent, never guessed.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::UnixStream;
use tonic::Status;

use super::{Cri, Link};
use crate::registry::proxy::Proxies;

/// How long `containerd config dump` may take before it is given up.
const DUMP_TIMEOUT: Duration = Duration::from_secs(10);

/// What is known of the containerd behind the socket.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its version, as CRI reports it.
    pub version: String,
    /// Its process, where the socket tells.
    pub pid: Option<i32>,
    /// The image of pod sandboxes, which it pulls by itself.
    pub pause_image: Option<String>,
    /// Where it looks for `hosts.toml`: directories, in order.
    pub config_path: Vec<PathBuf>,
    /// Whether its config could be read, so that an empty `config_path` means that it has none.
    pub config_known: bool,
    /// The proxies of its environment.
    pub proxies: Proxies,
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
        facts.read_status(&cri.status().await?.info);
        if facts.pause_image.is_none()
            && let Some(pid) = pid
        {
            match dump(pid).await {
                Ok(config) => facts.read_dump(&config),
                Err(error) => tracing::warn!(%error, pid, "cannot read containerd's config"),
            }
        }
        if let Some(pid) = pid {
            facts.proxies = proxies(pid).unwrap_or_default();
        }
        Ok(facts)
    }

    /// containerd 1.x prints its CRI config in `Status` (`info["config"]`); 2.x leaves images out.
    fn read_status(&mut self, info: &std::collections::HashMap<String, String>) {
        let Some(config) = info.get("config").and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            return;
        };
        if let Some(image) = config["sandboxImage"].as_str().filter(|image| !image.is_empty()) {
            self.pause_image = Some(image.to_owned());
        }
        if config["registry"].is_object() {
            self.config_known = true;
        }
        if let Some(path) = config["registry"]["configPath"].as_str() {
            self.config_path = split_path(path);
        }
    }

    /// The merged config of containerd 2.x.
    fn read_dump(&mut self, config: &toml::Table) {
        self.config_known = true;
        let images = &config.get("plugins").and_then(|plugins| plugins.get("io.containerd.cri.v1.images"));
        let text = |keys: [&str; 2]| {
            images.and_then(|images| images.get(keys[0])).and_then(|table| table.get(keys[1]))?.as_str()
        };
        if let Some(image) = text(["pinned_images", "sandbox"]).filter(|image| !image.is_empty()) {
            self.pause_image = Some(image.to_owned());
        }
        if let Some(path) = text(["registry", "config_path"]) {
            self.config_path = split_path(path);
        }
    }

    /// The proxies of the process that listens on `socket`, without asking it anything; none where
    /// nobody listens or this process may not know.
    pub async fn proxies_behind(socket: &Path) -> Option<Proxies> {
        proxies(peer_pid(socket).await?)
    }

    /// The directory that containerd resolves relative paths in.
    pub fn working_directory(&self) -> Option<PathBuf> {
        self.pid.map(|pid| PathBuf::from(format!("/proc/{pid}/cwd")))
    }
}

fn split_path(path: &str) -> Vec<PathBuf> {
    path.split(':').filter(|part| !part.is_empty()).map(PathBuf::from).collect()
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
    fn both_generations_of_config_are_read() {
        let mut facts = Facts::default();
        let info = r#"{"sandboxImage":"registry.k8s.io/pause:3.6","registry":{"configPath":"/c:/d"}}"#;
        facts.read_status(&[("config".to_owned(), info.to_owned())].into());
        assert_eq!(facts.pause_image.as_deref(), Some("registry.k8s.io/pause:3.6"));
        assert_eq!(facts.config_path, [Path::new("/c"), Path::new("/d")]);

        let mut facts = Facts::default();
        facts.read_status(&[("config".to_owned(), "{}".to_owned())].into());
        let dump = "[plugins.'io.containerd.cri.v1.images']\npinned_images = {sandbox = 'p:1'}\n\
                    registry = {config_path = '/e'}\n";
        facts.read_dump(&dump.parse().unwrap());
        assert_eq!(facts.pause_image.as_deref(), Some("p:1"));
        assert_eq!(facts.config_path, [Path::new("/e")]);
    }
}
