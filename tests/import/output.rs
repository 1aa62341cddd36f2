//! `cri-shunt import --output`.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use super::program::{lay_out, run};
use super::{REGISTRIES_CONF, REGISTRIES_YAML};

/// The exit status, and what is on stderr.
fn import(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(directory, &[&["import", "--output", "conf.d/k3s.toml"], arguments].concat());
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_is_written_as_a_whole_and_nobody_elses_is_replaced() {
    let files = [
        ("registries.yaml", REGISTRIES_YAML),
        ("registries.conf", REGISTRIES_CONF),
        ("broken.yaml", "mirrors: ["),
        ("conf.d/other.toml", "[policy]\n"),
    ];
    let dir = lay_out(&files);
    let (output, read) =
        (dir.path().join("conf.d/k3s.toml"), |path: &Path| fs::read_to_string(path).unwrap());
    assert_eq!(import(dir.path(), &["broken.yaml"]).0, Some(2));
    assert!(!output.exists());

    let (status, said) = import(dir.path(), &["registries.yaml"]);
    assert_eq!(status, Some(1), "{said}");
    let first = read(&output);
    assert!(first.contains("prefix = \"docker.io\"") && !first.contains("evil"), "{first}");

    // An import may replace what an import has written, and a failed one changes nothing. Who may read it stays the same.
    fs::set_permissions(&output, Permissions::from_mode(0o604)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        chown(&output, Some(11), Some(12)).unwrap();
    }
    let noted = rustix::fs::setxattr(&output, "user.note", b"mine", rustix::fs::XattrFlags::empty()).is_ok();
    assert_eq!(import(dir.path(), &["broken.yaml"]).0, Some(2));
    assert_eq!(read(&output), first);
    import(dir.path(), &["registries.conf"]);
    let second = read(&output);
    assert!(second.contains("evil"), "{second}");
    let found = fs::metadata(&output).unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o604);
    assert!(!is_root || (found.uid(), found.gid()) == (11, 12));
    let mut note = [0; 4];
    assert!(
        !noted
            || rustix::fs::getxattr(&output, "user.note", &mut note)
                .is_ok_and(|length| note[..length] == *b"mine")
    );

    fs::write(&output, "# mine\n").unwrap();
    let (status, said) = import(dir.path(), &["registries.yaml"]);
    assert_eq!((status, read(&output).as_str()), (Some(2), "# mine\n"));
    assert!(said.contains("conf.d/k3s.toml was not written by cri-shunt import"), "{said}");
    assert_eq!(import(dir.path(), &["--force", "registries.yaml"]).0, Some(1));
    assert_eq!(read(&output), first);
    assert_eq!(fs::read_dir(dir.path().join("conf.d")).unwrap().count(), 2, "nothing is left beside it");
}

/// Only root can do it to a device, and root is who imports.
#[test]
fn what_is_no_file_is_not_made_one_and_a_link_stays_a_link() {
    let dir = lay_out(&[("registries.yaml", REGISTRIES_YAML), ("kept/rules.toml", "")]);
    let at = |name: &str| dir.path().join(name);
    let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("pipe", at("to-pipe")).unwrap();
    std::os::unix::fs::symlink("nothing", at("to-nothing")).unwrap();
    std::os::unix::fs::symlink("kept/rules.toml", at("to-file")).unwrap();
    let write = |name: &str| run(dir.path(), &["import", "--force", "--output", name, "registries.yaml"]);
    for (name, why) in [
        ("pipe", "it is not a regular file"),
        ("to-pipe", "it is not a regular file"),
        ("to-nothing", "it is a symbolic link to a file that does not exist"),
        ("kept", "it is a directory, not a file"),
    ] {
        let before = fs::symlink_metadata(at(name)).unwrap().file_type();
        let output = write(name);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(&format!("error: cannot write {name}: {why}\n")), "{said}");
        assert_eq!(
            (output.status.code(), fs::symlink_metadata(at(name)).unwrap().file_type()),
            (Some(2), before)
        );
    }
    assert_eq!(write("to-file").status.code(), Some(1));
    assert!(at("to-file").is_symlink());
    assert!(fs::read_to_string(at("kept/rules.toml")).unwrap().contains("docker.io"));
    let output = write("-");
    assert!(String::from_utf8(output.stdout).unwrap().contains("docker.io") && !at("-").exists());
}

/// A file in `conf.d` is a part of the configuration beside it, so that is what has to be right.
#[test]
fn a_file_that_would_break_the_configuration_is_not_written() {
    let dir = lay_out(&[
        ("registries.yaml", REGISTRIES_YAML),
        ("config.toml", "[policy]\n"),
        ("conf.d/a.toml", "[[policy.rule]]\nprefix = \"docker.io\"\ndeny = \"no\"\n"),
    ]);
    let (output, config) = (dir.path().join("conf.d/k3s.toml"), dir.path().join("conf.d/a.toml"));
    let (status, said) = import(dir.path(), &["registries.yaml"]);
    assert_eq!((status, output.exists()), (Some(2), false), "{said}");
    let whole = "error: the configuration cannot be used with conf.d/k3s.toml; nothing has been written";
    assert!(said.contains(whole) && said.contains("conf.d/a.toml:2"), "{said}");

    fs::write(&config, "").unwrap();
    assert_eq!(import(dir.path(), &["registries.yaml"]).0, Some(1));
    let first = fs::read_to_string(&output).unwrap();
    // The text that is there already does not count beside the one that replaces it.
    assert_eq!(import(dir.path(), &["registries.yaml"]).0, Some(1));
    fs::write(&config, "[[policy.rule]]\nprefix = 7\n").unwrap();
    assert_eq!(import(dir.path(), &["registries.yaml"]).0, Some(2));
    assert_eq!(fs::read_to_string(&output).unwrap(), first);
}

#[test]
fn a_file_can_come_from_stdin() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(REGISTRIES_CONF.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let toml = String::from_utf8(output.stdout).unwrap();
    assert!(toml.contains("# stdin:"), "{toml}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_finds_a_file_that_is_imported_and_a_source() {
    for (name, text) in [("registries.yaml", REGISTRIES_YAML), ("registries.conf", REGISTRIES_CONF)] {
        let dir = lay_out(&[(name, text), ("other.yaml", "mirrors: {}\n"), ("conf.d/", "")]);
        let path = dir.path().join(name);
        import(dir.path(), &[path.to_str().unwrap()]);
        let check = |source: &str| {
            let key = name.replace('.', "-");
            let config = format!("[[policy.source]]\n{key} = '{}'\n", dir.path().join(source).display());
            fs::write(dir.path().join("config.toml"), config).unwrap();
            let output = run(dir.path(), &["check", "--config", "config.toml"]);
            String::from_utf8(output.stderr).unwrap()
        };
        let expected =
            format!("warning: the rules of {} are here twice: conf.d/k3s.toml was made", path.display());
        assert!(check(name).contains(&expected), "{}", check(name));
        assert!(!check("other.yaml").contains("here twice"));
    }
}
