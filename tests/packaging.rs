//! What `make install` puts in place: nothing is missing, and systemd understands the units.
//!
//! `dist` has the packages, `generated` the man pages and completions, `activation` the handover of the socket.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use support::systemd::{Systemd, installed, write};

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
    usr/lib/systemd/system/cri-shunt-drift.service
    usr/lib/systemd/system/cri-shunt-drift.timer
    usr/lib/systemd/system/cri-shunt.service
    usr/lib/systemd/system/cri-shunt.socket
    usr/local/bin/cri-shunt
    usr/local/share/bash-completion/completions/cri-shunt
    usr/local/share/doc/cri-shunt/CHANGELOG.md
    usr/local/share/doc/cri-shunt/LICENSE
    usr/local/share/doc/cri-shunt/README.md
    usr/local/share/doc/cri-shunt/docs/air-gap.md
    usr/local/share/doc/cri-shunt/docs/architecture.md
    usr/local/share/doc/cri-shunt/docs/audit.md
    usr/local/share/doc/cri-shunt/docs/compare.md
    usr/local/share/doc/cri-shunt/docs/configuration.md
    usr/local/share/doc/cri-shunt/docs/dashboard.svg
    usr/local/share/doc/cri-shunt/docs/images.md
    usr/local/share/doc/cri-shunt/docs/install.md
    usr/local/share/doc/cri-shunt/docs/kubernetes.md
    usr/local/share/doc/cri-shunt/docs/metrics.md
    usr/local/share/doc/cri-shunt/docs/set-up.md
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
    usr/local/share/doc/cri-shunt/grafana/cri-shunt.json
    usr/local/share/doc/cri-shunt/prometheus/alerts.yaml
    usr/local/share/fish/vendor_completions.d/cri-shunt.fish
    usr/local/share/man/man1/cri-shunt-audit.1
    usr/local/share/man/man1/cri-shunt-check.1
    usr/local/share/man/man1/cri-shunt-config.1
    usr/local/share/man/man1/cri-shunt-diff.1
    usr/local/share/man/man1/cri-shunt-doctor.1
    usr/local/share/man/man1/cri-shunt-drift.1
    usr/local/share/man/man1/cri-shunt-eject.1
    usr/local/share/man/man1/cri-shunt-explain.1
    usr/local/share/man/man1/cri-shunt-images.1
    usr/local/share/man/man1/cri-shunt-import.1
    usr/local/share/man/man1/cri-shunt-inspect.1
    usr/local/share/man/man1/cri-shunt-install.1
    usr/local/share/man/man1/cri-shunt-lock.1
    usr/local/share/man/man1/cri-shunt-preflight.1
    usr/local/share/man/man1/cri-shunt-pull.1
    usr/local/share/man/man1/cri-shunt-rollout.1
    usr/local/share/man/man1/cri-shunt-serve.1
    usr/local/share/man/man1/cri-shunt-status.1
    usr/local/share/man/man1/cri-shunt-sync.1
    usr/local/share/man/man1/cri-shunt-test.1
    usr/local/share/man/man1/cri-shunt-uninstall.1
    usr/local/share/man/man1/cri-shunt-verify.1
    usr/local/share/man/man1/cri-shunt.1
    usr/local/share/man/man5/cri-shunt.toml.5
    usr/local/share/zsh/vendor-completions/_cri-shunt
    ");
    for (unit, command) in [("cri-shunt", "serve"), ("cri-shunt-drift", "drift --quiet --write")] {
        let unit = &installed[&Path::new("usr/lib/systemd/system").join(format!("{unit}.service"))];
        assert!(unit.contains(&format!("ExecStart=/usr/local/bin/cri-shunt {command}")), "{unit}");
        assert!(!unit.contains("/usr/bin/cri-shunt"), "{unit}");
    }

    // An administrator's configuration outlives the next installation.
    let config = root.path().join("etc/cri-shunt/config.toml");
    std::fs::write(&config, "# mine\n").unwrap();
    assert!(install(root.path(), "/usr/local").status.success());
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# mine\n");

    // It is all that an uninstallation leaves.
    assert!(make("uninstall", root.path(), "/usr/local").status.success());
    assert_eq!(files(root.path()).into_keys().collect::<Vec<_>>(), [config]);
}

