//! What `status` makes of an answer.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::json::report;
use super::text::{is_well, render};
use crate::cli::detail::Detail;
use crate::cli::terminal;
use crate::serve::admin::proto::{FailedPull, Mirror, NeededFile, PullUnderWay, StatusResponse};

const QUIET: Detail = Detail { quiet: true, verbose: false };
const VERBOSE: Detail = Detail { quiet: false, verbose: true };

fn file(line: &str) -> NeededFile {
    NeededFile {
        purpose: "password".into(),
        subject: "/p".into(),
        line: line.into(),
        ..NeededFile::default()
    }
}

fn bad() -> StatusResponse {
    StatusResponse {
        version: "0.1.0".into(),
        bypass: true,
        bypass_file: "/run/bypass".into(),
        containerd_socket: "/run/c.sock".into(),
        containerd_error: "gone".into(),
        policy_sources: vec!["/etc/config.toml".into()],
        policy_loaded_at: 1_700_000_000,
        reload_error: "config.toml:1:1: no\nconfig.toml:2:1: no".into(),
        mirrors_down: vec!["m.example".into()],
        rests: vec!["n.example: rate-limited until 14:05 UTC for robot".into()],
        temporary_names: 2,
        answered_in_outage: 3,
        last_in_outage: "q.io/a:1".into(),
        last_in_outage_at: 1_700_000_060,
        config_path: "/c".into(),
        hosts_kept: vec!["m.example_1_ (plain http)".into()],
        hosts_problems: vec!["/c/x/hosts.toml is not cri-shunt's".into()],
        needed_files: vec![file(""), file("/etc/config.toml:3: cannot read /p: it is empty")],
        audit_problem: "no room; 1 line is missing".into(),
        metrics_problem: "taken".into(),
        ..StatusResponse::default()
    }
}

