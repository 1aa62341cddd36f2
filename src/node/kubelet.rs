//! A kubelet that a unit starts: which endpoints it gets, and from where.
//!
//! Source: kubernetes v1.36 `cmd/kubelet/app/server.go`: a flag counts over the drop-ins of `--config-dir`, these count over
//! the file of `--config`. Of the directory, files that end in `.conf` are read, in the order of their paths.

use std::path::{Path, PathBuf};

use super::environment::variables;
use super::finding::Finding;
use super::kubelet_config::kubelet_config;
use super::place::{Place, Said};
use super::processes::Process;
use super::tree::Tree;
use super::units::Unit;
use super::words::{Word, flag, words};
use super::yaml::Broken;

/// The flag of the image endpoint, which people set in many places.
pub(super) const IMAGE_FLAG: &str = "image-service-endpoint";
/// And that of the other one.
pub(super) const RUNTIME_FLAG: &str = "container-runtime-endpoint";

/// Files with flags that units of kubelets read, or that people believe they read.
const FLAG_FILES: [&str; 5] = [
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
    "/etc/eks/kubelet/environment",
    "/etc/kubernetes/kubelet.env",
];

/// Directories for drop-ins that are in use.
const DROP_IN_DIRECTORIES: [&str; 4] = [
    "/etc/kubernetes/kubelet.conf.d",
    "/etc/kubernetes/kubelet/config.json.d",
    "/etc/kubernetes/kubelet/conf.d",
    "/var/lib/kubelet/config.d",
];

/// How deep directories of drop-ins are looked into.
const DEPTH: usize = 4;

/// What a kubelet is given.
#[derive(Debug)]
pub struct Kubelet {
    /// The unit that starts it.
    pub unit: String,
    /// Each image endpoint that it is given; the last one counts.
    pub image: Vec<Said>,
    /// The same of runtime endpoints.
    pub runtime: Vec<Said>,
    /// The directory of its drop-ins.
    pub directory: Option<Said>,
    /// The files with settings that it reads when it starts.
    pub files: Vec<PathBuf>,
    /// What was wrong with these.
    pub findings: Vec<Finding>,
}

/// The kubelet of `kubelet.service`; of a running one that no unit explains, what its command line says.
pub fn of_unit(tree: &Tree, running: Option<&Process>) -> Option<Kubelet> {
    let unit = Unit::read(tree, "kubelet.service").filter(|unit| !unit.is_masked);
    let by_unit = unit.map(|unit| unit.command(tree)).unwrap_or_default();
    let names_kubelet = by_unit.first().is_some_and(|first| Path::new(&first.text).ends_with("kubelet"));
    let command = match running {
        Some(process) if !names_kubelet => process.command(),
        _ if by_unit.is_empty() => return None,
        _ => by_unit,
    };
    let mut kubelet = Kubelet::of_command(tree, &command);
    kubelet.findings.extend(unused(tree, &kubelet));
    Some(kubelet)
}

// === impl Kubelet ===

impl Kubelet {
    fn of_command(tree: &Tree, command: &[Word]) -> Self {
        let last = |name: &str| flag(command, name).pop();
        let (config, directory) = (last("config"), last("config-dir"));
        let mut kubelet = Kubelet::empty("kubelet.service");
        if let Some(config) = &config {
            kubelet.read(tree, Path::new(&config.value), false);
        }
        if let Some(directory) = &directory {
            kubelet.read_directory(tree, Path::new(&directory.value));
        }
        kubelet.directory = directory;
        kubelet.image.extend(flag(command, IMAGE_FLAG));
        kubelet.runtime.extend(flag(command, RUNTIME_FLAG));
        kubelet
    }

