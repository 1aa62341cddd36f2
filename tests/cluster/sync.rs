//! The files of a cluster's policy, from what a pod has mounted to the node.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{http1, wait_until};

const RULE: &str = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev\"]\n";

/// A volume as kubelet mounts it, and a node.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        for name in ["policy", "etc"] {
            std::fs::create_dir(place.path(name)).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn on_node(&self, name: &str) -> PathBuf {
        self.path("etc/cri-shunt").join(name)
    }

    /// Turns the volume over to these files, all at once.
    fn mount(&self, number: u32, files: &[(&str, &str)]) {
        let whole = self.path("policy").join(format!("..{number}"));
        for (name, text) in files {
            let path = whole.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            let first = name.split('/').next().unwrap();
            let link = self.path("policy").join(first);
            if link.symlink_metadata().is_err() {
                symlink(format!("..data/{first}"), link).unwrap();
            }
        }
        symlink(format!("..{number}"), self.path("policy/..new")).unwrap();
        std::fs::rename(self.path("policy/..new"), self.path("policy/..data")).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
        command.current_dir(self.dir.path()).arg("sync").args(["--to", "etc/cri-shunt"]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("hush-hush"), "{text}");
        (output.status.code().unwrap(), text)
    }

    fn once(&self) -> (i32, String) {
        self.run(&["--once", "--from", "policy"])
    }

    /// All files of the node with their modes.
    fn files(&self) -> BTreeMap<String, (u32, String)> {
        fn walk(dir: &Path, top: &Path, found: &mut BTreeMap<String, (u32, String)>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(top).unwrap().display().to_string();
                let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o777;
                if path.is_dir() {
                    found.insert(format!("{name}/"), (mode, String::new()));
                    walk(&path, top, found);
                } else {
                    found.insert(name, (mode, std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.path("etc"), &self.path("etc"), &mut found);
        found
    }

    fn listed(&self) -> String {
        let lines = self.files().into_iter().map(|(name, (mode, _))| format!("{mode:o} {name}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn files_come_to_the_node_and_leave_it_with_what_they_came_from() {
    let place = Place::new();
    let login = "[[credentials]]\nregistry = \"m.dev\"\nusername = \"robot\"\npassword-file = \"cluster/login/password\"\n";
    let sources = "[[policy.source]]\nregistries-yaml = \"cluster/registries.yaml\"\n";
    let policy = format!("{sources}{login}");
    let config = "[containerd]\nsocket = \"/run/c.sock\"\n";
    let all = [
        ("config.toml", config),
        ("conf.d/cluster-mode.toml", "[policy]\nmode = \"observe\"\n"),
        ("conf.d/cluster.toml", policy.as_str()),
        ("conf.d/cluster/registries.yaml", "mirrors:\n  docker.io: {endpoint: [\"https://m.dev\"]}\n"),
        ("conf.d/cluster/login/password", "hush-hush\n"),
    ];
    place.mount(1, &all);
    let before = place.files();
    let (status, text) = place.once();
    insta::assert_snapshot!(text, @"
    changed etc/cri-shunt/conf.d/cluster/login/password
    changed etc/cri-shunt/conf.d/cluster/registries.yaml
    changed etc/cri-shunt/conf.d/cluster-mode.toml
    changed etc/cri-shunt/conf.d/cluster.toml
    changed etc/cri-shunt/config.toml
    ");
    assert_eq!(status, 0);
    insta::assert_snapshot!(place.listed(), @"
    755 cri-shunt/
    600 cri-shunt/.cluster
    755 cri-shunt/conf.d/
    600 cri-shunt/conf.d/cluster-mode.toml
    600 cri-shunt/conf.d/cluster.toml
    700 cri-shunt/conf.d/cluster/
    700 cri-shunt/conf.d/cluster/login/
    600 cri-shunt/conf.d/cluster/login/password
    600 cri-shunt/conf.d/cluster/registries.yaml
    600 cri-shunt/config.toml
    ");
    // The daemon finds them where the policy says.
    let check = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["explain", "--config"])
        .arg(place.on_node("config.toml"))
        .arg("docker.io/library/busybox:1")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&check.stdout).contains("m.dev"), "{check:?}");
    assert_eq!(place.once(), (0, String::new()));

    // The Secret is gone, and so is its file, with what a kill has left of it.
    std::fs::write(place.on_node("conf.d/cluster/login/.password.new"), "hush").unwrap();
    place.mount(2, &all[..4]);
    assert_eq!(place.once(), (0, "changed etc/cri-shunt/conf.d/cluster/login/password\n".to_owned()));
    assert!(!place.on_node("conf.d/cluster/login").exists());

    // A file of the node's own keeps its directory.
    std::fs::write(place.on_node("conf.d/own.toml"), "").unwrap();
    assert_eq!(place.run(&["--remove"]).0, 0);
    insta::assert_snapshot!(place.listed(), @"
    755 cri-shunt/
    755 cri-shunt/conf.d/
    644 cri-shunt/conf.d/own.toml
    ");
    std::fs::remove_file(place.on_node("conf.d/own.toml")).unwrap();
    place.mount(3, &all);
    std::fs::remove_dir_all(place.path("etc/cri-shunt")).unwrap();
    assert_eq!((place.once().0, place.run(&["--remove"]).0), (0, 0));
    assert_eq!(place.files(), before);
    assert_eq!(place.run(&["--remove"]), (0, String::new()));
}

#[test]
fn what_the_daemon_could_not_use_is_not_copied() {
    let place = Place::new();
    place.mount(1, &[("conf.d/cluster.toml", RULE)]);
    assert_eq!(place.once().0, 0);
    let before = place.files();

    place.mount(2, &[("conf.d/cluster.toml", "[[policy.rule]]\nprefix = 7\n")]);
    let (status, text) = place.once();
    assert!(status == 1 && text.contains("cluster.toml:2:"), "{text}");
    assert!(text.ends_with("nothing was copied: what is on the node stays\n"), "{text}");
    // Only the main file may have these.
    place.mount(3, &[("conf.d/cluster.toml", "[metrics]\nlisten = \"127.0.0.1:1\"\n")]);
    assert_eq!(place.once().0, 1);
    // Its own pods could not start any more.
    let deny = "[[policy.rule]]\nprefix = \"localhost\"\ndeny = \"not from here\"\n";
    place.mount(4, &[("conf.d/cluster.toml", deny)]);
    let (status, text) = place.run(&["--once", "--from", "policy", "--needs", "localhost/cri-shunt:1"]);
    insta::assert_snapshot!(text, @"
    error: the policy denies localhost/cri-shunt:1, which the node needs for this program's own pods: not from here
    nothing was copied: what is on the node stays
    ");
    assert_eq!(status, 1);
    // What there is to say of a policy is said once, when it is copied: one that is refused is looked at every second.
    let by_tag = format!("{deny}[[policy.rule]]\nprefix = \"quay.io/x:1\"\ndeny = \"no\"\n");
    place.mount(5, &[("conf.d/cluster.toml", &by_tag)]);
    let detailed = |needs| place.run(&["--once", "--verbose", "--from", "policy", "--needs", needs]);
    let (status, refused) = detailed("localhost/cri-shunt:1");
    assert_eq!((status, refused), (1, text));
    let old = place.files();
    let (status, copied) = detailed("m.dev/cri-shunt:1");
    assert!(status == 0 && copied.contains("warning: ") && copied.contains("quay.io/x:1"), "{copied}");
    assert_ne!(place.files(), old);
    place.mount(6, &[("conf.d/cluster.toml", RULE)]);
    assert_eq!(place.once().0, 0);
    place.mount(7, &[("conf.d/cluster.toml", RULE), ("conf.d/own.toml", "")]);
    let (status, text) = place.once();
    insta::assert_snapshot!(text, @"error: conf.d/own.toml: only config.toml, conf.d/cluster*.toml and files below conf.d/cluster go to a node");
    assert_eq!(status, 3);
    assert_eq!(place.files(), before);
}

#[test]
fn files_of_the_node_itself_stay() {
    let place = Place::new();
    std::fs::create_dir_all(place.on_node("conf.d/cluster")).unwrap();
    std::fs::write(place.on_node("config.toml"), "# mine\n").unwrap();
    place.mount(1, &[("config.toml", "# theirs\n"), ("conf.d/cluster.toml", RULE)]);
    assert_eq!(place.once(), (0, "changed etc/cri-shunt/conf.d/cluster.toml\n".to_owned()));
    assert_eq!(place.once(), (0, String::new()));
    assert_eq!(std::fs::read_to_string(place.on_node("config.toml")).unwrap(), "# mine\n");
    assert_eq!(place.run(&["--remove"]).0, 0);
    assert_eq!(std::fs::read_to_string(place.on_node("config.toml")).unwrap(), "# mine\n");

    std::fs::write(place.on_node("conf.d/cluster.toml"), "# mine\n").unwrap();
    let (status, text) = place.once();
    insta::assert_snapshot!(text, @"error: etc/cri-shunt/conf.d/cluster.toml is there already, and was not written from the cluster: move it away");
    assert_eq!(status, 3);

    // A record that leads elsewhere leads nowhere.
    std::fs::write(place.path("etc/passwd"), "root\n").unwrap();
    std::fs::write(
        place.on_node(".cluster"),
        "../passwd\nconf.d/../../passwd\n/etc/passwd\nconfig.toml/\n../\n",
    )
    .unwrap();
    assert_eq!(place.run(&["--remove"]), (0, String::new()));
    assert!(place.path("etc/passwd").exists() && place.on_node("config.toml").exists());
}

/// Ends the process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_change_comes_to_a_node_that_has_files_already() {
    let place = Place::new();
    place.mount(1, &[("conf.d/cluster.toml", RULE)]);
    let log = std::fs::File::create(place.path("log")).unwrap();
    let said = || std::fs::read_to_string(place.path("log")).unwrap();
    let mut running = Running(
        place.command(&["--from", "policy"]).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap(),
    );
    // The node's own Job comes first, so that nothing comes back after the program was taken out.
    assert!(wait_until(|| said().contains("waits: etc/cri-shunt has no files of the cluster yet")));
    assert!(!place.path("etc/cri-shunt").exists());
    assert_eq!(place.once().0, 0);
    let is_there = |text: &str| {
        std::fs::read_to_string(place.on_node("conf.d/cluster.toml")).is_ok_and(|found| found == text)
    };
    let next = RULE.replace("m.dev", "n.dev");
    place.mount(2, &[("conf.d/cluster.toml", &next)]);
    assert!(wait_until(|| is_there(&next)));
    // What somebody changes on the node is changed back.
    std::fs::write(place.on_node("conf.d/cluster.toml"), "").unwrap();
    assert!(wait_until(|| is_there(&next)));
    place.mount(3, &[("conf.d/cluster.toml", "[policy\n")]);
    assert!(wait_until(|| said().contains("nothing was copied")));
    assert!(is_there(&next));
    assert_eq!(place.run(&["--remove"]).0, 0);
    assert!(wait_until(|| said().matches("waits: ").count() == 2));
    assert!(!place.path("etc/cri-shunt").exists());
    assert_eq!(said().matches("nothing was copied").count(), 1, "{}", said());

    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(running.0.wait().unwrap().success());
}

/// The daemon listens where only its node comes; without it a connection ends without an answer. A port that somebody else has
/// keeps no policy from the node.
#[test]
fn metrics_of_the_daemon_are_passed_on() {
    let place = Place::new();
    place.mount(1, &[("conf.d/cluster.toml", RULE)]);
    assert_eq!(place.once().0, 0);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let all = format!("[::]:{}", taken.local_addr().unwrap().port());
    let log = std::fs::File::create(place.path("log")).unwrap();
    let said = || std::fs::read_to_string(place.path("log")).unwrap();
    let arguments = ["--from", "policy", "--metrics", &all, "--metrics-of", "metrics.sock"];
    let _running =
        Running(place.command(&arguments).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    assert!(wait_until(|| said().starts_with("error: cannot listen on")), "{}", said());
    place.mount(2, &[("conf.d/cluster.toml", &RULE.replace("m.dev", "n.dev"))]);
    assert!(wait_until(|| said().ends_with("changed etc/cri-shunt/conf.d/cluster.toml\n")), "{}", said());
    drop(taken);
    let ask = || http1::send(&address, "GET", "/metrics", &[], b"").map(|answer| answer.body);
    assert!(wait_until(|| std::net::TcpStream::connect(&address).is_ok()));
    ask().unwrap_err();
    let daemon = UnixListener::bind(place.path("metrics.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in daemon.incoming() {
            let mut stream = stream.unwrap();
            let request = http1::read(&stream, true).unwrap();
            assert_eq!(request.first, "GET /metrics HTTP/1.1");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n# EOF\n").unwrap();
        }
    });
    assert_eq!(ask().unwrap(), b"# EOF\n");
}
