//! One real registry with `htpasswd`, and a login for it from each kind of source.

use crate::ground::{Ground, ground};
use crate::on_each_containerd;
use crate::support::fake::{Behaviour, Fake};
use crate::support::guarded::{Guard, Guarded, PASSWORD, USER};
use crate::support::version::Version;

fn guarded(ground: &Ground) -> Guarded {
    Guard::default().htpasswd(ground.dir()).start(ground.registry)
}

/// A configuration and an environment with the login in it.
type Kind = (&'static str, String, Vec<(&'static str, String)>);

fn native(ground: &Ground, host: &str) -> Vec<Kind> {
    let password = ground.file("password", &format!("{PASSWORD}\n"));
    let username = ground.file("username", &format!("{USER}\n"));
    let head = format!("[[credentials]]\nregistry = \"{host}\"\n");
    let directory = ground.dir().to_str().unwrap().to_owned();
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

fn foreign(ground: &Ground, host: &str) -> Vec<Kind> {
    let registries = ground.file(
        "registries.yaml",
        &format!("configs:\n  \"{host}\":\n    auth:\n      username: {USER}\n      password: {PASSWORD}\n"),
    );
    let shim = ground.file("shim.yaml", &format!("address: http://{host}\nauth: {USER}:{PASSWORD}\n"));
    let auths = ground.file(
        "auths.json",
        &format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"cm9ib3Q6c2VzYW1lLW9mLXJvYm90\"}}}}}}"),
    );
    let helper = ground.file("helper.json", "{\"credsStore\": \"test\"}");
    ground.script(
        "docker-credential-test",
        &format!(
            "read server; [ \"$1 $server\" = \"get {host}\" ] || exit 9\n\
             echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
        ),
    );
    let directory = ground.dir();
    vec![
        ("registries.yaml", format!("[[policy.source]]\nregistries-yaml = {registries:?}\n"), vec![]),
        ("image-cri-shim", format!("[[policy.source]]\nimage-cri-shim = {shim:?}\n"), vec![]),
        ("auths", format!("[[credentials]]\ndocker-config = {auths:?}\n"), vec![]),
        (
            "helper",
            format!("[[credentials]]\ndocker-config = {helper:?}\nhelper-dir = {directory:?}\n"),
            vec![],
        ),
        ("plugin", plugin(ground), vec![]),
    ]
}

fn plugin(ground: &Ground) -> String {
    let config = ground.file(
        "providers.yaml",
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
         matchImages: [\"PLACE\"]\n  defaultCacheDuration: 1h\n  \
         apiVersion: credentialprovider.kubelet.k8s.io/v1\n  args: [\"--one\"]\n  \
         env: [{name: PROVIDER_KEY, value: hush-in-the-provider}]\n",
    );
    let directory = ground.dir();
    format!(
        "[[credentials]]\nimage-credential-provider-config = {config:?}\n\
         image-credential-provider-bin-dir = {directory:?}\n"
    )
}

/// The plugin for `host`; it notes each run.
fn write_plugin(ground: &Ground, host: &str) {
    let config = ground.dir().join("providers.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace("PLACE", host);
    std::fs::write(&config, text).unwrap();
    ground.script(
        "plugin",
        &format!(
            "echo run >> {}/runs\nread request\n\
             case \"$request $1 $PROVIDER_KEY\" in *CredentialProviderRequest*--one\\ hush-in-the-provider) ;; *) exit 8 ;; esac\n\
             echo '{{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\
             \"cacheKeyType\":\"Registry\",\"auth\":{{\"{host}\":{{\"username\":\"{USER}\",\"password\":\"{PASSWORD}\"}}}}}}'",
            ground.dir().display()
        ),
    );
}

async fn each_kind_of_source_opens_a_private_mirror(version: Version) {
    let Some(ground) = ground(version, "kinds") else { return };
    let mirror = guarded(&ground);
    let host = mirror.host();
    let kinds = [native(&ground, host), foreign(&ground, host)].concat();
    write_plugin(&ground, host);
    let mut last = None;
    for (kind, config, environment) in kinds {
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let shunt = ground.shunt(&[host], &config, &environment);
        // Twice: a plugin's answer lasts, and everything else is read anew.
        for _ in 0..2 {
            let pulled = ground.pull(&shunt, None).await;
            assert_eq!(
                pulled.unwrap_or_else(|status| panic!("{kind}: {status}\n{}", shunt.stderr())),
                ground.image.id()
            );
        }
        // What asks in place of containerd logs in by the same source.
        let name = format!("quay.io/{}:1", ground.path);
        let output = shunt.run("explain", &["--live", &name]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(&ground.image.digest()), "{kind}: {output:?}");
        if let Some(shunt) = last.replace(shunt) {
            ground.heard(&shunt);
        }
    }
    // Once for the two pulls, once for `explain --live`.
    assert_eq!(std::fs::read_to_string(ground.dir().join("runs")).unwrap(), "run\nrun\n");
    ground.end(last.unwrap()).await;
}

async fn an_identity_token_is_changed_for_an_access_token(version: Version) {
    let Some(ground) = ground(version, "identity") else { return };
    let mirror = Fake::in_front_of(ground.registry.host());
    mirror.on("/v2/", Behaviour::Identity("hush-identity"));
    let token = ground.file("token", "hush-identity");
    let config =
        format!("[[credentials]]\nregistry = \"{}\"\nidentity-token-file = {token:?}\n", mirror.host());
    let shunt = ground.shunt(&[&mirror.host()], &config, &[]);
    assert_eq!(ground.pull(&shunt, None).await.unwrap(), ground.image.id(), "{}", shunt.stderr());
    assert!(mirror.authorizations().contains(&mirror.bearer()));
    ground.end(shunt).await;
}

/// However a mirror spells its port, its login is found, and bound to the spelling that containerd asks.
async fn a_login_is_for_every_spelling_of_its_registry(version: Version) {
    let Some(ground) = ground(version, "spelling") else { return };
    let mirror = Fake::in_front_of(ground.registry.host());
    mirror.on("/v2/", Behaviour::Basic("mirror-a", "hush-mirror-a"));
    let file = ground.file("mirror-a", "hush-mirror-a");
    let spelled = mirror.host().replacen(':', ":0", 1);
    let config = format!(
        "[[transport]]\nregistry = \"{spelled}\"\nplain-http = true\n[[credentials]]\nregistry = \"{}\"\n\
         username = \"mirror-a\"\npassword-file = {file:?}\n",
        mirror.host()
    );
    let shunt = ground.shunt(&[&spelled], &config, &[]);
    let pulled = ground.pull(&shunt, None).await;
    assert_eq!(pulled.unwrap_or_else(|status| panic!("{status}\n{}", shunt.stderr())), ground.image.id());
    ground.end(shunt).await;
}

on_each_containerd!(
    a_login_is_for_every_spelling_of_its_registry,
    each_kind_of_source_opens_a_private_mirror,
    an_identity_token_is_changed_for_an_access_token
);
