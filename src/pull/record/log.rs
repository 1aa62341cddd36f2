//! The log line of a request: one, when it is over, with the facts of the record.

use std::fmt::Write;

use super::{Class, End, OnNode, Record, Verdict};

impl Record {
    /// Writes it.
    pub fn log(&self) {
        let (image, rule, client) = (self.shown_name(), self.rule_text(), &self.request.client);
        let pod = self.request.pod.as_ref().map(ToString::to_string);
        let would = self.would_text();
        let took = self.total;
        let tried = self.tried();
        let locked = self.locked.as_ref().map(|locked| locked.digest.as_str());
        match (&self.verdict, &self.end) {
            // containerd says what is wrong with it.
            (Verdict::NotAName, _) => {}
            (Verdict::Pass, Some(End::Containerd(tonic::Code::Ok))) if self.verified.is_empty() => {
                tracing::info!(image, rule, %client, pod, would, ?took, "pulled, untouched");
            }
            (Verdict::Route, Some(End::Containerd(tonic::Code::Ok)))
                if self.request.method != "PullImage" =>
            {
                let from = self.served.as_ref().map(|served| served.reference.as_str());
                tracing::info!(image, from, rule, %client, pod, would, "found on the node by its mirror's name");
            }
            (Verdict::Route | Verdict::Pass, Some(End::Containerd(tonic::Code::Ok))) => {
                let from = self.served.as_ref().map(|served| served.reference.as_str());
                let digest = self.served.as_ref().and_then(|served| served.digest.as_deref());
                tracing::info!(image, from, digest, locked, rule, %client, pod, would, ?took,
                    in_containerd = ?self.in_containerd, tried, verified = self.verified_by(), "pulled");
            }
            (_, Some(End::Containerd(code))) => {
                tracing::info!(image, rule, %client, pod, would, ?took, ?code, tried, "not pulled; containerd's own error goes on");
            }
            (_, Some(End::Present(OnNode { digest, pulled }))) => {
                tracing::warn!(image, digest, pulled_at = pulled, rule, %client, pod, would, ?took, tried,
                    "answered with the image on the node: no registry can serve it");
            }
            (_, Some(End::Denied)) => {
                let reason = match &self.verdict {
                    Verdict::Deny { reason } => reason.as_str(),
                    _ => "",
                };
                tracing::info!(image, rule, reason, %client, pod, would, "denied");
            }
            (_, Some(End::Observed)) => {
                tracing::info!(image, rule, %client, pod, would, "not denied: the rule is only observed");
            }
            (_, Some(End::ClientLeft)) => {
                tracing::info!(image, rule, %client, pod, would, ?took, tried, "the client left before its pull was over");
            }
            _ => {
                let error = self.whole_error();
                tracing::warn!(image, locked, rule, %client, pod, would, ?took, tried, error, "not pulled");
            }
        }
    }

    /// What would have happened. Where nothing is done either way, there is nothing to tell.
    fn would_text(&self) -> Option<String> {
        let would = self.would.as_ref()?;
        let is_same = would.verdict == Verdict::Pass && self.verdict == Verdict::Pass;
        (!is_same).then(|| would.to_string())
    }

    /// Which candidates failed: `m.dev:5000 unreachable, n.dev not-found`; none where none did.
    fn tried(&self) -> Option<String> {
        let mut text = String::new();
        for attempt in &self.attempts {
            let Some(failure) = &attempt.failure else { continue };
            let separator = if text.is_empty() { "" } else { ", " };
            let host = attempt.candidate.name.host();
            let _ = match (&failure.rest, failure.class) {
                (Some(rest), Class::RateLimited) => write!(text, "{separator}{host} {rest}"),
                (Some(rest), class) => write!(text, "{separator}{host} {} ({rest})", class.as_str()),
                (None, class) => write!(text, "{separator}{host} {}", class.as_str()),
            };
        }
        (!text.is_empty()).then_some(text)
    }
}
