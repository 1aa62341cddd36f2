//! What the daemon tells of requests: the audit (`audit`, in lines of the form `line`), and the numbers of `/metrics`.
//!
//! Holds: nothing here makes a request wait. Numbers grow with the configuration, and never with what clients ask for.
//! Not here: how a record becomes a line (`pull::record`), how the numbers are served (`serve::metrics`).

pub mod audit;
pub mod failures;
pub mod line;
pub mod metrics;
pub mod moment;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use self::audit::Audit;
use self::failures::Failures;
use self::metrics::Metrics;

/// Where requests are told.
pub struct Tell {
    /// The audit, if one is wanted.
    pub audit: Option<Arc<Audit>>,
    /// The last pulls that failed.
    pub failures: Failures,
    /// The numbers.
    pub metrics: Metrics,
    /// Why they are not served, if they should be.
    metrics_problem: Mutex<Option<String>>,
    /// When the daemon started.
    pub started: SystemTime,
}

impl Default for Tell {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Tell {
    /// With this audit.
    pub fn new(audit: Option<Arc<Audit>>) -> Self {
        let (metrics, started) = (Metrics::default(), SystemTime::now());
        Self { audit, failures: Failures::default(), metrics, metrics_problem: Mutex::default(), started }
    }

    /// Notes why the numbers are not served, if so. Says whether that is new.
    pub fn note_metrics(&self, problem: Option<String>) -> bool {
        let mut known = self.metrics_problem.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != problem;
        *known = problem;
        is_new
    }

    /// Why the numbers are not served, if they should be.
    pub fn metrics_problem(&self) -> Option<String> {
        self.metrics_problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