/// Rust, a C compiler and make are all that a machine needs: where it has no protoc, one in Rust is built first.
#[test]
fn a_machine_without_protoc_gets_one_in_rust() {
    let bare = tempfile::tempdir().unwrap();
    let make = Command::new("sh").args(["-c", "command -v make"]).output().unwrap().stdout;
    let make = String::from_utf8(make).unwrap();
    let said = |with_protoc: bool| {
        if with_protoc {
            std::os::unix::fs::symlink("/bin/true", bare.path().join("protoc")).unwrap();
        }
        let mut command = Command::new(make.trim());
        command.current_dir(repository()).env_clear().env("PATH", bare.path());
        let output = command.args(["--dry-run", "build", "PROTOX=/nonexistent/protox"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let without = said(false);
    let (protox, build) = (without.find("--features bin protox"), without.find("cargo build --release"));
    assert!(protox.is_some() && protox < build, "{without}");
    assert!(!said(true).contains("protox"));
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

/// A program that is built for this machine's C library does not start where that is older.
#[test]
fn the_image_has_the_program_of_a_release() {
    let steps = |more: &[&str]| {
        let output = Command::new("make")
            .current_dir(repository())
            // A make below another one, as in `make test`, would say where it works.
            .args(["--dry-run", "--no-print-directory", "image"])
            .args(more)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let said = steps(&["BINARY="]);
    assert!(said.contains("packaging/dist/build\n") && !said.contains("cargo build"), "{said}");
    let said = steps(&["BINARY=", "IMAGE=one.tar"]);
    assert!(said.ends_with("cp target/dist/*.image.tar one.tar\n"), "{said}");
    assert_eq!(steps(&["BINARY=program"]), "build/image program target/\n");
    assert_eq!(steps(&["BINARY=program", "IMAGE=one.tar"]), "build/image program one.tar\n");
}

/// A script of a package, as `packaging/dist/package` puts it together.
fn script(form: &str, name: &str) -> String {
    functions() + &read(&format!("packaging/{form}/{name}"))
}

fn functions() -> String {
    read("packaging/dist/functions.sh")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// `make test-dist` runs them.
#[test]
fn the_scripts_of_the_packages_can_be_read_by_sh() {
    for form in ["deb", "rpm"] {
        for name in ["postinst", "prerm", "postrm"] {
            let output = Command::new("sh").args(["-n", "-c", &script(form, name)]).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{form} {name}: {output:?}");
        }
    }
}

/// dash's `echo` reads `\c` in a path as "end here".
#[test]
fn the_scripts_of_the_packages_show_what_the_program_says_as_it_is() {
    let bin = tempfile::tempdir().unwrap();
    let program = |name: &str, text: &str| {
        let path = bin.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let said = r"a\tb\c: no such file";
    program("cri-shunt", &format!("printf '%s\\n' '{said}'\nexit 1"));
    program("systemctl", "exit 0");
    let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
    let run = |call: &str| {
        let text = functions() + call;
        let output = Command::new("sh").args(["-c", &text]).env("PATH", &path).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    for call in ["refuse_if_needed", "stop_and_tell systemctl"] {
        let shown = run(call);
        assert!(shown.contains(&format!("{said}\n")), "{call}: {shown}");
    }
}

#[test]
fn a_removal_stops_and_disables_each_unit() {
    let functions = functions();
    let units = functions.lines().find_map(|line| line.strip_prefix("units=")).unwrap();
    let mut named: Vec<&str> = units.trim_matches('"').split(' ').collect();
    named.sort_unstable();
    let there = files(&repository().join("packaging/systemd"));
    let there: Vec<&str> = there.keys().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(named, there);
}

const REFUSED: &str = "\
cri-shunt: /etc/default/kubelet:1 leads kubelet to /run/cri-shunt/cri-shunt.sock: without the daemon no image is pulled here
cri-shunt: first write containerd's own socket there and start kubelet, k3s or RKE2 again
cri-shunt: so it is not removed. If this node does not matter any more, set CRI_SHUNT_REMOVE=anyway.
";

#[test]
fn a_removal_is_refused_where_a_kubelet_needs_it_and_starts_again_what_it_has_stopped_if_given_up() {
    if Command::new("deb-systemd-invoke").output().is_err() {
        support::skipped("there is no deb-systemd-invoke here");
        return;
    }
    let files = installed();
    for name in ["prerm", "postinst"] {
        write(&files, &format!("/root/{name}"), &script("deb", name));
    }
    write(&files, "/root/rpm-prerm", &script("rpm", "prerm"));
    let kubelet = "[Service]\nEnvironmentFile=/etc/default/kubelet\nExecStart=/usr/bin/kubelet $ARGS\n";
    write(&files, "/etc/systemd/system/kubelet.service", kubelet);
    let flag = "ARGS=--image-service-endpoint=unix:///run/cri-shunt/cri-shunt.sock\n";
    write(&files, "/etc/default/kubelet", flag);
    let Some(node) = Systemd::start(files) else { return };
    // Where this machine is made from an image, its packages may not start services.
    node.output(&["rm", "-f", "/usr/sbin/policy-rc.d"]);
    node.output(&["systemctl", "enable", "--now", "cri-shunt.socket", "cri-shunt.service"]);
    let states = || {
        ["is-enabled", "is-active"].map(|question| {
            let units = ["cri-shunt.socket", "cri-shunt.service", "cri-shunt-drift.timer"];
            let said = node.run(&[&["systemctl", question], &units[..]].concat());
            String::from_utf8(said.stdout).unwrap()
        })
    };
    let before = states();

    // A kubelet needs it. Another version is no removal.
    for (script, removal, other) in [("prerm", "remove", "upgrade"), ("rpm-prerm", "0", "1")] {
        let script = format!("/root/{script}");
        let refused = node.run(&["sh", &script, removal]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), b"".as_slice()), "{said}");
        assert!(said.ends_with(REFUSED), "{said}");
        node.output(&["sh", &script, other]);
        assert_eq!(states(), before);
        assert!(!node.path("/var/lib/cri-shunt.removed").exists());
    }
    let anyway = node.run(&["env", "CRI_SHUNT_REMOVE=anyway", "sh", "/root/prerm", "remove"]);
    assert!(anyway.status.success(), "{anyway:?}");
    assert_eq!(states(), ["disabled\n".repeat(3), "inactive\n".repeat(3)]);
    node.output(&["sh", "/root/postinst", "abort-remove"]);
    assert_eq!(states(), before);

    std::fs::write(node.path("/etc/default/kubelet"), "ARGS=\n").unwrap();
    node.output(&["sh", "/root/prerm", "remove"]);
    assert_eq!(states(), ["disabled\n".repeat(3), "inactive\n".repeat(3)]);
    node.output(&["sh", "/root/postinst", "abort-remove"]);
    assert_eq!(states(), before);
    assert!(!node.path("/var/lib/cri-shunt.removed").exists());
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
            text.replace("/usr/bin/cri-shunt", PROGRAM).replace("man:cri-shunt", "https://example.com/");
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