    pub(super) fn empty(unit: &str) -> Self {
        Kubelet {
            unit: unit.to_owned(),
            image: Vec::new(),
            runtime: Vec::new(),
            directory: None,
            files: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Reads the drop-ins of a directory.
    pub(super) fn read_directory(&mut self, tree: &Tree, directory: &Path) {
        for file in drop_ins(tree, directory, DEPTH) {
            if file.extension().is_some_and(|extension| extension == "conf") {
                self.read(tree, &file, true);
            }
        }
    }

    fn read(&mut self, tree: &Tree, file: &Path, is_drop_in: bool) {
        let Some(text) = tree.text(file) else { return };
        self.files.push(file.to_owned());
        let config = match kubelet_config(&text) {
            Ok(config) => config,
            Err(broken) => {
                let what = format!(
                    "{} cannot be used: it is not YAML, or an endpoint in it is not a text",
                    file.display()
                );
                self.findings.push(
                    Finding::problem("kubelet-config-broken", what)
                        .at(&place(file, &broken))
                        .advice("kubelet does not start with it: correct the file, and restart kubelet")
                        .command("systemctl restart kubelet"),
                );
                return;
            }
        };
        if is_drop_in && !config.is_typed {
            let what = format!("{} has no apiVersion and kind of a KubeletConfiguration", file.display());
            self.findings.push(
                Finding::problem("kubelet-drop-in-without-kind", what)
                    .at(&Place::file(file))
                    .should_be("apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration")
                    .advice("kubelet does not start with it: add both lines, and restart kubelet")
                    .command("systemctl restart kubelet"),
            );
        }
        self.image.extend(config.image.map(|image| image.said(file)));
        self.runtime.extend(config.runtime.map(|runtime| runtime.said(file)));
    }
}

/// The place where a text is broken.
pub(super) fn place(file: &Path, broken: &Broken) -> Place {
    Place { file: file.to_owned(), line: broken.line }
}

/// The files of a directory of drop-ins in their order, also those that kubelet leaves out. As kubelet does, it looks
/// into no directory that is a link: it could lead round in a circle.
fn drop_ins(tree: &Tree, directory: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in tree.names(directory) {
        let path = directory.join(name);
        match tree.metadata(&path).is_some_and(|is| is.is_dir()) {
            false => found.push(path),
            true if depth == 0 || tree.link(&path).is_some() => {}
            true => found.extend(drop_ins(tree, &path, depth - 1)),
        }
    }
    found
}

/// Image endpoints in files that look as if kubelet read them, and that it does not read.
fn unused(tree: &Tree, kubelet: &Kubelet) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in FLAG_FILES.map(Path::new) {
        for variable in tree.text(file).map(|text| variables(&text)).unwrap_or_default() {
            let at = Place::line(file, variable.line);
            let all: Vec<Word> =
                words(&variable.value).into_iter().map(|text| Word { text, at: at.clone() }).collect();
            for said in flag(&all, IMAGE_FLAG).into_iter().filter(|said| !kubelet.image.contains(said)) {
                let what = format!(
                    "kubelet does not get the {IMAGE_FLAG} of {at}: its unit does not use {}",
                    variable.name
                );
                found.push(not_used(
                    what,
                    &said,
                    "set it where the unit reads it, for example in the file of --config",
                ));
            }
        }
    }
    let own = kubelet.directory.as_ref().map(|directory| PathBuf::from(&directory.value));
    let known = DROP_IN_DIRECTORIES.iter().map(PathBuf::from).filter(|known| Some(known) != own.as_ref());
    for directory in own.iter().cloned().chain(known) {
        for file in drop_ins(tree, &directory, DEPTH) {
            if kubelet.files.contains(&file) {
                continue;
            }
            let config = tree.text(&file).and_then(|text| kubelet_config(&text).ok());
            let Some(image) = config.and_then(|config| config.image) else { continue };
            let (why, advice) = match Some(&directory) == own.as_ref() {
                true => ("its name does not end in .conf", "give it a name that ends in .conf".to_owned()),
                false => (
                    "kubelet is not started with this directory as --config-dir",
                    format!("start kubelet with --config-dir={} (1.28 and later)", directory.display()),
                ),
            };
            let what = format!("kubelet does not read {}: {why}", file.display());
            found.push(not_used(what, &image.said(&file), &advice));
        }
    }
    found
}

fn not_used(what: String, said: &Said, advice: &str) -> Finding {
    Finding::problem("kubelet-file-not-used", what)
        .at(&said.at)
        .is(&said.value)
        .advice(advice)
        .command("systemctl daemon-reload && systemctl restart kubelet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_drop_in_behind_a_link_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("d/deep")).unwrap();
        fs::write(dir.path().join("d/deep/a.conf"), "").unwrap();
        symlink(".", dir.path().join("d/round")).unwrap();
        symlink("deep/a.conf", dir.path().join("d/b.conf")).unwrap();
        let tree = Tree::at(dir.path()).unwrap();
        let found = drop_ins(&tree, Path::new("/d"), DEPTH);
        assert_eq!(found, [PathBuf::from("/d/b.conf"), PathBuf::from("/d/deep/a.conf")]);
    }
}
