//! What happens to a pull that no registry can serve, as `explain` shows it.

use serde::Serialize;

use crate::files::go_duration;
use crate::policy::Outage;

/// With `on-outage = "present"`. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct FromNode {
    answer: &'static str,
    max_age: Option<String>,
}

impl FromNode {
    /// None where such a pull fails, as usual.
    pub(super) fn of(outage: Outage) -> Option<Self> {
        let max_age = outage.max_age.map(go_duration::text);
        outage.serves().then_some(FromNode { answer: "present", max_age })
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let age = self.max_age.as_ref().map(|age| format!(" at most {age} ago,"));
        let age = age.unwrap_or_default();
        format!("the image on the node, if it was pulled{age} with the same login")
    }
}
