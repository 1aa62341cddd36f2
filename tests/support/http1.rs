//! As much HTTP/1.1 as talking to a registry on the loopback takes.
//!
//! Messages have whole bodies, and each request has a connection of its own.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use base64::Engine as _;

/// A request or a response: its first line, headers and body.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.first.split_whitespace().nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    /// The body, which is text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Method and path of a request.
    pub fn method_and_path(&self) -> (&str, &str) {
        let mut words = self.first.split_whitespace();
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// The head as sent, with a length for the body and the connection's end announced.
    pub fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            if !["content-length", "connection", "transfer-encoding"]
                .contains(&name.to_ascii_lowercase().as_str())
            {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        // A HEAD's answer carries the length that the GET's body would have.
        let length = match self.header("content-length") {
            Some(length) if self.body.is_empty() => length.to_owned(),
            _ => self.body.len().to_string(),
        };
        head.push_str(&format!("Content-Length: {length}\r\nConnection: close\r\n\r\n"));
        head
    }
}

/// Reads one message. `has_body` is false for the answer to a HEAD.
pub fn read(stream: impl io::Read, has_body: bool) -> io::Result<Message> {
    let mut reader = BufReader::new(stream);
    let mut message = Message { first: line(&mut reader)?, ..Message::default() };
    loop {
        let header = line(&mut reader)?;
        if header.is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            message.headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    if !has_body {
        return Ok(message);
    }
    if message.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        message.body = chunks(&mut reader)?;
    } else if let Some(length) = message.header("content-length").and_then(|v| v.parse::<u64>().ok()) {
        reader.take(length).read_to_end(&mut message.body)?;
    } else if message.first.starts_with("HTTP/") {
        reader.read_to_end(&mut message.body)?;
    }
    Ok(message)
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&line(reader)?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        reader.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk);
        line(reader)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Sends a request to `host` (address and port) and reads the answer.
pub fn send(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Message> {
    let request = Message {
        first: format!("{method} {path} HTTP/1.1"),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        body: body.to_vec(),
    };
    let mut stream = TcpStream::connect(host)?;
    let mut head = request.head();
    if request.header("host").is_none() {
        head = head.replacen("\r\n", &format!("\r\nHost: {host}\r\n"), 1);
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    read(&stream, method != "HEAD")
}

/// Gets a page from a Unix socket.
pub fn get(socket: &Path, path: &str) -> io::Result<Message> {
    get_on(&UnixStream::connect(socket)?, path)
}

/// As `get`, over a connection that is there.
pub fn get_on<S>(stream: &S, path: &str) -> io::Result<Message>
where
    for<'s> &'s S: io::Read + io::Write,
{
    let request = Message {
        first: format!("GET {path} HTTP/1.1"),
        headers: vec![("Host".to_owned(), "testbed".to_owned())],
        body: Vec::new(),
    };
    let mut writer = stream;
    writer.write_all(request.head().as_bytes())?;
    read(stream, true)
}

/// The `Authorization` header of a user and a password (RFC 7617).
pub fn basic(user: &str, password: &str) -> String {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {both}")
}
