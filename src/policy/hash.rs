//! A short text by which two policies are told apart: on two nodes it is the same if the same version of the program
//! has the same rules there, wherever these are written.

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use super::lock::{Held, LockList};
use super::rule::{Rule, Settings};

/// How many hexadecimal digits are enough to tell policies apart.
const DIGITS: usize = 12;

/// Takes text to be hashed.
struct Hasher(Sha256);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// What is locked, wherever it is written.
fn essence(held: &Held) -> impl fmt::Debug + '_ {
    held.list.as_deref().map(LockList::essence)
}

/// The hash of these rules, in their order, and of the settings beside them.
pub(super) fn of<'p>(settings: &Settings, rules: impl Iterator<Item = &'p Rule>) -> String {
    let mut hasher = Hasher(Sha256::new());
    let default_registry = settings.default_registry.as_ref().map(|(location, _)| location);
    let lock = Held { list: None, unlisted: settings.lock.unlisted };
    let places_aside = Settings { default_registry: None, default_source: None, lock, ..settings.clone() };
    // Writing to a hasher does not fail.
    let _ = write!(hasher, "{places_aside:?}{default_registry:?}");
    let _ = write!(hasher, "{:?}", essence(&settings.lock));
    for rule in rules {
        let (prefix, action, layer) = (rule.prefix.as_str(), &rule.action, rule.layer);
        let _ = write!(hasher, "{prefix:?}{action:?}{:?}{}{layer:?}", rule.checkpoint, rule.foreign_urls);
        let _ = write!(hasher, "{:?}{:?}{:?}", rule.namespaces, rule.mode, rule.verify);
        if rule.lock != Held::default() {
            let _ = write!(hasher, "{:?}{:?}", essence(&rule.lock), rule.lock.unlisted);
        }
    }
    let digest = hasher.0.finalize();
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(DIGITS);
    text
}

#[cfg(test)]
mod tests {
    use crate::policy::fixture::policy;

    fn hash(lines: &[&str]) -> String {
        policy(lines).unwrap().hash().to_owned()
    }

    #[test]
    fn it_tells_decisions_apart_and_not_places() {
        let rules = ["default deny", "quay.io -> m.dev/q", "docker.io pass"];
        let all = hash(&rules);
        assert_eq!(all, hash(&rules));
        let others: [&[&str]; 5] = [
            &rules[..2],
            &rules[1..],
            &["default deny", "quay.io -> m.dev/other", "docker.io pass"],
            &["default deny", "quay.io -> m.dev/q origin", "docker.io pass"],
            &["default deny", "quay.io -> m.dev/q", "docker.io deny no"],
        ];
        for other in others {
            assert_ne!(hash(other), all, "{other:?}");
        }
        // A rule of a source acts beside a native one that is only observed.
        let beside = |mirror: &str| hash(&["quay.io~observe -> m.dev", &format!("@0 quay.io -> {mirror}")]);
        assert_ne!(beside("s.dev"), beside("t.dev"));
        let registry = |location: &str| hash(&[&format!("default-registry {location}")]);
        assert_ne!(registry("m.dev"), registry("n.dev"));
    }

    #[test]
    fn a_rule_at_another_line_is_the_same() {
        let mut moved = policy(&["quay.io -> m.dev/q"]).unwrap().rules().to_vec();
        moved[0].source.line = 99;
        let moved = crate::policy::Policy::new(moved, Default::default()).unwrap();
        assert_eq!(moved.hash(), hash(&["quay.io -> m.dev/q"]));
    }
}
