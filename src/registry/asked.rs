//! Counts the requests to registries, and how long the first byte of each answer takes.
//!
//! Holds: a label is a host of the configuration or a fixed word. What a registry leads to, its token server for one, counts
//! under the registry's own host.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

/// The bounds of the time to the first byte, in seconds: from a host next door to one that is about to be given up.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The numbers of a client. A clone counts into the same ones.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Requests by `registry` and `status`.
    pub requests: Family<[(&'static str, String); 2], Counter>,
    /// How long it took until an answer began, by `registry`.
    pub first_byte: Family<[(&'static str, String); 1], Histogram>,
}

/// A request that is under way. If it is dropped before its answer has begun, there was none.
pub(super) struct UnderWay<'a> {
    asked: &'a Asked,
    registry: &'a str,
    begin: Instant,
    answer: Option<(StatusCode, Duration)>,
}

impl Default for Asked {
    fn default() -> Self {
        let histogram = || Histogram::new(BUCKETS);
        Self { requests: Family::default(), first_byte: Family::new_with_constructor(histogram) }
    }
}

impl Asked {
    /// A request of a question to `registry` begins: it needs a connection first.
    pub(super) fn begin<'a>(&'a self, registry: &'a str) -> UnderWay<'a> {
        UnderWay { asked: self, registry, begin: Instant::now(), answer: None }
    }
}

impl UnderWay<'_> {
    /// The head of the answer is here.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.answer = Some((status, self.begin.elapsed()));
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let registry = ("registry", self.registry.to_owned());
        let status = self.answer.map_or("none", |(status, _)| word(status));
        self.asked.requests.get_or_create(&[registry.clone(), ("status", status.to_owned())]).inc();
        if let Some((_, took)) = self.answer {
            self.asked.first_byte.get_or_create(&[registry]).observe(took.as_secs_f64());
        }
    }
}

/// One of a few words for a status. A registry could send a thousand.
fn word(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "401",
        403 => "403",
        404 => "404",
        429 => "429",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_request_counts_once_and_what_had_no_answer_has_no_time() {
        let asked = Asked::default();
        for status in [200, 204, 404, 418, 503, 999] {
            let mut request = asked.begin("m.dev");
            tokio::time::advance(Duration::from_secs(1)).await;
            request.answered(StatusCode::from_u16(status).unwrap());
        }
        drop(asked.begin("m.dev"));
        let count = |status: &str| {
            let labels = [("registry", "m.dev".to_owned()), ("status", status.to_owned())];
            asked.requests.get_or_create(&labels).get()
        };
        let counts = ["2xx", "404", "4xx", "5xx", "other", "none"].map(count);
        assert_eq!(counts, [2, 1, 1, 1, 1, 1]);
        let mut text = String::new();
        let mut all = prometheus_client::registry::Registry::default();
        all.register("seconds", "-", asked.first_byte.clone());
        prometheus_client::encoding::text::encode(&mut text, &all).unwrap();
        assert!(text.contains("seconds_sum{registry=\"m.dev\"} 6.0\n"), "{text}");
        assert!(text.contains("seconds_count{registry=\"m.dev\"} 6\n"), "{text}");
    }
}
