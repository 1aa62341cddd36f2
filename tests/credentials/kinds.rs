//! One real registry with `htpasswd`, and a login for it from each kind of source.

use crate::on_each_containerd;
use crate::setup::{LOGIN, Setup, setup};
use crate::support::fake::{Behaviour, Fake};
use crate::support::guarded::{Guard, Guarded, PASSWORD, USER};
use crate::support::version::Version;

fn guarded(setup: &Setup) -> Guarded {
    Guard::default().htpasswd(setup.dir()).start(setup.registry)
}

/// A configuration and an environment with the login in it.
type Kind = (&'static str, String, Vec<(&'static str, String)>);

fn native(setup: &Setup, host: &str) -> Vec<Kind> {
    let password = setup.file("password", &format!("{PASSWORD}\n"));
    let username = setup.file("username", &format!("{USER}\n"));
    let head = format!("[[credentials]]\nregistry = \"{host}\"\n");
    let directory = setup.dir().to_str().unwrap().to_owned();
    vec![
        ("file", format!("{head}username = \"{USER}\"\npassword-file = {password:?}\n"), vec![]),
        ("two files", format!("{head}username-file = {username:?}\npassword-file = {password:?}\n"), vec![]),
        (
            "systemd",
            format!("{head}username = \"{USER}\"\npassword-credential = \"password\"\n"),
            vec![("CREDENTIALS_DIRECTORY", directory)],
        ),
        (
            "environment",
            format!("{head}username = \"{USER}\"\npassword-env = \"MIRROR_PASSWORD\"\n"),
            vec![("MIRROR_PASSWORD", PASSWORD.to_owned())],
        ),
    ]
}

fn foreign(setup: &Setup, host: &str) -> Vec<Kind> {
    let registries = setup.file(
        "registries.yaml",
        &format!("configs:\n  \"{host}\":\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n"),
    );
    let shim = setup.file("shim.yaml", &format!("address: http://{host}\nauth: {USER}:{PASSWORD}\n"));
    let auths = setup.file(
        "auths.json",
        &format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"cm9ib3Q6c2VzYW1lLW9mLXJvYm90\"}}}}}}"),
    );
    let helper = setup.file("helper.json", "{\"credsStore\": \"test\"}");
    setup.script(
        "docker-credential-test",
        &format!(
            "read server; [ \"$1 $server\" = \"get {host}\" ] || exit 9\n\
             echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
        ),
    );
    let directory = setup.dir();
    vec![
        ("registries.yaml", format!("[[policy.source]]\nregistries-yaml = {registries:?}\n"), vec![]),
        ("image-cri-shim", format!("[[policy.source]]\nimage-cri-shim = {shim:?}\n"), vec![]),
        ("auths", format!("[[credentials]]\ndocker-config = {auths:?}\n"), vec![]),
        (
            "helper",
            format!("[[credentials]]\ndocker-config = {helper:?}\nhelper-dir = {directory:?}\n"),
            vec![],
        ),
        ("plugin", plugin(setup), vec![]),
    ]
}

fn plugin(setup: &Setup) -> String {
    let config = setup.file(
        "providers.yaml",
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
         matchImages: [\"PLACE\"]\n  defaultCacheDuration: 1h\n  \
         apiVersion: credentialprovider.kubelet.k8s.io/v1\n  args: [\"--one\"]\n  \
         env: [{name: PROVIDER_KEY, value: hush-in-the-provider}]\n",
    );
    let directory = setup.dir();
    format!(
        "[[credentials]]\nimage-credential-provider-config = {config:?}\n\
         image-credential-provider-bin-dir = {directory:?}\n"
    )
}

/// The plugin for `host`; it notes each run.
fn write_plugin(setup: &Setup, host: &str) {
    let config = setup.dir().join("providers.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace("PLACE", host);
    std::fs::write(&config, text).unwrap();
    setup.script(
        "plugin",
        &format!(
            "echo run >> {}/runs\nread request\n\
             case \"$request $1 $PROVIDER_KEY\" in *CredentialProviderRequest*--one\\ hush-in-the-provider) ;; *) exit 8 ;; esac\n\
             echo '{{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
             \"cacheKeyType\":\"Registry\",\"auth\":{{\"{host}\":{{\"username\":\"{USER}\",\"password\":\"{PASSWORD}\"}}}}}}'",
            setup.dir().display()
        ),
    );
}

async fn each_kind_of_source_opens_a_private_mirror(version: Version) {
    let Some(setup) = setup(version, "kinds") else { return };
    let mirror = guarded(&setup);
    let host = mirror.host();
    let kinds = [native(&setup, host), foreign(&setup, host)].concat();
    write_plugin(&setup, host);
    let mut last = None;
    for (kind, config, environment) in kinds {
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let shunt = setup.shunt(&[host], &config, &environment);
        // Twice: a plugin's answer lasts, and everything else is read anew.
        for _ in 0..2 {
            let pulled = setup.pull(&shunt, None).await;
            assert_eq!(
                pulled.unwrap_or_else(|status| panic!("{kind}: {status}\n{}", shunt.stderr())),
                setup.image.id()
            );
        }
        // What asks in place of containerd logs in by the same source.
        let name = format!("quay.io/{}:1", setup.path);
        let output = shunt.run("explain", &["--live", &name]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(&setup.image.digest()), "{kind}: {output:?}");
        if let Some(shunt) = last.replace(shunt) {
            setup.heard(&shunt);
        }
    }
    // Once for the two pulls, once for `explain --live`.
    assert_eq!(std::fs::read_to_string(setup.dir().join("runs")).unwrap(), "run\nrun\n");
    setup.end(last.unwrap()).await;
}

async fn an_identity_token_is_changed_for_an_access_token(version: Version) {
    let Some(setup) = setup(version, "identity") else { return };
    let mirror = Fake::in_front_of(setup.registry.host());
    mirror.on("/v2/", Behaviour::Identity("hush-identity"));
    let token = setup.file("token", "hush-identity");
    let config =
        format!("[[credentials]]\nregistry = \"{}\"\nidentity-token-file = {token:?}\n", mirror.host());
    let shunt = setup.shunt(&[&mirror.host()], &config, &[]);
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id(), "{}", shunt.stderr());
    assert!(mirror.authorizations().contains(&mirror.bearer()));
    setup.end(shunt).await;
}

/// However a mirror spells its port, its login is found, and bound to the spelling that containerd asks.
async fn a_login_is_for_every_spelling_of_its_registry(version: Version) {
    let Some(setup) = setup(version, "spelling") else { return };
    let mirror = Fake::in_front_of(setup.registry.host());
    mirror.on("/v2/", LOGIN);
    let spelled = mirror.host().replacen(':', ":0", 1);
    let login = setup.login(&mirror);
    let config = format!("[[transport]]\nregistry = \"{spelled}\"\nplain-http = true\n{login}");
    let shunt = setup.shunt(&[&spelled], &config, &[]);
    let pulled = setup.pull(&shunt, None).await;
    assert_eq!(pulled.unwrap_or_else(|status| panic!("{status}\n{}", shunt.stderr())), setup.image.id());
    setup.end(shunt).await;
}

on_each_containerd!(
    a_login_is_for_every_spelling_of_its_registry,
    each_kind_of_source_opens_a_private_mirror,
    an_identity_token_is_changed_for_an_access_token
);
