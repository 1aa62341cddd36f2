//! Logins that are wrong, unreadable or late: each costs its candidate, and says so.

use crate::on_each_containerd;
use crate::setup::{Setup, setup};
use crate::support::fake::{Behaviour, Fake};
use crate::support::guarded::{Guard, PASSWORD, USER};
use crate::support::shunt::rule;
use crate::support::version::Version;
use crate::support::{PATIENCE, wait_for};
use tonic::Code;

fn login(host: &str, password: &std::path::Path) -> String {
    format!("[[credentials]]\nregistry = \"{host}\"\nusername = \"{USER}\"\npassword-file = {password:?}\n")
}

async fn another_password_counts_from_the_next_pull_on(version: Version) {
    let Some(setup) = setup(version, "another") else { return };
    let mirror = Guard::default().htpasswd(setup.dir()).start(setup.registry);
    let password = setup.file("password", "hush-wrong");
    let shunt = setup.shunt(&[mirror.host()], &login(mirror.host(), &password), &[]);
    let refused = setup.pull(&shunt, None).await.unwrap_err();
    let message = refused.message();
    let config = shunt.config_file();
    let host = mirror.host();
    let said = format!(
        "[1] {host}: the registry does not accept the password of {USER} (logged in as {USER}, from {}:",
        config.display()
    );
    assert!(message.contains(&said), "{message}");
    assert!(message.contains("; details: cri-shunt explain --live "), "{message}");
    assert_eq!(refused.code(), Code::Unauthenticated);
    setup.file("password", PASSWORD);
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id());
    setup.file("password", "hush-wrong");
    setup.pull(&shunt, None).await.unwrap_err();
    setup.end(shunt).await;
}

async fn a_login_that_cannot_be_used_costs_its_candidate_and_nothing_else(version: Version) {
    let Some(setup) = setup(version, "costs") else { return };
    let (private, open) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    let missing = setup.dir().join("missing");
    let config = login(&private.host(), &missing);
    let shunt = setup.shunt(&[&private.host(), &open.host()], &config, &[]);
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id());
    assert_eq!(private.records(), [], "it is not asked without the login that it is to have");
    setup.heard(&shunt);
    let shunt = setup.shunt(&[&private.host()], &config, &[]);
    let status = setup.pull(&shunt, None).await.unwrap_err();
    let text = std::fs::read_to_string(shunt.config_file()).unwrap();
    let expected = format!(
        "[1] no login for {host}: {}:{line}: cannot read {}: No such file or directory (os error 2)",
        shunt.config_file().display(),
        missing.display(),
        host = private.host(),
        line = text.lines().position(|line| line.starts_with("registry = ")).unwrap() + 1,
    );
    let message = status.message();
    assert!(message.contains(&expected), "{message}\n{expected}");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(private.records(), []);
    setup.end(shunt).await;
}

