//! `cri-shunt preflight`: what a policy would do to a list of images, and to those on a node.

use std::process::Output;

use insta::assert_snapshot;

use crate::program::{self, lay_out};
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::image::Image;
use crate::support::native::Native;
use crate::support::refusing::Refusing;
use crate::support::registry::Registry;
use crate::support::scripted::{Scripted, reply};
use crate::support::shunt::rule;
use crate::support::version::Version;
use crate::{on_each_containerd, run, run_with, shown};

const CONFIG: &str = r#"[[policy.rule]]
prefix = "docker.io"
mirrors = ["m.dev/hub"]
origin = "last"

[[policy.rule]]
prefix = "docker.io/evil"
deny = "not from this registry"
"#;

#[test]
fn each_image_has_a_row_and_all_have_a_sum() {
    let dir = lay_out(&[
        ("config.toml", CONFIG),
        ("images.txt", "# what we run\nquay.io/a/b:1   # a comment\n\nnginx:1.25\nUPPER/Case\n"),
    ]);
    let arguments = ["preflight", "--config", "config.toml", "nginx:1.25", "--list", "images.txt", "-"];
    let output = run_with(dir.path(), &arguments, "evil/miner:1\nnginx:1.25\n");
    assert_snapshot!(shown(&output), @r"
    IMAGE          DECISION  RULE            FROM
    nginx:1.25     route     docker.io       m.dev/hub/library/nginx:1.25, docker.io/library/nginx:1.25
    evil/miner:1   deny      docker.io/evil  not from this registry
    quay.io/a/b:1  pass      default
    UPPER/Case     invalid                   upper case in the repository
    4 images: 1 route, 1 pass, 1 deny, 1 invalid
    --- exit 1
    ");
    let quiet = [&arguments[..], &["--quiet"]].concat();
    assert_snapshot!(shown(&run_with(dir.path(), &quiet, "evil/miner:1\n")), @r"
    IMAGE         DECISION  RULE            FROM
    evil/miner:1  deny      docker.io/evil  not from this registry
    UPPER/Case    invalid                   upper case in the repository
    4 images: 1 route, 1 pass, 1 deny, 1 invalid
    --- exit 1
    ");
}

/// That is what the mode is for: to see before it is in force what would be refused.
#[test]
fn what_is_only_observed_counts_as_what_it_would_do() {
    let config = format!("[policy]\nmode = \"observe\"\n{CONFIG}");
    assert_snapshot!(run(&config, &["preflight", "--config", "config.toml", "evil/miner:1"]), @r"
    IMAGE         DECISION         RULE            FROM
    evil/miner:1  deny (observed)  docker.io/evil  not from this registry
    1 image: 1 deny
    --- exit 1
    ");
}

#[test]
fn what_may_be_pulled_exits_0_and_is_said_in_one_line_as_json() {
    let config = "preflight --config config.toml".split(' ').collect::<Vec<_>>();
    assert_snapshot!(run(CONFIG, &[&config[..], &["--format", "json", "nginx:1.25", "ghcr.io/a/b"]].concat()), @r#"
    {"available":true,"input":"nginx:1.25","kind":"name","name":"docker.io/library/nginx:1.25","decision":"route","rule":{"prefix":"docker.io","source":"config.toml:2"},"reason":null,"candidates":[{"reference":"m.dev/hub/library/nginx:1.25","role":"mirror","credentials":"none","credentials_source":null,"username":null},{"reference":"docker.io/library/nginx:1.25","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    {"available":true,"input":"ghcr.io/a/b","kind":"name","name":"ghcr.io/a/b:latest","decision":"pass","rule":{"prefix":"default","source":null},"reason":null,"candidates":[{"reference":"ghcr.io/a/b:latest","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    --- exit 0
    "#);
    assert_snapshot!(run(CONFIG, &[&config[..], &["--quiet", "nginx:1.25"]].concat()), @"--- exit 0");
    assert_snapshot!(run(CONFIG, &[&config[..], &["--list", "/dev/null"]].concat()), @r"
    no images
    --- exit 0
    ");
}

#[test]
fn what_cannot_be_asked_says_why() {
    let preflight = |arguments: &[&str]| {
        let config = format!("{CONFIG}[containerd]\nsocket = \"/nonexistent/containerd.sock\"\n");
        run(&config, &[&["preflight", "--config", "config.toml"], arguments].concat())
    };
    assert_snapshot!(preflight(&[]), @r"
    --- stderr
    error: containerd's image store, list all: containerd is not reachable on /nonexistent/containerd.sock: No such file or directory (os error 2)
    --- exit 3
    ");
    assert_snapshot!(preflight(&["nginx", "--node", "--containerd", "/nowhere/c.sock"]), @r"
    --- stderr
    error: containerd's image store, list all: containerd is not reachable on /nowhere/c.sock: No such file or directory (os error 2)
    --- exit 3
    ");
    assert_snapshot!(preflight(&["--list", "missing.txt"]), @r"
    --- stderr
    error: cannot read missing.txt: No such file or directory (os error 2)
    --- exit 2
    ");
    assert_snapshot!(preflight(&["--list", "."]), @r"
    --- stderr
    error: cannot read .: Is a directory (os error 21)
    --- exit 2
    ");
    assert_snapshot!(run(CONFIG, &["preflight", "--config", "-", "-"]), @r"
    --- stderr
    error: `-` is given twice, and stdin can be read once only
    --- exit 2
    ");
}

/// Runs it live, with a configuration whose containerd is not there.
fn live(config: &str, arguments: &[&str]) -> Output {
    let config = format!("{config}\n[containerd]\nsocket = \"/nonexistent/containerd.sock\"\n");
    let dir = lay_out(&[("config.toml", &config)]);
    program::run(dir.path(), &[&["preflight", "--live", "--config", "config.toml"], arguments].concat())
}

#[test]
fn live_says_which_candidates_have_each_image() {
    let Some(registry) = Registry::shared() else { return };
    let (old, new) = (Image::busybox("preflight-old"), Image::busybox("preflight-new"));
    registry.push("preflight/one/app", "1", &old);
    registry.push("preflight/two/app", "1", &new);
    registry.push("preflight/two/only", "1", &new);
    let [one, two] = ["one", "two"].map(|at| format!("{}/preflight/{at}", registry.host()));
    let config = format!("{}\n{}", rule("quay.io", &[&one, &two]), "[policy]\ndefault = \"deny\"\n");
    let output = live(&config, &["quay.io/app:1", "quay.io/only:1", "quay.io/none:1", "ghcr.io/x:1"]);
    let text = shown(&output).replace(registry.host(), "R");
    // The columns are as wide as the port is long.
    let text = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    assert_snapshot!(text.collect::<Vec<_>>().join("\n"), @r"
    IMAGE DECISION RULE HAS IT FROM
    quay.io/app:1 route quay.io 2 of 2 R/preflight/one/app:1, R/preflight/two/app:1
    the candidates have different digests: a mirror is out of date, or is for another registry
    quay.io/only:1 route quay.io 1 of 2 R/preflight/one/only:1, R/preflight/two/only:1
    R/preflight/one/only:1: R answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown
    quay.io/none:1 route quay.io 0 of 2 R/preflight/one/none:1, R/preflight/two/none:1
    R/preflight/one/none:1: R answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown
    R/preflight/two/none:1: R answers 404 Not Found: MANIFEST_UNKNOWN, manifest unknown
    ghcr.io/x:1 deny default no rule allows it
    4 images: 3 route, 1 deny; no candidate has 1
    --- exit 1
    ");
    assert_eq!(live(&config, &["quay.io/app:1", "quay.io/only:1"]).status.code(), Some(0));
}

#[test]
fn a_mirror_that_is_dead_costs_its_time_a_few_times_only() {
    let dead = Refusing::start();
    let images: Vec<String> = (0..9).map(|number| format!("quay.io/a:{number}")).collect();
    let arguments: Vec<&str> = ["--jobs", "1"].into_iter().chain(images.iter().map(String::as_str)).collect();
    let output = live(&rule("quay.io", &[&dead.host()]), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches(": cannot connect to").count(), 9, "{text}");
    assert_eq!(text.matches("is not asked any more: cannot connect to").count(), 6, "{text}");
    assert!(text.ends_with("9 images: 9 route; no candidate has 9\n"), "{text}");
}

#[test]
fn a_registry_at_its_limit_is_left_alone_and_a_login_of_a_pod_is_not_known() {
    let limited = Scripted::start(|_| reply(429, &[("Retry-After", "60")], ""));
    let closed = Scripted::start(|_| reply(401, &[("WWW-Authenticate", "Basic realm=\"x\"")], ""));
    let names: Vec<String> = (0..5).map(|number| format!("quay.io/a:{number}")).collect();
    let own = format!("{}/private:1", closed.host());
    let arguments = names.iter().chain([&own]).map(String::as_str);
    let arguments: Vec<&str> = ["-j1"].into_iter().chain(arguments).collect();
    let output = live(&rule("quay.io", &[&limited.host()]), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(limited.requests().len(), 1, "{text}");
    let sum = "6 images: 5 route, 1 pass; no candidate has 5; not known without the login of a pod: 1\n";
    assert!(text.ends_with(sum), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

async fn the_images_on_the_node_go_by_their_tags_else_their_digests(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("preflight/node/{}", version.line());
    let direct = Cri::connect(&containerd.socket()).await;
    let native = Native::connect(&containerd.socket()).await;
    let image = Image::busybox(&path);
    let digest = registry.push(&path, "1", &image);
    let (tag, by_digest) = (registry.name(&path, "1"), format!("{}/{path}@{digest}", registry.host()));
    direct.pull(&tag).await.unwrap();
    let config = format!("[policy]\ndefault = \"deny\"\n[containerd]\nsocket = {:?}\n", containerd.socket());
    let dir = lay_out(&[("config.toml", &config)]);
    let rows = || {
        let output = program::run(dir.path(), &["preflight", "--config", "config.toml"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let rows = text.lines().filter(|line| line.contains(&path));
        rows.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(rows(), [format!("{tag} deny")]);
    native.delete(&tag).await;
    assert_eq!(rows(), [format!("{by_digest} deny")]);
    direct.remove(&image.id()).await.unwrap();
}

on_each_containerd!(the_images_on_the_node_go_by_their_tags_else_their_digests);
