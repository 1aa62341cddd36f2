//! What the steps along a request cost by themselves: decisions, names, edits of messages.
//!
//! `cargo bench --bench micro` (or `make bench`) prints them. The cost of a decision must not grow with the
//! number of rules: that is what the rows of one group show beside each other.
//!
//! `docs/specification.md` refers to the rows.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "a bench")]

use cri_shunt::inside::policy::{
    Action, Asked, Layer, Location, Mirror, Name, Namespaces, Origin, Policy, Route, Rule, Settings, Source,
};
use cri_shunt::inside::wire::{self, cri};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const RULES: [usize; 4] = [1, 100, 10_000, 100_000];

/// `count` rules for repositories of Docker Hub, and one for quay.io with three mirrors.
fn policy(count: usize) -> Policy {
    Policy::new(rules(count), Settings::default()).unwrap()
}

/// The same, each of them for the pods of one team, and so many rules more for quay.io, each for another team.
fn policy_of_teams(count: usize, teams: usize) -> Policy {
    let of = |pattern: &str| Some(Namespaces::new([pattern]).unwrap());
    let mut rules = rules(count);
    for (i, rule) in rules.iter_mut().enumerate() {
        rule.namespaces = of(&format!("team-{i}-*"));
    }
    // The last one that is looked at is the one that counts.
    let last = rules.pop().unwrap();
    rules.extend((0..teams).map(|i| Rule { namespaces: of(&format!("other-{i}-*")), ..last.clone() }));
    rules.push(last);
    Policy::new(rules, Settings::default()).unwrap()
}

fn rules(count: usize) -> Vec<Rule> {
    let mirror = |location: String| Mirror::at(location.parse::<Location>().unwrap());
    let rule = |prefix: String, mirrors: Vec<Mirror>, line: usize| Rule {
        prefix: prefix.parse().unwrap(),
        action: Action::Route(Route {
            mirrors,
            order: Default::default(),
            rewrites: Vec::new(),
            origin: Origin::Never,
            collapse: false,
            node_credentials: None,
            outage: Default::default(),
        }),
        checkpoint: cri_shunt::inside::policy::Checkpoint::Refuse,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces: None,
        mode: None,
        source: Source { file: "bench.toml".into(), line: u32::try_from(line).unwrap() },
        layer: Layer::Native,
    };
    let mut rules: Vec<Rule> = (1..count)
        .map(|i| {
            let mirrors = vec![mirror(format!("mirror-{}.example/hub", i % 7))];
            rule(format!("docker.io/team-{}/service-{i}", i % 100), mirrors, i)
        })
        .collect();
    let three = ["a", "b", "c"].map(|host| mirror(format!("{host}.example:5000/{{host}}")));
    rules.push(rule("quay.io".to_owned(), three.into(), count));
    rules
}

/// A name that a rule of three mirrors routes.
#[divan::bench(args = RULES)]
fn decide_route_to_three_mirrors(bencher: Bencher<'_, '_>, rules: usize) {
    let policy = policy(rules);
    let name: Name = "quay.io/prometheus/prometheus:v3.0.0".parse().unwrap();
    bencher.bench_local(|| match policy.decide(&Asked::of(black_box(&name))) {
        cri_shunt::inside::policy::Decision::Route { candidates, .. } => candidates.len(),
        _ => unreachable!("routed"),
    });
}

/// The same for a pod, where each rule is for the pods of one team.
#[divan::bench(args = RULES)]
fn decide_for_a_namespace(bencher: Bencher<'_, '_>, rules: usize) {
    decide_for_a_team(bencher, &policy_of_teams(rules, 0), rules);
}

/// The same, where so many other teams have a rule for this registry: that alone makes it grow.
#[divan::bench(args = [1, 10, 100, 1000])]
fn decide_among_namespaces(bencher: Bencher<'_, '_>, teams: usize) {
    decide_for_a_team(bencher, &policy_of_teams(100, teams), 100);
}

fn decide_for_a_team(bencher: Bencher<'_, '_>, policy: &Policy, rules: usize) {
    let name: Name = "quay.io/prometheus/prometheus:v3.0.0".parse().unwrap();
    let namespace = format!("team-{}-blue", rules - 1);
    let asked = Asked::of(&name).in_namespace(Some(&namespace));
    bencher.bench_local(|| match policy.decide(black_box(&asked)) {
        cri_shunt::inside::policy::Decision::Route { candidates, .. } => candidates.len(),
        _ => unreachable!("routed"),
    });
}

/// A name that no rule is for, looked for at every depth of its path.
#[divan::bench(args = RULES)]
fn decide_no_rule_matches(bencher: Bencher<'_, '_>, rules: usize) {
    let policy = policy(rules);
    let name: Name = "docker.io/team-1/a/b/c/d:1".parse().unwrap();
    bencher.bench_local(|| {
        assert!(matches!(
            policy.decide(&Asked::of(black_box(&name))),
            cri_shunt::inside::policy::Decision::Pass { .. }
        ));
    });
}

#[divan::bench(args = [
    "nginx",
    "mirror.dev.de:443/team/service:1.22.1-rootless",
    "registry.k8s.io/pause@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582",
])]
fn parse_name(text: &str) -> Name {
    black_box(text).parse().unwrap()
}

/// A PullImageRequest: its image, its credentials, and a sandbox config of `size` bytes.
fn request(size: usize) -> Vec<u8> {
    let field = |number: u8, payload: &[u8]| {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(payload.len() as u64, &mut out);
        out.extend_from_slice(payload);
        out
    };
    let image = field(1, &field(1, b"docker.io/gitea/gitea:1.22.1-rootless"));
    let auth = field(2, &[field(1, b"user"), field(2, b"password")].concat());
    [image, auth, field(3, &field(9, &vec![b'x'; size]))].concat()
}

/// What a routed pull edits: another name, and no credentials.
#[divan::bench(args = [1 << 10, 64 << 10])]
fn edit_pull_request(bencher: Bencher<'_, '_>, size: usize) {
    let request = request(size);
    bencher.bench_local(|| {
        let named = wire::set(
            black_box(&request),
            cri::pull_image_request::IMAGE,
            b"mirror.dev.de/gitea/gitea:1.22.1-rootless",
        )
        .unwrap();
        wire::cut(&named, cri::pull_image_request::AUTH).unwrap()
    });
}
