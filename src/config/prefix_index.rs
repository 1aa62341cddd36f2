//! Finds, among many rules, those whose prefix is around another one.
//!
//! Before: `rules` and `sources` have drafted the rules.  After: the lints compare rules with each other.
//! Holds: the cost of a question does not grow with the number of rules; what is found is what
//! [`Prefix::covers`] says, the most specific first.
//! Not here: the decision for a name (`policy`).

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::policy::{Kind, Prefix};

/// Something for each prefix: of two for one, the first.
pub(super) struct Wider<'p, T> {
    literal: HashMap<&'p str, T, RandomState>,
    /// By the domain, without `*.`.
    domains: HashMap<&'p str, T, RandomState>,
    any: Option<T>,
}

impl<'p, T: Copy> Wider<'p, T> {
    pub(super) fn of(all: impl IntoIterator<Item = (&'p Prefix, T)>) -> Self {
        let mut wider = Wider { literal: HashMap::default(), domains: HashMap::default(), any: None };
        for (prefix, value) in all {
            match (prefix.kind(), prefix.domain()) {
                (Kind::Any, _) => drop(wider.any.get_or_insert(value)),
                (_, Some(domain)) => drop(wider.domains.entry(domain).or_insert(value)),
                (_, None) => drop(wider.literal.entry(prefix.as_str()).or_insert(value)),
            }
        }
        wider
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.domains.is_empty() && self.any.is_none()
    }

    /// What there is for this very prefix.
    pub(super) fn at(&self, text: &str) -> Option<T> {
        self.literal.get(text).copied()
    }

    /// What there is for the prefixes around this one, itself not among them.
    pub(super) fn around(&self, prefix: &Prefix) -> impl Iterator<Item = T> {
        let text = prefix.as_str();
        // Behind the last slash a colon is a tag's, before it a port's.
        let last = text.rfind('/').unwrap_or(text.len());
        let cuts = text.rmatch_indices(['/', '@', ':']);
        let cuts = cuts.filter(move |(end, sign)| *sign != ":" || *end > last);
        let literal = cuts.filter_map(|(end, _)| self.literal.get(&text[..end]));
        let name = prefix.host().map(without_port).or(prefix.domain()).unwrap_or_default();
        let dots = name.match_indices('.').filter_map(|(dot, _)| self.domains.get(&name[dot + 1..]));
        let any = self.any.as_ref().filter(|_| prefix.kind() != Kind::Any);
        literal.chain(dots).chain(any).copied()
    }
}

/// No domain is above an address in brackets, so its colons may go either way.
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
            let wider = Wider::of(unique.iter().map(|rule| (*rule, *rule)));
            let found: Vec<&Prefix> = wider.around(&asked).collect();
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
