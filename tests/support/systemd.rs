//! A real systemd with a machine of its own, to which the program is installed.
//!
//! Holds: it sees this machine's files, and writes none of them; it ends with the value.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{skipped, wait_until};

const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/systemd.sh");

/// What is of no use there, or would wait for hardware.
const MASKED: [&str; 8] = [
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-modules-load.service",
    "systemd-remount-fs.service",
    "systemd-random-seed.service",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "dev-hugepages.mount",
];

/// The machine.
pub struct Systemd {
    unshare: Child,
    pid: u32,
    _files: tempfile::TempDir,
}

/// A directory with what `make install` puts in place, to which a test adds files.
pub fn installed() -> tempfile::TempDir {
    let files = tempfile::tempdir().unwrap();
    let output = Command::new("make")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["--silent", "install", "PREFIX=/usr"])
        .arg(format!("DESTDIR={}", files.path().display()))
        .arg(format!("BINARY={}", env!("CARGO_BIN_EXE_cri-shunt")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    files
}

/// Writes a file, with the directories above it.
pub fn write(files: &tempfile::TempDir, path: &str, text: &str) -> PathBuf {
    let path = files.path().join(path.trim_start_matches('/'));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

impl Systemd {
    /// Starts it with these files laid over this machine's. Without the rights for that the test is skipped.
    pub fn start(files: tempfile::TempDir) -> Option<Systemd> {
        Systemd::start_on(files, None)
    }

    /// As [`Systemd::start`], on a machine that has files of this directory too.
    pub fn start_on(files: tempfile::TempDir, machine: Option<&Path>) -> Option<Systemd> {
        if !rustix::process::geteuid().is_root() || !Path::new("/usr/lib/systemd/systemd").exists() {
            skipped("it needs root and systemd");
            return None;
        }
        for unit in MASKED {
            let path = files.path().join("etc/systemd/system").join(unit);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink("/dev/null", path).unwrap();
        }
        let mut unshare = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net", "--cgroup"])
            .args(["sh", BOOT])
            .arg(files.path())
            .args(machine)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let child = || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok();
        let mut pid = None;
        assert!(wait_until(|| {
            pid = child();
            pid.is_some() || unshare.try_wait().unwrap().is_some()
        }));
        let systemd = Systemd { unshare, pid: pid?, _files: files };
        let is_up =
            || String::from_utf8_lossy(&systemd.run(&["systemctl", "is-system-running"]).stdout).into_owned();
        assert!(wait_until(|| ["running", "degraded"].contains(&is_up().trim())), "{}", is_up());
        Some(systemd)
    }

    /// Its first process, by its number here.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs a command there.
    pub fn run(&self, command: &[&str]) -> Output {
        Command::new("nsenter")
            .arg(format!("--target={}", self.pid))
            .args(["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd=/"])
            .args(command)
            .output()
            .unwrap()
    }

    /// As [`Systemd::run`], for its output. It has to succeed.
    pub fn output(&self, command: &[&str]) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "{command:?}: {output:?}\n{}", self.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Listens on its loopback, for a server that runs in this process.
    pub fn listen(&self) -> TcpListener {
        let network = File::open(format!("/proc/{}/ns/net", self.pid)).unwrap();
        // A socket stays in the network that its thread had, and this thread ends.
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            TcpListener::bind("127.0.0.1:0").unwrap()
        });
        thread.join().unwrap()
    }

    /// Runs a containerd there, with its `hosts.toml` files below `config_path`. It listens when this returns.
    pub fn run_containerd(&self, socket: &str, config_path: &str) {
        self.run_containerd_in(Path::new("/usr/bin"), socket, config_path);
    }

    /// As [`Systemd::run_containerd`], one of a version: of the folder with its programs.
    pub fn run_containerd_in(&self, programs: &Path, socket: &str, config_path: &str) {
        let text = format!(
            "version = 2\nroot = \"/run/c/root\"\nstate = \"/run/c/state\"\n[grpc]\naddress = \"{socket}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"{config_path}\"\n"
        );
        std::fs::write(self.path("/run/containerd.toml"), text).unwrap();
        self.output(&["mkdir", "-p", socket.rsplit_once('/').unwrap().0]);
        // Where it is may not be seen there: /tmp is another one.
        let program = "/run/test-containerd";
        std::fs::copy(programs.join("containerd"), self.path(program)).unwrap();
        let unit = "--unit=test-containerd";
        self.output(&["systemd-run", unit, program, "--config", "/run/containerd.toml"]);
        assert!(wait_until(|| self.path(socket).exists()));
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        let output = self.run(&["journalctl", "--no-pager", "--output=cat", "--unit=cri-shunt.service"]);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// A path there, as it is seen from here.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid)).join(path.trim_start_matches('/'))
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        drop(self.unshare.kill());
        drop(self.unshare.wait());
    }
}
