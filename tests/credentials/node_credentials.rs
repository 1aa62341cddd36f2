//! When the node's login is used, and for whom.

use crate::on_each_containerd;
use crate::setup::{LOGIN, setup};
use crate::support::containerd::Containerd;
use crate::support::containerd_config::Options;
use crate::support::fake::Fake;
use crate::support::version::Version;

async fn a_rule_says_for_whom_the_nodes_login_is(version: Version) {
    let Some(setup) = setup(version, "whom") else { return };
    let mirror = Fake::in_front_of(setup.registry.host());
    mirror.on("/v2/", LOGIN);
    let login = setup.login(&mirror);
    let client = Some(("ann", "hush-of-the-client"));
    // The rule's own setting, the setting for all rules, and what a client without and with a login gets.
    let rows = [
        ("", "", true, true),
        ("with-client", "", false, true),
        ("never", "", false, false),
        ("", "never", false, false),
        ("always", "never", true, true),
        ("", "with-client", false, true),
    ];
    let mut last = None;
    for (rule, all, without, with) in rows {
        let key = |word: &str| {
            if word.is_empty() { String::new() } else { format!("node-credentials = \"{word}\"\n") }
        };
        let rest = format!("{}[policy]\n{}{login}", key(rule), key(all));
        // The table of the rule comes after `[policy]` in the text, as TOML wants it.
        let rest = rest.replace("[policy]\n", if all.is_empty() { "" } else { "[policy]\n" });
        let shunt = setup.shunt(&[&mirror.host()], &rest, &[]);
        for (client, expected) in [(None, without), (client, with)] {
            let pulled = setup.pull(&shunt, client).await;
            assert_eq!(pulled.is_ok(), expected, "{rule:?} {all:?} {client:?}: {pulled:?}");
            if let Err(status) = pulled {
                let word = if rule.is_empty() { all } else { rule };
                assert!(status.message().contains(&format!("node-credentials = \"{word}\"")), "{status}");
                let of_mirror =
                    status.message().split(": [1] ").nth(1).unwrap().split("; details:").next().unwrap();
                assert!(of_mirror.len() <= 130, "{of_mirror}");
            }
        }
        let sent = mirror.authorizations();
        let client = crate::support::fake::basic("ann", "hush-of-the-client");
        assert!(!sent.contains(&client), "the mirror saw the client's login");
        mirror.forget();
        if let Some(shunt) = last.replace(shunt) {
            setup.heard(&shunt);
        }
    }
    setup.end(last.unwrap()).await;
}

/// A login in containerd's own configuration, as k3s writes it there.
fn of_containerd(version: Version, host: &str) -> Options {
    let plugin = if version < Version::V2_1 { "grpc.v1.cri" } else { "cri.v1.images" };
    let more = format!(
        "[plugins.\"io.containerd.{plugin}\".registry.configs.\"{host}\".auth]\n  username = \"mirror-a\"\n  \
         password = \"hush-mirror-a\"\n"
    );
    Options { more, ..Options::default() }
}

async fn what_containerd_itself_has_is_the_nodes_as_well(version: Version) {
    let Some(setup) = setup(version, "own") else { return };
    let (mirror, other) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    mirror.on("/v2/", LOGIN);
    other.on("/v2/", LOGIN);
    let Some(containerd) = Containerd::start_with(version, &of_containerd(version, &mirror.host())) else {
        return;
    };
    let mut last = None;
    for (word, expected) in [("always", true), ("with-client", false), ("never", false)] {
        let rest = format!("node-credentials = \"{word}\"\n");
        let shunt = setup.shunt_before(&containerd, &[&other.host(), &mirror.host()], &rest, &[]);
        let pulled = setup.pull(&shunt, None).await;
        assert_eq!(pulled.is_ok(), expected, "{word}: {pulled:?}");
        let sent = other.authorizations();
        assert!(!sent.is_empty() && sent.iter().all(String::is_empty), "{word}: {sent:?}");
        if let Some(shunt) = last.replace(shunt) {
            setup.heard(&shunt);
        }
    }
    setup.end(last.unwrap()).await;
}

on_each_containerd!(a_rule_says_for_whom_the_nodes_login_is, what_containerd_itself_has_is_the_nodes_as_well);
