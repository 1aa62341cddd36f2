//! Each key of a `[[signature]]`.

use std::collections::BTreeMap;
use std::time::Duration;

use insta::assert_snapshot;

use super::{KEY, MAIN, OTHER_KEY, ROOT, demanded, signed, warned_of, with_key};
use crate::config::changes;
use crate::config::tests::{accepted, refused};
use crate::signature::{Enough, Identity, WhenAway};

#[test]
fn each_key_has_its_meaning() {
    let text = "[policy]\nverify = 'main'\n[[signature]]\nname = 'main'\nkeys = ['k.pub', 'l.pub']\ntrusted-root = 'root.json'\n\
                identities = [{ issuer = 'i', subject = 's' }, { issuer-pattern = 'a|b', subject-pattern = '.*@dev.de' }]\n\
                need = 3\nidentity = 'exact'\nwithout-name = 'accept'\nannotations = { env = 'prod' }\n\
                when-away = 'cached'\naway-max-age = '12h'\n";
    let files = [("config.toml", text), ("k.pub", KEY), ("l.pub", OTHER_KEY), ("root.json", ROOT)];
    let signed = signed(&accepted(&files), "a.de/x");
    let demand = &signed.demand;
    assert_eq!((demand.keys.len(), demand.enough, demand.needed()), (2, Enough::AtLeast(3), 3));
    assert_eq!((&demand.identity, demand.without_name), (&Identity::Exact, true));
    assert_eq!(demand.annotations, BTreeMap::from([("env".to_owned(), "prod".to_owned())]));
    assert_eq!(signed.when_away, WhenAway::Cached(Duration::from_secs(12 * 3600)));
    let who: Vec<String> = demand.identities().map(|who| format!("{} {}", who.issuer, who.subject)).collect();
    assert_eq!(who, ["i s", "a|b .*@dev.de"]);
}

#[test]
fn what_is_not_said_is_the_same_repository_and_one_key_and_closed() {
    let signed = signed(&with_key(&format!("{MAIN}[policy]\nverify = 'main'\n")), "a.de/x");
    let demand = &signed.demand;
    assert_eq!((demand.enough, &demand.identity), (Enough::Any, &Identity::Repository));
    assert!(!demand.without_name && demand.keyless.is_none() && demand.annotations.is_empty());
    assert_eq!((signed.when_away, signed.from.len()), (WhenAway::Closed, 0));
}

#[test]
fn the_identity_is_a_word_or_another_name() {
    let of = |identity: &str| {
        let text = format!("{MAIN}identity = {identity}\n[policy]\nverify = 'main'\n");
        signed(&with_key(&text), "a.de/x").demand.identity.clone()
    };
    assert_eq!(of("'exact-or-digest'"), Identity::RepoDigestOrExact);
    let remap = Identity::Remap { prefix: "m.de/quay".into(), signed: "quay.io".into() };
    assert_eq!(of("{ prefix = 'm.de/quay', signed-prefix = 'quay.io' }"), remap);
    assert_eq!(of("{ repository = 'quay.io/a' }"), Identity::ExactRepository("quay.io/a".into()));
}

