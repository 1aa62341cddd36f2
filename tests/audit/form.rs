//! What the lines say, on real pulls.

use std::collections::BTreeSet;

use k8s_cri::v1::PullImageRequest;
use serde_json::Value;

use crate::support::containerd::Containerd;
use crate::support::cosign::{Cosign, KeyPair, Kind};
use crate::support::cri::{Cri, spec, user_and_password};
use crate::support::image::Image;
use crate::support::pod;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::{lines, on_each_containerd};

on_each_containerd!(each_pull_is_one_line_with_its_facts);

async fn each_pull_is_one_line_with_its_facts(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let path = format!("audit-{}/app", version.line().replace('.', "-"));
    let image = Image::busybox(&path);
    let digest = registry.push(&path, "1", &image);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let rules = rule("quay.io", &["127.0.0.1:1", registry.host()])
        + "[[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"not from there\"\n"
        + &rule(&format!("{}/audit-observed", registry.host()), &["127.0.0.1:2"])
        + "mode = \"observe\"\n"
        + &rule("docker.io/audit-signed", &[&format!("{}/audit-from", registry.host())])
        + "verify = \"prod\"\n";
    let Some(pair) = KeyPair::new(Cosign::V2_5, Kind::P256) else { return };
    let signed_path = format!("audit-signed/app-{}", version.line());
    let stored = format!("audit-from/{signed_path}");
    let signed_digest = registry.push(&stored, "1", &Image::busybox(&signed_path));
    let identity = format!("docker.io/{signed_path}");
    let whole = format!("{}/{stored}@{signed_digest}", registry.host());
    Cosign::V2_5.sign(&pair, &whole, &["--sign-container-identity", &identity]);
    let signature = format!("[[signature]]\nname = \"prod\"\nkeys = [{:?}]\n", pair.public_file());
    let config = format!("[audit]\nfile = {file:?}\n{signature}{rules}");
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;

    let request = PullImageRequest {
        image: Some(spec(&format!("quay.io/{path}:1"))),
        auth: Some(user_and_password("hush-user", "hush-word")),
        sandbox_config: Some(pod::config("web-0", dir.path())),
    };
    cri.images.clone().pull_image(request).await.unwrap();
    cri.pull("evil/app").await.unwrap_err();
    cri.pull("quay.io/audit/none:1").await.unwrap_err();
    cri.pull("NOT:A:NAME").await.unwrap_err();
    let observed = registry.name("audit-observed/none", "1");
    cri.pull(&observed).await.unwrap_err();
    cri.pull(&format!("{signed_path}:1")).await.unwrap();
    let lines = lines(&shunt, &file, 6);
    let [pulled, denied, failed, no_name, would, signed] = &lines[..] else { unreachable!() };
    let text =
        |line: &Value, path: &str| line.pointer(path).unwrap_or_else(|| panic!("{path}: {line}")).clone();

    let host = registry.host();
    for (path_in_line, expected) in [
        ("/version", Value::from(1)),
        ("/method", "PullImage".into()),
        ("/client/pid", std::process::id().into()),
        ("/client/uid", 0.into()),
        ("/pod/namespace", "default".into()),
        ("/pod/name", "web-0".into()),
        ("/pod/uid", "web-0-uid".into()),
        ("/asked", format!("quay.io/{path}:1").into()),
        ("/name", format!("quay.io/{path}:1").into()),
        ("/rule/prefix", "quay.io".into()),
        ("/mode", "enforce".into()),
        ("/verdict", "route".into()),
        ("/candidates/0/name", format!("127.0.0.1:1/{path}:1").into()),
        ("/candidates/0/role", "mirror".into()),
        ("/candidates/0/outcome", "unreachable".into()),
        ("/candidates/0/status", Value::Null),
        ("/candidates/1/registry", host.into()),
        ("/candidates/1/login", "none".into()),
        ("/candidates/1/outcome", "served".into()),
        ("/candidates/1/error", Value::Null),
        ("/served/name", format!("{host}/{path}:1").into()),
        ("/served/registry", host.into()),
        ("/served/digest", digest.clone().into()),
        ("/outcome", "pulled".into()),
        ("/code", "OK".into()),
        ("/reason", Value::Null),
    ] {
        assert_eq!(text(pulled, path_in_line), expected, "{path_in_line}");
    }
    let place = text(pulled, "/rule/place");
    assert!(place.as_str().unwrap().starts_with(&format!("{}:", shunt.config_file().display())), "{place}");
    let (whole, theirs) = (text(pulled, "/seconds"), text(pulled, "/containerd_seconds"));
    assert!(whole.as_f64() >= theirs.as_f64() && theirs.as_f64() > Some(0.0), "{whole} {theirs}");

    assert_eq!(text(denied, "/outcome"), "denied");
    assert_eq!(text(denied, "/code"), "PermissionDenied");
    assert_eq!(text(denied, "/name"), "docker.io/evil/app:latest");
    assert_eq!((text(denied, "/reason"), text(denied, "/served")), ("not from there".into(), Value::Null));
    assert_eq!(text(denied, "/candidates"), Value::Array(Vec::new()));

    // By now the mirror that does not answer is tried last.
    assert_eq!((text(failed, "/outcome"), text(failed, "/code")), ("failed".into(), "Unavailable".into()));
    assert_eq!(text(failed, "/candidates/0/outcome"), "not-found");
    assert_eq!(text(failed, "/candidates/0/status"), 404);
    assert_eq!(text(no_name, "/name"), Value::Null);
    assert_eq!(text(no_name, "/verdict"), Value::Null);
    assert_eq!((text(would, "/mode"), text(would, "/verdict")), ("observe".into(), "pass".into()));
    assert_eq!(text(would, "/would/candidates/0"), "127.0.0.1:2/audit-observed/none:1");
    assert_eq!(text(pulled, "/verified"), Value::Array(Vec::new()));
    assert_eq!(text(signed, "/verified/0/signature"), "prod");
    assert!(text(signed, "/verified/0/by/0").as_str().unwrap().starts_with("key "), "{signed}");
    assert_eq!(text(signed, "/verified/0/registry"), format!("{host}/{stored}"));
    assert_eq!(text(signed, "/verified/0/known"), false);
    let policy = text(pulled, "/policy");
    assert_eq!(policy.as_str().unwrap().len(), 12);
    assert!(lines.iter().all(|line| line["policy"] == policy));
    // Each id is in the log as well.
    assert!(shunt.stderr().contains(text(pulled, "/id").as_str().unwrap()));
    crate::support::shunt::assert_discreet(&std::fs::read_to_string(&file).unwrap());

    assert_eq!(fields_of(&lines), documented());
    the_command_shows_them(&shunt, &file);
}

