//! An HTTP proxy that lets nothing out and remembers who tried.
//!
//! Before: containerd gets it as its proxy environment, so that names which are not on the loopback
//! never reach a resolver or a network.  After: tests read which hosts were asked for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The proxy. Requests to loopback addresses never come here: Go's clients exempt them.
pub struct Escapes {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Escapes {
    pub fn start() -> Escapes {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                refuse(stream, &record);
            }
        });
        Escapes { addr, asked }
    }

    /// `http://127.0.0.1:PORT`, for `HTTP_PROXY` and `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The targets asked for so far, `registry-1.docker.io:443` or a whole URL for plain http.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn refuse(stream: TcpStream, record: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() {
        return;
    }
    if let Some(target) = line.split_whitespace().nth(1) {
        record.lock().unwrap().push(target.to_owned());
    }
    loop {
        let mut header = String::new();
        match reader.read_line(&mut header) {
            Ok(n) if n > 2 => {}
            _ => break,
        }
    }
    drop(
        (&stream)
            .write_all(b"HTTP/1.1 403 Forbidden by test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    );
}
