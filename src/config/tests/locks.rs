//! `locked` and `unlisted`.

use insta::assert_snapshot;

use super::{accepted, load_files, refused, shown};
use crate::policy::{Asked, Name};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn image(name: &str, digest: &str) -> String {
    format!("[[image]]\nname = \"{name}\"\ndigest = \"{digest}\"\n")
}

const RULE: &str = "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev']\n";

#[test]
fn a_lock_is_beside_the_file_that_names_it() {
    let files = [
        ("config.toml", "[policy]\nlocked = 'all.lock'\n"),
        ("all.lock", &image("quay.io/a:1", A)),
        ("conf.d/10.toml", &format!("{RULE}locked = 'own/images.lock'\nunlisted = 'deny'\n")),
        ("conf.d/own/images.lock", &image("quay.io/b:1", A)),
    ];
    let policy = accepted(&files).policy;
    let locked = |image: &str| {
        let name: Name = image.parse().unwrap();
        policy.decide(&Asked::of(&name)).locked().map(|pin| pin.file().rsplit('/').next().unwrap().to_owned())
    };
    assert_eq!(locked("quay.io/b:1").as_deref(), Some("images.lock"));
    assert_eq!(locked("quay.io/a:1"), None, "the rule has its own");
    assert_eq!(policy.locks().len(), 2);
}

#[test]
fn what_is_wrong_with_a_lock_has_its_place() {
    let config = format!("{RULE}locked = 'images.lock'\n");
    let lock = format!("{}{}digest = 1\n", image("quay.io/a:1", A), "[[image]]\nname = 'nginx'\n");
    assert_snapshot!(refused(&[("config.toml", &config), ("images.lock", &lock)]), @r#"
    error: `image.name`: "nginx" is not written in full
     --> images.lock:5:8
      |
    5 | name = 'nginx'
      |        ^^^^^^^
      |
      = help: write docker.io/library/nginx:latest

    error: `image.digest` must be a string, not a number
     --> images.lock:6:10
      |
    6 | digest = 1
      |          ^
    "#);
    let twice = format!(
        "{}{}",
        image("nginx:1", A).replace("nginx", "docker.io/library/nginx"),
        image("registry-1.docker.io/library/nginx:1", &A.replace("aaaa", "bbbb"))
    );
    assert_snapshot!(refused(&[("config.toml", &config), ("images.lock", &twice)]), @r#"
    error: registry-1.docker.io/library/nginx:1 and docker.io/library/nginx:1 are one image, and have different digests
     --> images.lock:4:1
      |
    4 | [[image]]
      | ^^^^^^^^^
    "#);
    assert_snapshot!(refused(&[("config.toml", &config)]), @"
    error: cannot read images.lock: No such file or directory (os error 2)
     --> config.toml:4:10
      |
    4 | locked = 'images.lock'
      |          ^^^^^^^^^^^^^
      |
      = help: write it: cri-shunt lock -o images.lock NAME...
    ");
}

#[test]
fn keys_without_a_meaning_are_refused() {
    let deny = "[[policy.rule]]\nprefix = 'quay.io'\ndeny = 'no'\nlocked = 'x'\nunlisted = 'pass'\n";
    assert_snapshot!(refused(&[("config.toml", deny), ("x", "")]), @"
    error: `locked` has no meaning in a rule that denies
     --> config.toml:4:10
      |
    4 | locked = 'x'
      |          ^^^

    error: `unlisted` has no meaning in a rule that denies
     --> config.toml:5:12
      |
    5 | unlisted = 'pass'
      |            ^^^^^^
    ");
    let config = format!("{RULE}unlisted = 'allow'\n");
    assert_snapshot!(refused(&[("config.toml", &config)]), @r#"
    error: `policy.rule.unlisted`: "allow" is not one of "pass", "deny"
     --> config.toml:4:12
      |
    4 | unlisted = 'allow'
      |            ^^^^^^^
    "#);
    let config = format!("[policy]\nunlisted = 'deny'\n{RULE}unlisted = 'deny'\n");
    assert_snapshot!(refused(&[("config.toml", &config)]), @r#"
    error: `unlisted` denies nothing without `locked`
     --> config.toml:2:12
      |
    2 | unlisted = 'deny'
      |            ^^^^^^
      |
      = help: name the lock: locked = "images.lock"

    error: `unlisted` denies nothing without `locked`
     --> config.toml:6:12
      |
    6 | unlisted = 'deny'
      |            ^^^^^^
      |
      = help: name the lock: locked = "images.lock"
    "#);
}

#[test]
fn a_lock_that_holds_little_is_told_of() {
    let config = format!("{RULE}locked = 'images.lock'\n[[policy.rule]]\nprefix = 'ghcr.io'\ndeny = 'no'\n");
    let lock: String =
        ["quay.io/a:1", "gcr.io/b:1", "ghcr.io/c:1"].iter().map(|name| image(name, A)).collect();
    let (loaded, dir) = load_files(&[("config.toml", &config), ("images.lock", &lock)]);
    assert_snapshot!(shown(&loaded.unwrap().warnings, dir.path()), @"
    warning: 2 of 3 images in images.lock are not held to it: gcr.io/b:1, ghcr.io/c:1
     --> config.toml:4:10
      |
    4 | locked = 'images.lock'
      |          ^^^^^^^^^^^^^
      |
      = help: they are denied, or the rule that is for them does not name this lock; `cri-shunt explain NAME` shows the rule
    ");
    let (loaded, dir) = load_files(&[("config.toml", &config), ("images.lock", "version = 1\n")]);
    assert_snapshot!(shown(&loaded.unwrap().warnings, dir.path()), @"
    warning: images.lock has no image
     --> config.toml:4:10
      |
    4 | locked = 'images.lock'
      |          ^^^^^^^^^^^^^
      |
      = help: to add one: cri-shunt lock --update -o images.lock NAME
    ");
}
