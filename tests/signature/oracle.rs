//! policy.json, held against skopeo: what it accepts is what is accepted here.

use std::path::{Path, PathBuf};
use std::process::Command;

use cri_shunt::inside::policy::Name;
use cri_shunt::inside::signature::{PolicyJson, Requirement};
use serde_json::{Value, json};

use crate::support::cosign::{Cosign, KeyPair, Kind};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::sigstore::{Oddity, Services, Wish};
use crate::support::{skipped, testbed_dir};
use crate::{Stored, judged};

/// An image, and the name that it is asked for by.
struct Asked {
    stored: Stored,
    name: String,
}

/// Where a skopeo is that knows Sigstore; `None` (and a skipped test) where there is none.
fn program() -> Option<PathBuf> {
    let program = testbed_dir().join("skopeo-1.18/usr/bin/skopeo");
    if !program.exists() {
        skipped("no skopeo 1.18 here (tests/setup fetches it)");
        return None;
    }
    Some(program)
}

/// Whether skopeo copies it under this policy.
fn copies(skopeo: &Path, dir: &Path, policy: &Path, name: &str) -> bool {
    let mut command = Command::new(skopeo);
    command.current_dir(dir).env_clear().env("HOME", dir).env("PATH", "/usr/bin:/bin");
    command.arg("--policy").arg(policy).args([
        "--registries.d",
        "lookaside",
        "copy",
        "--remove-signatures",
        "--src-tls-verify=false",
    ]);
    let output = command.args([&format!("docker://{name}"), "dir:out"]).output().unwrap();
    output.status.success()
}

/// Whether it is accepted here.
async fn here(policy: &Value, asked: &Asked) -> bool {
    let read = |path: &str| std::fs::read(path).map_err(|error| error.to_string());
    let Ok(policy) = PolicyJson::read(policy.to_string().as_bytes(), &read) else { return false };
    let name: Name = asked.name.parse().unwrap();
    let Stored { registry, repository, digest } = &asked.stored;
    for requirement in policy.of(&name).1 {
        let holds = match requirement {
            Requirement::Accept => true,
            Requirement::Reject | Requirement::Unmet(_) => false,
            Requirement::Signed(demand) => {
                judged(registry.host(), repository, &name, digest, demand).await.is_ok()
            }
        };
        if !holds {
            return false;
        }
    }
    true
}

/// Requirements of each kind.
fn requirements(host: &str, key: &KeyPair, other: &KeyPair) -> Vec<Value> {
    use base64::Engine as _;
    let path = key.public_file();
    let data = |pair: &KeyPair| base64::engine::general_purpose::STANDARD.encode(pair.public());
    let signed =
        |identity: Value| json!([{"type": "sigstoreSigned", "keyPath": path, "signedIdentity": identity}]);
    let repository = format!("{host}/signature/oracle-exact");
    vec![
        json!([{"type": "insecureAcceptAnything"}]),
        json!([{"type": "reject"}]),
        json!([{"type": "sigstoreSigned", "keyPath": path}]),
        json!([{"type": "sigstoreSigned", "keyData": data(key)}]),
        json!([{"type": "sigstoreSigned", "keyPath": "/missing"}]),
        json!([{"type": "sigstoreSigned", "keyData": "AAAA"}]),
        json!([{"type": "sigstoreSigned", "keyData": data(other), "signedIdentity": {"type": "matchRepository"}}]),
        signed(json!({"type": "matchExact"})),
        signed(json!({"type": "matchRepoDigestOrExact"})),
        signed(json!({"type": "matchRepository"})),
        signed(json!({"type": "exactReference", "dockerReference": format!("{repository}:1")})),
        signed(json!({"type": "exactReference", "dockerReference": format!("{repository}:2")})),
        signed(json!({"type": "exactReference", "dockerReference": repository})),
        signed(json!({"type": "exactRepository", "dockerRepository": repository})),
        signed(json!({"type": "exactRepository", "dockerRepository": "%"})),
        signed(
            json!({"type": "remapIdentity", "prefix": format!("{host}/signature"), "signedPrefix": "other.example"}),
        ),
        signed(
            json!({"type": "remapIdentity", "prefix": format!("{host}/sig"), "signedPrefix": "other.example"}),
        ),
        signed(json!({"type": "remapIdentity", "prefix": host, "signedPrefix": ""})),
        json!([{"type": "insecureAcceptAnything"}, signed(json!({"type": "matchRepository"}))[0]]),
        json!([signed(json!({"type": "matchRepository"}))[0], {"type": "reject"}]),
        json!([{"type": "sigstoreSigned", "keyPath": path, "keyData": data(key)}]),
        json!([{"type": "sigstoreSigned", "keyPaths": [other.public_file(), path], "signedIdentity": {"type": "matchRepository"}}]),
        json!([{"type": "sigstoreSigned", "keyDatas": [data(other)], "signedIdentity": {"type": "matchRepository"}}]),
        json!([{"type": "sigstoreSigned", "keyPaths": []}]),
        json!([{"type": "sigstoreSigned"}]),
        json!([{"type": "sigstoreSigned", "keyPath": path, "more": 1}]),
        json!([{"type": "signedBy", "keyType": "GPGKeys", "keyPath": path}]),
        json!([]),
    ]
}

