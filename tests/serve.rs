//! The daemon's life: what keeps it from starting, reloads, and what its socket is like.
//!
//! `activation` is about the socket that systemd holds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::process::{Command, Output};

use rustix::process::Signal;
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::upstream::{Answer, EVENTS, Upstream};
use support::version::Version;
use support::wait_until;

fn serve(config: &std::path::Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cri-shunt")).args(["serve", "--config"]).arg(config).output().unwrap()
}

#[tokio::test]
async fn a_config_with_mistakes_does_not_start_and_says_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[listen]\nsoket = \"/x\"\n[policy]\ndefault = \"maybe\"\n[[policy.rule]]\nprefix = \"nginx\"\npass = true\n").unwrap();
    let output = serve(&file);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    for part in ["config.toml:2:1", "config.toml:4:11", "config.toml:6:10", "does not start"] {
        assert!(stderr.contains(part), "{part}:\n{stderr}");
    }
}

#[tokio::test]
async fn a_socket_that_is_taken_is_left_to_its_owner() {
    let upstream = Upstream::start();
    let first = Shunt::start_before("", upstream.socket());
    let second = first.config_file().with_file_name("second.toml");
    let text = std::fs::read_to_string(first.config_file()).unwrap();
    std::fs::write(&second, text.replace("/state\"", "/other\"")).unwrap();
    let output = serve(&second);
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(first.socket().to_str().unwrap()), "{stderr}");
    assert!(stderr.contains(&first.pid().unwrap().to_string()), "it names the owner: {stderr}");
    std::os::unix::net::UnixStream::connect(first.socket()).unwrap();

    let meta = std::fs::metadata(first.socket()).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);
    // One that was left behind is replaced; one that ends well leaves none.
    first.kill9();
    assert!(first.socket().exists());
    first.spawn();
    first.listens();
    assert_eq!(first.stop().and_then(|status| status.code()), Some(0));
    assert!(!first.socket().exists());
}

/// Signals are caught before the socket is there, so whoever sees the socket may send one.
#[tokio::test]
async fn a_second_daemon_on_one_state_directory_does_not_start() {
    let upstream = Upstream::start();
    let first = Shunt::start_before("", upstream.socket());
    let second = first.config_file().with_file_name("second.toml");
    let text = std::fs::read_to_string(first.config_file()).unwrap();
    std::fs::write(&second, text.replace("/shunt.sock\"", "/second.sock\"")).unwrap();
    let output = serve(&second);
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (pid, directory) = (first.pid().unwrap(), first.state_dir());
    let expected =
        format!("another cri-shunt (process {pid}) uses the state directory {}", directory.display());
    assert!(stderr.contains(&expected), "{stderr}");
    // What a crash leaves keeps nobody out.
    first.kill9();
    first.spawn();
    first.listens();
}

