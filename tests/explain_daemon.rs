//! `cri-shunt explain --daemon`: the policy in force decides, not that of the files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use support::shunt::Shunt;
use support::upstream::Upstream;
use support::wait_for;

fn explain(socket: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    let output = command
        .args(["explain", "--daemon", "--socket"])
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_policy_in_force_decides() {
    let upstream = Upstream::start();
    let config = |mirror: &str| {
        format!(
            "[policy]\nwatch = \"50ms\"\n[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [{mirror}]\n\
             [[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n\
             [[transport]]\nregistry = \"m.dev:5000\"\nplain-http = true\n"
        )
    };
    let shunt = Shunt::start_before(&config("\"m.dev:5000\""), upstream.socket());
    shunt.listens();
    let socket = shunt.socket();

    // Word for word what the command says by the files, as long as they are the same.
    let by_files = |more: &[&str]| {
        let file = shunt.config_file();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
        command.args(["explain", "--config"]).arg(file).args(more);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for format in ["text", "json"] {
        let images = ["--format", format, "quay.io/a:1", "nginx", "A b", "evil/x"];
        let (status, said, warned) = explain(&socket, &images);
        assert_eq!((status, warned.as_str()), (Some(1), ""), "{said}");
        assert_eq!(said, by_files(&images));
        assert!(said.contains("m.dev:5000/a:1"), "{said}");
    }
    assert_eq!(explain(&socket, &["-q", "quay.io/a:1"]), (Some(0), String::new(), String::new()));

    // A file with a mistake, and the bypass.
    shunt.write("[policy]\ndefalt = 1\n");
    assert!(wait_for(async || shunt.status().contains("reload refused")).await, "{}", shunt.stderr());
    std::fs::write(shunt.bypass_file(), "").unwrap();
    let (status, said, warned) = explain(&socket, &["quay.io/a:1", "quay.io/b:1"]);
    assert!(status == Some(0) && said.contains("m.dev:5000/b:1"), "{said}");
    assert_eq!(
        warned.matches("warning: the last reload was refused: this is the policy of 20").count(),
        1,
        "{warned}"
    );
    assert_eq!(warned.matches("warning: the bypass file exists").count(), 1, "{warned}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_daemon_answers_this_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (status, said, warned) = explain(&dir.path().join("s"), &["nginx"]);
    assert_eq!((status, said.as_str()), (Some(3), ""));
    assert!(warned.starts_with("error: cri-shunt is not running: nothing listens on "), "{warned}");

    let upstream = Upstream::start();
    let (status, _, warned) = explain(upstream.socket(), &["nginx"]);
    assert_eq!(status, Some(3));
    assert!(warned.contains("is not cri-shunt"), "{warned}");
}

#[test]
fn flags_of_another_policy_are_refused() {
    for flag in
        [&["--config", "x"][..], &["--registries-yaml", "x"], &["--default-registry", "x"], &["--live"]]
    {
        let (status, _, said) = explain(Path::new("/none"), &[flag, &["nginx"]].concat());
        assert_eq!(status, Some(2), "{flag:?} {said}");
    }
}
