//! Which login a target gets, of all sources.

mod disk;
mod plugins;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::files::secret::Secret;
use crate::policy::Source;

struct Setup {
    dir: tempfile::TempDir,
    sources: Sources,
    timeout: Duration,
}

fn setup() -> Setup {
    let timeout = Duration::from_secs(60);
    Setup { dir: tempfile::tempdir().unwrap(), sources: Sources::default(), timeout }
}

impl Setup {
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// How long plugins have that come after this.
    fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn entry(mut self, key: &str, name: &str) -> Self {
        let password = self.file(&format!("password-{name}"), "native\n");
        let means = Means::Password(Username::Text(name.to_owned()), Reference::File(password));
        let source = Source { file: "c.toml".into(), line: 1 };
        self.sources.entries.push(Entry { key: key.parse().unwrap(), means, source });
        self
    }

    fn login(mut self, host: &str, name: &str) -> Self {
        self.sources.logins.push(Login {
            host: host.to_owned(),
            username: Some(name.to_owned()),
            password: Some(Secret::new("login".to_owned())),
            encoded: None,
            identity_token: None,
            source: Source { file: "r.yaml".into(), line: 2 },
        });
        self
    }

    fn docker(mut self, text: &str) -> Self {
        let path = self.file(&format!("config-{}.json", self.sources.docker.len()), text);
        let helpers = Some(self.dir.path().to_owned());
        self.sources.docker.push(DockerConfig::new(path, helpers, Duration::from_secs(60)));
        self
    }

    /// A plugin that answers with `answer`, or does what `script` says.
    fn provider(mut self, image: &str, script: &str) -> Self {
        let name = format!("plugin{}", self.sources.providers.len());
        self.file(&name, &format!("#!/bin/sh\necho run >> $0.runs\n{script}\n"));
        let config = format!(
            "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n\
             - name: {name}\n  matchImages: [\"{image}\"]\n  defaultCacheDuration: \"0\"\n  \
             apiVersion: credentialprovider.kubelet.k8s.io/v1\n"
        );
        let config = self.file("providers.yaml", &config);
        let read = read_providers(&config, self.dir.path(), self.timeout, |_| ()).unwrap();
        self.sources.providers.extend(read.providers);
        self
    }

    fn runs(&self, plugin: &str) -> usize {
        let path = self.dir.path().join(format!("{plugin}.runs"));
        std::fs::read_to_string(path).unwrap_or_default().lines().count()
    }

    fn build(self) -> (tempfile::TempDir, Credentials) {
        (self.dir, Credentials::new(self.sources))
    }
}

/// User and source of the login that is found, or the error.
async fn found((dir, credentials): &(tempfile::TempDir, Credentials), name: &str) -> String {
    let shown = |text: String| text.replace(dir.path().to_str().unwrap(), "");
    match credentials.for_target(&name.parse().unwrap()).await {
        Ok(None) => "none".to_owned(),
        Ok(Some(credential)) => {
            let username = credential.username.unwrap_or_default();
            shown(format!("{username} from {}", credential.source))
        }
        Err(error) => shown(error.to_string()),
    }
}

fn answer(key: &str, cache: &str, duration: &str, name: &str) -> String {
    format!(
        "echo '{{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
         \"cacheKeyType\":\"{cache}\",\"cacheDuration\":\"{duration}\",\
         \"auth\":{{\"{key}\":{{\"username\":\"{name}\",\"password\":\"plugin\"}}}}}}'"
    )
}

#[tokio::test]
async fn the_most_specific_login_wins_and_of_equals_the_first_source() {
    let all = setup()
        .entry("h.de", "native")
        .entry("h.de/a", "native-a")
        .login("h.de", "yaml")
        .login("l.de", "yaml-l")
        .docker(r#"{"auths": {"h.de/a/b": {"username": "docker-ab"}, "l.de": {"username": "docker-l"}, "d.de": {"username": "docker-d"}}}"#)
        .provider("*.de", &answer("*.de", "Image", "0", "plugin"))
        .build();
    let rows = [
        ("h.de/x", "native from c.toml:1"),
        ("h.de/a/x", "native-a from c.toml:1"),
        ("h.de/a/b/c", "docker-ab from docker config /config-0.json"),
        ("l.de/x", "yaml-l from r.yaml:2"),
        ("d.de/x", "docker-d from docker config /config-0.json"),
        ("p.de/x", "plugin from credential provider plugin0 (/providers.yaml)"),
        ("P.de:443/x", "plugin from credential provider plugin0 (/providers.yaml)"),
        ("x.com/x", "none"),
    ];
    for (name, expected) in rows {
        assert_eq!(found(&all, name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn without_sources_nothing_is_asked() {
    let none = Credentials::new(Sources::default());
    assert!(none.for_target(&"h.de/x".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_source_that_has_nothing_leaves_it_to_the_next_and_a_broken_one_does_not() {
    let helper = "#!/bin/sh\necho 'credentials not found in native keychain'; exit 1\n";
    let setup = setup().docker(r#"{"credsStore": "x"}"#).provider("*.de", &answer("*.de", "Image", "0", "p"));
    setup.file("docker-credential-x", helper);
    let all = setup.build();
    assert_eq!(found(&all, "h.de/x").await, "p from credential provider plugin0 (/providers.yaml)");
    std::fs::write(all.0.path().join("docker-credential-x"), "#!/bin/sh\nexit 7\n").unwrap();
    assert_eq!(
        found(&all, "h.de/x").await,
        "no login for h.de: docker config /config-0.json: /docker-credential-x failed (exit status: 7)"
    );
    std::fs::write(all.0.path().join("config-0.json"), "{").unwrap();
    assert_eq!(
        found(&all, "h.de/x").await,
        "no login for h.de: docker config /config-0.json: /config-0.json: this is not JSON: EOF while parsing an \
         object at line 1 column 1"
    );
}

#[test]
fn what_is_known_needs_no_program_and_shows_no_secret() {
    let all = setup()
        .entry("h.de", "robot")
        .docker(r#"{"auths": {"d.de": {"auth": "Zm9vOmJhcg=="}}, "credHelpers": {"e.de": "x"}}"#)
        .provider("p.de", "exit 9")
        .build();
    let shown = |name: &str| {
        let known = all.1.known(&name.parse().unwrap(), &Reader::This);
        format!("{known:?}").replace(all.0.path().to_str().unwrap(), "")
    };
    let rows = [
        (
            "h.de/x",
            r#"Some(Known { username: Some("robot"), source: "c.toml:1", asks: None, problem: None })"#,
        ),
        (
            "d.de/x",
            r#"Some(Known { username: Some("foo"), source: "docker config /config-0.json", asks: None, problem: None })"#,
        ),
        (
            "e.de/x",
            r#"Some(Known { username: None, source: "docker config /config-0.json", asks: Some("/docker-credential-x"), problem: Some("cannot run /docker-credential-x: No such file or directory (os error 2)") })"#,
        ),
        (
            "p.de/x",
            r#"Some(Known { username: None, source: "credential provider plugin0 (/providers.yaml)", asks: Some("/plugin0"), problem: None })"#,
        ),
        ("n.de/x", "None"),
    ];
    for (name, expected) in rows {
        assert_eq!(shown(name), expected, "{name}");
    }
    assert!(!Path::new(&all.0.path().join("plugin0.runs")).exists());
    let debug = format!("{:?}", all.1);
    assert!(!debug.contains("native\n") && !debug.contains("Zm9v"), "{debug}");
}
