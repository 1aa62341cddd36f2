//! The content store: what an image is made of, where containerd had it from, and downloads under way.
//!
//! Source: containerd `core/remotes/handlers.go` (`MakeRefKey`), `core/remotes/docker/handler.go`
//! (`AppendDistributionSourceLabel`), `core/images/handlers.go` (`SetChildrenMappedLabels`).

use std::collections::{BTreeSet, HashMap, VecDeque};

use containerd_client::services::v1 as api;
use prost_types::FieldMask;
use tonic::{Code, Status};

use super::{Store, StoreError, call, content_error};
use crate::policy::Name;

/// The most that is read of one manifest or index, in bytes: containerd's own limit for a manifest.
const MAX_MANIFEST: usize = 8 << 20;

/// How many blobs of one image are looked at. No image that runs has as many.
pub(super) const MAX_BLOBS: usize = 1000;

/// How often a label is set again where somebody else changes it at the same time.
const ATTEMPTS: usize = 4;

/// What a label's name begins with that says from which repositories of a host a blob is: `a/b,c`.
const SOURCE: &str = "containerd.io/distribution.source.";

/// What a label's name begins with that names a blob which this one holds. An index names children for other platforms,
/// too, which are not there.
pub(super) const CHILD: &str = "containerd.io/gc.ref.content.";

/// The kinds of content in the name of a download (`MakeRefKey`).
pub(super) const KINDS: [&str; 4] = ["layer", "config", "manifest", "index"];

impl Store {
    /// The bytes of the manifest or index `digest`, if they are here.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn manifest(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let request =
            call(api::ReadContentRequest { digest: digest.to_owned(), offset: 0, size: MAX_MANIFEST as i64 });
        let mut stream = match self.content.clone().read(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(content_error("read", digest)(status)),
        };
        let mut bytes = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(part)) => bytes.extend_from_slice(&part.data),
                Ok(None) => return Ok(Some(bytes)),
                Err(status) if status.code() == Code::NotFound => return Ok(None),
                Err(status) => return Err(content_error("read", digest)(status)),
            }
            if bytes.len() > MAX_MANIFEST {
                return Ok(Some(bytes));
            }
        }
    }

    /// Ends the downloads of `digest`, of whatever kind, and throws away what they have. It is not an
    /// error if there are none.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn abort_ingests(&self, digest: &str) -> Result<(), StoreError> {
        for kind in KINDS {
            let reference = format!("{kind}-{digest}");
            let request = call(api::AbortRequest { r#ref: reference.clone() });
            match self.content.clone().abort(request).await {
                Err(status) if status.code() != Code::NotFound => {
                    return Err(content_error("abort", &reference)(status));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds a manifest or an index whose bytes have been checked against `digest`. containerd then does not fetch it
    /// from a registry. Nothing refers to it yet: a garbage collection that comes before the pull removes it again.
    ///
    /// # Errors
    /// containerd's refusal. If it is there already, that is not an error.
    pub async fn add_manifest(&self, digest: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let whole = api::WriteContentRequest {
            action: api::WriteAction::Commit.into(),
            r#ref: format!("cri-shunt-{digest}"),
            total: length,
            expected: digest.to_owned(),
            data: bytes.to_vec(),
            ..api::WriteContentRequest::default()
        };
        let request = call(futures_util::stream::iter([whole]));
        let written = async {
            let mut answers = self.content.clone().write(request).await?.into_inner();
            while answers.message().await?.is_some() {}
            Ok(())
        };
        match written.await {
            Err(status) if !is_there(&status) => Err(content_error("add", digest)(status)),
            _ => Ok(()),
        }
    }

    /// Notes on everything that belongs to the image `digest` that it is from `original`, and removes the note that it
    /// is from the host `forget`, a private host of the shunt. Returns how many blobs were changed.
    ///
    /// Each change is a write of containerd's to its disk, so this may take some milliseconds for each blob.
    ///
    /// # Errors
    /// containerd's refusal. Content that is not there, or goes meanwhile, is not an error.
    pub async fn set_source(
        &self,
        digest: &str,
        original: &Name,
        forget: Option<&str>,
    ) -> Result<usize, StoreError> {
        let mut seen = BTreeSet::from([digest.to_owned()]);
        let mut next = VecDeque::from([digest.to_owned()]);
        let mut changed = 0;
        while let Some(digest) = next.pop_front() {
            let Some(info) = self.info(&digest).await? else { continue };
            for (_, child) in info.labels.iter().filter(|(label, _)| label.starts_with(CHILD)) {
                if seen.len() < MAX_BLOBS && seen.insert(child.clone()) {
                    next.push_back(child.clone());
                }
            }
            changed += usize::from(self.set_source_of(info, original, forget).await?);
        }
        Ok(changed)
    }

    async fn set_source_of(
        &self,
        mut info: api::Info,
        original: &Name,
        forget: Option<&str>,
    ) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let changes = source_changes(&info.labels, original, forget);
            if changes.is_empty() {
                return Ok(false);
            }
            match self.update_labels(&info.digest, &changes).await? {
                None => return Ok(false),
                Some(now) if source_changes(&now.labels, original, forget).is_empty() => return Ok(true),
                Some(now) => info = now,
            }
        }
        Err(content_error("label", &info.digest)(Status::aborted("others change the same labels")))
    }

    /// The blob after the change; none where it is gone.
    async fn update_labels(
        &self,
        digest: &str,
        changes: &HashMap<String, String>,
    ) -> Result<Option<api::Info>, StoreError> {
        let info = api::Info { digest: digest.to_owned(), labels: changes.clone(), ..api::Info::default() };
        let paths = changes.keys().map(|label| format!("labels.{label}")).collect();
        let request = call(api::UpdateRequest { info: Some(info), update_mask: Some(FieldMask { paths }) });
        found(self.content.clone().update(request).await)
            .map(|answer| answer.and_then(|answer| answer.info))
            .map_err(content_error("label", digest))
    }

    pub(super) async fn info(&self, digest: &str) -> Result<Option<api::Info>, StoreError> {
        let request = call(api::InfoRequest { digest: digest.to_owned() });
        found(self.content.clone().info(request).await)
            .map(|answer| answer.and_then(|answer| answer.info))
            .map_err(content_error("look at", digest))
    }
}

fn is_there(status: &Status) -> bool {
    status.code() == Code::AlreadyExists
}

fn found<T>(answer: Result<tonic::Response<T>, Status>) -> Result<Option<T>, Status> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status),
    }
}

