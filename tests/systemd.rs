//! The units, run by a real systemd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use support::http1;
use support::systemd::{Systemd, installed, write};

/// A mirror with a private authority, which containerd has to be told of.
const RULE: &str = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev:5000\"]\n\
                    [[transport]]\nregistry = \"m.dev:5000\"\nplain-http = true\n";

/// Starts the daemon as an administrator does.
fn enable(systemd: &Systemd) {
    systemd.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    assert_eq!(systemd.output(&["systemctl", "is-active", "cri-shunt.service"]).trim(), "active");
}

/// What the daemon says of itself, also where there are problems.
fn status(systemd: &Systemd) -> String {
    String::from_utf8(systemd.run(&["cri-shunt", "status"]).stdout).unwrap()
}

fn until(systemd: &Systemd, what: &str, ready: impl FnMut() -> bool) {
    assert!(support::wait_until(ready), "{what}: {}", systemd.log());
}

/// On a new node the shunt starts before k3s or RKE2, which makes its directories only then.
fn at_the_first_boot_files_are_written_without_a_restart(name: &str, binary: &str, other: &str) {
    let files = installed();
    let socket = "/run/k3s/containerd/containerd.sock";
    write(&files, "/etc/cri-shunt/config.toml", &format!("{RULE}[containerd]\nsocket = \"{socket}\"\n"));
    let binary = write(&files, binary, "#!/bin/sh\n");
    std::fs::set_permissions(binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let Some(systemd) = Systemd::start(files) else { return };
    assert!(!systemd.path("/var/lib/rancher").exists());
    enable(&systemd);
    let agent = format!("/var/lib/rancher/{name}/agent");
    let config_path = format!("{agent}/etc/containerd/certs.d");
    systemd.run_containerd(socket, &config_path);
    let file = systemd.path(&format!("{config_path}/m.dev_5000_/hosts.toml"));
    until(&systemd, "written", || file.exists());
    let status = status(&systemd);
    assert!(status.contains(&config_path) && !status.contains("cannot"), "{status}");
    // Only root looks into it, as k3s has it; what pods use below it has to be reached.
    let mode = |path: &str| systemd.path(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&agent), mode(&format!("{agent}/etc"))), (0o711, 0o700));
    let other = systemd.path(&format!("/var/lib/rancher/{other}"));
    assert!(!other.exists(), "{} is not installed", other.display());
}

#[test]
fn at_the_first_boot_of_k3s_files_are_written_without_a_restart() {
    at_the_first_boot_files_are_written_without_a_restart("k3s", "/usr/local/bin/k3s", "rke2");
}

/// Its installer may put it where no shell looks.
#[test]
fn at_the_first_boot_of_rke2_files_are_written_without_a_restart() {
    at_the_first_boot_files_are_written_without_a_restart("rke2", "/opt/rke2/bin/rke2", "k3s");
}

/// For any other directory the message says what to do, and that helps.
#[test]
fn a_directory_that_was_made_later_is_written_to_after_a_restart() {
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", RULE);
    write(
        &files,
        "/etc/systemd/system/cri-shunt.service.d/path.conf",
        "[Service]\nReadWritePaths=-/opt/node\n",
    );
    let Some(systemd) = Systemd::start(files) else { return };
    enable(&systemd);
    systemd.run_containerd("/run/containerd/containerd.sock", "/opt/node/certs.d");
    systemd.output(&["mkdir", "/opt/node"]);
    until(&systemd, "reported", || status(&systemd).contains("restart cri-shunt"));
    systemd.output(&["systemctl", "restart", "cri-shunt.service"]);
    let file = systemd.path("/opt/node/certs.d/m.dev_5000_/hosts.toml");
    until(&systemd, "written", || file.exists());
}

