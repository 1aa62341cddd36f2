//! The client: so many calls, so many at a time, and how long each took.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::client::SendRequest;
use http::Request;

use super::support::caller::connect_with;
use super::support::raw::framed;
use super::target::Target;

/// What is asked of a target.
#[derive(Clone)]
pub struct Load {
    path: String,
    message: Bytes,
    in_flight: usize,
    calls: usize,
    connection_each: bool,
}

/// What one run of a load gave.
#[derive(Clone, Debug)]
pub struct Sample {
    pub p50: Duration,
    pub p99: Duration,
    pub calls_per_second: f64,
    /// CPU time of the target per call; none for direct.
    pub cpu: Option<Duration>,
    /// Of each answer: bytes, and what tells of them.
    pub digest: u64,
}

impl Sample {
    /// What the times of all calls come to.
    pub fn of(mut times: Vec<Duration>, elapsed: Duration, cpu: Option<Duration>, digest: u64) -> Self {
        times.sort();
        Sample {
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            calls_per_second: times.len() as f64 / elapsed.as_secs_f64(),
            cpu,
            digest,
        }
    }
}

impl Load {
    /// `calls` calls over one connection, `in_flight` at a time.
    pub fn unary(path: String, in_flight: usize, calls: usize) -> Load {
        Load { path, message: framed(b""), in_flight, calls, connection_each: false }
    }

    /// `calls` connections with one call each, one after another.
    pub fn connections(path: String, calls: usize) -> Load {
        Load { path, message: framed(b""), in_flight: 1, calls, connection_each: true }
    }

    /// The same with another request message.
    pub fn with(self, message: Vec<u8>) -> Load {
        Load { message: framed(&message), ..self }
    }

    /// Runs it once.
    pub fn run(&self, target: &Target) -> Sample {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut sender = connect(target.socket()).await;
            let digest = call(&mut sender, &self.path, self.message.clone()).await;
            let before = target.cpu();
            let begin = Instant::now();
            let times = if self.connection_each {
                drop(sender);
                self.with_a_connection_each(target, digest).await
            } else {
                self.over_one_connection(target, sender, digest).await
            };
            let elapsed = begin.elapsed();
            let cpu = target.cpu().zip(before).map(|(after, before)| (after - before) / self.calls as u32);
            Sample::of(times, elapsed, cpu, digest)
        })
    }

    async fn over_one_connection(
        &self,
        target: &Target,
        sender: SendRequest<Bytes>,
        expected: u64,
    ) -> Vec<Duration> {
        let mut times = Vec::with_capacity(self.calls);
        let mut running = FuturesUnordered::new();
        let one = || {
            let (mut sender, path, message) = (sender.clone(), self.path.clone(), self.message.clone());
            async move {
                let begin = Instant::now();
                let digest = call(&mut sender, &path, message).await;
                let elapsed = begin.elapsed();
                assert_eq!(digest, expected, "{} answers otherwise than the first time", target.name);
                elapsed
            }
        };
        for _ in 0..self.in_flight.min(self.calls) {
            running.push(one());
        }
        let mut begun = running.len();
        while let Some(time) = running.next().await {
            times.push(time);
            if begun < self.calls {
                running.push(one());
                begun += 1;
            }
        }
        times
    }

    async fn with_a_connection_each(&self, target: &Target, expected: u64) -> Vec<Duration> {
        let mut times = Vec::with_capacity(self.calls);
        for _ in 0..self.calls {
            let begin = Instant::now();
            let mut sender = connect(target.socket()).await;
            let digest = call(&mut sender, &self.path, self.message.clone()).await;
            times.push(begin.elapsed());
            assert_eq!(digest, expected, "{} answers otherwise than the first time", target.name);
        }
        times
    }
}

async fn connect(socket: &Path) -> SendRequest<Bytes> {
    let mut client = h2::client::Builder::new();
    connect_with(client.initial_connection_window_size(16 << 20).initial_max_send_streams(1024), socket).await
}

/// One call; the digest of the answer: its bytes, its type and gRPC's own headers and trailers. What else there
/// is, relays may add. Anything but a success ends the bench.
async fn call(sender: &mut SendRequest<Bytes>, path: &str, message: Bytes) -> u64 {
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "grpc-go/1.72.2")
        .body(())
        .unwrap();
    *sender = sender.clone().ready().await.unwrap();
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(message, true).unwrap();
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut hasher = DefaultHasher::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        hasher.write(&chunk);
    }
    let trailers = body.trailers().await.unwrap();
    for headers in [Some(&head.headers), trailers.as_ref()].into_iter().flatten() {
        let own = |name: &str| name == "content-type" || name.starts_with("grpc-");
        let mut told: Vec<_> = headers.iter().filter(|(name, _)| own(name.as_str())).collect();
        told.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in told {
            hasher.write(format!("{name}: {value:?}\n").as_bytes());
        }
    }
    let trailers = trailers.unwrap_or(head.headers);
    assert_eq!(
        trailers.get("grpc-status").map(|code| code.as_bytes()),
        Some(&b"0"[..]),
        "{path}: {trailers:?}"
    );
    hasher.finish()
}
