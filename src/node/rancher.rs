//! k3s and RKE2: what their kubelet gets.
//!
//! Source: k3s `pkg/configfilearg`, `pkg/daemons/agent/agent_linux.go`; RKE2 `pkg/cli/cmds/agent.go`, where
//! `image-service-endpoint` and `pause-image` are dropped. A kubelet-arg is a flag, so it counts over drop-ins, and these
//! count over the flag of k3s.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::kubelet::{IMAGE_FLAG, Kubelet, RUNTIME_FLAG, place};
use super::place::Said;
use super::rancher_config::rancher_config;
use super::tree::Tree;
use super::units::Unit;
use super::words::{Word, flag};

/// Which of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
}

/// What one of them is set up to do.
#[derive(Debug)]
pub struct Rancher {
    /// Which one.
    pub distribution: Distribution,
    /// Its units that are there.
    pub units: Vec<String>,
    /// Its kubelet.
    pub kubelet: Kubelet,
    /// The key `image-service-endpoint`, which RKE2 does not know.
    pub own_image: Option<Said>,
    /// The key `container-runtime-endpoint`, which switches its containerd off.
    pub own_runtime: Option<Said>,
    /// The image of pod sandboxes.
    pub pause_image: Option<Said>,
    /// Where its data is.
    pub data: PathBuf,
}

/// What its files say so far.
#[derive(Default)]
struct Own {
    /// The last one counts.
    image: Vec<Said>,
    runtime: Option<Said>,
    kubelet_args: Vec<Said>,
    pause_image: Option<Said>,
    data: Option<Said>,
}

// === impl Distribution ===

impl Distribution {
    /// Both.
    pub const ALL: [Self; 2] = [Self::K3s, Self::Rke2];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::K3s => "k3s",
            Self::Rke2 => "RKE2",
        }
    }

    /// The units that run it, on servers and on agents.
    pub fn units(self) -> [&'static str; 2] {
        match self {
            Self::K3s => ["k3s.service", "k3s-agent.service"],
            Self::Rke2 => ["rke2-server.service", "rke2-agent.service"],
        }
    }

    /// Its word in paths and as the name of its program.
    pub fn word(self) -> &'static str {
        match self {
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
        }
    }

    fn files(self, tree: &Tree) -> Vec<PathBuf> {
        let main = PathBuf::from(format!("/etc/rancher/{}/config.yaml", self.word()));
        let directory = PathBuf::from(format!("{}.d", main.display()));
        let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        let more = tree.names(&directory).into_iter().map(|name| directory.join(name)).filter(is_yaml);
        std::iter::once(main).chain(more).collect()
    }
}

// === impl Rancher ===

impl Rancher {
    /// Reads it, if it is there.
    pub fn read(tree: &Tree, distribution: Distribution) -> Option<Self> {
        let units: Vec<Unit> = distribution
            .units()
            .iter()
            .filter_map(|name| Unit::read(tree, name))
            .filter(|unit| !unit.is_masked)
            .collect();
        let files = distribution.files(tree);
        if units.is_empty() && !files.iter().any(|file| tree.has(file)) {
            return None;
        }
        let mut kubelet = Kubelet::empty(units.first().map_or(distribution.units()[0], |unit| &unit.name));
        let mut own = Own::default();
        for file in &files {
            own.read(tree, file, distribution, &mut kubelet);
        }
        let command: Vec<Word> = units.first().map(|unit| unit.command(tree)).unwrap_or_default();
        own.read_flags(&command);
        let default = PathBuf::from(format!("/var/lib/rancher/{}", distribution.word()));
        let data = own.data.as_ref().map_or(default, |said| PathBuf::from(&said.value));
        if distribution == Distribution::K3s {
            kubelet.image.extend(own.image.clone());
        }
        // What is in 00-…-defaults.conf, it has made itself of its other settings.
        let directory = data.join("agent/etc/kubelet.conf.d");
        kubelet.read_directory(tree, &directory);
        kubelet.image.retain(|said| !is_generated(&said.at.file));
        kubelet.runtime.retain(|said| !is_generated(&said.at.file));
        kubelet.files.retain(|file| !is_generated(file));
        for said in &own.kubelet_args {
            let as_flag =
                |name: &str| said.value.trim_start_matches('-').strip_prefix(name)?.strip_prefix('=');
            let with = |value: &str| Said { value: value.to_owned(), at: said.at.clone() };
            kubelet.image.extend(as_flag(IMAGE_FLAG).map(with));
            kubelet.runtime.extend(as_flag(RUNTIME_FLAG).map(with));
        }
        let units = units.into_iter().map(|unit| unit.name).collect();
        let Own { mut image, runtime: own_runtime, pause_image, .. } = own;
        let own_image = image.pop();
        Some(Rancher { distribution, units, kubelet, own_image, own_runtime, pause_image, data })
    }

    /// The socket of its own containerd.
    pub fn containerd(&self) -> &'static Path {
        Path::new("/run/k3s/containerd/containerd.sock")
    }
}

fn is_generated(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with("00-") && name.ends_with("-defaults.conf"))
}

// === impl Own ===

impl Own {
    fn read(&mut self, tree: &Tree, file: &Path, distribution: Distribution, kubelet: &mut Kubelet) {
        let Some(text) = tree.text(file) else { return };
        kubelet.files.push(file.to_owned());
        let config = match rancher_config(&text) {
            Ok(config) => config,
            Err(broken) => {
                let (name, shown) = (distribution.name(), file.display());
                let what =
                    format!("{shown} cannot be used: it is not YAML, or a key has a value of the wrong kind");
                kubelet.findings.push(
                    Finding::problem("rancher-config-broken", what)
                        .at(&place(file, &broken))
                        .advice(format!("{name} does not start with it: correct the file"))
                        .command(format!("systemctl restart {}", kubelet.unit)),
                );
                return;
            }
        };
        let said = |found: Option<super::yaml::Written>| found.map(|found| found.said(file));
        self.image.extend(said(config.image));
        self.runtime = said(config.runtime).or(self.runtime.take());
        self.pause_image = said(config.pause_image).or(self.pause_image.take());
        self.data = said(config.data_dir).or(self.data.take());
        let all =
            |args: Vec<super::yaml::Written>| args.into_iter().map(|arg| arg.said(file)).collect::<Vec<_>>();
        if let Some(args) = config.kubelet_args {
            self.kubelet_args = all(args);
        }
        self.kubelet_args.extend(all(config.more_kubelet_args));
    }

    /// Flags of the unit count over keys of files.
    fn read_flags(&mut self, command: &[Word]) {
        let last = |name: &str| flag(command, name).pop();
        self.image.extend(flag(command, IMAGE_FLAG));
        self.runtime = last(RUNTIME_FLAG).or(self.runtime.take());
        self.pause_image = last("pause-image").or(self.pause_image.take());
        self.data = last("data-dir").or(self.data.take());
        self.kubelet_args.extend(flag(command, "kubelet-arg"));
    }
}
