//! `cri-shunt --version` names the commit, and only depends on the sources.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

#[path = "../build/version.rs"]
#[allow(unreachable_pub, reason = "part of the build script")]
mod version;

/// A commit of the evening of 28 February 2024 in New York, which is the 29th in UTC.
fn commit(directory: &Path) -> String {
    git(directory, &["init", "-q"]);
    git(directory, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(directory, &["rev-parse", "HEAD"])
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(arguments)
        .env("GIT_COMMITTER_DATE", "2024-02-28T20:00:00-0500")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_new_commit_of_the_branch_is_a_change_where_git_keeps_no_log_too() {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["config", "core.logAllRefUpdates", "false"]);
    commit(dir.path());
    let read = || {
        let files = version::files(dir.path());
        files.iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    let before = read();
    git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "two"]);
    assert_ne!(read(), before);
}

#[test]
fn the_version_has_commit_and_day_where_there_is_a_repository() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(version::text("0.1.0", dir.path(), None), "0.1.0");
    assert_eq!(version::text("0.1.0", dir.path(), Some("0")), "0.1.0 (1970-01-01)");

    let commit = &commit(dir.path())[..12];
    assert_eq!(version::text("0.1.0", dir.path(), None), format!("0.1.0 ({commit} 2024-02-29)"));
    assert_eq!(
        version::text("0.1.0", dir.path(), Some("1798675199")),
        format!("0.1.0 ({commit} 2026-12-30)")
    );

    // The repository of somebody who only keeps these sources in a folder says nothing of them.
    let inside = dir.path().join("vendor");
    std::fs::create_dir(&inside).unwrap();
    assert_eq!(version::text("0.1.0", &inside, None), "0.1.0");
}

#[test]
fn the_program_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt")).arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with(concat!("cri-shunt ", env!("CARGO_PKG_VERSION"), " (")), "{said}");
}
