//! Each key of the configuration has an effect, and there are no other keys.

use std::path::PathBuf;
use std::time::Duration;

use super::{accepted, accepted_text};
use crate::config::settings::Level;
use crate::config::{Config, Containerd, Group, Listen, Log, State, defaults};
use crate::policy::{
    Action, Asked, Checkpoint, Decision, DefaultAction, Names, OnOutage, Only, Order, Origin, Outage,
    Present, Route,
};
use crate::serve::log::LogFormat;
use crate::state::{NativeApi, PullSettings};

fn defaults_in_force() -> Config {
    accepted_text("")
}

#[test]
fn an_empty_file_means_every_default() {
    let Config {
        listen,
        containerd,
        policy,
        pull,
        state,
        log,
        transport,
        endpoints,
        demands,
        credentials,
        needed: _,
        sources,
        extent: _,
        watch,
        audit,
        metrics,
    } = defaults_in_force();
    assert!(transport.needs().is_empty() && !transport.fence() && endpoints.is_empty() && demands.is_empty());
    assert_eq!(format!("{credentials:?}"), "Credentials(None)");
    assert_eq!(watch, Some(Duration::from_secs(2)));
    let own = defaults::LISTEN_SOCKET.parse().unwrap();
    assert_eq!(listen, Listen { socket: own, mode: 0o660, group: None, native_api: NativeApi::Refuse });
    let theirs = defaults::CONTAINERD_SOCKET.parse().unwrap();
    assert_eq!(
        containerd,
        Containerd { socket: theirs, pause_image: None, config_path: None, fetch_by: None, fence: false }
    );
    assert!(policy.rules().is_empty() && !policy.has_deny());
    assert_eq!(
        pull,
        PullSettings {
            stall_after: Some(Duration::from_secs(10)),
            adopt_timeout: Duration::from_secs(60),
            retry_down_after: Duration::from_secs(10),
        }
    );
    let (dir, bypass_file) = (PathBuf::from("/var/lib/cri-shunt"), PathBuf::from("/run/cri-shunt/bypass"));
    assert_eq!(state, State { dir, bypass_file });
    assert_eq!(log, Log { level: Level::Info, format: LogFormat::Text });
    assert_eq!((audit, metrics), (None, None));
    assert_eq!(sources.len(), 1, "the main file: {sources:?}");
}

#[test]
fn listen_keys() {
    let listen =
        accepted_text("[listen]\nsocket = '/a.sock'\nmode = '0600'\ngroup = 'wheel'\nnative-api = 'relay'")
            .listen;
    let expected = Listen {
        socket: "/a.sock".parse().unwrap(),
        mode: 0o600,
        group: Some(Group::Name("wheel".into())),
        native_api: NativeApi::Relay,
    };
    assert_eq!(listen, expected);
    assert_eq!(accepted_text("listen.group = 998").listen.group, Some(Group::Id(998)));
    assert_eq!(accepted_text("listen.group = 0x10").listen.group, Some(Group::Id(16)));
}

#[test]
fn containerd_keys() {
    let containerd =
        accepted_text("[containerd]\nsocket = '/c.sock'\npause-image = 'r.dev/pause:3.9'").containerd;
    assert_eq!(containerd.socket, "/c.sock".parse().unwrap());
    assert_eq!(containerd.pause_image.unwrap().as_str(), "r.dev/pause:3.9");
}

#[test]
fn pull_keys() {
    let text = "[pull]\nstall-after = '3s'\nadopt-timeout = '2m'\nretry-down-after = '500ms'";
    let expected = PullSettings {
        stall_after: Some(Duration::from_secs(3)),
        adopt_timeout: Duration::from_secs(120),
        retry_down_after: Duration::from_millis(500),
    };
    assert_eq!(accepted_text(text).pull, expected);
    assert_eq!(accepted_text("pull.stall-after = '0s'").pull.stall_after, None);
}

#[test]
fn state_and_log_keys() {
    let config = accepted_text("[state]\ndir = '/d'\nbypass-file = '/b'\n[log]\nlevel = 'debug'");
    assert_eq!(config.state, State { dir: PathBuf::from("/d"), bypass_file: PathBuf::from("/b") });
    assert_eq!(config.log.level, Level::Debug);
    for (word, level) in Level::WORDS {
        assert_eq!(accepted_text(&format!("log.level = '{word}'")).log.level, level);
        assert_eq!(level.as_str(), word);
    }
}

#[test]
fn policy_keys() {
    let built_in = defaults_in_force();
    let settings = built_in.policy.settings();
    assert_eq!(
        (settings.default, settings.present, settings.names),
        (DefaultAction::Pass, Present::Leave, Names::Original)
    );
    assert!(settings.default_source.is_none() && settings.default_registry.is_none());

    let text = "[policy]\ndefault = 'deny'\ndefault-registry = 'r.dev/hub'\npresent = 'hide'\nnames = 'both'";
    let config = accepted_text(text);
    let settings = config.policy.settings();
    assert_eq!(
        (settings.default, settings.present, settings.names),
        (DefaultAction::Deny, Present::Hide, Names::Both)
    );
    assert_eq!(accepted_text("policy.watch = '1m'").watch, Some(Duration::from_secs(60)));
    assert_eq!(accepted_text("policy.watch = '0s'").watch, None);
    assert_eq!(settings.default_source.as_ref().unwrap().line, 2);
    let (location, source) = settings.default_registry.as_ref().unwrap();
    assert_eq!((location.to_string().as_str(), source.line), ("r.dev/hub", 3));
}

