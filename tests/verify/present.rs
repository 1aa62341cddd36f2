//! Images that are on the node already: what was not verified is hidden with `present = "hide"`, and it is no answer in an
//! outage, nor for another name.

use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::pod::{self, Pod};
use crate::support::version::Version;
use crate::{Setup, config, image, on_each_containerd, setup, world};

on_each_containerd!(
    an_image_that_came_otherwise_is_hidden_until_it_is_verified,
    only_what_was_verified_is_the_answer_in_an_outage,
    an_image_by_its_mirrors_name_gets_no_other_name_unverified,
);

/// The configuration without the demand: the rule alone.
fn undemanding(config: &str) -> String {
    config.replace("verify = \"prod\"\n", "")
}

async fn only_what_was_verified_is_the_answer_in_an_outage(version: Version) {
    let (Some(containerd), Some(world)) = (Containerd::shared(version), world()) else { return };
    let mirror = Fake::in_front_of(world.registry.host());
    let config = config("", &[&mirror.host()]) + "on-outage = \"present\"\n";
    let name = "verify/outage:1";
    // It is pulled while nobody demands anything.
    let Some(mut setup) = Setup::on(containerd, &undemanding(&config)).await else { return };
    setup.cri.pull(name).await.unwrap();
    for is_verified in [false, true] {
        setup.again(&config).await;
        if is_verified {
            setup.cri.pull(name).await.unwrap();
        }
        mirror.on("/v2/", Behaviour::Status(500));
        let answer = setup.cri.pull(name).await;
        assert_eq!(answer.is_ok(), is_verified, "{answer:?}\n{}", setup.shunt.stderr());
        mirror.on("/v2/", Behaviour::Forward);
    }
    setup.cri.remove(&image("outage").id()).await.unwrap();
}

async fn an_image_by_its_mirrors_name_gets_no_other_name_unverified(version: Version) {
    let config = config("", &["HOST"]);
    let Some(mut setup) = setup(version, &config).await else { return };
    let direct = Cri::connect(&setup.containerd.socket()).await;
    direct.pull(&format!("{}/verify/by-mirror:1", setup.world.registry.host())).await.unwrap();
    assert!(!setup.cri.has("verify/by-mirror:1").await);
    setup.again(&undemanding(&config)).await;
    assert!(setup.cri.has("verify/by-mirror:1").await, "it is found where nothing is demanded");
    direct.remove(&image("by-mirror").id()).await.unwrap();
}

async fn an_image_that_came_otherwise_is_hidden_until_it_is_verified(version: Version) {
    let (Some(containerd), Some(world)) = (Containerd::shared(version), world()) else { return };
    containerd.serve_pause(world.registry);
    let host = world.registry.host();
    // Past the shunt, as somebody has done it before.
    let direct = Cri::connect(&containerd.socket()).await;
    let (signed, unsigned) = (format!("{host}/verify/here:1"), format!("{host}/verify/unsigned-here:1"));
    for name in [&signed, &unsigned] {
        direct.pull(name).await.unwrap();
    }
    let rule = "[policy]\npresent = \"hide\"\n[[policy.rule]]\nprefix = \"HOST/verify\"\npass = true\nverify = \"prod\"\n";
    let setup = setup(
        version,
        &config("", &["HOST"]).replace("[[policy.rule]]\n", &format!("{rule}[[policy.rule]]\n")),
    )
    .await
    .unwrap();
    let cri = &setup.cri;
    for name in [&signed, &unsigned] {
        assert!(!cri.has(name).await, "{name}");
        assert!(direct.has(name).await, "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let sandbox =
        Pod::run(cri, &format!("verify-{}", version.line().replace('.', "-")), dir.path()).await.unwrap();
    for used in [signed.clone(), image("here").id()] {
        let status =
            sandbox.create(cri, pod::container("c", &used, &["/bin/sleep", "60"])).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
        assert!(status.message().contains("was not found signed as it has to be: pull it again"), "{status}");
    }
    // A file as an image would bring its base image past every rule.
    let file = pod::container("c", "./archive.tar", &["/bin/sleep", "60"]);
    let status = sandbox.create(cri, file).await.unwrap_err();
    assert!(status.message().contains("refused where images are denied or have to be signed"), "{status}");
    cri.pull(&unsigned).await.unwrap_err();
    assert!(!cri.has(&unsigned).await);
    cri.pull(&signed).await.unwrap();
    assert!(cri.has(&signed).await);
    sandbox.create(cri, pod::container("c", &image("here").id(), &["/bin/sleep", "60"])).await.unwrap();
    sandbox.remove(cri).await.unwrap();
    for name in ["here", "unsigned-here"] {
        direct.remove(&image(name).id()).await.unwrap();
    }
}
