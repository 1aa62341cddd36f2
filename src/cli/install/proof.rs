//! What is proven, and how long is waited for it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_cri::v1;
use k8s_cri::v1::image_service_client::ImageServiceClient;

use super::machine::{Machine, is_of_unit};
use crate::cli::daemon;
use crate::containerd::Link;
use crate::install::Pending;
use crate::node::Sockets;

/// What systemd calls the state of a unit that has ended and is not started again.
const FAILED: &str = "failed";

/// How long it is waited between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// For how long a client has to stay as it is. A kubelet that does not like its endpoint ends at once.
const HOLDS: Duration = Duration::from_secs(3);

/// Where kubelet says how it is, unless it is set up otherwise.
const HEALTHZ: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 10248);

/// A kubelet answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// A client as it is before a change.
pub(super) fn client(unit: &str, machine: &Machine) -> Pending {
    let was_active = machine.is_active(unit);
    let was_well = was_active && unit == "kubelet.service" && is_well();
    Pending { unit: unit.to_owned(), was_active, was_well }
}

/// A client as it is before it gets its own files back. What fails may do so because of the others; only what somebody has
/// stopped is not started.
pub(crate) fn client_to_start(unit: &str, machine: &Machine) -> Pending {
    let client = client(unit, machine);
    let has_failed = [FAILED, "activating"].contains(&machine.state(unit).as_str());
    Pending { was_active: client.was_active || has_failed, ..client }
}

/// Starts a unit again that has run, and waits until it runs.
pub(crate) fn run_again(client: &Pending, machine: &Machine, timeout: Duration) -> Result<(), String> {
    if !machine.is_own() {
        return machine.systemctl(&["try-restart", &client.unit]);
    }
    if !client.was_active {
        return Ok(());
    }
    // It may have ended too often for systemd.
    let _ = machine.systemctl(&["reset-failed", &client.unit]);
    machine.systemctl(&["--no-block", "restart", &client.unit])?;
    client_uses(client, None, machine, timeout)
}

/// The daemon answers, and the calls by which kubelet judges an endpoint get through to containerd.
pub(super) async fn daemon_answers(
    socket: &Path,
    containerd_runs: bool,
    timeout: Duration,
) -> Result<(), String> {
    let end = Instant::now() + timeout;
    loop {
        let why = match daemon::ask(socket, PATIENCE).await {
            Ok(_) if !containerd_runs => return Ok(()),
            Ok(_) => match image_fs_info(socket).await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            },
            Err(why) => why,
        };
        if Instant::now() > end {
            return Err(why);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn image_fs_info(socket: &Path) -> Result<(), String> {
    let mut client = ImageServiceClient::new(Link::new(socket.into()));
    let asked = tokio::time::timeout(PATIENCE, client.image_fs_info(v1::ImageFsInfoRequest {}));
    match asked.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("containerd does not answer through cri-shunt: {}", status.message())),
        Err(_) => Err("containerd does not answer through cri-shunt".to_owned()),
    }
}

/// A client runs again, asks this socket, and goes on with it.
pub(super) fn client_uses(
    client: &Pending,
    socket: Option<&Path>,
    machine: &Machine,
    timeout: Duration,
) -> Result<(), String> {
    let (end, mut since, mut who) = (Instant::now() + timeout, Instant::now(), None);
    loop {
        let now = look(client, socket, machine);
        match (&now, who) {
            (Ok(pid), Some(before)) if *pid == before => {
                if since.elapsed() >= HOLDS {
                    return Ok(());
                }
            }
            (Ok(pid), _) => (who, since) = (Some(*pid), Instant::now()),
            (Err(_), _) => who = None,
        }
        // systemd does not start it again by itself. The look may be of the moment before that, when it still ran.
        if now.is_err() && machine.state(&client.unit) == FAILED {
            return Err(not_again(&client.unit, FAILED));
        }
        if Instant::now() > end {
            return Err(now.err().unwrap_or_else(|| format!("{} does not stay", client.unit)));
        }
        std::thread::sleep(PAUSE);
    }
}

fn not_again(unit: &str, state: &str) -> String {
    format!("{unit} does not run again: its state is {state}")
}

/// The process that uses the socket; 0 if that is not asked for.
fn look(client: &Pending, socket: Option<&Path>, machine: &Machine) -> Result<u32, String> {
    let unit = &client.unit;
    let state = machine.state(unit);
    if state != "active" {
        return Err(not_again(unit, &state));
    }
    let pid = match socket {
        None => 0,
        Some(socket) => {
            let sockets = Sockets::look();
            let found = sockets.clients(socket).iter().copied().find(|pid| is_of_unit(*pid, unit));
            found.ok_or_else(|| format!("{unit} runs, and does not ask {}", socket.display()))?
        }
    };
    if client.was_well && !is_well() {
        return Err(format!("kubelet does not say on port {} that it is well", HEALTHZ.1));
    }
    Ok(pid)
}

/// Whether kubelet says that it is well.
fn is_well() -> bool {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from(HEALTHZ), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).map(|()| head)
    };
    ask().is_ok_and(|head: [u8; 12]| head.starts_with(b"HTTP/1.") && head.ends_with(b" 200"))
}
