//! What is known of the names in one mirror repository, as pulls of it come and go.
//!
//! Before: `ledger` tells of pulls, with what containerd's store shows.  After: `sweep` plans by it.
//! Holds: a name is ours if a pull of ours was to bring it, it was not there before, and its record has
//! not been changed since our pulls ended. Whatever was changed later, somebody else has pulled.
//! Not here: locks, the file, containerd (`ledger`, `file`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use containerd_client::services::v1::Image;
use serde::{Deserialize, Serialize};

/// For how long containerd may go on with a pull whose client has left: from unpacking on it does not
/// look for that any more.
const LATE: Duration = Duration::from_secs(5);

/// A moment, as containerd dates its records with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp(i64, i32);

impl Stamp {
    /// This moment: containerd runs by the same clock.
    pub fn now() -> Self {
        Self::from(&prost_types::Timestamp::from(SystemTime::now()))
    }

    /// When the last traces of a pull that ends now, and not well, will have been written.
    pub(super) fn late() -> Self {
        Self::from(&prost_types::Timestamp::from(SystemTime::now() + LATE))
    }

    /// When `image` was last changed.
    pub fn of(image: &Image) -> Self {
        image.updated_at.as_ref().map_or(Self(0, 0), Self::from)
    }
}

impl From<&prost_types::Timestamp> for Stamp {
    fn from(at: &prost_types::Timestamp) -> Self {
        Self(at.seconds, at.nanos)
    }
}

/// The part of it that is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Names that pulls of ours bring, with the date of the last change that may be theirs. There is
    /// none while such a pull is under way.
    pub names: BTreeMap<String, Option<Stamp>>,
    /// Names that were there before, or that somebody asked for by that very name.
    pub kept: BTreeSet<String>,
}

/// The names in one repository and the pulls that are under way there.
#[derive(Default)]
pub(super) struct Book {
    pub(super) brought: Brought,
    /// Pulls of ours under way, by name. Their names have no date, unless they are kept.
    flights: HashMap<String, Flight>,
    /// How often a name was kept, to tell whether a list of names is older than one of those.
    keeps: u64,
}

/// Pulls of one name under way.
struct Flight {
    count: usize,
    /// The date that the name will have when none is left.
    until: Option<Stamp>,
}

/// Whether a name is the one of a digest, which all tags that point at it share.
pub fn is_digest(name: &str) -> bool {
    name.contains('@')
}

impl Book {
    /// From the file. Pulls that were under way then were cut off when the program ended.
    pub(super) fn reopened(mut brought: Brought) -> Self {
        for until in brought.names.values_mut().filter(|until| until.is_none()) {
            *until = Some(Stamp::late());
        }
        Self { brought, ..Self::default() }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.brought.names.is_empty() && self.flights.is_empty()
    }

    /// To be given to [`Book::intend`] with a list of what is there that was asked for after this call.
    pub(super) fn keeps(&self) -> u64 {
        self.keeps
    }

    fn keep(&mut self, name: &str) -> bool {
        let news = self.brought.kept.insert(name.to_owned());
        self.keeps += u64::from(news);
        self.brought.names.remove(name).is_some() || news
    }

    /// A pull of ours begins that is to bring `name`, where `existing` is there already.
    pub(super) fn intend(&mut self, name: &str, existing: &[Image], keeps: u64) {
        if keeps == self.keeps {
            self.brought.kept.retain(|kept| existing.iter().any(|image| image.name == *kept));
        }
        let now = Stamp::now();
        // Otherwise a digest that nobody has claimed yet may be one of ours.
        let settled = self.flights.is_empty() && self.brought.names.values().all(|until| *until <= Some(now));
        for image in existing {
            let foreign = match self.brought.names.get(&image.name) {
                None => true,
                Some(Some(until)) => Stamp::of(image) > *until,
                Some(None) => false,
            };
            if foreign && (settled || !is_digest(&image.name)) {
                self.keep(&image.name);
            }
        }
        let known = self.brought.names.get(name).copied().flatten();
        if !self.brought.kept.contains(name) {
            self.brought.names.insert(name.to_owned(), None);
        }
        let flight = self.flights.entry(name.to_owned()).or_insert(Flight { count: 0, until: known });
        flight.count += 1;
    }

    /// A pull has left this record: of ours, or of a client that asked for it by that name. Says whether
    /// that changes what is to be on disk.
    pub(super) fn claim(&mut self, image: &Image, ours: bool) -> bool {
        if !ours {
            // What nobody of ours wants is not on disk, and is found to be there before the next pull.
            return self.keep(&image.name) && !self.is_empty();
        }
        if self.brought.kept.contains(&image.name) {
            return false;
        }
        let date = Some(Stamp::of(image));
        if let Some(flight) = self.flights.get_mut(&image.name) {
            flight.until = flight.until.max(date);
            return false;
        }
        let until = self.brought.names.entry(image.name.clone()).or_default();
        let changed = *until < date;
        *until = date.max(*until);
        changed
    }

