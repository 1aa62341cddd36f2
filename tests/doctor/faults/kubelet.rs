//! Faults of kubelets, and of k3s and RKE2.

use super::{CONTAINERD, ENDPOINT, Fault, Node, drop_in, fault};

const SOCI: &str = "unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock";

pub(super) const KUBELET: [Fault; 15] = [
    fault(
        "the key is missing",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", "imageServiceEndpoint", "other");
        },
        "kubelet-goes-round /var/lib/kubelet/config.yaml:5",
    ),
    fault(
        "neither endpoint is set",
        Node::kubeadm,
        |node| {
            node.write("var/lib/kubelet/config.yaml", &drop_in("maxPods: 1"));
        },
        "kubelet-goes-round ",
    ),
    fault(
        "a flag of kubeadm overrules the file",
        Node::kubeadm,
        |node| {
            node.write(
                "var/lib/kubelet/kubeadm-flags.env",
                &format!("KUBELET_KUBEADM_ARGS=\"--v=2 --image-service-endpoint={CONTAINERD}\"\n"),
            );
        },
        "kubelet-overruled /var/lib/kubelet/kubeadm-flags.env:1",
    ),
    fault(
        "the shunt's flag is in a file that the unit does not read",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", "imageServiceEndpoint", "other");
            node.write(
                "etc/sysconfig/kubelet",
                &format!("\nKUBELET_EXTRA_ARGS=--image-service-endpoint={ENDPOINT}\n"),
            );
        },
        "kubelet-file-not-used /etc/sysconfig/kubelet:2",
    ),
    fault(
        "the shunt's flag is in a variable that the unit does not use",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", "imageServiceEndpoint", "other");
            node.write(
                "etc/default/kubelet",
                &format!("KUBELET_ARGS='--image-service-endpoint={ENDPOINT}'\n"),
            );
        },
        "kubelet-file-not-used /etc/default/kubelet:1",
    ),
    fault(
        "a drop-in, and no directory for it",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", "imageServiceEndpoint", "other");
            node.write(
                "etc/kubernetes/kubelet.conf.d/20-cri-shunt.conf",
                &drop_in(&format!("imageServiceEndpoint: {ENDPOINT}")),
            );
        },
        "kubelet-file-not-used /etc/kubernetes/kubelet.conf.d/20-cri-shunt.conf:3",
    ),
    fault(
        "the config is no YAML",
        Node::kubeadm,
        |node| {
            node.append("var/lib/kubelet/config.yaml", "a: [\n");
        },
        "kubelet-config-broken /var/lib/kubelet/config.yaml:8",
    ),
    fault(
        "the endpoint is a list",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", ENDPOINT, "[a]");
        },
        "kubelet-config-broken /var/lib/kubelet/config.yaml:6",
    ),
    fault(
        "CRI-O",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", CONTAINERD, "unix:///run/crio/crio.sock");
        },
        "another-runtime /var/lib/kubelet/config.yaml:5",
    ),
    fault(
        "a network address",
        Node::kubeadm,
        |node| {
            node.replace("var/lib/kubelet/config.yaml", ENDPOINT, "tcp://127.0.0.1:1");
        },
        "kubelet-goes-round /var/lib/kubelet/config.yaml:6",
    ),
    fault(
        "SOCI is at the image endpoint",
        Node::eks,
        |node| {
            node.replace("etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf", ENDPOINT, SOCI);
        },
        "another-shim /etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf:3",
    ),
    fault(
        "a later drop-in overrules",
        Node::eks,
        |node| {
            node.write(
                "etc/kubernetes/kubelet/config.json.d/60-soci.conf",
                &drop_in(&format!("imageServiceEndpoint: {SOCI}")),
            );
        },
        "kubelet-overruled /etc/kubernetes/kubelet/config.json.d/60-soci.conf:3",
    ),
    fault(
        "a flag of nodeadm overrules the drop-in",
        Node::eks,
        |node| {
            node.replace(
                "etc/eks/kubelet/environment",
                "--node-ip",
                &format!("--image-service-endpoint {SOCI} --node-ip"),
            );
        },
        "another-shim /etc/eks/kubelet/environment:1",
    ),
    fault(
        "a drop-in with another ending",
        Node::eks,
        |node| {
            let text = drop_in(&format!("imageServiceEndpoint: {ENDPOINT}"));
            node.remove("etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf");
            node.write("etc/kubernetes/kubelet/config.json.d/50-cri-shunt.yaml", &text);
        },
        "kubelet-file-not-used /etc/kubernetes/kubelet/config.json.d/50-cri-shunt.yaml:3",
    ),
    fault(
        "a drop-in without kind",
        Node::eks,
        |node| {
            node.replace(
                "etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf",
                "kind: KubeletConfiguration\n",
                "",
            );
        },
        "kubelet-drop-in-without-kind /etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf",
    ),
];

