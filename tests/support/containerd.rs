//! A real containerd of a given line, private in all its folders and sockets.
//!
//! Tests and the shunt under test connect to `socket()`.
//! Holds: when `start` returns, the CRI plugin answers; after `Drop` nothing of it runs or is mounted.

use super::containerd_config::{self, Options};
use super::escapes::Escapes;
use super::keeper::Keeper;
use super::registry::Registry;
use super::version::Version;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Mutex, OnceLock};

/// A running containerd.
pub struct Containerd {
    version: Version,
    programs: PathBuf,
    closed: bool,
    child: Mutex<Option<Child>>,
    escapes: Escapes,
    // Last, so that it is dropped last: it removes the folder.
    keeper: Keeper,
}

impl Containerd {
    /// Starts one for this test alone. `None` (and a skipped test) where this line can't be had.
    pub fn start(version: Version) -> Option<Containerd> {
        Containerd::start_with(version, &Options::default())
    }

    /// As `start`, with other wishes.
    pub fn start_with(version: Version, options: &Options) -> Option<Containerd> {
        let programs = version.programs().map_err(|why| super::skipped(&why)).ok()?;
        let keeper = Keeper::new(&format!("c{}", version.line()));
        for dir in ["certs.d", "opt", "cni/bin", "cni/conf"] {
            std::fs::create_dir_all(keeper.dir().join(dir)).unwrap();
        }
        let config = containerd_config::text(version, keeper.dir(), options);
        std::fs::write(keeper.dir().join("config.toml"), config).unwrap();
        let containerd = Containerd {
            version,
            programs,
            closed: options.closed,
            child: Mutex::new(None),
            escapes: Escapes::start(),
            keeper,
        };
        containerd.start_again();
        Some(containerd)
    }

    /// One per line and test program, for cases that disturb no other: use images of your own
    /// (`Image::busybox` with your own name in it), remove only those, never restart it.
    pub fn shared(version: Version) -> Option<&'static Containerd> {
        static ALL: [OnceLock<Option<Containerd>>; 3] = [const { OnceLock::new() }; 3];
        if let Err(why) = version.programs() {
            super::skipped(&why);
            return None;
        }
        ALL[version as usize].get_or_init(|| Containerd::start(version)).as_ref()
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn socket(&self) -> PathBuf {
        self.keeper.dir().join("containerd.sock")
    }

    /// The folder of all that is this containerd's.
    pub fn dir(&self) -> &Path {
        self.keeper.dir()
    }

    /// Its stdout and stderr, over all its starts.
    pub fn log_file(&self) -> PathBuf {
        self.keeper.dir().join("containerd.log")
    }

    pub fn config_file(&self) -> PathBuf {
        self.keeper.dir().join("config.toml")
    }

    /// Its `config_path` with a folder per registry host.
    pub fn certs_d(&self) -> PathBuf {
        self.keeper.dir().join("certs.d")
    }

    /// Which hosts beyond the loopback it tried to reach.
    pub fn escapes(&self) -> &Escapes {
        &self.escapes
    }

    /// The proxy variables that it was started with.
    pub fn proxy_environment(&self) -> Vec<(&'static str, String)> {
        if !self.closed {
            return Vec::new();
        }
        ["HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, self.escapes.url())).to_vec()
    }

    /// Writes `hosts.toml` for a registry host; containerd reads it at the next pull.
    pub fn hosts_toml(&self, host: &str, text: &str) {
        // containerd's name for a folder of a host with a port is host:port, docs/hosts.md
        let dir = self.certs_d().join(host);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("hosts.toml"), text).unwrap();
    }

    /// Makes `host`, whatever it is, answered by a registry on the loopback.
    pub fn host_is(&self, host: &str, registry: &str) {
        // containerd 1.x refuses a file without a host table, and then asks the original registry.
        let capabilities = "capabilities = [\"pull\", \"resolve\"]";
        self.hosts_toml(
            host,
            &format!("server = \"http://{registry}\"\n[host.\"http://{registry}\"]\n{capabilities}\n"),
        );
    }

    /// Lets containerd reach `name` (host and port) at an address on the loopback, past all hosts files.
    pub fn lead(&self, name: &str, to: &str) {
        self.escapes.lead(name, to);
    }

    /// Puts the sandbox image where containerd will find it when a pod wants it.
    pub fn serve_pause(&self, registry: &Registry) {
        registry.push("pause", "testbed", &super::image::Image::pause());
        self.host_is("registry.k8s.io", registry.host());
    }

    /// Runs `ctr` against it, in CRI's namespace.
    pub fn ctr(&self, args: &[&str]) -> Output {
        self.ctr_at(&self.socket(), args)
    }

    /// Runs its `ctr` against another socket, in CRI's namespace.
    pub fn ctr_at(&self, socket: &Path, args: &[&str]) -> Output {
        Command::new(self.programs.join("ctr"))
            .arg("--address")
            .arg(socket)
            .args(["--namespace", "k8s.io"])
            .args(args)
            .output()
            .unwrap()
    }

    /// The running process, for measurements.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().as_ref().map(Child::id).expect("it runs")
    }

    /// Ends it as a crash would: no tidying, shims and pods stay.
    pub fn kill9(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it as systemd would; shims and pods stay.
    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            let gone = super::wait_until(|| child.try_wait().is_ok_and(|s| s.is_some()));
            if !gone {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }

    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Starts the process and waits until CRI answers.
    pub fn start_again(&self) {
        self.spawn();
        let mut ended = false;
        let ready = super::wait_until(|| {
            ended = self.has_ended();
            ended || super::block_on(super::cri::is_ready(&self.socket()))
        });
        assert!(ready && !ended, "containerd {} does not get ready:\n{}", self.version.line(), self.log());
    }

    /// Starts the process and does not wait.
    pub fn spawn(&self) {
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.programs.display());
        let child = Command::new(self.programs.join("containerd"))
            .arg("--config")
            .arg(self.config_file())
            .env_clear()
            .env("PATH", path)
            .envs(self.proxy_environment())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.keeper.keep(&child);
        *self.child.lock().unwrap() = Some(child);
    }

    fn has_ended(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // Takes the exit status, so that no zombie stays; the keeper does the rest.
        self.kill9();
    }
}
