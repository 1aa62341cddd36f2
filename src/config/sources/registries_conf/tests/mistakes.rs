//! What people read about a file.

use super::{conf, registries};

#[test]
fn version_1() {
    let sample = conf("[registries.search]\nregistries = ['docker.io']\n", &[]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn every_mistake_of_a_file_at_once() {
    let sample = conf(
        "unqualified-search-registries = ['a.de/path', 5]\nshort-name-mode = 'strict'\nregistry_ = 1\n\
         credential-helpers = ['x']\n\
         [aliases]\n'a:1' = 'quay.io/a'\nb = 'b'\nc = 'quay.io/c:1'\n\
         [[registry]]\nlocation = 'https://quay.io'\nblocked = 'yes'\nblokced = true\n\
         [[registry]]\nprefix = 'ghcr.io'\n\
         [[registry]]\nlocation = 'gcr.io'\npull-from-mirror = 'all'\n\
         [[registry]]\nlocation = 'r.de'\nmirror-by-digest-only = true\n\
         [[registry.mirror]]\nlocation = 'm.de'\npull-from-mirror = 'all'\n\
         [[registry.mirror]]\npull-from-mirror = 'tags'\n\
         [[registry.mirror]]\n",
        &[],
    );
    assert!(sample.imported.rules.is_empty());
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn prefixes_that_are_none_or_match_nothing() {
    let sample = registries(&[
        "prefix = '*'; location = 'm.de'",
        "prefix = '**.corp.de'; location = 'm.de'",
        "prefix = 'nginx'; location = 'm.de'",
        "prefix = 'quay.io/a:1'; location = 'm.de'",
        "prefix = 'quay.io/b'; location = 'image'",
    ]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn entries_that_contradict_each_other() {
    let sample = registries(&[
        "location = 'quay.io'",
        "prefix = 'a.de'; location = 'quay.io'; blocked = true",
        "prefix = 'b.de'; location = 'quay.io'; insecure = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn one_prefix_twice() {
    let sample = registries(&["location = 'quay.io'; [[registry.mirror]]; location = 'm.de'", "location = 'quay.io'"]);
    insta::assert_snapshot!(sample.shown(), @"");
    let sample = conf("[[registry]]\nlocation = 'quay.io'\n", &[("1.conf", "[[registry]]\nlocation = 'quay.io'\n")]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn a_place_that_is_blocked() {
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'evil.de/q'",
        "location = 'evil.de'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @"");
    let sample = registries(&[
        "location = 'quay.io'; [[registry.mirror]]; location = 'm.de'",
        "location = 'm.de/secret'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn where_a_rule_differs_from_its_entry() {
    let sample = registries(&[
        "prefix = '*.b.de'; location = 'm.de'",
        "prefix = 'a.b.de'; location = 'n.de'",
        "location = 'registry-1.docker.io'; [[registry.mirror]]; location = 'o.de'",
        "location = 'gone.de'; blocked = true",
    ]);
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn search_registries_that_containerd_cannot_look_in() {
    let sample = conf("unqualified-search-registries = ['quay.io', 'docker.io']\n", &[]);
    insta::assert_snapshot!(sample.shown(), @"");
    insta::assert_snapshot!(conf("unqualified-search-registries = []\n", &[]).shown(), @"");
}

#[test]
fn aliases_that_reach_further_than_they_say() {
    let sample = conf("[aliases]\nfedora = 'f.de/fedora'\n'org/tool' = 'quay.io/org/tool'\n", &[]);
    insta::assert_snapshot!(sample.shown(), @"");
    let sample = conf(
        "[aliases]\nfedora = 'f.de/fedora'\n[[registry]]\nlocation = 'docker.io/library/fedora'\n",
        &[],
    );
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn a_file_that_is_missing_and_a_drop_in_that_is_broken() {
    let sample = super::Sample::of(super::Format::RegistriesConf, "r.conf", &[("r.conf.d/1.conf", "a = [\n")]);
    insta::assert_snapshot!(sample.shown(), @"");
    let sample = super::Sample::of(super::Format::RegistriesConf, "r.conf", &[("r.conf/", "")]);
    insta::assert_snapshot!(sample.shown(), @"");
}
