//! The settings besides policy: sockets, pulls, state, log.
//!
//! Holds: a duration that must not be zero is not zero. The socket of the shunt and that of containerd differ.

use std::path::PathBuf;

use super::diagnostic::{Located, Problem, Severity, Span};
use super::node::Value;
use super::path::absolute;
use super::references;
use super::refusal::Refusal;
use super::section::{Field, Section};
use super::socket_path::{SocketPath, SocketPathError};
use super::{defaults, duration, tell};
use crate::containerd::FetchBy;
use crate::containerd::watch::Overrides;
use crate::policy::Name;
use crate::serve::listener::socket::Access;
use crate::serve::log::LogFormat;
use crate::serve::metrics::MetricsAt;
use crate::state::{NativeApi, PullSettings};
use crate::tell::audit::AuditTo;

const FETCH_BY: [(&str, FetchBy); 2] =
    [("private-host", FetchBy::PrivateHost), ("mirror-host", FetchBy::MirrorHost)];
const NATIVE_API: [(&str, NativeApi); 2] = [("refuse", NativeApi::Refuse), ("relay", NativeApi::Relay)];

/// Keys of `[pull]` that earlier versions had.
const RETIRED_OF_PULL: [&str; 1] = ["sweep-after"];

/// The socket that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where the socket is.
    pub socket: SocketPath,
    /// Its permission bits.
    pub mode: u32,
    /// Its group; `None` is the group of the process.
    pub group: Option<Group>,
    /// What happens to calls of containerd's own API.
    pub native_api: NativeApi,
}

/// A group of the system, by name or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// A name from the group database.
    Name(String),
    /// A gid.
    Id(u32),
}

/// The containerd behind the shunt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containerd {
    /// Where its socket is.
    pub socket: SocketPath,
    /// The pause image; `None` means that containerd is asked for it.
    pub pause_image: Option<Name>,
    /// Where it looks for `hosts.toml`; `None` means that containerd is asked for it.
    pub config_path: Option<PathBuf>,
    /// Which host is in the name by which it fetches from a mirror; `None` means that its own configuration decides.
    pub fetch_by: Option<FetchBy>,
    /// Whether containerd's own files apply the rules to pulls that bypass the shunt.
    pub fence: bool,
}

impl Containerd {
    /// What overrules containerd's own words.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            pause_image: self.pause_image.as_ref().map(|name| name.as_str().to_owned()),
            config_path: self.config_path.clone(),
            fetch_by: self.fetch_by,
        }
    }
}

/// What the program keeps on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The directory for everything that must survive a restart.
    pub dir: PathBuf,
    /// The file that makes the shunt pass everything while it exists.
    pub bypass_file: PathBuf,
}

/// How much is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The lowest level that is written.
    pub level: Level,
    /// How lines are written.
    pub format: LogFormat,
}

/// The levels of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What the program did.
    Info,
    /// Why it did so.
    Debug,
    /// Each call.
    Trace,
}

/// The tables of the main file that are read here.
pub(super) struct MainTables {
    pub(super) listen: Listen,
    pub(super) containerd: Containerd,
    pub(super) pull: PullSettings,
    pub(super) state: State,
    pub(super) log: Log,
    pub(super) audit: Option<AuditTo>,
    pub(super) metrics: Option<MetricsAt>,
    /// The places where the two sockets, ours and containerd's, were set.
    pub(super) sockets_at: (Option<Span>, Option<Span>),
}

/// Reads every table but `policy` from the main file.
pub(super) fn read(root: &mut Section<'_>, out: &mut Vec<Problem>) -> MainTables {
    let mut listen = root.section("listen", out);
    let mut containerd = root.section("containerd", out);
    let own = listen.as_mut().and_then(|section| section.parse("socket", out, socket));
    let theirs = containerd.as_mut().and_then(|section| section.parse("socket", out, socket));
    let place = |set: &Option<Located<SocketPath>>| set.as_ref().map(|set| set.at.clone());
    MainTables {
        sockets_at: (place(&own), place(&theirs)),
        listen: read_listen(listen, own, out),
        containerd: read_containerd(containerd, theirs, out),
        pull: read_pull(root.section("pull", out), out),
        state: read_state(root.section("state", out), out),
        log: read_log(root.section("log", out), out),
        audit: tell::read_audit(root.section("audit", out), out),
        metrics: tell::read_metrics(root.section("metrics", out), out),
    }
}

