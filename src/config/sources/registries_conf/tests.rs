//! Files in, decisions and texts out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod differences;
mod mistakes;
mod properties;

use super::super::fixture::Sample;
use super::super::source_file::Format;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// The main file, then drop-ins by name.
fn conf(main: &str, drop_ins: &[(&str, &str)]) -> Sample {
    let drop_ins: Vec<(String, &str)> =
        drop_ins.iter().map(|(name, text)| (format!("r.conf.d/{name}"), *text)).collect();
    let mut files = vec![("r.conf", main)];
    files.extend(drop_ins.iter().map(|(name, text)| (name.as_str(), *text)));
    Sample::of(Format::RegistriesConf, "r.conf", &files)
}

/// One `[[registry]]` for each text.
fn registries(entries: &[&str]) -> Sample {
    let text: String =
        entries.iter().map(|entry| format!("[[registry]]\n{}\n", entry.replace("; ", "\n"))).collect();
    conf(&text, &[])
}

#[test]
fn a_location_takes_the_place_of_the_prefix() {
    registries(&[
        "prefix = 'quay.io/a'; location = 'h.de/x/y'",
        "prefix = 'ghcr.io'; location = 'h.de'; [[registry.mirror]]; location = 'm.de/g//'",
        "prefix = 'gcr.io/p/one'; location = 'h.de/whole'",
        "prefix = '*.corp.de'; location = 'h.de/corp'",
    ])
    .check(&[
        ("quay.io/a/b:1", "h.de/x/y/b:1"),
        ("quay.io/a:1", "h.de/x/y:1"),
        ("quay.io/ab:1", "pass"),
        ("ghcr.io/a/b:1", "m.de/g/a/b:1, h.de/a/b:1"),
        ("gcr.io/p/one:1", "h.de/whole:1"),
        ("gcr.io/p/one/two:1", "h.de/whole/two:1"),
        ("a.b.corp.de/x:1", "h.de/corp/x:1"),
        ("corp.de/x:1", "pass"),
    ]);
}

#[test]
fn the_longest_prefix_wins_and_a_plain_entry_is_an_exception() {
    registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'm.de'",
        "location = 'quay.io/own'",
        "prefix = '*.io'; blocked = true",
        "location = 'docker.io/library'; [[registry.mirror]]; location = 'n.de/hub'",
    ])
    .check(&[
        ("quay.io/a:1", "m.de/a:1, origin"),
        ("quay.io/own/a:1", "pass"),
        ("quay.io/owner/a:1", "m.de/owner/a:1, origin"),
        ("ghcr.io/a:1", "deny: blocked in r.conf"),
        ("nginx:1", "n.de/hub/nginx:1, origin"),
        ("bitnami/nginx:1", "deny: blocked in r.conf"),
    ]);
}

#[test]
fn blocked_is_a_place_and_not_a_name() {
    registries(&[
        "location = 'quay.io'; blocked = true; [[registry.mirror]]; location = 'm.de'",
        "location = 'ghcr.io'; blocked = true",
        "prefix = 'gcr.io'; location = 'h.de'; blocked = true",
        "prefix = 'r.de'; location = 'ghcr.io/r'; [[registry.mirror]]; location = 'm.de/r'",
        "prefix = 's.de'; location = 'ghcr.io/s'",
    ])
    .check(&[
        ("quay.io/a:1", "m.de/a:1"),
        ("ghcr.io/a:1", "deny: blocked in r.conf"),
        ("gcr.io/a:1", "h.de/a:1"),
        ("r.de/a:1", "m.de/r/a:1"),
        ("s.de/a:1", "deny: blocked in r.conf"),
    ]);
}

#[test]
fn mirrors_can_be_for_digests_or_for_tags() {
    let sample = registries(&[
        "location = 'a.de'; mirror-by-digest-only = true; [[registry.mirror]]; location = 'm.de'",
        "location = 'b.de'; [[registry.mirror]]; location = 'm.de/b'; pull-from-mirror = 'tag-only'; \
         [[registry.mirror]]; location = 'n.de'; pull-from-mirror = ''",
        "location = 'c.de'; blocked = true; mirror-by-digest-only = true; [[registry.mirror]]; location = 'm.de/c'",
    ]);
    sample.check(&[
        ("a.de/x:1", "origin"),
        (&format!("a.de/x@{DIGEST}"), &format!("m.de/x@{DIGEST}, origin")),
        ("b.de/x:1", "m.de/b/x:1, n.de/x:1, origin"),
        (&format!("b.de/x@{DIGEST}"), &format!("n.de/x@{DIGEST}, origin")),
        ("c.de/x:1", "deny: no mirror of this rule serves tags"),
    ]);
}

