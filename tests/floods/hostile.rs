//! The hostile client: a process of its own that floods a socket with frames written by hand.
//!
//! It is this test program, started again. It says `flooded` once it has sent all that the other side takes, and goes
//! away when its input ends.
//! Holds: it never gives room for what it gets.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::support::keeper::Keeper;
use super::support::wait_until;
use super::wire::{
    CONTINUATION, Connection, DATA, HEADERS, PING, REFERENCE, RESET, SETTINGS, field, frame, head,
    long_header, message,
};

const FLOOD: &str = "CRI_SHUNT_FLOOD";
const SOCKET: &str = "CRI_SHUNT_FLOOD_SOCKET";
/// An image of the mirror that never answers, for `Flood::Pulls`.
const IMAGE: &str = "CRI_SHUNT_FLOOD_IMAGE";

/// The longest that a flood goes on where everything is taken.
const FLOOD_TIME: Duration = Duration::from_secs(3);

const LIST: &str = "/runtime.v1.ImageService/ListImages";
const PULL: &str = "/runtime.v1.ImageService/PullImage";
const VERSION: &str = "/runtime.v1.RuntimeService/Version";

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// ListImages in many streams. The answers come to a window of nothing.
    Lists,
    /// The same, and it does not even read its socket.
    DeafLists,
    /// Requests with 4000 references to one header of 3.9 KB each.
    Headers,
    /// 4000 of them on four connections, with room for every answer, of one that does not read its sockets.
    HeldLists,
    /// 10 000 pulls of an image whose mirror never answers, on ten connections.
    Pulls,
    /// Pulls whose messages are of 16 MiB but for the last byte.
    Messages,
    /// 5000 connections, with one call each.
    Connections,
    /// Calls that are reset at once.
    Resets,
    /// PING frames; it does not read.
    Pings,
    /// SETTINGS frames; it does not read.
    Settings,
    /// A header block without an end.
    Continuation,
}

impl Flood {
    pub const ALL: [Flood; 11] = [
        Flood::Lists,
        Flood::DeafLists,
        Flood::HeldLists,
        Flood::Headers,
        Flood::Pulls,
        Flood::Messages,
        Flood::Connections,
        Flood::Resets,
        Flood::Pings,
        Flood::Settings,
        Flood::Continuation,
    ];
}

/// A running hostile client.
pub struct Hostile {
    child: Child,
    said: Arc<Mutex<Option<String>>>,
    _keeper: Keeper,
}

impl Hostile {
    /// Lets it loose on `socket`.
    pub fn start(flood: Flood, socket: &Path, image: &str) -> Hostile {
        let keeper = Keeper::new("hostile");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_hostile_client", "--nocapture"])
            .env(FLOOD, format!("{flood:?}"))
            .env(SOCKET, socket)
            .env(IMAGE, image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(None));
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn({
            let said = said.clone();
            move || {
                for line in out.lines().map_while(Result::ok) {
                    if let Some((_, how)) = line.split_once("flooded: ") {
                        *said.lock().unwrap() = Some(how.to_owned());
                    }
                }
            }
        });
        Hostile { child, said, _keeper: keeper }
    }

    /// What it has to say of its flood, once that is over.
    pub fn flooded(&self) -> Option<String> {
        self.said.lock().unwrap().clone()
    }

