//! Files of a node, as `doctor` reads them from a disk.
//!
//! Input: a letter for the file, then the file. The node's other files are as they should be.
//! What must hold: a setting is at a line of its file; the same is read twice; what is written at the end of a unit or of
//! an environment counts; no word of a broken file is told.

use std::path::Path;

use cri_shunt::inside::node::{
    Distribution, Endpoint, Kubelet, Rancher, Said, Tree, Unit, crictl_config, of_unit,
};

use super::disk::Disk;
use super::secrets::hidden;

const UNIT: &str = "usr/lib/systemd/system/kubelet.service";
const ENVIRONMENT: &str = "etc/default/kubelet";

/// The files that are written for each input.
const FILES: [(&str, &str); 3] = [
    (
        UNIT,
        "[Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet \
         --config=/var/lib/kubelet/config.yaml --config-dir=/etc/kubernetes/kubelet.conf.d $A\n",
    ),
    (ENVIRONMENT, "A=--v=2\n"),
    ("etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n"),
];

const END: &str = "unix:///run/end.sock";

pub(crate) fn run(bytes: &[u8]) {
    let Some((letter, text)) = bytes.split_first() else { return };
    thread_local!(static DISK: Disk = Disk::new("node"));
    DISK.with(|disk| match letter {
        b'c' => crictl(text),
        b'u' => last_counts(disk, UNIT, text, "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet"),
        b'e' => last_counts(disk, ENVIRONMENT, text, "A="),
        b'd' => drop(read(disk, "etc/kubernetes/kubelet.conf.d/a.conf", text)),
        b'r' => {
            read(disk, "etc/rancher/rke2/config.yaml", text);
            read(disk, "etc/rancher/k3s/config.yaml", text);
        }
        _ => drop(read(disk, "var/lib/kubelet/config.yaml", text)),
    });
}

fn crictl(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match crictl_config(&text) {
        Ok(found) => {
            for written in [found.image, found.runtime].iter().flatten() {
                assert!((1..=lines(&text)).contains(&written.line), "{written:?}");
                endpoint(&written.value);
            }
        }
        Err(broken) => hidden(&format!("{broken:?}")),
    }
}

/// Reads a file as it is, and with an endpoint behind all else.
fn last_counts(disk: &Disk, file: &str, text: &[u8], end: &str) {
    read(disk, file, text);
    if std::str::from_utf8(text).is_err() {
        return;
    }
    // An empty line ends a value that goes on at the next one.
    let with_end = [text, format!("\n\n{end} --image-service-endpoint={END}\n").as_bytes()].concat();
    let kubelet = read(disk, file, &with_end).expect("a unit that starts a kubelet");
    assert_eq!(kubelet.image.last().map(|said| said.value.as_str()), Some(END));
}

/// Reads a node on which one file is this text.
fn read(disk: &Disk, file: &str, text: &[u8]) -> Option<Kubelet> {
    disk.clear();
    for (path, content) in FILES.iter().filter(|(path, _)| *path != file) {
        disk.write(path, content.as_bytes());
    }
    disk.write(file, text);
    let tree = Tree::at(disk.root()).unwrap();
    let kubelet = of_unit(&tree, None);
    assert_eq!(format!("{kubelet:?}"), format!("{:?}", of_unit(&tree, None)));
    let ranchers =
        Distribution::ALL.into_iter().filter_map(|distribution| Rancher::read(&tree, distribution));
    for Rancher { kubelet, own_image, own_runtime, pause_image, .. } in ranchers {
        judge(&tree, &kubelet);
        [own_image, own_runtime, pause_image].iter().flatten().for_each(|said| placed(&tree, said));
    }
    if let Some(unit) = Unit::read(&tree, "kubelet.service") {
        ["After", "Before"].iter().flat_map(|key| unit.units(key)).for_each(|said| placed(&tree, &said));
    }
    kubelet.iter().for_each(|kubelet| judge(&tree, kubelet));
    kubelet
}

fn judge(tree: &Tree, kubelet: &Kubelet) {
    for said in kubelet.image.iter().chain(&kubelet.runtime).chain(&kubelet.directory) {
        placed(tree, said);
        endpoint(&said.value);
    }
    for finding in kubelet.findings.iter().filter(|finding| finding.id.ends_with("-broken")) {
        hidden(&format!("{finding:?}"));
    }
}

/// A setting has a line of a file that is there.
fn placed(tree: &Tree, said: &Said) {
    let text = tree.text(&said.at.file).unwrap_or_else(|| panic!("{said:?}"));
    let line = said.at.line.unwrap_or_else(|| panic!("{said:?}"));
    assert!((1..=lines(&text)).contains(&line), "{said:?}");
}

/// YAML also ends a line at a carriage return.
fn lines(text: &str) -> u64 {
    text.matches(['\n', '\r']).count() as u64 + 1
}

fn endpoint(text: &str) {
    let endpoint = Endpoint::of(text);
    if let Some(path) = endpoint.path() {
        assert!(path.is_absolute() && endpoint.leads_to(path), "{text:?}");
        assert!(!endpoint.leads_to(Path::new("/none/of/these")) || text.contains("/none/of/these"));
    }
}