/// A bad configuration is refused at a reload, and the daemon goes on with the one before.
#[test]
fn a_reload_with_a_mistake_fails_and_changes_nothing() {
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", RULE);
    let Some(systemd) = Systemd::start(files) else { return };
    enable(&systemd);
    let before = systemd.output(&["systemctl", "show", "--value", "--property=MainPID", "cri-shunt.service"]);
    std::fs::write(systemd.path("/etc/cri-shunt/config.toml"), "[[policy.rule]]\nprefix = 7\n").unwrap();
    let reload = systemd.run(&["systemctl", "reload", "cri-shunt.service"]);
    assert!(!reload.status.success(), "{reload:?}");
    let after = systemd.output(&["systemctl", "show", "--value", "--property=MainPID", "cri-shunt.service"]);
    assert_eq!(before, after);
    assert!(systemd.log().contains("config.toml:2:"), "{}", systemd.log());
}

/// A login of another user, which the unit's limits keep from the daemon, and systemd credentials: root sees what the
/// daemon sees, whether it runs or not.
#[test]
fn root_sees_with_the_daemons_eyes() {
    let files = installed();
    let login = |name: &str| {
        format!(
            "[[credentials]]\nregistry = \"{name}.dev\"\nusername = \"robot\"\npassword-credential = \"{name}\"\n"
        )
    };
    let logins = login("right") + &login("wrong") + "[[credentials]]\ndocker-config = \"/srv/config.json\"\n";
    write(&files, "/etc/cri-shunt/config.toml", &(RULE.to_owned() + &logins));
    write(&files, "/etc/secret", "hush-hush\n");
    write(
        &files,
        "/etc/systemd/system/cri-shunt.service.d/login.conf",
        "[Service]\nLoadCredential=right:/etc/secret\n",
    );
    let docker = write(&files, "/srv/config.json", "{\"auths\": {}}\n");
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&docker, Some(1000), Some(1000)).unwrap();
    let Some(systemd) = Systemd::start(files) else { return };
    let checked = || {
        let output = systemd.run(&["cri-shunt", "check"]);
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let closed = "cannot read /srv/config.json: Permission denied";
    let wrong = "the systemd credential wrong is not there, only right";
    for run in ["not yet", "running", "stopped"] {
        match run {
            "running" => {
                enable(&systemd);
                let told = || systemd.log().contains(closed) && systemd.log().contains(wrong);
                until(&systemd, "told", told);
                let shown = status(&systemd);
                assert!(shown.contains(closed) && shown.contains(wrong), "{shown}");
            }
            "stopped" => {
                drop(systemd.output(&["systemctl", "stop", "cri-shunt.socket", "cri-shunt.service"]))
            }
            _ => {}
        }
        let said = checked();
        assert!(said.contains(closed) && said.contains(wrong), "{run}: {said}");
        assert!(!said.contains("credential right"), "{run}: {said}");
    }
}

/// A file of the configuration that root reads, and the daemon of the unit does not: `check` says it before a reload is refused.
#[test]
fn check_knows_what_the_daemon_cannot_read_of_its_configuration() {
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", RULE);
    let own = write(&files, "/etc/cri-shunt/conf.d/own.toml", "");
    write(&files, "/etc/cri-shunt/conf.d/good.toml", "[policy]\n");
    std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&own, Some(1000), Some(1000)).unwrap();
    let Some(systemd) = Systemd::start(files) else { return };
    let output = systemd.run(&["cri-shunt", "check", "--strict"]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let closed = "the daemon cannot read /etc/cri-shunt/conf.d/own.toml, so it refuses this configuration";
    assert!(said.contains(closed) && said.contains("chown 0 /etc/cri-shunt/conf.d/own.toml"), "{said}");
    assert_eq!(said.matches("the daemon cannot read").count(), 1, "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");

    systemd.output(&["chown", "0", "/etc/cri-shunt/conf.d/own.toml"]);
    let said = systemd.run(&["cri-shunt", "check"]);
    let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(!said.contains("the daemon cannot read"), "{said}");
}

