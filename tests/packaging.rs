//! What `make install` puts in place: nothing is missing, and systemd understands the units.
//!
//! `generated` has the man pages and completions, `activation` the handover of the socket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cri-shunt");

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path) -> BTreeMap<PathBuf, String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path).into_iter().collect::<Vec<_>>(),
            false => {
                vec![(path.clone(), String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned())]
            }
        })
        .collect()
}

fn below(root: &Path, found: BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    found.into_iter().map(|(path, text)| (path.strip_prefix(root).unwrap().to_owned(), text)).collect()
}

fn install(into: &Path, prefix: &str) -> Output {
    make("install", into, prefix)
}

fn make(target: &str, into: &Path, prefix: &str) -> Output {
    Command::new("make")
        .current_dir(repository())
        .args(["--silent", target])
        .arg(format!("DESTDIR={}", into.display()))
        .arg(format!("PREFIX={prefix}"))
        .arg(format!("BINARY={PROGRAM}"))
        .output()
        .unwrap()
}

#[test]
fn an_installation_is_whole() {
    let root = tempfile::tempdir().unwrap();
    let output = install(root.path(), "/usr/local");
    assert!(output.status.success(), "{output:?}");
    let installed = below(root.path(), files(root.path()));
    let names: Vec<String> = installed.keys().map(|path| path.display().to_string()).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    etc/cri-shunt/config.toml
    usr/lib/systemd/system/cri-shunt.service
    usr/lib/systemd/system/cri-shunt.socket
    usr/local/bin/cri-shunt
    usr/local/share/bash-completion/completions/cri-shunt
    usr/local/share/doc/cri-shunt/CHANGELOG.md
    usr/local/share/doc/cri-shunt/LICENSE
    usr/local/share/doc/cri-shunt/README.md
    usr/local/share/doc/cri-shunt/docs/architecture.md
    usr/local/share/doc/cri-shunt/docs/audit.md
    usr/local/share/doc/cri-shunt/docs/configuration.md
    usr/local/share/doc/cri-shunt/docs/metrics.md
    usr/local/share/doc/cri-shunt/docs/specification.md
    usr/local/share/doc/cri-shunt/docs/troubleshooting.md
    usr/local/share/doc/cri-shunt/docs/uninstall.md
    usr/local/share/doc/cri-shunt/docs/upgrade.md
    usr/local/share/doc/cri-shunt/docs/where-to-look.md
    usr/local/share/doc/cri-shunt/examples/cri-shunt-k3s.toml
    usr/local/share/doc/cri-shunt/examples/crictl.yaml
    usr/local/share/doc/cri-shunt/examples/k3s.yaml
    usr/local/share/doc/cri-shunt/examples/kubeadm.yaml
    usr/local/share/doc/cri-shunt/examples/kubelet-default
    usr/local/share/doc/cri-shunt/examples/kubelet-drop-in.conf
    usr/local/share/doc/cri-shunt/examples/policy.expect.toml
    usr/local/share/doc/cri-shunt/examples/policy.toml
    usr/local/share/doc/cri-shunt/examples/rke2.yaml
    usr/local/share/fish/vendor_completions.d/cri-shunt.fish
    usr/local/share/man/man1/cri-shunt-audit.1
    usr/local/share/man/man1/cri-shunt-check.1
    usr/local/share/man/man1/cri-shunt-config.1
    usr/local/share/man/man1/cri-shunt-eject.1
    usr/local/share/man/man1/cri-shunt-explain.1
    usr/local/share/man/man1/cri-shunt-import.1
    usr/local/share/man/man1/cri-shunt-serve.1
    usr/local/share/man/man1/cri-shunt-status.1
    usr/local/share/man/man1/cri-shunt-test.1
    usr/local/share/man/man1/cri-shunt.1
    usr/local/share/man/man5/cri-shunt.toml.5
    usr/local/share/zsh/vendor-completions/_cri-shunt
    ");
    let unit = &installed[Path::new("usr/lib/systemd/system/cri-shunt.service")];
    assert!(unit.contains("ExecStart=/usr/local/bin/cri-shunt serve"), "{unit}");
    assert!(!unit.contains("/usr/bin/cri-shunt"), "{unit}");

    // An administrator's configuration outlives the next installation.
    let config = root.path().join("etc/cri-shunt/config.toml");
    std::fs::write(&config, "# mine\n").unwrap();
    assert!(install(root.path(), "/usr/local").status.success());
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# mine\n");

    // It is all that an uninstallation leaves.
    assert!(make("uninstall", root.path(), "/usr/local").status.success());
    assert_eq!(files(root.path()).into_keys().collect::<Vec<_>>(), [config]);
}

#[test]
fn what_is_installed_has_been_built_just_before() {
    let output = Command::new("make")
        .current_dir(repository())
        .args(["--dry-run", "install", "BINARY="])
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let build = said.find("cargo build --release --locked").unwrap();
    assert!(said.find("install -D").is_some_and(|install| build < install), "{said}");
}

#[test]
fn systemd_understands_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        support::skipped("no systemd-analyze here");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    assert!(install(root.path(), "/usr").status.success());
    let units = root.path().join("usr/lib/systemd/system");
    let mut names = Vec::new();
    for (path, text) in files(&units) {
        // What `verify` looks for on this machine: the program, and its man page.
        let text =
            text.replace("/usr/bin/cri-shunt", PROGRAM).replace("man:cri-shunt(1)", "https://example.com");
        std::fs::write(&path, text).unwrap();
        names.push(path);
    }
    let output = Command::new("systemd-analyze").arg("verify").args(&names).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("cri-shunt")).collect();
    assert_eq!(ours, Vec::<&str>::new());
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_example_configurations_can_be_used() {
    let check = |name: &str, options: &[&str]| {
        let config = repository().join(name);
        let output =
            Command::new(PROGRAM).arg("check").args(options).arg("--config").arg(config).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {said}");
        said
    };
    check("packaging/examples/cri-shunt-k3s.toml", &["--strict"]);
    check("packaging/examples/policy.toml", &["--strict"]);
    // What is installed changes nothing, and says so.
    let said = check("packaging/config.toml", &[]);
    assert_eq!(said.matches("warning: ").count(), 1, "{said}");
    assert!(said.contains("warning: 0 rules"), "{said}");
}
