//! The two sides of a comparison, and the comparing.
//!
//! `same` is for calls that change nothing. The shared containerd may be busy with other cases, so a difference counts
//! only if containerd itself gave one answer before and after. `story` is for sequences that change something: it is
//! told once to each side.

use crate::support::PATIENCE;
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::raw::{Answer, Raw};
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, assert_discreet};
use crate::support::version::Version;
use http::HeaderMap;
use k8s_cri::v1::ImageFsInfoResponse;
use prost::Message as _;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One containerd with its two ways in.
pub struct Sides {
    pub containerd: &'static Containerd,
    pub registry: &'static Registry,
    direct: Side,
    through: Side,
    /// None where another way through is measured.
    shunt: Option<&'static Shunt>,
}

/// One way in, and what was seen on it.
pub struct Side {
    pub raw: Raw,
    pub cri: Cri,
    notes: RefCell<Vec<(String, String)>>,
}

/// The rule of `critest`, and containerd's own services as they are without a rule.
fn config(registry: &Registry) -> String {
    format!("[listen]\nnative-api = \"relay\"\n{}", crate::critest::rule(registry))
}

impl Sides {
    /// `None`, and the test counted as skipped, where this containerd can't be had.
    pub async fn of(version: Version) -> Option<Sides> {
        static SHUNTS: [OnceLock<Shunt>; 3] = [const { OnceLock::new() }; 3];
        let containerd = Containerd::shared(version)?;
        let registry = Registry::shared()?;
        let mut shunt = None;
        let socket = if std::env::var_os("COMPLIANCE_THROUGH").is_some_and(|way| way == "splice") {
            static SPLICES: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
            SPLICES[version as usize].get_or_init(|| crate::splice::start(&containerd.socket())).clone()
        } else {
            shunt
                .insert(SHUNTS[version as usize].get_or_init(|| Shunt::start(&config(registry), containerd)))
                .socket()
        };
        let direct = Side::connect(containerd.socket()).await;
        let through = Side::connect(socket).await;
        Some(Sides { containerd, registry, direct, through, shunt })
    }

    pub fn version(&self) -> Version {
        self.containerd.version()
    }

    /// Looks through what the shunt has said so far: it lives longer than any case.
    pub fn assert_discreet(&self) {
        self.shunt.iter().for_each(|shunt| assert_discreet(&shunt.stderr()));
    }

    pub fn direct(&self) -> &Side {
        &self.direct
    }

    /// The other side, where that is a shunt.
    pub fn through_a_shunt(&self) -> Option<&Side> {
        self.shunt.map(|_| &self.through)
    }

    /// Asks both sides, and requires the same answer in all its parts. Gives containerd's.
    pub async fn same(&self, path: &str, message: &[u8]) -> Answer {
        self.same_with(path, message, &[]).await
    }

    /// As `same`, with request headers.
    pub async fn same_with(&self, path: &str, message: &[u8], headers: &[(&str, &str)]) -> Answer {
        let end = Instant::now() + PATIENCE;
        let mut differences = 0;
        while Instant::now() < end {
            let before = self.direct.look(path, message, headers).await;
            let through = self.through.look(path, message, headers).await;
            let after = self.direct.look(path, message, headers).await;
            if seen(&before) != seen(&after) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            if seen(&before) == seen(&through) {
                return before;
            }
            differences += 1;
            let (direct, through) = (seen(&before), seen(&through));
            assert!(
                differences < 3,
                "{path} {}\n  directly: {direct}\n  through:  {through}",
                readable(message)
            );
        }
        panic!("{path} {}: containerd itself never gives one answer twice", readable(message))
    }

    /// For bytes that are not a message, on methods that the shunt reads: it must never pass on what it cannot
    /// read, for containerd might read it otherwise. So where containerd refuses, the shunt does too,
    /// in words of its own; where containerd accepts, the answer is the same.
    pub async fn same_or_refused(&self, path: &str, message: &[u8]) {
        let direct = self.direct.raw.call(path, message).await;
        if direct.code() == Some(0) {
            self.same(path, message).await;
            return;
        }
        let through = self.through.raw.call(path, message).await;
        let refused = [direct.code(), Some(13)].contains(&through.code()) && through.messages.is_empty();
        assert!(
            refused,
            "{path} {}\n  directly: {}\n  through:  {}",
            readable(message),
            seen(&direct),
            seen(&through)
        );
    }

