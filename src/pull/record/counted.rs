//! The record in numbers.
//!
//! Holds: a label is a rule's prefix, the host of a mirror, or a fixed word. Hosts of mirrors are in the configuration: a
//! mirror can have `{host}` in its path only.

use super::{Attempt, Class, End, Record, Verdict};
use crate::policy::Role;
use crate::tell::metrics::{Metrics, ORIGIN};

impl Record {
    /// Counts it.
    pub fn count(&self, metrics: &Metrics) {
        let rule = self.rule.as_ref().map_or("none", |rule| rule.prefix.as_str());
        if matches!(self.end, Some(End::Denied)) {
            let labels = [("rule", rule.to_owned()), ("method", self.request.method.to_owned())];
            metrics.denies.get_or_create(&labels).inc();
        }
        if let Some(would) = &self.would {
            let labels = [("rule", would.rule.prefix.clone()), ("method", self.request.method.to_owned())];
            match would.verdict {
                Verdict::Deny { .. } => _ = metrics.would_denies.get_or_create(&labels).inc(),
                Verdict::Route => _ = metrics.would_routes.get_or_create(&labels).inc(),
                Verdict::Pass | Verdict::NotAName => {}
            }
        }
        if self.request.method != "PullImage" {
            return;
        }
        let registry = self.registry_label();
        let outcome = self.outcome();
        let labels =
            [("rule", rule.to_owned()), ("registry", registry.to_owned()), ("outcome", outcome.to_owned())];
        metrics.pulls.get_or_create(&labels).inc();
        if outcome == "pulled" && registry == ORIGIN && self.fell_back() {
            metrics.origin_fallbacks.inc();
        }
        self.count_verified(rule, metrics);
        for attempt in &self.attempts {
            let Some(failure) = &attempt.failure else { continue };
            let registry = match attempt.candidate.role {
                Role::Mirror => attempt.candidate.name.host(),
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

    fn count_verified(&self, rule: &str, metrics: &Metrics) {
        let is_refused = |attempt: &&Attempt| {
            attempt.failure.as_ref().is_some_and(|failure| failure.class == Class::Signature)
        };
        let known = self.verified.iter().filter(|verified| verified.was_known).count();
        let refused = self.attempts.iter().filter(is_refused).count()
            + usize::from(matches!(self.end, Some(End::Unsigned(_))));
        for (outcome, count) in
            [("verified", self.verified.len() - known), ("known", known), ("refused", refused)]
        {
            if count > 0 {
                let labels = [("rule", rule.to_owned()), ("outcome", outcome.to_owned())];
                metrics.verifications.get_or_create(&labels).inc_by(count as u64);
            }
        }
    }

    /// Whether mirrors were to serve it, and were tried.
    fn fell_back(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.candidate.role == Role::Mirror)
    }

    /// Who has served it.
    fn registry_label(&self) -> &str {
        match (self.outcome(), self.attempts.last()) {
            ("present", _) => "node",
            ("pulled", Some(attempt)) if attempt.candidate.role == Role::Mirror => {
                attempt.candidate.name.host()
            }
            ("pulled", _) => ORIGIN,
            _ => "none",
        }
    }
}
