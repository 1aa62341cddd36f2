//! What `cri-shunt explain` says of the logins that a pull would use: the built program, whole outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

const CONFIG: &str = r#"[[policy.rule]]
prefix = "docker.io"
mirrors = ["m.dev/hub", "d.dev", "p.dev", "none.dev", "broken.dev", "token.dev"]
origin = "last"

[[policy.rule]]
prefix = "quay.io"
mirrors = ["m.dev/{host}", "y.dev"]
node-credentials = "with-client"

[[policy.rule]]
prefix = "ghcr.io"
mirrors = ["m.dev/{host}"]
node-credentials = "never"

[[policy.source]]
registries-yaml = "registries.yaml"

[[credentials]]
registry = "m.dev/hub"
username = "robot"
password-file = "password"

[[credentials]]
registry = "m.dev"
identity-token-env = "MIRROR_TOKEN"

[[credentials]]
registry = "broken.dev"
username = "robot"
password-file = "missing"

[[credentials]]
docker-config = "config.json"
helper-dir = "/opt/helpers"

[[credentials]]
image-credential-provider-config = "providers.yaml"
image-credential-provider-bin-dir = "/opt/plugins"
"#;

const PROVIDERS: &str = "\
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: ecr
  matchImages: ['p.dev']
  defaultCacheDuration: 12h
  apiVersion: credentialprovider.kubelet.k8s.io/v1
  env: [{name: KEY, value: hush-provider}]
";

fn explain(arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("config.toml", CONFIG);
    write("password", "hush-native\n");
    write(
        "config.json",
        r#"{"auths": {"other.dev": {"auth": "Zm9vOmJhcg=="}, "token.dev": {"registrytoken": "hush-token"}}, "credHelpers": {"d.dev": "pass"}}"#,
    );
    write("registries.yaml", "configs:\n  y.dev:\n    auth: {username: yam, password: hush-yaml}\n");
    write("providers.yaml", PROVIDERS);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    command.current_dir(dir.path()).args(["explain", "--config", "config.toml"]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    plain(&text, dir.path())
}

fn plain(text: &str, dir: &Path) -> String {
    text.replace(&format!("{}/", dir.canonicalize().unwrap().display()), "")
}

#[test]
fn each_candidate_has_its_login_and_no_program_is_run() {
    assert_snapshot!(explain(&["nginx", "quay.io/a/b", "ghcr.io/a/b"]), @r#"
    nginx
      name        docker.io/library/nginx:latest
      decision    route, by rule "docker.io" (config.toml:2)
      candidates  1. m.dev/hub/library/nginx:latest   mirror  as robot from config.toml:20
                  2. d.dev/library/nginx:latest       mirror  from docker config config.json, asks /opt/helpers/docker-credential-pass at the pull (cannot run /opt/helpers/docker-credential-pass: No such file or directory (os error 2))
                  3. p.dev/library/nginx:latest       mirror  from credential provider ecr (providers.yaml), asks /opt/plugins/ecr at the pull (cannot run /opt/plugins/ecr: No such file or directory (os error 2))
                  4. none.dev/library/nginx:latest    mirror  no credentials
                  5. broken.dev/library/nginx:latest  mirror  as robot from config.toml:29 (cannot read missing: No such file or directory (os error 2))
                  6. token.dev/library/nginx:latest   mirror  from docker config config.json (config.json: `auths` "token.dev": containerd cannot present a registry token)
                  7. docker.io/library/nginx:latest   origin  the client's credentials

    quay.io/a/b
      name        quay.io/a/b:latest
      decision    route, by rule "quay.io" (config.toml:7)
      candidates  1. m.dev/quay.io/a/b:latest  mirror  from config.toml:25, if the client sends credentials
                  2. y.dev/a/b:latest          mirror  as yam from registries.yaml:2, if the client sends credentials

    ghcr.io/a/b
      name        ghcr.io/a/b:latest
      decision    route, by rule "ghcr.io" (config.toml:12)
      candidates  1. m.dev/ghcr.io/a/b:latest  mirror  no credentials
    "#);
}

#[test]
fn the_json_has_source_and_name() {
    assert_snapshot!(explain(&["--format", "json", "nginx", "quay.io/a/b", "ghcr.io/a/b"]), @r#"
    {"input":"nginx","kind":"name","name":"docker.io/library/nginx:latest","decision":"route","rule":{"prefix":"docker.io","source":"config.toml:2"},"reason":null,"candidates":[{"reference":"m.dev/hub/library/nginx:latest","role":"mirror","credentials":"node","credentials_source":"config.toml:20","username":"robot"},{"reference":"d.dev/library/nginx:latest","role":"mirror","credentials":"node","credentials_source":"docker config config.json","username":null,"credentials_problem":"cannot run /opt/helpers/docker-credential-pass: No such file or directory (os error 2)"},{"reference":"p.dev/library/nginx:latest","role":"mirror","credentials":"node","credentials_source":"credential provider ecr (providers.yaml)","username":null,"credentials_problem":"cannot run /opt/plugins/ecr: No such file or directory (os error 2)"},{"reference":"none.dev/library/nginx:latest","role":"mirror","credentials":"none","credentials_source":null,"username":null},{"reference":"broken.dev/library/nginx:latest","role":"mirror","credentials":"node","credentials_source":"config.toml:29","username":"robot","credentials_problem":"cannot read missing: No such file or directory (os error 2)"},{"reference":"token.dev/library/nginx:latest","role":"mirror","credentials":"node","credentials_source":"docker config config.json","username":null,"credentials_problem":"config.json: `auths` \"token.dev\": containerd cannot present a registry token"},{"reference":"docker.io/library/nginx:latest","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    {"input":"quay.io/a/b","kind":"name","name":"quay.io/a/b:latest","decision":"route","rule":{"prefix":"quay.io","source":"config.toml:7"},"reason":null,"candidates":[{"reference":"m.dev/quay.io/a/b:latest","role":"mirror","credentials":"node-with-client","credentials_source":"config.toml:25","username":null},{"reference":"y.dev/a/b:latest","role":"mirror","credentials":"node-with-client","credentials_source":"registries.yaml:2","username":"yam"}]}
    {"input":"ghcr.io/a/b","kind":"name","name":"ghcr.io/a/b:latest","decision":"route","rule":{"prefix":"ghcr.io","source":"config.toml:12"},"reason":null,"candidates":[{"reference":"m.dev/ghcr.io/a/b:latest","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    "#);
}
