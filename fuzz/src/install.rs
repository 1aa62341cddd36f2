//! Files of a node that `install` edits, `uninstall` puts back, and what is noted down of it.
//!
//! Input: a letter for the file, then the file. The node's other files are as they should be.
//! What must hold: of a file of others at most one line is changed, and the readers find the endpoint then; a second run
//! changes nothing; what is put back is there byte for byte; a record that is not one changes nothing outside the tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use cri_shunt::inside::install::{
    Client, Content, Node, Part, Plan, Record, Wanted, apply, note_down, plan, restore,
};
use cri_shunt::inside::node::{Distribution, Endpoint, Rancher, Tree, crictl_config, of_unit};

use super::disk::Disk;

const SOCKET: &str = "/run/cri-shunt/cri-shunt.sock";
const RECORD: &str = "var/lib/cri-shunt/install/record.json";

/// A letter, its file, the files beside it, and the client that reads it.
type Row = (u8, &'static str, &'static [(&'static str, &'static str)], Client);

const KUBELET: &str = "etc/systemd/system/kubelet.service";
const YAML: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                    containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n";

const ROWS: [Row; 8] = [
    (
        b'f',
        "etc/default/kubelet",
        &[(
            KUBELET,
            "[Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS\n",
        )],
        Client::Kubelet,
    ),
    (
        b'k',
        "var/lib/kubelet/config.yaml",
        &[(KUBELET, "[Service]\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\n")],
        Client::Kubelet,
    ),
    (
        b'd',
        "etc/kubernetes/kubelet.conf.d/90.conf",
        &[
            (
                KUBELET,
                "[Service]\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml \
                 --config-dir=/etc/kubernetes/kubelet.conf.d\n",
            ),
            ("var/lib/kubelet/config.yaml", YAML),
        ],
        Client::Kubelet,
    ),
    (
        b'u',
        "etc/systemd/system/kubelet.service.d/10.conf",
        &[(KUBELET, "[Service]\nExecStart=/usr/bin/kubelet --v=2\n")],
        Client::Kubelet,
    ),
    (b'c', "etc/crictl.yaml", &[], Client::Crictl),
    (
        b'3',
        "etc/rancher/k3s/config.yaml",
        &[("etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n")],
        Client::K3s,
    ),
    (
        b'2',
        "etc/rancher/rke2/config.yaml",
        &[("etc/systemd/system/rke2-server.service", "[Service]\nExecStart=/usr/local/bin/rke2 server\n")],
        Client::Rke2,
    ),
    // The program's own file, which an administrator may have written.
    (
        b't',
        "etc/cri-shunt/config.toml",
        &[("etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n")],
        Client::K3s,
    ),
];

pub(crate) fn run(bytes: &[u8]) {
    let Some((letter, text)) = bytes.split_first() else { return };
    thread_local!(static DISK: Disk = Disk::new("install"));
    DISK.with(|disk| {
        disk.clear();
        if *letter == b'R' {
            return a_record(disk, text);
        }
        let (_, file, beside, client) = ROWS.iter().find(|row| row.0 == *letter).unwrap_or(&ROWS[0]);
        beside.iter().for_each(|(path, text)| drop(disk.write(path, text.as_bytes())));
        disk.write(file, text);
        there_and_back(disk, *client);
    });
}

/// Edits the file as `install` does, once more, and puts it back.
fn there_and_back(disk: &Disk, client: Client) {
    let tree = Tree::at(disk.root()).unwrap();
    let Ok(first) = planned(&tree, client) else { return };
    if first.served.is_empty() {
        assert!(first.changes.is_empty(), "{:?}", first.changes);
        return;
    }
    first.changes.iter().for_each(is_small);
    let before = all(disk);
    // Nothing copies a program here.
    let mut program = File::open("/dev/null").unwrap();
    let mut record = Record::read(&tree).unwrap();
    note_down(&tree, &mut record, &first.changes, &mut program).unwrap();
    for part in [Part::Own, Part::Client] {
        apply(&tree, &mut record, &first.changes, part, &mut program).unwrap();
    }
    assert!(is_led(&tree, client), "{:?}", first.changes);
    record.prove(&tree).unwrap();

    let after = all(disk);
    let second = planned(&tree, client).unwrap();
    assert_eq!((second.changes, &second.served), (Vec::new(), &first.served));
    assert_eq!(all(disk), after, "to plan writes nothing");

    let mut record = Record::read(&tree).unwrap();
    for part in [Part::Client, Part::Own] {
        let done = restore(&tree, &mut record, part, false, false);
        assert_eq!(done.stays, Vec::<String>::new());
    }
    assert!(record.is_empty());
    record.remove(&tree).unwrap();
    assert_eq!(all(disk), before);
}

