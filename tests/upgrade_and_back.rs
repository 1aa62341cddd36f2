//! What `docs/upgrade.md` and `docs/uninstall.md` say, done on a real systemd.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use k8s_cri::v1::VersionRequest;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use support::cri::{Cri, channel};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::raw::Raw;
use support::registry::Registry;
use support::systemd::{Systemd, installed, write};
use support::version::Version;
use support::{skipped, wait_for, wait_until};

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

/// Clients that ask all the time, until they are dropped.
#[derive(Default)]
struct Clients {
    asked: AtomicUsize,
    failed: Mutex<Vec<String>>,
    /// How each stream of events has ended.
    events: Mutex<Vec<Option<i32>>>,
    is_over: AtomicBool,
}

impl Clients {
    fn start(socket: std::path::PathBuf) -> Arc<Clients> {
        let clients = Arc::new(Clients::default());
        for _ in 0..3 {
            // As crictl: a connection for one call.
            let (clients, socket) = (clients.clone(), socket.clone());
            tokio::spawn(async move {
                while !clients.is_over.load(Ordering::Relaxed) {
                    let called = async {
                        let channel = channel(&socket).await.map_err(|error| format!("{error:?}"))?;
                        let call =
                            RuntimeServiceClient::new(channel).version(VersionRequest::default()).await;
                        call.map_err(|status| status.to_string())
                    };
                    let failed = called.await.err();
                    clients.failed.lock().unwrap().extend(failed);
                    clients.asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let watching = clients.clone();
        // As kubelet: it asks for events again, whenever their stream has ended.
        tokio::spawn(async move {
            while !watching.is_over.load(Ordering::Relaxed) {
                let client = Raw::connect(&socket).await;
                let answer = client.call("/runtime.v1.RuntimeService/GetContainerEvents", b"").await;
                watching.events.lock().unwrap().push(answer.code());
            }
        });
        clients
    }

    /// Waits until some more calls have been answered.
    async fn go_on(&self, log: &Systemd) {
        let enough = self.asked.load(Ordering::Relaxed) + 20;
        let ready = async || self.asked.load(Ordering::Relaxed) > enough;
        assert!(wait_for(ready).await, "{}", log.log());
    }
}

/// A large layer comes half before the restart and half after it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_cuts_no_pull_and_fails_no_call() {
    let Some(registry) = Registry::shared() else { return };
    // Of a containerd that has events.
    let programs = match Version::V2_1.programs() {
        Ok(programs) => programs,
        Err(why) => return skipped(&why),
    };
    let files = installed();
    write(&files, "/etc/cri-shunt/config.toml", "");
    let Some(systemd) = Systemd::start(files) else { return };
    let mirror = Fake::inside(&systemd, registry.host());
    let rule = format!("[[policy.rule]]\nprefix = \"docker.io\"\nmirrors = [\"{}/m\"]\n", mirror.host());
    std::fs::write(systemd.path("/etc/cri-shunt/config.toml"), rule).unwrap();
    let image = Image::big("restart", 24);
    registry.push("m/restart/app", "1", &image);
    mirror.on(&format!("/v2/m/restart/app/blobs/{}", image.last_layer()), Behaviour::Paused(12 << 20));
    systemd.run_containerd_in(&programs, "/run/containerd/containerd.sock", "/etc/containerd/certs.d");
    systemd.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);

    let socket = systemd.path("/run/cri-shunt/cri-shunt.sock");
    let clients = Clients::start(socket.clone());
    let cri = Cri::connect(&socket).await;
    let pulling = tokio::spawn(async move { cri.pull("docker.io/restart/app:1").await });
    let is_half = wait_for(async || mirror.stuck() == 1 || pulling.is_finished()).await;
    assert!(is_half && !pulling.is_finished(), "{}", systemd.log());
    clients.go_on(&systemd).await;
    let before = pid(&systemd);
    systemd.output(&["systemctl", "restart", "--no-block", "cri-shunt.service"]);
    let stopping = "stopping: everybody is served until the calls under way have ended";
    assert!(wait_for(async || systemd.log().contains(stopping)).await, "{}", systemd.log());
    // The old process serves while the pull goes on.
    clients.go_on(&systemd).await;
    assert!(!pulling.is_finished());
    assert_eq!(pid(&systemd), before);
    mirror.on("/v2/", Behaviour::Forward);
    let pulled = pulling.await.unwrap();
    assert_eq!(pulled.unwrap_or_else(|status| panic!("{status}\n{}", systemd.log())), image.id());
    assert!(wait_for(async || !["0", before.trim()].contains(&pid(&systemd).trim())).await);
    clients.go_on(&systemd).await;
    // Its next stream of events is one of the new process.
    assert!(wait_for(async || !clients.events.lock().unwrap().is_empty()).await);
    clients.is_over.store(true, Ordering::Relaxed);
    assert_eq!(*clients.failed.lock().unwrap(), [""; 0], "{}", systemd.log());
    // "Unavailable": ask again.
    assert!(clients.events.lock().unwrap().iter().all(|code| *code == Some(14)), "{:?}", clients.events);
}

#[test]
fn after_the_steps_of_the_page_nothing_is_left() {
    let config = format!("{CONFIG}[containerd]\nconfig-path = \"/etc/containerd/certs.d\"\n");
    let Some(systemd) = start(&config) else { return };
    let file = systemd.path("/etc/containerd/certs.d/m.dev_5000_/hosts.toml");
    systemd.run_containerd("/run/containerd/containerd.sock", "/etc/containerd/certs.d");
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
