//! Files that every user of the node can read or change.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use insta::assert_snapshot;

use super::super::fixture::write;
use super::super::load;
use super::shown;
use crate::files::reader::Reader;

const CONFIG: &str = "\
[policy]
default-registry = 'm.de'
[[transport]]
registry = 'm.de'
headers = { 'X-Key' = { file = '@/key' } }
[[credentials]]
registry = 'm.de'
username = 'a'
password-file = 'secret/pw'
[[credentials]]
docker-config = 'config.json'
helper-dir = 'bin'
";

/// Writes the files, with a configuration that knows where they are.
fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = write(files);
    let config = CONFIG.replace('@', dir.path().to_str().unwrap());
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    dir
}

fn set(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The configuration with these modes, as `check` sees it, and as the daemon does.
fn warned(modes: &[(&str, u32)]) -> (String, String) {
    let dir = written(&[
        ("conf.d/", ""),
        ("key", "k"),
        ("secret/pw", "pw"),
        ("config.json", r#"{"auths": {"h.de": {"auth": "YTpi"}}, "credHelpers": {"g.de": "g"}}"#),
        ("bin/docker-credential-g", "#!/bin/sh\n"),
    ]);
    let right = [
        (".", 0o755),
        ("config.toml", 0o644),
        ("conf.d", 0o755),
        ("key", 0o600),
        ("secret", 0o755),
        ("secret/pw", 0o640),
        ("config.json", 0o600),
        ("bin", 0o755),
        ("bin/docker-credential-g", 0o755),
    ];
    right.iter().chain(modes).for_each(|(name, mode)| set(&dir.path().join(name), *mode));
    let mut loaded = load(&dir.path().join("config.toml")).unwrap();
    let by_daemon = shown(&loaded.warnings, dir.path());
    loaded.warn_of_files(&Reader::This);
    let by_check = shown(&loaded.warnings, dir.path());
    let only = |text: String| {
        let heads = text.lines().filter(|line| line.starts_with("warning") || line.contains("chmod"));
        heads.map(|line| line.replace(&dir.path().display().to_string(), ".") + "\n").collect()
    };
    (only(by_check), only(by_daemon))
}

#[test]
fn what_others_can_read_or_change_is_told_with_the_command_that_closes_it() {
    assert_eq!(warned(&[]), (String::new(), String::new()));
    let open = [("key", 0o644), ("secret/pw", 0o666), ("config.json", 0o604)];
    let (by_check, by_daemon) = warned(&open);
    assert_snapshot!(by_check, @"
    warning: every user of the node can read key, which holds a secret
     = help: chmod o-r key
    warning: every user of the node can read and change secret/pw, which holds a secret
      = help: chmod o-rw secret/pw
    warning: every user of the node can read config.json, which holds a secret
       = help: chmod o-r config.json
    ");
    assert_snapshot!(by_daemon, @"
    warning: every user of the node can read key, which holds a secret
     = help: chmod o-r key
    warning: every user of the node can read and change secret/pw, which holds a secret
      = help: chmod o-rw secret/pw
    ");
}

#[test]
fn what_others_can_put_in_the_place_of_a_file_is_told_too() {
    let open = [("conf.d", 0o1777), ("secret", 0o777), ("bin", 0o777), ("config.toml", 0o666)];
    let (by_check, _) = warned(&open);
    assert_snapshot!(by_check, @"
    warning: every user of the node can change config.toml
     = help: chmod o-w config.toml
    warning: every user of the node can change conf.d
     = help: chmod o-w conf.d
    warning: every user of the node can put another file in the place of secret/pw
      = help: chmod o-w secret
    warning: every user of the node can change bin
       = help: chmod o-w bin
    ");
    assert_snapshot!(warned(&[("bin/docker-credential-g", 0o757)]).0, @"
    warning: every user of the node can change bin/docker-credential-g
       = help: chmod o-w bin/docker-credential-g
    ");
    assert_snapshot!(warned(&[(".", 0o777)]).0, @"
    warning: every user of the node can put another file in the place of config.toml
     = help: chmod o-w .
    ");
    assert_eq!(warned(&[(".", 0o700), ("key", 0o666), ("bin", 0o777)]).0, "");
}

#[test]
fn a_source_with_a_login_or_a_credential_as_a_header_is_one_that_others_must_not_read() {
    let with_login =
        "configs: { m.de: { auth: { username: a, password: b } } }\nmirrors: { a.de: { endpoint: [m.de] } }";
    let without = "mirrors: { a.de: { endpoint: [m.de] } }";
    let credential = "[host.'https://m.de']\nheader = { authorization = 'Bearer x' }";
    let other = "[host.'https://m.de']\nheader = { X-Team = 'x' }";
    let warned = |login: &str, header: &str| {
        let config =
            "[[policy.source]]\nregistries-yaml = '@/r.yaml'\n[[policy.source]]\ncerts-d = '@/certs.d'\n";
        let dir = write(&[("r.yaml", login), ("certs.d/b.de/hosts.toml", header)]);
        let at = dir.path().to_str().unwrap();
        std::fs::write(dir.path().join("config.toml"), config.replace('@', at)).unwrap();
        let open = [".", "certs.d", "certs.d/b.de"].map(|name| (name, 0o755));
        let files = ["config.toml", "r.yaml", "certs.d/b.de/hosts.toml"].map(|name| (name, 0o644));
        open.iter().chain(&files).for_each(|(name, mode)| set(&dir.path().join(name), *mode));
        let loaded = load(&dir.path().join("config.toml")).unwrap();
        let text = shown(&loaded.warnings, dir.path()).replace(at, ".");
        let secrets = text.lines().filter(|line| line.contains("every user") || line.contains("chmod"));
        secrets.map(|line| line.trim().to_owned() + "\n").collect::<String>()
    };
    assert_snapshot!(warned(with_login, credential), @"
    warning: every user of the node can read certs.d/b.de/hosts.toml, which holds a secret
    = help: chmod o-r certs.d/b.de/hosts.toml
    warning: every user of the node can read r.yaml, which holds a secret
    = help: chmod o-r r.yaml
    ");
    assert_eq!(warned(without, other), "");
}

#[test]
fn a_secret_of_two_lines_is_doubtful() {
    let dir = written(&[("secret/pw", "pw\n\n"), ("key", "k"), ("bin/", "")]);
    let mut loaded = load(&dir.path().join("config.toml")).unwrap();
    loaded.warn_of_files(&Reader::This);
    let text = shown(&loaded.warnings, dir.path());
    let expected = "warning: secret/pw has more than one line, and all of them are sent\n --> config.toml:";
    assert!(text.replace("  -->", " -->").contains(expected), "{text}");
    std::fs::write(dir.path().join("secret/pw"), "pw\r\n").unwrap();
    let mut loaded = load(&dir.path().join("config.toml")).unwrap();
    loaded.warn_of_files(&Reader::This);
    assert!(!shown(&loaded.warnings, dir.path()).contains("one line"));
}
