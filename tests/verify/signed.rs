//! What is signed as it has to be is pulled; all else is refused before containerd is asked.

use crate::support::fake::Fake;
use crate::support::image::Image;
use crate::support::version::Version;
use crate::{Setup, config, image, on_each_containerd, setup};

on_each_containerd!(
    what_is_signed_is_pulled_and_nothing_else,
    a_mirror_without_signatures_needs_another_place_that_has_them,
    the_next_mirror_may_have_what_is_signed,
    a_bundle_says_no_name_and_counts_only_where_that_is_accepted,
    the_registry_of_the_name_itself_is_verified_as_well,
);

/// What `inspecti` shows of who has signed.
async fn verified(setup: &Setup<'_>, name: &str) -> String {
    let verbose = setup.cri.status_verbose(name, true).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    info["verified"].as_str().unwrap_or_default().replace(setup.world.registry.host(), "HOST")
}

async fn what_is_signed_is_pulled_and_nothing_else(version: Version) {
    let Some(setup) = setup(version, &config("", &["HOST"])).await else { return };
    for (name, said) in [
        ("unsigned", "(looked at HOST/verify/unsigned): it has no signature"),
        ("other-key", "it is by none of the keys that are asked for"),
        (
            "replayed",
            "it is for the name docker.io/verify/app, which does not stand for docker.io/verify/replayed:1 here",
        ),
        ("digest", "it is for another image (sha256:"),
        ("bare-index", "it has no signature"),
    ] {
        let text = setup.refused(&format!("verify/{name}:1")).await;
        assert!(text.starts_with("the mirror of rule \"docker.io/verify\" ("), "{text}");
        assert!(text.contains("is not signed as \"prod\" demands"), "{text}");
        assert!(text.contains(said), "{said}: {text}");
    }
    for name in ["app", "child", "index"] {
        let full = format!("verify/{name}:1");
        assert_eq!(setup.cri.pull(&full).await.unwrap(), image(name).id(), "{name}");
        let by = verified(&setup, &full).await;
        assert!(by.starts_with("prod: key ") && by.ends_with(&format!(", at HOST/verify/{name}")), "{by}");
    }
    // By its digest it is the same image.
    let digest = Image::index(image("index")).digest();
    setup.cri.pull(&format!("docker.io/verify/index@{digest}")).await.unwrap();
    // A child that has no signature of its own is none of a signed index.
    let child =
        setup.cri.pull(&format!("docker.io/verify/index@{}", image("index").digest())).await.unwrap_err();
    assert!(child.message().starts_with("SignatureValidationFailed: "), "{child}");
    for name in ["app", "child", "index"] {
        setup.cri.remove(&image(name).id()).await.unwrap();
    }
}

async fn a_mirror_without_signatures_needs_another_place_that_has_them(version: Version) {
    let Some(without) = setup(version, &config("", &["HOST/bare"])).await else { return };
    let text = without.refused("verify/without:1").await;
    assert!(text.contains("(looked at HOST/bare/verify/without): it has no signature"), "{text}");
    drop(without);
    let config = config("signatures-from = [\"HOST/verify/without\"]", &["HOST/bare"]);
    let setup = setup(version, &config).await.unwrap();
    assert_eq!(setup.cri.pull("verify/without:1").await.unwrap(), image("without").id());
    assert!(verified(&setup, "verify/without:1").await.ends_with(", at HOST/verify/without"));
    setup.cri.remove(&image("without").id()).await.unwrap();
}

async fn the_next_mirror_may_have_what_is_signed(version: Version) {
    let Some(setup) = setup(version, &config("", &["HOST/wrong", "HOST"])).await else { return };
    assert_eq!(setup.cri.pull("verify/next:1").await.unwrap(), image("next").id());
    let verbose = setup.cri.status_verbose("verify/next:1", true).await.unwrap();
    let info: serde_json::Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    assert_eq!(info["tried"], format!("{} signature", setup.world.registry.host()));
    setup.cri.remove(&image("next").id()).await.unwrap();
}

