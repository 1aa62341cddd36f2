//! The demonstration shows what it should, and clears its stage, however it ends.
//!
//! It is README's first command. `demo/run` checks each of its steps itself.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};

/// One at a time, so that it is known which of them has left something on the stage.
static STAGE: Mutex<()> = Mutex::new(());

/// Starts the part behind the build: cargo has built the program and the examples for this test.
fn start() -> Option<Child> {
    let programs = Path::new(env!("CARGO_BIN_EXE_cri-shunt")).parent().unwrap();
    let there = |program: &str| {
        ["/usr/bin", "/usr/local/bin"].iter().any(|dir| Path::new(dir).join(program).exists())
    };
    if !rustix::process::geteuid().is_root()
        || !["containerd", "docker-registry", "skopeo"].into_iter().all(there)
    {
        support::skipped("the demonstration needs root, containerd, docker-registry and skopeo");
        return None;
    }
    assert!(programs.join("examples/cri").exists(), "cargo build --examples");
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/run");
    let mut command = Command::new(run);
    command.arg("built").env("CARGO_TARGET_DIR", programs.parent().unwrap());
    Some(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn stages() -> BTreeSet<String> {
    let names = std::fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("cri-shunt-demo."))
        .collect()
}

/// Command lines that name a stage.
fn actors() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let lines = processes.filter_map(|path| std::fs::read(path).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains("/tmp/cri-shunt-demo.")).collect()
}

#[test]
fn it_shows_what_it_should() {
    let _stage = STAGE.lock();
    let (before, Some(demo)) = (stages(), start()) else { return };
    let output = demo.wait_with_output().unwrap();
    let story = String::from_utf8(output.stdout).unwrap();
    // Without columns and ends of lines.
    let words = story.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.status.success(), "{story}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "registry-1.docker.io:443",
        "\"registry\": \"127.0.0.1:",
        "mirrors down 127.0.0.1:1",
        "is denied by rule \"docker.io/evil\"",
        "nothing came to the wall",
    ] {
        assert!(words.contains(part), "{part}:\n{story}");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has_crictl = std::env::split_paths(&path).any(|directory| directory.join("crictl").exists());
    assert_eq!(words.contains("This machine has no crictl. A small stand-in plays it here"), !has_crictl);
    assert_eq!((stages(), actors()), (before, Vec::new()));
}

#[test]
fn it_clears_its_stage_when_it_is_interrupted() {
    let _stage = STAGE.lock();
    let (before, Some(mut demo)) = (stages(), start()) else { return };
    let is_on = || actors().iter().any(|line| line.contains("containerd "));
    assert!(support::wait_until(is_on), "containerd is on the stage");
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(143));
    assert_eq!((stages(), actors()), (before, Vec::new()));
}
