//! A node that runs: a real systemd, a real containerd and registry, and programs that ask for images as kubelet and k3s do.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::systemd::{Systemd, write};
use crate::support::wait_until;
use crate::tree::{NOTHING, PROGRAM, Said, changed, snapshot};

/// What connects to the endpoint that it is given, and stays. An old one does not know the flag, and ends.
const CLIENT: &str = "\
import glob, http.server, os, re, socket, sys
words = ' '.join(sys.argv[1:]) + ''.join(open(f).read() for f in glob.glob('/etc/rancher/k3s/config.yaml.d/*.yaml'))
found = re.search('image-service-endpoint[=:] *unix://([^ \"\\n]*)', words)
if found and os.path.exists('/run/is-old') or os.path.exists('/run/is-broken'):
    sys.exit('unknown flag')
client = socket.socket(socket.AF_UNIX)
client.connect(found.group(1) if found and not os.path.exists('/run/is-slow') else CONTAINERD)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/healthz' else 404)
        self.end_headers()
http.server.HTTPServer(('127.0.0.1', 10248), Health).serve_forever()
";

const CONFIG: &str = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"127.0.0.1:5000\"]\n\
                      [[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"not from this registry\"\n";

const REGISTRY: &str = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/registry\nhttp:\n  addr: 127.0.0.1:5000\n";

/// Where files are compared.
const COMPARED: [&str; 7] = [
    "/etc/cri-shunt",
    "/etc/default",
    "/etc/systemd",
    "/etc/rancher",
    "/etc/containerd",
    "/usr/local/bin",
    "/opt",
];

struct Node {
    systemd: Systemd,
    unit: &'static str,
}

impl Node {
    /// A bare node with a client that runs: the program is in nobody's path.
    fn start(unit: &'static str, program: &str, flags: &str, containerd: &str) -> Option<Node> {
        let registry = Registry::start()?;
        registry.push("app", "1", &Image::busybox("install"));
        let files = tempfile::tempdir().unwrap();
        let copied = |from: &Path, to: &str| {
            let to = files.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
        };
        copied(Path::new(PROGRAM), "root/cri-shunt");
        copied(&registry.storage(), "srv/registry");
        write(&files, "/etc/registry.yml", REGISTRY);
        write(&files, "/etc/cri-shunt/config.toml", CONFIG);
        let text =
            format!("#!/usr/bin/python3\n{}", CLIENT.replace("CONTAINERD", &format!("'{containerd}'")));
        let script = write(&files, program, &text);
        fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
        let service =
            format!("[Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart={program} {flags}\n");
        write(&files, &format!("/etc/systemd/system/{unit}"), &service);
        write(&files, "/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\"--v=2\"\n");
        let systemd = Systemd::start(files)?;
        systemd.run_containerd(containerd, "/etc/containerd/certs.d");
        let node = Node { systemd, unit };
        node.systemd.output(&[
            "systemd-run",
            "--unit=registry",
            "docker-registry",
            "serve",
            "/etc/registry.yml",
        ]);
        node.systemd.output(&["systemctl", "start", unit]);
        assert!(wait_until(|| node.client_asks(containerd)));
        Some(node)
    }

    fn pid(&self) -> String {
        let shown = self.systemd.output(&["systemctl", "show", "--value", "--property=MainPID", self.unit]);
        shown.trim().to_owned()
    }