    /// A pull of ours has ended: well, and its records are claimed, or in any other way.
    pub(super) fn land(&mut self, name: &str, well: bool) {
        let Some(flight) = self.flights.get_mut(name) else { return };
        flight.count -= 1;
        if !well {
            flight.until = flight.until.max(Some(Stamp::late()));
        }
        if flight.count > 0 {
            return;
        }
        let until = flight.until.unwrap_or_else(Stamp::late);
        self.flights.remove(name);
        if let Some(date) = self.brought.names.get_mut(name) {
            *date = Some(until);
        }
    }

    /// What of ours was there at `seen` is gone, and so are `digests`. What may still come is remembered.
    pub(super) fn swept(&mut self, digests: BTreeMap<String, Option<Stamp>>, seen: Stamp) {
        self.brought.names.extend(digests);
        self.brought.names.retain(|_, until| *until > Some(seen));
        if self.brought.names.is_empty() {
            self.brought.kept.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "m/r:1";
    const DIGEST: &str = "m/r@sha256:a";

    fn at(name: &str, moment: Stamp) -> Image {
        let updated_at = Some(prost_types::Timestamp { seconds: moment.0, nanos: moment.1 });
        Image { name: name.to_owned(), updated_at, ..Default::default() }
    }

    fn early(seconds: i64) -> Stamp {
        Stamp(seconds, 0)
    }

    fn intend(book: &mut Book, name: &str, existing: &[Image]) {
        let keeps = book.keeps();
        book.intend(name, existing, keeps);
    }

    fn ended_well(book: &mut Book, date: Stamp) {
        book.claim(&at(TAG, date), true);
        book.claim(&at(DIGEST, date), true);
        book.land(TAG, true);
    }

    #[test]
    fn a_pull_that_ended_well_claims_what_it_left_until_then() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[]);
        assert_eq!(book.brought.names[TAG], None);
        ended_well(&mut book, early(5));
        assert_eq!(book.brought.names[TAG], Some(early(5)));
        assert_eq!(book.brought.names[DIGEST], Some(early(5)));
    }

    #[test]
    fn a_pull_that_is_cancelled_beside_one_that_ends_well_leaves_the_name_ours() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[]);
        intend(&mut book, TAG, &[]);
        ended_well(&mut book, early(5));
        assert_eq!(book.brought.names[TAG], None, "the other one may change it yet");
        book.land(TAG, false);
        assert!(book.brought.names[TAG] > Some(Stamp::now()), "and so may what it left behind");
    }

    #[test]
    fn an_older_claim_that_comes_later_does_not_count() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[]);
        intend(&mut book, TAG, &[]);
        ended_well(&mut book, early(7));
        ended_well(&mut book, early(5));
        assert_eq!((book.brought.names[TAG], book.brought.names[DIGEST]), (Some(early(7)), Some(early(7))));
    }

    #[test]
    fn a_name_that_others_pulled_since_is_theirs_at_the_next_pull() {
        for name in [TAG, DIGEST] {
            let mut book = Book::default();
            intend(&mut book, TAG, &[]);
            ended_well(&mut book, early(5));
            intend(&mut book, TAG, &[at(TAG, early(5)), at(DIGEST, early(5)), at(name, early(6))]);
            ended_well(&mut book, early(9));
            assert!(book.brought.kept.contains(name) && !book.brought.names.contains_key(name), "{name}");
        }
    }

    #[test]
    fn another_tag_that_others_pulled_stays_even_while_pulls_are_under_way() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[]);
        intend(&mut book, "m/r:2", &[at("m/r:2", early(3)), at(DIGEST, early(3))]);
        assert!(book.brought.kept.contains("m/r:2"));
        assert!(!book.brought.kept.contains(DIGEST), "the pull under way may have brought it");
    }

    #[test]
    fn a_kept_name_that_was_removed_meanwhile_is_not_kept_for_ever() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[at(TAG, early(1))]);
        assert!(!book.brought.names.contains_key(TAG));
        book.land(TAG, true);
        intend(&mut book, TAG, &[]);
        assert!(book.brought.names.contains_key(TAG));
        // But a list from before somebody asked for it says nothing.
        let keeps = book.keeps();
        book.claim(&at(TAG, early(2)), false);
        book.intend(TAG, &[], keeps);
        assert!(book.brought.kept.contains(TAG) && !book.brought.names.contains_key(TAG));
    }

    #[test]
    fn what_may_still_come_is_remembered_over_a_sweep() {
        let mut book = Book::default();
        intend(&mut book, TAG, &[at("m/r:2", early(1))]);
        book.land(TAG, false);
        let digests = BTreeMap::from([(DIGEST.to_owned(), book.brought.names[TAG])]);
        book.swept(digests.clone(), Stamp::now());
        assert_eq!(book.brought.names.keys().collect::<Vec<_>>(), [TAG, DIGEST]);
        assert!(book.brought.kept.contains("m/r:2"));
        book.swept(digests, Stamp(i64::MAX, 0));
        assert_eq!(book.brought, Brought::default());
    }

    #[test]
    fn a_pull_that_a_crash_cut_off_is_ours_for_a_while_only() {
        let brought = Brought { names: [(TAG.to_owned(), None)].into(), kept: BTreeSet::new() };
        let book = Book::reopened(brought);
        let until = book.brought.names[TAG].unwrap();
        assert!(until > Stamp::now() && until <= Stamp::late());
    }
}
