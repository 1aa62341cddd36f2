//! What a file in Docker's form has for a name.

use super::*;

struct Ground {
    dir: tempfile::TempDir,
    config: DockerConfig,
}

fn ground(text: &str) -> Ground {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    let config = DockerConfig::new(path, Some(dir.path().to_owned()), Duration::from_secs(60));
    Ground { dir, config }
}

impl Ground {
    /// All that is held, in words, the best first.
    fn held(&self, name: &str) -> String {
        let shown = |text: String| text.replace(self.dir.path().to_str().unwrap(), "");
        let held = match self.config.lookup(&name.parse().unwrap()) {
            Ok(held) => held,
            Err(cause) => return shown(cause.to_string()),
        };
        let one = |(_, held): &(Specificity, Held)| match held {
            Held::Login(username, Proof::Password(secret)) => {
                format!("{}:{}", username.as_deref().unwrap_or("-"), secret.expose())
            }
            Held::Login(username, Proof::IdentityToken(token)) => {
                format!("identity {} {}", username.as_deref().unwrap_or("-"), token.expose())
            }
            Held::Helper(helper) => shown(format!("{} < {}", helper.program.display(), helper.server)),
            Held::Unusable(cause) => shown(cause.to_string()),
        };
        held.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn the_longest_path_comes_first_and_components_are_whole() {
    let ground = ground(
        r#"{"auths": {
            "h.de": {"username": "host", "password": "1"},
            "h.de/team": {"username": "team", "password": "2"},
            "https://h.de/team/app": {"username": "app", "password": "3"},
            "other.de": {"username": "other", "password": "4"}}}"#,
    );
    assert_eq!(ground.held("h.de/team/app:1"), "app:3, team:2, host:1");
    assert_eq!(ground.held("h.de/team/apple:1"), "team:2, host:1");
    assert_eq!(ground.held("h.de/teams/app:1"), "host:1");
    assert_eq!(ground.held("h.de:443/x"), "host:1");
    assert_eq!(ground.held("h.de:5000/x"), "");
}

#[test]
fn docker_hub_has_many_spellings() {
    for key in
        ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"]
    {
        let ground = ground(&format!(r#"{{"auths": {{"{key}": {{"auth": "Zm9vOmJhcg=="}}}}}}"#));
        assert_eq!(ground.held("docker.io/a/b:1"), "foo:bar", "{key}");
        assert_eq!(ground.held("quay.io/a/b:1"), "", "{key}");
    }
}

#[test]
fn tokens_are_told_from_passwords() {
    let ground = ground(
        r#"{"auths": {
            "a.de": {"auth": "MDAwMDA6", "identitytoken": "idt"},
            "b.de": {"registrytoken": "rt"},
            "c.de": {"auth": "Zm9vOmJhcg==", "username": "x", "password": "y"},
            "d.de": {}, "e.de": {"auth": ""}, "f.de": null}}"#,
    );
    assert_eq!(ground.held("a.de/x"), "identity - idt");
    let unusable = "/config.json: `auths` \"b.de\": containerd cannot present a registry token";
    assert_eq!(ground.held("b.de/x"), unusable);
    assert!(ground.config.examine().unwrap_err().to_string().ends_with(unusable));
    assert_eq!(ground.held("c.de/x"), "foo:bar");
    for empty in ["d.de/x", "e.de/x", "f.de/x"] {
        assert_eq!(ground.held(empty), "", "{empty}");
    }
}

#[test]
fn a_helper_of_the_host_comes_before_the_store() {
    let ground = ground(
        r#"{"auths": {"h.de": {}, "h.de/own": {"auth": "Zm9vOmJhcg=="}},
            "credHelpers": {"h.de": "ecr-login", "docker.io": "hub"}, "credsStore": "pass"}"#,
    );
    assert_eq!(ground.held("h.de/x"), "/docker-credential-ecr-login < h.de");
    assert_eq!(ground.held("h.de/own/x"), "/docker-credential-ecr-login < h.de, foo:bar");
    assert_eq!(ground.held("o.de:5000/x"), "/docker-credential-pass < o.de:5000");
    assert_eq!(ground.held("O.de:443/x"), "/docker-credential-pass < o.de");
    assert_eq!(ground.held("nginx"), "/docker-credential-hub < https://index.docker.io/v1/");
}

