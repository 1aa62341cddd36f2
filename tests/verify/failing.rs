//! What happens while a pull is under way, and while registries are away.

use std::sync::Arc;

use crate::signed::asked;
use crate::support::cosign::Cosign;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::version::Version;
use crate::support::wait_for;
use crate::{config, image, on_each_containerd, setup, unsigned, world};

on_each_containerd!(
    a_tag_that_moves_after_the_check_changes_nothing,
    pulls_of_one_image_verify_it_once_and_then_not_again,
    what_was_found_counts_while_the_signatures_are_away,
    a_mirror_without_signatures_takes_nothing_back_while_another_is_away,
    a_registry_that_answers_too_much_has_no_good_signature,
    an_index_whose_manifests_are_not_told_is_not_known_to_be_unsigned,
);

async fn a_tag_that_moves_after_the_check_changes_nothing(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    // What is asked for last, before containerd is.
    let signature = signature_of("held");
    front.on(&signature, Behaviour::Held);
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let cri = setup.cri.clone();
    let pull = tokio::spawn(async move { cri.pull("verify/held:1").await });
    assert!(wait_for(async || asked(&front) > 0).await, "{:?}", front.records());
    // Now the tag leads to what nobody has signed, for whoever asks.
    front.on(
        "/v2/verify/held/manifests/1",
        Behaviour::Index(Arc::new(Image::index(image("moved")).manifest())),
    );
    front.on(&signature, Behaviour::Forward);
    assert_eq!(pull.await.unwrap().unwrap(), image("held").id());
    let by_tag = |path: &str| path.contains("/manifests/1");
    let by_containerd =
        |agent: &Option<String>| agent.as_ref().is_some_and(|agent| agent.starts_with("containerd/"));
    let records = front.records();
    assert!(
        !records.iter().any(|record| by_containerd(&record.user_agent) && by_tag(&record.path)),
        "{records:?}"
    );
    setup.cri.remove(&image("held").id()).await.unwrap();
}

async fn pulls_of_one_image_verify_it_once_and_then_not_again(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let signature = signature_of("counted");
    front.on(&signature, Behaviour::Held);
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let pulls: Vec<_> = (0..5)
        .map(|_| {
            let cri = setup.cri.clone();
            tokio::spawn(async move { cri.pull("verify/counted:1").await })
        })
        .collect();
    let heads = || front.records().iter().filter(|record| record.path.contains("/manifests/1")).count();
    assert!(wait_for(async || heads() >= 5 && asked(&front) > 0).await, "{:?}", front.records());
    front.on(&signature, Behaviour::Forward);
    for pull in pulls {
        assert_eq!(pull.await.unwrap().unwrap(), image("counted").id());
    }
    assert_eq!(asked(&front), 1);
    setup.cri.remove(&image("counted").id()).await.unwrap();
    // Nor after a restart.
    setup.shunt.until("it is kept", || setup.shunt.state_dir().join("verified.json").exists());
    setup.shunt.restart();
    let cri = Cri::connect(&setup.shunt.socket()).await;
    assert_eq!(cri.pull("verify/counted:1").await.unwrap(), image("counted").id());
    assert_eq!(asked(&front), 1);
    cri.remove(&image("counted").id()).await.unwrap();
}

async fn what_was_found_counts_while_the_signatures_are_away(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let from = format!("signatures-from = [\"{}/verify/away\"]", front.host());
    world.registry.push("bare/verify/away", "1", &image("away"));
    let away = "/v2/verify/away/";
    front.on(away, Behaviour::Status(503));
    let Some(setup) = setup(version, &config(&from, &["HOST/bare"])).await else { return };
    let text = unsigned(&setup.cri.pull("verify/away:1").await.unwrap_err(), "verify/away:1");
    assert!(text.contains("is signed as \"prod\" demands is not known"), "{text}");
    assert!(text.contains(&front.host()) && text.contains("503"), "{text}");
    front.on(away, Behaviour::Forward);
    // It is not left alone any more.
    setup.shunt.restart();
    let cri = Cri::connect(&setup.shunt.socket()).await;
    assert_eq!(cri.pull("verify/away:1").await.unwrap(), image("away").id());
    cri.remove(&image("away").id()).await.unwrap();
    front.on(away, Behaviour::Status(503));
    assert_eq!(cri.pull("verify/away:1").await.unwrap(), image("away").id());
    cri.remove(&image("away").id()).await.unwrap();
}

