//! Made-up nodes: the files that kubeadm, EKS, k3s and RKE2 put on a disk, and a cri-shunt that is set up right.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub const ENDPOINT: &str = "unix:///run/cri-shunt/cri-shunt.sock";

/// A node below a directory.
pub struct Node(tempfile::TempDir);

/// What `doctor` says.
pub struct Said {
    pub status: Option<i32>,
    pub json: Value,
    pub text: String,
}

pub const KUBELET_UNIT: &str =
    "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n";

/// Debian's package of kubelet has this.
pub const KUBEADM_DROP_IN: &str = "\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment=\"KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf\"
Environment=\"KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml\"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
";

const CONTAINERD: &str = "\
version = 2
[plugins.\"io.containerd.grpc.v1.cri\".registry]
config_path = \"/etc/containerd/certs.d\"
";

impl Node {
    /// With cri-shunt and its units.
    fn with(socket: &str) -> Self {
        let node = Node(tempfile::tempdir().unwrap());
        for unit in ["cri-shunt.service", "cri-shunt.socket"] {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd").join(unit);
            node.write(&format!("usr/lib/systemd/system/{unit}"), &fs::read_to_string(own).unwrap());
        }
        node.enable("sockets.target.wants/cri-shunt.socket");
        node.enable("multi-user.target.wants/cri-shunt.service");
        node.write("usr/bin/cri-shunt", "");
        let rule = "[[policy.rule]]\nprefix = \"docker.io\"\nmirrors = [\"mirror.dev.de\"]\n";
        let config = format!("[containerd]\nsocket = \"{socket}\"\n{rule}");
        node.write("etc/cri-shunt/config.toml", &config);
        let crictl = format!("runtime-endpoint: {ENDPOINT}\nimage-endpoint: {ENDPOINT}\n");
        node.write("etc/crictl.yaml", &crictl);
        node
    }

    pub fn kubeadm() -> Self {
        let node = Self::with("/run/containerd/containerd.sock");
        node.write("usr/lib/systemd/system/kubelet.service", KUBELET_UNIT);
        node.write("usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBEADM_DROP_IN);
        node.write(
            "var/lib/kubelet/config.yaml",
            &format!(
                "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: false\n\
                 containerRuntimeEndpoint: \"unix:///run/containerd/containerd.sock\"\n\
                 imageServiceEndpoint: {ENDPOINT}\nkind: KubeletConfiguration\n"
            ),
        );
        node.write(
            "var/lib/kubelet/kubeadm-flags.env",
            "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=registry.k8s.io/pause:3.10\"\n",
        );
        node.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n");
        node.containerd();
        node
    }

    pub fn eks() -> Self {
        let node = Self::with("/run/containerd/containerd.sock");
        node.write(
            "etc/systemd/system/kubelet.service",
            "[Unit]\nAfter=containerd.service\n[Service]\nEnvironmentFile=/etc/eks/kubelet/environment\n\
             ExecStart=/usr/bin/kubelet $NODEADM_KUBELET_ARGS\n",
        );
        node.write(
            "etc/eks/kubelet/environment",
            "NODEADM_KUBELET_ARGS=\"--cloud-provider=external --config=/etc/kubernetes/kubelet/config.json \
             --config-dir=/etc/kubernetes/kubelet/config.json.d --node-ip=10.0.0.1\"\n",
        );
        node.write(
            "etc/kubernetes/kubelet/config.json",
            "{\n\t\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\",\n\t\"kind\": \"KubeletConfiguration\",\n\
             \t\"containerRuntimeEndpoint\": \"unix:///run/containerd/containerd.sock\"\n}\n",
        );
        node.write("etc/kubernetes/kubelet/config.json.d/40-nodeadm.conf", &drop_in("maxPods: 110"));
        node.write(
            "etc/kubernetes/kubelet/config.json.d/50-cri-shunt.conf",
            &drop_in(&format!("imageServiceEndpoint: {ENDPOINT}")),
        );
        node.containerd();
        node
    }

    pub fn k3s() -> Self {
        let node = Self::with("/run/k3s/containerd/containerd.sock");
        node.write(
            "etc/systemd/system/k3s.service",
            "[Unit]\nAfter=network-online.target\n[Service]\nType=notify\nEnvironmentFile=-/etc/default/%N\n\
             EnvironmentFile=-/etc/systemd/system/k3s.service.env\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\
             \t'--disable' \\\n\t'traefik' \\\n\n",
        );
        node.write("etc/systemd/system/k3s.service.env", "K3S_TOKEN=a-secret-token\n");
        node.write("etc/rancher/k3s/config.yaml", "token: a-secret-token\nkubelet-arg:\n- max-pods=200\n");
        node.write(
            "etc/rancher/k3s/config.yaml.d/cri-shunt.yaml",
            &format!("image-service-endpoint: {ENDPOINT}\n"),
        );
        node.write(
            "var/lib/rancher/k3s/agent/etc/crictl.yaml",
            "runtime-endpoint: unix:///run/k3s/containerd/containerd.sock\n",
        );
        node.write("var/lib/rancher/k3s/agent/etc/containerd/config.toml", CONTAINERD);
        node
    }

    pub fn rke2() -> Self {
        let node = Self::with("/run/k3s/containerd/containerd.sock");
        node.write(
            "usr/local/lib/systemd/system/rke2-server.service",
            "[Unit]\nAfter=network-online.target\n[Service]\nType=notify\nExecStart=/usr/local/bin/rke2 server\n",
        );
        node.write("etc/rancher/rke2/config.yaml", "token: a-secret-token\nkubelet-arg: max-pods=200\n");
        node.write(
            "etc/rancher/rke2/config.yaml.d/cri-shunt.yaml",
            &format!("kubelet-arg+:\n  - image-service-endpoint={ENDPOINT}\n"),
        );
        // RKE2 makes it of its flags, at each start.
        node.write(
            "var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf",
            &drop_in("containerRuntimeEndpoint: unix:///run/k3s/containerd/containerd.sock"),
        );
        node.write("var/lib/rancher/rke2/agent/etc/containerd/config.toml", CONTAINERD);
        node
    }

    /// Its kubelet has no place for flags of an administrator.
    pub fn without_extra_args(&self) {
        let drop_in = "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
        self.replace(drop_in, " $KUBELET_EXTRA_ARGS", "");
    }

    fn containerd(&self) {
        self.write("usr/lib/systemd/system/containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n");
        self.write("etc/containerd/config.toml", CONTAINERD);
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts other words in a file.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path}: {text}");
        self.write(path, &text.replace(from, to));
    }

    pub fn append(&self, path: &str, text: &str) {
        let old = fs::read_to_string(self.path(path)).unwrap_or_default();
        self.write(path, &(old + text));
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn enable(&self, link: &str) {
        let link = self.path("etc/systemd/system").join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        let unit = Path::new("/usr/lib/systemd/system").join(link.file_name().unwrap());
        symlink(unit, link).unwrap();
    }

    pub fn doctor(&self) -> Said {
        doctor(&["--root", self.0.path().to_str().unwrap()])
    }
}

pub fn drop_in(line: &str) -> String {
    format!("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{line}\n")
}

pub fn doctor(arguments: &[&str]) -> Said {
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
        command.arg("doctor").args(arguments).args(more).output().unwrap()
    };
    let (json, text) = (run(&["--format", "json"]), run(&["-v"]));
    assert_eq!(json.status.code(), text.status.code());
    assert!(json.stderr.is_empty(), "{json:?}");
    Said {
        status: json.status.code(),
        json: serde_json::from_slice(&json.stdout).unwrap_or_default(),
        text: String::from_utf8(text.stdout).unwrap(),
    }
}

impl Said {
    /// The findings of a severity: `id place`.
    pub fn of(&self, severity: &str) -> Vec<String> {
        let findings = self.json["findings"].as_array().unwrap().iter();
        let of = findings.filter(|finding| finding["severity"] == severity);
        of.map(|finding| {
            let id = finding["id"].as_str().unwrap();
            let file = finding["place"]["file"].as_str().unwrap_or_default();
            let line = finding["place"]["line"].as_u64().map(|line| format!(":{line}")).unwrap_or_default();
            format!("{id} {file}{line}")
        })
        .collect()
    }

    pub fn all(&self) -> Vec<String> {
        ["problem", "warning", "note"].map(|severity| self.of(severity)).concat()
    }
}
