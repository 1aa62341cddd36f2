//! What `docs/upgrade.md` and `docs/uninstall.md` say, done on a real systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::process::Command;

use support::systemd::{Systemd, installed, write};
use support::wait_until;

const CONFIG: &str = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev:5000\"]\n\
                      [[transport]]\nregistry = \"m.dev:5000\"\nplain-http = true\n";

/// Started as an administrator does it.
fn start(config: &str) -> Option<Systemd> {
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", config);
    let systemd = Systemd::start(files)?;
    systemd.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    Some(systemd)
}

fn pid(systemd: &Systemd) -> String {
    systemd.output(&["systemctl", "show", "--value", "--property=MainPID", "cri-shunt.service"])
}

/// Installs this version, or removes it.
fn make(systemd: &Systemd, target: &str) {
    let output = Command::new("make")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--silent", target, "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", systemd.path("/").display()))
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_cri-shunt")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn after_a_restart_the_new_file_runs_and_no_call_has_failed() {
    let Some(systemd) = start(CONFIG) else { return };
    let before = pid(&systemd);
    // Clients ask all the time, each with a connection of its own.
    let ask = "until [ -e /run/enough ]; do cri-shunt explain -q --daemon quay.io/a:1 2>>/run/failed || echo $? >>/run/failed; \
               echo >>/run/asked; done";
    systemd.output(&["systemd-run", "--unit=clients", "sh", "-c", ask]);
    let asked = || std::fs::read_to_string(systemd.path("/run/asked")).unwrap_or_default().len();
    assert!(wait_until(|| asked() > 2), "{}", systemd.log());
    make(&systemd, "install");
    systemd.output(&["cri-shunt", "check"]);
    systemd.output(&["systemctl", "daemon-reload"]);
    assert_eq!(pid(&systemd), before, "the old one goes on until the restart");
    systemd.output(&["systemctl", "restart", "cri-shunt.service"]);
    let after = pid(&systemd);
    assert_ne!(after, before);
    let then = asked();
    assert!(wait_until(|| asked() > then + 2), "{}", systemd.log());
    std::fs::write(systemd.path("/run/enough"), "").unwrap();
    let failed = std::fs::read_to_string(systemd.path("/run/failed")).unwrap();
    assert_eq!(failed.lines().next(), None, "{}", systemd.log());
    let exe = |pid: &str| systemd.output(&["readlink", &format!("/proc/{}/exe", pid.trim())]);
    assert_eq!(exe(&after).trim(), "/usr/bin/cri-shunt");
}

#[test]
fn after_the_steps_of_the_page_nothing_is_left() {
    let config = format!("{CONFIG}[containerd]\nconfig-path = \"/etc/containerd/certs.d\"\n");
    let Some(systemd) = start(&config) else { return };
    let file = systemd.path("/etc/containerd/certs.d/m.dev_5000_/hosts.toml");
    let containerd = "version = 2\nroot = \"/run/c/root\"\nstate = \"/run/c/state\"\n\
                      [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";
    std::fs::write(systemd.path("/run/containerd.toml"), containerd).unwrap();
    systemd.output(&["systemd-run", "--unit=c", "containerd", "--config", "/run/containerd.toml"]);
    assert!(wait_until(|| file.exists()), "{}", systemd.log());

    // Step 1 is done when the daemon still serves: which files name the socket?
    let crictl = systemd.path("/etc/crictl.yaml");
    std::fs::write(&crictl, "runtime-endpoint: unix:///run/cri-shunt/cri-shunt.sock\n").unwrap();
    let said = systemd.run(&["cri-shunt", "eject", "--dry-run"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("/etc/crictl.yaml:1") && said.contains("the daemon still runs (process "),
        "{said}"
    );
    std::fs::remove_file(crictl).unwrap();
    systemd.output(&["cri-shunt", "eject", "--dry-run"]);

    systemd.output(&["systemctl", "disable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    systemd.output(&["cri-shunt", "eject", "--dry-run"]);
    assert!(file.exists());
    systemd.output(&["cri-shunt", "eject"]);
    assert!(!systemd.path("/var/lib/cri-shunt").exists());
    let left = systemd.run(&["grep", "-rl", "^# Written by cri-shunt", "/etc/containerd/certs.d"]);
    assert_eq!(String::from_utf8(left.stdout).unwrap(), "");
    make(&systemd, "uninstall");
    systemd.output(&["systemctl", "daemon-reload"]);
    assert!(!systemd.run(&["systemctl", "cat", "cri-shunt.service"]).status.success());
    assert!(!systemd.path("/usr/bin/cri-shunt").exists());
    assert!(systemd.path("/etc/cri-shunt/config.toml").exists());
}
