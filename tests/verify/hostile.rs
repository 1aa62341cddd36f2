//! Mirrors that show what is signed, and have something else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::fake::{Behaviour, Fake};
use crate::support::image::{Image, architecture};
use crate::support::registry::Registry;
use crate::support::version::Version;
use crate::{Setup, config, image, on_each_containerd, setup};

on_each_containerd!(
    what_is_fetched_is_what_was_verified,
    what_is_fetched_is_what_is_locked,
    an_entry_for_this_machine_does_not_hide,
);

/// The same layer with other words, as a manifest of the first format, which containerd converts without a look at the
/// digest that it has asked for.
fn first_format(image: &Image) -> String {
    let words = json!({
        "id": "e".repeat(64), "created": "2026-01-01T00:00:00Z", "os": "linux", "architecture": architecture(),
        "config": {"Cmd": ["/bin/sleep", "3600"], "Labels": {"unique": "not verified"}},
    });
    let manifest = json!({
        "schemaVersion": 1, "name": "verify/swapped", "tag": "1", "architecture": architecture(),
        "fsLayers": [{"blobSum": image.last_layer()}], "history": [{"v1Compatibility": words.to_string()}],
    });
    let manifest = manifest.to_string();
    let (start, tail) = manifest.split_at(manifest.len() - 1);
    let protected =
        json!({"formatLength": start.len(), "formatTail": URL_SAFE_NO_PAD.encode(tail)}).to_string();
    let protected = URL_SAFE_NO_PAD.encode(protected);
    format!(r#"{start},"signatures":[{{"protected":"{protected}"}}]}}"#)
}

/// A front that shows the image to the shunt, and another in the first format to containerd.
fn swapping(repository: &str) -> Option<Fake> {
    let (registry, shown) = (Registry::shared()?, image(repository));
    registry.push(&format!("verify/{repository}"), "1", &shown);
    let fake = Fake::in_front_of(registry.host());
    let body = first_format(&shown);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.distribution.manifest.v1+prettyjws\r\nConnection: close\r\n\
         Content-Length: {}\r\nDocker-Content-Digest: {}\r\n\r\n{body}",
        body.len(),
        shown.digest(),
    );
    let manifests = format!("/v2/verify/{repository}/manifests/");
    fake.on(&manifests, Behaviour::ToContainerd(Box::new(Behaviour::Raw(answer))));
    Some(fake)
}

impl Setup<'_> {
    /// A pull fails, and leaves nothing.
    async fn swapped(&self, version: Version, (name, repository): (&str, &str), fake: &Fake) {
        let status = self.cri.pull(name).await.unwrap_err();
        let (text, digest) = (status.message(), image(repository).digest());
        match version {
            Version::V2_1 => assert!(text.contains("schema 1"), "{text}"),
            _ => assert!(text.contains(&format!("what {} sent is not {digest}", fake.host())), "{text}"),
        }
        let names = self.native.names_with(&format!("verify/{repository}")).await;
        assert_eq!(names, Vec::<String>::new());
    }
}

async fn what_is_fetched_is_what_was_verified(version: Version) {
    let Some(fake) = swapping("swapped") else { return };
    let Some(setup) = setup(version, &config("", &[&fake.host()])).await else { return };
    setup.swapped(version, ("verify/swapped:1", "swapped"), &fake).await;
}

async fn what_is_fetched_is_what_is_locked(version: Version) {
    let Some(fake) = swapping("held-fast") else { return };
    let name = format!("{}/verify/held-fast:1", fake.host());
    let dir = tempfile::tempdir().unwrap();
    let lock = dir.path().join("images.lock");
    let entry = format!("[[image]]\nname = \"{name}\"\ndigest = \"{}\"\n", image("held-fast").digest());
    std::fs::write(&lock, entry).unwrap();
    let host = fake.host();
    let rule = format!("[[policy.rule]]\nprefix = \"{host}\"\npass = true\nlocked = {lock:?}\n");
    let Some(setup) = setup(version, &rule).await else { return };
    setup.swapped(version, (&name, "held-fast"), &fake).await;
}

async fn an_entry_for_this_machine_does_not_hide(version: Version) {
    let Some(setup) = setup(version, &config("", &["HOST"])).await else { return };
    let [signed, other] = [image("child"), image("hidden")];
    let registry = setup.world.registry;
    registry.push("verify/child", "", &other);
    let mut index: Value = serde_json::from_slice(&Image::index(signed).manifest()).unwrap();
    let mut hidden: Value = serde_json::from_slice(&Image::index(other).manifest()).unwrap();
    let mut hidden = hidden["manifests"][1].take();
    // Go makes small letters of it and has `linux`.
    hidden["platform"]["os"] = json!("l\u{130}nux");
    let entries = index["manifests"].as_array_mut().unwrap();
    entries.remove(0);
    entries.insert(0, hidden);
    let index = serde_json::to_vec(&index).unwrap();
    registry.put_manifest("verify/child", "hidden", crate::support::image::INDEX, &index);
    let pulled = setup.cri.pull("verify/child:hidden").await;
    let status = pulled.unwrap_err();
    assert!(status.message().starts_with("SignatureValidationFailed: "), "{status}");
}
