//! The program under test, run as its own process.
//!
//! Tests talk to `socket()`.
//! Holds: when `start` returns, the socket answers; the process ends with the test, and none of the tests'
//! secrets stands in what it has said.

use super::containerd::Containerd;
use super::keeper::Keeper;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::Mutex;

/// What stands in no output: every secret of a test begins with `hush-`, but for the real registry's password. The
/// long ones are how base64 spells that, at each of the three places in a group where it may begin.
const SECRETS: [&str; 6] = [
    "hush-",
    "aHVzaC",
    "h1c2gt",
    "odXNoL",
    super::guarded::PASSWORD,
    // robot:sesame-of-robot
    "cm9ib3Q6c2VzYW1lLW9mLXJvYm90",
];

/// A test that looks through what was said.
pub fn assert_discreet(said: &str) {
    for secret in SECRETS {
        if let Some(at) = said.find(secret) {
            let around = said.get(at.saturating_sub(200)..at + secret.len()).unwrap_or_default();
            panic!("{secret} was shown: …{around}");
        }
    }
}

/// The rule by which names that begin with `prefix` come from these mirrors, in this order. More keys may follow it.
pub fn rule(prefix: &str, mirrors: &[&str]) -> String {
    format!("[[policy.rule]]\nprefix = \"{prefix}\"\nmirrors = {mirrors:?}\n")
}

/// A running `cri-shunt serve`.
pub struct Shunt {
    child: Mutex<Option<Child>>,
    environment: Vec<(String, String)>,
    /// Whether it has no more capabilities than in its unit.
    limited: bool,
    keeper: Keeper,
}

impl Shunt {
    /// Starts one in front of `containerd`. The config gets what every shunt needs (`[listen]`,
    /// `[containerd]`, `[state]`) unless `config` has that table itself; a `[listen]` gets the socket.
    pub fn start(config: &str, containerd: &Containerd) -> Shunt {
        Shunt::start_with(config, containerd, &[])
    }

    /// As `start`, with more environment (credentials, log level).
    pub fn start_with(config: &str, containerd: &Containerd, environment: &[(&str, &str)]) -> Shunt {
        let shunt = Shunt::prepare(config, containerd, environment);
        shunt.start_again();
        shunt
    }

    /// Starts one in front of whatever is to answer at `upstream`.
    pub fn start_before(config: &str, upstream: &Path) -> Shunt {
        Shunt::launch(config, upstream, &[], false)
    }

    /// As `start_before`, with the capabilities of its unit and with more environment.
    pub fn start_limited(config: &str, upstream: &Path, environment: &[(&str, &str)]) -> Shunt {
        Shunt::launch(config, upstream, environment, true)
    }

    fn launch(config: &str, upstream: &Path, environment: &[(&str, &str)], limited: bool) -> Shunt {
        let environment = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let keeper = Keeper::new("shunt");
        let shunt = Shunt { child: Mutex::new(None), environment, limited, keeper };
        shunt.write_config_for(config, upstream);
        shunt.spawn();
        shunt.listens();
        shunt
    }

    /// As `start_with`, but does not start anything.
    pub fn prepare(config: &str, containerd: &Containerd, environment: &[(&str, &str)]) -> Shunt {
        let keeper = Keeper::new("shunt");
        let mut environment: Vec<(String, String)> =
            environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        environment.extend(containerd.proxy_environment().into_iter().map(|(n, v)| (n.to_owned(), v)));
        let shunt = Shunt { child: Mutex::new(None), environment, limited: false, keeper };
        shunt.write_config(config, containerd);
        shunt
    }

    /// Writes the config file anew; the running process sees it at its next reload.
    pub fn write_config(&self, config: &str, containerd: &Containerd) {
        self.write_config_for(config, &containerd.socket());
    }

    fn write_config_for(&self, config: &str, upstream: &Path) {
        let dir = self.keeper.dir().display();
        let upstream = upstream.display();
        let own = format!("[listen]\nsocket = \"{dir}/shunt.sock\"\n");
        let tables = [
            ("[listen]", own.clone()),
            ("[containerd]", format!("[containerd]\nsocket = \"{upstream}\"\n")),
            ("[state]", format!("[state]\ndir = \"{dir}/state\"\nbypass-file = \"{dir}/bypass\"\n")),
        ];
        let mut text = config.replace("[listen]\n", &own);
        for (head, table) in tables {
            if !text.lines().any(|line| line.trim() == head) {
                text = format!("{text}\n{table}");
            }
        }
        self.write(&text);
    }

