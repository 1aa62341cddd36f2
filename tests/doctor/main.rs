//! `cri-shunt doctor` on made-up nodes: a sane one has no problem, and each fault is found at its place.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod containerd;
mod faults;
#[path = "../support/mod.rs"]
mod support;
mod systemd;

use std::fs;

use support::nodes::{Node, doctor};

type Made = fn() -> Node;

const ALL: [(&str, Made); 4] =
    [("kubeadm", Node::kubeadm), ("EKS", Node::eks), ("k3s", Node::k3s), ("RKE2", Node::rke2)];

#[test]
fn a_node_that_is_set_up_right_has_no_problem() {
    for (name, node) in ALL {
        let said = node().doctor();
        assert_eq!(said.of("problem"), Vec::<String>::new(), "{name}\n{}", said.text);
        assert_eq!(said.of("warning"), Vec::<String>::new(), "{name}\n{}", said.text);
        assert_eq!(said.status, Some(0), "{name}");
    }
}

#[test]
fn no_secret_of_a_file_is_shown() {
    for (name, node) in ALL {
        let node = node();
        // Broken files are told of, and their lines are not.
        for file in ["etc/rancher/k3s/config.yaml", "etc/rancher/rke2/config.yaml"] {
            if node.path(file).exists() {
                node.append(file, "kubelet-arg: {a: 'a-secret-token\n");
            }
        }
        node.append("etc/cri-shunt/config.toml", "password = \"a-secret-token\n");
        let said = node.doctor();
        assert!(
            !said.text.contains("a-secret") && !said.json.to_string().contains("a-secret"),
            "{name}\n{}",
            said.text
        );
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_looked_at() {
    for (name, node) in ALL {
        let node = node();
        let pipe = |path: &str| {
            let path = node.path(path);
            let _ = fs::remove_file(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
        };
        pipe("etc/crictl.yaml");
        pipe("etc/default/kubelet");
        fs::remove_file(node.path("etc/cri-shunt/config.toml")).unwrap();
        fs::create_dir(node.path("etc/cri-shunt/config.toml")).unwrap();
        fs::create_dir_all(node.path("etc/containerd/config.toml.d")).unwrap();
        let huge = "etc/systemd/system/cri-shunt.service.d/huge.conf";
        node.write(huge, "");
        fs::File::options().write(true).open(node.path(huge)).unwrap().set_len(1 << 40).unwrap();
        node.write("etc/systemd/system/cri-shunt.socket.d/binary.conf", "[Unit]\n\u{0}\nBefore=\u{1b}[31m\n");
        node.replace(
            "usr/lib/systemd/system/cri-shunt.socket",
            "Before=kubelet.service k3s.service",
            "Before=",
        );
        node.replace("usr/lib/systemd/system/cri-shunt.socket", "rke2-server.service", "");
        node.replace(
            "usr/lib/systemd/system/cri-shunt.service",
            "Before=kubelet.service k3s.service",
            "Before=",
        );
        node.replace("usr/lib/systemd/system/cri-shunt.service", "rke2-server.service", "");
        let said = node.doctor();
        let all = said.all();
        for expected in [
            "cannot-read /etc/crictl.yaml",
            "cannot-read /etc/cri-shunt/config.toml",
            "cannot-read /etc/systemd/system/cri-shunt.service.d/huge.conf",
            "unit-order /usr/lib/systemd/system/cri-shunt.socket",
        ] {
            assert!(all.iter().any(|finding| finding == expected), "{name}: {expected}\n{}", said.text);
        }
        assert_eq!(said.status, Some(1), "{name}");
    }
}

#[test]
fn exit_statuses_tell_what_happened() {
    assert_eq!(doctor_status(&["--root", "/none/of/these"]), Some(3));
    assert_eq!(doctor_status(&["--root"]), Some(2));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(doctor_status(&["--root", file.path().to_str().unwrap()]), Some(3));
    // An empty disk: nothing is installed there.
    let empty = tempfile::tempdir().unwrap();
    let said = doctor(&["--root", empty.path().to_str().unwrap()]);
    assert_eq!((said.status, said.of("problem")), (Some(1), vec!["unit-missing ".to_owned()]));
}

fn doctor_status(arguments: &[&str]) -> Option<i32> {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.arg("doctor").args(arguments).output().unwrap().status.code()
}

#[test]
fn the_summary_fits_a_screen() {
    let node = Node::kubeadm();
    node.remove("etc/crictl.yaml");
    node.replace("var/lib/kubelet/config.yaml", "imageServiceEndpoint", "otherKey");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["doctor", "--root"])
        .arg(node.path(""))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(text, @r"
    problem  the kubelet of kubelet.service pulls past cri-shunt
      at         /var/lib/kubelet/config.yaml:5
      is         unix:///run/containerd/containerd.sock
      should be  unix:///run/cri-shunt/cri-shunt.sock
      do         write imageServiceEndpoint: unix:///run/cri-shunt/cri-shunt.sock in /var/lib/kubelet/config.yaml
      run        systemctl restart kubelet.service

    1 problem, 0 warnings, 3 notes (-v shows notes); only files were looked at
    ");
}
