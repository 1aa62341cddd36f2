//! A stand-in for containerd that records what arrives and answers as it is told: for what the real one
//! can't show (the very bytes of a request) or does not do on demand (a reset in the middle).
//!
//! A test sets answers by path and compares `calls()`.
//! Holds: every request is answered; where nothing is set, with one empty message and status 0. The stream of events
//! stays open, as containerd's does.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::sync::Notify;

/// The stream of events.
pub const EVENTS: &str = "/containerd.services.events.v1.Events/Subscribe";

/// How a path is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Head, every request byte back, trailers with `grpc-status: 0` and what is given here.
    Echo(HeaderMap),
    /// This message.
    Message(Vec<u8>),
    /// The same, and nothing more on its connection. Told when that has ended.
    Last(Vec<u8>, Arc<Notify>),
    /// This status in trailers.
    Status(i32, &'static str),
    /// Head, then silence until the client goes.
    Hang,
    /// Nothing until the gate is opened, then this status in trailers.
    Held(Arc<Gate>, i32, &'static str),
    /// Head and half a message, then this reset once it may go on.
    Reset(Arc<Notify>, h2::Reason),
}

/// Holds one call.
#[derive(Debug, Default)]
pub struct Gate {
    /// Told when the call is here.
    pub came: Notify,
    /// Lets it go on.
    pub open: Notify,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the client cancelled it.
    pub cancelled: bool,
}

/// The stand-in.
pub struct Upstream {
    socket: PathBuf,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    /// The path of each call that has come.
    come: Arc<Mutex<Vec<String>>>,
    calls: Arc<Mutex<Vec<Arrived>>>,
    _dir: tempfile::TempDir,
}

impl Upstream {
    /// Starts one on the current tokio runtime.
    pub fn start() -> Upstream {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("upstream.sock");
        let upstream = Upstream {
            socket,
            answers: Arc::new(Mutex::new(HashMap::from([(EVENTS.to_owned(), Answer::Hang)]))),
            come: Arc::default(),
            calls: Arc::default(),
            _dir: dir,
        };
        let listener = tokio::net::UnixListener::bind(&upstream.socket).unwrap();
        let (answers, come, calls) =
            (upstream.answers.clone(), upstream.come.clone(), upstream.calls.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, come, calls) = (answers.clone(), come.clone(), calls.clone());
                tokio::spawn(async move {
                    // A client that only looked whether somebody listens.
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    let mut ended = None;
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        come.lock().unwrap().push(request.uri().path().to_owned());
                        let mut answer = answers.lock().unwrap().get(request.uri().path()).cloned();
                        if let Some(Answer::Last(message, told)) = answer {
                            connection.graceful_shutdown();
                            (answer, ended) = (Some(Answer::Message(message)), Some(told));
                        }
                        tokio::spawn(serve(request, respond, answer, calls.clone()));
                    }
                    drop(connection);
                    ended.iter().for_each(|told: &Arc<Notify>| told.notify_one());
                });
            }
        });
        upstream
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Sets how `path` is answered.
    pub fn on(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// How many calls have come to `path`, those that still go on included.
    pub fn come(&self, path: &str) -> usize {
        self.come.lock().unwrap().iter().filter(|known| *known == path).count()
    }

    /// What came to `path`, of the calls that have ended.
    pub fn calls(&self, path: &str) -> Vec<Arrived> {
        self.calls.lock().unwrap().iter().filter(|call| call.path == path).cloned().collect()
    }
}

async fn serve(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answer: Option<Answer>,
    calls: Arc<Mutex<Vec<Arrived>>>,
) {
    let (head, mut body) = request.into_parts();
    let mut arrived = Arrived {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: Vec::new(),
        cancelled: false,
    };
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("x-head", HeaderValue::from_static("kept"));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let answer = match answer {
        Some(Answer::Held(gate, code, message)) => {
            gate.came.notify_one();
            gate.open.notified().await;
            Some(Answer::Status(code, message))
        }
        other => other,
    };
    match answer {
        Some(Answer::Echo(more)) => {
            let mut stream = respond.send_response(response, false).unwrap();
            trailers.extend(more);
            while let Some(Ok(chunk)) = body.data().await {
                arrived.body.extend_from_slice(&chunk);
                body.flow_control().release_capacity(chunk.len()).unwrap();
                send(&mut stream, chunk).await;
            }
            drop(stream.send_trailers(trailers));
        }
        Some(Answer::Hang) => {
            arrived.cancelled = match respond.send_response(response, false) {
                Ok(mut stream) => std::future::poll_fn(|cx| stream.poll_reset(cx)).await.is_ok(),
                // It went away at once.
                Err(_) => true,
            };
        }
        Some(Answer::Reset(open, reason)) => {
            let mut stream = respond.send_response(response, false).unwrap();
            stream.send_data(Bytes::from_static(b"\0\0\0\0\x09half"), false).unwrap();
            // A reset takes back what has not been sent yet.
            open.notified().await;
            stream.send_reset(reason);
        }
        other => {
            while let Some(Ok(chunk)) = body.data().await {
                arrived.body.extend_from_slice(&chunk);
                body.flow_control().release_capacity(chunk.len()).unwrap();
            }
            let Ok(mut stream) = respond.send_response(response, false) else {
                // Cancelled before it was answered, as the daemon's own calls are when it stops.
                arrived.cancelled = true;
                return calls.lock().unwrap().push(arrived);
            };
            if let Some(Answer::Status(code, message)) = other {
                trailers.insert("grpc-status", HeaderValue::from(code));
                trailers.insert("grpc-message", HeaderValue::from_static(message));
            } else {
                let message = if let Some(Answer::Message(message)) = other { message } else { Vec::new() };
                let length = u32::try_from(message.len()).unwrap().to_be_bytes();
                drop(stream.send_data([&[0], length.as_slice(), &message].concat().into(), false));
            }
            drop(stream.send_trailers(trailers));
        }
    }
    calls.lock().unwrap().push(arrived);
}

async fn send(stream: &mut h2::SendStream<Bytes>, mut chunk: Bytes) {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        let part = chunk.split_to(room.min(chunk.len()));
        if stream.send_data(part, false).is_err() {
            return;
        }
    }
}
