//! One client's flood, with a real containerd behind and a good client beside.
//!
//! `cargo test --test floods -- --nocapture --test-threads 1` prints the table of the specification.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod hostile;
mod memory;
mod wire;

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hostile::{Flood, Hostile};
use memory::{connections_at, forget_peak, mib, open_files, own, peak, resident};
use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::{wait_for, wait_until};

/// The most that one client's flood takes of the shunt, as the specification promises it.
const MOST: u64 = 192 << 20;
/// What may stay when the client has left: tables and buffers that have grown once.
const LEAVES: u64 = 2 << 20;
/// The same after two thousand pulls at the same time. A debug build uses far more of the stack, whose pages stay.
const PULLS_LEAVE: u64 = if cfg!(debug_assertions) { 6 << 20 } else { LEAVES };
/// What 99 of 100 calls of the good client may take beyond twice the slowest call without the shunt; crictl gives up
/// after that. The 99th alone is nothing to compare with: on both sides a flood delays a few calls of twenty to
/// eighty thousand, and how many there are depends on how long the flood lasts.
const DELAY: Duration = Duration::from_secs(2);
/// By how much two runs of one containerd differ.
const NOISE: u64 = 64 << 20;

#[test]
fn the_hostile_client() {
    hostile::run();
}

/// What one side of a flood was like.
struct Seen {
    how: String,
    /// What the program needed above what it began with, by its pid.
    grown: Vec<u64>,
    /// The good client's calls: how many, the slowest, and the one that 99 of 100 are not slower than.
    calls: usize,
    slowest: Duration,
    p99: Duration,
}

/// Floods `socket` and watches `pids` and a good client.
async fn flood(flood: Flood, socket: &Path, image: &str, pids: &[u32]) -> (Seen, Hostile) {
    let good = Cri::connect(socket).await;
    let before: Vec<u64> = pids.iter().map(|pid| resident(*pid)).collect();
    pids.iter().for_each(|pid| forget_peak(*pid));
    let hostile = Hostile::start(flood, socket, image);
    let mut times = Vec::new();
    let mut how = None;
    // On, until the flood is over and once more after it.
    while how.is_none() || times.len() < 20 {
        how = hostile.flooded();
        let began = Instant::now();
        good.runtime.clone().version(k8s_cri::v1::VersionRequest::default()).await.unwrap();
        times.push(began.elapsed());
        let began = Instant::now();
        // A connection of its own, as crictl has it.
        new_client(socket).await.status("flood.example/none:1").await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    let grown = pids.iter().zip(before).map(|(pid, before)| peak(*pid).saturating_sub(before)).collect();
    let seen = Seen {
        how: how.unwrap(),
        grown,
        calls: times.len(),
        slowest: *times.last().unwrap(),
        p99: times[times.len() * 99 / 100],
    };
    (seen, hostile)
}

/// Connects, also where the queue of the socket is full: the kernel then says so instead of waiting.
async fn new_client(socket: &Path) -> Cri {
    let mut channel = None;
    let connected = wait_for(async || {
        channel = support::cri::channel(socket).await.ok();
        channel.is_some()
    });
    assert!(connected.await, "no connection any more");
    Cri::over(channel.unwrap())
}

/// A mirror that takes connections and says nothing.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    host
}

/// Floods containerd and the shunt. What is compared between the two depends on how much each took meanwhile, and that
/// differs on a busy machine: it may be compared three times.
async fn bounded(version: Version, kind: Flood) {
    let mut worse = Vec::new();
    for _ in 0..3 {
        match compared(version, kind).await {
            Ok(()) => return,
            Err(how) => worse.push(how),
        }
    }
    panic!("{worse:#?}");
}