pub(super) const RANCHER: [Fault; 10] = [
    fault(
        "k3s is not told",
        Node::k3s,
        |node| {
            node.remove("etc/rancher/k3s/config.yaml.d/cri-shunt.yaml");
        },
        "kubelet-goes-round ",
    ),
    fault(
        "another file of k3s says otherwise",
        Node::k3s,
        |node| {
            node.write(
                "etc/rancher/k3s/config.yaml.d/z.yaml",
                "image-service-endpoint: unix:///run/containerd-stargz-grpc/a.sock\n",
            );
        },
        "another-shim /etc/rancher/k3s/config.yaml.d/z.yaml:1",
    ),
    fault(
        "k3s' flag counts over its file",
        Node::k3s,
        |node| {
            node.replace(
                "etc/systemd/system/k3s.service",
                "'traefik'",
                &format!("traefik '--image-service-endpoint={CONTAINERD}'"),
            );
        },
        "kubelet-overruled /etc/systemd/system/k3s.service:7",
    ),
    fault(
        "k3s' own containerd is off",
        Node::k3s,
        |node| {
            node.append("etc/rancher/k3s/config.yaml", &format!("container-runtime-endpoint: {ENDPOINT}\n"));
        },
        "rancher-containerd-off /etc/rancher/k3s/config.yaml:4",
    ),
    fault(
        "k3s' config is no YAML",
        Node::k3s,
        |node| {
            node.append("etc/rancher/k3s/config.yaml", "a: 'b\n");
        },
        "rancher-config-broken /etc/rancher/k3s/config.yaml",
    ),
    fault(
        "the shunt connects to a containerd that is not there",
        Node::k3s,
        |node| {
            node.write("etc/cri-shunt/config.toml", "");
        },
        "containerd-socket /etc/cri-shunt/config.toml",
    ),
    fault(
        "RKE2 drops the flag of k3s",
        Node::rke2,
        |node| {
            node.write(
                "etc/rancher/rke2/config.yaml.d/cri-shunt.yaml",
                &format!("image-service-endpoint: {ENDPOINT}\n"),
            );
        },
        "rke2-drops-key /etc/rancher/rke2/config.yaml.d/cri-shunt.yaml:1",
    ),
    fault(
        "without + another file replaces the list",
        Node::rke2,
        |node| {
            node.write("etc/rancher/rke2/config.yaml.d/z.yaml", "kubelet-arg: [v=2]\n");
        },
        "kubelet-goes-round ",
    ),
    fault(
        "RKE2 drops the pause image",
        Node::rke2,
        |node| {
            node.append("etc/rancher/rke2/config.yaml", "pause-image: a.example/pause:1\n");
        },
        "rke2-drops-key /etc/rancher/rke2/config.yaml:3",
    ),
    fault(
        "RKE2's data is elsewhere",
        Node::rke2,
        |node| {
            node.append("etc/rancher/rke2/config.yaml", "data-dir: /data\n");
            node.remove("etc/rancher/rke2/config.yaml.d/cri-shunt.yaml");
            node.write(
                "data/agent/etc/kubelet.conf.d/50.conf",
                &drop_in(&format!("imageServiceEndpoint: {CONTAINERD}")),
            );
        },
        "kubelet-goes-round /data/agent/etc/kubelet.conf.d/50.conf:3",
    ),
];
