//! What a registry front does with a request, as tests say it (`fake`).

use super::http1::Message;
use super::image;
use std::sync::Arc;
use std::time::Duration;

/// What to do with requests of a path.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Ask the registry behind; 404 where there is none.
    Forward,
    /// A bare status, 429 and 503 with `Retry-After`.
    Status(u16),
    /// A bare status with these headers; 200 is forwarded, and gets them in the place of its own.
    With(u16, &'static [(&'static str, &'static str)]),
    /// 401 with a Basic challenge until this user and password come; then forward.
    Basic(&'static str, &'static str),
    /// 401 with a Bearer challenge towards `/token` here, which wants this user and password
    /// (an empty user: anyone gets a token); then forward.
    Bearer(&'static str, &'static str),
    /// As `Bearer`, for this identity token.
    Identity(&'static str),
    /// Send the client on to another host, given as `ADDRESS:PORT`.
    Redirect(String),
    /// 403 unless this header comes; then forward.
    Wants(&'static str, String),
    /// Forward to the repository below the registry that the query `ns` says; 404 where it says none.
    ByNs,
    /// A cache: 404 to manifests by digest until this method asks for a manifest of the repository by its tag, and to
    /// so many requests by digest after that; else forward.
    ByTag(&'static str, usize),
    /// Forward, but close the connection after so many bytes of the body.
    Cut(usize),
    /// Forward with another body.
    Wrong(Wrong),
    /// Answer with these bytes, the head included.
    Raw(String),
    /// Answer with these bytes, and then nothing more until the client goes.
    RawStuck(String),
    /// So towards containerd itself; others are forwarded.
    ToContainerd(Box<Behaviour>),
    /// Answer with this index.
    Index(Arc<Vec<u8>>),
    /// One request of so many gets this status; the others are forwarded.
    Flaky(usize, u16),
    /// Accept, read, and never answer.
    Silent,
    /// Wait until the path has another behaviour, and behave so.
    Held,
    /// Forward the body in so many parts, with a pause before each.
    Slow(usize, Duration),
    /// Forward so many bytes of the body, and then nothing more until the client goes.
    Stuck(usize),
    /// Forward so many bytes of the body, and the others when the path has another behaviour.
    Paused(usize),
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    /// Its last byte.
    Byte,
    /// It goes on behind its end.
    TooLong,
    /// It is a page for people, with status 200.
    Page,
}

impl Wrong {
    /// Makes a body so.
    pub(super) fn spoil(self, message: &mut Message) {
        match self {
            Wrong::Byte => message.body.iter_mut().next_back().into_iter().for_each(|byte| *byte ^= 1),
            Wrong::TooLong => message.body.extend([b'x'; 100]),
            Wrong::Page => message.body = b"<html><body>Please log in.</body></html>".to_vec(),
        }
        let length = message.body.len().to_string();
        for (name, value) in &mut message.headers {
            if name.eq_ignore_ascii_case("content-length") {
                value.clone_from(&length);
            }
        }
    }
}

/// The path below the registry in its query.
pub(super) fn by_ns(path: &str) -> Option<String> {
    let (path, ns) = path.split_once("?ns=")?;
    let (rest, ns) = (path.strip_prefix("/v2/")?, ns.replace("%3A", "_"));
    (!ns.contains('&')).then(|| format!("/v2/{ns}/{rest}"))
}

/// An answer without a body.
pub(super) fn bare(status: u16) -> Message {
    let mut headers = vec![("Docker-Distribution-Api-Version".to_owned(), "registry/2.0".to_owned())];
    if status == 429 || status == 503 {
        headers.push(("Retry-After".to_owned(), "1".to_owned()));
    }
    // containerd 1.6 repeats the word, and what it means is read from that.
    let word = if status == 401 { "Unauthorized" } else { "Testbed" };
    Message { first: format!("HTTP/1.1 {status} {word}"), headers, body: Vec::new() }
}

/// An index as a registry sends it.
pub(super) fn index(bytes: &[u8]) -> Message {
    let mut message = bare(200);
    message.headers.push(("Content-Type".to_owned(), image::INDEX.to_owned()));
    message.headers.push(("Content-Length".to_owned(), bytes.len().to_string()));
    message.headers.push(("Docker-Content-Digest".to_owned(), image::digest(bytes)));
    message.body = bytes.to_vec();
    message
}
