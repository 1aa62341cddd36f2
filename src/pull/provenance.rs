//! Where an image came from: labels on its records in containerd's store.
//!
//! Before: `pull` writes them after every pull.  After: `lookup` reads them for a verbose ImageStatus.
//! Holds: what is told is which registry was asked, not which cache behind it answered. A pull beside
//! the shunt wipes a tag's labels; then the answer is "unknown", never an older one.

use std::collections::HashMap;
use std::time::SystemTime;

use containerd_client::types::Descriptor;
use serde_json::{Value, json};

use crate::containerd::hosts;
use crate::containerd::{Facts, Store, StoreError, record_names};
use crate::policy::Name;

const REFERENCE: &str = "cri-shunt/reference";
const REGISTRY: &str = "cri-shunt/registry";
const RULE: &str = "cri-shunt/rule";
const TIME: &str = "cri-shunt/time";
const REDIRECT: &str = "cri-shunt/hosts-toml";

/// containerd's limit for key and value of one label together, in bytes (`pkg/labels/validate.go`).
const MAX_LABEL: usize = 4096;

/// Where one image came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    reference: String,
    registry: String,
    rule: String,
    time: String,
    redirect: Option<String>,
}

impl Provenance {
    /// A pull of `from`, by the rule in words, that has just ended.
    pub fn now(from: &Name, rule: &str, facts: &Facts) -> Self {
        Self {
            reference: from.as_str().to_owned(),
            registry: from.host().to_owned(),
            rule: rule.to_owned(),
            time: prost_types::Timestamp::from(whole_seconds(SystemTime::now())).to_string(),
            redirect: hosts::hosts_toml(&facts.config_path, from.host())
                .map(|file| file.display().to_string()),
        }
    }

    /// As labels of an image record.
    pub fn labels(&self) -> HashMap<String, String> {
        let fields = [
            (REFERENCE, &self.reference),
            (REGISTRY, &self.registry),
            (RULE, &self.rule),
            (TIME, &self.time),
            // Always written, so that it does not outlive a pull to which it no longer applies.
            (REDIRECT, self.redirect.as_ref().unwrap_or(&String::new())),
        ]
        .map(|(key, value)| (key.to_owned(), fitting(key, value)));
        fields.into()
    }

    fn from_labels(labels: &HashMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).cloned();
        Some(Self {
            reference: text(REFERENCE)?,
            registry: text(REGISTRY)?,
            rule: text(RULE)?,
            time: text(TIME)?,
            redirect: text(REDIRECT).filter(|file| !file.is_empty()),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "registry": self.registry,
            "reference": self.reference,
            "rule": self.rule,
            "time": self.time,
            "hostsToml": self.redirect,
        })
    }
}

/// Writes the provenance of a pull of `name` itself to the records that the pull made.
///
/// # Errors
/// containerd's refusal.
pub async fn write(
    store: &Store,
    name: &Name,
    target: &Descriptor,
    provenance: &Provenance,
) -> Result<(), StoreError> {
    for name in record_names(name, target) {
        store.label(&name, target, &provenance.labels()).await?;
    }
    Ok(())
}

/// The provenance of the image that CRI knows by these names, as JSON.
///
/// `asked` is the name in the question, if it was one; then its record decides. Otherwise the image's
/// tags decide, and its digests only where it has no tag.
///
/// # Errors
/// containerd's refusal.
pub async fn describe(
    store: &Store,
    asked: Option<&Name>,
    tags: &[String],
    digests: &[String],
) -> Result<Value, StoreError> {
    let names: Vec<&str> = match asked {
        Some(name) => vec![name.as_str()],
        None if tags.is_empty() => digests.iter().map(String::as_str).collect(),
        None => tags.iter().map(String::as_str).collect(),
    };
    for name in names {
        let Some(record) = store.get(name).await? else { continue };
        if let Some(provenance) = Provenance::from_labels(&record.labels) {
            return Ok(provenance.to_json());
        }
    }
    Ok(json!({ "registry": "unknown" }))
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

fn fitting(key: &str, value: &str) -> String {
    let mut end = value.len().min(MAX_LABEL - key.len());
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back_and_stay_within_containerds_limit() {
        let from: Name = "mirror.example:443/library/nginx:1".parse().unwrap();
        let provenance = Provenance::now(&from, &"é".repeat(4096), &Facts::default());
        let labels = provenance.labels();
        assert!(labels.iter().all(|(key, value)| key.len() + value.len() <= MAX_LABEL));
        let read = Provenance::from_labels(&labels).unwrap();
        assert_eq!(read.registry, "mirror.example:443");
        assert_eq!(read.reference, "mirror.example:443/library/nginx:1");
        assert!(read.time.ends_with('Z') && !read.time.contains('.'), "{}", read.time);
        assert_eq!(Provenance::from_labels(&HashMap::new()), None);
    }
}