#[test]
fn a_drop_in_replaces_an_entry_whole_and_adds_others() {
    let main = "[[registry]]\nlocation = 'a.de'\ninsecure = true\n[[registry.mirror]]\nlocation = 'm.de'\n\
                [[registry]]\nlocation = 'b.de'\n[[registry.mirror]]\nlocation = 'm.de/b'\n";
    let sample = conf(
        main,
        &[
            ("20.conf", "[[registry]]\nlocation = 'a.de'\n[[registry.mirror]]\nlocation = 'last.de'\n"),
            ("10.conf", "[[registry]]\nlocation = 'a.de'\nblocked = true\n"),
            ("30.toml", "[[registry]]\nlocation = 'b.de'\nblocked = true\n"),
            ("sub.conf/40.conf", "[[registry]]\nlocation = 'b.de'\nblocked = true\n"),
        ],
    );
    sample.check(&[("a.de/x:1", "last.de/x:1, origin"), ("b.de/x:1", "m.de/b/x:1, origin")]);
    assert!(sample.needs().is_empty());
    let names = sample.seen().into_iter().map(|path| path.rsplit('/').next().unwrap().to_owned());
    assert_eq!(names.collect::<Vec<_>>(), ["r.conf", "r.conf.d", "10.conf", "20.conf"]);
}

#[test]
fn an_alias_is_a_rule_for_the_name_that_containerd_makes_of_it() {
    let sample = conf(
        "[aliases]\nfedora = 'registry.fedoraproject.org/fedora'\ndebian = 'docker.io/library/debian'\n\
         'org/tool' = 'quay.io/org/tool'\nevil = 'evil.de/x'\ngone = 'x.de/gone'\n\
         [[registry]]\nprefix = 'quay.io/org'\nlocation = 'h.de/o'\n[[registry.mirror]]\nlocation = 'm.de'\n\
         insecure = true\n[[registry]]\nlocation = 'evil.de'\nblocked = true\n",
        &[("1.conf", "[aliases]\ngone = ''\nubi = 'ubi.de/ubi'\n")],
    );
    sample.check(&[
        ("fedora:41", "registry.fedoraproject.org/fedora:41"),
        ("debian:12", "pass"),
        ("org/tool", "m.de/tool:latest, h.de/o/tool:latest"),
        ("evil", "deny: blocked in r.conf"),
        ("gone", "pass"),
        ("ubi", "ubi.de/ubi:latest"),
        ("fedora2", "pass"),
    ]);
    // In the entry's own rule, and in the alias's.
    let insecure =
        ["m.de: skip-verify (its certificate is not verified)", "m.de: plain http where https fails"];
    assert_eq!(sample.needs(), [insecure, insecure].concat());
}

#[test]
fn docker_hub_is_the_one_registry_for_short_names() {
    assert!(!conf("unqualified-search-registries = ['docker.io']\n", &[]).is_refused());
    // As Fedora and RHEL ship it.
    let distribution = "unqualified-search-registries = ['registry.access.redhat.com', 'docker.io']\n\
                        [[registry]]\nprefix = 'quay.io'\nlocation = 'quay.io'\n\
                        [[registry.mirror]]\nlocation = 'mirror.example/quay'\n";
    let sample = conf(distribution, &[]);
    sample.check(&[("nginx", "pass"), ("quay.io/a/b:1", "mirror.example/quay/a/b:1, origin")]);
    assert!(sample.shown().starts_with("warning: short names are not looked for"), "{}", sample.shown());
    let own = ("99.conf", "unqualified-search-registries = ['docker.io']\n");
    assert!(!conf(distribution, &[own]).shown().contains("short names"));
}

#[test]
fn an_empty_file_changes_nothing() {
    let sample = conf("", &[]);
    sample.check(&[("nginx", "pass"), ("quay.io/a", "pass")]);
    assert_eq!(sample.shown(), "");
}

/// Every lookup is by a part of the name; searching all entries for each would take minutes here.
#[test]
fn ten_thousand_entries_and_aliases_are_read_in_one_go() {
    let entry = |i: u32| {
        format!("[[registry]]\nlocation = 'h{i}.de:5000/p'\n[[registry.mirror]]\nlocation = 'm{i}.de'\n")
    };
    let aliases: String = (0..10_000).map(|i| format!("a{i} = 'h{i}.de:5000/p/x'\n")).collect();
    let entries: String = (0..10_000).map(entry).collect();
    let sample = conf(&format!("[aliases]\n{aliases}{entries}"), &[]);
    assert_eq!(sample.imported.rules.len(), 20_000);
    sample.check(&[("a77", "m77.de/x:latest, h77.de:5000/p/x:latest")]);
}