#[test]
fn what_is_wrong_stands_out() {
    insta::assert_snapshot!(shown(&bad(), VERBOSE), @r"
version          0.1.0
containerd       /run/c.sock does not answer: gone
policy           SUSPENDED: /run/bypass exists, so every call goes to containerd unchanged
loaded           2023-11-14T22:13:20Z
mirrors down     m.example
left alone       n.example: rate-limited until 14:05 UTC for robot
temporary names  2
from the node    3 (no registry could serve), the last q.io/a:1 at 2023-11-14T22:14:20Z
hosts.toml       /c
                 m.example_1_ (plain http)
problem          /c/x/hosts.toml is not cri-shunt's
cannot be used   /etc/config.toml:3: cannot read /p: it is empty
audit            no room; 1 line is missing
metrics          taken
can be used      /p (password)
reload refused, still using the policy of 2023-11-14T22:13:20Z:
  config.toml:1:1: no
  config.toml:2:1: no
");
}

#[test]
fn quiet_shows_only_what_is_wrong() {
    insta::assert_snapshot!(shown(&bad(), QUIET), @r"
containerd       /run/c.sock does not answer: gone
policy           SUSPENDED: /run/bypass exists, so every call goes to containerd unchanged
problem          /c/x/hosts.toml is not cri-shunt's
cannot be used   /etc/config.toml:3: cannot read /p: it is empty
audit            no room; 1 line is missing
metrics          taken
reload refused, still using the policy of 2023-11-14T22:13:20Z:
  config.toml:1:1: no
  config.toml:2:1: no
");
}

#[test]
fn files_that_cannot_be_used_or_written_need_attention() {
    // The node is not at fault where a mirror is down.
    let well = StatusResponse {
        version: "0.1.0".into(),
        mirrors_down: vec!["m.example".into()],
        rests: vec!["n.example".into()],
        needed_files: vec![file("")],
        ..StatusResponse::default()
    };
    assert!(is_well(&well));
    assert_eq!(shown(&well, QUIET), "");
    let problem = StatusResponse { hosts_problems: vec!["not its own".into()], ..well.clone() };
    assert!(!is_well(&problem));
    assert_eq!(shown(&problem, QUIET), "problem          not its own\n");
    let fault = StatusResponse { needed_files: vec![file("it is empty")], ..well };
    assert!(!is_well(&fault));
    assert_eq!(shown(&fault, QUIET), "cannot be used   it is empty\n");
}

#[test]
fn the_same_as_json() {
    insta::assert_snapshot!(terminal::json(&report(&bad())), @r#"
{"version":"0.1.0","containerd":{"socket":"/run/c.sock","error":"gone"},"suspended":true,"bypass_file":"/run/bypass","sources":["/etc/config.toml"],"loaded_at":"2023-11-14T22:13:20Z","reload_error":"config.toml:1:1: no\nconfig.toml:2:1: no","mirrors_down":["m.example"],"rests":["n.example: rate-limited until 14:05 UTC for robot"],"temporary_names":2,"answered_in_outage":{"pulls":3,"last_image":"q.io/a:1","last_at":"2023-11-14T22:14:20Z"},"hosts_toml":{"directory":"/c","kept":["m.example_1_ (plain http)"],"problems":["/c/x/hosts.toml is not cri-shunt's"]},"needed_files":{"count":2,"problems":["/etc/config.toml:3: cannot read /p: it is empty"]},"audit_problem":"no room; 1 line is missing","metrics_problem":"taken","build":null,"started_at":null,"policy_hash":null,"rules":0,"rules_in_force":0,"default":null,"mode":null,"fence":false,"mirrors":[],"pulls":[],"failed_pulls":[],"last_refused_reload":null}
"#);
    insta::assert_snapshot!(terminal::json(&report(&StatusResponse::default())), @r#"
{"version":"","containerd":{"socket":"","error":null},"suspended":false,"bypass_file":null,"sources":[],"loaded_at":"1970-01-01T00:00:00Z","reload_error":null,"mirrors_down":[],"rests":[],"temporary_names":0,"answered_in_outage":{"pulls":0,"last_image":null,"last_at":null},"hosts_toml":{"directory":null,"kept":[],"problems":[]},"needed_files":{"count":0,"problems":[]},"audit_problem":null,"metrics_problem":null,"build":null,"started_at":null,"policy_hash":null,"rules":0,"rules_in_force":0,"default":null,"mode":null,"fence":false,"mirrors":[],"pulls":[],"failed_pulls":[],"last_refused_reload":null}
"#);
}

/// A daemon of this version.
fn whole() -> StatusResponse {
    let mirror = |host: &str, state: &str, reason: &str| Mirror {
        host: host.into(),
        state: state.into(),
        since: if reason.is_empty() { 0 } else { 1_700_000_000 },
        until: if reason.is_empty() { 0 } else { 1_700_000_090 },
        reason: reason.into(),
    };
    let pull = PullUnderWay {
        image: "q.io/b:1".into(),
        namespace: "team-a".into(),
        pid: 7,
        since: 1_700_000_080,
        candidate: "n.example/b:1".into(),
        digest: String::new(),
        failed: vec!["m.example unreachable".into()],
    };
    StatusResponse {
        bypass: false,
        reload_error: String::new(),
        build: "0.1.0 (abcdef123456 2026-11-26)".into(),
        started_at: 1_700_000_000,
        policy_hash: "0123abcd".into(),
        rules: 12,
        rules_in_force: 12,
        default_action: "deny".into(),
        mode: "enforce".into(),
        fence: true,
        mirrors: vec![
            mirror("m.example", "down", "does not answer"),
            mirror("n.example", "left-alone", "rate-limited until 22:14 UTC for robot"),
            mirror("o.example", "up", ""),
        ],
        failed_pulls: vec![
            FailedPull {
                image: "q.io/c:1".into(),
                at: 1_700_000_070,
                times: 3,
                error: "q.io/c:1: no".into(),
            },
            FailedPull { image: "q.io/d:1".into(), at: 1_700_000_060, times: 1, error: "gone".into() },
        ],
        last_refused_at: 1_700_000_050,
        last_refused: "config.toml:1:1: no\nconfig.toml:2:1: no".into(),
        pulls: vec![pull],
        hosts_problems: Vec::new(),
        needed_files: Vec::new(),
        ..bad()
    }
}

fn shown(status: &StatusResponse, detail: Detail) -> String {
    render(status, detail, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_100))
}

#[test]
fn all_that_a_daemon_of_this_version_says() {
    insta::assert_snapshot!(shown(&whole(), Detail::default()), @r"
    version          0.1.0 (abcdef123456 2026-11-26)
    running          since 2023-11-14T22:13:20Z (100s)
    containerd       /run/c.sock does not answer: gone
    policy           /etc/config.toml
    loaded           2023-11-14T22:13:20Z
    rules            12, all other images are denied
    hash             0123abcd
    mode             enforce
    fence            on
    mirrors down     m.example does not answer: since 2023-11-14T22:13:20Z, tried last until 2023-11-14T22:14:50Z
    left alone       since 2023-11-14T22:13:20Z, n.example: rate-limited until 22:14 UTC for robot
    mirrors up       1
    temporary names  2
    pulling          q.io/b:1 since 2023-11-14T22:14:40Z, for team-a, from n.example/b:1, tried before: m.example unreachable
    from the node    3 (no registry could serve), the last q.io/a:1 at 2023-11-14T22:14:20Z
    not pulled       2023-11-14T22:14:30Z (3 times): q.io/c:1: no
    not pulled       2023-11-14T22:14:20Z: q.io/d:1: gone
    once refused     2023-11-14T22:14:10Z, a later reload was taken: config.toml:1:1: no
    hosts.toml       /c
                     m.example_1_ (plain http)
    audit            no room; 1 line is missing
    metrics          taken
    ");
    let json: Value = serde_json::from_str(&terminal::json(&report(&whole()))).unwrap();
    let (since, until) = ("2023-11-14T22:13:20Z", "2023-11-14T22:14:50Z");
    assert_eq!(
        json["mirrors"],
        json!([
            {"host": "m.example", "state": "down", "since": since, "until": until, "reason": "does not answer"},
            {"host": "n.example", "state": "left-alone", "since": since, "until": until,
             "reason": "rate-limited until 22:14 UTC for robot"},
            {"host": "o.example", "state": "up", "since": null, "until": null, "reason": null},
        ])
    );
    assert_eq!(
        json["pulls"],
        json!([{"image": "q.io/b:1", "namespace": "team-a", "since": "2023-11-14T22:14:40Z",
                "candidate": "n.example/b:1", "digest": null, "failed": ["m.example unreachable"]}])
    );
    assert_eq!(
        json["failed_pulls"][0],
        json!({"image": "q.io/c:1", "at": "2023-11-14T22:14:30Z", "times": 3, "error": "q.io/c:1: no"})
    );
    let refused = json!({"at": "2023-11-14T22:14:10Z", "reason": "config.toml:1:1: no\nconfig.toml:2:1: no"});
    assert_eq!(json["last_refused_reload"], refused);
    for (key, value) in [
        ("build", json!("0.1.0 (abcdef123456 2026-11-26)")),
        ("started_at", json!(since)),
        ("policy_hash", json!("0123abcd")),
        ("rules", json!(12)),
        ("rules_in_force", json!(12)),
        ("default", json!("deny")),
        ("mode", json!("enforce")),
        ("fence", json!(true)),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
}

/// What it does not know is not there in its bytes, and what this program does not know is left out.
#[test]
fn a_daemon_of_another_version_is_understood() {
    use prost::Message;
    let older = StatusResponse::decode(bad().encode_to_vec().as_slice()).unwrap();
    assert_eq!(older, bad());
    let mut newer = whole().encode_to_vec();
    // Field 1000, a text.
    newer.extend([0xc2, 0x3e, 3, b'n', b'e', b'w']);
    assert_eq!(StatusResponse::decode(newer.as_slice()).unwrap(), whole());
}