fn images(host: &str, key: &KeyPair) -> Option<Vec<Asked>> {
    let image = Image::busybox("oracle");
    let new = |repository: &str, digest: bool| {
        let stored = Stored::with(&format!("oracle-{repository}"), &image)?;
        let name = if digest { stored.whole() } else { stored.name().to_string() };
        Some(Asked { stored, name })
    };
    let exact = format!("{host}/signature/oracle-exact:1");
    let plain = new("plain", false)?;
    Cosign::V2_5.sign(key, &plain.stored.whole(), &[]);
    let [named, by_digest] = [new("exact", false)?, new("exact", true)?];
    Cosign::V2_5.sign(key, &named.stored.whole(), &["--sign-container-identity", &exact]);
    let elsewhere = new("elsewhere", false)?;
    let identity = "other.example/oracle-elsewhere:1";
    Cosign::V2_5.sign(key, &elsewhere.stored.whole(), &["--sign-container-identity", identity]);
    let bundled = new("bundled", false)?;
    Cosign::V3_1.sign(key, &bundled.stored.whole(), &[]);
    Some(vec![plain, named, by_digest, elsewhere, bundled, new("unsigned", false)?])
}

/// Where skopeo runs; it is told there to look for signatures beside images.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("lookaside")).unwrap();
    let lookaside = "default-docker:\n  use-sigstore-attachments: true\n";
    std::fs::write(dir.path().join("lookaside/default.yaml"), lookaside).unwrap();
    dir
}

#[tokio::test]
async fn a_policy_accepts_what_skopeo_accepts() {
    let (Some(registry), Some(skopeo)) = (Registry::shared(), program()) else { return };
    let Some(key) = KeyPair::new(Cosign::V2_5, Kind::P256) else { return };
    let Some(other) = KeyPair::new(Cosign::V3_1, Kind::P256) else { return };
    let host = registry.host();
    let images = images(host, &key).unwrap();
    let dir = folder();
    let file = dir.path().join("policy.json");

    let (mut accepted, mut tried, mut different) = (0, 0, Vec::new());
    let mut hold = async |policy: &Value| {
        std::fs::write(&file, policy.to_string()).unwrap();
        for asked in &images {
            let (theirs, ours) = (copies(&skopeo, dir.path(), &file, &asked.name), here(policy, asked).await);
            (accepted, tried) = (accepted + usize::from(theirs), tried + 1);
            if theirs != ours {
                different.push(format!("skopeo {theirs}, here {ours}: {} {policy}", asked.name));
            }
        }
    };
    for requirements in requirements(host, &key, &other) {
        hold(&json!({"default": [{"type": "reject"}], "transports": {"docker": {host: requirements}}})).await;
    }
    // Scopes: the longest holds, and the others not at all.
    let (accept, reject) = (json!([{"type": "insecureAcceptAnything"}]), json!([{"type": "reject"}]));
    let plain = format!("{host}/signature/oracle-plain");
    for scope in [
        "",
        "*.0.0.1",
        "*.1",
        "*.127.0.0.1",
        host,
        &format!("{host}/signature"),
        &format!("{host}/sig"),
        &plain,
        &format!("{plain}:1"),
        &format!("{plain}:2"),
        &images[2].name,
    ] {
        hold(&json!({"default": reject, "transports": {"docker": {scope: accept}}})).await;
        hold(&json!({"default": accept, "transports": {"docker": {scope: reject, host: accept}}})).await;
    }
    hold(&json!({"default": accept})).await;
    hold(&json!({"transports": {"docker": {"": accept}}})).await;
    hold(&json!({"default": accept, "more": 1})).await;
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(accepted > 60 && tried > accepted + 60, "{accepted} of {tried}");
}

