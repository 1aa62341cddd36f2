//! `[[signature]]`, and what rules say of it.

mod policy_json;
mod table;

use std::sync::Arc;

use insta::assert_snapshot;

use super::{accepted, load_files, refused, shown};
use crate::config::Config;
use crate::policy::{Asked, Name};
use crate::signature::{Must, SignaturesFrom, Signed};

/// A public key, as cosign writes it.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpH7RTttL68BSg8FsiTA6Ne7kfmwE\nyQGOMPhlRLLmHTCoOXyzyGeso1jOWksj8SvOzex1BkrqVFbxWSEBNCiKOA==\n-----END PUBLIC KEY-----\n";

/// Another one, of another kind.
const OTHER_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

/// A trusted root.
const ROOT: &str = include_str!("../../../fuzz/corpus/signature/trusted_root");

/// The table `main` with the key `k.pub`.
const MAIN: &str = "[[signature]]\nname = 'main'\nkeys = ['k.pub']\n";

fn with_key(text: &str) -> Config {
    accepted(&[("config.toml", text), ("k.pub", KEY)])
}

fn must(config: &Config, image: &str) -> Vec<Must> {
    let name: Name = image.parse().unwrap();
    let asked = Asked::of(&name);
    config.demands.of_asked(&config.policy, &asked, &config.policy.decide(&asked))
}

/// Who demands a signature of an image.
fn demanded(config: &Config, image: &str) -> Vec<String> {
    let by = |must| match must {
        Must::Signed(signed) => signed.by.to_string(),
        Must::Refused(why) => why,
    };
    must(config, image).into_iter().map(by).collect()
}

/// What a single demand says.
fn signed(config: &Config, image: &str) -> Arc<Signed> {
    let found = must(config, image);
    let [Must::Signed(signed)] = found.as_slice() else { panic!("{found:?}") };
    Arc::clone(signed)
}

/// The warnings and notes of files that load.
fn warned_of(files: &[(&str, &str)]) -> String {
    let (loaded, dir) = load_files(files);
    shown(&loaded.unwrap_or_else(|problems| panic!("{}", shown(&problems, dir.path()))).warnings, dir.path())
}

#[test]
fn a_rule_asks_for_signatures_by_name() {
    let config = with_key(&format!(
        "{MAIN}signatures-from = ['s.de/signatures', 'origin']\n\
         [[policy.rule]]\nprefix = 'a.de'\nmirrors = ['m.de']\nverify = 'main'\n\
         [[policy.rule]]\nprefix = 'a.de/open'\npass = true\n\
         [[policy.rule]]\nprefix = 'b.de'\npass = true\nverify = 'main'\n"
    ));
    for (image, expected) in [("a.de/x:1", 1), ("a.de/open/x:1", 0), ("b.de/x:1", 1), ("c.de/x:1", 0)] {
        assert_eq!(demanded(&config, image), vec!["main"; expected], "{image}");
    }
    let signed = signed(&config, "a.de/x:1");
    assert_eq!(signed.demand.keys.len(), 1);
    let from = [SignaturesFrom::Repository("s.de/signatures".parse().unwrap()), SignaturesFrom::Origin];
    assert_eq!(signed.from, from);
}

#[test]
fn the_policy_asks_where_a_rule_does_not_say() {
    let config = with_key(&format!(
        "{MAIN}[policy]\nverify = 'main'\n\
         [[policy.rule]]\nprefix = 'a.de'\nmirrors = ['m.de']\n\
         [[policy.rule]]\nprefix = 'b.de'\npass = true\nverify = 'none'\n"
    ));
    for (image, expected) in [("a.de/x:1", 1), ("b.de/x:1", 0), ("c.de/x:1", 1)] {
        assert_eq!(demanded(&config, image), vec!["main"; expected], "{image}");
    }
}

