//! What cannot be read.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::{FORMATS, check, check_in, lay_out, shown};

/// The answers for all formats, one under the other, where `make` puts something in the file's place. For
/// `certs.d` that is the place of a `hosts.toml`.
fn each_format(make: impl Fn(&Path)) -> String {
    let answers = FORMATS.map(|(flag, name)| {
        let dir = lay_out(&[]);
        let path = dir.path().join(name);
        if flag == "--certs-d" {
            std::fs::create_dir_all(path.join("quay.io")).unwrap();
            make(&path.join("quay.io/hosts.toml"));
        } else {
            make(&path);
        }
        format!("{}\n", check_in(dir.path(), &[flag, name]))
    });
    answers.concat()
}

#[test]
fn a_directory_where_a_file_is_meant() {
    assert_snapshot!(each_format(|path| std::fs::create_dir(path).unwrap()), @r"
    error: cannot read config.toml: it is a directory, not a file
     |
     = help: name the file itself: config.toml/config.toml

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: it is a directory, not a file

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d/quay.io/hosts.toml: it is a directory, not a file

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: it is a directory, not a file

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: it is a directory, not a file

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn a_file_where_a_directory_is_meant() {
    assert_snapshot!(check(&[("certs.d", "")], &["--certs-d", "certs.d"]), @r"
    error: cannot read certs.d: Not a directory (os error 20)
     |
     = help: name the directory that holds one directory for each registry, as config_path does

    certs.d: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check(&[("certs.d/quay.io", "")], &["--certs-d", "certs.d"]), @r#"
    certs.d: usable: 0 rules, default pass; 2 warnings
    warning: certs.d/quay.io is a file: because of it, containerd refuses every pull from "quay.io"
     |
     = help: make it a directory with a hosts.toml in it, or give it another name

    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    exit 0
    "#);
    assert_snapshot!(check(&[("registries.conf", ""), ("registries.conf.d", "")], &["--registries-conf", "registries.conf"]), @r"
    error: cannot read registries.conf.d: Not a directory (os error 20)

    registries.conf: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(check(&[("config.toml", ""), ("conf.d", "")], &["--config", "config.toml"]), @r"
    error: cannot read conf.d: Not a directory (os error 20)

    config.toml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn nothing_at_all() {
    assert_snapshot!(each_format(|_| {}), @r"
    error: cannot read config.toml: No such file or directory (os error 2)

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: No such file or directory (os error 2)

    registries.yaml: not usable: 1 error
    exit 1
    certs.d: usable: 0 rules, default pass; 1 warning
    warning: 0 rules: every image is pulled as without cri-shunt
     |
     = help: look whether this is the file that was meant

    exit 0
    error: cannot read registries.conf: No such file or directory (os error 2)

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: No such file or directory (os error 2)

    shim.yaml: not usable: 1 error
    exit 1
    ");
    let answers = FORMATS.map(|(flag, name)| format!("{}\n", check(&[], &[flag, name])));
    assert_snapshot!(answers.concat(), @r"
    error: cannot read config.toml: No such file or directory (os error 2)

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: No such file or directory (os error 2)

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d: No such file or directory (os error 2)

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: No such file or directory (os error 2)

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: No such file or directory (os error 2)

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn a_link_to_nothing_and_a_link_to_itself() {
    assert_snapshot!(each_format(|path| symlink("nowhere", path).unwrap()), @r"
    error: cannot read config.toml: No such file or directory (os error 2)
     |
     = help: it is a symbolic link to a file that does not exist

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: No such file or directory (os error 2)
     |
     = help: it is a symbolic link to a file that does not exist

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d/quay.io/hosts.toml: No such file or directory (os error 2)
     |
     = help: it is a symbolic link to a file that does not exist

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: No such file or directory (os error 2)
     |
     = help: it is a symbolic link to a file that does not exist

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: No such file or directory (os error 2)
     |
     = help: it is a symbolic link to a file that does not exist

    shim.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(each_format(|path| symlink(path.file_name().unwrap(), path).unwrap()), @r"
    error: cannot read config.toml: Too many levels of symbolic links (os error 40)

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: Too many levels of symbolic links (os error 40)

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d/quay.io/hosts.toml: Too many levels of symbolic links (os error 40)

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: Too many levels of symbolic links (os error 40)

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: Too many levels of symbolic links (os error 40)

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn a_path_through_a_file() {
    let answers = FORMATS.map(|(flag, name)| {
        let dir = lay_out(&[("file", "")]);
        format!("{}\n", check_in(dir.path(), &[flag, &format!("file/{name}")]))
    });
    assert_snapshot!(answers.concat(), @r"
    error: cannot read file/config.toml: Not a directory (os error 20)

    error: cannot read file/conf.d: Not a directory (os error 20)

    file/config.toml: not usable: 2 errors
    exit 1
    error: cannot read file/registries.yaml: Not a directory (os error 20)

    file/registries.yaml: not usable: 1 error
    exit 1
    error: cannot read file/certs.d: Not a directory (os error 20)
     |
     = help: name the directory that holds one directory for each registry, as config_path does

    file/certs.d: not usable: 1 error
    exit 1
    error: cannot read file/registries.conf: Not a directory (os error 20)

    error: cannot read file/registries.conf.d: Not a directory (os error 20)

    file/registries.conf: not usable: 2 errors
    exit 1
    error: cannot read file/shim.yaml: Not a directory (os error 20)

    file/shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn what_is_neither_a_file_nor_a_directory() {
    let pipe = |path: &Path| {
        let path = path.as_os_str();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    // A pipe that nobody writes to would be waited for without end.
    assert_snapshot!(each_format(pipe), @r"
    error: cannot read config.toml: it is not a regular file
     |
     = help: put a file there; what a program writes to a pipe is read from stdin, which is `-`

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: it is not a regular file
     |
     = help: put a file there; what a program writes to a pipe is read from stdin, which is `-`

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d/quay.io/hosts.toml: it is not a regular file
     |
     = help: put a file there; what a program writes to a pipe is read from stdin, which is `-`

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: it is not a regular file
     |
     = help: put a file there; what a program writes to a pipe is read from stdin, which is `-`

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: it is not a regular file
     |
     = help: put a file there; what a program writes to a pipe is read from stdin, which is `-`

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

/// Root may read everything, so `check` runs without the capability that this hangs on.
#[test]
fn what_may_not_be_read() {
    let answers = FORMATS.map(|(flag, name)| {
        let inner = if flag == "--certs-d" { "certs.d/quay.io/hosts.toml" } else { name };
        let dir = lay_out(&[(inner, "")]);
        std::fs::set_permissions(dir.path().join(inner), PermissionsExt::from_mode(0o000)).unwrap();
        let bin = env!("CARGO_BIN_EXE_cri-shunt");
        let drop = "-dac_override,-dac_read_search";
        let mut command = match rustix::process::geteuid().is_root() {
            true => Command::new("setpriv"),
            false => Command::new(bin),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["--bounding-set", drop, "--inh-caps", drop, bin]);
        }
        let command = command.current_dir(dir.path()).args(["check", flag, name]).stdin(Stdio::null());
        format!("{}\n", shown(&command.output().expect("setpriv is a part of util-linux")))
    });
    assert_snapshot!(answers.concat(), @r"
    error: cannot read config.toml: Permission denied (os error 13)
     |
     = help: run this as root, or as the user that the service runs as

    config.toml: not usable: 1 error
    exit 1
    error: cannot read registries.yaml: Permission denied (os error 13)
     |
     = help: run this as root, or as the user that the service runs as

    registries.yaml: not usable: 1 error
    exit 1
    error: cannot read certs.d/quay.io/hosts.toml: Permission denied (os error 13)
     |
     = help: run this as root, or as the user that the service runs as

    certs.d: not usable: 1 error
    exit 1
    error: cannot read registries.conf: Permission denied (os error 13)
     |
     = help: run this as root, or as the user that the service runs as

    registries.conf: not usable: 1 error
    exit 1
    error: cannot read shim.yaml: Permission denied (os error 13)
     |
     = help: run this as root, or as the user that the service runs as

    shim.yaml: not usable: 1 error
    exit 1
    ");
}

#[test]
fn what_is_no_text() {
    let binary = |path: &Path| std::fs::write(path, b"# \xff password: secret\n").unwrap();
    assert_snapshot!(each_format(binary), @r"
    error: this is not UTF-8 text
    --> config.toml:1:3
     = note: line not shown: it may hold a secret

    config.toml: not usable: 1 error
    exit 1
    error: this is not UTF-8 text
    --> registries.yaml:1:3
     = note: line not shown: it may hold a secret

    registries.yaml: not usable: 1 error
    exit 1
    error: this is not UTF-8 text
    --> certs.d/quay.io/hosts.toml:1:3
     = note: line not shown: it may hold a secret

    certs.d: not usable: 1 error
    exit 1
    error: this is not UTF-8 text
    --> registries.conf:1:3
     = note: line not shown: it may hold a secret

    registries.conf: not usable: 1 error
    exit 1
    error: this is not UTF-8 text
    --> shim.yaml:1:3
     = note: line not shown: it may hold a secret

    shim.yaml: not usable: 1 error
    exit 1
    ");
}