#[tokio::test]
async fn a_signal_at_the_start_is_no_crash() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    assert_eq!(shunt.stop().and_then(|status| status.code()), Some(0));
    for round in 0..20 {
        shunt.spawn();
        let end = std::time::Instant::now() + support::PATIENCE;
        while !shunt.socket().exists() && std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
        shunt.signal(Signal::HUP);
        shunt.signal(Signal::TERM);
        assert_eq!(shunt.ends().code(), Some(0), "round {round}:\n{}", shunt.stderr());
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_holds_up_no_stop() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    let silent = std::os::unix::net::UnixStream::connect(shunt.socket()).unwrap();
    shunt.signal(Signal::TERM);
    // A call under way would have 20 s, and it would be said that it is cut.
    assert_eq!(shunt.ends().code(), Some(0));
    assert!(!shunt.stderr().contains("still under way"), "{}", shunt.stderr());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_the_new_policy_or_keeps_the_old_one_whole() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("[policy]\ndefault = \"deny\"\n", upstream.socket());
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull("a.example/x:1").await.unwrap_err();
    let good = std::fs::read_to_string(shunt.config_file()).unwrap();
    shunt.write(&good.replace("\"deny\"", "\"pass\"\nnonsense = 1"));
    shunt.signal(Signal::HUP);
    shunt.says("reload refused");
    cri.pull("a.example/x:1").await.unwrap_err();
    let text = shunt.status();
    assert!(text.contains("reload refused") && text.contains("nonsense"), "{text}");
    let told: Vec<String> = shunt.stderr().lines().map(str::to_owned).collect();
    let refused = told.iter().find(|line| line.contains("reload refused, still using the policy of "));
    assert!(refused.is_some_and(|line| line.contains("nonsense")), "one line: {told:?}");
    shunt.write(&good.replace("\"deny\"", "\"pass\""));
    shunt.signal(Signal::HUP);
    shunt.says("new policy loaded");
    cri.pull("a.example/x:1").await.unwrap();
    assert!(!shunt.status().contains("reload refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reload_cannot_change_is_named() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    let text = std::fs::read_to_string(shunt.config_file()).unwrap();
    let text = text.replace("[containerd]\n", "[containerd]\nfence = true\n");
    shunt.write(&text);
    shunt.signal(Signal::HUP);
    shunt.says("new policy loaded");
    assert!(!shunt.stderr().contains("after a restart only"), "{}", shunt.stderr());
    let text = text.replace("fence = true", "config-path = \"/nowhere\"");
    shunt.write(&text.replace("[listen]\n", "[listen]\nmode = \"0600\"\n"));
    shunt.signal(Signal::HUP);
    shunt.says("changes in [listen], [containerd] take effect after a restart only");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_one_that_is_not_there_from_one_that_is_something_else() {
    let upstream = Upstream::start();
    let shunt = Shunt::start_before("", upstream.socket());
    let ask = |socket: &std::path::Path| shunt.command(&["status", "--socket", socket.to_str().unwrap()]);
    assert_eq!(ask(&shunt.socket()).status.code(), Some(0));
    let nobody = ask(std::path::Path::new("/nowhere.sock"));
    assert_eq!(nobody.status.code(), Some(3));
    let told = String::from_utf8(nobody.stderr).unwrap();
    assert_eq!(told, "error: cri-shunt is not running: nothing listens on /nowhere.sock\n");
    let other = ask(upstream.socket());
    assert_eq!(other.status.code(), Some(3));
    assert!(String::from_utf8(other.stderr).unwrap().contains("is not cri-shunt"));
}

async fn both_names_stay_where_that_is_wanted(version: Version) {
    let (Some(containerd), Some(registry)) =
        (support::containerd::Containerd::shared(version), Registry::shared())
    else {
        return;
    };
    let image = Image::busybox("serve-both");
    registry.push("both/app", "1", &image);
    let rule_for_both = rule("quay.io", &[registry.host()]);
    let shunt = Shunt::start(&format!("[policy]\nnames = \"both\"\n{rule_for_both}"), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull("quay.io/both/app:1").await.unwrap();
    let names = Native::connect(&containerd.socket()).await.names_with("both/app").await;
    assert_eq!(names.len(), 4, "{names:?}");
    cri.remove(&image.id()).await.unwrap();
}

async fn an_old_client_pulls_by_the_policy(version: Version) {
    let (Some(containerd), Some(registry)) =
        (support::containerd::Containerd::shared(version), Registry::shared())
    else {
        return;
    };
    let image = Image::busybox("serve-foreign");
    registry.push("foreign/app", "1", &image);
    let deny = "[[policy.rule]]\nprefix = \"docker.io/foreign/evil\"\ndeny = \"no\"\n";
    let config = format!("{}{deny}", rule("docker.io/foreign", &[registry.host()]));
    let shunt = Shunt::start(&config, containerd);
    let socket = shunt.socket();
    let encoded = socket.to_str().unwrap().replace('/', "%2F");
    for authority in [None, Some(socket.to_str().unwrap()), Some(encoded.as_str())] {
        let how = support::foreign::Call { authority, metadata: &[], gzip: false, repeat: 3 };
        let pull = |name: &str| {
            let spec = [&[0x0a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
            let message = [&[0x0a, u8::try_from(spec.len()).unwrap()], spec.as_slice()].concat();
            support::foreign::call(&socket, "/runtime.v1.ImageService/PullImage", &message, &how)
        };
        let Some(answer) = pull("foreign/app:1") else { return };
        assert_eq!(answer.code, 0, "{authority:?}: {answer:?}");
        assert_eq!(pull("foreign/evil:1").unwrap().code, 7, "{authority:?}");
    }
    Cri::connect(&socket).await.remove(&image.id()).await.unwrap();
}

on_each_containerd!(both_names_stay_where_that_is_wanted, an_old_client_pulls_by_the_policy);

/// Whatever answers in containerd's place and ends its event stream at once, as a proxy may.
#[tokio::test]
async fn an_event_stream_that_ends_at_once_is_not_asked_for_without_a_pause() {
    let upstream = Upstream::start();
    upstream.on(EVENTS, Answer::Status(0, ""));
    let begin = std::time::Instant::now();
    let _shunt = Shunt::start_before("", upstream.socket());
    let asked = || upstream.calls(EVENTS).len();
    assert!(support::wait_for(async || asked() >= 3).await);
    // Counted before the clock is read: a busy machine only makes the time longer.
    let (asked, took) = (asked(), begin.elapsed());
    assert!(asked as u128 <= took.as_millis() / 200 + 2, "{asked} times in {took:?}");
}

#[test]
fn nothing_of_the_process_is_for_other_processes_of_its_user_or_for_core_dumps() {
    if !rustix::process::geteuid().is_root() {
        support::skipped("changing the user needs root");
        return;
    }
    let dir = tempfile::Builder::new().prefix("shunt-dump-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    // Where the tree lies, another user may not look.
    let program = dir.path().join("cri-shunt");
    std::fs::copy(env!("CARGO_BIN_EXE_cri-shunt"), &program).unwrap();
    let config = dir.path().join("config.toml");
    let at = dir.path().display();
    let text = format!(
        "[listen]\nsocket = \"{at}/s\"\n[containerd]\nsocket = \"{at}/c\"\n[state]\ndir = \"{at}/state\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["serve", "--config"])
        .arg(&config)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let listens = || std::os::unix::net::UnixStream::connect(dir.path().join("s")).is_ok();
    let listening = wait_until(listens);
    // proc(5): what is not dumpable belongs to root, whoever runs it.
    let owner = std::fs::metadata(format!("/proc/{}/environ", child.id())).map(|meta| meta.uid());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(listening);
    assert_eq!(owner.unwrap(), 0);
}
