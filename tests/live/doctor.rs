//! What `cri-shunt doctor` says of mirrors, which it asks as `explain --live` does, and of the clock.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::http1::Message;
use crate::support::refusing::Refusing;
use crate::support::scripted::{Reply, Scripted, reply};
use crate::support::shunt::rule;

/// The findings about registries and the clock: `severity id what`.
fn doctor(dir: &Path, config: &str, arguments: &[&str]) -> Vec<String> {
    let socket = dir.join("containerd.sock");
    let config = format!(
        "{config}\n[containerd]\nsocket = \"{0}\"\n[listen]\nsocket = \"{0}.own\"\n",
        socket.display()
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .env_clear()
        .args(["doctor", "--format", "json", "--config"])
        .arg(dir.join("config.toml"))
        .args(arguments)
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = json["findings"].as_array().unwrap().iter();
    let about = findings.filter(|finding| {
        let id = word(finding, "id");
        id.starts_with("mirror") || id == "clock"
    });
    about.map(|finding| ["severity", "id", "what"].map(|key| word(finding, key)).join(" ")).collect()
}

fn dated(status: u16, ahead: i64) -> impl Fn(&Message) -> Reply + Send + Sync + 'static {
    move |_| {
        let by = Duration::from_secs(ahead.unsigned_abs());
        let now = SystemTime::now();
        let date = httpdate::fmt_http_date(if ahead < 0 { now - by } else { now + by });
        reply(status, &[("Date", &date), ("WWW-Authenticate", "Basic realm=\"r\"")], "")
    }
}

#[test]
fn a_mirror_that_answers_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let mirror = Scripted::start(dated(404, 0));
    assert_eq!(doctor(dir.path(), &rule("quay.io", &[&mirror.host()]), &[]), Vec::<String>::new());
    let asked: Vec<String> =
        mirror.requests().iter().map(|request| request.method_and_path().1.to_owned()).collect();
    let is_made_up = |path: &String| path.starts_with("/v2/cri-shunt-doctor/manifests/latest");
    assert!(!asked.is_empty() && asked.iter().all(is_made_up), "{asked:?}");
    let before = asked.len();
    doctor(dir.path(), &rule("quay.io", &[&mirror.host()]), &["--offline"]);
    assert_eq!(mirror.requests().len(), before, "offline asks nobody");
}

#[test]
fn a_mirror_that_cannot_be_reached_or_wants_a_login_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let dead = refusing.host();
    let closed = Scripted::start(dated(401, 0));
    let config = rule("quay.io", &[&dead, &closed.host()]);
    let found = doctor(dir.path(), &config, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[0],
        format!(
            "problem mirror-unreachable {dead} cannot serve: cannot connect to {dead}: Connection refused (os error 111)"
        )
    );
    let login =
        format!("warning mirror-login {} answers, and gives nothing without another login: ", closed.host());
    assert!(found[1].starts_with(&login), "{found:?}");
}

#[test]
fn a_mirror_that_fails_beside_one_that_answers_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let dead = refusing.host();
    let mirror = Scripted::start(dated(404, 0));
    let found = doctor(dir.path(), &rule("quay.io", &[&dead, &mirror.host()]), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("warning mirror-unreachable"), "{found:?}");
}

#[test]
fn the_worst_that_is_found_of_a_mirror_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let dead = refusing.host();
    let mirror = Scripted::start(|asked| {
        let closed = asked.method_and_path().1.starts_with("/v2/closed/");
        dated(if closed { 401 } else { 404 }, 0)(asked)
    });
    // The first rule has another mirror, and finds nothing wrong with that one.
    let config = rule("a.example", &[&format!("{dead}/a"), &format!("{}/a", mirror.host())])
        + &rule("b.example", &[&format!("{dead}/b")])
        + &rule("c.example", &[&format!("{}/closed", mirror.host())]);
    let found = doctor(dir.path(), &config, &[]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("problem mirror-unreachable"), "{found:?}");
    assert!(found[1].starts_with("warning mirror-login"), "{found:?}");
}

#[test]
fn a_clock_that_differs_from_that_of_all_registries_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Scripted::start(dated(404, 100_000)), Scripted::start(dated(404, 7_230)));
    let both = rule("quay.io", &[&one.host()]) + &rule("ghcr.io", &[&two.host()]);
    let late = format!("problem clock this machine's clock is 2h late, by that of {}", two.host());
    assert_eq!(doctor(dir.path(), &both, &[]), [late]);
    let right = Scripted::start(dated(404, 0));
    let third = both + &rule("registry.k8s.io", &[&right.host()]);
    assert_eq!(doctor(dir.path(), &third, &[]), Vec::<String>::new(), "one is right");
}
