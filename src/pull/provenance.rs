//! Where an image came from: labels on its records in containerd's store.
//!
//! Holds: it tells which registry was asked, not which cache behind it answered. A pull past the shunt removes
//! a tag's labels; then the answer is "unknown", never an older one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use containerd_client::types::Descriptor;
use serde_json::{Value, json};

use crate::containerd::hosts;
use crate::containerd::{Facts, Store, StoreError, record_names};
use crate::policy::Name;
use crate::pull::record::Record;

const REFERENCE: &str = "cri-shunt/reference";
const REGISTRY: &str = "cri-shunt/registry";
const RULE: &str = "cri-shunt/rule";
const TIME: &str = "cri-shunt/time";
const REDIRECT: &str = "cri-shunt/hosts-toml";
const LOGIN: &str = "cri-shunt/login";
const OUTAGE: &str = "cri-shunt/outage";
const TRIED: &str = "cri-shunt/tried";
const LOGIN_SOURCE: &str = "cri-shunt/login-source";
const VERIFIED: &str = "cri-shunt/verified";

/// containerd's limit for key and value of one label together, in bytes (`pkg/labels/validate.go`).
const MAX_LABEL: usize = 4096;

/// Where one image came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The reference that was asked for at the registry.
    pub reference: String,
    /// The registry that was asked.
    pub registry: String,
    /// The rule in words, with its place.
    pub rule: String,
    /// When the pull was.
    pub time: String,
    /// A `hosts.toml` that may have led containerd to another host.
    pub redirect: Option<String>,
    /// By what the login of the pull is known again: see `same_login`.
    login: Option<String>,
    /// When it last was the answer to a pull that no registry could serve.
    pub outage: Option<String>,
    /// The candidates that failed before this one served, each with the sort of its failure.
    pub tried: Option<String>,
    /// Where the login came from that the registry was asked with.
    pub login_source: Option<String>,
    /// By whom it is signed, where the rule of the pull demands that.
    pub verified: Option<String>,
}

impl Provenance {
    /// A pull of `reference` from the registry `registry`, by the rule in words, that has just ended.
    pub(super) fn now(reference: &Name, registry: &str, rule: &str) -> Self {
        Self {
            reference: reference.as_str().to_owned(),
            registry: registry.to_owned(),
            rule: rule.to_owned(),
            time: now(),
            redirect: None,
            login: None,
            outage: None,
            tried: None,
            login_source: None,
            verified: None,
        }
    }

    /// With the `hosts.toml` by which containerd may be led elsewhere than to the own registry of `name`.
    pub(super) async fn redirected(self, name: &Name, facts: &Arc<Facts>) -> Self {
        let (facts, host) = (facts.clone(), name.host().to_owned());
        let look = tokio::task::spawn_blocking(move || hosts::hosts_toml(facts.roots.read(), &host));
        let redirect = look.await.ok().flatten().map(|file| file.display().to_string());
        Self { redirect, ..self }
    }

    /// With what the login is known by, where it is to be.
    pub(super) fn with_login(self, login: Option<String>) -> Self {
        Self { login, ..self }
    }

    /// With what the pull's record says of the way to it. The login is that of the registry that served.
    pub(super) fn with_way(self, record: &Record, login_source: &str) -> Self {
        let tried = record.failed().join(", ");
        let tried = (!tried.is_empty()).then_some(tried);
        let verified = record.verified_by();
        Self { tried, login_source: Some(login_source.to_owned()), verified, ..self }
    }