async fn the_registry_of_the_name_itself_is_verified_as_well(version: Version) {
    // Once by a rule that leaves the name alone, and once as the last resort of one with mirrors.
    let own = "[[policy.rule]]\nprefix = \"HOST/verify\"\nverify = \"prod\"\n";
    for rule in ["pass = true\n", "mirrors = [\"127.0.0.1:1\"]\norigin = \"last\"\n"] {
        let config = format!("{}{own}{rule}", config("", &["HOST"]));
        let Some(setup) = setup(version, &config).await else { return };
        let host = setup.world.registry.host();
        let name = format!("{host}/verify/own:1");
        assert_eq!(setup.cri.pull(&name).await.unwrap(), image("own").id(), "{rule}");
        assert!(verified(&setup, &name).await.starts_with("prod: key "));
        let digest = image("own").digest();
        let expected = [format!("{host}/verify/own:1"), format!("{host}/verify/own@{digest}")];
        assert_eq!(setup.native.names_with("/verify/own").await, expected);
        let status = setup.cri.pull(&format!("{host}/verify/unsigned:1")).await.unwrap_err();
        assert!(status.message().starts_with("SignatureValidationFailed: "), "{status}");
        setup.cri.remove(&image("own").id()).await.unwrap();
        // By its digest alone it stays as well.
        let by_digest = format!("{host}/verify/own@{digest}");
        setup.cri.pull(&by_digest).await.unwrap();
        assert_eq!(setup.native.names_with("/verify/own").await, [by_digest]);
        setup.cri.remove(&image("own").id()).await.unwrap();
    }
}

async fn a_bundle_says_no_name_and_counts_only_where_that_is_accepted(version: Version) {
    let config = |more: &str| config(more, &["HOST"]).replace("KEY", "BUNDLE");
    let Some(refusing) = setup(version, &config("")).await else { return };
    let text = refusing.refused("verify/bundle:1").await;
    assert!(text.contains("it says no name (bundles of cosign 3 have none)"), "{text}");
    drop(refusing);
    let setup = setup(version, &config("without-name = \"accept\"")).await.unwrap();
    assert_eq!(setup.cri.pull("verify/bundle:1").await.unwrap(), image("bundle").id());
    let by = verified(&setup, "verify/bundle:1").await;
    let report = setup.shunt.run("inspect", &["--format", "json", "verify/bundle:1"]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["verified"].as_str().unwrap().replace(setup.world.registry.host(), "HOST"), by);
    assert_eq!(report["today"]["verify"], serde_json::json!(["prod"]));
    let images = |more: &[&str]| {
        let images = setup.shunt.run("images", &[more, &["verify/bundle"]].concat());
        String::from_utf8(images.stdout).unwrap()
    };
    let shown = images(&["--verbose"]);
    assert!(shown.contains("VERIFIED") && shown.contains("prod: key "), "{shown}");
    let column = |shown: &str| {
        let last = shown.lines().map(|line| line.rsplit_once("  ").unwrap().1.to_owned());
        last.collect::<Vec<_>>()
    };
    assert_eq!(column(&images(&[])), ["VERIFIED", "yes"]);
    // Another demand has not been met, and where there is none, nothing is told of it.
    let text = std::fs::read_to_string(setup.shunt.config_file()).unwrap();
    setup.shunt.write(&text.replace("\"prod\"", "\"pro\""));
    assert_eq!(column(&images(&[])), ["VERIFIED", "no"]);
    setup.shunt.write_config("", setup.containerd);
    assert_eq!(column(&images(&[])), ["TODAY", "pass"]);
    assert!(images(&["--verbose"]).contains("prod: key "));
    setup.cri.remove(&image("bundle").id()).await.unwrap();
}

/// The requests for signatures that a front has seen.
pub fn asked(fake: &Fake) -> usize {
    fake.records().iter().filter(|record| record.path.contains(".sig")).count()
}
