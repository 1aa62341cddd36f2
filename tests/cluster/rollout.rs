//! From node to node, against an API that the test plays.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::json;

use crate::api::{Api, authority, node, serve};
use crate::support::certificates::Authority;
use crate::support::scripted::reply;

/// The files of the rollout's pod.
pub fn pod() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("token", "hush-hush\n");
    write("namespace", "tools");
    authority().file(dir.path());
    for stage in ["install", "uninstall"] {
        let job = json!({"kind": "Job", "metadata": {"labels": {"stage": stage}}, "spec": {"template": {"spec": {}}}});
        write(&format!("{stage}.json"), &job.to_string());
    }
    dir
}

pub fn start(pod: &Path, server: &str, arguments: &[&str]) -> Child {
    let (host, port) = server.rsplit_once(':').unwrap();
    Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .current_dir(pod)
        .args(["rollout", "--name", "shunt", "--every", "10ms", "--account", "."])
        .env("KUBERNETES_SERVICE_HOST", host)
        .env("KUBERNETES_SERVICE_PORT", port)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn run(pod: &Path, server: &str, arguments: &[&str]) -> (i32, String) {
    said(start(pod, server, arguments).wait_with_output().unwrap())
}

pub fn said(output: Output) -> (i32, String) {
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!text.contains("hush-hush"), "{text}");
    (output.status.code().unwrap(), text)
}

const INSTALL: [&str; 6] =
    ["--job", "install.json", "--undo", "uninstall.json", "--selector", "kubernetes.io/os=linux"];
pub const REMOVE: [&str; 5] = ["--job", "uninstall.json", "--remove", "--cron-job", "shunt-join"];

pub fn install<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [INSTALL.as_slice(), more].concat()
}

pub fn stage(job: &serde_json::Value) -> &str {
    job["metadata"]["labels"]["stage"].as_str().unwrap()
}

