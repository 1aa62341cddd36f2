//! `cri-shunt lock`: what is written, what has moved, and what is left alone.

use std::path::Path;

use insta::assert_snapshot;

use crate::program::{lay_out, run};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::rule;
use crate::{run_with, shown};

const NOWHERE: &str = "[containerd]\nsocket = \"/nonexistent/containerd.sock\"\n";

/// Runs it beside a `config.toml`, with the registry's name left out of what it says.
fn lock(dir: &Path, registry: &Registry, arguments: &[&str]) -> String {
    let output = run(dir, &[&["lock", "--config", "config.toml"], arguments].concat());
    // The columns are as wide as the port is long.
    let text = shown(&output).replace(registry.host(), "R");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_tag_is_locked_and_is_seen_to_move() {
    let Some(registry) = Registry::shared() else { return };
    let [one, two] = ["lock-one", "lock-two"].map(|unique| Image::index(Image::busybox(unique)));
    let first = registry.push("lock/moves", "1", &one);
    registry.push("lock/stays", "1", &Image::busybox("lock-stays"));
    let stays = Image::busybox("lock-stays").digest();
    let config = rule("docker.io/lock", &[registry.host()]);
    let dir = lay_out(&[("config.toml", &format!("{config}{NOWHERE}"))]);
    let lock = |arguments: &[&str]| {
        let text = lock(dir.path(), registry, arguments);
        text.replace(&first, "FIRST").replace(&two.digest(), "SECOND").replace(&stays, "STAYS")
    };

    assert_snapshot!(lock(&["lock/stays:1", "docker.io/lock/moves:1", "lock/moves:1"]), @"
    new docker.io/lock/moves:1 FIRST at R/lock/moves:1
    new docker.io/lock/stays:1 STAYS at R/lock/stays:1
    2 images: 2 new
    --- exit 0
    ");
    let file = dir.path().join("images.lock");
    let written = std::fs::read_to_string(&file).unwrap();
    let [other, own] = [0, 1].map(|child: usize| one.children()[child].digest());
    let known = written.replace(registry.host(), "R").replace(&first, "FIRST").replace(&stays, "STAYS");
    let (amd64, arm64) =
        if crate::support::image::architecture() == "amd64" { (own, other) } else { (other, own) };
    assert_snapshot!(known.replace(&amd64, "AMD64").replace(&arm64, "ARM64"), @r#"
    # Written by cri-shunt lock.
    # What has moved: cri-shunt lock --check. Look again: cri-shunt lock --update.
    version = 1

    [[image]]
    name = "docker.io/lock/moves:1"
    digest = "FIRST"
    asked = "R/lock/moves:1"
    [image.platforms]
    "linux/amd64" = "AMD64"
    "linux/arm64" = "ARM64"

    [[image]]
    name = "docker.io/lock/stays:1"
    digest = "STAYS"
    asked = "R/lock/stays:1"
    "#);

    let before = registry.requests().len();
    assert_snapshot!(lock(&["--check"]), @"
    same docker.io/lock/moves:1 FIRST
    same docker.io/lock/stays:1 STAYS
    2 images: 2 same
    --- exit 0
    ");
    let asked = registry.requests().split_off(before);
    let of_these = asked.iter().filter(|asked| asked.path.contains("/lock/"));
    assert!(
        of_these.clone().count() == 2 && of_these.clone().all(|asked| asked.method == "HEAD"),
        "{asked:?}"
    );

    registry.push("lock/moves", "1", &two);
    assert_snapshot!(lock(&["--check", "-q"]), @"
    moved docker.io/lock/moves:1 FIRST -> SECOND at R/lock/moves:1
    2 images: 1 same, 1 moved
    --- exit 1
    ");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    assert_snapshot!(lock(&["--update", "--format", "json", "lock/moves:1"]), @r#"
    {"name":"docker.io/lock/moves:1","state":"moved","locked":"FIRST","now":"SECOND","asked":"R/lock/moves:1","error":null,"differ":false}
    --- exit 0
    "#);
    assert_snapshot!(lock(&["--check", "-q"]), @"--- exit 0");
    registry.push("lock/other", "1", &Image::busybox("lock-stays"));
    assert_snapshot!(lock(&["--check", "lock/other:1"]), @"
    new docker.io/lock/other:1 STAYS at R/lock/other:1
    1 image: 1 new
    --- exit 1
    ");
}

#[test]
fn images_come_from_manifests_and_values() {
    let Some(registry) = Registry::shared() else { return };
    registry.push("from/app", "1.10", &Image::busybox("lock-from"));
    let host = registry.host();
    let pinned = format!("quay.io/a@sha256:{}", "0".repeat(64));
    let pod =
        format!("kind: Pod\nspec:\n  containers:\n  - image: {host}/from/app:1.10\n  - image: {pinned}\n");
    let values = format!(
        "image:\n  registry: \"{host}\"\n  repository: from/app\n  tag: 1.10\nside:\n  repository: x/y\n"
    );
    let files =
        [("config.toml", NOWHERE), ("pod.yaml", &pod), ("values.yaml", &values), ("bad.yaml", "a: [\n")];
    let dir = lay_out(&files);
    let lock = |arguments: &[&str]| lock(dir.path(), registry, arguments);
    let digest = Image::busybox("lock-from").digest();
    assert_snapshot!(lock(&["--from", "pod.yaml", "--from", "values.yaml"]).replace(&digest, "DIGEST"), @"
    new R/from/app:1.10 DIGEST at R/from/app:1.10
    1 image: 1 new
    --- stderr
    warning: values.yaml: x/y has no tag, so it is left out
    --- exit 0
    ");
    assert_snapshot!(lock(&["--from", "bad.yaml"]), @"
    --- stderr
    error: this is not YAML: unclosed bracket '['
    --> bad.yaml:1:4
    = note: line not shown: it may hold a secret

    --- exit 2
    ");
    assert_snapshot!(lock(&[&pinned]), @"
    --- stderr
    error: no image is given that needs a lock: name tags, or use --from or --node
    --- exit 2
    ");
    let piped =
        run_with(dir.path(), &["lock", "--config", "config.toml", "--from", "-", "-o", "other.lock"], &pod);
    assert_eq!(piped.status.code(), Some(0), "{piped:?}");
    let locks =
        ["images.lock", "other.lock"].map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap());
    assert_eq!(locks[0], locks[1]);
}

/// As `preflight` takes it.
#[test]
fn what_is_only_observed_counts_as_what_it_would_do() {
    let Some(registry) = Registry::shared() else { return };
    let digest = registry.push("observed/app", "1", &Image::busybox("lock-observed"));
    let denied = "[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"no\"\n";
    let observed = rule("quay.io/observed", &[registry.host()]) + "mode = \"observe\"\n";
    let config = format!("{NOWHERE}{denied}{observed}");
    let dir = lay_out(&[("config.toml", &config)]);
    assert_snapshot!(lock(dir.path(), registry, &["quay.io/observed/app:1"]).replace(&digest, "DIGEST"), @"
    new quay.io/observed/app:1 DIGEST at R/observed/app:1
    1 image: 1 new
    --- exit 0
    ");
    let dir = lay_out(&[("config.toml", &format!("[policy]\nmode = \"observe\"\n{denied}{NOWHERE}"))]);
    assert_snapshot!(lock(dir.path(), registry, &["quay.io/observed/app:1"]), @r#"
    failed quay.io/observed/app:1 would be: deny, by rule "quay.io" (config.toml:4): no
    1 image: 1 failed
    --- stderr
    error: nothing has been written, because not every image could be had
    --- exit 1
    "#);
}

#[test]
fn nothing_is_written_where_something_is_wrong() {
    let Some(registry) = Registry::shared() else { return };
    registry.push("wrong/app", "1", &Image::busybox("lock-wrong"));
    let config = format!("{NOWHERE}[[policy.rule]]\nprefix = \"evil.dev\"\ndeny = \"no\"\n");
    let files = [
        ("config.toml", config.as_str()),
        ("mine.lock", "my own\n"),
        ("bad.lock", "[[image]]\nname = 1\n"),
        ("empty.lock", ""),
    ];
    let dir = lay_out(&files);
    let lock = |arguments: &[&str]| lock(dir.path(), registry, arguments);
    let good = registry.name("wrong/app", "1");
    let missing = registry.name("wrong/app", "2");
    let digest = Image::busybox("lock-wrong").digest();
    assert_snapshot!(lock(&[&good, &missing, "evil.dev/x:1", "quay.io/UPPER"]).replace(&digest, "DIGEST"), @r#"
    new R/wrong/app:1 DIGEST at R/wrong/app:1
    failed R/wrong/app:2 R answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown
    failed evil.dev/x:1 deny, by rule "evil.dev" (config.toml:4): no
    failed quay.io/UPPER invalid: not a valid image reference: upper case in the repository
    4 images: 1 new, 3 failed
    --- stderr
    error: nothing has been written, because not every image could be had
    --- exit 1
    "#);
    assert!(!dir.path().join("images.lock").exists());
    // No registry is asked for a file that could not be written then.
    assert_snapshot!(lock(&["-o", "mine.lock", &good]), @"
    --- stderr
    error: mine.lock was not written by cri-shunt lock, so it is left alone: name another file, or replace it with --force
    --- exit 2
    ");
    assert_eq!(std::fs::read_to_string(dir.path().join("mine.lock")).unwrap(), "my own\n");
    assert_snapshot!(lock(&["--check", "-o", "bad.lock"]), @"
    --- stderr
    error: `image.name` must be a string, not a number
    --> bad.lock:2:8
    |
    2 | name = 1
    | ^
    |
    = help: write docker.io/library/1:latest

    --- exit 2
    ");
    assert_snapshot!(lock(&["--check"]), @"
    --- stderr
    error: cannot read images.lock: No such file or directory (os error 2)

    --- exit 2
    ");
    assert_snapshot!(lock(&[]), @"
    --- stderr
    error: no image is given that needs a lock: name tags, or use --from or --node
    --- exit 2
    ");
    assert_snapshot!(lock(&["--from", "-", "-"]), @"
    --- stderr
    error: `-` is given twice, and stdin can be read once only
    --- exit 2
    ");
    assert_snapshot!(lock(&["--check", "-o", "empty.lock"]), @"
    no images
    --- exit 0
    ");
    assert!(lock(&["-o", "mine.lock", "--force", &good]).ends_with("--- exit 0"));
}
