//! Identities: who is asked for is accepted, and a certificate has to be valid when its log took the signature.
//!
//! `tests/signature/keyless.rs` has all that may be wrong with one.

use crate::support::sigstore::{NOW, Services, Wish};
use crate::support::version::Version;
use crate::{image, on_each_containerd, setup, unsigned, world};

on_each_containerd!(an_identity_is_pulled_by_and_others_and_bad_times_are_not);

const ISSUER: &str = "https://issuer.example";
const SUBJECT: &str = "https://git.example/team/a/build.yaml@refs/heads/main";

async fn an_identity_is_pulled_by_and_others_and_bad_times_are_not(version: Version) {
    let Some(world) = world() else { return };
    let services = Services::new();
    let wish = Wish::of(ISSUER, SUBJECT);
    let other = Wish { subject: "https://git.example/team/b/build.yaml@refs/heads/main", ..wish.clone() };
    let expired = Wish { years: (2001, 2002), time: NOW, ..wish.clone() };
    let early = Wish { years: (2080, 2090), ..wish.clone() };
    // Each containerd's own, as the services are.
    let line = version.line().replace('.', "-");
    let repository = |name: &str| format!("keyless-{name}-{line}");
    for (name, wish) in [("good", &wish), ("other", &other), ("expired", &expired), ("early", &early)] {
        let repository = repository(name);
        let path = format!("verify/{repository}");
        let digest = world.registry.push(&path, "1", &image(&repository));
        let identity = format!("docker.io/{path}");
        services.simple(world.registry, (&path, &identity), &digest, wish);
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("trusted_root.json");
    std::fs::write(&root, services.trusted_root()).unwrap();
    let config = crate::config("", &["HOST"]).replace(
        "keys = [\"KEY\"]",
        &format!(
            "identities = [{{ issuer = \"{ISSUER}\", subject = \"{SUBJECT}\" }}]\ntrusted-root = {root:?}"
        ),
    );
    let Some(setup) = setup(version, &config).await else { return };
    let good = repository("good");
    assert_eq!(setup.cri.pull(&format!("verify/{good}:1")).await.unwrap(), image(&good).id());
    let verified = setup.shunt.run("verify", &["--format", "json", &format!("docker.io/verify/{good}:1")]);
    let verified: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(verified["verified"][0]["by"][0], format!("{SUBJECT} ({ISSUER})"));
    for (name, said) in [
        ("other", "who is not asked for"),
        ("expired", "it does not hold: "),
        ("early", "it does not hold: "),
    ] {
        let name = format!("verify/{}:1", repository(name));
        let text = unsigned(&setup.cri.pull(&name).await.unwrap_err(), &name);
        assert!(text.contains("is not signed as \"prod\" demands") && text.contains(said), "{text}");
    }
    setup.cri.remove(&image(&good).id()).await.unwrap();
}
