//! The packages on a node with a real systemd: installed, upgraded and downgraded under load, removed and purged.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::{deb, kinds, output, program, repository, rpm};
use crate::support::cri::Cri;
use crate::support::systemd::Systemd;
use crate::support::{block_on, skipped, wait_until};

/// The versions before, now and after. They have the same program.
const VERSIONS: [&str; 3] = ["0.0.1", "0.0.2", "0.0.3"];

const CONFIG: &str = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev:5000\"]\n\
                      [[transport]]\nregistry = \"m.dev:5000\"\nplain-http = true\n\
                      [containerd]\nconfig-path = \"/etc/containerd/certs.d\"\n";
const HOSTS: &str = "/etc/containerd/certs.d/m.dev_5000_/hosts.toml";

/// Which tool installs, and how.
#[derive(Clone, Copy)]
enum Tool {
    Dpkg,
    Rpm,
}

impl Tool {
    fn install(self, node: &Systemd, version: &str) -> String {
        match self {
            Tool::Dpkg => said(node, &format!("dpkg --install /srv/{}", deb(version))),
            // Debian's rpm wants to be told that this is meant, and knows no package that has the C library.
            Tool::Rpm => {
                said(node, &format!("rpm -U --oldpackage --force-debian --nodeps /srv/{}", rpm(version)))
            }
        }
    }

    fn removal(self) -> &'static str {
        match self {
            Tool::Dpkg => "dpkg --remove cri-shunt",
            Tool::Rpm => "rpm --erase --force-debian cri-shunt",
        }
    }

    fn remove(self, node: &Systemd) -> String {
        said(node, self.removal())
    }
}

/// All that a command says. It has to succeed.
fn said(node: &Systemd, command: &str) -> String {
    let output = node.run(&command.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{command}: {output:?}\n{}", node.log());
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The packages of all versions.
fn packages() -> &'static PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dist");
        drop(std::fs::remove_dir_all(&directory));
        std::fs::create_dir_all(&directory).unwrap();
        for version in VERSIONS {
            output(
                Command::new("packaging/dist/package")
                    .current_dir(repository())
                    .args([&program(), &PathBuf::from(kinds().0), &directory])
                    .env("VERSION", version),
            );
        }
        directory
    })
}

/// A node with the packages in /srv, and with containerd.
fn node(tool: Tool) -> Option<Systemd> {
    if matches!(tool, Tool::Rpm) && Command::new("rpm").arg("--version").output().is_err() {
        skipped("there is no rpm here");
        return None;
    }
    let files = tempfile::tempdir().unwrap();
    output(Command::new("cp").arg("-r").arg(packages()).arg(files.path().join("srv")));
    let node = Systemd::start(files)?;
    // Where this machine is made from an image, its packages may not start services.
    node.output(&["rm", "-f", "/usr/sbin/policy-rc.d"]);
    node.run_containerd("/run/containerd/containerd.sock", "/etc/containerd/certs.d");
    Some(node)
}

/// Clients that ask all the time, each time with a connection of its own.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<Result<(), tonic::Status>>>,
}

impl Load {
    fn start(node: &Systemd) -> Load {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = || {
            let (stop, calls) = (stop.clone(), calls.clone());
            let socket = node.path("/run/cri-shunt/cri-shunt.sock");
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    block_on(async { Cri::connect(&socket).await.list().await })?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            })
        };
        let clients = (0..3).map(|_| client()).collect();
        Load { stop, calls, clients }
    }

    /// Until each of them has asked again.
    fn goes_on(&self, node: &Systemd) {
        let then = self.calls.load(Ordering::Relaxed);
        let many = || self.calls.load(Ordering::Relaxed) > then + 10;
        assert!(
            wait_until(|| many() || self.clients.iter().any(|client| client.is_finished())),
            "{}",
            node.log()
        );
    }

    fn end(self, node: &Systemd) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap().unwrap_or_else(|error| panic!("{error:?}\n{}", node.log()));
        }
    }
}

fn pid(node: &Systemd) -> String {
    node.output(&["systemctl", "show", "--value", "--property=MainPID", "cri-shunt.service"])
        .trim()
        .to_owned()
}

