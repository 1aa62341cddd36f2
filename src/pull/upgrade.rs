//! Removes the mirrors' names that the version before has left in containerd, once.
//!
//! That version fetched images by the mirror's own tags, and noted in a file which names it had to remove later. This
//! version makes no such names, so the file is all that knows of them.
//!
//! Holds: only names in that file are removed, only if no client has pulled them again since, and never the last name
//! of an image. When all is done the file goes. Nothing waits for this: it runs beside the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use containerd_client::services::v1::Image;
use serde::Deserialize;

use crate::containerd::{StoreError, is_id_record};
use crate::files::regular_file;
use crate::policy::Names;
use crate::state::State;

/// The file in the state directory.
const FILE: &str = "mirror-names.json";

/// The file, put aside because it could not be understood.
const ASIDE: &str = "mirror-names.json.unreadable";

/// The one form that it has had.
const VERSION: u32 = 1;

/// More than the names of any node.
const LIMIT: u64 = 64 << 20;

/// For how long containerd may go on with a pull whose client has left: from the unpacking on it does not look at the
/// cancellation.
const LATE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Ledger {
    version: u32,
    repositories: BTreeMap<String, Brought>,
}

/// What the file says about one repository at a mirror.
#[derive(Default, Deserialize)]
struct Brought {
    /// Names that pulls of the shunt have made, with the date of the last change that was the shunt's own. The date is
    /// missing if the pull was still under way.
    names: BTreeMap<String, Option<Stamp>>,
    /// Names that others have made or asked for.
    kept: BTreeSet<String>,
}

/// Seconds and nanoseconds since 1970, as containerd dates its records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Stamp(i64, i32);

impl From<&prost_types::Timestamp> for Stamp {
    fn from(at: &prost_types::Timestamp) -> Self {
        Self(at.seconds, at.nanos)
    }
}

impl Stamp {
    fn at(moment: SystemTime) -> Self {
        Self::from(&prost_types::Timestamp::from(moment))
    }

    /// When `image` was last changed.
    fn of(image: &Image) -> Self {
        image.updated_at.as_ref().map_or(Self(0, 0), Self::from)
    }
}

/// Waits for containerd and removes what the file in `directory` names. Returns when there is nothing left to do.
pub async fn tidy(state: Arc<State>, directory: PathBuf) {
    let path = directory.join(FILE);
    let read_from = path.clone();
    let read = tokio::task::spawn_blocking(move || read(&read_from)).await;
    let Ok(Some(ledger)) = read else { return };
    if state.generation().policy.settings().names == Names::Both {
        // They are to stay. If this changes, the next start removes them.
        return;
    }
    // What a pull that was cut off may still write is there after this.
    tokio::time::sleep(LATE).await;
    let until = Stamp::at(SystemTime::now());
    let mut facts = state.containerd.watch_facts();
    while facts.wait_for(Option::is_some).await.is_ok() {
        match tidy_all(&state, &ledger, until).await {
            Ok(removed) => {
                tracing::info!(removed, "removed names of mirrors that the version before had left");
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, file = %path.display(), "cannot remove the list of mirror names");
                }
                return;
            }
            Err(error) => tracing::warn!(%error, "cannot remove names that the version before has left yet"),
        }
        if facts.changed().await.is_err() {
            return;
        }
    }
}

async fn tidy_all(state: &State, ledger: &Ledger, until: Stamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for (repository, brought) in &ledger.repositories {
        let records = state.containerd.store.in_repository(repository).await?;
        let ours = ours(repository, &records, brought, until);
        for image in &ours {
            removed += usize::from(remove(state, image, &ours).await?);
        }
    }
    Ok(removed)
}

/// Removes the record of `image`. Says whether it has.
async fn remove(state: &State, image: &Image, ours: &[&Image]) -> Result<bool, StoreError> {
    let store = &state.containerd.store;
    // A pull of this version may use the same name, and then decides itself about it.
    let Some(_alone) = state.temporary_names.enter(&image.name).await.leave() else { return Ok(false) };
    // Somebody may have pulled it since it was listed.
    let now = store.get(&image.name).await?;
    if now.is_none_or(|now| now.updated_at != image.updated_at) {
        return Ok(false);
    }
    let digest = image.target.as_ref().map(|target| target.digest.as_str()).unwrap_or_default();
    if !has_another_name(&store.with_target(digest).await?, ours) {
        tracing::info!(name = image.name, "a mirror's name stays: it is the only name of its image");
        return Ok(false);
    }
    store.delete(&image.name).await?;
    Ok(true)
}

/// Whether the image of these records has a name that stays. CRI keeps a record for the image's id as well.
fn has_another_name(records: &[Image], ours: &[&Image]) -> bool {
    let stays =
        |image: &Image| !is_id_record(&image.name) && !ours.iter().any(|other| other.name == image.name);
    records.iter().any(stays)
}