    /// Lets it go away.
    pub fn leave(mut self) {
        drop(self.child.stdin.take());
        assert!(wait_until(|| self.child.try_wait().unwrap().is_some()), "it stays");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process itself. Without its variables it is no hostile client, and does nothing.
pub fn run() {
    let Ok(flood) = std::env::var(FLOOD) else { return };
    let flood = *Flood::ALL.iter().find(|known| format!("{known:?}") == flood).unwrap();
    let socket = std::env::var(SOCKET).unwrap();
    let socket = Path::new(&socket);
    let mut kept = Vec::new();
    let how = match flood {
        Flood::Connections => connections(socket, &mut kept),
        Flood::HeldLists => held(socket, 4, true, LIST, &message(&[]), &mut kept),
        Flood::Pulls => {
            let image = std::env::var(IMAGE).unwrap();
            let pull = message(&field(1, &field(1, image.as_bytes())));
            held(socket, 10, false, PULL, &pull, &mut kept)
        }
        Flood::Messages => {
            let mut connection = Connection::open(socket, true);
            let how = messages(&mut connection);
            kept.push(connection);
            how
        }
        _ => {
            let deaf = matches!(flood, Flood::DeafLists | Flood::Pings | Flood::Settings);
            let mut connection = Connection::open(socket, !deaf);
            let how = flood_with(flood, &mut connection);
            kept.push(connection);
            how
        }
    };
    println!("flooded: {how}");
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).unwrap();
    drop(kept);
}

/// Sends what one flood is made of, piece by piece.
fn flood_with(flood: Flood, connection: &mut Connection) -> String {
    let list = message(&[]);
    if flood == Flood::Headers {
        connection.call(LIST, &long_header(), &list);
    }
    if flood == Flood::Continuation {
        let _ = connection.send(&frame(HEADERS, 0, connection.next, &head(LIST)));
    }
    let pieces = match flood {
        Flood::Headers => 2000,
        Flood::Resets | Flood::Lists | Flood::DeafLists => 30_000,
        Flood::Pings | Flood::Settings => 1_000_000,
        _ => 10_000,
    };
    let started = Instant::now();
    for piece in 0..pieces {
        let sent = match flood {
            Flood::Lists | Flood::DeafLists => connection.call(LIST, &[], &list),
            Flood::Headers => connection.call(LIST, &[REFERENCE; 4000], &list),
            Flood::Resets => {
                connection.call(LIST, &[], &list) && {
                    let reset = frame(RESET, 0, connection.next - 2, &8u32.to_be_bytes());
                    connection.send(&reset)
                }
            }
            Flood::Pings => connection.send(&frame(PING, 0, 0, &[7; 8])),
            Flood::Settings => connection.send(&frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
            Flood::Continuation => {
                // A literal that is not indexed, again and again.
                let block = [0u8, 1, b'x', 1, b'y'].repeat(3000);
                connection.send(&frame(CONTINUATION, 0, connection.next, &block))
            }
            _ => unreachable!("it has a way of its own"),
        };
        if !sent || started.elapsed() > FLOOD_TIME {
            return format!("{} of {pieces} pieces, {}", piece + usize::from(sent), connection.end());
        }
    }
    format!("all {pieces} pieces, {}", connection.end())
}

/// Each in a stream of its own, all of it that is given room for.
fn messages(connection: &mut Connection) -> String {
    const LENGTH: usize = 16 << 20;
    let mut rests = Vec::new();
    for _ in 0..40 {
        let id = connection.next;
        if !connection.call_open(PULL, &[&[0][..], &u32::try_from(LENGTH).unwrap().to_be_bytes()].concat()) {
            break;
        }
        rests.push((id, LENGTH - 1));
    }
    let chunk = vec![7; 16 << 10];
    // Their windows hold for what is sent after their acknowledgement.
    assert!(wait_until(|| connection.credit.greeted.load(Ordering::SeqCst)), "it greets nobody");
    connection.send(&[]);
    let mut sent = 0;
    while rests.iter().any(|(_, rest)| *rest > 0) {
        let given = connection.credit.given();
        let mut idle = true;
        for (id, rest) in &mut rests {
            let room = connection.credit.room(*id).min(chunk.len()).min(*rest);
            if room == 0 {
                continue;
            }
            if !connection.send(&frame(DATA, 0, *id, &chunk[..room])) {
                return format!("{sent} bytes, {}", connection.end());
            }
            connection.credit.take(*id, room);
            (*rest, sent, idle) = (*rest - room, sent + room, false);
        }
        // Nothing is given room for any more.
        if idle && !connection.credit.given_after(given) {
            break;
        }
    }
    format!("{sent} bytes, {}", connection.end())
}

/// A thousand calls on each of so many connections: not more than the other side has room for.
fn held(
    socket: &Path,
    connections: usize,
    deaf: bool,
    path: &str,
    body: &[u8],
    kept: &mut Vec<Connection>,
) -> String {
    let mut sent = 0;
    for _ in 0..connections {
        let mut connection = Connection::open(socket, !deaf);
        while connection.next < 2000 && connection.call(path, &[], body) {
            sent += 1;
        }
        kept.push(connection);
    }
    // They stay open for as long as other floods last: the good client's calls are measured meanwhile.
    std::thread::sleep(FLOOD_TIME);
    format!("{sent} of {} calls", connections * 1000)
}

fn connections(socket: &Path, kept: &mut Vec<Connection>) -> String {
    let mut refused = 0;
    for _ in 0..5000 {
        let Ok(stream) = UnixStream::connect(socket) else {
            refused += 1;
            continue;
        };
        let mut connection = Connection::begin(stream, false);
        connection.call(VERSION, &[], &message(&[]));
        kept.push(connection);
    }
    // Each has its answer or its end.
    let mut answered = 0;
    for connection in kept.iter_mut() {
        answered += usize::from(connection.answered());
    }
    format!("{answered} of 5000 connections answered, {refused} refused")
}