fn planned(tree: &Tree, client: Client) -> Result<Plan, String> {
    let kubelet = of_unit(tree, None);
    let ranchers: Vec<Rancher> =
        Distribution::ALL.into_iter().filter_map(|distribution| Rancher::read(tree, distribution)).collect();
    let node = Node {
        tree,
        socket: Path::new(SOCKET),
        listen: None,
        kubelet: kubelet.as_ref(),
        ranchers: &ranchers,
    };
    let said = containerd(tree);
    let wanted = Wanted {
        clients: &[client],
        prefix: Some(Path::new("/usr/local")),
        record: &Record::read(tree).unwrap(),
        containerd: said.as_deref().unwrap_or(Path::new("/run/containerd/containerd.sock")),
        containerd_is_set: said.is_some(),
        is_program: &|_| true,
    };
    plan(&node, &[client], &wanted)
}

/// What the program's own file says of containerd, as `install` looks at it.
fn containerd(tree: &Tree) -> Option<PathBuf> {
    let table: toml::Table = tree.text(Path::new("/etc/cri-shunt/config.toml"))?.parse().ok()?;
    let socket = table.get("containerd")?.get("socket")?.as_str()?;
    socket.starts_with('/').then(|| PathBuf::from(socket))
}

/// Whether the readers of the client find the socket.
fn is_led(tree: &Tree, client: Client) -> bool {
    let said = match client {
        Client::Crictl => {
            let text = tree.text(Path::new("/etc/crictl.yaml")).unwrap();
            let said = crictl_config(&text).unwrap();
            said.image.or(said.runtime).unwrap().value
        }
        Client::K3s | Client::Rke2 => {
            let kind = if client == Client::K3s { Distribution::K3s } else { Distribution::Rke2 };
            Rancher::read(tree, kind).unwrap().kubelet.image.last().unwrap().value.clone()
        }
        _ => of_unit(tree, None).unwrap().image.last().unwrap().value.clone(),
    };
    Endpoint::of(&said).leads_to(Path::new(SOCKET))
}

/// Of a file that was there at most one line is another one, and few are new.
fn is_small(change: &cri_shunt::inside::install::Change) {
    let (Content::Text(new), Some(old)) = (&change.content, &change.was) else { return };
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let head = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(old, new)| old == new);
    let tail = tail.count();
    assert!(old.len() - head - tail <= 1, "{change:?}");
}

/// Each file with its content, each directory and each link.
fn all(disk: &Disk) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(at: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            let content = match kind {
                kind if kind.is_symlink() => {
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
                }
                kind if kind.is_dir() => Vec::new(),
                _ => fs::read(&path).unwrap(),
            };
            found.insert(path.clone(), content);
            if kind.is_dir() {
                walk(&path, found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(disk.root(), &mut found);
    found
}

/// A record that anybody may have written, on a disk that is mounted.
fn a_record(disk: &Disk, text: &[u8]) {
    disk.write("node/etc/default/kubelet", b"A=1\n");
    disk.write("beside", b"stays");
    disk.write(&format!("node/{RECORD}"), text);
    let tree = Tree::at(&disk.path("node")).unwrap();
    let Ok(mut record) = Record::read(&tree) else { return };
    record.shown();
    for part in [Part::Client, Part::Own] {
        restore(&tree, &mut record, part, false, true);
    }
    drop(record.save(&tree));
    if let Ok(record) = Record::read(&tree) {
        drop(record.remove(&tree));
    }
    assert_eq!(fs::read(disk.path("beside")).unwrap(), b"stays");
}