impl MainTables {
    /// The settings without a main file.
    pub(super) fn built_in() -> Self {
        let mut out = Vec::new();
        MainTables {
            sockets_at: (None, None),
            listen: read_listen(None, None, &mut out),
            containerd: read_containerd(None, None, &mut out),
            pull: read_pull(None, &mut out),
            state: read_state(None, &mut out),
            log: read_log(None, &mut out),
            audit: None,
            metrics: None,
        }
    }

    /// A shunt that connects to itself answers no call and runs out of file descriptors.
    pub(super) fn check_loop(&self, out: &mut Vec<Problem>) {
        let (own, theirs) = &self.sockets_at;
        let Some(at) = theirs.as_ref().or(own.as_ref()) else { return };
        if self.listen.socket != self.containerd.socket {
            return;
        }
        let problem = Problem::error("`listen.socket` and `containerd.socket` are the same socket")
            .at(at)
            .hint("the shunt needs a socket of its own; clients are configured to use that one");
        out.push(problem);
    }
}

fn read_listen(
    section: Option<Section<'_>>,
    own: Option<Located<SocketPath>>,
    out: &mut Vec<Problem>,
) -> Listen {
    let mut listen = Listen {
        socket: SocketPath::known(defaults::LISTEN_SOCKET),
        mode: defaults::LISTEN_MODE,
        group: None,
        native_api: NativeApi::default(),
    };
    if let Some(set) = own {
        listen.socket = set.value;
    }
    let Some(mut section) = section else { return listen };
    if let Some(set) = section.field("mode").and_then(|field| read_mode(&field, out)) {
        listen.mode = set;
    }
    listen.group = section.field("group").and_then(|field| group(&field, out));
    if let Some(set) = section.choice("native-api", out, &NATIVE_API) {
        listen.native_api = set.value;
        if set.value == NativeApi::Relay {
            let message = "no rule holds for containerd's own API on this socket";
            let hint = "whoever uses ctr or nerdctl there pulls what they want; \"refuse\" prevents that";
            out.push(Problem::new(Severity::Note, message).at(&set.at).hint(hint));
        }
    }
    section.finish(out);
    listen
}

