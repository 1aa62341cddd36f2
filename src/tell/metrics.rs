//! The numbers behind `/metrics` that grow with requests.
//!
//! Holds: labels are rules and mirrors of the configuration and fixed words, and never anything that a client asks for.
//! Not here: what is looked at when somebody asks for the numbers (`serve::metrics`).

use std::fmt;
use std::time::Instant;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::registry::Asked;

/// Names and values of labels.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// The registry that a name itself asks for. Which one that is, clients decide.
pub const ORIGIN: &str = "origin";

/// The bounds of time spans, in seconds: from an image that is there to one that takes many minutes.
const BUCKETS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0];

/// The bounds of relayed calls, in seconds: from one that containerd answers from memory to one that waits for a container.
const RELAY_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0];

/// One of so many relayed calls is timed: to read the clock twice costs more than 1 % of a small call. A prime, for clients
/// ask in rounds.
const TIMED: u64 = 7;

/// The numbers.
pub struct Metrics {
    registry: Registry,
    /// Pulls by `rule`, `registry` and `outcome`.
    pub pulls: Family<Labels<3>, Counter>,
    /// Refusals by `rule` and `method`.
    pub denies: Family<Labels<2>, Counter>,
    /// Requests that rules which are only observed would refuse, by `rule` and `method`.
    pub would_denies: Family<Labels<2>, Counter>,
    /// Requests that such rules would send to mirrors, by `rule` and `method`.
    pub would_routes: Family<Labels<2>, Counter>,
    /// Candidates that did not serve, by `registry` and `class`.
    pub candidate_failures: Family<Labels<2>, Counter>,
    /// What was found of signatures that are demanded, by `rule` and `outcome`.
    pub verifications: Family<Labels<2>, Counter>,
    /// Pulls of rules with mirrors that the original registry has served.
    pub origin_fallbacks: Counter,
    /// Bytes of layers that pulls have brought, by `registry`.
    pub pulled_bytes: Family<Labels<1>, Counter>,
    /// How long pulls took.
    pub pull_seconds: Histogram,
    /// How much of that was spent waiting for containerd.
    pub pull_containerd_seconds: Histogram,
    /// How long it took to give images from mirrors their names.
    pub adoption_seconds: Histogram,
    /// What the registry client asks.
    pub asked: Asked,
    /// Calls that went on as they came.
    relayed_calls: Counter,
    /// How long some of them took.
    pub relay_seconds: Histogram,
    /// Configurations that were refused.
    pub reload_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::with_prefix("cri_shunt");
        let spans = || Histogram::new(BUCKETS);
        Self {
            pulls: add(
                &mut all,
                "pulls",
                "Pulls by rule, registry that served and outcome",
                Family::default(),
            ),
            denies: add(&mut all, "denies", "Requests that the policy refused", Family::default()),
            would_denies: add(
                &mut all,
                "would_denies",
                "Requests that rules which are only observed would refuse",
                Family::default(),
            ),
            would_routes: add(
                &mut all,
                "would_routes",
                "Requests that rules which are only observed would send to mirrors",
                Family::default(),
            ),
            candidate_failures: add(
                &mut all,
                "candidate_failures",
                "Candidates that did not serve, by class",
                Family::default(),
            ),
            verifications: add(
                &mut all,
                "verifications",
                "What was found of signatures that rules demand, by rule and outcome",
                Family::default(),
            ),
            origin_fallbacks: add(
                &mut all,
                "origin_fallbacks",
                "Pulls of rules with mirrors that the original registry served",
                Counter::default(),
            ),
            pulled_bytes: add(
                &mut all,
                "pulled_bytes",
                "Bytes of the layers of images that pulls have brought",
                Family::default(),
            ),
            pull_seconds: add(&mut all, "pull_seconds", "How long pulls took", spans()),
            pull_containerd_seconds: add(
                &mut all,
                "pull_containerd_seconds",
                "How much of the time of pulls was spent waiting for containerd",
                spans(),
            ),
            adoption_seconds: add(
                &mut all,
                "adoption_seconds",
                "How long it took to give images from mirrors their names",
                spans(),
            ),
            asked: asked(&mut all),
            relayed_calls: add(
                &mut all,
                "relayed_calls",
                "Calls that went to containerd as they came",
                Counter::default(),
            ),
            relay_seconds: add(
                &mut all,
                "relay_seconds",
                "How long it took to relay a call, for each seventh call",
                Histogram::new(RELAY_BUCKETS),
            ),
            reload_failures: add(
                &mut all,
                "reload_failures",
                "Configurations that were refused at a reload",
                Counter::default(),
            ),
            registry: all,
        }
    }
}

/// Registers a metric under its name, with its help text.
fn add<M: Metric + Clone>(all: &mut Registry, name: &str, help: &str, metric: M) -> M {
    all.register(name, help, metric.clone());
    metric
}

fn asked(all: &mut Registry) -> Asked {
    let Asked { requests, first_byte } = Asked::default();
    let help = "Requests of the shunt itself to registries, by status of the answer";
    let requests = add(all, "registry_requests", help, requests);
    let help = "How long it took from such a request until its answer began";
    Asked { requests, first_byte: add(all, "registry_first_byte_seconds", help, first_byte) }
}

impl Metrics {
    /// Counts a call that is relayed. Says when it began if it is to be timed.
    pub fn relayed(&self) -> Option<Instant> {
        self.relayed_calls.inc().is_multiple_of(TIMED).then(Instant::now)
    }

    /// Counts a request that no rule is for, and that would be refused if nothing were only observed. Says whether it is the
    /// first of its kind.
    pub fn would_refuse(&self, method: &str) -> bool {
        let labels = [("rule", "none".to_owned()), ("method", method.to_owned())];
        self.would_denies.get_or_create(&labels).inc() == 0
    }

    /// Writes them all, without the line at the end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        text::encode_registry(out, &self.registry)
    }
}
