//! `pull`: images through the daemon, with what it shows of them on a terminal and elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, assert_discreet, rule};
use support::version::Version;
use support::wait_until;

on_each_containerd!(
    images_come_from_where_the_policy_says,
    a_terminal_shows_how_far_a_pull_is,
    an_interrupt_ends_the_pulls,
    logins_come_from_a_file,
);

fn setup(version: Version) -> Option<(&'static Containerd, &'static Registry, String)> {
    let base = format!("pulls-{}", version.line().replace('.', "-"));
    Some((Containerd::shared(version)?, Registry::shared()?, base))
}

/// The command with its arguments, for this daemon.
fn command(shunt: &Shunt, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.args(["pull", "--socket"]).arg(shunt.socket()).args(args);
    command
}

fn pull(shunt: &Shunt, args: &[&str]) -> Output {
    let output = command(shunt, args).stdin(Stdio::null()).output().unwrap();
    assert_discreet(&format!("{output:?}"));
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn images_come_from_where_the_policy_says(version: Version) {
    let Some((containerd, registry, base)) = setup(version) else { return };
    let image = Image::big(&format!("{base}-a"), 1);
    registry.push(&format!("{base}/a"), "1", &image);
    registry.push(&format!("{base}/b"), "1", &Image::busybox(&format!("{base}-b")));
    let first = Fake::in_front_of(registry.host());
    first.on("/v2/", Behaviour::Status(404));
    let rules = rule("quay.io", &[&first.host(), registry.host()])
        + "[[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n";
    let shunt = Shunt::start(&rules, containerd);
    let (routed, passed) = (format!("quay.io/{base}/a:1"), format!("{}/{base}/b:1", registry.host()));

    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&list, format!("# what we run\n{passed} # the other\n\n{routed}\n")).unwrap();
    let path = list.path().to_str().unwrap();
    let args = ["--format", "json", "--namespace", "team-a", "--list", path, &routed, "evil/x"];
    let output = pull(&shunt, &args);
    assert_eq!(output.status.code(), Some(1), "one is denied: {output:?}");
    let rows: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3, "each once: {rows:?}");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{rows:?}"));
    let one = row(&routed);
    assert_eq!((&one["outcome"], &one["registry"]), (&"pulled".into(), &registry.host().into()));
    assert_eq!(one["tried"], format!("{} not-found", first.host()).as_str());
    assert_eq!(one["digest"], support::image::digest(&image.manifest()).as_str());
    assert_eq!((&one["id"], &one["layers"]), (&image.id().as_str().into(), &2.into()));
    let (bytes, fetched) = (one["bytes"].as_u64().unwrap(), one["fetched_bytes"].as_u64().unwrap());
    assert!(bytes > 1 << 20 && (1 << 20..=bytes).contains(&fetched), "{one}");
    assert_eq!((&row(&passed)["outcome"], &row(&passed)["error"]), (&"pulled".into(), &Value::Null));
    let denied = row("docker.io/evil/x:latest");
    assert_eq!((&denied["outcome"], &denied["code"]), (&"failed".into(), &"PermissionDenied".into()));
    assert!(denied["error"].as_str().unwrap().contains("is denied by rule"), "{denied}");
    assert!(shunt.stderr().contains("pod=\"team-a/\""), "{}", shunt.stderr());

    // For people, and once more: nothing is fetched then.
    let output = pull(&shunt, &["-v", &routed]);
    let said = text(&output.stdout);
    let begins = format!("{routed} pulled from {} in ", registry.host());
    assert!(said.starts_with(&begins) && said.contains(", all there before); tried before: "), "{said}");
    assert!(said.contains("\n  by      rule \"quay.io\" ("), "{said}");
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let output = pull(&shunt, &["-q", &routed, "evil/x"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
    assert!(
        text(&output.stderr).starts_with("error: docker.io/evil/x:latest is denied by rule"),
        "{output:?}"
    );
    // Where the reader of stdout has gone, all are pulled, and the exit status says how that went.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let cri = Cri::connect(&containerd.socket()).await;
    cri.remove(&passed).await.unwrap();
    let ended =
        command(&shunt, &["--jobs", "1", &routed, &passed, "evil/x"]).stdout(writer).output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(text(&ended.stderr).starts_with("error: docker.io/evil/x:latest is denied"), "{ended:?}");
    assert!(cri.has(&passed).await, "{ended:?}");
    // containerd itself is not asked to pull past the policy.
    let output = shunt.command(&["pull", "--socket", containerd.socket().to_str().unwrap(), &routed]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("is not cri-shunt"), "{output:?}");
    for name in [&routed, &passed] {
        cri.remove(name).await.unwrap();
    }
}

/// Runs the command on a terminal of 150 columns.
fn on_a_terminal(shunt: &Shunt, image: &str) -> (Child, Arc<Mutex<String>>) {
    let program = env!("CARGO_BIN_EXE_cri-shunt");
    let line = format!("stty cols 150; exec {program} pull --socket {} {image}", shunt.socket().display());
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut from = child.stdout.take().unwrap();
    let shown = Arc::new(Mutex::new(String::new()));
    let into = shown.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            into.lock().unwrap().push_str(&text(&bytes[..read]));
        }
    });
    (child, shown)
}

