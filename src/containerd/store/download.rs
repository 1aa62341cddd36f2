//! How far the download of an image is, for people who wait for it.
//!
//! Holds: it only reads. Manifests are what a registry wrote: of one image no more than so many blobs are looked at.
//!
//! Source: as in `arrived`; for the sizes, OCI image-spec v1.1 (manifest, index).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

use containerd_client::services::v1 as api;
use serde::Deserialize;

use super::content::{CHILD, KINDS, MAX_BLOBS, source_label};
use super::{Store, StoreError, call, content_error};
use crate::policy::Name;

/// One image, of which more is known with each look.
#[derive(Debug, Default)]
pub struct Download {
    blobs: BTreeMap<String, Blob>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Blob {
    is_layer: bool,
    size: u64,
    /// How much of it is there.
    arrived: u64,
    is_whole: bool,
    /// Whether it came after the download began.
    is_new: bool,
}

/// How much of an image is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Have {
    /// The layers of the image.
    pub layers: usize,
    /// Those that are there as a whole.
    pub whole: usize,
    /// The bytes of layers and configuration.
    pub bytes: u64,
    /// Those that are there.
    pub arrived: u64,
    /// The bytes of blobs that came after the download began.
    pub fetched: u64,
}

/// What is read of a manifest or an index.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    config: Option<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    size: u64,
}

impl Store {
    /// The manifest or index of the repository of `name` that has come since this moment; none if several images have
    /// come, as nothing says which of them has this name.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn manifest_since(&self, name: &Name, since: SystemTime) -> Result<Option<String>, StoreError> {
        let quoted = |text: String| serde_json::Value::String(text).to_string();
        let pattern = quoted(format!("(^|,){}(,|$)", regex::escape(name.path())));
        let filter = format!("labels.{}~={pattern}", quoted(source_label(name.host())));
        let request = call(api::ListContentRequest { filters: vec![filter] });
        let answer = self.content.clone().list(request).await;
        let failed = content_error("list", name.repository());
        let mut pages = match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Err(failed(status)),
        };
        let mut found = Vec::new();
        loop {
            match pages.message().await {
                Ok(Some(page)) => found.extend(page.info.into_iter().filter(|info| is_parent(info, since))),
                Ok(None) => break,
                Err(status) => return Err(failed(status)),
            }
        }
        Ok(the_only_image(&found))
    }

    /// How much of the downloads under way is there, by their names.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn downloads(&self) -> Result<HashMap<String, u64>, StoreError> {
        let request = call(api::ListStatusesRequest::default());
        let answer = self.content.clone().list_statuses(request).await;
        let statuses = answer.map_err(content_error("list", "downloads"))?.into_inner().statuses;
        let size = |offset: i64| u64::try_from(offset).unwrap_or_default();
        Ok(statuses.into_iter().map(|status| (status.r#ref, size(status.offset))).collect())
    }
}

/// Whether a blob names others and came after this moment.
fn is_parent(info: &api::Info, since: SystemTime) -> bool {
    children(info).next().is_some() && is_since(info, since)
}

fn children(info: &api::Info) -> impl Iterator<Item = &String> {
    info.labels.iter().filter(|(label, _)| label.starts_with(CHILD)).map(|(_, child)| child)
}

/// What belongs to no other of these, if that is one.
fn the_only_image(parents: &[api::Info]) -> Option<String> {
    let below: BTreeSet<&String> = parents.iter().flat_map(children).collect();
    let mut images = parents.iter().map(|info| &info.digest).filter(|digest| !below.contains(digest));
    images.next().filter(|_| images.next().is_none()).cloned()
}

fn is_since(info: &api::Info, since: SystemTime) -> bool {
    let created = info.created_at.and_then(|at| SystemTime::try_from(at).ok());
    created.is_some_and(|created| created >= since)
}

impl Download {
    /// Whether it is known what belongs to the image.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.blobs.is_empty()
    }

    /// Looks at the image that this manifest or index is of, whose download began at `since`. The digest counts
    /// only until it is known what belongs to the image.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn look(
        &mut self,
        store: &Store,
        root: Option<&str>,
        downloads: &HashMap<String, u64>,
        since: SystemTime,
    ) -> Result<Have, StoreError> {
        let (mut next, mut seen) = (Vec::from_iter(root.map(str::to_owned)), BTreeSet::new());
        // An index names manifests for other machines as well, which never come.
        while let Some(digest) = next.pop()
            && !self.is_known()
            && seen.len() < MAX_BLOBS
        {
            if seen.insert(digest.clone()) {
                next.extend(self.read(store, &digest).await?);
            }
        }
        for (digest, blob) in self.blobs.iter_mut().filter(|(_, blob)| !blob.is_whole) {
            let under_way = KINDS.iter().find_map(|kind| downloads.get(&format!("{kind}-{digest}")));
            match (under_way, store.info(digest).await?) {
                (_, Some(info)) => {
                    (blob.is_whole, blob.arrived) = (true, blob.size);
                    blob.is_new = is_since(&info, since);
                }
                (Some(offset), None) => blob.arrived = (*offset).min(blob.size),
                (None, None) => {}
            }
        }
        Ok(self.have())
    }

    /// Reads a manifest, and returns what an index names.
    async fn read(&mut self, store: &Store, digest: &str) -> Result<Vec<String>, StoreError> {
        let Some(bytes) = store.manifest(digest).await? else { return Ok(Vec::new()) };
        // Whatever it is, containerd says what is wrong with it.
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) else { return Ok(Vec::new()) };
        let Manifest { manifests, layers, config } = manifest;
        let blob = |is_layer| {
            move |part: Descriptor| (part.digest, Blob { is_layer, size: part.size, ..Blob::default() })
        };
        let blobs = config.into_iter().map(blob(false)).chain(layers.into_iter().map(blob(true)));
        self.blobs.extend(blobs.take(MAX_BLOBS));
        Ok(manifests.into_iter().take(MAX_BLOBS).map(|part| part.digest).collect())
    }

    fn have(&self) -> Have {
        let mut have = Have::default();
        for blob in self.blobs.values() {
            have.layers += usize::from(blob.is_layer);
            have.whole += usize::from(blob.is_layer && blob.is_whole);
            // A manifest may say anything.
            have.bytes = have.bytes.saturating_add(blob.size);
            have.arrived = have.arrived.saturating_add(blob.arrived);
            have.fetched = have.fetched.saturating_add(if blob.is_new { blob.size } else { 0 });
        }
        have
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_images_none_is_taken_for_the_one() {
        let parent = |digest: &str, children: &[&str]| api::Info {
            digest: digest.to_owned(),
            labels: children.iter().map(|child| (format!("{CHILD}{child}"), (*child).to_owned())).collect(),
            ..api::Info::default()
        };
        let (index, manifest, other) =
            (parent("i", &["m", "n"]), parent("m", &["l"]), parent("o", &["l", "k"]));
        assert_eq!(the_only_image(&[]), None);
        assert_eq!(the_only_image(&[manifest.clone(), index.clone()]), Some("i".to_owned()));
        assert_eq!(the_only_image(std::slice::from_ref(&manifest)), Some("m".to_owned()));
        assert_eq!(the_only_image(&[manifest, other.clone()]), None);
        assert_eq!(the_only_image(&[other, index]), None);
    }
}
