//! The files that pulls need: the daemon, `status`, `check` and `explain` see them with the same eyes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use support::shunt::Shunt;
use support::skipped;

const RULES: &str = "\
[[policy.rule]]
prefix = \"docker.io\"
mirrors = [\"pw.test\", \"var.test\", \"other.test\", { location = \"own.test\", ca = \"/nonexistent/own.pem\" }]
";

/// A directory that everybody may enter, with a password of root and a Docker config of user 1000.
fn ground() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    write("password", "hush-hush\n", 0o600);
    write("config.json", r#"{"auths": {"other.test": {"auth": "Zm9vOmh1c2g="}}}"#, 0o600);
    write("ca.pem", "no certificate\n", 0o644);
    chown(dir.path().join("config.json"), Some(1000), Some(1000)).unwrap();
    dir
}

fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "{RULES}\
         [[credentials]]\nregistry = \"pw.test\"\nusername = \"robot\"\npassword-file = \"{dir}/password\"\n\
         [[credentials]]\nregistry = \"var.test\"\nusername = \"robot\"\npassword-env = \"NO_SUCH_VARIABLE\"\n\
         [[credentials]]\ndocker-config = \"{dir}/config.json\"\n\
         [[transport]]\nregistry = \"pw.test\"\nca = \"{dir}/ca.pem\"\n"
    )
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("only root can give a file to another user and start a program with fewer capabilities");
    }
    is_root
}

#[tokio::test]
async fn the_daemon_status_check_and_explain_see_the_same_faults() {
    if !is_root() {
        return;
    }
    let dir = ground();
    let shunt = Shunt::start_limited(&config(dir.path()), Path::new("/nonexistent/containerd.sock"), &[]);
    let (docker, ca) = (dir.path().join("config.json"), dir.path().join("ca.pem"));
    let denied = format!("cannot read {}: Permission denied (os error 13)", docker.display());
    let chown_it = format!("chown 0 {}", docker.display());
    let faults = [
        denied.clone(),
        format!("{}, for the registry pw.test: it holds no certificate in PEM form", ca.display()),
        "/nonexistent/own.pem, for the registry own.test: No such file or directory (os error 2)".to_owned(),
        "the environment variable NO_SUCH_VARIABLE is not set".to_owned(),
    ];
    for fault in faults.iter().chain([&chown_it]) {
        shunt.says(fault);
        assert!(shunt.status().contains(fault), "{fault}:\n{}", shunt.status());
        let checked = shunt.run("check", &[]);
        assert!(both(&checked).contains(fault), "{fault}:\n{}", both(&checked));
    }
    assert_eq!(shunt.stderr().matches(&denied).count(), 1, "each is told once:\n{}", shunt.stderr());
    assert!(shunt.run("check", &[]).status.success());
    assert_eq!(shunt.run("check", &["--strict"]).status.code(), Some(1));
    let json = shunt.command(&["status", "--format", "json", "--socket", shunt.socket().to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["needed_files"]["count"], 5, "{json}");
    assert_eq!(json["needed_files"]["problems"].as_array().unwrap().len(), 4, "{json}");

    let explained = both(&shunt.run("explain", &["nginx"]));
    assert!(explained.contains(&format!("({denied})")), "{explained}");
    assert!(explained.contains("cannot use /nonexistent/own.pem: No such file"), "{explained}");
    let of_pw = explained.lines().find(|line| line.contains("pw.test/")).unwrap();
    assert!(of_pw.contains("as robot from") && !of_pw.contains('('), "the password is good: {explained}");
    let live = both(&shunt.run("explain", &["--live", "--timeout", "30s", "nginx"]));
    assert!(live.contains(&format!("no login for other.test: the daemon finds: {denied}")), "{live}");

    // Good again: everybody sees it at once, without a reload.
    chown(&docker, Some(0), Some(0)).unwrap();
    let (shown, checked) = (shunt.status(), both(&shunt.run("check", &[])));
    assert!(!shown.contains(&denied) && !checked.contains(&denied), "{shown}{checked}");
    // A reload tells what is left.
    let own = faults[2].as_str();
    let told = || shunt.stderr().matches(own).count();
    assert_eq!(told(), 1);
    shunt.signal(rustix::process::Signal::HUP);
    shunt.until("it is told again", || told() == 2);
    assert_eq!(shunt.stderr().matches(&denied).count(), 1);
}

#[tokio::test]
async fn the_daemon_says_which_systemd_credentials_it_has() {
    if !is_root() {
        return;
    }
    let given = tempfile::tempdir().unwrap();
    std::fs::write(given.path().join("mirror"), "hush-hush\n").unwrap();
    let login = |host: &str, name: &str| {
        format!(
            "[[credentials]]\nregistry = \"{host}\"\nusername = \"robot\"\npassword-credential = \"{name}\"\n"
        )
    };
    let config = RULES.to_owned() + &login("pw.test", "mirror") + &login("var.test", "miror");
    let environment = [("CREDENTIALS_DIRECTORY", given.path().to_str().unwrap())];
    let shunt = Shunt::start_limited(&config, Path::new("/nonexistent/containerd.sock"), &environment);
    let fault = "the systemd credential miror is not there, only mirror (LoadCredential= in the unit)";
    shunt.says(fault);
    // The command has no such variable: it asks.
    let file = shunt.config_file();
    let checked = both(&shunt.command(&["check", "--config", file.to_str().unwrap()]));
    assert!(checked.contains(fault), "{checked}");
    assert!(!checked.contains("credential mirror"), "{checked}");
    let explained = both(&shunt.command(&["explain", "--config", file.to_str().unwrap(), "nginx"]));
    assert!(explained.contains(&format!("({fault})")), "{explained}");
    assert_eq!(explained.matches("as robot").count(), 2, "{explained}");
}

#[test]
fn without_a_daemon_the_unit_says_what_it_may_read() {
    if !is_root() {
        return;
    }
    let dir = ground();
    let file = dir.path().join("config.toml");
    let tables =
        "[listen]\nsocket = \"/nonexistent/shunt.sock\"\n[containerd]\nsocket = \"/nonexistent/c.sock\"\n";
    std::fs::write(&file, config(dir.path()) + tables).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
        both(&command.arg(arguments[0]).arg("--config").arg(&file).args(&arguments[1..]).output().unwrap())
    };
    let docker = dir.path().join("config.json");
    let denied = format!("cannot read {}: Permission denied (os error 13)", docker.display());
    let checked = run(&["check"]);
    assert!(checked.contains(&denied), "{checked}");
    assert!(checked.contains("belongs to user 1000 and has mode 0600"), "{checked}");
    assert!(!checked.contains("NO_SUCH_VARIABLE is not set"), "only the daemon has its variables: {checked}");
    assert!(!checked.contains("/password:"), "{checked}");
    let explained = run(&["explain", "nginx"]);
    assert!(explained.contains(&format!("({denied})")), "{explained}");
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!run(&["check"]).contains(&denied));
}