/// The paths of all fields in these lines: `client.pid`, `candidates[].name`.
fn fields_of(lines: &[Value]) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(value, &path, found);
                    found.insert(path);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, &format!("{path}[]"), found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    lines.iter().for_each(|line| walk(line, "", &mut found));
    found
}

/// Those of the first table in docs/audit.md.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit.md")).unwrap();
    let part = page.split("\n## ").find(|part| part.starts_with("The fields")).unwrap();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(field, _)| field.to_owned()).collect()
}

fn the_command_shows_them(shunt: &Shunt, file: &std::path::Path) {
    let shown = |args: &[&str]| {
        let output = shunt.run("audit", args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(shown(&["--format", "json"]), std::fs::read_to_string(file).unwrap());
    let pulled = shown(&["--pod", "default/web-0", "--since", "1h"]);
    assert_eq!(pulled.lines().count(), 1, "{pulled}");
    assert!(pulled.contains(" pulled quay.io/audit-") && pulled.contains(", 127.0.0.1:1 unreachable, rule"));
    let denied = shown(&["--image", "docker.io/evil"]);
    assert!(denied.contains("denied docker.io/evil/app:latest, rule \"docker.io/evil\" ("), "{denied}");
    let would = shown(&["--image", "audit-observed"]);
    assert!(would.contains(", would be route by rule"), "{would}");
    assert_eq!(shown(&["--since", "2100-01-01T00:00:00Z"]), "");
    let wrong = shown(&["-q"]);
    assert!(wrong.contains("denied docker.io/evil") && !wrong.contains(" pulled "), "{wrong}");
    let whole = shown(&["-v", "--image", "docker.io/evil"]);
    assert!(whole.contains(", PullImage PermissionDenied, id "), "{whole}");
    assert_eq!(shown(&["--pod", "kube-system/"]), "");
    // What is no line is counted, and the others are shown.
    let text = std::fs::read_to_string(file).unwrap();
    let half = file.with_extension("half");
    std::fs::write(&half, format!("{{\n{text}")).unwrap();
    let output = shunt.run("audit", &["--format", "json", "--file", half.to_str().unwrap()]);
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(1), text));
    assert!(String::from_utf8(output.stderr).unwrap().contains(".half:1: not a line of an audit\n"));
}