/// The label for content from a registry host: containerd leaves the port and brackets out.
pub(super) fn source_label(host: &str) -> String {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    format!("{SOURCE}{}", name.trim_start_matches('[').trim_end_matches(']'))
}

/// The labels to change; containerd removes one whose value is empty.
fn source_changes(
    labels: &HashMap<String, String>,
    original: &Name,
    forget: Option<&str>,
) -> HashMap<String, String> {
    let mut changes = HashMap::new();
    let label = source_label(original.host());
    let mut repositories: BTreeSet<&str> =
        labels.get(&label).into_iter().flat_map(|value| value.split(',')).collect();
    if repositories.insert(original.path()) {
        let value: Vec<&str> = repositories.into_iter().filter(|name| !name.is_empty()).collect();
        changes.insert(label, value.join(","));
    }
    let forgotten = forget.map(source_label);
    changes.extend(forgotten.filter(|label| labels.contains_key(label)).map(|label| (label, String::new())));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_host_without_port_and_brackets() {
        for (host, name) in
            [("m.dev", "m.dev"), ("m.dev:5000", "m.dev"), ("[::1]:5000", "::1"), ("[::1]", "::1")]
        {
            assert_eq!(source_label(host), format!("{SOURCE}{name}"));
        }
    }

    #[test]
    fn the_originals_repository_joins_those_that_are_there() {
        let original: Name = "docker.io/library/app:1".parse().unwrap();
        let private = "zzz.0123456789.cri-shunt.invalid";
        let labels = |rows: Labels<'_>| -> HashMap<String, String> {
            rows.iter().map(|(host, value)| (format!("{SOURCE}{host}"), (*value).to_owned())).collect()
        };
        type Labels<'r> = &'r [(&'r str, &'r str)];
        let rows: [(Labels<'_>, Labels<'_>); 4] = [
            (&[], &[("docker.io", "library/app")]),
            (&[("docker.io", "library/app"), ("m.dev", "x")], &[]),
            (&[("docker.io", "a/b,z")], &[("docker.io", "a/b,library/app,z")]),
            (&[("docker.io", "library/app"), (private, "m/app")], &[(private, "")]),
        ];
        for (there, changes) in rows {
            assert_eq!(
                source_changes(&labels(there), &original, Some(private)),
                labels(changes),
                "{there:?}"
            );
        }
    }
}