/// # Errors
/// In what it is worse with the shunt than without.
async fn compared(version: Version, kind: Flood) -> Result<(), String> {
    let Some(registry) = Registry::shared() else { return Ok(()) };
    let Some(containerd) = Containerd::start(version) else { return Ok(()) };
    let name = format!("flood-{}", version.line());
    registry.push(&name, "1", &Image::busybox(&name));
    let listed = registry.name(&name, "1");
    Cri::connect(&containerd.socket()).await.pull(&listed).await.unwrap();
    let native = Native::connect(&containerd.socket()).await;
    for index in 0..300 {
        native.tag(&listed, &format!("registry.example/team-{index}/service:release-{index}")).await;
    }
    let mirror = silent();
    containerd.host_is("flood.invalid", &mirror);
    let image = "flood.invalid/app:1";

    let pid = containerd.pid();
    let (direct, hostile) = flood(kind, &containerd.socket(), image, &[pid]).await;
    hostile.leave();
    containerd.restart();

    let pid = containerd.pid();
    let shunt = Shunt::start(&rule("flood.invalid", &[&format!("{mirror}/p")]), &containerd);
    let own_pid = shunt.pid().unwrap();
    // What a first pull and a first list need stays.
    let good = Cri::connect(&shunt.socket()).await;
    good.list().await.unwrap();
    good.pull(&listed).await.unwrap();
    let (start, files) = (own(own_pid), open_files(own_pid));
    let behind_socket = containerd.socket();
    let links = connections_at(&behind_socket);
    let (relayed, hostile) = flood(kind, &shunt.socket(), image, &[own_pid, pid]).await;
    hostile.leave();
    let closed = wait_for(async || {
        // It has a connection for each of the good client's, and lets go of the others with their client.
        good.status(&listed).await.unwrap();
        open_files(own_pid) <= files && connections_at(&behind_socket) <= links
    });
    assert!(
        closed.await,
        "{kind:?}: connections stay open: {} of {files} files, {} of {links} to containerd",
        open_files(own_pid),
        connections_at(&behind_socket)
    );
    let stays = if kind == Flood::Pulls { PULLS_LEAVE } else { LEAVES };
    let given_back = wait_for(async || {
        good.status(&listed).await.unwrap();
        own(own_pid) <= start + stays
    });
    let given_back = given_back.await;
    for (side, seen) in [("direct", &direct), ("shunt", &relayed)] {
        println!(
            "{kind:?} {} {side}: {:.1?} MiB; good client: {} calls, p99 {:.1?}, slowest {:.1?}; {}",
            version.line(),
            seen.grown.iter().map(|grown| mib(*grown)).collect::<Vec<_>>(),
            seen.calls,
            seen.p99,
            seen.slowest,
            seen.how,
        );
    }
    println!(
        "{kind:?} {} shunt: {:.1} MiB at the start, {:.1} after",
        version.line(),
        mib(start),
        mib(own(own_pid))
    );
    assert!(given_back, "{kind:?}: {:.1} MiB stay, {:.1} at the start", mib(own(own_pid)), mib(start));
    let [shunt_grown, behind] = relayed.grown[..] else { unreachable!("there were two") };
    assert!(shunt_grown <= MOST, "{kind:?}: the shunt took {:.1} MiB", mib(shunt_grown));
    let alone = direct.grown[0];
    if behind > alone + NOISE {
        let (behind, alone) = (mib(behind), mib(alone));
        return Err(format!("{kind:?}: containerd took {behind:.1} MiB, and {alone:.1} without the shunt"));
    }
    if relayed.p99 > 2 * direct.slowest + DELAY {
        let (p99, slowest) = (relayed.p99, direct.slowest);
        return Err(format!(
            "{kind:?}: 99 of 100 calls take up to {p99:.1?}, and all {slowest:.1?} without the shunt"
        ));
    }
    Ok(())
}

/// As many as a run of critest makes, one after the other, each with a few calls.
#[tokio::test]
async fn many_plain_connections_leave_no_memory() {
    let Some(containerd) = Containerd::start(Version::V2_1) else { return };
    let shunt = Shunt::start("", &containerd);
    let pid = shunt.pid().unwrap();
    let call = async || {
        let client = Cri::connect(&shunt.socket()).await;
        client.list().await.unwrap();
        client.status("flood.example/none:1").await.unwrap();
    };
    call().await;
    let (start, files) = (own(pid), open_files(pid));
    for _ in 0..235 {
        call().await;
    }
    let given_back = wait_for(async || own(pid) <= start + LEAVES && open_files(pid) <= files).await;
    println!("235 connections: {:.1} MiB at the start, {:.1} after", mib(start), mib(own(pid)));
    assert!(given_back, "{:.1} MiB stay, {:.1} at the start", mib(own(pid)), mib(start));
}

/// A request that refers to a long header is two hundred times as long for containerd. Here it reads nothing.
#[test]
fn requests_are_refused_while_much_waits_for_containerd() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("deaf.sock");
    let _deaf = UnixListener::bind(&socket).unwrap();
    let shunt = Shunt::start_before("", &socket);
    let mut connection = wire::Connection::open(&shunt.socket(), true);
    let (path, body) = ("/some.Service/Method", wire::message(&[]));
    assert!(connection.call(path, &wire::long_header(), &body));
    // Fewer than a connection may have under way, in no more than what is read at once.
    assert!(connection.calls(400, path, &[wire::REFERENCE; 7], &body));
    let refused = || connection.credit.refused.load(Ordering::SeqCst);
    assert!(wait_until(|| refused() > 0), "all of them wait");
}

macro_rules! floods {
    ($($case:ident $flood:ident),+ $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            bounded(Version::V2_1, Flood::$flood).await;
        })+
    };
}

floods!(
    lists_that_are_not_read Lists,
    lists_of_one_that_does_not_read DeafLists,
    lists_of_four_connections_that_do_not_read HeldLists,
    long_headers_by_reference Headers,
    ten_thousand_pulls Pulls,
    large_messages Messages,
    five_thousand_connections Connections,
    rapid_resets Resets,
    pings Pings,
    settings Settings,
    an_endless_header_block Continuation,
);