#[test]
fn keys_for_an_outage() {
    let (fail, present) = (Some(OnOutage::Fail), Some(OnOutage::Present));
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let policy = "[policy]\non-outage = 'present'\noutage-max-age = '72h'\n";
    let rule = |keys: &str| format!("{policy}[[policy.rule]]\nprefix = 'q.io'\nmirrors = ['m.dev']\n{keys}");
    let rows = [
        ("", present, hours(72)),
        ("on-outage = 'fail'", fail, hours(72)),
        ("outage-max-age = '1h'", present, hours(1)),
    ];
    for (keys, answer, max_age) in rows {
        let config = accepted_text(&rule(keys));
        let name = "q.io/a:1".parse().unwrap();
        let Decision::Route { rule, .. } = config.policy.decide(&Asked::of(&name)) else { panic!("{keys}") };
        assert_eq!(config.policy.outage(&rule), Outage { answer, max_age }, "{keys}");
    }
    assert!(!defaults_in_force().policy.settings().outage.serves());
}

fn only_route(config: &Config) -> &Route {
    match &config.policy.rules() {
        [rule] => match &rule.action {
            Action::Route(route) => route,
            other => panic!("{other:?}"),
        },
        rules => panic!("{rules:?}"),
    }
}

#[test]
fn keys_of_a_routing_rule() {
    let plain = accepted_text("policy.rule = [{ prefix = 'quay.io', mirrors = ['m.dev'] }]");
    let route = only_route(&plain);
    assert_eq!((route.origin, route.collapse, route.rewrites.len()), (Origin::Never, false, 0));
    assert_eq!(route.order, Order::Fixed);
    assert_eq!(plain.policy.rules()[0].checkpoint, Checkpoint::Refuse);
    assert_eq!(route.mirrors[0].only, Only::Any);

    let full = accepted_text(
        r#"
[[policy.rule]]
prefix = "quay.io"
mirrors = [
    "a.dev/{host}",
    { location = "b.dev", only = "digests" },
    { location = "c.dev", only = "tags" },
    { location = "d.dev" },
]
rewrite = [{ match = "^a/(.*)$", replace = "b/$1" }, { match = "x", replace = "" }]
order = "fastest"
origin = "last"
collapse = true
checkpoint = "allow"
"#,
    );
    let route = only_route(&full);
    let mirrors: Vec<_> =
        route.mirrors.iter().map(|mirror| (mirror.location.to_string(), mirror.only)).collect();
    let expected =
        [("a.dev/{host}", Only::Any), ("b.dev", Only::Digests), ("c.dev", Only::Tags), ("d.dev", Only::Any)];
    assert_eq!(mirrors, expected.map(|(location, only)| (location.to_owned(), only)));
    let rewrites: Vec<_> = route
        .rewrites
        .iter()
        .map(|rewrite| (rewrite.pattern.as_str(), rewrite.replacement.as_str()))
        .collect();
    assert_eq!(rewrites, [("^a/(.*)$", "b/$1"), ("x", "")]);
    assert_eq!((route.origin, route.collapse, route.order), (Origin::Last, true, Order::Fastest));
    assert_eq!(full.policy.rules()[0].checkpoint, Checkpoint::Allow);
}

#[test]
fn keys_of_rules_that_deny_and_pass() {
    let config = accepted_text(
        "policy.default = 'deny'\n[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\n\
         [[policy.rule]]\nprefix = 'quay.io/ok'\npass = true\ncheckpoint = 'allow'",
    );
    let [deny, pass] = config.policy.rules() else { panic!("{:?}", config.policy.rules()) };
    assert!(matches!(&deny.action, Action::Deny { reason } if reason == "no"), "{deny:?}");
    assert!(matches!(pass.action, Action::Pass), "{pass:?}");
    assert_eq!(pass.checkpoint, Checkpoint::Allow);
    assert_eq!((deny.source.line, pass.source.line), (3, 6));
}

#[test]
fn a_whole_configuration_loads_with_the_lines_of_its_rules() {
    let config = accepted_text(
        r#"[listen]
socket = "/run/cri-shunt/cri-shunt.sock"

[containerd]
socket = "/run/containerd/containerd.sock"      # k3s, RKE2: /run/k3s/containerd/containerd.sock

[policy]
default-registry = "oci-mirror.dev.de"          # docker.io, unless a rule says otherwise

[[policy.rule]]
prefix  = "docker.io/gitea"
mirrors = ["mirror.dev.de:443", "harbor.dev.de/dockerhub"]

[[policy.rule]]
prefix  = "quay.io"
mirrors = ["harbor.dev.de/{host}"]
origin  = "last"

[[policy.rule]]
prefix = "docker.io/evil"
deny   = "not from this registry"
"#,
    );
    let lines: Vec<_> =
        config.policy.rules().iter().map(|rule| (rule.prefix.as_str(), rule.source.line)).collect();
    assert_eq!(lines, [("docker.io/gitea", 11), ("quay.io", 15), ("docker.io/evil", 20)]);
}

#[test]
fn the_packaged_example_loads_and_sets_nothing_but_defaults() {
    let text = include_str!("../../../packaging/config.toml");
    let built_in = defaults_in_force();
    let example = accepted_text(text);
    assert_eq!(example.listen, built_in.listen);
    assert_eq!(example.containerd, built_in.containerd);
    assert_eq!(example.pull, built_in.pull);
    assert_eq!(example.state, built_in.state);
    assert_eq!(example.log, built_in.log);
    assert!(example.policy.rules().is_empty());

    // The examples that are commented out must load as well.
    let uncommented: String =
        text.lines().map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line))).collect();
    let all = accepted(&[("config.toml", &uncommented), ("images.lock", "")]);
    assert_ne!(uncommented, text);
    assert!(all.policy.rules().len() >= 4, "{:?}", all.policy.rules());
    assert!(all.listen.group.is_some() && all.containerd.pause_image.is_some());
    assert!(all.policy.settings().default_registry.is_some());
}