#[test]
fn mistakes_have_their_places() {
    let text = "[[signature]]\nname = 'a'\nkeys = ['k.pub']\nneed = 2\nidentity = { prefix = 'm' }\nwhen-away = 'cached'\n\
                trusted-root = 'root.json'\n\
                [[signature]]\nname = 'b'\nidentities = [{ issuer = 'i', issuer-pattern = 'i', subject-pattern = '(' }]\n\
                [[signature]]\nname = 'c'\nkeys = ['k.pub']\nneed = 0\nidentity = 'same'\naway-max-age = '1h'\n\
                identities = [{ issuer = '' }]\nannotations = { a = 1 }\nwithout-name = true\n\
                [[signature]]\nname = 'd'\nidentities = [{ issuer = 'i', subject = 's' }]\n\
                [[signature]]\nname = 'e'\nkeys = ['k.pub']\ntrusted-root = 'root.json'\n";
    assert_snapshot!(refused(&[("config.toml", text), ("k.pub", KEY), ("root.json", "{}")]), @r#"
    warning: no rule asks for the signature "a"
     --> config.toml:2:8
      |
    2 | name = 'a'
      |        ^^^
      |
      = help: write verify = "a" in a rule or in [policy], or remove the table

    error: `signature.need`: 2 are needed, and there are 1
     --> config.toml:4:8
      |
    4 | need = 2
      |        ^
      |
      = help: write a smaller number, or "all"

    error: `signature.identity` needs `prefix` and `signed-prefix`, or `repository`
     --> config.toml:5:12
      |
    5 | identity = { prefix = 'm' }
      |            ^^^^^^^^^^^^^^^^

    error: when-away = "cached" needs `away-max-age`
     --> config.toml:6:13
      |
    6 | when-away = 'cached'
      |             ^^^^^^^^
      |
      = help: say how long ago an image may have been verified, for example away-max-age = "24h"

    error: the trusted root root.json cannot be used: missing field `mediaType` at line 1 column 2
     --> config.toml:7:16
      |
    7 | trusted-root = 'root.json'
      |                ^^^^^^^^^^^

    warning: no rule asks for the signature "b"
     --> config.toml:9:8
      |
    9 | name = 'b'
      |        ^^^
      |
      = help: write verify = "b" in a rule or in [policy], or remove the table

    error: `issuer` and `issuer-pattern` are both set
      --> config.toml:10:48
       |
    10 | identities = [{ issuer = 'i', issuer-pattern = 'i', subject-pattern = '(' }]
       |                          --- the other one     ^^^
       |
       = help: keep one of the two

    error: `signature.identities.subject-pattern`: bad regular expression: unclosed group
      --> config.toml:10:71
       |
    10 | identities = [{ issuer = 'i', issuer-pattern = 'i', subject-pattern = '(' }]
       |                                                                       ^^^

    warning: no rule asks for the signature "c"
      --> config.toml:12:8
       |
    12 | name = 'c'
       |        ^^^
       |
       = help: write verify = "c" in a rule or in [policy], or remove the table

    error: `signature.need`: 0 is not a number of signatures
      --> config.toml:14:8
       |
    14 | need = 0
       |        ^
       |
       = help: write 1 or more

    error: `signature.identity`: "same" is not one of "repository", "exact", "exact-or-digest"
      --> config.toml:15:12
       |
    15 | identity = 'same'
       |            ^^^^^^

    error: `away-max-age` has no meaning without when-away = "cached"
      --> config.toml:16:16
       |
    16 | away-max-age = '1h'
       |                ^^^^

    error: `signature.identities` needs the key `subject`
      --> config.toml:17:15
       |
    17 | identities = [{ issuer = '' }]
       |               ^^^^^^^^^^^^^^^
       |
       = help: write what it has to be, or a regular expression as `subject-pattern`

    error: `signature.identities.issuer`: it is empty
      --> config.toml:17:26
       |
    17 | identities = [{ issuer = '' }]
       |                          ^^

    error: `signature.annotations.a` must be a string, not a number
      --> config.toml:18:21
       |
    18 | annotations = { a = 1 }
       |                     ^
       |
       = help: put it in quotes: "1"

    error: `signature.without-name` must be one of "refuse", "accept", not a boolean
      --> config.toml:19:16
       |
    19 | without-name = true
       |                ^^^^

    error: `signature` needs the key `trusted-root`
      --> config.toml:20:1
       |
    20 | [[signature]]
       | ^^^^^^^^^^^^^
       |
       = help: name a trusted_root.json: `cosign trusted-root create` and `gh attestation trusted-root` write one

    warning: no rule asks for the signature "d"
      --> config.toml:21:8
       |
    21 | name = 'd'
       |        ^^^
       |
       = help: write verify = "d" in a rule or in [policy], or remove the table

    warning: no rule asks for the signature "e"
      --> config.toml:24:8
       |
    24 | name = 'e'
       |        ^^^
       |
       = help: write verify = "e" in a rule or in [policy], or remove the table

    error: `trusted-root` has no meaning without `identities`
      --> config.toml:26:16
       |
    26 | trusted-root = 'root.json'
       |                ^^^^^^^^^^^

    error: the trusted root root.json cannot be used: missing field `mediaType` at line 1 column 2
      --> config.toml:26:16
       |
    26 | trusted-root = 'root.json'
       |                ^^^^^^^^^^^
    "#);
}

#[test]
fn what_is_probably_not_meant_is_told() {
    let text = format!(
        "{MAIN}[[signature]]\nname = 'twice'\nkeys = ['k.pub', 'k.pub']\nsignatures-from = ['origin', 'origin']\n\
         [containerd]\nfence = true\n[policy]\nverify = 'twice'\n\
         [[policy.rule]]\nprefix = 'a.de'\nmirrors = ['m.de']\n"
    );
    assert_snapshot!(warned_of(&[("config.toml", &text), ("k.pub", KEY)]), @r#"
    warning: no rule asks for the signature "main"
     --> config.toml:2:8
      |
    2 | name = 'main'
      |        ^^^^^^
      |
      = help: write verify = "main" in a rule or in [policy], or remove the table

    warning: this key is already in the list
     --> config.toml:6:18
      |
    6 | keys = ['k.pub', 'k.pub']
      |                  ^^^^^^^
      |
      = help: remove it: a key counts once

    warning: this is already in the list
     --> config.toml:7:30
      |
    7 | signatures-from = ['origin', 'origin']
      |                              ^^^^^^^^
      |
      = help: remove one of them

    note: the fence verifies no signatures
      --> config.toml:11:10
       |
    11 | verify = 'twice'
       |          ^^^^^^^
       |
       = help: what is pulled past the shunt (ctr, nerdctl, containerd's own sandbox image) is held to the mirrors of the rules, and is not verified
    "#);
}

#[test]
fn both_names_are_no_way_for_what_is_verified() {
    let rule = |verify: &str| {
        format!(
            "{MAIN}[policy]\nnames = 'both'\n[[policy.rule]]\nprefix = 'a.de'\nmirrors = ['m.de']\n{verify}\n\
             [[policy.rule]]\nprefix = 'b.de'\npass = true\nverify = 'main'\n"
        )
    };
    let (with, without) = (rule("verify = 'main'"), rule("verify = 'none'"));
    let said = refused(&[("config.toml", &with), ("k.pub", KEY)]);
    assert!(said.contains("signatures cannot be verified with names = \"both\""), "{said}");
    assert_eq!(demanded(&with_key(&without), "b.de/x"), ["main"]);
}

#[test]
fn a_changed_key_is_a_difference() {
    let text = format!("{MAIN}[policy]\nverify = 'main'\n");
    let of = |key: &str| accepted(&[("config.toml", &text), ("k.pub", key)]);
    assert!(changes(&of(KEY), &of(KEY)).is_empty());
    let found = changes(&of(KEY), &of(OTHER_KEY));
    let lines = |said: &Option<crate::config::Said>| said.as_ref().unwrap().lines.join("\n");
    let [change] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(change.name, "main");
    assert!(lines(&change.old).starts_with("# the key ca20f884"), "{}", lines(&change.old));
    assert_ne!(lines(&change.old), lines(&change.new));
}
