//! Messages about mistakes in logins.

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
    error: a secret must not be in this file: `password`
    --> config.toml:4:12
     = note: line not shown: it may hold a secret
     = help: write it to a file that only root can read, and name that file here: password-file = "/etc/cri-shunt/..."

    error: a secret must not be in this file: `identity-token`
    --> config.toml:7:18
     = note: line not shown: it may hold a secret
     = help: write it to a file that only root can read, and name that file here: identity-token-file = "/etc/cri-shunt/..."
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
      = help: write which registry it is for: registry = "harbor.dev.de/team", or where logins are already stored

    error: `credentials` needs the key `username`
     --> config.toml:2:1
      |
    2 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: and a `password-file`; or an `identity-token-file` alone

    error: `credentials` needs the key `password-file`
     --> config.toml:4:1
      |
    4 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: or `password-credential` (systemd), or `password-env`

    error: `credentials` needs the key `username`
     --> config.toml:7:1
      |
    7 | [[credentials]]
      | ^^^^^^^^^^^^^^^
      |
      = help: or a `username-file` that holds the name

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

    error: an identity token needs no user name
      --> config.toml:25:12
       |
    25 | username = 'a'
       |            ^^^
       |
       = help: remove it
    "#);
}

#[test]
fn keys_that_do_not_go_together() {
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

    error: `credentials.registry`: "*.h.de" is not one registry, alone or with a path
     --> config.toml:6:12
      |
    6 | registry = '*.h.de'
      |            ^^^^^^^^
      |
      = help: write host[:port][/path], without tag, digest and "*": harbor.dev.de/team

    error: `credentials.password-credential`: "a/b" is not a valid name of a systemd credential
     --> config.toml:8:23
      |
    8 | password-credential = 'a/b'
      |                       ^^^^^
      |
      = help: use the part before the colon of LoadCredential= in the unit

    error: `registry`, `docker-config` and `image-credential-provider-config` cannot be used together
      --> config.toml:11:17
       |
    10 | registry = 'h.de'
       |            ------ the other one
    11 | docker-config = '/x'
       |                 ^^^^
       |
       = help: write a [[credentials]] for each

    error: `helper-dir` has no meaning without `docker-config`
      --> config.toml:16:14
       |
    16 | helper-dir = '/x'
       |              ^^^^

    error: `timeout` has no meaning without `docker-config` or `image-credential-provider-config`
      --> config.toml:17:11
       |
    17 | timeout = '1s'
       |           ^^^^

    error: `credentials` needs the key `image-credential-provider-bin-dir`
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
