//! What the commands say of tags that are locked.

use insta::assert_snapshot;

use crate::program::{lay_out, run};
use crate::shown;
use crate::support::shunt::rule;

const NOWHERE: &str = "[containerd]\nsocket = \"/nonexistent/containerd.sock\"\n";

fn image(name: &str, letter: &str) -> String {
    format!("[[image]]\nname = \"{name}\"\ndigest = \"sha256:{}\"\n", letter.repeat(64))
}

#[test]
fn explain_check_and_diff_tell_of_locks() {
    let config =
        format!("{}locked = \"images.lock\"\nunlisted = \"deny\"\n{NOWHERE}", rule("quay.io", &["m.dev/q"]));
    let old = image("quay.io/a:1", "a") + &image("gcr.io/b:1", "b");
    let new = image("quay.io/a:1", "c") + &image("quay.io/n:1", "b");
    let files = [
        ("config.toml", &*config),
        ("images.lock", &*old),
        ("new/config.toml", &*config),
        ("new/images.lock", &*new),
    ];
    let dir = lay_out(&files);
    let said = |arguments: &[&str]| {
        let text = shown(&run(dir.path(), arguments));
        ["a", "b", "c"]
            .iter()
            .fold(text, |text, letter| text.replace(&letter.repeat(64), &letter.to_uppercase()))
    };
    assert_snapshot!(said(&["explain", "--config", "config.toml", "quay.io/a:1"]), @r#"
    quay.io/a:1
      name        quay.io/a:1
      decision    route, by rule "quay.io" (config.toml:2)
      locked      to sha256:A by images.lock
      candidates  1. m.dev/q/a@sha256:A  mirror  no credentials
    --- exit 0
    "#);
    let other = format!("quay.io/a:1@sha256:{}", "c".repeat(64));
    assert_snapshot!(said(&["explain", "--config", "config.toml", "--format", "json", "quay.io/a:1", "quay.io/a:2", &other]), @r#"
    {"input":"quay.io/a:1","kind":"name","name":"quay.io/a:1","decision":"route","rule":{"prefix":"quay.io","source":"config.toml:2"},"reason":null,"locked":{"digest":"sha256:A","file":"images.lock"},"candidates":[{"reference":"m.dev/q/a@sha256:A","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    {"input":"quay.io/a:2","kind":"name","name":"quay.io/a:2","decision":"deny","rule":{"prefix":"quay.io","source":"config.toml:2"},"reason":"the lock images.lock does not list it; to add it: cri-shunt lock --update -o images.lock quay.io/a:2","candidates":[]}
    {"input":"quay.io/a:1@sha256:C","kind":"name","name":"quay.io/a@sha256:C","decision":"deny","rule":{"prefix":"quay.io","source":"config.toml:2"},"reason":"quay.io/a:1 is locked to sha256:A by images.lock, and another digest is asked for","candidates":[]}
    --- exit 1
    "#);
    assert_snapshot!(said(&["check", "--config", "config.toml", "--strict"]), @r#"
    config.toml: usable: 1 rule, default pass, 2 images locked by images.lock; 1 warning
    Not covered, because it does not use the shunt's socket: images that k3s and RKE2 import or pull on
    their own, pulls inside containerd, ctr and nerdctl, the Transfer API.
    --- stderr
    warning: 1 of 2 images in images.lock are not held to it: gcr.io/b:1
     --> config.toml:4:10
      |
    4 | locked = "images.lock"
      |          ^^^^^^^^^^^^^
      |
      = help: they are denied, or the rule that is for them does not name this lock; `cri-shunt explain NAME` shows the rule

    --- exit 1
    "#);
    assert_snapshot!(said(&["check", "--config", "new/config.toml", "--format", "json"]), @r#"
    {"configuration":"new/config.toml","usable":true,"rules":1,"rules_in_force":1,"mode":"enforce","default":"pass","default_registry":null,"locks":[{"file":"new/images.lock","images":2}],"problems":[],"hosts_toml":{"directory":null,"kept":[],"problems":[],"fence":null}}
    --- exit 0
    "#);
    assert_snapshot!(said(&["diff", "config.toml", "new/config.toml", "quay.io/a:1"]), @r#"
    - locked tag gcr.io/b:1 (images.lock)
      - digest = "sha256:B"
    ~ locked tag quay.io/a:1 (images.lock -> new/images.lock)
      - digest = "sha256:A"
      + digest = "sha256:C"
    + locked tag quay.io/n:1 (new/images.lock)
      + digest = "sha256:B"
    ~ image quay.io/a:1
      - route, by rule "quay.io" (config.toml:2): m.dev/q/a@sha256:A
      + route, by rule "quay.io" (new/config.toml:2): m.dev/q/a@sha256:C
    different: 3 locked tags, 1 of 1 images
    --- exit 1
    "#);
    assert_snapshot!(said(&["preflight", "--config", "config.toml", "quay.io/a:1", "quay.io/a:2"]), @"
    IMAGE        DECISION  RULE     FROM
    quay.io/a:1  route     quay.io  m.dev/q/a@sha256:A
    quay.io/a:2  deny      quay.io  the lock images.lock does not list it; to add it: cri-shunt lock --update -o images.lock quay.io/a:2
    2 images: 1 route, 1 deny
    --- exit 1
    ");
}