    /// Whether the client is connected there, as the kernel says it.
    fn client_asks(&self, socket: &str) -> bool {
        let shown = self.systemd.run(&["ss", "--unix", "--processes", "--no-header"]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        // The end that was accepted has the path and the number of the other one.
        let ends: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        let own = format!("pid={},", self.pid());
        let inodes = ends.iter().filter(|end| end.last().is_some_and(|last| last.contains(&own)));
        let mut inodes = inodes.filter_map(|end| end.get(5));
        inodes.any(|inode| ends.iter().any(|end| end.get(4) == Some(&socket) && end.get(7) == Some(inode)))
    }

    fn files(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for top in COMPARED.iter().filter(|path| self.systemd.path(path).exists()) {
            let found = snapshot(&self.systemd.path(top));
            all.extend(found.into_iter().map(|(path, what)| (format!("{top}/{path}"), what)));
        }
        let crictl = fs::read_to_string(self.systemd.path("/etc/crictl.yaml"));
        all.extend(crictl.map(|text| ("/etc/crictl.yaml".to_owned(), text)));
        all
    }

    fn run(&self, arguments: &[&str]) -> Said {
        said(self.systemd.run(&[&["/root/cri-shunt"], arguments].concat()))
    }
}

fn said(output: std::process::Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

const OWN: &str = "/run/cri-shunt/cri-shunt.sock";
const APP: &str = "quay.io/app:1";

#[test]
fn one_command_takes_a_bare_node_to_a_pull_by_a_rule_and_one_takes_it_back() {
    let containerd = "/run/containerd/containerd.sock";
    let flags = "$KUBELET_EXTRA_ARGS";
    let Some(node) = Node::start("kubelet.service", "/usr/bin/kubelet", flags, containerd) else { return };
    let before = node.files();

    // A policy with a mistake.
    fs::write(node.systemd.path("/etc/cri-shunt/config.toml"), "[policy\n").unwrap();
    let broken = node.run(&["install", "--for", "all", "--apply"]);
    assert!(
        broken.status == Some(1) && broken.err.contains("cannot be used, so nothing was changed"),
        "{}",
        broken.err
    );
    fs::write(node.systemd.path("/etc/cri-shunt/config.toml"), CONFIG).unwrap();
    assert_eq!(changed(&before, &node.files()), NOTHING);

    // The policy denies the image, so no client is touched.
    let client = node.pid();
    let install = ["install", "--for", "all", "--apply", "--prove-with"];
    let denied = node.run(&[&install[..], &["evil/app:1"]].concat());
    assert_eq!(denied.status, Some(1), "{}{}\n{}", denied.out, denied.err, node.systemd.log());
    assert!(
        denied.err.contains("not from this registry") && denied.err.contains("--prove-with"),
        "{}",
        denied.err
    );
    assert!(denied.err.contains("all was put back as it was before"), "{}", denied.err);
    assert_eq!(changed(&before, &node.files()), NOTHING);
    assert!(node.client_asks(containerd));
    assert_eq!(node.pid(), client, "it was started again");

    // A kubelet that does not know the flag.
    fs::write(node.systemd.path("/run/is-old"), "").unwrap();
    let old = node.run(&[&install[..], &[APP]].concat());
    assert_eq!(old.status, Some(1), "{}{}", old.out, old.err);
    assert!(old.err.contains("kubelet.service does not run again: its state is failed"), "{}", old.err);
    assert!(old.err.contains("all was put back as it was before"), "{}", old.err);
    assert_eq!(changed(&before, &node.files()), NOTHING);
    assert!(wait_until(|| node.client_asks(containerd)));
    fs::remove_file(node.systemd.path("/run/is-old")).unwrap();

    // It is killed while it waits for a kubelet that is not ready yet.
    let client = node.pid();
    fs::write(node.systemd.path("/run/is-slow"), "").unwrap();
    node.systemd
        .output(&[&["systemd-run", "--unit=install", "/root/cri-shunt"], &install[..], &[APP]].concat());
    let has_failed = |unit| {
        assert!(
            wait_until(|| node.systemd.run(&["systemctl", "is-failed", unit]).status.success()),
            "{unit}"
        );
    };
    // A kubelet that is only about to be started again would be started after the kill below, and run.
    let waits = || {
        let flags = fs::read_to_string(node.systemd.path("/etc/default/kubelet")).unwrap();
        flags.contains(OWN) && node.pid() != client && node.client_asks(containerd)
    };
    assert!(wait_until(waits));
    node.systemd.output(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "install.service"]);
    fs::remove_file(node.systemd.path("/run/is-slow")).unwrap();
    // Meanwhile it has failed. It has run before the first try, so it has to run again.
    node.systemd.output(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "kubelet.service"]);
    // `is-failed` is content with one of them.
    ["install.service", "kubelet.service"].into_iter().for_each(has_failed);

    let done = node.run(&[&install[..], &[APP]].concat());
    assert_eq!(done.status, Some(0), "{}{}\n{}", done.out, done.err, node.systemd.log());
    assert!(!done.out.contains("+++"), "all files were written: {}", done.out);
    assert!(done.out.contains("kubelet.service runs and asks /run/cri-shunt/cri-shunt.sock"), "{}", done.out);
    assert!(done.out.contains("127.0.0.1:5000") && done.out.contains(APP), "{}", done.out);
    assert!(node.client_asks(OWN));
    let doctor = node.run(&["doctor", "--offline"]);
    assert_eq!(doctor.status, Some(0), "{}", doctor.out);

    // Once more proves it again, and changes nothing.
    let again = node.run(&[&install[..], &[APP]].concat());
    assert!(again.status == Some(0) && !again.out.contains("+++"), "{}{}", again.out, again.err);

    up_and_back_under_load(&node, &[&install[..], &[APP]].concat());

    // A proof that fails takes nothing from a client that was proven before.
    node.systemd.output(&["systemctl", "stop", "cri-shunt.socket", "cri-shunt.service"]);
    let denied = node.run(&[&install[..], &["evil/app:1"]].concat());
    assert_eq!(denied.status, Some(1), "{}{}", denied.out, denied.err);
    node.systemd.output(&["systemctl", "is-active", "cri-shunt.socket"]);

    for (more, status) in [(&["--dry-run"][..], 1), (&[], 3)] {
        let eject = node.run(&[&["eject"], more].concat());
        assert_eq!(eject.status, Some(status), "{}{}", eject.out, eject.err);
        assert!(eject.err.contains("cri-shunt uninstall --apply does all"), "{}", eject.err);
    }

