//! One pass over the index finds the same as comparing each with each.

use proptest::prelude::*;

use super::*;

/// The definition: a rule is contested where another target lies inside one of its own.
fn by_comparing(index: &Index) -> HashSet<By, RandomState> {
    let mut contested = HashSet::default();
    for (text, slot) in index.slots.iter().filter(|(_, slot)| slot.holds_target()) {
        for (around, outer) in Ancestors::of(text).filter_map(|around| index.slots.get_key_value(around)) {
            let inner = &slot.owners;
            let differs = |owner: &&Owner| inner.iter().any(|other| other.registry != owner.registry);
            let by_pattern = outer.owners.iter().filter(|_| !slot.patterns.is_empty());
            contested.extend(by_pattern.map(|owner| owner.by));
            contested.extend(outer.owners.iter().filter(differs).map(|owner| owner.by));
            if !outer.patterns.is_empty() {
                contested.extend(inner.iter().map(|owner| owner.by));
                let alone = std::ptr::eq(around, text) && inner.is_empty() && outer.patterns.len() == 1;
                let patterns = outer.patterns.iter().chain(&slot.patterns);
                contested.extend(patterns.filter(|_| !alone).map(|(by, ..)| *by));
            }
        }
    }
    contested
}

fn rule() -> impl Strategy<Value = Rule> {
    let prefix =
        prop::sample::select(vec!["a.dev", "a.dev/x", "b.dev", "b.dev/x/y", "*", "*.dev", "c.b.dev"]);
    let mirror = prop::sample::select(vec![
        "h.io",
        "h.io/p",
        "h.io/p/q",
        "h.io/{host}",
        "h.io/p/{host}",
        "h.io/{host}/q",
        "i.io",
        "i.io/x",
    ]);
    let mirrors = prop::collection::vec((mirror, any::<bool>()), 1..3);
    (prefix, mirrors, any::<bool>()).prop_map(|(prefix, mirrors, collapse)| {
        let mirrors = mirrors.into_iter().map(|(location, strip_prefix)| super::super::rule::Mirror {
            strip_prefix,
            ..super::super::rule::Mirror::at(location.parse().unwrap())
        });
        let route = super::super::rule::Route {
            mirrors: mirrors.collect(),
            order: Default::default(),
            rewrites: Vec::new(),
            origin: Default::default(),
            collapse,
            node_credentials: None,
            outage: Default::default(),
        };
        Rule {
            prefix: prefix.parse().unwrap(),
            action: super::super::rule::Action::Route(route),
            checkpoint: Default::default(),
            foreign_urls: false,
            verify: None,
            lock: Default::default(),
            namespaces: None,
            mode: None,
            source: super::super::rule::Source { file: "f".into(), line: 1 },
            layer: Default::default(),
        }
    })
}

proptest! {
    #[test]
    fn one_pass_finds_what_comparing_finds(rules in prop::collection::vec(rule(), 0..8)) {
        let in_force = vec![true; rules.len()];
        let routings = super::super::target::routings(&rules, &in_force, None);
        let index = Index::new(&rules, &in_force, &routings);
        prop_assert_eq!(&index.contested, &by_comparing(&index));
    }
}
