//! What happens to a pull that no registry can serve, as `explain` shows it.

use serde::Serialize;

use crate::policy::Outage;

/// With `on-outage = "present"`. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct FromNode {
    answer: &'static str,
    max_age_seconds: Option<u64>,
}

impl FromNode {
    /// None where such a pull fails, as usual.
    pub(super) fn of(outage: Outage) -> Option<Self> {
        let max_age_seconds = outage.max_age.map(|age| age.as_secs());
        outage.serves().then_some(FromNode { answer: "present", max_age_seconds })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let age = self.max_age_seconds.map(|seconds| format!(" at most {} ago,", words(seconds)));
        let age = age.unwrap_or_default();
        format!("the image on the node, if it was pulled{age} with the same login")
    }
}

/// As in the configuration.
fn words(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}