    /// Tells the story to containerd and then to the shunt; what it notes must be the same.
    pub async fn story(&self, told: impl AsyncFn(&Side)) {
        for side in [&self.direct, &self.through] {
            side.notes.take();
            told(side).await;
        }
        let (direct, through) = (self.direct.notes.take(), self.through.notes.take());
        assert!(!direct.is_empty(), "a story that notes nothing compares nothing");
        for ((what, direct), (_, through)) in direct.iter().zip(&through) {
            assert_eq!(direct, through, "{what}: directly (left) and through the shunt (right)");
        }
        assert_eq!(direct.len(), through.len());
    }
}

impl Side {
    async fn connect(socket: PathBuf) -> Side {
        let raw = Raw::connect(&socket).await;
        let cri = Cri::connect(&socket).await;
        Side { raw, cri, notes: RefCell::default() }
    }

    /// Calls, without putting anything down.
    async fn look(&self, path: &str, message: &[u8], headers: &[(&str, &str)]) -> Answer {
        let mut answer = self.raw.call_with(path, message, headers).await;
        if path.ends_with("/ImageFsInfo") {
            // A containerd without images gives the time of the call.
            for message in &mut answer.messages {
                let mut decoded = ImageFsInfoResponse::decode(message.clone()).unwrap();
                decoded.image_filesystems.iter_mut().for_each(|usage| usage.timestamp = 0);
                *message = decoded.encode_to_vec().into();
            }
        }
        answer
    }

    /// Puts down something that must be the same on both sides.
    pub fn note(&self, what: &str, value: impl std::fmt::Debug) {
        self.notes.borrow_mut().push((what.to_owned(), format!("{value:?}")));
    }

    /// Puts down an answer in all its parts.
    pub fn note_answer(&self, what: &str, answer: &Answer) {
        self.notes.borrow_mut().push((what.to_owned(), seen(answer)));
    }

    /// Calls, and puts down the answer in all its parts.
    pub async fn call(&self, path: &str, message: &impl prost::Message) -> Answer {
        let bytes = message.encode_to_vec();
        let answer = self.raw.call(path, &bytes).await;
        self.note_answer(&format!("{path} {}", readable(&bytes)), &answer);
        answer
    }
}

/// Everything of an answer that must be the same. The order of bytes inside a message is left out:
/// containerd writes maps and lists in any order.
pub fn seen(answer: &Answer) -> String {
    let mut text = format!("http {} {}", answer.http_status, fields(&answer.headers));
    for message in &answer.messages {
        let mut bytes = message.to_vec();
        bytes.sort_unstable();
        let sum = crate::support::image::digest(&bytes);
        text.push_str(&format!(" | {} bytes {} {}", message.len(), &sum[7..19], readable(message)));
        if message.len() > 64 {
            // The readable part is in containerd's order: not for comparing.
            text.truncate(text.len() - readable(message).len());
        }
    }
    text.push_str(&format!(" | {}", fields(&answer.trailers)));
    if let Some(reset) = &answer.reset {
        text.push_str(&format!(" | reset: {reset}"));
    }
    text
}

fn fields(map: &HeaderMap) -> String {
    let mut fields: Vec<String> = map.iter().map(field).collect();
    fields.sort();
    format!("{fields:?}")
}

/// A field as clients read it: which characters of a message are percent-encoded is up to the server.
fn field((name, value): (&http::HeaderName, &http::HeaderValue)) -> String {
    let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if name != "grpc-message" {
        return format!("{name}: {text}");
    }
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    format!("{name}: {}", String::from_utf8_lossy(&decoded))
}

/// Whether the shunt looks into the requests of a method. Source: design of its router.
pub fn is_read_by_the_shunt(method: &str) -> bool {
    ["PullImage", "ImageStatus", "RemoveImage", "CreateContainer", "RestorePod", "RunPodSandbox"]
        .contains(&method)
}

/// The first of some bytes, for people.
pub fn readable(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(200)];
    format!("\"{}\"", start.escape_ascii())
}
