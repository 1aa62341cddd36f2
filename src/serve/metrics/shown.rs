//! What is looked at when somebody asks: the policy in force, mirrors, the process; and whether the daemon is ready.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::policy::fold_host;
use crate::state::{Drift, State};
use crate::tell::metrics::Labels;

/// How long containerd may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

type Number = Gauge<f64, AtomicU64>;
type PerRegistry = Family<Labels<1>, Number>;

/// All numbers, as OpenMetrics has them.
pub(super) fn metrics(state: &State, drift: Option<&Drift>) -> Result<String, fmt::Error> {
    let mut out = String::new();
    state.tell.metrics.write(&mut out)?;
    let mut own = Registry::with_prefix("cri_shunt");
    policy(state, &mut own);
    mirrors(state, &mut own);
    audit(state, &mut own);
    if let Some(drift) = drift {
        drifted(drift, &mut own);
    }
    text::encode_registry(&mut out, &own)?;
    text::encode_registry(&mut out, &process(state))?;
    text::encode_eof(&mut out)?;
    Ok(out)
}

fn set(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let number = Number::default();
    number.set(value);
    registry.register(name, help, number);
}

/// A number that is always 1, with a label that tells something.
fn info(registry: &mut Registry, name: &str, help: &str, label: (&'static str, &str)) {
    let family = PerRegistry::default();
    family.get_or_create(&[(label.0, label.1.to_owned())]).set(1.0);
    registry.register(name, help, family);
}

fn count(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

fn policy(state: &State, registry: &mut Registry) {
    let generation = state.generation();
    info(registry, "build_info", "The version of the program", ("version", env!("CARGO_PKG_VERSION")));
    info(registry, "policy_info", "The hash of the policy in force", ("hash", generation.written().hash()));
    let loaded = seconds(generation.loaded_at);
    set(registry, "policy_generation_timestamp_seconds", "When the policy in force was read", loaded);
    let count = *state.generations().borrow() as f64;
    set(registry, "policy_generation", "How often the policy was replaced since the start", count);
    set(registry, "policy_rules", "The rules of the policy in force", generation.extent.rules as f64);
    let is_refused = f64::from(u8::from(state.reload_error().is_some()));
    set(registry, "reload_refused", "1 if the configuration on disk was refused", is_refused);
    let is_bypassed = f64::from(u8::from(state.bypass.is_there()));
    set(registry, "bypass", "1 while the bypass file exists and no policy is applied", is_bypassed);
    let unread = state.unread_hosts.problems(&state.containerd.facts()).len() as f64;
    set(registry, "hosts_unread", "Files for hosts that containerd did not read", unread);
}

fn mirrors(state: &State, registry: &mut Registry) {
    let (up, until) = (PerRegistry::default(), PerRegistry::default());
    let (down, rests) = (state.health.down(), state.health.rests());
    for host in state.generation().policy.mirror_hosts() {
        let key = fold_host(&host);
        let is_up = !down.iter().any(|other| **other == *key);
        up.get_or_create(&[("registry", host.clone())]).set(f64::from(u8::from(is_up)));
        let over = rests.iter().filter(|rest| *rest.host == *key).map(|rest| seconds(rest.over_at()));
        if let Some(over) = over.reduce(f64::max) {
            until.get_or_create(&[("registry", host)]).set(over);
        }
    }
    registry.register("mirror_up", "0 while a mirror is tried after the others, as it fails", up);
    let help = "Until when a mirror is left alone, as it limits requests";
    registry.register("mirror_rests_until_timestamp_seconds", help, until);
}

fn audit(state: &State, registry: &mut Registry) {
    let Some(audit) = &state.tell.audit else { return };
    count(registry, "audit_lines", "Lines of the audit that were written", audit.written());
    count(registry, "audit_lines_dropped", "Lines of the audit that are missing", audit.dropped());
}

fn drifted(drift: &Drift, registry: &mut Registry) {
    let images = PerRegistry::default();
    for (state, count) in drift.counts() {
        images.get_or_create(&[("state", state.to_owned())]).set(count as f64);
    }
    registry.register("drift_images", "Images in each state, as drift has found them last", images);
    let looked_at = drift.looked_at as f64;
    set(registry, "drift_timestamp_seconds", "When drift has looked last", looked_at);
}

/// What every program tells, under the names that all programs use.
fn process(state: &State) -> Registry {
    let mut registry = Registry::with_prefix("process");
    let started = seconds(state.tell.started);
    set(&mut registry, "start_time_seconds", "When the process started", started);
    let cpu: Counter<f64, AtomicU64> = Counter::default();
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    cpu.inc_by(spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9);
    registry.register("cpu_seconds", "How long processors have worked for it", cpu);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    if let Some(kib) = kib {
        let bytes = f64::from(kib) * 1024.0;
        set(&mut registry, "resident_memory_bytes", "The memory that the process has", bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        set(&mut registry, "open_fds", "The open file descriptors", open.count() as f64);
    }
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let most = most.map_or(f64::INFINITY, |most| most as f64);
    set(&mut registry, "max_fds", "How many it may have open", most);
    registry
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Whether calls can be answered, and why not. What is fatal: containerd does not answer.
pub(super) async fn readiness(state: &State) -> (bool, String) {
    let (is_ready, containerd) = match tokio::time::timeout(PATIENCE, state.containerd.cri.version()).await {
        Ok(Ok(_)) => (true, "containerd: answers".to_owned()),
        Ok(Err(status)) => (false, format!("containerd: does not answer: {}", status.message())),
        Err(_) => (false, format!("containerd: no answer within {} s", PATIENCE.as_secs())),
    };
    // The daemon does not start without a policy, and a reload that is refused leaves one in force.
    let policy = match (state.bypass.is_there(), state.reload_error()) {
        (true, _) => "suspended: the bypass file exists".to_owned(),
        (false, Some(_)) => {
            format!("{}, and the last reload was refused", state.generation().written().hash())
        }
        (false, None) => state.generation().written().hash().to_owned(),
    };
    (is_ready, format!("{containerd}\npolicy: {policy}\n"))
}