#[test]
fn a_helper_is_for_one_whole_host() {
    let ground = ground(
        r#"{"auths": {"h.de": {"auth": "Zm9vOmJhcg=="}}, "credHelpers": {"*.de": "star", "h.de/a": "path", "o.de": "o"}}"#,
    );
    assert_eq!(ground.held("h.de/a/x"), "foo:bar");
    assert_eq!(ground.held("h.de/x"), "foo:bar");
    assert_eq!(ground.held("o.de/x"), "/docker-credential-o < o.de");
    assert_eq!(ground.held("p.de/x"), "");
    let told = ground.config.examine().unwrap_err().to_string();
    assert!(
        told.ends_with("/config.json: `credHelpers` \"*.de\": a helper is for one host, without a path"),
        "{told}"
    );
}

#[test]
fn a_helper_has_a_plain_name_and_a_directory() {
    assert_eq!(
        ground(r#"{"credsStore": "../x"}"#).held("h.de/x"),
        "\"../x\" is not the name of a credential helper"
    );
    let mut ground = ground(r#"{"credsStore": "pass", "auths": {"h.de/own": {"auth": "Zm9vOmJhcg=="}}}"#);
    ground.config.helper_dir = None;
    let needed = "docker-credential-pass is needed, and `helper-dir` is not set: programs are not looked for anywhere else";
    assert_eq!(ground.held("h.de/x"), needed);
}

#[test]
fn what_is_broken_is_said_without_what_is_in_it() {
    let rows = [
        ("", "/config.json: it is empty: without a login write {}"),
        ("\n", "/config.json: it is empty: without a login write {}"),
        ("{\"auths\": hunter2", "/config.json: this is not JSON: expected value at line 1 column 11"),
        ("[\"hunter2\"]", "/config.json: this is not a JSON object"),
        ("{\"auths\": \"hunter2\"}", "/config.json: `auths` is not an object"),
        ("{\"auths\": {\"h.de\": \"hunter2\"}}", "/config.json: `auths` \"h.de\": it is not an object"),
        (
            "{\"auths\": {\"h.de\": {\"auth\": \"hunter2\"}}}",
            "/config.json: `auths` \"h.de\": `auth` is not base64",
        ),
        ("{\"auths\": {\"h.de\": {\"auth\": 17}}}", "/config.json: `auths` \"h.de\": `auth` is not a text"),
    ];
    for (text, expected) in rows {
        assert_eq!(ground(text).held("h.de/x"), expected, "{text}");
        assert_eq!(
            ground(text).config.examine().unwrap_err().to_string().rsplit('/').next().unwrap(),
            &expected[1..]
        );
    }
    // A broken entry does not harm other registries.
    assert_eq!(
        ground("{\"auths\": {\"h.de\": 1, \"o.de\": {\"auth\": \"Zm9vOmJhcg\"}}}").held("o.de/x"),
        "foo:bar"
    );
}

#[test]
fn a_file_that_is_not_there_holds_nothing() {
    let ground = ground("{}");
    std::fs::remove_file(ground.config.as_ref()).unwrap();
    assert_eq!(ground.held("h.de/x"), "");
    ground.config.examine().unwrap_err();
    std::fs::create_dir(ground.config.as_ref()).unwrap();
    assert_eq!(ground.held("h.de/x"), "cannot read /config.json: it is a directory");
}

async fn asked(script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let ground = ground("{}");
    let program = ground.dir.path().join("docker-credential-x");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let helper = Helper { program, server: "h.de".to_owned() };
    match ground.config.ask(&helper).await {
        Ok(None) => "none".to_owned(),
        Ok(Some((username, Proof::Password(secret)))) => format!("{}:{}", username.unwrap(), secret.expose()),
        Ok(Some((username, proof))) => format!("{username:?} {}", matches!(proof, Proof::IdentityToken(_))),
        Err(cause) => cause.to_string().replace(ground.dir.path().to_str().unwrap(), ""),
    }
}

#[tokio::test]
async fn a_helper_is_asked_for_its_server_and_its_answer_understood() {
    let echo =
        r#"read server; printf '{"ServerURL":"%s","Username":"%s","Secret":"%s"}' "$server" "$1" "$server""#;
    assert_eq!(asked(echo).await, "get:h.de");
    assert_eq!(asked(r#"echo '{"Username":"<token>","Secret":"t"}'"#).await, "None true");
    assert_eq!(asked("echo 'credentials not found in native keychain'; exit 1").await, "none");
    let failed = "/docker-credential-x failed (exit status: 1)";
    assert_eq!(
        asked("echo 'no credentials server URL'; exit 1").await,
        format!("{failed}: no credentials server URL")
    );
    assert_eq!(asked("echo hunter2; echo locked >&2; exit 1").await, format!("{failed}: locked"));
    for secret in ["hunter2", r#"{"Secret":"hunter2"}"#, "no credentials username\nhunter2"] {
        assert_eq!(asked(&format!("echo '{secret}'; exit 1")).await, failed);
    }
    let nothing = "/docker-credential-x gave an unusable answer";
    assert_eq!(asked("").await, format!("{nothing}: it is empty"));
    assert_eq!(
        asked("echo hunter2").await,
        format!("{nothing}: it is not JSON: expected value at line 1 column 1")
    );
    assert_eq!(
        asked("echo '{\"Username\":\"x\"}'").await,
        format!("{nothing}: it has no `Username` and `Secret`")
    );
}

#[test]
fn the_older_form_is_a_file_of_hosts() {
    let ground = ground(
        r#"{"https://index.docker.io/v1/": {"auth": "dTpwdw==", "email": "u@x.de"}, "h.de:5000": {"auth": "djpwdw=="}}"#,
    );
    assert_eq!((ground.held("nginx"), ground.held("h.de:5000/a")), ("u:pw".to_owned(), "v:pw".to_owned()));
    ground.config.examine().unwrap();
    // Today's file may say nothing of logins.
    let ground = self::ground(r#"{"HttpHeaders": {"User-Agent": "x"}}"#);
    assert_eq!(ground.held("nginx"), "");
}

#[test]
fn a_secret_is_said_to_be_one() {
    let said = "/config.json: this is a Secret of Kubernetes; write what it holds: \
                kubectl get secret NAME -o jsonpath='{.data.\\.dockerconfigjson}' | base64 -d";
    for text in [
        "apiVersion: v1\nkind: Secret\ndata:\n  .dockerconfigjson: e30=\n",
        "{\n  \"kind\": \"Secret\",\n  \"data\": {\".dockerconfigjson\": \"e30=\"}\n}",
        "{\"apiVersion\":\"v1\",\"data\":{\".dockerconfigjson\":\"e30=\"},\"kind\":\"Secret\",\"type\":\"x\"}",
    ] {
        assert_eq!(ground(text).held("nginx"), said, "{text}");
    }
}

#[test]
fn a_byte_order_mark_is_refused_as_by_docker() {
    let ground = ground("\u{feff}{\"auths\": {\"h.de\": {\"username\": \"u\", \"password\": \"p\"}}}");
    let refused = format!("/config.json: {}", byte_order_mark::REFUSED);
    assert_eq!(ground.held("h.de/a:1"), refused);
    assert!(ground.config.examine().unwrap_err().to_string().ends_with(byte_order_mark::REFUSED));
}