    // A client that has failed is started again. What does not run then is told, and tried again by the next run.
    fs::write(node.systemd.path("/run/is-broken"), "").unwrap();
    node.systemd.output(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "kubelet.service"]);
    has_failed("kubelet.service");
    let back = node.run(&["uninstall", "--apply"]);
    assert_eq!(back.status, Some(1), "{}{}", back.out, back.err);
    assert!(
        back.err.contains("stays: kubelet.service does not run again: its state is failed"),
        "{}",
        back.err
    );
    assert_eq!(changed(&before, &node.files()), NOTHING);
    fs::remove_file(node.systemd.path("/run/is-broken")).unwrap();
    let back = node.run(&["uninstall", "--apply"]);
    assert_eq!(back.status, Some(0), "{}{}", back.out, back.err);
    assert!(wait_until(|| node.client_asks(containerd)));
    for gone in ["/run/cri-shunt", "/var/lib/cri-shunt", "/var/log/cri-shunt"] {
        assert!(!node.systemd.path(gone).exists(), "{gone}");
    }
    // None runs and none has failed. systemd may remember the name of a unit without a file for minutes.
    let units = node.systemd.output(&["systemctl", "list-units", "--no-legend", "cri-shunt*"]);
    assert_eq!(units.trim(), "");
}

/// A newer program, and the one before again. Clients ask all the time, each time with a connection of its own; kubelet stays.
fn up_and_back_under_load(node: &Node, install: &[&str]) {
    let systemd = &node.systemd;
    systemd.output(&["sh", "-c", "cp /root/cri-shunt /root/newer && echo >>/root/newer"]);
    let ask = "until [ -e /run/enough ]; do /root/cri-shunt explain -q --daemon quay.io/a:1 2>>/run/failed || echo $? >>/run/failed; \
               echo >>/run/asked; done";
    systemd.output(&["systemd-run", "--unit=clients", "sh", "-c", ask]);
    let asked = || fs::read_to_string(systemd.path("/run/asked")).unwrap_or_default().len();
    let daemon =
        || systemd.output(&["systemctl", "show", "--value", "--property=MainPID", "cri-shunt.service"]);
    let client = node.pid();
    for program in ["/root/newer", "/root/cri-shunt"] {
        let (before, then) = (daemon(), asked());
        assert!(wait_until(|| asked() > then + 2), "{}", systemd.log());
        let done = said(systemd.run(&[&[program], install].concat()));
        assert_eq!(done.status, Some(0), "{}{}\n{}", done.out, done.err, systemd.log());
        assert!(done.out.starts_with("--- /usr/local/bin/cri-shunt\n+++ "), "{}", done.out);
        assert_ne!(daemon(), before);
        systemd.output(&["cmp", program, "/usr/local/bin/cri-shunt"]);
        systemd.output(&["cmp", program, &format!("/proc/{}/exe", daemon().trim())]);
        let then = asked();
        assert!(wait_until(|| asked() > then + 2), "{}", systemd.log());
    }
    fs::write(systemd.path("/run/enough"), "").unwrap();
    let failed = fs::read_to_string(systemd.path("/run/failed")).unwrap();
    assert_eq!(failed, "", "{}", systemd.log());
    assert_eq!(node.pid(), client, "kubelet was started again");
}

/// As a container of the node does it: with its processes and its network, and its files below a directory. /usr is
/// read-only there, and then /opt too.
#[test]
fn k3s_is_set_up_from_a_container_that_has_the_node_below_a_directory() {
    let containerd = "/run/k3s/containerd/containerd.sock";
    let Some(node) = Node::start("k3s.service", "/usr/local/bin/k3s", "server", containerd) else { return };
    let before = node.files();
    let close = |directory: &str| {
        node.systemd.output(&["mount", "--bind", directory, directory]);
        node.systemd.output(&["mount", "-o", "remount,bind,ro", directory]);
    };
    close("/usr");
    let pid = node.systemd.pid().to_string();
    let run = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &pid, "--pid", "--net", "--uts", "--ipc", "--cgroup", PROGRAM])
            .args(arguments);
        let root = format!("/proc/{pid}/root");
        said(command.args(["--root", &root, "--chroot"]).output().unwrap())
    };
    let shown = run(&["install", "--for", "k3s"]);
    assert!(shown.out.contains("+++ /opt/cri-shunt/bin/cri-shunt"), "{}", shown.out);
    close("/opt");
    let done = run(&["install", "--for", "k3s", "--prove-with", APP, "--apply"]);
    assert_eq!(done.status, Some(0), "{}{}\n{}", done.out, done.err, node.systemd.log());
    assert!(done.out.contains("+++ /var/lib/cri-shunt/program/bin/cri-shunt"), "{}", done.out);
    assert!(done.out.contains("k3s.service runs and asks /run/cri-shunt/cri-shunt.sock"), "{}", done.out);
    assert!(node.client_asks(OWN));
    let back = run(&["uninstall", "--apply"]);
    assert_eq!(back.status, Some(0), "{}{}", back.out, back.err);
    assert_eq!(changed(&before, &node.files()), NOTHING);
    assert!(!node.systemd.path("/var/lib/cri-shunt").exists());
    assert!(wait_until(|| node.client_asks(containerd)));
}
