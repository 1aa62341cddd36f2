//! The binary: which C library it needs, where it runs, and that two builds of one commit are the same bytes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{DIST, VERSION, dist, kinds, output, program, repository};
use crate::support::{skipped, testbed_dir};

/// The binaries of all architectures that were built.
fn programs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(DIST).unwrap().map(|entry| entry.unwrap().path());
    let is_program =
        |path: &PathBuf| path.extension().is_none_or(|end| end.to_string_lossy().contains("linux"));
    entries.filter(|path| is_program(path) && path.file_name().unwrap() != "SHA256SUMS").collect()
}

#[test]
#[ignore = "make test-dist runs it"]
fn no_binary_needs_a_glibc_newer_than_2_17() {
    assert!(programs().contains(&program()), "{:?}", programs());
    for program in programs() {
        let said = output(Command::new("readelf").args(["--wide", "--dyn-syms", "--dynamic"]).arg(&program));
        let words = said.split(|c: char| c.is_whitespace() || "@()[]".contains(c));
        let versions: BTreeSet<Vec<u32>> = words
            .filter_map(|word| word.strip_prefix("GLIBC_"))
            .map(|version| version.split('.').map(|number| number.parse().unwrap()).collect())
            .collect();
        assert!(versions.last().is_some_and(|last| *last <= vec![2, 17]), "{program:?}: {versions:?}");
        let libraries: BTreeSet<&str> = said
            .lines()
            .filter(|line| line.contains("(NEEDED)"))
            .filter_map(|line| line.split(['[', ']']).nth(1))
            .collect();
        // All of them are parts of the C library.
        let known = [
            "ld-linux-x86-64.so.2",
            "ld-linux-aarch64.so.1",
            "libc.so.6",
            "libdl.so.2",
            "libm.so.6",
            "libpthread.so.0",
            "librt.so.1",
            "libutil.so.1",
        ];
        assert!(libraries.iter().all(|library| known.contains(library)), "{program:?}: {libraries:?}");
    }
}

/// `tests/setup dist` makes the roots with debootstrap.
#[test]
#[ignore = "make test-dist runs it"]
fn the_binary_runs_on_old_and_new_distributions() {
    for suite in ["bullseye", "bookworm", "trixie"] {
        let root = testbed_dir().join("roots").join(suite);
        if !root.join("bin/sh").exists() {
            skipped(&format!("there is no root of {suite}"));
            continue;
        }
        std::fs::copy(program(), root.join("cri-shunt")).unwrap();
        std::fs::write(root.join("policy.toml"), "[policy]\ndefault-registry = \"localhost:1\"\n").unwrap();
        std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        let run = |arguments: &[&str]| {
            let output =
                Command::new("chroot").arg(&root).arg("/cri-shunt").args(arguments).output().unwrap();
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        };
        let said = run(&["--version"]);
        assert!(said.starts_with(&format!("cri-shunt {VERSION} (")), "{suite}: {said}");
        // The name goes to the system's own resolver, and nobody listens there.
        let said = run(&["explain", "--live", "--config", "/policy.toml", "nginx"]);
        assert!(said.contains("localhost:1/library/nginx") && said.contains("refused"), "{suite}: {said}");
        std::fs::remove_file(root.join("cri-shunt")).unwrap();
    }
}

/// Those who audit a node read from the binary what it is made of.
#[test]
#[ignore = "make test-dist runs it"]
fn the_parts_are_in_the_binary_and_beside_it() {
    let list = dist(&format!("cri-shunt-{VERSION}-{}.cdx.json", kinds().0));
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(list).unwrap()).unwrap();
    assert_eq!((list["bomFormat"].as_str(), list["specVersion"].as_str()), (Some("CycloneDX"), Some("1.5")));
    let mut names: BTreeSet<&str> =
        list["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert!(["ring", "rustls", "tokio", "h2"].iter().all(|name| names.contains(name)), "{names:?}");
    assert!(!names.contains("insta"), "only tests use it");

    let section = tempfile::NamedTempFile::new().unwrap();
    let dump = format!("--dump-section=.dep-v0={}", section.path().display());
    output(Command::new("objcopy").arg(dump).arg(program()).arg("/dev/null"));
    let mut text = String::new();
    let packed = std::fs::File::open(section.path()).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::ZlibDecoder::new(packed), &mut text).unwrap();
    let inside: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of_run_time = inside["packages"].as_array().unwrap().iter().filter(|part| part["kind"] != "build");
    names.insert("cri-shunt");
    for part in of_run_time {
        assert!(names.contains(part["name"].as_str().unwrap()), "{part}");
    }
}

#[test]
#[ignore = "make test-dist runs it"]
fn the_checksums_are_those_of_all_files() {
    output(Command::new("sha256sum").current_dir(DIST).args(["--check", "--strict", "SHA256SUMS"]));
    let sums = std::fs::read_to_string(dist("SHA256SUMS")).unwrap();
    let names: BTreeSet<&str> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    for entry in std::fs::read_dir(DIST).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "SHA256SUMS" || names.contains(name.as_str()), "{name}");
    }
}

/// Takes as long as `make dist`.
#[test]
#[ignore = "make test-dist runs it"]
fn a_build_in_another_folder_is_the_same_bytes() {
    let elsewhere = tempfile::tempdir_in(repository().join("target")).unwrap();
    let copy = elsewhere.path().join("elsewhere");
    output(Command::new("git").arg("clone").arg("--quiet").arg(repository()).arg(&copy));
    std::fs::create_dir(copy.join("target")).unwrap();
    std::os::unix::fs::symlink(repository().join("target/tools"), copy.join("target/tools")).unwrap();
    let target = kinds().0;
    output(Command::new("make").current_dir(&copy).args(["--silent", "dist"]).env("TARGETS", target));
    let sums = |folder: &Path| std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let here = sums(Path::new(DIST));
    for line in sums(&copy.join("target/dist")).lines() {
        assert!(here.lines().any(|other| other == line), "{line}\nis not in\n{here}");
    }
}
