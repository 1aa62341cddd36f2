//! A start at which the files of the configuration cannot be used.
//!
//! Holds: the policy that was last in force goes on, and this is said; nothing secret is kept for it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use support::cri::Cri;
use support::shunt::Shunt;
use support::upstream::{Answer, Upstream};

const PULL: &str = "/runtime.v1.ImageService/PullImage";

const DENY: &str = "[policy]\nwatch = \"50ms\"\n[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"not here\"\n";

async fn pull(shunt: &Shunt, image: &str) -> String {
    Cri::connect(&shunt.socket()).await.pull(image).await.unwrap_err().message().to_owned()
}

fn upstream() -> Upstream {
    let upstream = Upstream::start();
    upstream.on(PULL, Answer::Status(5, "not found"));
    upstream
}

/// Starts it again, with this in its file.
fn again(shunt: &Shunt, text: &str) {
    shunt.stop();
    shunt.write(text);
    shunt.spawn();
    shunt.listens();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_policy_goes_on_where_the_files_are_broken_or_cut() {
    let (upstream, dir) = (upstream(), tempfile::tempdir().unwrap());
    let (yaml, certs) = (dir.path().join("registries.yaml"), dir.path().join("certs.d"));
    let mirrors = "mirrors:\n  ghcr.io:\n    endpoint: [https://127.0.0.11:1]\n";
    let auth = "configs:\n  127.0.0.11:1:\n    auth:\n      username: u\n      password: hush-auth\n";
    std::fs::write(&yaml, format!("{mirrors}{auth}")).unwrap();
    std::fs::create_dir_all(certs.join("k.dev")).unwrap();
    let hosts =
        "[host.\"https://127.0.0.12:1\"]\n[host.\"https://127.0.0.12:1\".header]\nX = \"hush-header\"\n";
    std::fs::write(certs.join("k.dev/hosts.toml"), hosts).unwrap();
    let sources = format!(
        "[[policy.source]]\nregistries-yaml = {yaml:?}\n[[policy.source]]\ncerts-d = {certs:?}\n\
         [[transport]]\nregistry = \"127.0.0.11:1\"\nheaders = {{ Y = \"hush-own\" }}\n# hush-comment\n"
    );
    let shunt = Shunt::start_before(&format!("{DENY}{sources}"), upstream.socket());
    let whole = std::fs::read_to_string(shunt.config_file()).unwrap();
    let kept = shunt.state_dir().join("last-good.json");
    assert!(kept.exists(), "{}", shunt.stderr());
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(!text.contains("hush-") && text.contains("quay.io"), "{text}");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let tables = whole.split_once("[listen]").unwrap().1;
    let broken = whole.replace("prefix = \"quay.io\"", "prefix = 7");
    for (text, reason) in [(broken, "config.toml:4:"), (format!("[listen]{tables}"), "no [policy] any more")]
    {
        std::fs::write(&yaml, "mirrors: {}\n").unwrap();
        again(&shunt, &text);
        assert!(pull(&shunt, "quay.io/a:1").await.contains("not here"));
        assert!(pull(&shunt, "ghcr.io/a:1").await.contains("127.0.0.11:1"));
        assert!(pull(&shunt, "k.dev/a:1").await.contains("127.0.0.12:1"));
        let status = shunt.command(&["status", "--socket", shunt.socket().to_str().unwrap()]);
        assert_eq!(status.status.code(), Some(1), "{status:?}");
        let status = String::from_utf8(status.stdout).unwrap();
        assert!(status.contains("the last good policy, of ") && status.contains(reason), "{status}");
        let line = shunt.stderr();
        let line = line.lines().rfind(|line| line.contains("the last good policy, of ")).unwrap();
        let of_auth = format!("{}:6 `auth`", yaml.display());
        assert!(line.contains("ERROR") && line.contains(reason) && line.contains(&of_auth), "{line}");
    }
    // The files count again as soon as they are good.
    shunt.write(&whole.replace("not here", "still not here"));
    shunt.says("new policy loaded");
    assert!(pull(&shunt, "quay.io/a:1").await.contains("still not here"));
    // What was refused before is still told, as something of the past.
    let is_past = |line: &str| !line.contains("last good") || line.starts_with("once refused");
    assert!(support::wait_until(|| shunt.status().lines().all(is_past)));
}

/// Files that are new since the policy was kept are no part of it, and a mistake in one is no reason not to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_with_a_mistake_does_not_keep_the_daemon_from_starting() {
    let (upstream, dir) = (upstream(), tempfile::tempdir().unwrap());
    let conf = dir.path().join("registries.conf");
    std::fs::write(&conf, "[[registry]]\nlocation = \"ghcr.io\"\nblocked = true\n").unwrap();
    let source = format!("[[policy.source]]\nregistries-conf = {conf:?}\n");
    let shunt = Shunt::start_before(&format!("{DENY}{source}"), upstream.socket());
    let rows = [
        (shunt.config_file().with_file_name("conf.d"), "new.toml", "[[policy.rule]]\nprefix = 7\n"),
        (dir.path().join("registries.conf.d"), "new.conf", "[[registry]]\nlocation = 7\n"),
    ];
    for (directory, name, text) in rows {
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join(name), text).unwrap();
        shunt.stop();
        shunt.spawn();
        shunt.listens();
        assert!(pull(&shunt, "quay.io/a:1").await.contains("not here"));
        assert!(pull(&shunt, "ghcr.io/a:1").await.contains("denied"));
        let status = shunt.status();
        assert!(status.contains("the last good policy, of ") && status.contains(name), "{status}");
        std::fs::remove_dir_all(&directory).unwrap();
        shunt.says("new policy loaded");
    }
}

/// Another daemon's policy is none.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_for_the_same_file_only() {
    let upstream = upstream();
    let shunt = Shunt::start_before(DENY, upstream.socket());
    let other = shunt.config_file().with_file_name("other.toml");
    let text = std::fs::read_to_string(shunt.config_file()).unwrap();
    shunt.stop();
    std::fs::write(&other, text.replace("prefix = \"quay.io\"", "prefix = 7")).unwrap();
    let output = shunt.command(&["serve", "--config", other.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let kept = shunt.state_dir().join("last-good.json");
    let why = |why: &str| format!("error: {} cannot be used: {why}", kept.display());
    let of_other = why(&format!("it is of {}", shunt.config_file().display()));
    assert!(String::from_utf8(output.stderr).unwrap().contains(&of_other));

    std::fs::write(&kept, "x").unwrap();
    std::fs::write(shunt.config_file(), text.replace("prefix = \"quay.io\"", "prefix = 7")).unwrap();
    let output = shunt.command(&["serve", "--config", shunt.config_file().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains(&why("it is not JSON")));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_bypass_file_it_starts_whatever_the_configuration_says() {
    let upstream = upstream();
    let shunt = Shunt::start_before("", upstream.socket());
    std::fs::remove_file(shunt.state_dir().join("last-good.json")).unwrap();
    let text = std::fs::read_to_string(shunt.config_file()).unwrap();
    std::fs::write(shunt.bypass_file(), "").unwrap();
    again(&shunt, &format!("nonsense = 1\n{text}"));
    assert!(pull(&shunt, "quay.io/a:1").await.contains("not found"));
    assert!(shunt.status().contains("nonsense"), "{}", shunt.status());
    // A node without a policy must not pull what the policy denies.
    std::fs::remove_file(shunt.bypass_file()).unwrap();
    assert!(pull(&shunt, "quay.io/a:1").await.contains("no rule allows it"));
}
