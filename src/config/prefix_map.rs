//! Finds, among many rules, those whose prefix covers another prefix.
//!
//! Holds: the cost of a lookup does not grow with the number of rules. What is found is what [`Prefix::covers`] says,
//! the most specific first.
//! Not here: the decision for a name (`policy`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::policy::{Prefix, PrefixKind};

/// A value for each prefix; of two for the same prefix, the first.
pub(super) struct PrefixMap<'p, T> {
    literal: HashMap<&'p str, T, RandomState>,
    /// By the domain, without `*.`.
    domains: HashMap<&'p str, T, RandomState>,
    any: Option<T>,
}

impl<'p, T: Copy> PrefixMap<'p, T> {
    pub(super) fn of(all: impl IntoIterator<Item = (&'p Prefix, T)>) -> Self {
        let mut map = PrefixMap { literal: HashMap::default(), domains: HashMap::default(), any: None };
        for (prefix, value) in all {
            match (prefix.kind(), prefix.domain()) {
                (PrefixKind::Any, _) => drop(map.any.get_or_insert(value)),
                (_, Some(domain)) => drop(map.domains.entry(domain).or_insert(value)),
                (_, None) => drop(map.literal.entry(prefix.as_str()).or_insert(value)),
            }
        }
        map
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.domains.is_empty() && self.any.is_none()
    }

    /// The value for exactly this prefix.
    pub(super) fn get(&self, text: &str) -> Option<T> {
        self.literal.get(text).copied()
    }

    /// The values for the prefixes that cover this one, without itself.
    pub(super) fn covering(&self, prefix: &Prefix) -> impl Iterator<Item = T> {
        let text = prefix.as_str();
        // After the last slash a colon begins a tag, before it a port.
        let last = text.rfind('/').unwrap_or(text.len());
        let cuts = text.rmatch_indices(['/', '@', ':']);
        let cuts = cuts.filter(move |(end, sign)| *sign != ":" || *end > last);
        let literal = cuts.filter_map(|(end, _)| self.literal.get(&text[..end]));
        let name = prefix.host().map(without_port).or(prefix.domain()).unwrap_or_default();
        let dots = name.match_indices('.').filter_map(|(dot, _)| self.domains.get(&name[dot + 1..]));
        let any = self.any.as_ref().filter(|_| prefix.kind() != PrefixKind::Any);
        literal.chain(dots).chain(any).copied()
    }
}

/// An address in brackets is in no domain, so its colons do not matter.
fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOSTS: [&str; 6] = ["a.dev", "b.a.dev", "c.b.a.dev", "a.dev:5000", "[::1]:5000", "localhost"];
    const PATHS: [&str; 9] = [
        "",
        "/x",
        "/x/y",
        "/x/y/z",
        "/xx",
        "/x:1",
        "/x/y:1",
        "/x:1",
        "/x@sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ];

    fn prefix() -> impl Strategy<Value = Prefix> {
        let literal = (prop::sample::select(&HOSTS[..]), prop::sample::select(&PATHS[..]))
            .prop_map(|(host, path)| format!("{host}{path}"));
        let wildcard =
            prop::sample::select(vec!["*", "*.dev", "*.a.dev", "*.b.a.dev"]).prop_map(str::to_owned);
        prop_oneof![4 => literal, 1 => wildcard].prop_map(|text| text.parse().unwrap())
    }

    proptest! {
        #[test]
        fn what_is_around_is_what_covers(rules in prop::collection::vec(prefix(), 0..20), asked in prefix()) {
            let mut unique: Vec<&Prefix> = Vec::new();
            for rule in &rules {
                if !unique.contains(&rule) {
                    unique.push(rule);
                }
            }
            let map = PrefixMap::of(unique.iter().map(|rule| (*rule, *rule)));
            let found: Vec<&Prefix> = map.covering(&asked).collect();
            let expected = unique.iter().filter(|rule| rule.covers(&asked) && **rule != &asked);
            prop_assert!(found.windows(2).all(|two| !two[0].covers(two[1])), "the most specific is first");
            let mut sorted = found.clone();
            sorted.sort_by_key(|rule| rule.as_str());
            let mut expected: Vec<&Prefix> = expected.copied().collect();
            expected.sort_by_key(|rule| rule.as_str());
            prop_assert_eq!(sorted, expected);
        }
    }
}