async fn a_terminal_shows_how_far_a_pull_is(version: Version) {
    let Some((containerd, registry, base)) = setup(version) else { return };
    let path = format!("{base}/shown");
    let paths = [path.clone(), format!("{path}-own")];
    for path in &paths {
        registry.push(path, "1", &Image::with_own_layers(path, 1));
    }
    let (first, second) = (Fake::in_front_of(registry.host()), Fake::in_front_of(registry.host()));
    first.on("/v2/", Behaviour::Status(404));
    for path in &paths {
        second.on(&format!("/v2/{path}/blobs/"), Behaviour::Held);
    }
    let shunt = Shunt::start(&rule("quay.io", &[&first.host(), &second.host()]), containerd);
    // By a rule, and as it was asked for.
    let by_rule = format!("layers 0/2, from {}, tried before: {} not-found", second.host(), first.host());
    let own = format!("layers 0/2, from {}", second.host());
    for (image, parts, held) in [
        (format!("quay.io/{path}:1"), by_rule, path.clone()),
        (format!("{}/{path}-own:1", second.host()), own, format!("{path}-own")),
    ] {
        let (mut child, shown) = on_a_terminal(&shunt, &image);
        let now = || shown.lock().unwrap().clone();
        wait_until(|| now().contains(&parts) || child.try_wait().unwrap().is_some());
        let last = || now().rsplit('\r').find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        assert!(now().contains(&parts), "{parts} is not on the terminal: {:?}\n{}", last(), shunt.stderr());
        assert!(now().contains(&format!("{image} [")) && now().contains("0 B of "), "{:?}", now());
        second.on(&format!("/v2/{held}/blobs/"), Behaviour::Forward);
        assert!(child.wait().unwrap().success(), "{:?}", now());
        let end = format!("{image} pulled from {} in ", second.host());
        shunt.until("the terminal shows the end", || now().contains(&end));
        Cri::connect(&containerd.socket()).await.remove(&image).await.unwrap();
    }
}

async fn an_interrupt_ends_the_pulls(version: Version) {
    let Some((containerd, registry, base)) = setup(version) else { return };
    let path = format!("{base}/interrupted");
    registry.push(&path, "1", &Image::busybox(&path));
    let fake = Fake::in_front_of(registry.host());
    fake.on("/v2/", Behaviour::Held);
    let shunt = Shunt::start(&rule("quay.io", &[&fake.host()]), containerd);
    let image = format!("quay.io/{path}:1");
    let mut child = command(&shunt, &[&image, "quay.io/no/other:1"]).stderr(Stdio::piped()).spawn().unwrap();
    shunt.until("the mirror is asked", || !fake.records().is_empty());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert_eq!(said, "error: interrupted; 2 of 2 images were not pulled\n");
    shunt.until("the daemon stops the pulls", || {
        shunt.stderr().matches("the client left before its pull was over").count() == 2
    });
}

async fn logins_come_from_a_file(version: Version) {
    let Some((containerd, registry, base)) = setup(version) else { return };
    let path = format!("{base}/private");
    registry.push(&path, "1", &Image::busybox(&path));
    let fake = Fake::in_front_of(registry.host());
    fake.on("/v2/", Behaviour::Basic("robot", "hush-of-the-file"));
    let shunt = Shunt::start("", containerd);
    let image = format!("{}/{path}:1", fake.host());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    let write = |host: &str| {
        let logins =
            serde_json::json!({"auths": {host: {"username": "robot", "password": "hush-of-the-file"}}});
        std::fs::write(&file, logins.to_string()).unwrap();
    };
    let file = file.to_str().unwrap();
    write("elsewhere.dev");
    let refused = pull(&shunt, &["--creds-file", file, &image]);
    assert_eq!(refused.status.code(), Some(1), "the login is for another registry: {refused:?}");
    write(&fake.host());
    let pulled = pull(&shunt, &["--creds-file", file, &image]);
    assert_eq!(pulled.status.code(), Some(0), "{pulled:?}");
    Cri::connect(&containerd.socket()).await.remove(&image).await.unwrap();
}

#[test]
fn names_and_files_are_looked_at_before_anything_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere.sock");
    let run = |args: &[&str], stdin: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
        command.args(["pull", "--socket"]).arg(&nowhere).args(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may end before it reads.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let output = child.wait_with_output().unwrap();
        assert!(output.stdout.is_empty(), "{output:?}");
        (output.status.code().unwrap(), text(&output.stderr))
    };
    let id = format!("sha256:{}", "a".repeat(64));
    let (code, said) = run(&["nginx", "a//b", &id, "--list", "-"], "a b\n# not:this\nredis\n");
    assert_eq!(code, 2);
    let begins = ["error: a//b: ", &format!("error: {id}: this is the id of an image"), "error: a b: "];
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), begins.len(), "{said}");
    assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{said}");
    let missing = dir.path().join("missing");
    for flag in ["--creds-file", "--list"] {
        let (code, said) = run(&["nginx", flag, missing.to_str().unwrap()], "");
        assert!(code == 2 && said.contains(missing.to_str().unwrap()), "{flag}: {said}");
    }
    std::fs::write(&missing, "{\"auths\": {\"a.dev\": {\"auth\": \"hush-not-base64\"}}}").unwrap();
    let (code, said) = run(&["nginx", "--creds-file", missing.to_str().unwrap()], "");
    assert_eq!(code, 2, "{said}");
    assert_discreet(&said);
    for args in [&["nginx", "-j", "0"][..], &[]] {
        assert_eq!(run(args, "").0, 2, "{args:?}");
    }
    let (code, said) = run(&["-"], "a//b\n");
    assert!(code == 2 && said.starts_with("error: a//b: "), "{said}");
    let (_, said) = run(&["-"], "# none\n");
    assert!(said.starts_with("no image is named, so nothing is pulled\n"), "{said}");
    let (code, said) = run(&["nginx"], "");
    assert_eq!((code, said.starts_with("error: cri-shunt is not running: ")), (3, true), "{said}");
}
