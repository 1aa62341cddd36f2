//! One request of a client, as a value: who asks, what for, for which pod, under which policy.
//!
//! `serve::router` makes it for each call that is looked into; everything that is decided, logged or told of the
//! call refers to it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tokio::time::Instant;

use super::generation::Generation;
use crate::policy::{Asked, Name};
use crate::wire::cri::PodPaths;
use crate::wire::{self, WireError};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its process; none where that is in a namespace that this process cannot see.
    pub pid: Option<i32>,
    /// Its effective user, at the time of its `connect`.
    pub uid: u32,
    /// Its effective group, at the same time.
    pub gid: u32,
    program: Arc<OnceLock<Option<String>>>,
}

/// The API version that the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriVersion {
    /// `runtime.v1`.
    V1,
    /// `runtime.v1alpha2`, up to containerd 1.7.
    V1Alpha2,
}

/// The pod that an image is for, as far as the client tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Tells the request from all others in the log.
    pub id: RequestId,
    /// Who asks.
    pub client: Client,
    /// The method, without its service: `PullImage`.
    pub method: &'static str,
    /// The API version.
    pub version: CriVersion,
    /// The pod; none for crictl without a pod, kubeadm and the shunt's own requests.
    pub pod: Option<Pod>,
    /// The policy that holds for it from its beginning to its end.
    pub generation: Arc<Generation>,
    /// When the client gives up.
    pub deadline: Option<Instant>,
    /// When it began.
    pub started: Instant,
}

/// `<start of the daemon>-<count>`, both in hexadecimal: unique over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    daemon: u32,
    count: u64,
}

/// Hands out ids.
pub struct RequestIds {
    daemon: u32,
    next: AtomicU64,
}

// === impl Client ===

impl Client {
    /// The process at the other end of a socket.
    pub fn new(pid: Option<i32>, uid: u32, gid: u32) -> Self {
        Self { pid, uid, gid, program: Arc::default() }
    }

    /// The shunt itself, which pulls the pause image.
    pub fn own() -> Self {
        let pid = i32::try_from(std::process::id()).ok();
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self::new(pid, uid, gid)
    }

    /// Its program's name, as the kernel has it: at most 15 bytes, and whatever the process has set.
    ///
    /// It is read once, at the first call that is looked into. The read never waits for a disk: /proc is in memory.
    pub fn program(&self) -> Option<&str> {
        let read = || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", self.pid?)).ok()?;
            Some(name.trim_end().to_owned())
        };
        self.program.get_or_init(read).as_deref()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program().unwrap_or("unknown"))?;
        if let Some(pid) = self.pid {
            write!(f, "[{pid}]")?;
        }
        Ok(())
    }
}

// === impl Request ===

impl Request {
    /// What rules may look at, where it asks for this image.
    pub fn asks<'a>(&'a self, name: &'a Name) -> Asked<'a> {
        Asked::of(name).in_namespace(self.pod.as_ref().map(|pod| pod.namespace.as_str()))
    }
}

// === impl Pod ===

impl Pod {
    /// The pod in a message, at the paths where its method has it.
    ///
    /// # Errors
    /// The message is not valid protobuf.
    pub fn read(message: &[u8], paths: &PodPaths) -> Result<Option<Self>, WireError> {
        let text = |path: &[u32]| -> Result<String, WireError> {
            let bytes = wire::get(message, path)?.unwrap_or_default();
            Ok(String::from_utf8_lossy(bytes).into_owned())
        };
        let pod =
            Self { namespace: text(&paths.namespace)?, name: text(&paths.name)?, uid: text(&paths.uid)? };
        Ok((pod != Self::default()).then_some(pod))
    }
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl RequestIds ===

impl RequestIds {
    /// The ids of a daemon that starts now.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // The lower 32 bits come round after 136 years.
        Self { daemon: now.as_secs() as u32, next: AtomicU64::new(1) }
    }

    /// The next one.
    pub fn next(&self) -> RequestId {
        RequestId { daemon: self.daemon, count: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.daemon, self.count)
    }
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{PodSandboxConfig, PodSandboxMetadata, PullImageRequest};
    use prost::Message;

    use super::*;
    use crate::wire::cri::pull_image_request;

    #[test]
    fn the_pod_is_read_from_a_pull() {
        let metadata = PodSandboxMetadata {
            name: "web".to_owned(),
            uid: "u-1".to_owned(),
            namespace: "team-a".to_owned(),
            attempt: 0,
        };
        let config = PodSandboxConfig { metadata: Some(metadata), ..PodSandboxConfig::default() };
        let with = PullImageRequest { sandbox_config: Some(config), ..PullImageRequest::default() };
        let pod = Pod::read(&with.encode_to_vec(), &pull_image_request::POD).unwrap().unwrap();
        assert_eq!((pod.to_string().as_str(), pod.uid.as_str()), ("team-a/web", "u-1"));
        assert_eq!(Pod::read(&[], &pull_image_request::POD).unwrap(), None);
    }

    #[test]
    fn a_client_is_known_by_the_name_of_its_program() {
        let own = Client::own();
        assert!(own.to_string().ends_with(&format!("[{}]", std::process::id())), "{own}");
        assert_eq!(Client::new(None, 0, 0).to_string(), "unknown");
    }
}