/// What systemd says of both units, in one word each.
fn state(node: &Systemd, question: &str) -> Vec<String> {
    let said = node.run(&["systemctl", question, "cri-shunt.socket", "cri-shunt.service"]);
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Everything with the program's name, but for the packages and what the tools themselves have noted.
fn left(node: &Systemd) -> String {
    let found = node.output(&[
        "find",
        "/etc",
        "/usr",
        "/var",
        "/run",
        "/srv",
        "-xdev",
        "-name",
        "*cri-shunt*",
        "-not",
        "-path",
        "/srv/*",
        "-not",
        "-path",
        "/var/lib/dpkg/*",
        "-not",
        "-path",
        "/var/log/journal/*",
    ]);
    let files = node.run(&["grep", "-rl", "^# Written by cri-shunt", "/etc/containerd"]);
    found + &String::from_utf8(files.stdout).unwrap()
}

/// From a bare node through an upgrade and a downgrade to a removal; says what the removal said.
fn a_life(tool: Tool, node: &Systemd) -> String {
    assert_eq!(left(node), "");
    tool.install(node, VERSIONS[1]);
    // Nobody has asked for it yet.
    assert_eq!(state(node, "is-enabled"), ["disabled", "disabled"]);
    assert_eq!(state(node, "is-active"), ["inactive", "inactive"]);
    assert!(!node.path("/run/cri-shunt").exists());

    let config = node.path("/etc/cri-shunt/config.toml");
    std::fs::write(&config, CONFIG).unwrap();
    node.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    let hosts = node.path(HOSTS);
    assert!(wait_until(|| hosts.exists()), "{}", node.log());
    let ready = || block_on(crate::support::cri::is_ready(&node.path("/run/cri-shunt/cri-shunt.sock")));
    assert!(wait_until(ready), "{}", node.log());

    // Up, and back.
    let load = Load::start(node);
    let mut before = pid(node);
    for version in [VERSIONS[2], VERSIONS[0]] {
        load.goes_on(node);
        tool.install(node, version);
        let after = pid(node);
        assert_ne!(after, before, "{version}");
        let exe = node.output(&["readlink", &format!("/proc/{after}/exe")]);
        assert_eq!(exe.trim(), "/usr/bin/cri-shunt");
        assert_eq!(std::fs::read_to_string(&config).unwrap(), CONFIG);
        before = after;
    }
    // A version that does not read the configuration takes the place of none that does.
    std::fs::write(&config, "[[policy.rule]]\nprefix = 7\n").unwrap();
    let said = tool.install(node, VERSIONS[1]);
    assert!(said.contains("config.toml:2:") && said.contains("the daemon before it still runs"), "{said}");
    assert_eq!(pid(node), before);
    load.goes_on(node);
    load.end(node);
    assert_eq!(state(node, "is-active"), ["active", "active"]);
    std::fs::write(&config, CONFIG).unwrap();
    let said = tool.install(node, VERSIONS[2]);
    assert_ne!(pid(node), before, "{said}");

    // A kubelet needs it.
    let kubelet = "[Service]\nExecStart=/usr/bin/kubelet --image-service-endpoint=unix:///run/cri-shunt/cri-shunt.sock\n";
    let unit = node.path("/etc/systemd/system/kubelet.service");
    std::fs::write(&unit, kubelet).unwrap();
    let refused = node.run(&tool.removal().split(' ').collect::<Vec<_>>());
    let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(!refused.status.success() && said.contains("so it is not removed"), "{said}");
    assert!(said.contains("/etc/systemd/system/kubelet.service:2 leads kubelet to"), "{said}");
    assert_eq!(state(node, "is-active"), ["active", "active"]);
    tool.install(node, VERSIONS[0]);
    assert_eq!(state(node, "is-active"), ["active", "active"]);
    tool.install(node, VERSIONS[2]);
    std::fs::remove_file(unit).unwrap();

    write_crictl(node, "runtime-endpoint: unix:///run/cri-shunt/cri-shunt.sock\n");
    node.output(&["systemctl", "enable", "--now", "cri-shunt-drift.timer"]);
    let said = tool.remove(node);
    assert_eq!(state(node, "is-active"), ["inactive", "inactive"]);
    for gone in
        ["/usr/bin/cri-shunt", "/usr/lib/systemd/system/cri-shunt.service", "/usr/share/doc/cri-shunt"]
    {
        assert!(!node.path(gone).exists(), "{gone}");
    }
    // It is not there to be started by an old link either.
    let links = node.output(&["find", "/etc/systemd/system", "-name", "cri-shunt*"]);
    assert_eq!(links, "");
    assert!(hosts.exists() && said.contains(HOSTS), "{said}");
    assert!(said.contains("/etc/crictl.yaml:1"), "{said}");
    write_crictl(node, "");
    said
}

fn write_crictl(node: &Systemd, text: &str) {
    std::fs::write(node.path("/etc/crictl.yaml"), text).unwrap();
}

#[test]
#[ignore = "make test-dist runs it"]
fn a_deb_comes_goes_up_and_back_and_leaves_nothing() {
    let Some(node) = node(Tool::Dpkg) else { return };
    let removed = a_life(Tool::Dpkg, &node);
    assert!(removed.contains("dpkg --purge cri-shunt"), "{removed}");
    // What an administrator has written outlives a removal.
    let config = node.path("/etc/cri-shunt/config.toml");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), CONFIG);
    Tool::Dpkg.install(&node, VERSIONS[1]);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), CONFIG);
    assert_eq!(state(&node, "is-enabled"), ["disabled", "disabled"]);
    assert_eq!(state(&node, "is-active"), ["inactive", "inactive"]);

    let purged = said(&node, "dpkg --purge cri-shunt");
    assert!(purged.contains(&format!("removed {HOSTS}")), "{purged}");
    assert_eq!(left(&node), "", "{purged}");
}

#[test]
#[ignore = "make test-dist runs it"]
fn an_rpm_comes_goes_up_and_back_and_says_what_it_leaves() {
    let Some(node) = node(Tool::Rpm) else { return };
    let removed = a_life(Tool::Rpm, &node);
    assert!(removed.contains("cri-shunt eject"), "{removed}");
    let kept = node.path("/etc/cri-shunt/config.toml.rpmsave");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), CONFIG);

    // As it says: installed again, it takes away what was left.
    Tool::Rpm.install(&node, VERSIONS[1]);
    node.output(&["cri-shunt", "eject"]);
    Tool::Rpm.remove(&node);
    node.output(&["rm", "-r", "/etc/cri-shunt", "/var/log/cri-shunt", "/run/cri-shunt"]);
    assert_eq!(left(&node), "");
}
