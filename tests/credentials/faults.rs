//! Logins that are wrong, unreadable or late: each costs its candidate, and says so.

use crate::ground::{Ground, ground};
use crate::on_each_containerd;
use crate::support::fake::{Behaviour, Fake};
use crate::support::guarded::{Guard, PASSWORD, USER};
use crate::support::version::Version;
use std::time::Duration;
use tonic::Code;

fn login(host: &str, password: &std::path::Path) -> String {
    format!("[[credentials]]\nregistry = \"{host}\"\nusername = \"{USER}\"\npassword-file = {password:?}\n")
}

async fn another_password_counts_from_the_next_pull_on(version: Version) {
    let Some(ground) = ground(version, "another") else { return };
    let mirror = Guard::default().htpasswd(ground.dir()).start(ground.registry);
    let password = ground.file("password", "hush-wrong");
    let shunt = ground.shunt(&[mirror.host()], &login(mirror.host(), &password), &[]);
    let refused = ground.pull(&shunt, None).await.unwrap_err();
    let message = refused.message();
    let config = shunt.config_file();
    assert!(message.contains(&format!("(logged in as {USER}, from {}:", config.display())), "{message}");
    ground.file("password", PASSWORD);
    assert_eq!(ground.pull(&shunt, None).await.unwrap(), ground.image.id());
    ground.file("password", "hush-wrong");
    ground.pull(&shunt, None).await.unwrap_err();
    ground.end(shunt).await;
}

async fn a_login_that_cannot_be_used_costs_its_candidate_and_nothing_else(version: Version) {
    let Some(ground) = ground(version, "costs") else { return };
    let (private, open) =
        (Fake::in_front_of(ground.registry.host()), Fake::in_front_of(ground.registry.host()));
    let missing = ground.dir().join("missing");
    let config = login(&private.host(), &missing);
    let shunt = ground.shunt(&[&private.host(), &open.host()], &config, &[]);
    assert_eq!(ground.pull(&shunt, None).await.unwrap(), ground.image.id());
    assert_eq!(private.records(), [], "it is not asked without the login that it is to have");
    ground.heard(&shunt);
    let shunt = ground.shunt(&[&private.host()], &config, &[]);
    let status = ground.pull(&shunt, None).await.unwrap_err();
    let expected = format!(
        "[1] {host}/{}:1: no login for {host}: {}:8: cannot read {}: No such file or directory (os error 2)",
        ground.path,
        shunt.config_file().display(),
        missing.display(),
        host = private.host(),
    );
    let message = status.message();
    assert!(message.contains(&expected), "{message}\n{expected}");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(private.records(), []);
    ground.end(shunt).await;
}

fn plugin(ground: &Ground, host: &str, rest: &str) -> String {
    let config = ground.file(
        "providers.yaml",
        &format!(
            "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
             matchImages: [\"{host}\"]\n  defaultCacheDuration: 1h\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n"
        ),
    );
    let directory = ground.dir();
    format!(
        "[[credentials]]\nimage-credential-provider-config = {config:?}\n\
         image-credential-provider-bin-dir = {directory:?}\n{rest}"
    )
}

async fn a_plugin_that_hangs_holds_its_own_candidate_only(version: Version) {
    let Some(ground) = ground(version, "hangs") else { return };
    let (private, open) =
        (Fake::in_front_of(ground.registry.host()), Fake::in_front_of(ground.registry.host()));
    ground.script("plugin", "sleep 600 & echo hush-wrong >&2; wait");
    let config = plugin(&ground, &private.host(), "timeout = \"3s\"\n");
    let shunt = ground.shunt(&[&private.host(), &open.host()], &config, &[]);
    let pull = ground.pull(&shunt, None);
    let other = async {
        // Meanwhile everything else is served.
        let cri = crate::support::cri::Cri::connect(&shunt.socket()).await;
        let begin = std::time::Instant::now();
        let mut served = 0;
        while begin.elapsed().as_secs() < 2 {
            cri.list().await.unwrap();
            served += 1;
        }
        served
    };
    let (pulled, served) = tokio::join!(pull, other);
    assert_eq!(pulled.unwrap(), ground.image.id());
    assert!(served > 10, "{served} calls while the plugin hung");
    let said = shunt.stderr();
    assert!(said.contains("plugin gave no answer within 3 s and was killed"), "{said}");
    assert_eq!(private.records(), []);
    ground.end(shunt).await;
}

/// Traces the process that is named first, so that its end is not seen before this one ends: as of a process that
/// hangs in the kernel. It ends with the file that is named second, which says whether it has come about.
const TRACER: &str = "\
import ctypes, os, sys, time
os.setsid()
pid, file = int(sys.argv[1]), sys.argv[2]
PTRACE_SEIZE = 0x4206
result = ctypes.CDLL(None).ptrace(PTRACE_SEIZE, pid, None, None)
open(file, 'w').write(str(result))
while os.path.exists(file):
    time.sleep(0.1)
";

async fn a_plugin_that_does_not_end_when_it_is_killed_holds_its_own_candidate_only(version: Version) {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return crate::support::skipped("there is no python3");
    }
    let Some(ground) = ground(version, "undead") else { return };
    let (private, open) =
        (Fake::in_front_of(ground.registry.host()), Fake::in_front_of(ground.registry.host()));
    let (tracer, traced) = (ground.file("tracer.py", TRACER), ground.dir().join("traced"));
    let trace = format!("python3 {} $$ {} </dev/null >/dev/null 2>&1 &", tracer.display(), traced.display());
    ground.script("plugin", &format!("{trace}\nsleep 600"));
    let config = plugin(&ground, &private.host(), "timeout = \"10s\"\n");
    let shunt = ground.shunt(&[&private.host(), &open.host()], &config, &[]);
    let pulled = tokio::time::timeout(Duration::from_secs(60), ground.pull(&shunt, None)).await;
    assert_eq!(pulled.expect("the pull goes on").unwrap(), ground.image.id());
    assert_eq!(std::fs::read_to_string(&traced).unwrap(), "0");
    assert_eq!(private.records(), []);
    ground.end(shunt).await;
}