/// A mistake and a reboot: the node goes on as before, and the journal says so once, as an error.
#[test]
fn a_start_with_a_mistake_serves_by_the_last_good_policy() {
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", RULE);
    let Some(systemd) = Systemd::start(files) else { return };
    enable(&systemd);
    let config = systemd.path("/etc/cri-shunt/config.toml");
    std::fs::write(&config, "[[policy.rule]]\nprefix = 7\n").unwrap();
    systemd.output(&["systemctl", "restart", "cri-shunt.service"]);
    assert!(status(&systemd).contains("the last good policy, of "), "{}", status(&systemd));
    let errors = ["journalctl", "--output=cat", "--priority=3", "--unit=cri-shunt.service"];
    until(&systemd, "said", || systemd.output(&errors).contains("the last good policy, of "));
    assert_eq!(systemd.output(&errors).lines().count(), 1, "{}", systemd.log());

    // With nothing kept it does not start. systemd still holds the socket.
    std::fs::remove_file(systemd.path("/var/lib/cri-shunt/last-good.json")).unwrap();
    systemd.run(&["systemctl", "restart", "cri-shunt.service"]);
    let output = systemd.run(&["cri-shunt", "status"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(3) && said.contains("systemd holds "), "{said}");
}

/// Its unit may write nothing but the counts, and its timer is not enabled.
#[test]
fn drift_leaves_its_counts_for_the_daemons_metrics() {
    let files = installed();
    let metrics = "/run/cri-shunt/metrics.sock";
    write(&files, "/etc/cri-shunt/config.toml", &format!("{RULE}[metrics]\nlisten = \"{metrics}\"\n"));
    let Some(systemd) = Systemd::start(files) else { return };
    enable(&systemd);
    systemd.run_containerd("/run/containerd/containerd.sock", "/etc/containerd/certs.d");
    until(&systemd, "containerd answers", || systemd.run(&["cri-shunt", "images"]).status.success());
    let timer = systemd.run(&["systemctl", "is-enabled", "cri-shunt-drift.timer"]);
    assert_eq!(String::from_utf8(timer.stdout).unwrap().trim(), "disabled");
    systemd.output(&["systemctl", "enable", "--now", "cri-shunt-drift.timer"]);
    systemd.output(&["systemctl", "start", "cri-shunt-drift.service"]);
    let counts = systemd.path("/var/lib/cri-shunt/drift.json");
    assert_eq!(counts.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let shown = || Some(http1::get(&systemd.path(metrics), "/metrics").ok()?.text());
    until(&systemd, "shown", || {
        shown().is_some_and(|text| text.contains("cri_shunt_drift_images{state=\"differs\"} 0"))
    });
}

/// While systemd would start the daemon at the next call, nothing is taken from it.
#[test]
fn eject_waits_for_systemd_to_let_go_and_names_the_clients() {
    let files = installed();
    let login =
        "[[credentials]]\nregistry = \"m.dev:5000\"\nusername = \"u\"\npassword-file = \"/etc/secret\"\n";
    write(&files, "/etc/cri-shunt/config.toml", &format!("{RULE}{login}"));
    write(&files, "/etc/secret", "hush-hush\n");
    write(&files, "/etc/crictl.yaml", "# crictl\nruntime-endpoint: unix:///run/cri-shunt/cri-shunt.sock\n");
    let Some(systemd) = Systemd::start(files) else { return };
    enable(&systemd);
    let said = |output: std::process::Output| {
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    systemd.output(&["systemctl", "stop", "cri-shunt.service"]);
    // A check asks only a daemon that runs.
    systemd.output(&["cri-shunt", "check"]);
    let active = systemd.run(&["systemctl", "is-active", "cri-shunt.service"]);
    assert_eq!(String::from_utf8(active.stdout).unwrap().trim(), "inactive");
    let (status, refused) = said(systemd.run(&["cri-shunt", "eject"]));
    assert!(status == Some(3) && refused.contains("systemctl disable --now"), "{refused}");
    systemd.output(&["systemctl", "disable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    let (status, done) = said(systemd.run(&["cri-shunt", "eject"]));
    assert!(status == Some(1) && done.contains("removed /var/lib/cri-shunt\n"), "{done}");
    assert!(done.contains("still points at /run/cri-shunt/cri-shunt.sock: /etc/crictl.yaml:2"), "{done}");
    assert!(!systemd.path("/var/lib/cri-shunt").exists());
}