/// One of five nodes fails its proof: it is put back, and no other is begun. With a budget the others are served.
#[test]
fn a_node_that_fails_is_put_back_and_stops_the_rollout() {
    let nodes = ["n1", "n2", "n3", "n4", "n5"];
    let api = Api::new(&nodes, |node, job| match (node, stage(job)) {
        ("n3", "install") => Err("error: no image came\nall is as it was".to_owned()),
        _ => Ok(()),
    });
    // What is wrong shows on others before it reaches the control plane.
    api.with(|known| {
        known.nodes.get_mut("n1").unwrap()["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] =
            json!("");
    });
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let (status, text) = run(pod.path(), &at, &install(&[]));
    insta::assert_snapshot!(text, @"
    n2: begins
    n2: is served
    n3: begins
    n3: failed:
    n3: install: error: no image came
    n3: install: all is as it was
    n3: BackoffLimitExceeded: it failed
    n3: it is put back
    nodes: 1 served, 1 failed, 3 not begun, because others have failed
    ");
    assert_eq!((status, api.states().as_str()), (1, "n1= n2=served n3=failed n4= n5="));
    assert_eq!(api.with(|known| (known.most, known.jobs.len())), (1, 0));

    // Nobody begins again by himself, but for a node that is kept free for this.
    let taint = json!([{"key": "cri-shunt/starting", "effect": "NoSchedule"}, {"key": "other", "effect": "NoExecute"}]);
    api.with(|known| {
        let mut fresh = node("n6");
        fresh["spec"]["taints"] = taint;
        known.nodes.insert("n6".to_owned(), fresh);
    });
    let (status, text) = run(pod.path(), &at, &install(&["--new", "--taint", "cri-shunt/starting"]));
    assert_eq!(status, 1, "{text}");
    assert_eq!(api.states(), "n1= n2=served n3=failed n4= n5= n6=served", "{text}");
    let left = api.with(|known| known.nodes["n6"]["spec"]["taints"].clone());
    assert_eq!(left, json!([{"key": "other", "effect": "NoExecute"}]));

    let (status, text) = run(pod.path(), &at, &install(&["--failures", "1", "--share", "50%"]));
    assert_eq!(status, 1, "{text}");
    assert_eq!(api.states(), "n1=served n2=served n3=failed n4=served n5=served n6=served", "{text}");
    let most = api.with(|known| known.most);
    assert!(most <= 3, "{most}");
    let begun = api.with(|known| known.begun.clone());

    // All is as it should be, but for the one that has failed: nothing is done.
    let (status, _) = run(pod.path(), &at, &install(&["--new", "--failures", "1"]));
    assert_eq!((status, api.with(|known| known.begun.clone())), (1, begun));
    let (status, text) = run(pod.path(), &at, &REMOVE);
    assert_eq!(status, 0, "{text}");
    assert_eq!(api.states(), "n1= n2= n3= n4= n5= n6=");
    assert_eq!(api.with(|known| known.suspended.clone()), ["shunt-join"]);
}

/// Whoever takes the program out stops the others, which would put it back.
#[test]
fn a_rollout_ends_when_a_removal_begins() {
    let api = Api::new(&["n1", "n2"], |_, _| Ok(()));
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let install = install(&["--cron-job", "shunt-join"]);
    assert_eq!(run(pod.path(), &at, &[install.as_slice(), &["--quiet"]].concat()), (0, String::new()));
    let (_, text) = run(pod.path(), &at, &[install.as_slice(), &["--verbose"]].concat());
    let left = "n1: served already, so it is left alone\nn2: served already, so it is left alone\n";
    assert_eq!(text, format!("{left}nodes: 0 served\n"));
    assert_eq!(run(pod.path(), &at, &REMOVE).0, 0);
    let (status, text) = run(pod.path(), &at, &install);
    assert_eq!(
        (status, text.as_str(), api.states().as_str()),
        (1, "nodes: 0 served, 2 not begun\n", "n1= n2=")
    );
}

/// Killed in the middle, and begun again by another: the slot is taken over, and no node is changed beside it.
#[test]
fn a_rollout_that_was_killed_is_done_by_the_next() {
    let held = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hold = held.clone();
    let api = Api::new(&["n1", "n2", "n3"], move |_, _| {
        assert!(crate::support::wait_until(|| !hold.load(std::sync::atomic::Ordering::Relaxed)));
        Ok(())
    });
    // A control plane is away while its own node is changed, and knows nobody's rights at first.
    api.with(|known| known.away = [503, 503, 401, 403].into());
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let mut first = start(pod.path(), &at, &install(&[]));
    api.until(|known| known.begun.len() == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(api.state("n1").as_deref(), Some("changing"));
    let second = start(pod.path(), &at, &install(&[]));
    held.store(false, std::sync::atomic::Ordering::Relaxed);
    // What was left is removed after a while by whoever needs the slot. Here somebody else does.
    api.until(|known| known.jobs.get("shunt-node-0").is_some_and(|job| job.get("status").is_some()));
    api.with(|known| known.jobs.clear());
    let (status, text) = said(second.wait_with_output().unwrap());
    assert_eq!((status, api.states().as_str()), (0, "n1=served n2=served n3=served"), "{text}");
    assert_eq!(api.with(|known| known.most), 1);
}

/// Nodes that are not Ready are left for later; one that does not come back is put back.
#[test]
fn a_node_has_to_be_ready_again() {
    let nodes = ["away", "fine", "lost"];
    let cluster: std::sync::Arc<std::sync::OnceLock<Api>> = std::sync::Arc::default();
    let inner = cluster.clone();
    let api = Api::new(&nodes, move |node, job| {
        if node == "lost" {
            let word = if stage(job) == "install" { "False" } else { "True" };
            let change = |known: &mut crate::api::Known| {
                known.nodes.get_mut("lost").unwrap()["status"]["conditions"][0]["status"] = json!(word);
            };
            inner.get().unwrap().with(change);
        }
        Ok(())
    });
    assert!(cluster.set(api.clone()).is_ok());
    api.with(|known| {
        known.nodes.get_mut("away").unwrap()["status"]["conditions"][0]["status"] = json!("Unknown");
    });
    let (server, pod) = (api.start(), pod());
    let (status, text) = run(pod.path(), &server.host(), &install(&["--ready-within", "50ms"]));
    assert_eq!((status, api.states().as_str()), (1, "away= fine=served lost=failed"), "{text}");
    assert!(text.contains("away: not Ready, so it is left for later\n"), "{text}");
    assert!(text.contains("lost: not Ready again within 50ms\nlost: it is put back"), "{text}");
    let (status, text) = run(pod.path(), &server.host(), &REMOVE);
    assert_eq!((status, api.states().as_str()), (0, "away= fine= lost="), "{text}");
}

/// TLS with the authority of the account, and what cannot work.
#[test]
fn the_api_is_asked_over_tls_and_by_its_own_authority() {
    let server = serve(|_| reply(200, &[], "{\"items\": []}"));
    let (at, pod) = (server.host(), pod());
    assert_eq!(run(pod.path(), &at, &INSTALL), (0, "nodes: 0 served\n".to_owned()));
    assert_eq!(server.seen("authorization")[0].1.as_deref(), Some("Bearer hush-hush"));
    let before = server.requests().len();
    Authority::named("another").file(pod.path());
    let (status, text) = run(pod.path(), &at, &INSTALL);
    insta::assert_snapshot!(text.replace(&at, "API"), @"error: API is not the API of this account: invalid peer certificate: UnknownIssuer");
    assert_eq!(status, 3);
    std::fs::write(pod.path().join("ca.crt"), "").unwrap();
    let (status, text) = run(pod.path(), &at, &INSTALL);
    insta::assert_snapshot!(text, @"error: ./ca.crt: it holds no certificate in PEM form");
    assert_eq!((status, server.requests().len()), (2, before));
    let (status, text) = run(pod.path(), ":443", &INSTALL);
    insta::assert_snapshot!(text, @"error: this is not a pod of a cluster: KUBERNETES_SERVICE_HOST is not set");
    assert_eq!(status, 2);
}

/// What the account may not do is an error soon, in the API's words.
#[test]
fn a_right_that_is_missing_is_said() {
    let server = serve(|_| {
        reply(403, &[], "{\"message\": \"nodes is forbidden: cannot list resource \\\"nodes\\\"\"}")
    });
    let pod = pod();
    let (status, text) = run(pod.path(), &server.host(), &INSTALL);
    insta::assert_snapshot!(text, @r#"error: the API answers 403 Forbidden to GET /api/v1/nodes: nodes is forbidden: cannot list resource "nodes""#);
    assert_eq!(status, 3);
    std::fs::write(pod.path().join("install.json"), "{\"kind\": \"Pod\"}").unwrap();
    let (status, text) = run(pod.path(), &server.host(), &INSTALL);
    insta::assert_snapshot!(text, @"error: install.json is not a Job as JSON");
    assert_eq!(status, 2);
}