    /// What the login of the pull is known by.
    pub(super) fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// As labels of an image record.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        let none = String::new();
        let fields = [
            (REFERENCE, &self.reference),
            (REGISTRY, &self.registry),
            (RULE, &self.rule),
            (TIME, &self.time),
            // Always written, so that they do not outlive a pull to which they no longer apply.
            (REDIRECT, self.redirect.as_ref().unwrap_or(&none)),
            (LOGIN, self.login.as_ref().unwrap_or(&none)),
            (OUTAGE, self.outage.as_ref().unwrap_or(&none)),
            (TRIED, self.tried.as_ref().unwrap_or(&none)),
            (LOGIN_SOURCE, self.login_source.as_ref().unwrap_or(&none)),
            (VERIFIED, self.verified.as_ref().unwrap_or(&none)),
        ]
        .map(|(key, value)| (key.to_owned(), fitting(key, value)));
        fields.into()
    }

    /// What the labels of an image record say.
    pub fn from_labels(labels: &HashMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).cloned();
        let filled = |key: &str| text(key).filter(|text| !text.is_empty());
        Some(Self {
            reference: text(REFERENCE)?,
            registry: text(REGISTRY)?,
            rule: text(RULE)?,
            time: text(TIME)?,
            redirect: filled(REDIRECT),
            login: filled(LOGIN),
            outage: filled(OUTAGE),
            tried: filled(TRIED),
            login_source: filled(LOGIN_SOURCE),
            verified: filled(VERIFIED),
        })
    }

    /// The prefix of the rule alone.
    pub fn rule_prefix(&self) -> &str {
        let quoted = self.rule.strip_prefix("rule \"").and_then(|rest| rest.split('"').next());
        quoted.unwrap_or(&self.rule)
    }

    fn to_json(&self) -> Value {
        json!({
            "registry": self.registry,
            "reference": self.reference,
            "rule": self.rule,
            "time": self.time,
            "hostsToml": self.redirect,
            "answeredInOutage": self.outage,
            "tried": self.tried,
            "loginSource": self.login_source,
            "verified": self.verified,
        })
    }
}

/// Writes the provenance of a pull of `name` itself to the records that the pull made.
///
/// # Errors
/// containerd's refusal.
pub(super) async fn write(
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

/// Notes at the records of `name` that it is the answer to a pull that no registry could serve.
///
/// # Errors
/// containerd's refusal.
pub(super) async fn note_outage(store: &Store, name: &Name, target: &Descriptor) -> Result<(), StoreError> {
    let label = HashMap::from([(OUTAGE.to_owned(), now())]);
    for name in record_names(name, target) {
        store.label(&name, target, &label).await?;
    }
    Ok(())
}

/// Makes the content of an image name the registry that was asked for as its source, in place of the private host:
/// Spegel shares content by that label. If it cannot be done, nothing else fails.
pub(super) async fn name_source(store: &Store, name: &Name, digest: &str, fetched_as: &str) {
    let fetched_from = fetched_as.split('/').next().filter(|host| hosts::is_private(host));
    if let Err(error) = store.set_source(digest, name, fetched_from).await {
        tracing::debug!(image = %name, %error, "cannot note the source of its content");
    }
}

/// The provenance of the image that CRI knows by these names, as JSON.
///
/// `asked` is the name in the question, if it was one; then its record decides. Otherwise the image's
/// tags decide, and its digests only where it has no tag.
///
/// # Errors
/// containerd's refusal.
pub(super) async fn describe(
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

fn now() -> String {
    prost_types::Timestamp::from(whole_seconds(SystemTime::now())).to_string()
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
        let provenance = Provenance::now(&from, from.host(), &"é".repeat(4096));
        let labels = provenance.labels();
        assert!(labels.iter().all(|(key, value)| key.len() + value.len() <= MAX_LABEL));
        let read = Provenance::from_labels(&labels).unwrap();
        assert_eq!(read.registry, "mirror.example:443");
        assert_eq!(read.reference, "mirror.example:443/library/nginx:1");
        assert!(read.time.ends_with('Z') && !read.time.contains('.'), "{}", read.time);
        assert_eq!(Provenance::from_labels(&HashMap::new()), None);
        let of = |rule: &str| Provenance::now(&from, "m.dev", rule).rule_prefix().to_owned();
        assert_eq!(of("rule \"docker.io/a\" (/etc/c.toml:9)"), "docker.io/a");
        assert_eq!(of("rule \"default\""), "default");
        assert_eq!(of("cut o"), "cut o");
    }
}
