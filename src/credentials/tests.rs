//! Which login a target gets, of all sources.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::files::secret::Secret;
use crate::policy::Source;

struct Ground {
    dir: tempfile::TempDir,
    sources: Sources,
    timeout: Duration,
}

fn ground() -> Ground {
    let timeout = Duration::from_secs(60);
    Ground { dir: tempfile::tempdir().unwrap(), sources: Sources::default(), timeout }
}

impl Ground {
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
    let all = ground()
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
    let ground =
        ground().docker(r#"{"credsStore": "x"}"#).provider("*.de", &answer("*.de", "Image", "0", "p"));
    ground.file("docker-credential-x", helper);
    let all = ground.build();
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

#[tokio::test]
async fn what_changes_on_disk_counts_at_the_next_pull() {
    let all = ground().entry("h.de", "robot").docker(r#"{"auths": {"d.de": {"username": "one"}}}"#).build();
    let password = async || {
        let credential = all.1.for_target(&"h.de/x".parse().unwrap()).await.unwrap().unwrap();
        let Proof::Password(password) = credential.proof else { panic!("a password") };
        password.expose().to_owned()
    };
    assert_eq!(password().await, "native");
    std::fs::write(all.0.path().join("password-robot"), "another\n").unwrap();
    assert_eq!(password().await, "another");
    std::fs::write(all.0.path().join("config-0.json"), r#"{"auths": {"d.de": {"username": "two"}}}"#)
        .unwrap();
    assert_eq!(found(&all, "d.de/x").await, "two from docker config /config-0.json");
    std::fs::remove_file(all.0.path().join("password-robot")).unwrap();
    assert_eq!(
        found(&all, "h.de/x").await,
        "no login for h.de: c.toml:1: cannot read /password-robot: No such file or directory (os error 2)"
    );
}

#[test]
fn a_disk_that_hangs_is_not_waited_for_without_end() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap();
    let all = ground().entry("h.de", "robot").build();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let told = runtime.block_on(async {
        // The one thread for files is at a file that does not come.
        drop(tokio::task::spawn_blocking(move || ended.recv()));
        let clock = async {
            tokio::task::yield_now().await;
            tokio::time::advance(READ_WITHIN).await;
        };
        tokio::join!(found(&all, "h.de/x"), clock).0
    });
    drop(end);
    assert_eq!(told, "no login for h.de: credentials: the login files could not be read within 10 s");
}

#[tokio::test(start_paused = true)]
async fn those_who_read_from_a_disk_that_hangs_leave_threads_to_others() {
    let all = ground().entry("h.de", "robot").build();
    let reads = Arc::clone(&all.1.0.as_ref().unwrap().reads);
    // So many have begun to read and do not end.
    let hanging = Arc::clone(&reads).acquire_many_owned(READERS.try_into().unwrap()).await.unwrap();
    let told = "no login for h.de: credentials: the login files could not be read within 10 s";
    assert_eq!(found(&all, "h.de/x").await, told);
    drop(hanging);
    assert!(found(&all, "h.de/x").await.starts_with("robot"));
    assert_eq!(reads.available_permits(), READERS);
}

#[tokio::test]
async fn a_plugin_runs_once_for_all_that_wait_and_not_while_its_answer_lasts() {
    let slow = format!("sleep 1; {}", answer("*.de", "Registry", "1h", "p"));
    let ground = ground().provider("*.de", &slow);
    let credentials = Credentials::new(ground.sources);
    let ground = Ground { sources: Sources::default(), ..ground };
    let ask = |name: &str| {
        let (credentials, name) = (credentials.clone(), name.parse::<Name>().unwrap());
        async move { credentials.for_target(&name).await.unwrap().unwrap() }
    };
    let (one, two, three) = tokio::join!(ask("h.de/a"), ask("h.de/b"), ask("h.de/a"));
    for credential in [&one, &two, &three] {
        assert_eq!(credential.username.as_deref(), Some("p"));
    }
    assert_eq!(ask("h.de/c").await.username.as_deref(), Some("p"));
    assert_eq!(ground.runs("plugin0"), 1);
    ask("other.de/c").await;
    assert_eq!(ground.runs("plugin0"), 2);
    // A registry that refuses it makes the next pull ask anew, and no other registry's.
    credentials.refused(&"h.de/x".parse().unwrap(), &one);
    ask("other.de/c").await;
    assert_eq!(ground.runs("plugin0"), 2);
    ask("h.de/x").await;
    assert_eq!(ground.runs("plugin0"), 3);
}

#[tokio::test]
async fn a_kept_answer_goes_only_where_its_own_login_was_refused() {
    let ground = ground()
        .entry("h.de/a", "native")
        .provider("*.de", &answer("*.de", "Global", "1h", "p"))
        .provider("*.com", &answer("*.com", "Global", "1h", "q"));
    let credentials = Credentials::new(ground.sources);
    let ground = Ground { sources: Sources::default(), ..ground };
    let ask = async |name: &str| credentials.for_target(&name.parse().unwrap()).await.unwrap().unwrap();
    let refused = |name: &str, by: &Credential| credentials.refused(&name.parse().unwrap(), by);
    let native = ask("h.de/a").await;
    let (p, q) = (ask("h.de/b").await, ask("h.com/b").await);
    // Another source's login, another plugin's, and one that the plugin does not give any more.
    refused("h.de/a", &native);
    refused("h.com/b", &p);
    refused("h.de/b", &q);
    refused("h.de/b", &Credential { proof: Proof::Password(Secret::new("old".to_owned())), ..p.clone() });
    ask("o.de/x").await;
    ask("o.com/x").await;
    assert_eq!((ground.runs("plugin0"), ground.runs("plugin1")), (1, 1));
    // An answer for everything is not used any more for anything.
    refused("h.de/b", &p);
    ask("o.de/x").await;
    ask("o.com/x").await;
    assert_eq!((ground.runs("plugin0"), ground.runs("plugin1")), (2, 1));
}

#[tokio::test]
async fn an_answer_for_one_image_is_for_no_other() {
    // An answer is for the image that was asked for, and for no other.
    let script = "image=$(sed 's/.*\"image\":\"\\([^\"]*\\)\".*/\\1/')\n".to_owned()
        + "printf '{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
           \"cacheKeyType\":\"Image\",\"cacheDuration\":\"1h\",\"auth\":{\"%s\":{\"username\":\"%s\",\"password\":\"p\"}}}' \
           \"$image\" \"$image\"";
    let ground = ground().provider("*.de", &script);
    let credentials = Credentials::new(ground.sources);
    let ask = |name: &str| {
        let (credentials, name) = (credentials.clone(), name.parse::<Name>().unwrap());
        async move { credentials.for_target(&name).await.unwrap().unwrap().username.unwrap() }
    };
    let (one, two) = tokio::join!(
        ask("h.de/a:1"),
        ask("h.de/b@sha256:0000000000000000000000000000000000000000000000000000000000000000")
    );
    assert_eq!((one.as_str(), two.as_str()), ("h.de/a", "h.de/b"));
    let (one, two) = tokio::join!(ask("h.de/a"), ask("h.de/c"));
    assert_eq!((one.as_str(), two.as_str()), ("h.de/a", "h.de/c"));
}

#[tokio::test]
async fn a_failure_for_one_image_is_no_other_images() {
    let script = format!("sleep 1; grep -q h.de/bad && exit 7; {}", answer("*.de", "Registry", "0", "p"));
    let ground = ground().provider("*.de", &script);
    let begun = ground.dir.path().join("plugin0.runs");
    let all = ground.build();
    let meanwhile = async {
        while !begun.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        found(&all, "h.de/good").await
    };
    let (bad, good) = tokio::join!(found(&all, "h.de/bad"), meanwhile);
    assert!(bad.ends_with("/plugin0 failed (exit status: 7)"), "{bad}");
    assert_eq!(good, "p from credential provider plugin0 (/providers.yaml)");
}

/// The clock goes on only where there is nothing left to do but wait: once the plugin runs and both wait for it.
#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_is_waited_for_once() {
    let ground = ground().within(Duration::from_secs(2)).provider("*.de", "sleep 600");
    let credentials = Credentials::new(ground.sources);
    let ground = Ground { sources: Sources::default(), ..ground };
    let ask =
        async |name: &str| credentials.for_target(&name.parse().unwrap()).await.unwrap_err().to_string();
    let starts = tokio::task::spawn_blocking({
        let begun = ground.dir.path().join("plugin0.runs");
        move || {
            let mut looks = 0..30_000;
            looks.any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                begun.exists()
            })
        }
    });
    let (one, two, started) = tokio::join!(ask("h.de/a"), ask("h.de/b"), starts);
    assert!(started.unwrap(), "the plugin did not start");
    assert!(one == two && one.ends_with("/plugin0 gave no answer within 2 s and was killed"), "{one}\n{two}");
    assert_eq!(ground.runs("plugin0"), 1);
}

