//! `[[credentials]]`: what each key means, and warnings.

mod mistakes;

use insta::assert_snapshot;

use super::{accepted, accepted_text, refused, refused_text, shown, warned, write};
use crate::config::load;
use crate::credentials::{Credentials, Known};
use crate::files::reader::Reader;
use crate::policy::{Action, NodeCredentials};

const PROVIDERS: &str = "\
    apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
    - name: ecr\n  matchImages: ['*.dkr.ecr.*.amazonaws.com']\n  defaultCacheDuration: 12h\n  \
      apiVersion: credentialprovider.kubelet.k8s.io/v1\n";

fn known(credentials: &Credentials, name: &str) -> Option<Known> {
    credentials.known(&name.parse().unwrap(), &Reader::This)
}

#[test]
fn each_key_has_its_meaning() {
    let text = "\
        [[credentials]]\nregistry = 'h.de'\nusername = 'robot'\npassword-file = 'secrets/h'\n\
        [[credentials]]\nregistry = 'h.de/team'\nusername-file = 'secrets/name'\npassword-credential = 'team'\n\
        [[credentials]]\nregistry = 'i.de:5000'\nidentity-token-env = 'TOKEN'\n\
        [[credentials]]\ndocker-config = 'config.json'\nhelper-dir = '/usr/bin'\ntimeout = '3s'\n\
        [[credentials]]\nimage-credential-provider-config = 'providers.yaml'\n\
        image-credential-provider-bin-dir = '/plugins'\n";
    let config = accepted(&[
        ("config.toml", text),
        ("secrets/h", "pw"),
        ("secrets/name", "team-robot\n"),
        ("config.json", r#"{"credHelpers": {"g.de": "x"}}"#),
        ("providers.yaml", PROVIDERS),
    ]);
    // Files are read when they are needed, so only the keys count here.
    let found = known(&config.credentials, "h.de/x").unwrap();
    assert_eq!(found.username.as_deref(), Some("robot"));
    assert!(found.source.ends_with("/config.toml:2"), "{found:?}");
    assert!(known(&config.credentials, "h.de/team/x").unwrap().source.ends_with("/config.toml:6"));
    let found = known(&config.credentials, "i.de:5000/x").unwrap();
    assert_eq!(found.username, None);
    assert_eq!(found.problem.as_deref(), Some("the environment variable TOKEN is not set"));
    assert_eq!(known(&config.credentials, "i.de/x"), None);
    let found = known(&config.credentials, "1.dkr.ecr.eu.amazonaws.com/x").unwrap();
    assert_eq!(found.asks.as_deref(), Some("/plugins/ecr"));
}

#[test]
fn a_drop_in_may_hold_logins() {
    let login = "[[credentials]]\nregistry = 'h.de'\nusername = 'a'\npassword-env = 'X'";
    let config = accepted(&[("config.toml", ""), ("conf.d/a.toml", login)]);
    assert!(known(&config.credentials, "h.de/x").is_some());
    assert_snapshot!(refused(&[("config.toml", login), ("conf.d/a.toml", &login.replace("h.de", "H.de:443"))]), @r"
    warning: no rule has a mirror on `h.de`: this login is never used
     --> config.toml:2:12
      |
    2 | registry = 'h.de'
      |            ^^^^^^
      |
      = help: a registry that is asked under its own name gets the client's login

    error: there is already a login for `h.de` in config.toml:2
     --> conf.d/a.toml:2:12
      |
    2 | registry = 'H.de:443'
      |            ^^^^^^^^^^
      |
     ::: config.toml:2:12
      |
    2 | registry = 'h.de'
      |            ------ the other one
      |
      = help: keep one of the two; a longer path may have a login of its own

    warning: no rule has a mirror on `h.de`: this login is never used
     --> conf.d/a.toml:2:12
      |
    2 | registry = 'H.de:443'
      |            ^^^^^^^^^^
      |
      = help: a registry that is asked under its own name gets the client's login
    ");
}

#[test]
fn what_is_not_there_now_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let text = "\
        policy.default-registry = 'H.de:443/hub'\n\
        [[credentials]]\nregistry = 'h.de'\nusername = 'a'\npassword-file = 'missing'\n\
        [[credentials]]\nregistry = 'i.de'\nusername = 'a'\npassword-file = 'open'\n\
        [[credentials]]\ndocker-config = 'config.json'\n\
        [[credentials]]\nimage-credential-provider-config = 'p.yaml'\nimage-credential-provider-bin-dir = '.'\n";
    let account = "  tokenAttributes: {serviceAccountTokenAudience: a, cacheType: Token, requireServiceAccount: true}\n";
    let gcr = PROVIDERS.split_once("- name").unwrap().1.replace(": ecr", ": gcr");
    let providers = format!("{PROVIDERS}- name{gcr}{account}");
    let dir = write(&[
        ("config.toml", text),
        ("open", "pw"),
        ("config.json", "{\"auths\": {\"h.de\": {\"auth\": \"hunter2\"}}}"),
        ("p.yaml", &providers),
        ("ecr", "#!/bin/sh\n"),
    ]);
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(dir.path(), mode(0o755)).unwrap();
    std::fs::set_permissions(dir.path().join("open"), mode(0o644)).unwrap();
    std::fs::set_permissions(dir.path().join("ecr"), mode(0o644)).unwrap();
    let mut loaded = load(&dir.path().join("config.toml")).unwrap();
    loaded.warn_of_files(&Reader::This);
    assert_snapshot!(shown(&loaded.warnings, dir.path()), @r#"
    warning: cannot read missing: No such file or directory (os error 2)
     --> config.toml:3:12
      |
    3 | registry = 'h.de'
      |            ^^^^^^
      |
      = help: pulls that need this login for h.de fail until it can be read

    warning: no rule has a mirror on `i.de`: this login is never used
     --> config.toml:7:12
      |
    7 | registry = 'i.de'
      |            ^^^^^^
      |
      = help: a registry that is asked under its own name gets the client's login

    warning: every user of the node can read open, which holds a secret
     --> config.toml:7:12
      |
    7 | registry = 'i.de'
      |            ^^^^^^
      |
      = help: chmod o-r open

    warning: config.json: `auths` "h.de": `auth` is not base64
      --> config.toml:11:17
       |
    11 | docker-config = 'config.json'
       |                 ^^^^^^^^^^^^^
       |
       = help: a missing file counts as empty; with any other fault, pulls that need the file fail

    warning: every user of the node can read config.json, which holds a secret
      --> config.toml:11:17
       |
    11 | docker-config = 'config.json'
       |                 ^^^^^^^^^^^^^
       |
       = help: chmod o-r config.json

    warning: the credential provider "gcr" is not used: it needs a pod's service account
      --> config.toml:13:36
       |
    13 | image-credential-provider-config = 'p.yaml'
       |                                    ^^^^^^^^
       |
       = help: only kubelet has that; give the mirror another login

    warning: cannot run ecr: it is not executable
      --> config.toml:13:36
       |
    13 | image-credential-provider-config = 'p.yaml'
       |                                    ^^^^^^^^
       |
       = help: pulls that need it fail until it can be run
    "#);
}

#[test]
fn a_rule_and_the_policy_say_for_whom_the_nodes_logins_are() {
    let text = "\
        [policy]\nnode-credentials = 'never'\n\
        [[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.de/{host}']\nnode-credentials = 'with-client'\n\
        [[policy.rule]]\nprefix = 'ghcr.io'\nmirrors = ['m.de/{host}']\n";
    let policy = accepted_text(text).policy;
    let own = |at: usize| match &policy.rules()[at].action {
        Action::Route(route) => route.node_credentials,
        other => panic!("{other:?}"),
    };
    assert_eq!((own(0), own(1)), (Some(NodeCredentials::WithClient), None));
    assert_eq!(policy.settings().node_credentials, NodeCredentials::Never);
    assert_eq!(accepted_text("").policy.settings().node_credentials, NodeCredentials::Always);
    let text = "[[policy.rule]]\nprefix = 'quay.io'\npass = true\nnode-credentials = 'sometimes'\n";
    assert_snapshot!(refused_text(text), @r#"
    error: `policy.rule.node-credentials`: "sometimes" is not one of "always", "with-client", "never"
     --> config.toml:4:20
      |
    4 | node-credentials = 'sometimes'
      |                    ^^^^^^^^^^^
    "#);
}

#[test]
fn nothing_secret_is_in_the_debug_output_of_a_configuration() {
    let text = "\
        [[policy.source]]\nregistries-yaml = 'r.yaml'\n\
        [[credentials]]\nregistry = 'h.de'\nusername = 'robot'\npassword-file = 'pw'\n\
        [[credentials]]\ndocker-config = 'config.json'\n\
        [[credentials]]\nimage-credential-provider-config = 'p.yaml'\nimage-credential-provider-bin-dir = '.'\n";
    let config = accepted(&[
        ("config.toml", text),
        ("pw", "hunter2"),
        (
            "r.yaml",
            "configs:\n  y.de:\n    auth: {username: yam, password: hunter2, identity_token: hunter2}\n",
        ),
        ("config.json", r#"{"auths": {"d.de": {"username": "foo", "password": "hunter2"}}}"#),
        ("p.yaml", &format!("{PROVIDERS}  env: [{{name: KEY, value: hunter2}}]\n")),
    ]);
    for name in ["h.de/x", "y.de/x", "1.dkr.ecr.eu.amazonaws.com/x"] {
        known(&config.credentials, name).unwrap();
    }
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("yam") && shown.contains("KEY"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_login_for_a_mirror_that_is_no_image_host_is_used() {
    let text = "[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['https://nexus']\n\
                [[credentials]]\nregistry = 'nexus:443'\nusername = 'a'\npassword-env = 'X'\n";
    let shown = warned(text);
    assert!(!shown.contains("never used"), "{shown}");
}

#[test]
fn a_key_that_is_always_refused_is_not_proposed() {
    let text = "[[credentials]]\nregistry = 'h.de'\nusername = 'a'\npasswort = 'hunter2'\n";
    let shown = refused_text(text);
    assert!(shown.contains("unknown key `passwort`"), "{shown}");
    assert!(!shown.contains("`password`") && !shown.contains("registry-token"), "{shown}");
}