async fn only_a_refusal_of_its_own_login_makes_a_plugin_run_again(version: Version) {
    let Some(ground) = ground(version, "again") else { return };
    let (mirror, origin) =
        (Fake::in_front_of(ground.registry.host()), Fake::in_front_of(ground.registry.host()));
    let answer = r#"{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Global","auth":{"127.0.0.1":{"username":"mirror-a","password":"hush-mirror-a"}}}"#;
    let answer = answer.replace("127.0.0.1", &mirror.host());
    let list = ground.dir().join("runs");
    ground.script("plugin", &format!("echo run >> {}\necho '{answer}'", list.display()));
    let runs = || std::fs::read_to_string(&list).unwrap().lines().count();
    let rule = format!(
        "[[policy.rule]]\nprefix = \"{}\"\nmirrors = [\"{}\"]\norigin = \"last\"\ncollapse = true\n",
        origin.host(),
        mirror.host()
    );
    let config = plugin(&ground, &mirror.host(), &rule);
    let shunt = ground.shunt(&[&mirror.host()], &config, &[]);
    let name = format!("{}/{}:1", origin.host(), ground.path);
    origin.on("/v2/", Behaviour::Status(401));
    for (of_mirror, expected) in [(404, 1), (404, 1), (401, 1), (404, 2)] {
        mirror.on("/v2/", Behaviour::Status(of_mirror));
        ground.pull_name(&shunt, &name, Some(("ann", "hush-of-the-client"))).await.unwrap_err();
        assert_eq!(runs(), expected, "{of_mirror} {}", shunt.stderr());
    }
    ground.end(shunt).await;
}

async fn a_registry_token_is_none_that_containerd_can_present(version: Version) {
    let Some(ground) = ground(version, "token") else { return };
    let mirror = Fake::in_front_of(ground.registry.host());
    mirror.on("/v2/", Behaviour::Status(401));
    let file = ground.file(
        "config.json",
        &format!("{{\"auths\": {{\"{}\": {{\"registrytoken\": \"hush-identity\"}}}}}}", mirror.host()),
    );
    let shunt = ground.shunt(&[&mirror.host()], &format!("[[credentials]]\ndocker-config = {file:?}\n"), &[]);
    let status = ground.pull(&shunt, None).await.unwrap_err();
    assert!(status.message().contains("containerd cannot present a registry token"), "{status}");
    assert_eq!(mirror.records(), []);
    ground.end(shunt).await;
}

on_each_containerd!(
    another_password_counts_from_the_next_pull_on,
    a_login_that_cannot_be_used_costs_its_candidate_and_nothing_else,
    a_plugin_that_hangs_holds_its_own_candidate_only,
    a_plugin_that_does_not_end_when_it_is_killed_holds_its_own_candidate_only,
    a_registry_token_is_none_that_containerd_can_present,
    only_a_refusal_of_its_own_login_makes_a_plugin_run_again,
);