fn plugin(setup: &Setup, host: &str, rest: &str) -> String {
    let config = setup.file(
        "providers.yaml",
        &format!(
            "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
             matchImages: [\"{host}\"]\n  defaultCacheDuration: 1h\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n"
        ),
    );
    let directory = setup.dir();
    format!(
        "[[credentials]]\nimage-credential-provider-config = {config:?}\n\
         image-credential-provider-bin-dir = {directory:?}\n{rest}"
    )
}

async fn a_plugin_that_hangs_holds_its_own_candidate_only(version: Version) {
    let Some(setup) = setup(version, "hangs") else { return };
    let (private, open) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    let hangs = setup.dir().join("hangs");
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600", hangs.display());
    setup.script("plugin", &script);
    let config = plugin(&setup, &private.host(), "timeout = \"10m\"\n");
    let shunt = setup.shunt(&[&private.host(), &open.host()], &config, &[]);
    let pull = setup.pull(&shunt, None);
    let other = async {
        // Meanwhile everything else is served.
        let cri = crate::support::cri::Cri::connect(&shunt.socket()).await;
        assert!(wait_for(async || hangs.exists()).await, "{}", shunt.stderr());
        for _ in 0..10 {
            cri.list().await.unwrap();
        }
        assert_eq!(open.records(), [], "the pull still waits for the plugin");
        let pid = std::fs::read_to_string(&hangs).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let (pulled, ()) = tokio::join!(pull, other);
    assert_eq!(pulled.unwrap(), setup.image.id());
    let said = shunt.stderr();
    assert!(said.contains("plugin failed (signal: 9 (SIGKILL))"), "{said}");
    assert_eq!(private.records(), []);
    setup.end(shunt).await;
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
    let Some(setup) = setup(version, "undead") else { return };
    let (private, open) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    let (tracer, traced) = (setup.file("tracer.py", TRACER), setup.dir().join("traced"));
    let trace = format!("python3 {} $$ {} </dev/null >/dev/null 2>&1 &", tracer.display(), traced.display());
    setup.script("plugin", &format!("{trace}\necho hush-wrong >&2\nsleep 600"));
    let config = plugin(&setup, &private.host(), "timeout = \"20s\"\n");
    let shunt = setup.shunt(&[&private.host(), &open.host()], &config, &[]);
    let pulled = tokio::time::timeout(PATIENCE, setup.pull(&shunt, None)).await;
    assert_eq!(pulled.expect("the pull goes on").unwrap(), setup.image.id());
    assert_eq!(std::fs::read_to_string(&traced).unwrap(), "0");
    let said = shunt.stderr();
    assert!(said.contains("plugin gave no answer within 20 s and was killed"), "{said}");
    assert_eq!(private.records(), []);
    setup.end(shunt).await;
}

async fn only_a_refusal_of_its_own_login_makes_a_plugin_run_again(version: Version) {
    let Some(setup) = setup(version, "again") else { return };
    let (mirror, origin) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    let answer = r#"{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Global","auth":{"127.0.0.1":{"username":"mirror-a","password":"hush-mirror-a"}}}"#;
    let answer = answer.replace("127.0.0.1", &mirror.host());
    let list = setup.dir().join("runs");
    setup.script("plugin", &format!("echo run >> {}\necho '{answer}'", list.display()));
    let runs = || std::fs::read_to_string(&list).unwrap().lines().count();
    let rule = rule(&origin.host(), &[&mirror.host()]) + "origin = \"last\"\ncollapse = true\n";
    let config = plugin(&setup, &mirror.host(), &rule);
    let shunt = setup.shunt(&[&mirror.host()], &config, &[]);
    let name = format!("{}/{}:1", origin.host(), setup.path);
    origin.on("/v2/", Behaviour::Status(401));
    for (of_mirror, expected) in [(404, 1), (404, 1), (401, 1), (404, 2)] {
        mirror.on("/v2/", Behaviour::Status(of_mirror));
        setup.pull_name(&shunt, &name, Some(("ann", "hush-of-the-client"))).await.unwrap_err();
        assert_eq!(runs(), expected, "{of_mirror} {}", shunt.stderr());
    }
    setup.end(shunt).await;
}

async fn a_registry_token_is_none_that_containerd_can_present(version: Version) {
    let Some(setup) = setup(version, "token") else { return };
    let mirror = Fake::in_front_of(setup.registry.host());
    mirror.on("/v2/", Behaviour::Status(401));
    let file = setup.file(
        "config.json",
        &format!("{{\"auths\": {{\"{}\": {{\"registrytoken\": \"hush-identity\"}}}}}}", mirror.host()),
    );
    let shunt = setup.shunt(&[&mirror.host()], &format!("[[credentials]]\ndocker-config = {file:?}\n"), &[]);
    let status = setup.pull(&shunt, None).await.unwrap_err();
    assert!(status.message().contains("containerd cannot present a registry token"), "{status}");
    assert_eq!(mirror.records(), []);
    setup.end(shunt).await;
}

on_each_containerd!(
    another_password_counts_from_the_next_pull_on,
    a_login_that_cannot_be_used_costs_its_candidate_and_nothing_else,
    a_plugin_that_hangs_holds_its_own_candidate_only,
    a_plugin_that_does_not_end_when_it_is_killed_holds_its_own_candidate_only,
    a_registry_token_is_none_that_containerd_can_present,
    only_a_refusal_of_its_own_login_makes_a_plugin_run_again,
);
