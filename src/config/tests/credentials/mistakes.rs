//! What is wrong with logins, as people read it.

use insta::assert_snapshot;

use super::super::{refused, refused_text};
use super::PROVIDERS;

#[test]
fn a_secret_in_the_file_is_refused_and_not_shown() {
    let text = "\
        [[credentials]]\nregistry = 'h.de'\nusername = 'robot'\npassword = 'hunter2'\n\
        [[credentials]]\nregistry = 'i.de'\nidentity-token = \"hunter2\"\n";
    let shown = refused_text(text);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_snapshot!(shown, @r#"
    error: a secret does not belong into this file: `password`
     --> config.toml:4:12
      |
    4 | password = *********
      |            ^^^^^^^^^
      |
      = help: write it into a file that only root can read and name that: password-file = "/etc/cri-shunt/..."

    error: a secret does not belong into this file: `identity-token`
     --> config.toml:7:18
      |
    7 | identity-token = *********
      |                  ^^^^^^^^^
      |
      = help: write it into a file that only root can read and name that: identity-token-file = "/etc/cri-shunt/..."
    "#);
    for broken in ["password = 'hunter2", "password = hunter2", "auth = ['hunter2']", "token = \"hunter2\" x"]
    {
        let shown = refused_text(&format!("[[credentials]]\nregistry = 'h.de'\n{broken}\n"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_login_is_whole_and_one() {
    let text = "\
        [[credentials]]\n\
        [[credentials]]\nregistry = 'h.de'\n\
        [[credentials]]\nregistry = 'i.de'\nusername = 'a'\n\
        [[credentials]]\nregistry = 'j.de'\npassword-file = '/x'\n\
        [[credentials]]\nusername = 'a'\npassword-file = '/x'\n\
        [[credentials]]\nregistry = 'k.de'\nusername = 'a'\npassword-file = '/x'\npassword-env = 'X'\n\
        [[credentials]]\nregistry = 'l.de'\nusername = 'a'\npassword-file = '/x'\nidentity-token-file = '/x'\n\
        [[credentials]]\nregistry = 'm.de'\nusername = 'a'\nidentity-token-file = '/x'\n";
    assert_snapshot!(refused_text(text), @r#"
    error: a login needs one of `registry`, `docker-config` and `image-credential-provider-config`
     --> config.toml:1:1
      |
    1 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: say what it is for: registry = "harbor.dev.de/team", or where logins are already kept

    error: `credentials` needs a `username`
     --> config.toml:2:1
      |
    2 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: and a `password-file`; or an `identity-token-file` alone

    error: `credentials` needs a `password-file`
     --> config.toml:4:1
      |
    4 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: or `password-credential` (systemd), or `password-env`

    error: `credentials` needs a `username`
     --> config.toml:7:1
      |
    7 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: or `username-file`, where the name is in a file

    error: a login needs a `registry`
      --> config.toml:11:12
       |
    11 | username = 'a'
       |            ^^^
       |
       = help: write host[:port][/path]

    error: the password is in two places
      --> config.toml:17:16
       |
    16 | password-file = '/x'
       |                 ---- the other one
    17 | password-env = 'X'
       |                ^^^
       |
       = help: keep one of the two

    error: a login has a password or an identity token, not both
      --> config.toml:22:23
       |
    21 | password-file = '/x'
       |                 ---- the password
    22 | identity-token-file = '/x'
       |                       ^^^^

    error: an identity token has no user's name
      --> config.toml:25:12
       |
    25 | username = 'a'
       |            ^^^
       |
       = help: leave it out
    "#);
}

#[test]
fn what_stands_beside_what_does_not_belong_to_it() {
    let text = "\
        [[credentials]]\nregistry = 'https://h.de'\nusername = 'a'\npassword-file = '/x'\n\
        [[credentials]]\nregistry = '*.h.de'\nusername = 'a'\npassword-credential = 'a/b'\n\
        [[credentials]]\nregistry = 'h.de'\ndocker-config = '/x'\n\
        [[credentials]]\nregistry = 'i.de'\nusername = 'a'\npassword-file = '/x'\nhelper-dir = '/x'\ntimeout = '1s'\n\
        [[credentials]]\nimage-credential-provider-config = '/x'\n\
        [[credentials]]\nregistry = 'j.de'\nusername = 'a'\npasword-file = '/x'\n";
    assert_snapshot!(refused_text(text), @r#"
    error: `credentials.registry`: prefix "https://h.de" begins with a scheme
     --> config.toml:2:12
      |
    2 | registry = 'https://h.de'
      |            ^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: h.de

    error: `credentials.registry`: "*.h.de" is not one registry, with a path if need be
     --> config.toml:6:12
      |
    6 | registry = '*.h.de'
      |            ^^^^^^^^
      |
      = help: write host[:port][/path], without tag, digest and "*": harbor.dev.de/team

    error: `credentials.password-credential`: "a/b" is no name of a systemd credential
     --> config.toml:8:23
      |
    8 | password-credential = 'a/b'
      |                       ^^^^^
      |
      = help: the part before the colon of LoadCredential= in the unit

    error: `registry`, `docker-config` and `image-credential-provider-config` exclude each other
      --> config.toml:11:17
       |
    10 | registry = 'h.de'
       |            ------ the other one
    11 | docker-config = '/x'
       |                 ^^^^
       |
       = help: write a [[credentials]] for each

    warning: cannot read /x: No such file or directory (os error 2)
      --> config.toml:11:17
       |
    11 | docker-config = '/x'
       |                 ^^^^
       |
       = help: a file that is not there holds nothing; any other fault fails the pulls that it is for

    error: `helper-dir` has no meaning without `docker-config`
      --> config.toml:16:14
       |
    16 | helper-dir = '/x'
       |              ^^^^

    error: `timeout` has no meaning without `docker-config`
      --> config.toml:17:11
       |
    17 | timeout = '1s'
       |           ^^^^

    error: `credentials` needs a `image-credential-provider-bin-dir`
      --> config.toml:18:1
       |
    18 | [[credentials]]
       | ^^^^^^^^^^^^^^^
       |
       = help: name the directory of the plugins, as kubelet has it

    error: unknown key `pasword-file` in `credentials`
      --> config.toml:23:1
       |
    23 | pasword-file = '/x'
       | ^^^^^^^^^^^^
       |
       = help: did you mean `password-file`?
    "#);
}

#[test]
fn plugins_are_read_as_strictly_as_kubelet_does() {
    let text = "[[credentials]]\nimage-credential-provider-config = 'p.yaml'\nimage-credential-provider-bin-dir = '/plugins'\n";
    let typo = PROVIDERS.replace("defaultCacheDuration", "cacheDuration");
    assert_snapshot!(refused(&[("config.toml", text), ("p.yaml", &typo)]), @r#"
    error: p.yaml: provider "ecr": `providers[0].defaultCacheDuration` is missing
     --> config.toml:2:36
      |
    2 | image-credential-provider-config = 'p.yaml'
      |                                    ^^^^^^^^
    "#);
}
