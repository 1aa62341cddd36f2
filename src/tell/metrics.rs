//! The numbers behind `/metrics` that grow with requests.
//!
//! Holds: labels are rules and mirrors of the configuration and fixed words, and never anything that a client asks for.
//! Not here: what is looked at when somebody asks for the numbers (`serve::metrics`).

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Names and values of labels.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// The bounds of time spans, in seconds: from an image that is there to one that takes many minutes.
const BUCKETS: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0];

/// The numbers.
pub struct Metrics {
    registry: Registry,
    /// Pulls by `rule`, `registry` and `outcome`.
    pub pulls: Family<Labels<3>, Counter>,
    /// Refusals by `rule` and `method`.
    pub denies: Family<Labels<2>, Counter>,
    /// Candidates that did not serve, by `registry` and `class`.
    pub candidate_failures: Family<Labels<2>, Counter>,
    /// Pulls of rules with mirrors that the original registry has served.
    pub origin_fallbacks: Counter,
    /// How long pulls took.
    pub pull_seconds: Histogram,
    /// How much of that was spent waiting for containerd.
    pub pull_containerd_seconds: Histogram,
    /// How long it took to give images from mirrors their names.
    pub adoption_seconds: Histogram,
    /// Calls that went on as they came.
    pub relayed_calls: Counter,
    /// Configurations that were refused.
    pub reload_failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let spans = || Histogram::new(BUCKETS);
        let mut registry = Registry::with_prefix("cri_shunt");
        let metrics = Self {
            registry: Registry::default(),
            pulls: Family::default(),
            denies: Family::default(),
            candidate_failures: Family::default(),
            origin_fallbacks: Counter::default(),
            pull_seconds: spans(),
            pull_containerd_seconds: spans(),
            adoption_seconds: spans(),
            relayed_calls: Counter::default(),
            reload_failures: Counter::default(),
        };
        registry.register("pulls", "Pulls by rule, registry that served and outcome", metrics.pulls.clone());
        registry.register("denies", "Requests that the policy refused", metrics.denies.clone());
        registry.register(
            "candidate_failures",
            "Candidates that did not serve, by class",
            metrics.candidate_failures.clone(),
        );
        registry.register(
            "origin_fallbacks",
            "Pulls of rules with mirrors that the original registry served",
            metrics.origin_fallbacks.clone(),
        );
        registry.register("pull_seconds", "How long pulls took", metrics.pull_seconds.clone());
        registry.register(
            "pull_containerd_seconds",
            "How much of the time of pulls was spent waiting for containerd",
            metrics.pull_containerd_seconds.clone(),
        );
        registry.register(
            "adoption_seconds",
            "How long it took to give images from mirrors their names",
            metrics.adoption_seconds.clone(),
        );
        registry.register(
            "relayed_calls",
            "Calls that went to containerd as they came",
            metrics.relayed_calls.clone(),
        );
        registry.register(
            "reload_failures",
            "Configurations that were refused at a reload",
            metrics.reload_failures.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Writes them all, without the line at the end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        text::encode_registry(out, &self.registry)
    }
}