/// Which of the records of `repository` are the shunt's to remove, tags first. `until` is the date for pulls that were
/// cut off.
///
/// A digest is only noted if its pull came to an end, so each tag that goes takes its digest with it. A digest stays if
/// a tag that stays points at it.
fn ours<'r>(repository: &str, records: &'r [Image], brought: &Brought, until: Stamp) -> Vec<&'r Image> {
    let digest_name = |image: &Image| Some(format!("{repository}@{}", image.target.as_ref()?.digest));
    let noted = |image: &Image| brought.names.get(&image.name).map(|date| date.unwrap_or(until));
    let (digests, tags): (Vec<_>, Vec<_>) = records.iter().partition(|image| image.name.contains('@'));
    let (mut remove, stay): (Vec<_>, Vec<_>) =
        tags.into_iter().partition(|image| noted(image).is_some_and(|date| Stamp::of(image) <= date));

    let stay: BTreeSet<String> = stay.into_iter().filter_map(digest_name).collect();
    let mut dates: BTreeMap<String, Stamp> = BTreeMap::new();
    for image in &remove {
        if let (Some(name), Some(date)) = (digest_name(image), noted(image)) {
            let known = dates.entry(name).or_insert(date);
            *known = date.max(*known);
        }
    }
    let is_ours = |image: &Image| {
        let date = noted(image).max(dates.get(&image.name).copied());
        let kept = brought.kept.contains(&image.name) || stay.contains(&image.name);
        !kept && date.is_some_and(|date| Stamp::of(image) <= date)
    };
    remove.extend(digests.into_iter().filter(|image| is_ours(image)));
    remove
}

/// Whether a file of a state directory is the list, by its name.
#[must_use]
pub fn is_file(name: &str) -> bool {
    [FILE, ASIDE].contains(&name)
}

/// The file at `path`, if it is there and can be understood. Else it is put aside. It blocks.
fn read(path: &Path) -> Option<Ledger> {
    let text = match regular_file::read(path, LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, file = %path.display(), "cannot read the list of mirror names");
            return None;
        }
    };
    let problem = match serde_json::from_slice::<Ledger>(&text) {
        Ok(ledger) if ledger.version == VERSION => return Some(ledger),
        Ok(ledger) => format!("version {} is not {VERSION}", ledger.version),
        Err(error) => error.to_string(),
    };
    let aside = path.with_file_name(ASIDE);
    tracing::error!(file = %path.display(), moved_to = %aside.display(), problem,
        "cannot understand the list of mirror names; the names in it stay");
    if let Err(error) = std::fs::rename(path, &aside) {
        tracing::warn!(%error, file = %path.display(), "cannot move the list of mirror names");
    }
    None
}

#[cfg(test)]
mod tests {
    use containerd_client::types::Descriptor;

    use super::*;

    fn record(name: &str, digest: &str, at: i64) -> Image {
        Image {
            name: name.to_owned(),
            target: Some(Descriptor { digest: digest.to_owned(), ..Default::default() }),
            updated_at: Some(prost_types::Timestamp { seconds: at, nanos: 0 }),
            ..Default::default()
        }
    }

    fn brought(text: &str) -> Brought {
        let ledger = format!(r#"{{"version":1,"repositories":{{"m/r":{text}}}}}"#);
        let mut ledger: Ledger = serde_json::from_str(&ledger).unwrap();
        ledger.repositories.remove("m/r").unwrap()
    }

    #[test]
    fn names_that_nobody_has_pulled_since_are_removed_with_their_digests() {
        let done = r#"{"names":{"m/r:1":[5,0],"m/r@sha256:a":[5,0]},"kept":[]}"#;
        let cut_off = r#"{"names":{"m/r:1":null},"kept":[]}"#;
        let digest_kept = r#"{"names":{"m/r:1":[5,0]},"kept":["m/r@sha256:a"]}"#;
        let digest_alone = r#"{"names":{"m/r@sha256:a":[5,0]},"kept":[]}"#;
        let (one, two, digest) = ("m/r:1", "m/r:2", "m/r@sha256:a");
        // What the file says, which records there are with their dates, and which are removed.
        type Row<'r> = (&'r str, &'r str, &'r [(&'r str, i64)], &'r [&'r str]);
        let rows: [Row<'_>; 9] = [
            ("both were left", done, &[(one, 5), (digest, 5)], &[one, digest]),
            ("the pull was cut off", cut_off, &[(one, 9), (digest, 9)], &[one, digest]),
            ("both are pulled since the start", cut_off, &[(one, 11), (digest, 11)], &[]),
            ("the tag is pulled since", done, &[(one, 6), (digest, 5)], &[]),
            ("the digest is pulled since", done, &[(one, 5), (digest, 6)], &[one]),
            ("another tag stands for the digest", done, &[(one, 5), (two, 3), (digest, 5)], &[one]),
            ("somebody asked for the digest", digest_kept, &[(one, 5), (digest, 5)], &[one]),
            ("only the digest is left", digest_alone, &[(digest, 5)], &[digest]),
            ("all is gone", done, &[], &[]),
        ];
        for (row, noted, there, wanted) in rows {
            let records: Vec<Image> = there.iter().map(|(name, at)| record(name, "sha256:a", *at)).collect();
            let ours = ours("m/r", &records, &brought(noted), Stamp(10, 0));
            let names: Vec<&str> = ours.iter().map(|image| image.name.as_str()).collect();
            assert_eq!(names, wanted, "{row}");
        }
    }

    #[test]
    fn the_last_name_of_an_image_stays() {
        let (tag, id) = (record("m/r:1", "sha256:a", 5), record("sha256:c", "sha256:a", 5));
        let original = record("docker.io/library/r:1", "sha256:a", 5);
        assert!(!has_another_name(&[tag.clone(), id.clone()], &[&tag]));
        assert!(has_another_name(&[tag.clone(), id, original], &[&tag]));
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join(FILE), dir.path().join(ASIDE));
        assert!(read(&path).is_none());
        for text in ["{\"version\":1,\"reposi", r#"{"version":2,"repositories":{}}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_none());
            assert_eq!(std::fs::read_to_string(&aside).unwrap(), text);
            assert!(!path.exists());
        }
        std::fs::write(&path, r#"{"version":1,"repositories":{"m/r":{"names":{},"kept":[]}}}"#).unwrap();
        assert!(read(&path).is_some_and(|ledger| ledger.repositories.contains_key("m/r")));
    }
}
