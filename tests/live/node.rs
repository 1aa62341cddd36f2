//! `explain --live` with the node's own logins.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use k8s_cri::v1::{StatusResponse, VersionResponse};
use prost::Message as _;

use crate::command::{explain, explain_at};
use crate::stored;
use crate::support::guarded::{Guard, Guarded, PASSWORD, USER};
use crate::support::upstream::{Answer, Upstream};

const SECRET_ENCODED: &str = "cm9ib3Q6c2VzYW1lLW9mLXJvYm90";

/// A registry with a login in which `live/node:1` is, what it answers, and a file with its password.
fn guarded(dir: &Path) -> Option<(Guarded, String)> {
    let (registry, found) = stored("live/node")?;
    std::fs::write(dir.join("password"), format!("{PASSWORD}\n")).unwrap();
    std::fs::write(dir.join("wrong"), "hush-wrong\n").unwrap();
    let digest = found.split(' ').next().unwrap().to_owned();
    Some((Guard::default().htpasswd(dir).start(registry), digest))
}

fn config(host: &str, rest: &str, password: &str) -> String {
    format!(
        "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n{rest}\n[[credentials]]\nregistry = \"{host}\"\n\
         username = \"{USER}\"\npassword-file = \"{password}\"\n"
    )
}

/// The last line: what the registry says, with the port left out.
fn said(dir: &Path, host: &str, config: &str) -> (String, i32) {
    let explained = explain(dir, config, &[], &["quay.io/live/node:1"]);
    for secret in [PASSWORD, SECRET_ENCODED, "hush-wrong"] {
        assert!(!explained.text.contains(secret) && !explained.errors.contains(secret), "{}", explained.text);
    }
    let line = explained.text.lines().last().unwrap().trim().to_owned();
    (line.replace(host, "HOST").replace(&dir.display().to_string(), "DIR"), explained.status)
}

#[test]
fn a_mirror_is_asked_with_the_login_that_a_pull_would_have() {
    let dir = tempfile::tempdir().unwrap();
    let Some((registry, digest)) = guarded(dir.path()) else { return };
    let host = registry.host();
    let (line, status) = said(dir.path(), host, &config(host, "", "password"));
    assert!(line.starts_with(&digest) && status == 0, "{line}");
    let (line, _) = said(dir.path(), host, &config(host, "node-credentials = \"with-client\"", "password"));
    assert!(line.starts_with(&digest), "{line}");
    let refused = "error: HOST answers 401 Unauthorized: the registry does not accept the password of robot";
    assert_eq!(said(dir.path(), host, &config(host, "", "wrong")), (refused.to_owned(), 1));
    let wants = "; it wants a user and a password";
    assert_eq!(
        said(dir.path(), host, &config(host, "node-credentials = \"never\"", "password")),
        (format!("error: HOST answers 401 Unauthorized, asked without credentials{wants}"), 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_asked_with_the_login_of_containerd_where_a_pull_would_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some((registry, digest)) = guarded(dir.path()) else { return };
    let host = registry.host();
    let containerd = Upstream::start();
    let info = serde_json::json!({
        "registry": {"configs": {host: {"auth": {"username": USER, "password": PASSWORD}}}},
    });
    let status =
        StatusResponse { info: [("config".to_owned(), info.to_string())].into(), ..Default::default() };
    let version = VersionResponse { runtime_version: "1.7.24".to_owned(), ..Default::default() };
    containerd.on("/runtime.v1.RuntimeService/Status", Answer::Message(status.encode_to_vec()));
    containerd.on("/runtime.v1.RuntimeService/Version", Answer::Message(version.encode_to_vec()));
    std::os::unix::fs::symlink(containerd.socket(), dir.path().join("containerd.sock")).unwrap();
    let said = |rest: &str, containerd: &str, name: &str| {
        let rule = format!("[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n{rest}\n");
        let explained = explain_at(dir.path(), &rule, containerd, &[], &[name]);
        assert!(!explained.text.contains(PASSWORD) && !explained.errors.contains(PASSWORD));
        explained.text.lines().last().unwrap().trim().to_owned()
    };
    let config_path = format!("config-path = \"{}\"", dir.path().display());
    let own = format!("{host}/live/node:1");
    for (containerd, name) in [("", "quay.io/live/node:1"), (&config_path, "quay.io/live/node:1"), ("", &own)]
    {
        let line = said("", containerd, name);
        assert!(line.contains(&digest), "{line}");
    }
    let line = said("node-credentials = \"never\"", "", "quay.io/live/node:1");
    assert!(line.contains("asked without credentials"), "{line}");
}

#[test]
fn a_login_that_cannot_be_had_is_an_error_and_nobody_is_asked() {
    let server = crate::support::scripted::Scripted::start(|_| crate::support::scripted::reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let (line, status) = said(dir.path(), &server.host(), &config(&server.host(), "", "missing"));
    assert!(line.starts_with("error: no login for HOST: ") && line.contains("missing"), "{line}");
    assert_eq!((status, server.requests().len()), (1, 0));
}

#[test]
fn a_login_that_takes_too_long_is_given_up_with_its_candidate() {
    let server = crate::support::scripted::Scripted::start(|_| crate::support::scripted::reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let helper = dir.path().join("docker-credential-slow");
    std::fs::write(&helper, "#!/bin/sh\nexec /bin/sleep 600\n").unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let logins = serde_json::json!({"credHelpers": {server.host(): "slow"}}).to_string();
    std::fs::write(dir.path().join("logins.json"), logins).unwrap();
    let config = format!(
        "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{}\"]\n[[credentials]]\n\
         docker-config = \"logins.json\"\nhelper-dir = \"{}\"\n",
        server.host(),
        dir.path().display()
    );
    let explained = explain(dir.path(), &config, &[], &["--timeout", "300ms", "quay.io/live/node:1"]);
    let error = format!("error: the login for {} was not found in time\n", server.host());
    assert!(explained.text.ends_with(&error), "{} {}", explained.text, explained.errors);
    assert_eq!((explained.status, server.requests().len()), (1, 0));
}

#[test]
fn a_registry_token_is_of_no_use_to_containerd() {
    let server = crate::support::scripted::Scripted::start(|_| crate::support::scripted::reply(503, &[], ""));
    let dir = tempfile::tempdir().unwrap();
    let host = server.host();
    let docker = format!(r#"{{"auths":{{"{host}":{{"registrytoken":"hush-registry-token"}}}}}}"#);
    std::fs::write(dir.path().join("docker.json"), docker).unwrap();
    let config = format!(
        "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"{host}\"]\n[[credentials]]\ndocker-config = \"docker.json\"\n"
    );
    let (line, _) = said(dir.path(), &host, &config);
    assert!(line.ends_with(": containerd cannot present a registry token"), "{line}");
    assert!(!line.contains("hush"), "{line}");
    assert_eq!(server.requests().len(), 0);
}
