//! Policies in, the files of containerd out.

use std::sync::Arc;

use super::*;
use crate::containerd::hosts::file::render;
use crate::containerd::hosts::{Transport, Wanted};
use crate::policy::{
    Checkpoint, Layer, Mirror, Ns, Only, Origin, Prefix, Rewrite, Route, Rule, Settings, Source,
};
use crate::registry::{Endpoint, HeaderValue};

fn source(line: u32) -> Source {
    Source { file: Arc::from("c.toml"), line }
}

fn rule(prefix: &str, action: Action) -> Rule {
    let prefix: Prefix = prefix.parse().unwrap();
    Rule {
        prefix,
        action,
        checkpoint: Checkpoint::Refuse,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces: None,
        mode: None,
        source: source(1),
        layer: Layer::Native,
    }
}

/// `m` for a mirror, `m#digests` or `m#tags` for one of one sort, `origin` for the registry itself.
fn route(mirrors: &[&str]) -> Action {
    let origin = if mirrors.contains(&"origin") { Origin::Last } else { Origin::Never };
    let mirror = |text: &&&str| {
        let (location, only) = match text.split_once('#') {
            Some((location, "tags")) => (location, Only::Tags),
            Some((location, _)) => (location, Only::Digests),
            None => (**text, Only::Any),
        };
        Mirror { only, ..Mirror::at(location.parse().unwrap()) }
    };
    let mirrors = mirrors.iter().filter(|text| **text != "origin").map(|text| mirror(&text)).collect();
    Action::Route(Route {
        mirrors,
        order: Default::default(),
        rewrites: Vec::new(),
        origin,
        collapse: true,
        node_credentials: None,
        outage: Default::default(),
    })
}

fn deny() -> Action {
    Action::Deny { reason: "no".to_owned() }
}

fn fenced(rules: Vec<Rule>, settings: Settings) -> (Vec<String>, Vec<String>) {
    let policy = Policy::new(rules, settings).unwrap();
    let plan = plan(&policy, &Endpoints { wanted: &Wanted::new(Vec::new(), true), own: &[] });
    let covered = plan.fence.covered.iter().map(|covered| format!("{} <- {}", covered.host, covered.to));
    (covered.collect(), plan.fence.gaps)
}

fn need(host: &str, what: Transport) -> TransportNeed {
    TransportNeed { host: host.to_owned(), what, source: source(7), layer: Layer::Native }
}

fn text(plan: &Plan, host: &str) -> String {
    let file = plan.files.iter().find(|file| file.host == host).unwrap();
    render(&file.purpose, &file.entries, file.has_server).unwrap().text
}

