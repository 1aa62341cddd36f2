//! `cri-shunt drift`: where a tag is not the same image.

use insta::assert_snapshot;

use crate::program::{lay_out, run};
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::image::Image;
use crate::support::refusing::Refusing;
use crate::support::registry::Registry;
use crate::support::scripted::{Scripted, reply};
use crate::support::shunt::rule;
use crate::support::version::Version;
use crate::{on_each_containerd, shown};

const NOWHERE: &str = "[containerd]\nsocket = \"/nonexistent/containerd.sock\"\n";

/// Twelve digits, as a table has them.
fn short(digest: &str) -> &str {
    &digest["sha256:".len()..][..12]
}

/// Columns as wide as their words.
fn narrow(text: &str) -> String {
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn mirrors_the_lock_and_the_policy_are_held_against_each_other() {
    let Some(registry) = Registry::shared() else { return };
    let index = Image::index(Image::busybox("drift-index"));
    let [old, new] = ["drift-old", "drift-new"].map(Image::busybox);
    for (repository, image) in [
        ("one/same", &index),
        ("two/same", &index),
        ("one/moved", &old),
        ("two/moved", &new),
        ("two/half", &new),
    ] {
        registry.push(&format!("drift/{repository}"), "1", image);
    }
    registry.push("drift/one/child", "1", &index.children()[1]);
    registry.push("drift/two/child", "1", &index);
    let [one, two] = ["one", "two"].map(|at| format!("{}/drift/{at}", registry.host()));
    let deny = "[[policy.rule]]\nprefix = \"evil.dev\"\ndeny = \"no\"\n";
    let config = format!("{}\n{deny}{NOWHERE}", rule("quay.io", &[&one, &two]));
    let child = index.children()[1].digest();
    let image =
        |name: &str, digest: &str| format!("[[image]]\nname = \"quay.io/{name}:1\"\ndigest = \"{digest}\"\n");
    let locked = format!(
        "{}platforms = {{ \"linux/amd64\" = \"{child}\" }}\n{}",
        image("child", &index.digest()),
        image("half", &old.digest())
    );
    let dir = lay_out(&[("config.toml", &config), ("images.lock", &locked)]);
    let drift = |arguments: &[&str]| {
        let text = shown(&run(dir.path(), &[&["drift", "--config", "config.toml"], arguments].concat()));
        let digests = [
            (index.digest(), "INDEX"),
            (old.digest(), "OLD"),
            (new.digest(), "NEW"),
            (child.clone(), "CHILD"),
        ];
        let text = digests
            .iter()
            .fold(text, |text, (digest, word)| text.replace(digest, word).replace(short(digest), word));
        narrow(&text.replace(registry.host(), "R"))
    };
    let before = registry.requests().len();
    assert_snapshot!(drift(&["quay.io/same:1", "quay.io/moved:1", "quay.io/half:1", "evil.dev/x:1", "quay.io/UPPER"]), @"
    STATE IMAGE LOCK NODE REGISTRIES
    denied evil.dev/x:1 - - no
    denied quay.io/UPPER - - upper case in the repository
    missing quay.io/half:1 - - R does not have it, R NEW
    differs quay.io/moved:1 - - R OLD, R NEW
    same quay.io/same:1 - - R INDEX, R INDEX
    5 images: 1 same, 1 differs, 1 missing, 2 denied
    --- stderr
    warning: what is on the node is not known: containerd's image store, list all: containerd is not reachable on /nonexistent/containerd.sock: No such file or directory (os error 2)
    --- exit 1
    ");
    let asked = registry.requests().split_off(before);
    // Other tests, and containerds, ask the same registry for their own images.
    let is_own = |path: &str| ["/drift/one/", "/drift/two/"].iter().any(|own| path.contains(own));
    let manifests = asked.iter().filter(|asked| is_own(&asked.path) && asked.status == 200);
    assert!(
        manifests.clone().count() >= 5 && manifests.clone().all(|asked| asked.method == "HEAD"),
        "{asked:?}"
    );
    assert_snapshot!(drift(&["--lock", "images.lock"]), @"
    STATE IMAGE LOCK NODE REGISTRIES
    same quay.io/child:1 INDEX - R CHILD (child), R INDEX
    differs quay.io/half:1 OLD - R does not have it, R NEW
    2 images: 1 same, 1 differs
    --- stderr
    warning: what is on the node is not known: containerd's image store, list all: containerd is not reachable on /nonexistent/containerd.sock: No such file or directory (os error 2)
    --- exit 1
    ");
    assert_snapshot!(drift(&["--lock", "images.lock", "quay.io/child:1", "--format", "json"]), @r#"
    {"name":"quay.io/child:1","state":"same","lock":"INDEX","node":null,"registries":[{"reference":"R/drift/one/child:1","role":"mirror","digest":"CHILD","error":null},{"reference":"R/drift/two/child:1","role":"mirror","digest":"INDEX","error":null}],"reason":null}
    --- stderr
    warning: what is on the node is not known: containerd's image store, list all: containerd is not reachable on /nonexistent/containerd.sock: No such file or directory (os error 2)
    --- exit 0
    "#);
    assert_snapshot!(drift(&["-q", "quay.io/same:1"]), @"--- exit 0");
    assert_snapshot!(drift(&["--lock", "missing.lock"]), @"
    --- stderr
    error: cannot read missing.lock: No such file or directory (os error 2)

    --- exit 2
    ");
    assert_snapshot!(drift(&[]), @"
    --- stderr
    error: containerd's image store, list all: containerd is not reachable on /nonexistent/containerd.sock: No such file or directory (os error 2)
    --- exit 3
    ");
}

#[test]
fn the_registry_in_the_name_is_asked_where_the_policy_does_or_on_demand() {
    let Some(registry) = Registry::shared() else { return };
    let image = Image::busybox("drift-origin");
    registry.push("drift/origin", "1", &image);
    let origin = Scripted::start(|_| reply(404, &[], ""));
    let config = format!("{}{NOWHERE}", rule(&origin.host(), &[registry.host()]));
    let dir = lay_out(&[("config.toml", &config)]);
    let name = format!("{}/drift/origin:1", origin.host());
    let drift =
        |more: &[&str]| run(dir.path(), &[&["drift", "--config", "config.toml", &name], more].concat());
    let alone = drift(&[]);
    assert!(shown(&alone).contains("1 image: 1 same"), "{alone:?}");
    assert_eq!(origin.requests().len(), 0);
    let both = drift(&["--origin"]);
    assert!(shown(&both).contains("1 image: 1 missing"), "{both:?}");
    assert_eq!(both.status.code(), Some(1));
    assert!(!origin.requests().is_empty());
}

/// As `preflight` takes it.
#[test]
fn what_is_only_observed_counts_as_what_it_would_do() {
    let Some(registry) = Registry::shared() else { return };
    registry.push("drift/observed", "1", &Image::busybox("drift-observed"));
    let denied = "[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"no\"\n";
    let routed = rule("quay.io/drift", &[registry.host()]);
    let drift = |config: &str| {
        let dir = lay_out(&[("config.toml", &format!("{config}{NOWHERE}"))]);
        let arguments = ["drift", "--quiet", "--config", "config.toml", "quay.io/drift/observed:1"];
        narrow(&shown(&run(dir.path(), &arguments)))
    };
    assert_snapshot!(drift(&format!("{denied}{routed}mode = \"observe\"\n")), @"--- exit 0");
    assert_snapshot!(drift(&format!("[policy]\nmode = \"observe\"\n{denied}")), @"
    STATE IMAGE LOCK NODE REGISTRIES
    denied quay.io/drift/observed:1 - - no
    1 image: 1 denied
    --- exit 1
    ");
}

#[test]
fn a_dead_registry_is_not_a_difference_and_not_the_same() {
    let dead = Refusing::start();
    let dir = lay_out(&[("config.toml", &format!("{}{NOWHERE}", rule("quay.io", &[&dead.host()])))]);
    let output = run(dir.path(), &["drift", "--config", "config.toml", "quay.io/a:1"]);
    let text = shown(&output);
    assert!(text.contains("cannot connect to") && text.contains("1 image: 1 unknown\n"), "{text}");
    assert!(text.ends_with("--- exit 1"), "{text}");
}

async fn what_is_on_the_node_is_compared(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("drift/node/{}", version.line());
    let direct = Cri::connect(&containerd.socket()).await;
    let [old, new] = ["old", "new"].map(|unique| Image::busybox(&format!("{path}/{unique}")));
    registry.push(&path, "1", &old);
    let name = registry.name(&path, "1");
    direct.pull(&name).await.unwrap();
    // The images of other tests are on the same node, and their registries are not asked.
    let config = format!(
        "[policy]\ndefault = \"deny\"\n[[policy.rule]]\nprefix = \"{}/{path}\"\npass = true\n[containerd]\nsocket = {:?}\n",
        registry.host(),
        containerd.socket()
    );
    let dir = lay_out(&[("config.toml", &config)]);
    let row = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["drift", "--config", "config.toml"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let row = text.lines().find(|line| line.contains(&name)).unwrap_or_else(|| panic!("{text}"));
        row.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let host = registry.host();
    assert_eq!(row(&[]), ["same", &name, "-", short(&old.digest()), host, short(&old.digest())]);
    registry.push(&path, "1", &new);
    assert_eq!(row(&[&name]), ["differs", &name, "-", short(&old.digest()), host, short(&new.digest())]);
    direct.remove(&old.id()).await.unwrap();
    assert_eq!(row(&[&name]), ["same", &name, "-", "-", host, short(&new.digest())]);
}

/// Without `--lock` each image is held against the lock of its rule, and what the tag is now is asked all the same.
#[test]
fn the_locks_of_the_policy_count_and_the_counts_are_written() {
    let Some(registry) = Registry::shared() else { return };
    let [old, new] = ["drift-locked-old", "drift-locked-new"].map(Image::busybox);
    registry.push("drift-locked/a", "1", &new);
    let host = registry.host();
    let dir = lay_out(&[]);
    let state = dir.path().join("state");
    let config = format!(
        "{}locked = \"images.lock\"\nunlisted = \"deny\"\n[state]\ndir = {state:?}\n{NOWHERE}",
        rule("quay.io", &[&format!("{host}/drift-locked")])
    );
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let lock = format!("[[image]]\nname = \"quay.io/a:1\"\ndigest = \"{}\"\n", old.digest());
    std::fs::write(dir.path().join("images.lock"), lock).unwrap();
    let arguments = ["drift", "--config", "config.toml", "--quiet", "--write", "quay.io/a:1", "quay.io/b:1"];
    let said = narrow(&shown(&run(dir.path(), &arguments))).replace(host, "R");
    let said = said.replace(short(&old.digest()), "OLD").replace(short(&new.digest()), "NEW");
    assert_snapshot!(said, @"
    STATE IMAGE LOCK NODE REGISTRIES
    differs quay.io/a:1 OLD - R NEW
    missing quay.io/b:1 - - R does not have it
    2 images: 1 differs, 1 missing
    --- exit 1
    ");
    // A lock that is named by hand is held against what the tags are now, too, whatever the policy has locked.
    let arguments = ["drift", "--config", "config.toml", "--lock", "images.lock", "--format", "json"];
    let by_hand: serde_json::Value = serde_json::from_slice(&run(dir.path(), &arguments).stdout).unwrap();
    assert_eq!((&by_hand["state"], &by_hand["lock"]), (&"differs".into(), &old.digest().into()), "{by_hand}");
    let counts: serde_json::Value =
        serde_json::from_slice(&std::fs::read(state.join("drift.json")).unwrap()).unwrap();
    assert_eq!((&counts["differs"], &counts["missing"], &counts["same"]), (&1.into(), &1.into(), &0.into()));
    assert!(counts["looked_at"].as_u64().unwrap() > 1_700_000_000, "{counts}");
}

on_each_containerd!(what_is_on_the_node_is_compared);