fn read_mode(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<u32> {
    if let Value::Number(_) = field.value {
        let hint = "write the octal digits in quotes, for example \"0660\"";
        out.push(field.type_problem("a string").hint(hint));
        return None;
    }
    let value = field.parse(out, mode)?;
    if value & 0o002 != 0 {
        let problem = Problem::warning(format!(
            "mode {value:04o} lets every user of the node use the runtime"
        ))
        .at(field.at)
        .hint("whoever can use the CRI can become root; give a `group` and a mode like \"0660\" instead");
        out.push(problem);
    }
    Some(value)
}

fn read_containerd(
    section: Option<Section<'_>>,
    theirs: Option<Located<SocketPath>>,
    out: &mut Vec<Problem>,
) -> Containerd {
    let mut containerd = Containerd {
        socket: SocketPath::known(defaults::CONTAINERD_SOCKET),
        pause_image: None,
        config_path: None,
        fetch_by: None,
        fence: false,
    };
    if let Some(set) = theirs {
        containerd.socket = set.value;
    }
    let Some(mut section) = section else { return containerd };
    containerd.pause_image = section.parse("pause-image", out, references::image).map(|set| set.value);
    containerd.config_path = section.parse("config-path", out, absolute).map(|set| set.value);
    containerd.fetch_by = section.choice("fetch-by", out, &FETCH_BY).map(|set| set.value);
    containerd.fence = section.boolean("fence", out).is_some_and(|set| set.value);
    section.finish(out);
    containerd
}

fn read_pull(section: Option<Section<'_>>, out: &mut Vec<Problem>) -> PullSettings {
    let mut pull = PullSettings {
        stall_after: Some(defaults::STALL_AFTER),
        adopt_timeout: defaults::ADOPT_TIMEOUT,
        retry_down_after: defaults::RETRY_DOWN_AFTER,
    };
    let Some(mut section) = section else { return pull };
    section.retire(&RETIRED_OF_PULL, out);
    if let Some(set) = section.parse("stall-after", out, duration::parse) {
        pull.stall_after = Some(set.value).filter(|duration| !duration.is_zero());
    }
    for (key, field) in
        [("adopt-timeout", &mut pull.adopt_timeout), ("retry-down-after", &mut pull.retry_down_after)]
    {
        if let Some(set) = section.parse(key, out, duration::parse_positive) {
            *field = set.value;
        }
    }
    section.finish(out);
    pull
}

fn read_state(section: Option<Section<'_>>, out: &mut Vec<Problem>) -> State {
    let mut state =
        State { dir: PathBuf::from(defaults::STATE_DIR), bypass_file: PathBuf::from(defaults::BYPASS_FILE) };
    let Some(mut section) = section else { return state };
    for (key, field) in [("dir", &mut state.dir), ("bypass-file", &mut state.bypass_file)] {
        if let Some(set) = section.parse(key, out, absolute) {
            *field = set.value;
        }
    }
    section.finish(out);
    state
}

fn read_log(section: Option<Section<'_>>, out: &mut Vec<Problem>) -> Log {
    let mut log = Log { level: Level::Info, format: LogFormat::Text };
    let Some(mut section) = section else { return log };
    if let Some(set) = section.choice("level", out, &Level::WORDS) {
        log.level = set.value;
    }
    if let Some(set) = section.choice("format", out, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
    {
        log.format = set.value;
    }
    section.finish(out);
    log
}

/// Permission bits in octal, as chmod(1) takes them.
fn mode(text: &str) -> Result<u32, Refusal> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match u32::from_str_radix(text, 8) {
        Ok(bits) if octal && bits <= 0o777 => Ok(bits),
        _ => Err(Refusal::new(format!("\"{text}\" is not a file mode"))
            .hint("write three or four octal digits, for example \"0660\"")),
    }
}

fn group(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Group> {
    match field.value {
        Value::Number(number) => {
            let id = number.parse();
            if id.is_err() {
                out.push(Problem::error(format!("{number} is not a group number")).at(field.at));
            }
            id.ok().map(Group::Id)
        }
        Value::Text(name) => {
            let group = field.parse(out, group_name)?;
            if let Err(fault) = Access::for_group(0, name) {
                let hint = format!("the daemon does not start without it: groupadd --system {name}");
                out.push(Problem::warning(fault.to_string()).at(field.at).hint(hint));
            }
            Some(group)
        }
        _ => field.wrong_type("a group's name or number", out),
    }
}

fn group_name(text: &str) -> Result<Group, Refusal> {
    if text.is_empty() || text.contains([':', '\n']) {
        return Err(Refusal::new(format!("\"{text}\" is not the name of a group")));
    }
    Ok(Group::Name(text.to_owned()))
}

/// A socket's path, from a file or a flag.
pub(super) fn socket(text: &str) -> Result<SocketPath, Refusal> {
    let refused = |error: SocketPathError| {
        let refusal = Refusal::new(error.to_string());
        match text.strip_prefix("unix://") {
            Some(path) => refusal.hint(format!("write the path alone: \"{path}\"")),
            None => refusal,
        }
    };
    text.parse().map_err(refused)
}

// === impl Level ===

impl Level {
    pub(super) const WORDS: [(&'static str, Level); 5] = [
        ("error", Level::Error),
        ("warn", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ];

    /// The word for it in the configuration and in a log filter.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Level::WORDS.iter().find(|(_, level)| *level == self).map_or("info", |(word, _)| *word)
    }
}
