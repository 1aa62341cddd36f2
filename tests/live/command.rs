//! `cri-shunt explain --live` as a user runs it.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::image::Image;
use crate::support::refusing::Refusing;
use crate::support::registry::Registry;
use crate::support::scripted::{Scripted, reply};
use crate::support::shunt::rule;

pub(crate) struct Explained {
    pub(crate) text: String,
    pub(crate) errors: String,
    pub(crate) status: i32,
}

/// Runs it with a configuration; no program listens on its containerd socket unless a test does.
pub(crate) fn explain(
    dir: &Path,
    config: &str,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Explained {
    explain_at(dir, config, "", environment, arguments)
}

/// The same, with further keys on containerd.
pub(crate) fn explain_at(
    dir: &Path,
    config: &str,
    containerd: &str,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Explained {
    let socket = dir.join("containerd.sock");
    let config = format!("{config}\n[containerd]\nsocket = \"{}\"\n{containerd}\n", socket.display());
    std::fs::write(dir.join("config.toml"), config).unwrap();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .current_dir(dir)
        .env_clear()
        .envs(environment.iter().copied())
        .args(["explain", "--config", "config.toml", "--live"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Explained {
        text: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap(),
    }
}

#[test]
fn each_candidate_has_its_outcome_below_it() {
    let Some(registry) = Registry::shared() else { return };
    let digest = registry.push("live/command/a", "1", &Image::busybox("live/command/a"));
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let dead = refusing.host();
    let config =
        rule("quay.io", &[&format!("{dead}/live/command"), &format!("{}/live/command", registry.host())]);
    let explained = explain(dir.path(), &config, &[], &["quay.io/a:1"]);
    let text =
        explained.text.replace(&dead, "DEAD").replace(registry.host(), "LIVE").replace(&digest, "DIGEST");
    // The columns are as wide as the ports are long.
    let text: Vec<String> =
        text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        text,
        [
            "quay.io/a:1",
            "name quay.io/a:1",
            "decision route, by rule \"quay.io\" (config.toml:2)",
            "candidates 1. DEAD/live/command/a:1 mirror no credentials",
            "error: cannot connect to DEAD: Connection refused (os error 111)",
            "2. LIVE/live/command/a:1 mirror no credentials",
            "DIGEST (application/vnd.oci.image.manifest.v1+json)",
        ]
    );
    assert_eq!((explained.status, explained.errors.as_str()), (0, ""));
}

#[test]
fn the_json_has_a_stable_key_for_it() {
    let Some(registry) = Registry::shared() else { return };
    let digest = registry.push("live/json/a", "1", &Image::busybox("live/json/a"));
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let dead = refusing.host();
    let config = rule("quay.io", &[&format!("{dead}/live/json"), &format!("{}/live/json", registry.host())]);
    let arguments = ["--format", "json", "quay.io/a:1", "quay.io/a:2", "UPPER/Case"];
    let explained = explain(dir.path(), &config, &[], &arguments);
    let lines: Vec<&str> = explained.text.lines().collect();
    let live = |line: &str, index: usize| {
        let start = line.match_indices("\"live\":").nth(index).unwrap().0;
        line[start..line[start..].find('}').unwrap() + start].to_owned()
    };
    assert_eq!(
        live(lines[0], 0),
        format!(
            "\"live\":{{\"digest\":null,\"media_type\":null,\"size\":null,\"failure\":\"connect\",\
             \"error\":\"cannot connect to {dead}: Connection refused (os error 111)\""
        )
    );
    let size = Image::busybox("live/json/a").manifest().len();
    assert_eq!(
        live(lines[0], 1),
        format!(
            "\"live\":{{\"digest\":\"{digest}\",\"media_type\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"size\":{size},\"failure\":null,\"error\":null"
        )
    );
    assert!(lines[0].ends_with("],\"warnings\":[]}"), "{}", lines[0]);
    assert!(live(lines[1], 1).contains("\"failure\":\"not-found\""), "{}", lines[1]);
    assert!(lines[2].ends_with("\"candidates\":[],\"warnings\":[]}"), "{}", lines[2]);
    // No candidate has a:2.
    assert_eq!(explained.status, 1);
}

#[test]
fn the_status_is_1_where_no_candidate_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = Refusing::start();
    let config = rule("quay.io", &[&refusing.host()]);
    assert_eq!(explain(dir.path(), &config, &[], &["quay.io/a:1"]).status, 1);
    let denied = "[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"no\"\n";
    assert_eq!(explain(dir.path(), denied, &[], &["quay.io/a:1"]).status, 1);
}

#[test]
fn mirrors_that_differ_are_warned_of() {
    let Some(registry) = Registry::shared() else { return };
    let old = registry.push("live/old/a", "1", &Image::busybox("live/old/a"));
    let new = registry.push("live/new/a", "1", &Image::busybox("live/new/a"));
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (format!("{}/live/old", registry.host()), format!("{}/live/new", registry.host()));
    let config = rule("quay.io", &[&first, &second]);
    let explained = explain(dir.path(), &config, &[], &["quay.io/a:1"]);
    let positions = [explained.text.find(&old), explained.text.find(&new)];
    assert!(positions[0].is_some() && positions[0] < positions[1], "{}", explained.text);
    let warning =
        "the candidates have different digests: a mirror is out of date, or is for another registry";
    assert!(explained.text.ends_with(&format!("\n  warning     {warning}\n")), "{}", explained.text);
    assert_eq!(explained.status, 0);
    let json = explain(dir.path(), &config, &[], &["--format=json", "quay.io/a:1"]).text;
    assert!(json.trim_end().ends_with(&format!("\"warnings\":[\"{warning}\"]}}")), "{json}");
}

#[test]
fn docker_hub_is_asked_where_containerd_asks_it() {
    let proxy = Scripted::start(|_| reply(403, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let explained = explain(dir.path(), "", &[("HTTPS_PROXY", &proxy.host())], &["nginx:1.25"]);
    assert_eq!(
        proxy.seen("host"),
        [("CONNECT registry-1.docker.io:443".to_owned(), Some("registry-1.docker.io:443".to_owned()))]
    );
    let error = format!(
        "error: the proxy {} answers 403 Forbidden to CONNECT registry-1.docker.io:443\n",
        proxy.host()
    );
    assert!(explained.text.ends_with(&error), "{}", explained.text);
}

#[test]
fn the_proxies_of_containerd_come_before_those_of_the_shell() {
    let proxy = Scripted::start(|_| reply(403, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    // This very process listens in containerd's place. Its environment has no proxy.
    let listener = UnixListener::bind(dir.path().join("containerd.sock")).unwrap();
    if std::env::vars().any(|(name, _)| name.to_ascii_lowercase().ends_with("_proxy")) {
        return crate::support::skipped("the environment of the tests names a proxy");
    }
    // Longer than a part of a name may be, so that no resolver is asked.
    let nowhere = format!("{}.invalid", "x".repeat(64));
    let config = rule("quay.io", &[&nowhere]);
    let explained = explain(dir.path(), &config, &[("HTTPS_PROXY", &proxy.host())], &["quay.io/a:1"]);
    assert_eq!(proxy.requests().len(), 0, "{}", explained.text);
    assert!(
        explained.text.contains(&format!("error: cannot find the address of {nowhere}: ")),
        "{}",
        explained.text
    );
    drop(listener);
    std::fs::remove_file(dir.path().join("containerd.sock")).unwrap();
    explain(dir.path(), &config, &[("HTTPS_PROXY", &proxy.host())], &["quay.io/a:1"]);
    assert_eq!(proxy.requests().len(), 1);
}

#[test]
fn a_pods_own_credentials_are_not_known_and_it_says_so() {
    let server = Scripted::start(|_| reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""));
    let dir = tempfile::tempdir().unwrap();
    let explained = explain(dir.path(), "", &[], &[&format!("{}/a:1", server.host())]);
    let error = format!(
        "error: {} answers 401 Unauthorized, asked without credentials; it wants a user and a password; a pod's \
         own credentials are used there, and they are not known here\n",
        server.host()
    );
    assert!(explained.text.ends_with(&error), "{}", explained.text);
    assert_eq!(explained.status, 1);
}

/// The time that an error names: what was left of the time that was set, when the question began.
fn given_up_after(text: &str) -> Duration {
    let mut words = text.split(" within ").nth(1).expect(text).split([' ', ':', '\n']);
    let (number, unit) = (words.next().unwrap(), words.next().unwrap());
    Duration::from_secs_f64(number.parse::<f64>().unwrap() / if unit == "ms" { 1000.0 } else { 1.0 })
}

#[test]
fn one_that_never_answers_is_given_up_after_the_time_that_was_set() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let explained =
        explain(dir.path(), &rule("quay.io", &[&host]), &[], &["--timeout", "200ms", "quay.io/a:1"]);
    assert!(given_up_after(&explained.text) <= Duration::from_millis(200), "{}", explained.text);
    assert_eq!(explained.status, 1);
}

#[test]
fn the_time_that_was_set_is_for_all_ways_of_a_candidate() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let config =
        format!("{}[[transport]]\nregistry = \"{host}\"\nhttp-fallback = true\n", rule("quay.io", &[&host]));
    let path = format!("config-path = \"{}\"", dir.path().display());
    let explained = explain_at(dir.path(), &config, &path, &[], &["--timeout", "3s", "quay.io/a:1"]);
    let within = given_up_after(&explained.text);
    assert!(within <= Duration::from_secs(3), "{}", explained.text);
    assert!(!explained.text.contains("; then "), "{}", explained.text);
    // No time was left for the second way, so it was not tried.
    silent.set_nonblocking(true).unwrap();
    silent.accept().unwrap();
    assert_eq!(silent.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn without_the_flag_there_is_no_key_and_no_request() {
    let server = Scripted::start(|_| reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["explain", "--config", "config.toml", "--format=json", &format!("{}/a:1", server.host())])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("live") && !text.contains("warnings"), "{text}");
    assert_eq!(server.requests().len(), 0);
    let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["explain", "--config", "config.toml", "--timeout", "1s", "nginx"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}
