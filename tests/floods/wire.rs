//! An HTTP/2 connection without a library: frames as a hostile client writes them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::support::PATIENCE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RESET: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;

/// Room for DATA, as the other side has given it.
#[derive(Default)]
pub struct Credit {
    /// By stream; 0 is the connection. Streams begin with what SETTINGS say.
    windows: Mutex<std::collections::HashMap<u32, i64>>,
    initial: AtomicU64,
    /// Whether SETTINGS have come that are not acknowledged yet: until then they do not hold.
    news: AtomicBool,
    /// Whether any have come.
    pub greeted: AtomicBool,
    /// How often there was news of it, and who waits for that.
    given: (Mutex<u64>, Condvar),
    /// How many streams were reset as refused.
    pub refused: AtomicU64,
}

impl Credit {
    fn window(&self, id: u32) -> i64 {
        let initial =
            if id == 0 { 65_535 } else { i64::try_from(self.initial.load(Ordering::SeqCst)).unwrap() };
        initial + self.windows.lock().unwrap().get(&id).copied().unwrap_or_default()
    }

    pub fn room(&self, id: u32) -> usize {
        usize::try_from(self.window(0).min(self.window(id))).unwrap_or_default()
    }

    pub fn take(&self, id: u32, bytes: usize) {
        self.add(id, -i64::try_from(bytes).unwrap());
        self.add(0, -i64::try_from(bytes).unwrap());
    }

    /// How often there was news so far.
    pub fn given(&self) -> u64 {
        *self.given.0.lock().unwrap()
    }

    /// Waits for news after these; false if there are none for a second.
    pub fn given_after(&self, seen: u64) -> bool {
        let (given, changed) = &self.given;
        let second = Duration::from_secs(1);
        let waited = changed.wait_timeout_while(given.lock().unwrap(), second, |given| *given == seen);
        !waited.unwrap().1.timed_out()
    }

    fn tell(&self) {
        *self.given.0.lock().unwrap() += 1;
        self.given.1.notify_all();
    }

    fn add(&self, id: u32, bytes: i64) {
        *self.windows.lock().unwrap().entry(id).or_default() += bytes;
    }
}

pub struct Connection {
    stream: UnixStream,
    pub next: u32,
    pub credit: Arc<Credit>,
    end: Option<String>,
}

impl Connection {
    pub fn open(socket: &Path, reads: bool) -> Connection {
        Connection::begin(UnixStream::connect(socket).unwrap(), reads)
    }

    /// Sends what a connection begins with: no stream's answer is given any room.
    pub fn begin(stream: UnixStream, reads: bool) -> Connection {
        // So long nothing is taken that nothing will be.
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let credit = Arc::new(Credit::default());
        credit.initial.store(65_535, Ordering::SeqCst);
        let mut connection = Connection { stream, next: 1, credit, end: None };
        // Nothing fits the window of a stream. One that does not read may well pretend to have room for everything.
        let room: &[u8] = if reads { &[0; 4] } else { &[0x7f, 0xff, 0xff, 0xff] };
        let settings = frame(SETTINGS, 0, 0, &[&[0, 4], room].concat());
        let more = frame(WINDOW, 0, 0, &(0x7fff_ffff - 65_535_u32).to_be_bytes());
        connection.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &more].concat());
        if reads {
            let (stream, credit) = (connection.stream.try_clone().unwrap(), connection.credit.clone());
            std::thread::spawn(move || read_all(stream, &credit));
        }
        connection
    }

    pub fn send(&mut self, bytes: &[u8]) -> bool {
        if self.end.is_some() {
            return false;
        }
        let acknowledged = frame(SETTINGS, 1, 0, &[]);
        let news = self.credit.news.swap(false, Ordering::SeqCst);
        let bytes = if news { &[&acknowledged, bytes].concat() } else { bytes };
        if let Err(error) = self.stream.write_all(bytes) {
            let blocked = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            self.end = Some(if blocked { "no more is taken".to_owned() } else { error.to_string() });
        }
        self.end.is_none()
    }

    pub fn call(&mut self, path: &str, more: &[u8], body: &[u8]) -> bool {
        self.calls(1, path, more, body)
    }

    /// So many calls in one piece.
    pub fn calls(&mut self, count: u32, path: &str, more: &[u8], body: &[u8]) -> bool {
        let block = [head(path), more.to_vec()].concat();
        let mut frames = Vec::new();
        for _ in 0..count {
            frames.extend(frame(HEADERS, END_HEADERS, self.next, &block));
            frames.extend(frame(DATA, END_STREAM, self.next, body));
            self.next += 2;
        }
        self.send(&frames)
    }

    pub fn call_open(&mut self, path: &str, body: &[u8]) -> bool {
        let id = self.next;
        self.next += 2;
        self.credit.take(id, body.len());
        self.send(&[frame(HEADERS, END_HEADERS, id, &head(path)), frame(DATA, 0, id, body)].concat())
    }

    /// Whether a header block comes before the connection ends.
    pub fn answered(&mut self) -> bool {
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = [0; 9];
        while self.stream.read_exact(&mut head).is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if self.stream.read_exact(&mut payload).is_err() {
                return false;
            }
            if head[3] == HEADERS {
                return true;
            }
        }
        false
    }

    pub fn end(&self) -> &str {
        self.end.as_deref().unwrap_or("the connection stands")
    }
}

/// Reads to the end, and takes note of room alone.
fn read_all(mut stream: UnixStream, credit: &Credit) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).is_err() {
            return;
        }
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        match head[3] {
            WINDOW => {
                credit.add(id, number(&payload).into());
                credit.tell();
            }
            SETTINGS if head[4] == 0 => {
                for setting in payload.chunks_exact(6).filter(|setting| setting[..2] == [0, 4]) {
                    credit.initial.store(number(&setting[2..]).into(), Ordering::SeqCst);
                }
                credit.news.store(true, Ordering::SeqCst);
                credit.greeted.store(true, Ordering::SeqCst);
                credit.tell();
            }
            RESET if number(&payload) == REFUSED_STREAM => {
                credit.refused.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

pub fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat()
}

/// The header block of a call: no entry of it gets into the table.
pub fn head(path: &str) -> Vec<u8> {
    let text = |index: u8, value: &str| {
        let index: &[u8] = if index < 15 { &[index] } else { &[15, index - 15] };
        [index, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
    };
    // :method POST, :scheme http, :path, :authority, content-type, te
    let te = [&[0, 2][..], b"te", &[8], b"trailers"].concat();
    [vec![0x83, 0x86], text(4, path), text(1, "localhost"), text(31, "application/grpc"), te].concat()
}

/// A header of 3.9 KB, which gets into the table as its newest entry. [`REFERENCE`] stands for it then.
pub fn long_header() -> Vec<u8> {
    [&[0x40, 1, b'x', 0x7f, 0xbd, 0x1d][..], &[b'v'; 3900]].concat()
}

/// The newest entry of the table.
pub const REFERENCE: u8 = 0xbe;

/// A gRPC message.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    super::support::raw::framed(bytes).to_vec()
}

/// A field of protobuf with bytes in it.
pub fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}
