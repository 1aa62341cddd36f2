//! `cri-shunt serve`: reads the configuration and starts the daemon (`crate::serve`).
//!
//! No socket is opened before the whole configuration is found to be valid.

mod first;
mod problems;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::DumpableBehavior;

use self::first::First;
use self::problems::{errors, log_problems};
use super::detail::Detail;
use super::exit::Exit;
use super::inputs::Inputs;
use crate::config::{self, Config, Containerd, Group, Input, Kept, Listen, Loaded, Log, State};
use crate::serve::listener::socket::{Access, Socket, SocketError};
use crate::serve::metrics::MetricsAt;
use crate::serve::{self, AppError, Outcome, Parts};
use crate::state::{DirLock, Extent, Generation, NoLock};
use crate::tell::audit::{Audit, AuditTo};

/// How long threads that read or write files may take at the end.
const LAST_FILES: Duration = Duration::from_secs(1);

/// How long the last lines of the audit may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Run the shunt in the foreground.
///
/// Listens on its own socket, applies the policy to each image reference and passes everything else on to
/// containerd. Configure this socket in kubelet and crictl.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt serve\n  \
    cri-shunt serve --config ./config.toml --socket /tmp/shunt.sock\n  \
    crictl --runtime-endpoint unix:///run/cri-shunt/cri-shunt.sock pull nginx\n\n\
    Environment:\n  \
    CRI_SHUNT_LOG  overrides `log.level`, --quiet (warn) and --verbose (debug), for example debug or debug,h2=debug\n\n\
    Exit status:\n  \
    0  stopped by a signal\n  \
    2  wrong usage, or a configuration that cannot be used\n  \
    3  cannot run")]
pub(super) struct Arguments {
    #[command(flatten)]
    inputs: Inputs,

    #[command(flatten)]
    detail: Detail,

    /// Listen here instead of at the configured `listen.socket`
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,

    /// containerd's socket, instead of the configured `containerd.socket`
    #[arg(long, value_name = "PATH")]
    containerd: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let Arguments { inputs, detail, socket, containerd } = arguments;
    if let Err(exit) = inputs.check_stdin(0) {
        return exit;
    }
    let input = Input { socket, containerd, ..inputs.read(false) };
    match first::read(&input, detail) {
        Ok(first) => start(input, first),
        Err(exit) => exit,
    }
}

/// Hands over to the daemon. A reload reads the same input again.
fn start(input: Input, first: First) -> Exit {
    let First { config, seen, read_at, unusable, kept } = first;
    serve::memory::one_heap();
    let dir = config.state.dir.clone();
    let lock = match lock(&dir) {
        Ok(lock) => lock,
        Err(exit) => return exit,
    };
    keep(kept, &dir);
    // The logins of clients and of the node pass through this process. They must not get into a core dump, and no
    // other process of the same user may read them.
    if let Err(error) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "cannot switch core dumps off");
    }
    // One thread: the program passes bytes on, and a second thread would only add a step.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let fixed = Fixed::of(&config);
    let at = config.listen.clone();
    let audit = match config.audit.clone().map(Audit::start).transpose() {
        Ok(audit) => audit.map(Arc::new),
        Err(error) => {
            tracing::error!("the system gives no thread for the audit: {error}");
            return Exit::Runtime;
        }
    };
    let parts = Parts {
        containerd: config.containerd.socket.as_path().to_owned(),
        overrides: config.containerd.overrides(),
        state: dir,
        lock,
        bypass: config.state.bypass_file.clone(),
        native_api: config.listen.native_api,
        seen,
        read: Arc::new(move |before| read_again(&input, &fixed, before)),
        audit: audit.clone(),
        metrics: config.metrics.clone(),
        generation: Generation { loaded_at: read_at, ..generation(config) },
        unusable,
        explain: Box::new(super::explain::for_daemon),
    };
    let exit = match runtime.block_on(serve::run(parts, || listen(&at))) {
        Ok(()) => Exit::Ok,
        Err(AppError::Socket(error)) => {
            tracing::error!(hint = error.hint(), "{error}");
            Exit::Runtime
        }
        Err(error) => failed(&error),
    };
    // A thread that still waits for a file then waits for a disk or a server that does not answer.
    runtime.shutdown_timeout(LAST_FILES);
    if let Some(audit) = audit {
        audit.flush(LAST_LINES);
    }
    exit
}

