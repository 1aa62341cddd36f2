//! How much a configuration says about images, to compare it with the one before.
//!
//! A file that was emptied or cut is valid, and would let every image pass. So a configuration that says nothing any more
//! takes the place of one with rules only if somebody has written `[policy]`.

use serde::{Deserialize, Serialize};

/// The size of a configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Extent {
    /// The rules, those of sources too.
    pub rules: usize,
    /// Whether it decides about images that no rule is for: `default = "deny"`, `default-registry`, or what they have to be
    /// signed with.
    pub has_default: bool,
    /// Whether rules were expected: a source is named.
    pub names_sources: bool,
    /// Whether the main file has a table `[policy]`, by itself or by what is in it.
    pub main_has_policy: bool,
    /// Whether nothing is written in the main file.
    pub main_is_empty: bool,
}

// === impl Extent ===

impl Extent {
    /// Why `next` must not take the place of this one. It would let images pass, and nobody seems to have meant that.
    #[must_use]
    pub fn refuses(&self, next: &Extent) -> Option<String> {
        if self.rules == 0 && !self.has_default {
            return None;
        }
        let what = if next.main_is_empty && !self.main_is_empty {
            "the main file is empty"
        } else if self.main_has_policy && !next.main_has_policy {
            "the main file has no [policy] any more"
        } else if next.rules == 0 && !next.has_default && (next.names_sources || !next.main_has_policy) {
            "no rule is left"
        } else {
            return None;
        };
        let before = match self.rules {
            0 => "a default for all images was in force".to_owned(),
            1 => "1 rule was in force".to_owned(),
            rules => format!("{rules} rules were in force"),
        };
        let hint = if next.names_sources {
            "if no rule is meant, remove the sources too"
        } else {
            "if this is meant, write [policy] into the main file, with nothing in it"
        };
        Some(format!("{what}, and {before} ({hint})"))
    }

    /// How many rules `next` has less.
    #[must_use]
    pub fn lost_in(&self, next: &Extent) -> usize {
        self.rules.saturating_sub(next.rules)
    }
}

/// A number of rules in words.
#[must_use]
pub fn counted(rules: usize) -> String {
    if rules == 1 { "1 rule".to_owned() } else { format!("{rules} rules") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Extent = Extent {
        rules: 3,
        has_default: false,
        names_sources: false,
        main_has_policy: true,
        main_is_empty: false,
    };

    #[test]
    fn what_lets_images_pass_by_accident_is_refused() {
        let nothing = Extent { rules: 0, ..RULES };
        let drop_ins = Extent { main_has_policy: false, ..RULES };
        let cut = Extent { main_has_policy: false, ..nothing };
        let empty = Extent { main_is_empty: true, ..cut };
        let denies = Extent { has_default: true, ..nothing };
        let sources = Extent { names_sources: true, ..nothing };
        let rows = [
            ("an empty [policy]", RULES, nothing, false),
            ("fewer rules", RULES, Extent { rules: 1, ..RULES }, false),
            ("a default alone", RULES, denies, false),
            ("nothing before", nothing, empty, false),
            ("the main file never had it", drop_ins, Extent { rules: 2, ..drop_ins }, false),
            ("an emptied file", RULES, empty, true),
            ("a cut file", RULES, cut, true),
            ("a cut file beside drop-ins", RULES, drop_ins, true),
            ("an emptied file beside drop-ins", drop_ins, Extent { rules: 2, ..empty }, true),
            ("drop-ins that are gone", drop_ins, cut, true),
            ("a source that is empty", Extent { rules: 3, ..sources }, sources, true),
            ("a default that is gone", denies, cut, true),
        ];
        for (what, before, next, is_refused) in rows {
            assert_eq!(before.refuses(&next).is_some(), is_refused, "{what}");
        }
    }
}