    /// Puts this in the place of the config file's whole text.
    pub fn write(&self, text: &str) {
        super::replace(&self.config_file(), text);
    }

    pub fn socket(&self) -> PathBuf {
        self.keeper.dir().join("shunt.sock")
    }

    pub fn config_file(&self) -> PathBuf {
        self.keeper.dir().join("config.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.keeper.dir().join("state")
    }

    pub fn bypass_file(&self) -> PathBuf {
        self.keeper.dir().join("bypass")
    }

    /// What it has said on stderr so far, over all its starts.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.keeper.dir().join("stderr")).unwrap_or_default()
    }

    /// The running process, for signals and measurements.
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().unwrap().as_ref().map(Child::id)
    }

    /// The most that it had resident so far, in bytes.
    pub fn peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        peak.strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// Runs another command of the program with this shunt's config, `explain` for one.
    pub fn run(&self, command: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
            .arg(command)
            .arg("--config")
            .arg(self.config_file())
            .args(args)
            .envs(self.environment.iter().cloned())
            .output()
            .unwrap()
    }

    /// Runs the program with these arguments alone.
    pub fn command(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cri-shunt")).args(args).output().unwrap()
    }

    /// Starts the process and waits until its socket answers.
    pub fn start_again(&self) {
        self.spawn();
        let mut end = None;
        let ready = super::wait_until(|| {
            end = self.ended();
            end.is_some() || super::block_on(super::cri::is_ready(&self.socket()))
        });
        assert!(ready && end.is_none(), "the shunt does not serve (ended: {end:?}):\n{}", self.stderr());
    }

    /// Starts the process and does not wait.
    pub fn spawn(&self) {
        let stderr =
            File::options().create(true).append(true).open(self.keeper.dir().join("stderr")).unwrap();
        let program = env!("CARGO_BIN_EXE_cri-shunt");
        let mut command = Command::new(if self.limited { "setpriv" } else { program });
        if self.limited {
            command.args(["--bounding-set=-all,+sys_ptrace", program]);
        }
        let child = command
            .args(["serve", "--config"])
            .arg(self.config_file())
            .envs(self.environment.iter().cloned())
            .stdout(stderr.try_clone().unwrap())
            .stderr(stderr)
            .spawn()
            .unwrap();
        self.keeper.keep(&child);
        *self.child.lock().unwrap() = Some(child);
    }

    /// Waits until it listens on its socket. What it stands before need not answer.
    pub fn listens(&self) {
        let mut end = None;
        let listens = super::wait_until(|| {
            end = self.ended();
            end.is_some() || std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
        });
        assert!(listens && end.is_none(), "the shunt does not listen (ended: {end:?}):\n{}", self.stderr());
    }

    /// Waits until it has said this on stderr.
    pub fn says(&self, what: &str) {
        self.until(what, || self.stderr().contains(what));
    }

    /// Waits until something is so that it brings about.
    pub fn until(&self, what: &str, ready: impl FnMut() -> bool) {
        assert!(super::wait_until(ready), "{what}:\n{}", self.stderr());
    }

    /// Waits until it has ended by itself.
    pub fn ends(&self) -> ExitStatus {
        self.until("it ends", || self.ended().is_some());
        self.ended().expect("it has ended")
    }

    /// Writes the config file anew and has it read.
    pub fn reload(&self, config: &str, containerd: &Containerd) {
        self.write_config(config, containerd);
        self.signal(rustix::process::Signal::HUP);
    }

    /// What `status` shows.
    pub fn status(&self) -> String {
        let shown = self.command(&["status", "--socket", self.socket().to_str().unwrap()]);
        // The exit code also tells whether something is unwell, so a failure is known by the empty text.
        assert!(!shown.stdout.is_empty(), "status fails: {shown:?}\n{}", self.stderr());
        String::from_utf8(shown.stdout).unwrap()
    }

    /// The exit status, if it has ended by itself.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Sends a signal to the process, HUP for a reload.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let child = self.child.lock().unwrap();
        let pid = rustix::process::Pid::from_child(child.as_ref().expect("it runs"));
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn kill9(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            drop(child.kill());
            child.wait().unwrap();
        }
    }

    /// Asks it to end and waits for that.
    pub fn stop(&self) -> Option<ExitStatus> {
        self.signal(rustix::process::Signal::TERM);
        super::wait_until(|| self.ended().is_some());
        let status = self.ended();
        self.kill9();
        status
    }

    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }
}

impl Drop for Shunt {
    fn drop(&mut self) {
        self.kill9();
        if !std::thread::panicking() {
            assert_discreet(&self.stderr());
        }
    }
}