fn listen(listen: &Listen) -> Result<Socket, SocketError> {
    let access = match &listen.group {
        None => Access { mode: listen.mode, gid: None },
        Some(Group::Id(gid)) => Access { mode: listen.mode, gid: Some(*gid) },
        Some(Group::Name(name)) => Access::for_group(listen.mode, name)?,
    };
    Socket::open(listen.socket.as_path(), access)
}

/// The lock on the state directory. Two daemons there would remove each other's files.
fn lock(dir: &Path) -> Result<Option<DirLock>, Exit> {
    match DirLock::take(dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ NoLock::Taken { .. }) => {
            tracing::error!(hint = error.hint(), "{error}");
            Err(Exit::Runtime)
        }
        // A disk that takes nothing keeps no node without its CRI.
        Err(error) => {
            tracing::warn!("{error}; a second daemon there would not be noticed");
            Ok(None)
        }
    }
}

fn failed(error: &dyn std::error::Error) -> Exit {
    tracing::error!("{error}");
    Exit::Runtime
}

fn read_again(input: &Input, fixed: &Fixed, before: &Extent) -> Outcome {
    match config::load_from(input) {
        Ok(loaded) => {
            if let Some(reason) = before.refuses(&loaded.config.extent) {
                return Outcome { next: Err(reason), seen: loaded.warnings.seen().clone() };
            }
            keep(Kept::of(input, &loaded), &fixed.state.dir);
            let Loaded { config, warnings, .. } = loaded;
            log_problems(&warnings);
            let tables = fixed.changed_in(&config);
            if !tables.is_empty() {
                let tables = tables.join(", ");
                tracing::warn!("changes in {tables} take effect after a restart only");
            }
            Outcome { next: Ok(generation(config)), seen: warnings.seen().clone() }
        }
        Err(problems) => {
            let next = Err(errors(&problems).collect::<Vec<_>>().join("\n"));
            Outcome { next, seen: problems.seen().clone() }
        }
    }
}

/// Keeps a good configuration for a start at which the files cannot be used. Without that the daemon runs as well.
fn keep(kept: Result<Option<Kept>, String>, dir: &Path) {
    let why = match kept {
        Ok(None) => return,
        Ok(Some(kept)) => match kept.write(dir) {
            Ok(()) => return,
            Err(error) => error.to_string(),
        },
        Err(reason) => {
            Kept::remove(dir);
            reason
        }
    };
    let dir = dir.display();
    tracing::warn!("this configuration is not kept in {dir} for a start with a broken one: {why}");
}

/// The parts of a configuration that a reload does not change.
struct Fixed {
    listen: Listen,
    containerd: Containerd,
    state: State,
    log: Log,
    audit: Option<AuditTo>,
    metrics: Option<MetricsAt>,
}

impl Fixed {
    fn of(config: &Config) -> Self {
        let Config { listen, containerd, state, log, audit, metrics, .. } = config;
        Self {
            listen: listen.clone(),
            containerd: containerd.clone(),
            state: state.clone(),
            log: log.clone(),
            audit: audit.clone(),
            metrics: metrics.clone(),
        }
    }

    /// The tables that are different in `config`.
    fn changed_in(&self, config: &Config) -> Vec<&'static str> {
        // A reload changes this key.
        let containerd = Containerd { fence: self.containerd.fence, ..config.containerd.clone() };
        let tables = [
            ("[listen]", self.listen != config.listen),
            ("[containerd]", self.containerd != containerd),
            ("[state]", self.state != config.state),
            ("[log]", self.log != config.log),
            ("[audit]", self.audit != config.audit),
            ("[metrics]", self.metrics != config.metrics),
        ];
        tables.into_iter().filter_map(|(table, changed)| changed.then_some(table)).collect()
    }
}

/// The parts of a configuration that a reload changes: the policy and how pulls behave.
fn generation(config: Config) -> Generation {
    // Here, where some milliseconds delay no pull.
    config.policy.hash();
    let (policy, observed) = config.policy.into_acting();
    Generation {
        pull: config.pull,
        policy,
        observed,
        credentials: config.credentials,
        transport: config.transport,
        endpoints: config.endpoints,
        demands: config.demands,
        needed: config.needed,
        extent: config.extent,
        sources: config.sources,
        watch: config.watch,
        loaded_at: std::time::SystemTime::now(),
    }
}
