//! One fault for each finding that files alone can give.

mod kubelet;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::support::nodes::{ENDPOINT, Node, drop_in};

/// What is done to a node, and which problem or warning follows at which place: `id file:line`.
struct Fault {
    name: &'static str,
    node: fn() -> Node,
    plant: fn(&Node),
    found: &'static str,
}

const CONTAINERD: &str = "unix:///run/containerd/containerd.sock";

const fn fault(name: &'static str, node: fn() -> Node, plant: fn(&Node), found: &'static str) -> Fault {
    Fault { name, node, plant, found }
}

const REST: [Fault; 19] = [
    fault(
        "crictl goes to containerd",
        Node::kubeadm,
        |node| {
            node.write("etc/crictl.yaml", &format!("runtime-endpoint: {CONTAINERD}\n"));
        },
        "crictl-goes-round /etc/crictl.yaml:1",
    ),
    fault(
        "crictl's file says nothing",
        Node::kubeadm,
        |node| node.write("etc/crictl.yaml", "timeout: 2\n"),
        "crictl-goes-round /etc/crictl.yaml",
    ),
    fault(
        "crictl's file is no YAML",
        Node::kubeadm,
        |node| node.write("etc/crictl.yaml", "a: b: c\n"),
        "crictl-config-broken /etc/crictl.yaml:1",
    ),
    fault(
        "nothing is installed",
        Node::k3s,
        |node| node.remove("usr/lib/systemd/system/cri-shunt.socket"),
        "unit-missing ",
    ),
    fault(
        "the socket is not enabled",
        Node::k3s,
        |node| {
            node.remove("etc/systemd/system/sockets.target.wants/cri-shunt.socket");
        },
        "unit-not-enabled ",
    ),
    fault(
        "the service is masked",
        Node::rke2,
        |node| {
            symlink("/dev/null", node.path("etc/systemd/system/cri-shunt.service")).unwrap();
        },
        "unit-masked /etc/systemd/system/cri-shunt.service",
    ),
    fault(
        "a unit of its own has no order",
        Node::kubeadm,
        |node| {
            node.write(
                "etc/systemd/system/cri-shunt.socket",
                "[Socket]\nListenStream=/run/cri-shunt/cri-shunt.sock\n",
            );
            node.write(
                "etc/systemd/system/cri-shunt.service",
                "[Service]\nExecStart=/usr/bin/cri-shunt serve\n",
            );
        },
        "unit-order /etc/systemd/system/cri-shunt.socket",
    ),
    fault(
        "a drop-in turns the order round",
        Node::k3s,
        |node| {
            node.write("etc/systemd/system/cri-shunt.service.d/late.conf", "[Unit]\nAfter=k3s.service\n");
        },
        "unit-order /etc/systemd/system/cri-shunt.service.d/late.conf:2",
    ),
    fault(
        "kubelet is before the shunt",
        Node::kubeadm,
        |node| {
            node.write(
                "etc/systemd/system/kubelet.service.d/first.conf",
                "[Unit]\nBefore=cri-shunt.socket\n",
            );
        },
        "unit-order /etc/systemd/system/kubelet.service.d/first.conf:2",
    ),
    fault(
        "the daemon stops with containerd",
        Node::kubeadm,
        |node| {
            node.write(
                "etc/systemd/system/cri-shunt.service.d/a.conf",
                "[Unit]\nBindsTo=containerd.service\n",
            );
        },
        "unit-stops /etc/systemd/system/cri-shunt.service.d/a.conf:2",
    ),
    fault(
        "[listen] has no effect",
        Node::kubeadm,
        |node| {
            node.append("etc/cri-shunt/config.toml", "[listen]\nsocket = \"/run/other.sock\"\n");
        },
        "listen-not-used /usr/lib/systemd/system/cri-shunt.socket:12",
    ),
    fault(
        "everybody can write the policy",
        Node::eks,
        |node| open(node, "etc/cri-shunt/config.toml", 0o666),
        "file-too-open /etc/cri-shunt/config.toml",
    ),
    fault(
        "a group can write a drop-in's directory",
        Node::eks,
        |node| {
            node.write("etc/cri-shunt/conf.d/a.toml", "");
            open(node, "etc/cri-shunt/conf.d", 0o775);
        },
        "file-too-open /etc/cri-shunt/conf.d",
    ),
    fault(
        "the bypass file is there",
        Node::rke2,
        |node| node.write("run/cri-shunt/bypass", ""),
        "bypass /run/cri-shunt/bypass",
    ),
    fault(
        "containerd's config is no TOML",
        Node::kubeadm,
        |node| node.append("etc/containerd/config.toml", "a = [\n"),
        "containerd-config-broken /etc/containerd/config.toml:4",
    ),
    fault(
        "containerd does not serve the CRI",
        Node::kubeadm,
        |node| {
            node.write("etc/containerd/config.toml", "disabled_plugins = [\"cri\"]\n");
        },
        "containerd-cri-off /etc/containerd/config.toml",
    ),
    fault(
        "containerd has mirrors of its own",
        Node::k3s,
        |node| {
            node.append(
                "var/lib/rancher/k3s/agent/etc/containerd/config.toml",
                "[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"a.example\"]\nendpoint = []\n",
            );
        },
        "containerd-mirrors /var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    ),
    fault(
        "containerd has mirrors of its own in a file of the first version",
        Node::kubeadm,
        |node| {
            node.write(
                "etc/containerd/config.toml",
                "[plugins.cri.registry.mirrors.\"docker.io\"]\nendpoint = [\"https://m.example\"]\n",
            );
        },
        "containerd-mirrors /etc/containerd/config.toml",
    ),
    fault(
        "the clock is late",
        Node::k3s,
        |node| {
            let file = fs::File::options().write(true).open(node.path("etc/cri-shunt/config.toml")).unwrap();
            file.set_modified(SystemTime::now() + Duration::from_secs(100_000)).unwrap();
        },
        "clock /etc/cri-shunt/config.toml",
    ),
];

fn open(node: &Node, path: &str, mode: u32) {
    fs::set_permissions(node.path(path), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn each_fault_is_found_at_its_place() {
    let mut missed = Vec::new();
    for Fault { name, node, plant, found } in kubelet::KUBELET.iter().chain(&kubelet::RANCHER).chain(&REST) {
        let node = node();
        plant(&node);
        let said = node.doctor();
        let told = [said.of("problem"), said.of("warning")].concat();
        // A broken file has a place in it where the parser says one.
        let is_it = |told: &&String| {
            *told == found || found.starts_with("rancher-config-broken") && told.starts_with(found)
        };
        if !told.iter().any(|told| is_it(&told)) {
            missed.push(format!("{name}: no `{found}`, but {told:?}"));
        }
        let expected = i32::from(!said.of("problem").is_empty());
        assert_eq!(said.status, Some(expected), "{name}");
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// The paths in it are those of the node.
#[test]
fn the_configuration_of_the_node_is_judged() {
    let node = Node::k3s();
    let (own, of_k3s) = ("etc/cri-shunt/config.toml", "etc/rancher/k3s/registries.yaml");
    node.append(own, &format!("[[policy.source]]\nregistries-yaml = \"/{of_k3s}\"\n"));
    node.write(of_k3s, "mirrors:\n  quay.io:\n    endpoint: [\"https://quay.dev.de\"]\n");
    if !rustix::process::geteuid().is_root() {
        assert_eq!(node.doctor().of("warning"), ["configuration-not-judged "]);
        return;
    }
    let said = node.doctor();
    assert_eq!([said.of("problem"), said.of("warning")].concat(), Vec::<String>::new(), "{}", said.text);
    assert!(said.all().contains(&"default-passes ".to_owned()), "{}", said.text);
    node.append(of_k3s, "  ghcr.io: [\n");
    node.append(own, "[[policy.rule]]\nprefix = \"gcr.io\"\nmirors = [\"mirror.dev.de\"]\n");
    let said = node.doctor();
    let expected = ["/etc/cri-shunt/config.toml:10", "/etc/rancher/k3s/registries.yaml:4"];
    for place in expected.map(|place| format!("configuration-refused {place}")) {
        assert!(said.of("problem").contains(&place), "{place}\n{}", said.text);
    }
    node.write(own, "");
    assert!(node.doctor().of("warning").contains(&"policy-empty ".to_owned()));
}

#[test]
fn a_file_of_another_user_is_found() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let node = Node::kubeadm();
    std::os::unix::fs::chown(node.path("etc/cri-shunt/config.toml"), Some(4711), None).unwrap();
    assert_eq!(node.doctor().of("problem"), ["file-of-another /etc/cri-shunt/config.toml"]);
}
