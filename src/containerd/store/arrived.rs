//! How much of an image containerd has, while it fetches it.
//!
//! Source: containerd `core/images/handlers.go` (`SetChildrenMappedLabels` names what a manifest holds, before it is
//! fetched), `core/remotes/handlers.go` (`MakeRefKey` names the downloads).

use std::collections::{BTreeMap, BTreeSet};

use containerd_client::services::v1 as api;

use super::content::{CHILD, KINDS, MAX_BLOBS};
use super::{Store, StoreError, call, content_error};

/// What is there of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// The blobs that are whole.
    whole: BTreeSet<String>,
    /// How many bytes there are of the others, by download.
    partly: BTreeMap<String, i64>,
    /// Whether something is missing, or it is not known yet what belongs to the image.
    pub is_missing: bool,
}

impl Store {
    /// How much of the image `digest` is there. `before` is an earlier answer: what was whole then is not looked at again.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn arrived(&self, digest: &str, before: &Arrived) -> Result<Arrived, StoreError> {
        let mut now = Arrived { whole: before.whole.clone(), ..Arrived::default() };
        let mut next = vec![digest.to_owned()];
        let mut seen = BTreeSet::from([digest.to_owned()]);
        let (mut missing, mut is_known) = (BTreeSet::new(), false);
        while let Some(manifest) = next.pop() {
            let Some(info) = self.info(&manifest).await? else { continue };
            for (label, child) in info.labels.iter().filter(|(label, _)| label.starts_with(CHILD)) {
                if seen.len() >= MAX_BLOBS || !seen.insert(child.clone()) {
                    continue;
                }
                // An index has children for other machines too, which never come.
                if label[CHILD.len()..].starts_with("m.") {
                    next.push(child.clone());
                    continue;
                }
                is_known = true;
                if now.whole.contains(child) {
                    continue;
                }
                match self.info(child).await? {
                    Some(_) => now.whole.insert(child.clone()),
                    None => missing.insert(child.clone()),
                };
            }
        }
        now.is_missing = !missing.is_empty() || !is_known;
        let request = call(api::ListStatusesRequest::default());
        let answer = self.content.clone().list_statuses(request).await;
        let statuses = answer.map_err(content_error("list the downloads of", digest))?.into_inner().statuses;
        for status in statuses {
            let of = KINDS.iter().find_map(|kind| status.r#ref.strip_prefix(kind)?.strip_prefix('-'));
            if of.is_some_and(|of| seen.contains(of)) {
                now.partly.insert(status.r#ref, status.offset);
            }
        }
        Ok(now)
    }
}
