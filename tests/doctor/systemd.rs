//! A node that runs: a real systemd, a real containerd, and a program that connects as a kubelet does.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::nodes::{ENDPOINT, KUBELET_UNIT, drop_in};
use crate::support::systemd::{Systemd, installed, write};
use crate::support::wait_until;

/// Connects to the sockets that it is told of, and stays.
const CONNECT: &str = "import socket,signal; \
    all=[socket.socket(socket.AF_UNIX) for _ in open('/run/endpoints').read().split()]; \
    [s.connect(p) for s,p in zip(all,open('/run/endpoints').read().split())]; \
    open('/run/connected','w').close(); signal.pause()";

const CONTAINERD: &str = "/run/containerd/containerd.sock";
const OWN: &str = "/run/cri-shunt/cri-shunt.sock";

/// The problems and warnings: `id what`.
fn doctor(systemd: &Systemd, arguments: &[&str]) -> Vec<String> {
    let output = systemd.run(&[&["cri-shunt", "doctor", "--format", "json"], arguments].concat());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("a-secret"), "{output:?}");
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let findings = json["findings"].as_array().unwrap().iter();
    let wrong = findings.filter(|finding| finding["severity"] != "note");
    let found = wrong
        .map(|finding| format!("{} {}", finding["id"].as_str().unwrap(), finding["what"].as_str().unwrap()));
    found.collect()
}

#[track_caller]
fn has(found: &[String], what: &str) {
    assert!(found.iter().any(|found| found.starts_with(what)), "{what}: {found:#?}");
}

/// Starts the program in the place of a kubelet, connected to these.
fn kubelet(systemd: &Systemd, endpoints: &str) {
    let _ = fs::remove_file(systemd.path("/run/connected"));
    fs::write(systemd.path("/run/endpoints"), endpoints).unwrap();
    systemd.output(&["systemctl", "restart", "kubelet.service"]);
    assert!(wait_until(|| systemd.path("/run/connected").exists()));
}

#[test]
fn faults_of_a_running_node_are_found() {
    let files = installed();
    write(
        &files,
        "/etc/cri-shunt/config.toml",
        "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.invalid\"]\n",
    );
    write(&files, "/etc/crictl.yaml", &format!("runtime-endpoint: {ENDPOINT}\n"));
    write(&files, "/var/lib/kubelet/config.yaml", &drop_in(&format!("imageServiceEndpoint: {ENDPOINT}")));
    let command =
        format!("/usr/bin/kubelet -c \"{CONNECT}\" --config=/var/lib/kubelet/config.yaml --token=a-secret");
    write(&files, "/etc/systemd/system/kubelet.service", &KUBELET_UNIT.replace("/usr/bin/kubelet", &command));
    symlink("/usr/bin/python3", files.path().join("usr/bin/kubelet")).unwrap();
    let Some(systemd) = Systemd::start(files) else { return };
    systemd.output(&["mkdir", "-p", "/run/containerd"]);

    // Nothing runs yet.
    let found = doctor(&systemd, &["--offline"]);
    has(&found, "daemon-not-running");
    has(&found, "unit-not-enabled");
    has(&found, "containerd-socket nobody listens on");
    systemd.run_containerd(CONTAINERD, "/etc/containerd/certs.d");
    systemd.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    assert!(wait_until(|| systemd.run(&["cri-shunt", "status", "-q"]).status.success()), "{}", systemd.log());

    // All is well.
    kubelet(&systemd, &format!("{CONTAINERD} {OWN}"));
    assert_eq!(doctor(&systemd, &["--offline"]), Vec::<String>::new());
    has(&doctor(&systemd, &["--timeout", "2s"]), "mirror-unreachable m.invalid cannot serve");

    // It was not restarted since its file was changed.
    kubelet(&systemd, CONTAINERD);
    has(&doctor(&systemd, &["--offline"]), "kubelet-not-restarted kubelet (process");
    kubelet(&systemd, &format!("{CONTAINERD} {OWN}"));

    // A new version was put in place.
    systemd.output(&["cp", "/usr/bin/cri-shunt", "/usr/bin/cri-shunt.new"]);
    systemd.output(&["mv", "/usr/bin/cri-shunt.new", "/usr/bin/cri-shunt"]);
    has(&doctor(&systemd, &["--offline"]), "daemon-older-than-program");
    systemd.output(&["systemctl", "restart", "cri-shunt.service"]);
    kubelet(&systemd, &format!("{CONTAINERD} {OWN}"));
    assert_eq!(doctor(&systemd, &["--offline"]), Vec::<String>::new());

    // The policy is suspended; then its files have a mistake.
    systemd.output(&["touch", "/run/cri-shunt/bypass"]);
    has(&doctor(&systemd, &["--offline"]), "bypass");
    systemd.output(&["rm", "/run/cri-shunt/bypass"]);
    fs::write(systemd.path("/etc/cri-shunt/conf.d/bad.toml"), "nonsense = 1\n").unwrap();
    let refused = || doctor(&systemd, &["--offline"]).iter().any(|found| found.starts_with("reload-refused"));
    assert!(wait_until(refused), "{}", systemd.log());
    has(&doctor(&systemd, &["--offline"]), "configuration-refused");
}