#[test]
fn a_policy_that_only_verifies_says_something() {
    for policy in ["verify = 'main'\n", "[[policy.rule]]\nprefix = 'a.de'\npass = true\nverify = 'main'\n"] {
        let text = format!("{MAIN}[policy]\n{policy}");
        assert_eq!(warned_of(&[("config.toml", &text), ("k.pub", KEY)]), "", "{policy}");
        assert!(!with_key(&text).policy.passes_all(), "{policy}");
    }
    let text = format!("{MAIN}[policy]\nverify = 'main'\n");
    assert!(with_key(&text).extent.has_default);
}

#[test]
fn a_changed_file_of_a_key_is_a_changed_configuration() {
    let text = format!("{MAIN}[policy]\nverify = 'main'\n");
    let (loaded, dir) = load_files(&[("config.toml", &text), ("k.pub", KEY)]);
    let loaded = loaded.ok().unwrap();
    assert_eq!(loaded.warnings.seen().torn(), None);
    let key = dir.path().join("k.pub");
    std::fs::write(&key, OTHER_KEY).unwrap();
    assert_eq!(loaded.warnings.seen().torn(), Some(key.as_path()));
}

#[test]
fn a_login_for_signatures_is_used() {
    let text = format!(
        "{MAIN}signatures-from = ['s.de/signatures']\n[policy]\nverify = 'main'\n\
         [[credentials]]\nregistry = 's.de'\nusername = 'a'\npassword-env = 'X'\n"
    );
    assert_eq!(warned_of(&[("config.toml", &text), ("k.pub", KEY)]), "");
}

#[test]
fn a_rule_of_a_source_frees_nothing_of_what_a_native_rule_asks_for() {
    let config = accepted(&[
        (
            "config.toml",
            &format!(
                "{MAIN}[[policy.source]]\nregistries-conf = 'r.conf'\n\
                 [[policy.rule]]\nprefix = 'a.de'\nmirrors = ['m.de/a']\nverify = 'main'\n\
                 [[policy.rule]]\nprefix = 'a.de/open'\npass = true\nverify = 'none'\n"
            ),
        ),
        ("k.pub", KEY),
        (
            "r.conf",
            "[[registry]]\nlocation = 'a.de/team'\n[[registry.mirror]]\nlocation = 'n.de'\n\
             [[registry]]\nlocation = 'a.de/open/team'\n[[registry.mirror]]\nlocation = 'n.de'\n",
        ),
    ]);
    for (image, expected) in [("a.de/team/x:1", 1), ("a.de/open/team/x:1", 0)] {
        assert_eq!(demanded(&config, image), vec!["main"; expected], "{image}");
    }
}

#[test]
fn what_is_observed_is_demanded_of_nobody() {
    let rule = |mode: &str| {
        with_key(&format!(
            "{MAIN}[policy]\n{mode}\nverify = 'main'\n[[policy.rule]]\nprefix = 'a.de'\npass = true\n"
        ))
    };
    let name: Name = "a.de/x:1".parse().unwrap();
    let asked = Asked::of(&name);
    for (mode, told) in [("mode = 'observe'", true), ("", false)] {
        let config = rule(mode);
        let decision = config.policy.decide(&asked);
        assert_eq!(demanded(&config, "a.de/x:1"), ["main"]);
        assert_eq!(config.policy.is_only_told(&asked, &decision), told, "{mode}");
        let acting = config.policy.acting();
        assert_eq!(acting.verify(&asked, acting.decide(&asked).rule()).is_none(), told, "{mode}");
    }
}

#[test]
fn the_hash_tells_keys_apart_and_not_the_names_of_files() {
    let hash = |keys: &str, key: &str| {
        let text = format!("[[signature]]\nname = 'main'\nkeys = {keys}\n[policy]\nverify = 'main'\n");
        let files = [("config.toml", text.as_str()), ("k.pub", KEY), ("l.pub", key)];
        accepted(&files).policy.hash().to_owned()
    };
    assert_eq!(hash("['k.pub']", KEY), hash("['l.pub']", KEY));
    assert_ne!(hash("['l.pub']", KEY), hash("['l.pub']", OTHER_KEY));
    let other = MAIN.replace("main", "other");
    let of =
        |tables: &str| with_key(&format!("{tables}[policy]\nverify = 'main'\n")).policy.hash().to_owned();
    assert_eq!(of(&format!("{MAIN}{other}")), of(&format!("{other}{MAIN}")));
}

