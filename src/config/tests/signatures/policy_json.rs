//! `policy-json`: what `/etc/containers/policy.json` asks for, beside the rules.

use insta::assert_snapshot;

use super::{KEY, MAIN, demanded, warned_of};
use crate::config::tests::{accepted, refused};
use crate::policy::{Asked, Name};

const RULE: &str = "[[policy.rule]]\nprefix = 'b.de'\nmirrors = ['m.de']\nverify = 'main'\n";

/// `@` is the directory of the files.
fn json(dir: &str) -> String {
    let text = r#"{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {
        "a.de": [{"type": "sigstoreSigned", "keyPath": "@/k.pub"}],
        "a.de/gpg": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "@/gpg"}],
        "a.de/away": [{"type": "sigstoreSigned", "keyPath": "@/away"}],
        "b.de": [{"type": "sigstoreSigned", "keyPath": "@/k.pub"}],
        "docker.io": [{"type": "reject"}]}}}"#;
    text.replace('@', dir)
}

/// A key and its policy.json, in a directory of their own.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k.pub"), KEY).unwrap();
    std::fs::write(dir.path().join("policy.json"), json(dir.path().to_str().unwrap())).unwrap();
    dir
}

#[test]
fn its_scopes_hold_beside_the_rules() {
    let dir = files();
    let at = dir.path().display();
    let config = accepted(&[
        ("config.toml", &format!("{MAIN}[policy]\npolicy-json = '{at}/policy.json'\n{RULE}")),
        ("k.pub", KEY),
    ]);
    let scope = |scope: &str| format!("the scope {scope} in {at}/policy.json");
    let hub = format!("{} rejects it", scope("docker.io"));
    let rows: [(&str, &[String]); 6] = [
        ("a.de/x:1", &[scope("a.de")]),
        ("b.de/x:1", &["main".to_owned(), scope("b.de")]),
        ("nginx", std::slice::from_ref(&hub)),
        // No spelling of a registry goes round it.
        ("registry-1.docker.io/library/nginx:1", std::slice::from_ref(&hub)),
        ("A.de:443/x:1", &[scope("a.de")]),
        ("c.de/x:1", &[]),
    ];
    for (image, expected) in rows {
        assert_eq!(demanded(&config, image), expected, "{image}");
    }
    let gpg = demanded(&config, "a.de/gpg/x").concat();
    assert!(gpg.contains("signedBy (GPG) is not verified by this program"), "{gpg}");
}

#[test]
fn what_it_asks_for_is_part_of_the_policy() {
    let dir = files();
    let at = dir.path().display();
    let with =
        |mode: &str, json: &str| accepted(&[("config.toml", &format!("[policy]\n{mode}\n{json}"))]).policy;
    let json = format!("policy-json = {{ file = '{at}/policy.json' }}");
    let origin = format!("policy-json = {{ file = '{at}/policy.json', signatures-from = ['origin'] }}");
    assert_ne!(with("", "").hash(), with("", &json).hash());
    assert_ne!(with("", &origin).hash(), with("", &json).hash());
    let (name, observed) = ("nginx".parse::<Name>().unwrap(), with("mode = 'observe'", &json));
    let asked = Asked::of(&name);
    assert!(observed.is_only_told(&asked, &observed.decide(&asked)));
    assert_eq!(observed.acting().settings().beside, None);
}

#[test]
fn what_cannot_be_held_is_told() {
    let dir = files();
    let text = format!("[policy]\npolicy-json = '{}/policy.json'\n", dir.path().display());
    let said = warned_of(&[("config.toml", &text)]).replace(dir.path().to_str().unwrap(), "/etc/containers");
    assert_snapshot!(said, @r#"
    warning: /etc/containers/policy.json refuses the images of "a.de/away": /etc/containers/away: No such file or directory (os error 2)
     --> config.toml:2:15
      |
    2 | policy-json = '/etc/containers/policy.json'
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    warning: /etc/containers/policy.json refuses the images of "a.de/gpg": signedBy (GPG) is not verified by this program
     --> config.toml:2:15
      |
    2 | policy-json = '/etc/containers/policy.json'
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn one_that_is_none_is_an_error() {
    let said =
        refused(&[("config.toml", "[policy]\npolicy-json = 'p.json'\n"), ("p.json", "{\"default\": []}")]);
    assert_snapshot!(said, @"
    error: p.json cannot be used: default: it has no requirement; to accept all images it says insecureAcceptAnything
     --> config.toml:2:15
      |
    2 | policy-json = 'p.json'
      |               ^^^^^^^^
    ");
    let said = refused(&[("config.toml", "[policy]\npolicy-json = { path = 'p.json' }\n")]);
    assert!(said.contains("unknown key `path` in `policy.policy-json`"), "{said}");
    let said = refused(&[("config.toml", "[policy]\npolicy-json = 'none.json'\n")]);
    assert!(said.contains("none.json cannot be used: No such file"), "{said}");
}
