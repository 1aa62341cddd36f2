//! What is measured: containerd's socket itself, the shunt, and the relays that could stand in its place.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::http1;

/// haproxy without what it shares: each client has a connection to the upstream of its own, as through the shunt.
const UNSHARED: &str = "haproxy, unshared";

/// In KiB.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    pub resident: u64,
    /// What is backed by no file: it can't be shared, nor dropped and read again.
    pub own: u64,
}

/// One target.
pub struct Target {
    pub name: &'static str,
    socket: PathBuf,
    child: Option<Child>,
    /// How long it took from its start until it accepted, and what it took then.
    pub started: Option<(Duration, Memory)>,
    _dir: Option<tempfile::TempDir>,
}

impl Target {
    /// Direct first, then whatever of the others is installed.
    pub fn start_all(upstream: &Path) -> Vec<Target> {
        let mut targets = vec![Target::at(upstream), shunt("cri-shunt", upstream, "")];
        let others = [
            ("haproxy", "/usr/sbin/haproxy"),
            (UNSHARED, "/usr/sbin/haproxy"),
            ("nginx", "/usr/sbin/nginx"),
            ("socat", "/usr/bin/socat"),
        ];
        for (name, program) in others {
            if Path::new(program).exists() {
                targets.push(other(name, program, upstream));
            } else {
                println!("{name} is not installed: left out (apt-get install haproxy nginx-light socat)");
            }
        }
        targets
    }

    /// Direct, the shunt, and the shunt with everything on that tells of it: metrics that are read each second, and the
    /// audit in a file.
    pub fn start_watched(upstream: &Path) -> Vec<Target> {
        let more = "[metrics]\nlisten = \"{dir}/metrics.sock\"\n[audit]\nfile = \"{dir}/audit.jsonl\"\n";
        let watched = shunt("with metrics and audit", upstream, more);
        read_each_second(watched.socket.with_file_name("metrics.sock"));
        vec![Target::at(upstream), shunt("cri-shunt", upstream, ""), watched]
    }

    /// Whoever answers on `socket`.
    pub fn at(socket: &Path) -> Target {
        wait(socket);
        Target { name: "direct", socket: socket.to_owned(), child: None, started: None, _dir: None }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// CPU time of its processes so far, by the scheduler's own clock in nanoseconds.
    pub fn cpu(&self) -> Option<Duration> {
        let pids = self.pids()?;
        let tasks = pids
            .into_iter()
            .flat_map(|pid| std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
        let nanos = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanos.sum()))
    }

    /// Memory of its processes together. None if it has ended.
    pub fn memory(&self) -> Option<Memory> {
        let mut sum = Memory::default();
        for pid in self.pids()? {
            // A process for one client, as socat makes them, may have just ended.
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name))?;
                line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
            };
            sum.resident += field("VmRSS:").unwrap_or(0);
            sum.own += field("RssAnon:").unwrap_or(0);
        }
        (sum.resident > 0).then_some(sum)
    }

    /// The process and those it made (nginx works in children).
    fn pids(&self) -> Option<Vec<u32>> {
        let pid = self.child.as_ref()?.id();
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        Some(
            std::iter::once(pid)
                .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
                .collect(),
        )
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        for pid in self.pids().unwrap_or_default().into_iter().rev() {
            drop(Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status());
        }
        if let Some(child) = &mut self.child {
            drop(child.wait());
        }
    }
}

fn shunt(name: &'static str, upstream: &Path, more: &str) -> Target {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display();
    let config = format!(
        "[listen]\nsocket = \"{path}/s.sock\"\n[containerd]\nsocket = \"{}\"\n[state]\ndir = \"{path}/state\"\n\
         bypass-file = \"{path}/bypass\"\n[policy]\ndefault-registry = \"mirror.example\"\n{}",
        upstream.display(),
        more.replace("{dir}", &path.to_string())
    );
    let file = dir.path().join("config.toml");
    std::fs::write(&file, config).unwrap();
    let program = env!("CARGO_BIN_EXE_cri-shunt");
    let mut command = Command::new(program);
    command.args(["serve", "--config"]).arg(&file).env("CRI_SHUNT_LOG", "error");
    start(name, command, dir)
}

/// Reads the metrics once a second, until the socket is gone.
fn read_each_second(socket: PathBuf) {
    wait(&socket);
    std::thread::spawn(move || {
        while let Ok(answer) = http1::get(&socket, "/metrics") {
            assert!(answer.status() == 200 && answer.text().contains("cri_shunt_"), "{answer:?}");
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

fn other(name: &'static str, program: &str, upstream: &Path) -> Target {
    let dir = tempfile::tempdir().unwrap();
    let (path, upstream) = (dir.path().display().to_string(), upstream.display());
    let mut command = Command::new(program);
    match name {
        "haproxy" | UNSHARED => {
            let reuse = if name == UNSHARED { "never" } else { "always" };
            let config = format!(
                "global\n nbthread 1\n maxconn 4096\ndefaults\n mode http\n timeout client 1h\n timeout server 1h\n \
                 timeout connect 5s\n http-reuse {reuse}\nfrontend f\n bind unix@{path}/s.sock proto h2\n \
                 default_backend b\nbackend b\n server s unix@{upstream} proto h2\n"
            );
            std::fs::write(dir.path().join("haproxy.cfg"), config).unwrap();
            command.args(["-db", "-f"]).arg(dir.path().join("haproxy.cfg"));
        }
        "nginx" => {
            let config = format!(
                "user root;\nworker_processes 1;\ndaemon off;\nerror_log stderr crit;\npid {path}/pid;\n\
                 events {{ worker_connections 4096; }}\nhttp {{\n access_log off;\n client_body_temp_path {path}/b;\n \
                 proxy_temp_path {path}/p;\n fastcgi_temp_path {path}/f;\n uwsgi_temp_path {path}/u;\n scgi_temp_path {path}/g;\n \
                 upstream c {{ server unix:{upstream}; keepalive 64; keepalive_requests 100000000; }}\n \
                 server {{ listen unix:{path}/s.sock http2; http2_max_concurrent_streams 1024; keepalive_requests 100000000;\n \
                 location / {{ grpc_pass grpc://c; grpc_buffer_size 64k; }} }}\n}}\n"
            );
            std::fs::write(dir.path().join("nginx.conf"), config).unwrap();
            command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf"));
        }
        _ => {
            command
                .arg(format!("UNIX-LISTEN:{path}/s.sock,fork,backlog=128"))
                .arg(format!("UNIX-CONNECT:{upstream}"));
        }
    }
    start(name, command, dir)
}

fn start(name: &'static str, mut command: Command, dir: tempfile::TempDir) -> Target {
    let socket = dir.path().join("s.sock");
    let begin = Instant::now();
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    wait(&socket);
    let took = begin.elapsed();
    let mut target = Target { name, socket, child: Some(child), started: None, _dir: Some(dir) };
    // What a daemon does at first (attend to containerd, start its workers) counts.
    std::thread::sleep(Duration::from_secs(1));
    target.started = target.memory().map(|memory| (took, memory));
    target
}

fn wait(socket: &Path) {
    let end = Instant::now() + Duration::from_secs(10);
    while UnixStream::connect(socket).is_err() {
        assert!(Instant::now() < end, "nobody answers on {}", socket.display());
        std::thread::sleep(Duration::from_micros(200));
    }
}
