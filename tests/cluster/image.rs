//! The image: containerd imports the file and runs the program in it, and no other byte changes when it is made again.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::containerd::Containerd;
use crate::support::version::Version;

fn make(binary: &Path, file: &Path) -> Output {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/build/image"))
        .arg(binary)
        .arg(file)
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap()
}

#[test]
fn containerd_imports_it_and_the_program_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (binary, file) = (dir.path().join("cri-shunt"), dir.path().join("image.tar"));
    // What is left out is what a release does not have either.
    let strip = Command::new("strip").arg("-o").arg(&binary).arg(env!("CARGO_BIN_EXE_cri-shunt")).output();
    assert!(strip.unwrap().status.success());
    let output = make(&binary, &file);
    assert!(output.status.success(), "{output:?}");
    let name = String::from_utf8(output.stdout).unwrap();
    let (name, digest) = name.trim().split_once('@').unwrap();
    assert_eq!(name, concat!("localhost/cri-shunt:", env!("CARGO_PKG_VERSION")));

    let Some(containerd) = Containerd::start(Version::V2_1) else { return };
    let ctr = |arguments: &[&str]| {
        let output = containerd.ctr(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    ctr(&["images", "import", file.to_str().unwrap()]);
    let listed = ctr(&["images", "list"]);
    let line = listed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{listed}"));
    assert!(line.contains(digest) && line.contains("linux/"), "{line}");
    let said = ctr(&["run", "--rm", "--net-host", name, "one", "/usr/bin/cri-shunt", "--version"]);
    assert!(said.starts_with(concat!("cri-shunt ", env!("CARGO_PKG_VERSION"))), "{said}");
}

#[test]
fn what_is_no_program_has_no_image() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    let output = make(Path::new("/bin/sh.not"), &file);
    assert!(!output.status.success() && !file.exists());
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/bin/sh\nexit 0 # long enough for a header\n").unwrap();
    let output = make(&script, &file);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("script is no program for amd64 or arm64\n"), "{said}");
}

#[test]
fn it_is_the_same_file_when_it_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let made = ["one", "two"].map(|name| {
        let file = dir.path().join(name);
        let output = make(Path::new("/bin/sh"), &file);
        assert!(output.status.success(), "{output:?}");
        std::fs::read(file).unwrap()
    });
    assert!(made[0] == made[1], "the files differ");
    // In a directory it has a name of its own.
    assert!(make(Path::new("/bin/sh"), dir.path()).status.success());
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let name = format!("cri-shunt-{}-linux-{arch}.image.tar", env!("CARGO_PKG_VERSION"));
    assert!(std::fs::read(dir.path().join(&name)).unwrap() == made[0]);
    // One that is not there yet is made.
    assert!(make(Path::new("/bin/sh"), &dir.path().join("new/")).status.success());
    assert!(std::fs::read(dir.path().join("new").join(name)).unwrap() == made[0]);
}
