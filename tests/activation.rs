//! The socket that systemd holds: connections wait at it for a daemon that starts, and outlast one that ends.
//!
//! `serve` is about the daemon with a socket of its own, `packaging` about the units.
//! Holds: the test plays systemd's part by the protocols of sd_listen_fds(3) and sd_notify(3).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::cri::Cri;
use support::http1;
use support::keeper::Keeper;
use support::raw::Raw;
use support::upstream::{Answer, Gate, Upstream};
use support::{PATIENCE, wait_for, wait_until};

const LIST: &str = "/runtime.v1.ImageService/ListImages";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const EVENTS: &str = "/runtime.v1.RuntimeService/GetContainerEvents";
/// What a client takes for "again".
const UNAVAILABLE: i32 = 14;

/// Less than what the daemon gives the first call of a connection when it is told to stop.
const LAST_ARRIVAL: Duration = Duration::from_millis(200);

/// The part of systemd that a socket unit and a service of `Type=notify` need.
struct Manager {
    listener: UnixListener,
    notified: UnixDatagram,
    upstream: Upstream,
    keeper: Keeper,
}

impl Manager {
    fn new() -> Manager {
        let keeper = Keeper::new("unit");
        let upstream = Upstream::start();
        let listener = UnixListener::bind(keeper.dir().join("held.sock")).unwrap();
        let notified = UnixDatagram::bind(keeper.dir().join("notify")).unwrap();
        notified.set_read_timeout(Some(PATIENCE)).unwrap();
        let dir = keeper.dir().display();
        // `listen.socket` is another one: what is handed over wins.
        let config = format!(
            "[listen]\nsocket = \"{dir}/own.sock\"\n[containerd]\nsocket = \"{}\"\n[state]\ndir = \"{dir}/state\"\n",
            upstream.socket().display()
        );
        std::fs::write(keeper.dir().join("config.toml"), config).unwrap();
        Manager { listener, notified, upstream, keeper }
    }

    /// Puts more into the configuration, which the daemon has to read again if it runs.
    fn configure(&self, more: &str) {
        let file = self.keeper.dir().join("config.toml");
        let text = std::fs::read_to_string(&file).unwrap() + more;
        support::replace(&file, &text);
    }

    fn socket(&self) -> PathBuf {
        self.keeper.dir().join("held.sock")
    }

    /// Starts the daemon as systemd would; the shell's pid becomes the daemon's.
    fn start(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.keeper.dir().join("stderr")).unwrap();
        let child = Command::new("sh")
            .arg("-c")
            .arg("export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" serve --config \"$1\" 3<&0 </dev/null")
            .arg(env!("CARGO_BIN_EXE_cri-shunt"))
            .arg(self.keeper.dir().join("config.toml"))
            .env("CRI_SHUNT_LOG", "debug")
            .env("NOTIFY_SOCKET", self.keeper.dir().join("notify"))
            .stdin(OwnedFd::from(self.listener.try_clone().unwrap()))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.keeper.keep(&child);
        child
    }

    /// The next word of the daemon to systemd.
    fn told(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.notified.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap().trim().to_owned()
    }

    /// What all daemons have logged.
    fn log(&self) -> String {
        std::fs::read_to_string(self.keeper.dir().join("stderr")).unwrap()
    }

    fn stop(&self, mut child: Child) {
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success(), "{status}; its log:\n{}", self.log());
    }
}

