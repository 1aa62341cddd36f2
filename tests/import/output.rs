//! `cri-shunt import --output`.

use std::fs;
use std::io::Write;
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

    // An import may replace what an import has written, and a failed one changes nothing.
    assert_eq!(import(dir.path(), &["broken.yaml"]).0, Some(2));
    assert_eq!(read(&output), first);
    import(dir.path(), &["registries.conf"]);
    let second = read(&output);
    assert!(second.contains("evil"), "{second}");

    fs::write(&output, "# mine\n").unwrap();
    let (status, said) = import(dir.path(), &["registries.yaml"]);
    assert_eq!((status, read(&output).as_str()), (Some(2), "# mine\n"));
    assert!(said.contains("conf.d/k3s.toml was not written by cri-shunt import"), "{said}");
    assert_eq!(import(dir.path(), &["--force", "registries.yaml"]).0, Some(1));
    assert_eq!(read(&output), first);
    assert_eq!(fs::read_dir(dir.path().join("conf.d")).unwrap().count(), 2, "nothing is left beside it");
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