#[test]
fn a_hosts_needs_are_one_file_for_each_spelling_that_is_used() {
    let policy = Policy::new(vec![rule("quay.io", route(&["m.dev:443"]))], Settings::default()).unwrap();
    let header = HeaderValue::Text(crate::files::secret::Secret::new("a \"b\" \\".to_owned()));
    let needs = vec![
        need("m.dev", Transport::CaFile("/a.pem".into())),
        need("m.dev", Transport::CaFile("/b.pem".into())),
        need("m.dev", Transport::ClientCert { cert: "/c.pem".into(), key: None }),
        need("m.dev", Transport::ApiRoot("/p/v2".to_owned())),
        need("m.dev", Transport::Header { name: "X-A".to_owned(), value: header }),
    ];
    let plan = plan(&policy, &Endpoints { wanted: &Wanted::new(needs, false), own: &[] });
    assert_eq!(plan.files.iter().map(|file| file.host.as_str()).collect::<Vec<_>>(), ["m.dev", "m.dev:443"]);
    insta::assert_snapshot!(text(&plan, "m.dev:443"), @r#"
# Written by cri-shunt, which will change and remove it: put nothing here by hand.
# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.
# How m.dev:443 is reached:
# the certificate authority /a.pem (c.toml:7)
# the certificate authority /b.pem (c.toml:7)
# the client certificate /c.pem (c.toml:7)
# the API root /p/v2 (c.toml:7)
# the header X-A (c.toml:7)

server = "https://m.dev:443/p/v2"
capabilities = ["pull", "resolve"]
override_path = true
ca = ["/a.pem", "/b.pem"]
client = [["/c.pem", "/c.pem"]]
[header]
"X-A" = ["a \"b\" \\"]

[host]
"#);
}

#[test]
fn a_fence_names_the_mirrors_in_order_and_the_registry_only_where_it_may_be_asked() {
    let rules = vec![
        rule("quay.io", route(&["h.dev/cache/{host}", "d.dev#digests", "origin"])),
        rule("ghcr.io", deny()),
    ];
    let policy = Policy::new(rules, Settings::default()).unwrap();
    let needs = vec![need("h.dev", Transport::SkipVerify), need("d.dev", Transport::HttpFallback)];
    let plan = plan(&policy, &Endpoints { wanted: &Wanted::new(needs, true), own: &[] });
    insta::assert_snapshot!(text(&plan, "quay.io:443"), @r#"
# Written by cri-shunt, which will change and remove it: put nothing here by hand.
# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.
# The fence: images of quay.io come from h.dev/cache/quay.io, then d.dev, then itself.

server = "https://quay.io"
capabilities = ["pull", "resolve"]

[host."https://h.dev/v2/cache/quay.io"]
capabilities = ["pull", "resolve"]
override_path = true
skip_verify = true

[host."https://d.dev"]
capabilities = ["pull"]

[host."http://d.dev"]
capabilities = ["pull"]
"#);
    insta::assert_snapshot!(text(&plan, "ghcr.io"), @r#"
# Written by cri-shunt, which will change and remove it: put nothing here by hand.
# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.
# The fence: images of ghcr.io are denied.

server = "http://127.0.0.1:1/denied-by-cri-shunt"
capabilities = ["pull", "resolve"]
override_path = true

[host]
"#);
}

#[test]
fn what_may_pass_is_not_fenced() {
    let open = |below: Rule| fenced(vec![rule("q.io", route(&["m.dev"])), below], Settings::default());
    let why = "q.io is not fenced: the rule for q.io/x lets images of it through";
    assert_eq!(open(rule("q.io/x", Action::Pass)), (vec![], vec![why.to_owned()]));
    let (covered, gaps) = open(rule("q.io/x", route(&["n.dev", "origin"])));
    assert!(covered.is_empty() && gaps.contains(&why.to_owned()), "{gaps:?}");
    let (covered, gaps) = open(rule("q.io/x", deny()));
    assert_eq!(covered, ["q.io <- m.dev"]);
    let gap =
        "q.io/x is denied by the shunt alone: round the shunt its registry's mirrors are asked (c.toml:1)";
    assert_eq!(gaps, [gap]);
}

#[test]
fn what_containerd_cannot_do_is_a_gap() {
    let mut rewriting = route(&["m.dev"]);
    if let Action::Route(route) = &mut rewriting {
        let pattern = regex::Regex::new("a").unwrap();
        route.rewrites.push(Rewrite { pattern, replacement: "b".to_owned() });
    }
    let rules = vec![
        rule("re.io", rewriting),
        rule("self.io", route(&["m.dev/self"])),
        rule("to.io", route(&["self.io/x"])),
        rule("tags.io", route(&["m.dev/t#tags", "m.dev/d"])),
        rule("only.io", route(&["m.dev/o#tags"])),
        rule("*.wild.io", deny()),
        rule("pass.io", Action::Pass),
    ];
    let settings = Settings { default: crate::policy::DefaultAction::Deny, ..Settings::default() };
    let (covered, gaps) = fenced(rules, settings);
    assert_eq!(covered, ["tags.io <- m.dev/d", "to.io <- self.io/x"]);
    insta::assert_snapshot!(gaps.join("\n"), @r#"
only.io: m.dev is for tags only, which no hosts.toml can say
only.io is not fenced: no mirror of it is left
re.io is not fenced: containerd knows no rewrites
self.io is not fenced: it is a mirror itself
tags.io: m.dev is for tags only, which no hosts.toml can say
*.wild.io is denied by the shunt alone: containerd has no file for many registries (c.toml:1)
default = "deny": a registry without a rule of its own is open
"#);
}

#[test]
fn a_bracketed_host_is_fenced_where_containerd_can_read_the_file() {
    let only = fenced(vec![rule("q.io", route(&["m.dev", "[fd00::5]:5000"]))], Settings::default());
    assert_eq!(only, (vec!["q.io <- m.dev, then [fd00::5]:5000".to_owned()], vec![]));
    let (covered, gaps) = fenced(vec![rule("q.io", route(&["[fd00::5]", "m.dev"]))], Settings::default());
    assert!(
        covered.is_empty() && gaps[0].starts_with("q.io is not fenced: containerd 1.x cannot read"),
        "{gaps:?}"
    );
}

#[test]
fn the_default_registry_is_a_rule_for_docker_hub() {
    let settings =
        Settings { default_registry: Some(("m.dev/hub".parse().unwrap(), source(3))), ..Settings::default() };
    assert_eq!(fenced(Vec::new(), settings.clone()).0, ["docker.io <- m.dev/hub"]);
    let policy = Policy::new(Vec::new(), settings).unwrap();
    let plan = plan(&policy, &Endpoints { wanted: &Wanted::new(Vec::new(), true), own: &[] });
    let hosts: Vec<&str> = plan.files.iter().map(|file| file.host.as_str()).collect();
    assert!(hosts.contains(&"docker.io") && hosts.contains(&"registry-1.docker.io"), "{hosts:?}");
}

/// The pods of some namespaces pull under Docker Hub's own name, and would meet its file.
#[test]
fn a_rule_for_namespaces_before_the_default_registry_may_need_docker_hub() {
    let settings =
        Settings { default_registry: Some(("m.dev/hub".parse().unwrap(), source(3))), ..Settings::default() };
    let scoped = |prefix: &str, action: Action| Rule {
        namespaces: Some(crate::policy::Namespaces::new(["team-a"]).unwrap()),
        ..rule(prefix, action)
    };
    for (prefix, action, is_fenced) in [
        ("*", Action::Pass, false),
        ("*.io", route(&["n.dev/{host}", "origin"]), false),
        ("docker.io", Action::Pass, false),
        ("*", deny(), true),
        ("*.dev", Action::Pass, true),
    ] {
        let (fenced, _) = fenced(vec![scoped(prefix, action)], settings.clone());
        assert_eq!(fenced.contains(&"docker.io <- m.dev/hub".to_owned()), is_fenced, "{prefix}: {fenced:?}");
    }
}

/// What a rule in force needs of a registry itself is there, also where the policy is only observed.
#[test]
fn in_an_observed_policy_registries_have_the_files_that_rules_in_force_need() {
    let needs = ["m.dev", "quay.io", "a.corp", "docker.io", "other.dev"]
        .map(|host| need(host, Transport::SkipVerify))
        .to_vec();
    let wanted = Wanted::new(needs, false);
    let hosts = |mode: Mode, rules: Vec<Rule>| {
        let policy = Policy::new(rules, Settings { mode, ..Settings::default() }).unwrap();
        let plan = plan(policy.acting(), &Endpoints { wanted: &wanted, own: &[] });
        plan.files.iter().map(|file| file.host.clone()).collect::<Vec<_>>()
    };
    let enforced = |prefix: &str, action| Rule { mode: Some(Mode::Enforce), ..rule(prefix, action) };
    assert_eq!(hosts(Mode::Observe, vec![rule("quay.io", route(&["m.dev", "origin"]))]), [""; 0]);
    assert_eq!(hosts(Mode::Observe, vec![enforced("quay.io", route(&["m.dev"]))]), ["m.dev"]);
    let rules = vec![
        enforced("quay.io/a", route(&["m.dev", "origin"])),
        enforced("*.corp", Action::Pass),
        enforced("docker.io", deny()),
    ];
    assert_eq!(hosts(Mode::Observe, rules), ["a.corp", "m.dev", "quay.io"]);
    assert_eq!(hosts(Mode::Enforce, Vec::new()).len(), 5);
}

/// A route to mirrors that need `ns`, by plain http.
fn told(mirrors: &[&str]) -> Action {
    let mut action = route(mirrors);
    if let Action::Route(route) = &mut action {
        for mirror in &mut route.mirrors {
            (mirror.ns, mirror.endpoint) = (Ns::Needed, Some(0));
        }
    }
    action
}

fn planned(rules: Vec<Rule>) -> Plan {
    let policy = Policy::new(rules, Settings::default()).unwrap();
    let own = [Endpoint { schemes: vec!["http"], skip_verify: false, ..Endpoint::of("127.0.0.1:5") }];
    plan(&policy, &Endpoints { wanted: &Wanted::new(Vec::new(), false), own: &own })
}

#[test]
fn mirrors_that_are_told_of_the_registry_stand_in_a_file_for_its_name() {
    let plan =
        planned(vec![rule("q.io", told(&["127.0.0.1:5", "127.0.0.1:5/p"])), rule("r.io", route(&["m.dev"]))]);
    assert_eq!(plan.files.iter().map(|file| file.host.as_str()).collect::<Vec<_>>(), ["q.io", "q.io:443"]);
    insta::assert_snapshot!(text(&plan, "q.io"), @r#"
# Written by cri-shunt, which will change and remove it: put nothing here by hand.
# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.
# Images come from 127.0.0.1:5, then 127.0.0.1:5, which is told of the registry.

server = "http://127.0.0.1:5/v2/p"
capabilities = ["pull", "resolve"]
override_path = true

[host."http://127.0.0.1:5"]
capabilities = ["pull", "resolve"]
"#);
    // Without a server containerd adds the registry itself, whichever that is.
    let plan = planned(vec![rule("*", told(&["127.0.0.1:5", "origin"]))]);
    insta::assert_snapshot!(text(&plan, "_default"), @r#"
# Written by cri-shunt, which will change and remove it: put nothing here by hand.
# Without the daemon: `cri-shunt eject` removes all such files; or remove this directory.
# Images come from 127.0.0.1:5, which is told of the registry.

[host."http://127.0.0.1:5"]
capabilities = ["pull", "resolve"]
"#);
}

#[test]
fn what_would_lead_others_to_such_a_mirror_is_a_gap() {
    let rows = [
        (rule("q.io/team", told(&["127.0.0.1:5"])), None, "so write the rule for that"),
        (rule("q.io", told(&["127.0.0.1:5"])), Some(rule("q.io/x", Action::Pass)), "the rule for q.io/x"),
        (rule("*", told(&["127.0.0.1:5"])), Some(rule("q.io", Action::Pass)), "the rule for q.io "),
        (
            rule("q.io", told(&["127.0.0.1:5"])),
            Some(rule("r.io", route(&["q.io/r"]))),
            "q.io is a mirror itself",
        ),
    ];
    for (own, other, why) in rows {
        let plan = planned([own].into_iter().chain(other).collect());
        assert!(plan.files.is_empty(), "{why}: {:?}", plan.files);
        assert!(plan.gaps.len() == 1 && plan.gaps[0].contains(why), "{why}: {:?}", plan.gaps);
    }
}

#[test]
fn a_fence_reaches_a_mirror_as_its_rule_says() {
    let policy = Policy::new(vec![rule("q.io", told(&["127.0.0.1:5"]))], Settings::default()).unwrap();
    let own =
        [Endpoint { schemes: vec!["https"], ca: vec!["/ca.pem".into()], ..Endpoint::of("127.0.0.1:5") }];
    let plan = plan(&policy, &Endpoints { wanted: &Wanted::new(Vec::new(), true), own: &own });
    assert!(text(&plan, "q.io").contains("server = \"https://127.0.0.1:5\"\n"), "{}", text(&plan, "q.io"));
    assert!(text(&plan, "q.io").contains("ca = [\"/ca.pem\"]"), "{}", text(&plan, "q.io"));
}
