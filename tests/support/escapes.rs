//! An HTTP proxy that lets nothing out and remembers who tried.
//!
//! containerd gets it as its proxy environment, so that names which are not on the loopback never reach a resolver or a
//! network. Tests read which hosts were asked for.
//! Holds: a name leads somewhere only where a test has said so, and then to the loopback; so tests have
//! registries of any name, by TLS and by plain http, and need no resolver and no route.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy. Requests to loopback addresses never come here: Go's clients exempt them.
pub struct Escapes {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<String>>,
    /// Where names lead.
    leads: Mutex<HashMap<String, String>>,
}

impl Escapes {
    pub fn start() -> Escapes {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                // Errors here are clients that went away.
                std::thread::spawn(move || shared.serve(&stream).ok());
            }
        });
        Escapes { addr, shared }
    }

    /// `http://127.0.0.1:PORT`, for `HTTP_PROXY` and `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The targets asked for so far, `registry-1.docker.io:443` or a whole URL for plain http.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// No host with this in its name was asked for.
    pub fn assert_never(&self, part: &str) {
        let asked = self.asked();
        assert!(!asked.iter().any(|target| target.contains(part)), "{asked:?}");
    }

    /// Lets `name` (host and port) be reached at `to`, an address on the loopback.
    pub fn lead(&self, name: &str, to: &str) {
        self.shared.leads.lock().unwrap().insert(name.to_owned(), to.to_owned());
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let head = head(&mut reader)?;
        let mut words = head.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
        self.asked.lock().unwrap().push(target.to_owned());
        let name = match target.strip_prefix("http://") {
            Some(rest) => rest.split('/').next().unwrap_or_default(),
            None => target,
        };
        let with_port = if name.contains(':') { name.to_owned() } else { format!("{name}:80") };
        let Some(to) = self.leads.lock().unwrap().get(&with_port).cloned() else {
            return stream.write_all(
                b"HTTP/1.1 403 Forbidden by test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        };
        let mut behind = TcpStream::connect(to)?;
        if method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        } else {
            // One request a connection: the next may be for another host.
            let path = target.split_once(name).map_or("/", |(_, path)| path);
            let head = head.replacen(target, path, 1).replacen("\r\n", "\r\nConnection: close\r\n", 1);
            behind.write_all(head.as_bytes())?;
        }
        both_ways(stream, &behind)
    }
}

/// The first line and the headers, with the empty line behind them.
fn head(reader: &mut BufReader<&TcpStream>) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn both_ways(client: &TcpStream, behind: &TcpStream) -> std::io::Result<()> {
    std::thread::scope(|scope| {
        scope.spawn(|| pass_on(client, behind).ok());
        pass_on(behind, client)
    })
}

fn pass_on(mut from: &TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            // Whoever waits for the other direction has no more to wait for.
            from.shutdown(Shutdown::Both).ok();
            to.shutdown(Shutdown::Both).ok();
            return Ok(());
        }
        to.write_all(&buffer[..count])?;
    }
}