#[test]
fn mistakes_have_their_places() {
    let rule = "[[policy.rule]]\nprefix = 'a.de'\n";
    let text = format!(
        "[[signature]]\nname = 'a'\nkeys = ['k.pub', 'private.pem', 'no.pem', 'away.pem']\n\
         [[signature]]\nname = 'none'\nkeys = ['k.pub']\n\
         [[signature]]\nname = 'a b'\nkeys = []\n\
         [[signature]]\nname = 'a'\nkeys = ['k.pub']\nsignatures-from = ['s.de', 'Origin']\n\
         [[signature]]\nkey = ['k.pub']\n\
         {rule}mirrors = ['m.de']\nverify = 'b'\n{rule}deny = 'no'\nverify = 'a'\n"
    );
    let private =
        "-----BEGIN PRIVATE KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PRIVATE KEY-----\n";
    let files =
        [("config.toml", text.as_str()), ("k.pub", KEY), ("private.pem", private), ("no.pem", "hush")];
    assert_snapshot!(refused(&files), @r#"
    warning: no rule asks for the signature "a"
     --> config.toml:2:8
      |
    2 | name = 'a'
      |        ^^^
      |
      = help: write verify = "a" in a rule or in [policy], or remove the table

    error: the key private.pem cannot be used: it holds a private key; the public key belongs here (cosign public-key --key FILE)
     --> config.toml:3:18
      |
    3 | keys = ['k.pub', 'private.pem', 'no.pem', 'away.pem']
      |                  ^^^^^^^^^^^^^

    error: the key no.pem cannot be used: it holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)
     --> config.toml:3:33
      |
    3 | keys = ['k.pub', 'private.pem', 'no.pem', 'away.pem']
      |                                 ^^^^^^^^

    error: the key away.pem cannot be used: No such file or directory (os error 2)
     --> config.toml:3:43
      |
    3 | keys = ['k.pub', 'private.pem', 'no.pem', 'away.pem']
      |                                           ^^^^^^^^^^

    error: `signature.name`: "none" stands for no signature at all
     --> config.toml:5:8
      |
    5 | name = 'none'
      |        ^^^^^^
      |
      = help: choose another name

    error: `signature.name`: "a b" is not a name for a signature
     --> config.toml:8:8
      |
    8 | name = 'a b'
      |        ^^^^^
      |
      = help: a name has up to 63 letters, digits, `-`, `_` and `.`

    error: `signature.keys` is empty
     --> config.toml:9:8
      |
    9 | keys = []
      |        ^^

    error: there are two signatures "a"
      --> config.toml:11:8
       |
     2 | name = 'a'
       |        --- the other one
    ...
    11 | name = 'a'
       |        ^^^
       |
       = help: give each a name of its own

    error: `signature.signatures-from`: "s.de" is not a repository
      --> config.toml:13:20
       |
    13 | signatures-from = ['s.de', 'Origin']
       |                    ^^^^^^
       |
       = help: write registry and path, as in "harbor.dev.de/team/signatures", or "origin"

    error: `signature.signatures-from`: "Origin" is not a repository
      --> config.toml:13:28
       |
    13 | signatures-from = ['s.de', 'Origin']
       |                            ^^^^^^^^
       |
       = help: write registry and path, as in "harbor.dev.de/team/signatures", or "origin"

    error: unknown key `key` in `signature`
    --> config.toml:15:1
     = note: line not shown: it may hold a secret
     = help: did you mean `keys`?

    error: there is no [[signature]] with the name "b"
      --> config.toml:19:10
       |
    19 | verify = 'b'
       |          ^^^
       |
       = help: did you mean "a"?

    error: `verify` has no meaning in a rule that denies
      --> config.toml:23:10
       |
    23 | verify = 'a'
       |          ^^^
    "#);
}
