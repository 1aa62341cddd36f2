//! What the shunt asks of registries, and what pulls bring: the numbers are those that the registries saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::refusing::Refusing;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::{listener, numbers, on_each_containerd};

on_each_containerd!(requests_are_those_that_registries_saw, bytes_of_images_that_are_new_are_counted);

/// The requests to `host` by status, but for those without an answer.
fn answered(socket: &Path, host: &str) -> BTreeMap<String, f64> {
    let prefix = format!("cri_shunt_registry_requests_total{{registry=\"{host}\",status=\"");
    let of_host = numbers(socket).into_iter().filter_map(|(name, value)| {
        Some((name.strip_prefix(&prefix)?.strip_suffix("\"}")?.to_owned(), value))
    });
    of_host.filter(|(status, _)| status != "none").collect()
}

async fn requests_are_those_that_registries_saw(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("seen-{}", version.line().replace('.', "-"));
    registry.push(&path, "1", &Image::busybox(&path));
    let fakes = [0; 4].map(|_| Fake::in_front_of(registry.host()));
    let [absent, broken, limited, guarded] = &fakes;
    absent.on("/v2/", Behaviour::Status(404));
    broken.on("/v2/", Behaviour::Status(500));
    limited.on("/v2/", Behaviour::Status(429));
    guarded.on("/v2/", Behaviour::Bearer("", ""));
    let refusing = Refusing::start();
    let gone = refusing.host();
    let hosts: Vec<String> = fakes.iter().map(Fake::host).collect();
    let mirrors: Vec<&str> = std::iter::once(&gone).chain(&hosts).map(String::as_str).collect();
    let (_dir, socket, table) = listener();
    let shunt = Shunt::start(&(table + &rule("quay.io", &mirrors) + "collapse = true\n"), containerd);
    Cri::connect(&shunt.socket()).await.pull(&format!("quay.io/{path}:1")).await.unwrap();

    for (fake, statuses) in [(absent, "404"), (broken, "5xx"), (limited, "429"), (guarded, "2xx 401")] {
        let records = fake.records();
        let own = records.iter().filter(|record| {
            !record.user_agent.as_deref().is_some_and(|agent| agent.starts_with("containerd/"))
        });
        let own = own.count() as f64;
        let counted = answered(&socket, &fake.host());
        assert_eq!(counted.keys().cloned().collect::<Vec<_>>().join(" "), statuses);
        assert_eq!(counted.values().sum::<f64>(), own, "{counted:?} {records:?}");
        let first = format!("cri_shunt_registry_first_byte_seconds_count{{registry=\"{}\"}}", fake.host());
        assert_eq!(numbers(&socket)[&first], own);
    }
    let none = format!("cri_shunt_registry_requests_total{{registry=\"{gone}\",status=\"none\"}}");
    assert!(numbers(&socket)[&none] >= 1.0);
}

/// The bytes of the layers.
fn size(image: &Image) -> f64 {
    let manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["size"].as_f64().unwrap()).sum()
}

async fn bytes_of_images_that_are_new_are_counted(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = |what: &str| format!("bytes-{}/{what}", version.line().replace('.', "-"));
    let (one, two, four) =
        (Image::busybox(&path("one")), Image::big(&path("two"), 1), Image::big(&path("four"), 1));
    registry.push(&path("one"), "1", &one);
    registry.push(&path("two"), "1", &two);
    registry.push(&path("four"), "1", &four);
    // The same bytes by another name.
    registry.push(&path("three"), "1", &two);
    let (_dir, socket, table) = listener();
    let mirror = registry.host();
    let rules = rule("quay.io", &[mirror]) + "collapse = true\n" + &rule("ghcr.io", &[mirror]);
    let shunt = Shunt::start(&(table + &rules + "collapse = true\n"), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let origin = async |what: &str| cri.pull(&registry.name(&path(what), "1")).await.unwrap();
    let bytes = |registry: &str| {
        let name = format!("cri_shunt_pulled_bytes_total{{registry=\"{registry}\"}}");
        numbers(&socket).get(&name).copied().unwrap_or_default()
    };
    let shows = |registry: &str, expected: f64| {
        shunt.until("the bytes are counted", || bytes(registry) == expected);
    };

    cri.pull(&format!("quay.io/{}:1", path("one"))).await.unwrap();
    shows(mirror, size(&one));
    // It is on the node by now, whatever it is called.
    cri.pull(&format!("quay.io/{}:1", path("one"))).await.unwrap();
    cri.pull(&format!("ghcr.io/{}:1", path("one"))).await.unwrap();
    origin("one").await;
    origin("two").await;
    shows("origin", size(&two));
    cri.pull(&format!("quay.io/{}:1", path("three"))).await.unwrap();
    cri.pull(&format!("quay.io/{}:1", path("four"))).await.unwrap();
    shows(mirror, size(&one) + size(&four));
    assert_eq!(bytes("origin"), size(&two));
}

/// Whatever is asked for at mirrors, the numbers are those of the mirrors.
#[tokio::test]
async fn many_registries_do_not_grow_the_numbers() {
    let Some(containerd) = Containerd::shared(Version::V1_7) else { return };
    let fake = Fake::start();
    let (_dir, socket, table) = listener();
    // The host that is asked for is a part of the mirror's path.
    let mirror = format!("{}/{{host}}", fake.host());
    let shunt =
        Shunt::start(&format!("[log]\nlevel = \"warn\"\n{table}{}", rule("*", &[&mirror])), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let pull = async |name: String| drop(cri.pull(&name).await.unwrap_err());
    pull("host.dev/a:1".to_owned()).await;
    let names = || {
        let all = numbers(&socket).into_keys();
        all.filter(|name| name.contains("registry=")).collect::<BTreeSet<String>>()
    };
    let before = names();
    assert!(before.iter().any(|name| name.contains("registry_requests")), "{before:?}");
    for at in 0..300 {
        pull(format!("host-{at}.dev/team-{at}/app:{at}")).await;
    }
    assert_eq!(names(), before);
    assert!(fake.records().len() >= 301);
}