/// Images that identities have signed, and keys with a log, each as it should be and as it should not.
fn logged(services: &Services, email: &str) -> Option<(Vec<Asked>, String)> {
    let image = Image::busybox("oracle");
    let mut images = Vec::new();
    let mut key = String::new();
    let wish = Wish::of(ISSUER, email);
    let with = |oddity| Wish { oddity, ..wish.clone() };
    let rows = [
        ("fine", wish.clone()),
        ("url", Wish { subject: "https://git.example/a", ..wish.clone() }),
        ("late", Wish { years: (2001, 2002), ..wish.clone() }),
        ("old", Wish { years: (2001, 2002), time: 991_000_000, ..wish.clone() }),
        ("entry", with(Oddity::OtherEntry)),
        ("time", with(Oddity::OtherTime)),
        ("key", with(Oddity::OtherKey)),
    ];
    for (name, wish) in rows {
        for by_key in [false, true] {
            let stored = Stored::with(&format!("oracle-log-{name}-{by_key}"), &image)?;
            let place =
                (stored.repository.as_str(), &*format!("{}/{}", stored.registry.host(), stored.repository));
            match by_key {
                true => {
                    let public = services.logged(stored.registry, place, &stored.digest, &wish);
                    key = if name == "fine" { public } else { key };
                }
                false => services.simple(stored.registry, place, &stored.digest, &wish),
            }
            let name = stored.name().to_string();
            images.push(Asked { stored, name });
        }
    }
    Some((images, key))
}

const ISSUER: &str = "https://issuer.example";

#[tokio::test]
async fn identities_and_logs_count_as_with_skopeo() {
    let Some(skopeo) = program() else { return };
    let (services, others) = (Services::new(), Services::new());
    let Some((images, key)) = logged(&services, "ann@mail.example") else { return };
    let dir = folder();
    let file = dir.path().join("policy.json");
    let place = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let [[ca, log], [other_ca, other_log]] = [services.parts(), others.parts()];
    let (ca, log, key) = (place("ca", &ca), place("log", &log), place("key", &key));
    let (other_ca, other_log) = (place("other-ca", &other_ca), place("other-log", &other_log));
    let fulcio = |ca: &str, issuer: &str, email: &str, log: &str| json!({"fulcio": {"caPath": ca, "oidcIssuer": issuer, "subjectEmail": email}, "rekorPublicKeyPath": log});
    let email = "ann@mail.example";
    let demands = [
        fulcio(&ca, ISSUER, email, &log),
        fulcio(&other_ca, ISSUER, email, &log),
        fulcio(&ca, "https://other.example", email, &log),
        fulcio(&ca, ISSUER, "bob@mail.example", &log),
        fulcio(&ca, ISSUER, "https://git.example/a", &log),
        fulcio(&ca, ISSUER, email, &other_log),
        fulcio(&ca, ISSUER, "", &log),
        json!({"fulcio": {"caPath": ca, "oidcIssuer": ISSUER, "subjectEmail": email}}),
        json!({"keyPath": key}),
        json!({"keyPath": key, "rekorPublicKeyPath": log}),
        json!({"keyPath": key, "rekorPublicKeyPath": other_log}),
        json!({"keyPath": key, "rekorPublicKeyPaths": [other_log, log]}),
        json!({"keyPath": key, "rekorPublicKeyPaths": []}),
        json!({"keyPath": other_log, "rekorPublicKeyPath": log}),
    ];
    let (mut accepted, mut different) = (0, Vec::new());
    for mut demand in demands {
        demand["type"] = json!("sigstoreSigned");
        demand["signedIdentity"] = json!({"type": "matchRepository"});
        let policy = json!({"default": [demand]});
        std::fs::write(&file, policy.to_string()).unwrap();
        for asked in &images {
            let theirs = copies(&skopeo, dir.path(), &file, &asked.name);
            accepted += usize::from(theirs);
            if theirs != here(&policy, asked).await {
                different.push(format!("skopeo {theirs}: {} {policy}", asked.name));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(accepted > 4, "{accepted}");
}