/// One call over a connection of its own, which the daemon itself never makes.
async fn list(socket: PathBuf) -> Result<(), tonic::Status> {
    Cri::connect(&socket).await.list().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_made_before_the_start_is_served() {
    let manager = Manager::new();
    let early = Cri::connect(&manager.socket()).await;
    let early = tokio::spawn(async move { early.list().await });
    let daemon = manager.start();
    early.await.unwrap().unwrap();
    assert_eq!(manager.upstream.calls(LIST).len(), 1);
    assert!(!manager.keeper.dir().join("own.sock").exists());
    assert_eq!(manager.told(), "READY=1");

    manager.stop(daemon);
    assert_eq!(manager.told(), "STOPPING=1");
    assert!(manager.socket().exists(), "the file is systemd's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_made_before_the_stop_has_its_first_call() {
    for _ in 0..100 {
        let manager = Manager::new();
        let daemon = manager.start();
        assert_eq!(manager.told(), "READY=1");
        let (served, fresh) = (Raw::connect(&manager.socket()).await, Raw::connect(&manager.socket()).await);
        assert_eq!(served.call(LIST, b"").await.code(), Some(0));
        assert!(wait_for(async || manager.log().matches("connected").count() == 2).await);
        let stopped = Instant::now();
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        assert_eq!(manager.told(), "STOPPING=1");
        // This one learns at once that no more calls are taken. The fresh one would have learned it by now as well,
        // and clients give up a call on such a connection.
        assert!(wait_for(async || !served.takes_calls().await).await);
        let answer = fresh.call(LIST, b"").await;
        let in_time = stopped.elapsed() < LAST_ARRIVAL;
        manager.stop(daemon);
        if answer.code() == Some(0) {
            return;
        }
        // On a busy machine the call may have come too late. Then once more.
        assert!(!in_time, "{answer:?}");
    }
    panic!("no call was ever made in time");
}

/// Calls that are relayed, and pulls, each over a connection of its own, until it is told to stop.
async fn load(
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
) -> Result<usize, tonic::Status> {
    let mut pulls = 0;
    while !stop.load(Ordering::Relaxed) {
        list(socket.clone()).await?;
        Cri::connect(&socket).await.pull("quay.io/team/app:1").await?;
        pulls += 1;
        calls.fetch_add(2, Ordering::Relaxed);
    }
    Ok(pulls)
}

/// With audit and metrics, and while somebody asks for these all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_and_a_reload_lose_no_call() {
    let manager = Manager::new();
    let (audit, metrics) =
        (manager.keeper.dir().join("audit.jsonl"), manager.keeper.dir().join("metrics.sock"));
    manager.configure(&format!("[audit]\nfile = {audit:?}\n[metrics]\nlisten = {metrics:?}\n"));
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> =
        (0..4).map(|_| tokio::spawn(load(manager.socket(), stop.clone(), calls.clone()))).collect();
    let scraper = tokio::task::spawn_blocking({
        let stop = stop.clone();
        move || {
            let mut answers = 0;
            wait_until(|| {
                // Between two daemons nobody listens.
                let answer = http1::get(&metrics, "/metrics");
                answers += usize::from(answer.is_ok_and(|answer| answer.text().ends_with("# EOF\n")));
                stop.load(Ordering::Relaxed)
            });
            answers
        }
    });
    let busy = async || {
        let before = calls.load(Ordering::Relaxed);
        let many =
            async || calls.load(Ordering::Relaxed) >= before + 20 || clients.iter().any(|c| c.is_finished());
        assert!(wait_for(many).await);
    };
    for round in 1..=3 {
        let daemon = manager.start();
        assert_eq!(manager.told(), "READY=1");
        busy().await;
        manager.configure(&format!("[[policy.rule]]\nprefix = \"docker.io/evil{round}\"\ndeny = \"no\"\n"));
        kill_process(Pid::from_child(&daemon), Signal::HUP).unwrap();
        let reloaded = format!("new policy loaded: {round} rule");
        assert!(wait_for(async || manager.log().contains(&reloaded)).await, "{}", manager.log());
        // All are in the middle of their calls when it stops.
        busy().await;
        manager.stop(daemon);
        while manager.told() != "STOPPING=1" {}
    }
    stop.store(true, Ordering::Relaxed);
    let daemon = manager.start();
    // The third one may have answered the last call: nothing but this tells that the fourth has started.
    assert_eq!(manager.told(), "READY=1");
    let mut pulls = 0;
    for client in clients {
        let ended = client.await.unwrap();
        pulls += ended.unwrap_or_else(|error| panic!("after {calls:?} calls: {error:?}\n{}", manager.log()));
    }
    manager.stop(daemon);
    assert!(scraper.await.unwrap() > 0);
    // Nothing is missing in the audit of a daemon that was stopped in the middle.
    let lines = std::fs::read_to_string(&audit).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("\"outcome\":\"pulled\"")).count(), pulls);
}

/// A client that reads a stream, and how it ended.
async fn events(socket: PathBuf) -> tokio::task::JoinHandle<Option<i32>> {
    let client = Raw::connect(&socket).await;
    tokio::spawn(async move { client.call(EVENTS, b"").await.code() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_served_while_a_long_pull_ends() {
    let manager = Manager::new();
    let gate = Arc::new(Gate::default());
    manager.upstream.on(PULL, Answer::Held(gate.clone(), 0, "pulled"));
    manager.upstream.on(EVENTS, Answer::Hang);
    let mut daemon = manager.start();
    assert_eq!(manager.told(), "READY=1");
    let stream = events(manager.socket()).await;
    assert!(wait_for(async || manager.upstream.come(EVENTS) == 1).await);
    let client = Raw::connect(&manager.socket()).await;
    let pull = tokio::spawn(async move { client.call(PULL, b"\x0a\x09\x0a\x07nginx:1").await });
    tokio::time::timeout(PATIENCE, gate.came.notified()).await.expect("it arrives");

    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert_eq!(manager.told(), "STOPPING=1");
    // Its client asks again, and has a stream as long as there is a daemon.
    assert_eq!(stream.await.unwrap(), Some(UNAVAILABLE));
    let again = events(manager.socket()).await;
    assert!(wait_for(async || manager.upstream.come(EVENTS) == 2).await);
    for _ in 0..20 {
        let answer = Raw::connect(&manager.socket()).await.call(VERSION, b"").await;
        assert_eq!(answer.code(), Some(0), "{answer:?}");
    }
    assert!(!pull.is_finished() && !again.is_finished() && daemon.try_wait().unwrap().is_none());
    gate.open.notify_one();
    let pulled = pull.await.unwrap();
    assert_eq!((pulled.code(), pulled.message().as_deref()), (Some(0), Some("pulled")), "{pulled:?}");
    assert_eq!(again.await.unwrap(), Some(UNAVAILABLE));
    assert!(daemon.wait().unwrap().success(), "{}", manager.log());
    assert!(!manager.log().contains("are cut"), "{}", manager.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let manager = Manager::new();
    let gate = Arc::new(Gate::default());
    manager.upstream.on(LIST, Answer::Held(gate.clone(), 0, ""));
    let mut daemon = manager.start();
    assert_eq!(manager.told(), "READY=1");
    let client = Raw::connect(&manager.socket()).await;
    let call = tokio::spawn(async move { client.call(LIST, b"").await });
    tokio::time::timeout(PATIENCE, gate.came.notified()).await.expect("it arrives");
    for told in ["STOPPING=1", ""] {
        kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
        if !told.is_empty() {
            assert_eq!(manager.told(), told);
        }
    }
    assert!(daemon.wait().unwrap().success(), "{}", manager.log());
    assert_eq!(call.await.unwrap().code(), None);
    assert!(manager.log().contains("stopped once more"), "{}", manager.log());
}
