//! The numbers behind `/metrics` that grow with requests.
//!
//! Holds: labels are rules and mirrors of the configuration and fixed words, and never anything that a client asks for.
//! Not here: what is looked at when somebody asks for the numbers (`serve::metrics`).

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

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
            candidate_failures: add(
                &mut all,
                "candidate_failures",
                "Candidates that did not serve, by class",
                Family::default(),
            ),
            origin_fallbacks: add(
                &mut all,
                "origin_fallbacks",
                "Pulls of rules with mirrors that the original registry served",
                Counter::default(),
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
            relayed_calls: add(
                &mut all,
                "relayed_calls",
                "Calls that went to containerd as they came",
                Counter::default(),
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

impl Metrics {
    /// Writes them all, without the line at the end.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        text::encode_registry(out, &self.registry)
    }
}
