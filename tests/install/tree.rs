//! Nodes without cri-shunt, the program on their files, and how a tree looks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::nodes::{ENDPOINT, Node};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_cri-shunt");

/// What the program has said.
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Takes cri-shunt away from a node.
pub fn bare(node: Node) -> Node {
    for file in [
        "usr/lib/systemd/system/cri-shunt.service",
        "usr/lib/systemd/system/cri-shunt.socket",
        "etc/systemd/system/sockets.target.wants/cri-shunt.socket",
        "etc/systemd/system/multi-user.target.wants/cri-shunt.service",
        "usr/bin/cri-shunt",
        "etc/cri-shunt/config.toml",
        "etc/crictl.yaml",
        "etc/rancher/k3s/config.yaml.d/cri-shunt.yaml",
        "etc/rancher/rke2/config.yaml.d/cri-shunt.yaml",
        "etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf",
    ] {
        let _ = fs::remove_file(node.path(file));
    }
    fs::remove_dir(node.path("etc/cri-shunt")).unwrap();
    let kubelet = node.path("var/lib/kubelet/config.yaml");
    if let Ok(text) = fs::read_to_string(&kubelet) {
        let line = format!("imageServiceEndpoint: {ENDPOINT}\n");
        fs::write(kubelet, text.replace(&line, "")).unwrap();
    }
    node
}

/// The program with these arguments, on the files of a node.
pub fn command(node: &Node, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg(arguments[0]).arg("--root").arg(node.path("")).args(&arguments[1..]);
    command
}

pub fn run(node: &Node, arguments: &[&str]) -> Said {
    let output = command(node, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Runs it with `--apply`; it has to succeed.
#[track_caller]
pub fn done(node: &Node, arguments: &[&str]) -> Said {
    let said = run(node, &[arguments, &["--apply"]].concat());
    assert_eq!(said.status, Some(0), "{}{}", said.out, said.err);
    said
}

pub const NOTHING: [String; 0] = [];

/// The paths that are not the same in both.
pub fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).cloned().collect()
}

/// What a file has besides, as the kernel names it.
pub fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap_or(0);
    let names = std::str::from_utf8(&list[..length]).unwrap().split_terminator('\0');
    let value = |name: &str| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap_or(0);
        value[..length].to_vec()
    };
    names.map(|name| (name.to_owned(), value(name))).collect()
}

/// Each path with its kind, permissions, owner, attributes and content. The times are not compared.
pub fn snapshot(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let is = path.symlink_metadata().unwrap();
            let content = match is.file_type() {
                kind if kind.is_symlink() => format!("-> {}", fs::read_link(&path).unwrap().display()),
                kind if kind.is_dir() => String::new(),
                _ if is.len() > 1 << 20 => format!("{} bytes", is.len()),
                _ => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let owner = format!("{:o} {}:{}", is.permissions().mode(), is.uid(), is.gid());
            found.insert(name, format!("{owner} {:?} {content}", attributes(&path)));
            if is.is_dir() {
                walk(root, &path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}
