//! Removes the mirrors' names that the shunt's own pulls left in containerd, later and off any request.
//!
//! Before: `pull` notes in the [`Ledger`] what it brings.  After: containerd's image store.
//! Holds: only names that the ledger calls ours are removed, and only while no pull of their repository
//! is under way and none has been for a while. Removing them at once would fail others: CRI finds an
//! image's id through its alphabetically first name, so a name must not vanish under a CreateContainer.

mod file;
mod ledger;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::Image;

use ledger::{Brought, Due, Stamp};
pub use ledger::{Ledger, LedgerError, Ticket};

use crate::node::Node;
use crate::policy::Names;
use crate::upstream::{Store, StoreError};

/// How long to leave a repository alone whose sweep containerd refused.
const RETRY: Duration = Duration::from_secs(5);

/// Sweeps for as long as it is polled.
pub async fn run(node: Arc<Node>) {
    loop {
        let generation = node.generation();
        if generation.policy.settings().names == Names::Both {
            // Nothing is ours to remove while both names are to stay; a reload may change that.
            tokio::time::sleep(RETRY).await;
            continue;
        }
        for due in node.ledger.due(generation.pull.sweep_after) {
            let repository = due.repository().to_owned();
            if let Err(error) = sweep(&node.store, &node.ledger, due).await {
                tracing::warn!(%error, repository, "sweep put off");
                node.ledger.put_off(&repository, RETRY);
            }
        }
        node.ledger.wait(generation.pull.sweep_after).await;
    }
}

/// Removes what is ours in one repository. `due` keeps new pulls of it waiting meanwhile.
async fn sweep(store: &Store, ledger: &Ledger, due: Due) -> Result<(), StoreError> {
    let records = store.in_repository(due.repository()).await?;
    let plan = plan(due.repository(), &records, due.brought());
    for name in &plan {
        ledger.about_to_sweep(name);
        store.delete(name).await?;
        tracing::info!(name, "removed the name that a pull from a mirror left");
    }
    due.done();
    if let Err(error) = ledger.save().await {
        tracing::error!(%error, "the ledger of mirror names cannot be written");
    }
    Ok(())
}

/// Which of `records` are to be removed.
///
/// A name that somebody pulled meanwhile, past the shunt, has a newer date than the one noted, and
/// stays; so does a digest that a remaining tag of the repository points at.
fn plan(repository: &str, records: &[Image], brought: &Brought) -> Vec<String> {
    let found: HashMap<&str, &Image> = records.iter().map(|image| (image.name.as_str(), image)).collect();
    let ours = |name: &str, noted: &Option<Stamp>| {
        let image = found.get(name)?;
        let untouched = noted.is_none_or(|noted| image.updated_at.as_ref().map(Stamp::from) == Some(noted));
        untouched.then_some(*image)
    };
    let is_digest = |name: &str| name.contains('@');

    let mut remove: Vec<String> = Vec::new();
    let mut digests: Vec<String> = Vec::new();
    for (name, noted) in brought.names.iter().filter(|(name, _)| !is_digest(name)) {
        let Some(image) = ours(name, noted) else { continue };
        remove.push(name.clone());
        // A pull that did not come to its end has not said which digest it brought.
        if noted.is_none() {
            digests.extend(image.target.iter().map(|target| format!("{repository}@{}", target.digest)));
        }
    }
    digests.extend(brought.names.keys().filter(|name| is_digest(name)).cloned());
    digests.sort();
    digests.dedup();
    let still_tagged: Vec<&str> = records
        .iter()
        .filter(|image| !is_digest(&image.name) && !remove.contains(&image.name))
        .filter_map(|image| Some(image.target.as_ref()?.digest.as_str()))
        .collect();
    digests.retain(|name| {
        let noted = brought.names.get(name).copied().flatten();
        !brought.kept.contains(name)
            && ours(name, &noted).is_some()
            && !name.rsplit_once('@').is_some_and(|(_, digest)| still_tagged.contains(&digest))
    });
    remove.extend(digests);
    remove
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerd_client::types::Descriptor;

    fn image(name: &str, digest: &str, at: i64) -> Image {
        Image {
            name: name.to_owned(),
            target: Some(Descriptor { digest: digest.to_owned(), ..Default::default() }),
            updated_at: Some(prost_types::Timestamp { seconds: at, nanos: 0 }),
            ..Default::default()
        }
    }

    fn brought(names: &[(&str, Option<i64>)], kept: &[&str]) -> Brought {
        let stamp = |at: i64| Stamp::from(&prost_types::Timestamp { seconds: at, nanos: 0 });
        Brought {
            names: names.iter().map(|(name, at)| ((*name).to_owned(), at.map(stamp))).collect(),
            kept: kept.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn what_was_brought_goes_and_what_others_asked_for_stays() {
        let records = [
            image("m/r:1", "sha256:a", 5),
            image("m/r@sha256:a", "sha256:a", 5),
            image("m/r:2", "sha256:b", 5),
        ];
        let ours = brought(&[("m/r:1", Some(5)), ("m/r@sha256:a", Some(5))], &["m/r:2"]);
        assert_eq!(plan("m/r", &records, &ours), ["m/r:1", "m/r@sha256:a"]);
    }

    #[test]
    fn a_name_pulled_again_past_the_shunt_stays_with_its_digest() {
        let records = [image("m/r:1", "sha256:a", 9), image("m/r@sha256:a", "sha256:a", 5)];
        let ours = brought(&[("m/r:1", Some(5)), ("m/r@sha256:a", Some(5))], &[]);
        assert!(plan("m/r", &records, &ours).is_empty());
    }

    #[test]
    fn an_interrupted_pull_is_swept_with_the_digest_its_tag_points_at() {
        let records = [image("m/r:1", "sha256:a", 5), image("m/r@sha256:a", "sha256:a", 5)];
        let ours = brought(&[("m/r:1", None)], &[]);
        assert_eq!(plan("m/r", &records, &ours), ["m/r:1", "m/r@sha256:a"]);
        let ours = brought(&[("m/r:1", None)], &["m/r@sha256:a"]);
        assert_eq!(plan("m/r", &records, &ours), ["m/r:1"]);
    }
}