#[tokio::test]
async fn each_fault_of_a_plugin_is_an_error_that_names_it() {
    let told = async |script: &str| {
        let all = ground().provider("*.de", script).build();
        let text = found(&all, "h.de/x").await;
        let head = "no login for h.de: credential provider plugin0 (/providers.yaml): /plugin0 ";
        text.strip_prefix(head).unwrap_or(&text).to_owned()
    };
    let nothing = "gave an unusable answer: ";
    assert_eq!(told("true").await, format!("{nothing}it is empty"));
    assert_eq!(
        told("echo hunter2").await,
        format!("{nothing}it is not JSON: expected value at line 1 column 1")
    );
    assert_eq!(told("echo '[]'").await, format!("{nothing}it is not an object"));
    assert_eq!(
        told("echo '{}'").await,
        format!("{nothing}`kind` is \"\", not \"CredentialProviderResponse\"")
    );
    let beta = answer("*.de", "Image", "0", "x").replace("k8s.io/v1", "k8s.io/v1beta1");
    assert_eq!(
        told(&beta).await,
        format!(
            "{nothing}`apiVersion` is \"credentialprovider.kubelet.k8s.io/v1beta1\", but the plugin \
             was asked with \"credentialprovider.kubelet.k8s.io/v1\""
        )
    );
    let odd = answer("*.de", "Odd", "0", "x");
    assert_eq!(
        told(&odd).await,
        format!("{nothing}`cacheKeyType` is \"Odd\", and must be Image, Registry or Global")
    );
    let odd = answer("*.de", "Image", "soon", "x");
    assert!(told(&odd).await.starts_with(&format!("{nothing}`cacheDuration`: \"soon\" is not a duration")));
    assert_eq!(told("kill -9 $$").await, "failed (signal: 9 (SIGKILL))");
    assert_eq!(told("echo 'no role' >&2; exit 1").await, "failed (exit status: 1): no role");
    assert_eq!(told("head -c 100000000 /dev/zero").await, "wrote more than 1024 KiB and was killed");
    // An answer without logins is an answer.
    assert_eq!(told(&answer("*.com", "Image", "0", "x")).await, "none");
}

#[test]
fn what_is_known_needs_no_program_and_shows_no_secret() {
    let all = ground()
        .entry("h.de", "robot")
        .docker(r#"{"auths": {"d.de": {"auth": "Zm9vOmJhcg=="}}, "credHelpers": {"e.de": "x"}}"#)
        .provider("p.de", "exit 9")
        .build();
    let shown = |name: &str| {
        let known = all.1.known(&name.parse().unwrap());
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
            r#"Some(Known { username: None, source: "docker config /config-0.json", asks: Some("/docker-credential-x"), problem: None })"#,
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
