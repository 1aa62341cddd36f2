//! `status`: what the daemon knows of its mirrors, its pulls and its policy, once and again and again.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::upstream::Upstream;
use support::version::Version;

on_each_containerd!(status_tells_of_mirrors_and_pulls);

fn status(shunt: &Shunt) -> Value {
    let output = shunt.command(&["status", "--format", "json", "--socket", shunt.socket().to_str().unwrap()]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn status_tells_of_mirrors_and_pulls(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("status-{}", version.line().replace('.', "-"));
    registry.push(&path, "1", &Image::busybox(&path));
    let fake = Fake::in_front_of(registry.host());
    fake.on(&format!("/v2/{path}/blobs/"), Behaviour::Held);
    let evil = "[[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n";
    let config = rule("quay.io", &["127.0.0.1:1", &fake.host()]) + evil;
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;

    let now = status(&shunt);
    assert_eq!((&now["rules"], &now["default"], &now["fence"]), (&json!(2), &json!("pass"), &json!(false)));
    assert_eq!((&now["pulls"], &now["failed_pulls"]), (&json!([]), &json!([])));
    assert!(now["build"].as_str().unwrap().starts_with(now["version"].as_str().unwrap()), "{now}");
    let hosts = |now: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mirrors = now["mirrors"].as_array().unwrap().iter();
        mirrors.map(|mirror| (text(&mirror["host"]), text(&mirror["state"]))).collect()
    };
    let up = |host: &str| (host.to_owned(), "up".to_owned());
    let mut both = vec![up("127.0.0.1:1"), up(&fake.host())];
    both.sort();
    assert_eq!(hosts(&now), both);

    // While it is fetched from the second mirror, as the first one is dead.
    let image = format!("quay.io/{path}:1");
    let pulling = tokio::spawn({
        let (cri, image) = (cri.clone(), image.clone());
        async move { cri.pull(&image).await }
    });
    let is_shown = support::wait_for(async || {
        let pulls = status(&shunt)["pulls"].clone();
        pulls[0]["candidate"] == format!("{}/{path}:1", fake.host()).as_str() && !pulls[0]["digest"].is_null()
    });
    assert!(is_shown.await, "{}", status(&shunt));
    let now = status(&shunt);
    assert_eq!(now["pulls"][0]["failed"], json!(["127.0.0.1:1 unreachable"]));
    let down = now["mirrors"].as_array().unwrap().iter().find(|mirror| mirror["state"] == "down").unwrap();
    assert_eq!((&down["host"], &down["reason"]), (&json!("127.0.0.1:1"), &json!("does not answer")));
    assert!(down["since"].as_str() < down["until"].as_str(), "{down}");
    assert!(
        shunt.status().contains("mirrors down     127.0.0.1:1 does not answer: since "),
        "{}",
        shunt.status()
    );
    fake.on(&format!("/v2/{path}/blobs/"), Behaviour::Forward);
    pulling.await.unwrap().unwrap();
    cri.remove(&image).await.unwrap();

    // The last failures: by the policy, of the mirrors, and containerd's own.
    let missing = [format!("quay.io/{path}:none"), format!("{}/{path}:none", registry.host())];
    for image in ["evil/x", "evil/x", &missing[0], &missing[1]] {
        cri.pull(image).await.unwrap_err();
    }
    let failed = status(&shunt)["failed_pulls"].clone();
    let failed = failed.as_array().unwrap();
    let names: Vec<&str> = failed.iter().map(|failed| failed["image"].as_str().unwrap()).collect();
    assert_eq!(names, [&missing[1], &missing[0], "docker.io/evil/x:latest"], "the last one first");
    assert_eq!(failed[2]["times"], 2);
    for (failed, part) in
        failed.iter().zip(["not found", "none of the 2 mirrors of rule", "is denied by rule"])
    {
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(
        shunt.status().contains("(2 times): docker.io/evil/x:latest is denied by rule"),
        "{}",
        shunt.status()
    );
}

#[tokio::test]
async fn a_refused_reload_is_remembered_after_a_good_one() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("[policy]\ndefault = \"deny\"\n", upstream.socket());
    assert_eq!(status(&shunt)["default"], "deny");
    assert_eq!(status(&shunt)["last_refused_reload"], Value::Null);
    let good = std::fs::read_to_string(shunt.config_file()).unwrap();
    let hash = status(&shunt)["policy_hash"].clone();
    shunt.write(&good.replace("\"deny\"", "\"deny\"\nnonsense = 1"));
    shunt.signal(rustix::process::Signal::HUP);
    shunt.until("it is refused", || !status(&shunt)["last_refused_reload"].is_null());
    shunt.write(&good.replace("\"deny\"", "\"pass\""));
    shunt.signal(rustix::process::Signal::HUP);
    shunt.until("the next one is taken", || status(&shunt)["reload_error"].is_null());
    let now = status(&shunt);
    assert!(now["last_refused_reload"]["reason"].as_str().unwrap().contains("nonsense"), "{now}");
    assert_ne!(now["policy_hash"], hash);
    assert!(shunt.status().contains("once refused     "), "{}", shunt.status());
}

#[tokio::test]
async fn watch_asks_again_and_again_also_over_a_restart() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    let mut child = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["status", "--watch", "--format", "json", "--socket"])
        .arg(shunt.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(next()["started_at"], first["started_at"]);
    shunt.stop();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let error = errors.next().unwrap().unwrap();
    assert!(error.starts_with("error: cri-shunt is not running: "), "{error}");
    shunt.spawn();
    shunt.listens();
    next();
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody is there at first.
    shunt.stop();
    let output = shunt.command(&["status", "--watch", "--socket", shunt.socket().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
