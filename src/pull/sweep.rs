//! Removes the mirrors' names that the shunt's own pulls left in containerd, later and off any request.
//!
//! Before: `pull` notes in the [`Ledger`] what it brings.  After: containerd's image store.
//! Holds: only names that the ledger calls ours are removed, and only while no pull of their repository
//! is under way and none has been for a while. Removing them at once would fail others: CRI finds an
//! image's id through its alphabetically first name, so a name must not vanish under a CreateContainer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::Image;

use crate::containerd::{Store, StoreError};
use crate::policy::Names;
use crate::state::{Brought, Due, Ledger, Stamp, State, is_digest};

/// How long to leave a repository alone whose sweep containerd refused.
const RETRY: Duration = Duration::from_secs(5);

/// Sweeps for as long as it is polled.
pub async fn run(state: Arc<State>) {
    loop {
        let generation = state.generation();
        if generation.policy.settings().names == Names::Both {
            // Nothing is ours to remove while both names are to stay; a reload may change that.
            tokio::time::sleep(RETRY).await;
            continue;
        }
        let rest = generation.pull.sweep_after;
        // One at a time: what is due is closed to pulls.
        while let Some(due) = state.ledger.due(rest) {
            let repository = due.repository().to_owned();
            if let Err(error) = sweep(&state.containerd.store, &state.ledger, due).await {
                tracing::warn!(%error, repository, "sweep put off");
                state.ledger.put_off(&repository, RETRY);
            }
        }
        // Also how pulls ended that were cancelled, which nobody else waits for.
        if let Err(error) = state.ledger.save().await {
            tracing::error!(%error, "the ledger of mirror names cannot be written");
        }
        state.ledger.wait(rest).await;
    }
}

/// Removes what is ours in one repository. `due` keeps new pulls of it waiting meanwhile.
async fn sweep(store: &Store, ledger: &Ledger, due: Due) -> Result<(), StoreError> {
    let seen = Stamp::now();
    let records = store.in_repository(due.repository()).await?;
    let plan = Plan::new(due.repository(), &records, due.brought());
    for image in &plan.remove {
        // Pulled past the shunt since it was listed: it stays. Nothing can be done about the moment left.
        let now = store.get(&image.name).await?;
        if now.is_none_or(|now| now.updated_at != image.updated_at) {
            continue;
        }
        ledger.about_to_sweep(&image.name);
        store.delete(&image.name).await?;
        tracing::info!(name = image.name, "removed the name that a pull from a mirror left");
    }
    due.done(plan.digests, seen);
    Ok(())
}

/// What a sweep of one repository does.
struct Plan<'r> {
    /// The records to remove, tags first.
    remove: Vec<&'r Image>,
    /// The digests that the removed tags stood for, until when what bears their names may be ours.
    digests: BTreeMap<String, Option<Stamp>>,
}

impl<'r> Plan<'r> {
    /// Which of `records` are to be removed.
    ///
    /// A name that somebody pulled meanwhile, past the shunt, has a newer date than the one noted, and
    /// stays; so does a digest that a remaining tag of the repository points at.
    fn new(repository: &str, records: &'r [Image], brought: &Brought) -> Self {
        let found: HashMap<&str, &Image> = records.iter().map(|image| (image.name.as_str(), image)).collect();
        let ours = |name: &str, until: Option<Stamp>| {
            found.get(name).copied().filter(|image| until.is_none_or(|until| Stamp::of(image) <= until))
        };

        let mut remove = Vec::new();
        let mut digests = BTreeMap::new();
        for (name, until) in &brought.names {
            if is_digest(name) {
                note(&mut digests, name.clone(), *until);
            } else if let Some(image) = ours(name, *until) {
                // A pull that did not come to its end has not said which digest it brought.
                let digest = image.target.iter().map(|target| format!("{repository}@{}", target.digest));
                digest.for_each(|digest| note(&mut digests, digest, *until));
                remove.push(image);
            }
        }
        digests.retain(|name, _| !brought.kept.contains(name));

        let removed = |image: &Image| remove.iter().any(|tag: &&Image| tag.name == image.name);
        let still_tagged: Vec<String> = records
            .iter()
            .filter(|image| !is_digest(&image.name) && !removed(image))
            .filter_map(|image| Some(format!("{repository}@{}", image.target.as_ref()?.digest)))
            .collect();
        let gone = digests.iter().filter(|(name, _)| !still_tagged.contains(name));
        remove.extend(gone.filter_map(|(name, until)| ours(name, *until)).collect::<Vec<_>>());
        Self { remove, digests }
    }
}

/// Notes `name` with the later one of two dates.
fn note(digests: &mut BTreeMap<String, Option<Stamp>>, name: String, until: Option<Stamp>) {
    let known = digests.entry(name).or_insert(until);
    *known = until.max(*known);
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

    fn plan(repository: &str, records: &[Image], brought: &Brought) -> Vec<String> {
        let plan = Plan::new(repository, records, brought);
        plan.remove.into_iter().map(|image| image.name.clone()).collect()
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