async fn a_mirror_without_signatures_takes_nothing_back_while_another_is_away(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let cached = config("when-away = \"cached\"\naway-max-age = \"48h\"", &["HOST/bare", &front.host()]);
    let Some(setup) = setup(version, &cached).await else { return };
    assert_eq!(setup.cri.pull("verify/stale:1").await.unwrap(), image("stale").id());
    setup.cri.remove(&image("stale").id()).await.unwrap();
    let kept = setup.shunt.state_dir().join("verified.json");
    let seals = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&kept).unwrap()).unwrap();
    setup.shunt.until("it is kept", || kept.exists());
    let found = seals();
    let time = found["seals"][0][1]["time"].as_u64().unwrap();
    // As if it had been found so long ago.
    let aged = async |hours: u64| {
        let mut older = found.clone();
        older["seals"][0][1]["time"] = (time - hours * 3600).into();
        setup.shunt.stop();
        std::fs::write(&kept, older.to_string()).unwrap();
        setup.shunt.start_again();
        Cri::connect(&setup.shunt.socket()).await
    };
    let answer = |status| {
        front.on("/v2/verify/stale/referrers/", Behaviour::Status(status));
        front.on(&signature_of("stale"), Behaviour::Status(status));
    };
    answer(500);
    // Past its age it does not count, and is not forgotten either.
    let cri = aged(49).await;
    let text = unsigned(&cri.pull("verify/stale:1").await.unwrap_err(), "verify/stale:1");
    assert!(text.contains("is signed as \"prod\" demands is not known"), "{text}");
    assert_eq!(seals()["seals"][0][1]["time"], time - 49 * 3600);
    // It is asked for again, and counts as nobody can say it.
    let cri = aged(25).await;
    assert_eq!(cri.pull("verify/stale:1").await.unwrap(), image("stale").id(), "{}", setup.shunt.stderr());
    cri.remove(&image("stale").id()).await.unwrap();
    // Now both say that it is not signed.
    answer(404);
    let text = unsigned(&cri.pull("verify/stale:1").await.unwrap_err(), "verify/stale:1");
    assert!(text.contains("is not signed as \"prod\" demands"), "{text}");
    setup.shunt.until("it is forgotten", || seals()["seals"] == serde_json::json!([]));
}

async fn a_registry_that_answers_too_much_has_no_good_signature(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let index = Image::index(image("held")).wide_index(10_000, "amd64");
    front.on("/v2/verify/held/referrers/", Behaviour::Index(Arc::new(index)));
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let text = unsigned(&setup.cri.pull("verify/held:1").await.unwrap_err(), "verify/held:1");
    assert!(text.contains("is signed as \"prod\" demands is not known"), "{text}");
    assert!(text.contains("the list of referrers: it has more than 1000 entries"), "{text}");
    let agents: Vec<_> = front.records().into_iter().filter_map(|record| record.user_agent).collect();
    assert!(!agents.iter().any(|agent| agent.starts_with("containerd/")), "{agents:?}");
}

async fn an_index_whose_manifests_are_not_told_is_not_known_to_be_unsigned(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let Some(setup) = setup(version, &config("", &[&front.host()])).await else { return };
    let index = Image::index(image("child")).digest();
    let child = image("child").digest();
    // What is asked of the index itself is answered: nobody has signed it. Its manifest is signed.
    for path in [
        format!("/v2/verify/child/manifests/{index}"),
        format!("/v2/verify/child/referrers/{child}"),
        signature_of("child"),
    ] {
        front.on(&path, Behaviour::Status(500));
        let text = unsigned(&setup.cri.pull("verify/child:1").await.unwrap_err(), "verify/child:1");
        let why = format!("{} answers 500", front.host());
        assert!(text.contains("is signed as \"prod\" demands is not known"), "{path}: {text}");
        assert!(text.contains(&why), "{path}: {text}");
        front.on(&path, Behaviour::Forward);
    }
    assert_eq!(setup.cri.pull("verify/child:1").await.unwrap(), image("child").id());
    setup.cri.remove(&image("child").id()).await.unwrap();
}

/// The path of the manifest of an image's signatures.
pub fn signature_of(name: &str) -> String {
    format!("/v2/verify/{name}/manifests/{}", Cosign::V2_5.tag(&image(name).digest()))
}
