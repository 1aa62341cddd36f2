//! The record in numbers.
//!
//! Holds: a label is a rule's prefix, the host of a mirror, or a fixed word. Hosts of mirrors are in the configuration: a
//! mirror can have `{host}` in its path only.

use super::{End, Record};
use crate::policy::Role;
use crate::tell::metrics::Metrics;

/// The registry that the name itself asks for. Which one that is, clients decide.
const ORIGIN: &str = "origin";

impl Record {
    /// Counts it.
    pub fn count(&self, metrics: &Metrics) {
        let rule = self.rule.as_ref().map_or("none", |rule| rule.prefix.as_str());
        if matches!(self.end, Some(End::Denied)) {
            let labels = [("rule", rule.to_owned()), ("method", self.request.method.to_owned())];
            metrics.denies.get_or_create(&labels).inc();
        }
        if self.request.method != "PullImage" {
            return;
        }
        let registry = self.registry_label();
        let outcome = self.outcome();
        let labels =
            [("rule", rule.to_owned()), ("registry", registry.to_owned()), ("outcome", outcome.to_owned())];
        metrics.pulls.get_or_create(&labels).inc();
        if outcome == "pulled" && registry == ORIGIN && !self.attempts.is_empty() {
            metrics.origin_fallbacks.inc();
        }
        for attempt in &self.attempts {
            let Some(failure) = &attempt.failure else { continue };
            let registry = match attempt.role {
                Role::Mirror => attempt.candidate.host(),
                Role::Origin => ORIGIN,
            };
            let labels = [("registry", registry.to_owned()), ("class", failure.class.as_str().to_owned())];
            metrics.candidate_failures.get_or_create(&labels).inc();
        }
        metrics.pull_seconds.observe(self.total.as_secs_f64());
        metrics.pull_containerd_seconds.observe(self.in_containerd.as_secs_f64());
        if let Some(adoption) = self.adoption {
            metrics.adoption_seconds.observe(adoption.as_secs_f64());
        }
    }

    /// Who has served it.
    fn registry_label(&self) -> &str {
        match (self.outcome(), self.attempts.last()) {
            ("present", _) => "node",
            ("pulled", Some(attempt)) if attempt.role == Role::Mirror => attempt.candidate.host(),
            ("pulled", _) => ORIGIN,
            _ => "none",
        }
    }
}
