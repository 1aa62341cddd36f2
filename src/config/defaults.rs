//! Every default of the configuration, once.
//!
//! A test holds that the example in `packaging/` agrees with them.

use std::time::Duration;

/// The main configuration file; `conf.d/*.toml` beside it is read as well.
pub const CONFIG_FILE: &str = "/etc/cri-shunt/config.toml";

/// The socket that kubelet and crictl use.
pub const LISTEN_SOCKET: &str = "/run/cri-shunt/cri-shunt.sock";

/// Who may use that socket: only root and a group, because the CRI can start privileged containers.
pub const LISTEN_MODE: u32 = 0o660;

/// containerd's own socket as its packages set it up. k3s and RKE2 use `/run/k3s/containerd/containerd.sock`.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// How long a candidate may take to answer while another one follows.
pub const STALL_AFTER: Duration = Duration::from_secs(10);

/// How long a pull waits for containerd's CRI side to know the adopted name: tens of milliseconds when
/// idle, seconds while hundreds of images are being imported.
pub const ADOPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a mirror stays behind the others after its first connection failure; repetition doubles it.
pub const RETRY_DOWN_AFTER: Duration = Duration::from_secs(10);

/// How often the files of the policy are checked for a change.
pub const WATCH: Duration = Duration::from_secs(2);

/// Where what must survive a restart is kept.
pub const STATE_DIR: &str = "/var/lib/cri-shunt";

/// While this file exists the program is a pure relay.
pub const BYPASS_FILE: &str = "/run/cri-shunt/bypass";

/// How large the file of the audit may become.
pub const AUDIT_MAX_SIZE: u64 = 16 << 20;

/// The environment variable that overrides `log.level`, in the syntax of `tracing`'s env filter.
pub const LOG_ENV: &str = "CRI_SHUNT_LOG";

/// How long a credential helper or provider may take for its answer.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(10);
