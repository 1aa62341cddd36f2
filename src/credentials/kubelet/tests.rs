//! Patterns, files and the protocol against the tables of the upstream tests: kubernetes
//! `pkg/credentialprovider`.
//!
//! The table is `tests/tables/keyring.jsonl`; a row without a meaning here says why.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::docker::{DockerConfig, Held};
use super::super::glob;
use super::*;
use crate::files::go_duration;

const TABLE: &str = include_str!("../../../tests/tables/keyring.jsonl");
const LONG: Duration = Duration::from_secs(60);

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap()
}

/// The patterns of an `auth` with what they give.
fn keys(auth: &Value) -> Vec<(String, String)> {
    let entries = auth.as_object().unwrap().iter();
    entries.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// What a file in Docker's form has for a name: nothing if it cannot be used.
fn held(file: &Value, name: &str) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let config = DockerConfig::new(path, None, LONG);
    match config.lookup(&name.parse().unwrap()).unwrap().as_slice() {
        [(_, Held::Login(Some(username), Proof::Password(password)))] => {
            json!(format!("{username}:{}", password.expose()))
        }
        [(_, Held::Unusable(_))] => Value::Null,
        other => panic!("{other:?}"),
    }
}

/// What a plugin's answer gives, and whether it is kept as it says.
fn provide(row: &Value) -> Value {
    let image = text(row, "image");
    let mut globs = row["match"].as_array().unwrap().iter();
    if !globs.any(|glob| Glob::parse(glob.as_str().unwrap()).unwrap().matches(image)) {
        return Value::Null;
    }
    let login = |login: &str| {
        let (username, password) = login.split_once(':').unwrap();
        json!({"username": username, "password": password})
    };
    let auth: BTreeMap<String, Value> =
        keys(&row["auth"]).into_iter().map(|(key, value)| (key, login(&value))).collect();
    let answer = json!({
        "kind": "CredentialProviderResponse", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
        "cacheKeyType": row["key_type"], "auth": auth,
    });
    let answer = Arc::new(exchange::answer(answer.to_string().as_bytes(), "v1", image).unwrap());
    let cache = Cache::default();
    let now = Instant::now();
    cache.put(&answer, LONG, now);
    let sibling = format!("{}/other", cache::registry(image));
    let kept = (cache.get(&sibling, now).is_some(), cache.get("elsewhere.io/x", now).is_some());
    let expected = match text(row, "key_type") {
        "Image" => (false, false),
        "Registry" => (true, false),
        _ => (true, true),
    };
    assert_eq!(kept, expected, "{row}");
    let (username, password) = cache.get(image, now).unwrap().login(image).unwrap();
    json!(format!("{username}:{}", password.expose()))
}

/// The first login of an answer in any version of the protocol.
fn response(row: &Value) -> Value {
    let answer = ["v1", "v1beta1", "v1alpha1"].iter().find_map(|version| {
        exchange::answer(text(row, "json").as_bytes(), version, "test.registry.io/x").ok()
    });
    let login = answer.and_then(|answer| answer.login("test.registry.io/x"));
    json!(login.map(|(username, password)| format!("{username}:{}", password.expose())))
}

/// The providers of a file or a directory. An error has to say what the row says.
fn config(row: &Value) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().to_path_buf();
    for (name, content) in row["files"].as_object().unwrap() {
        let file = dir.path().join(name);
        std::fs::write(&file, content.as_str().unwrap()).unwrap();
        if row["directory"] == false {
            path = file;
        }
    }
    let found = match config::read(&path, std::path::Path::new("/plugins"), LONG, |_| ()) {
        Ok(found) => found,
        Err(cause) => {
            let (cause, expected) = (cause.to_string(), row["error"].as_str().unwrap_or("no error"));
            assert!(cause.contains(expected), "{row}\n    says {cause}");
            return Value::Null;
        }
    };
    let providers = found.providers.iter();
    if row.get("arguments").is_some() {
        let arguments: Vec<&Vec<String>> = providers.clone().map(|provider| &provider.arguments).collect();
        assert_eq!(json!(arguments), row["arguments"], "{row}");
        let variables = |provider: &Provider| {
            let variables = provider.environment.iter();
            variables.map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>()
        };
        assert_eq!(json!(providers.clone().map(variables).collect::<Vec<_>>()), row["environment"], "{row}");
    }
    json!(providers.map(|provider| provider.name.as_str()).collect::<Vec<_>>())
}

#[test]
fn every_row_of_the_upstream_tests_holds() {
    let mut wrong = Vec::new();
    let mut asserted = 0;
    let mut without_meaning: BTreeMap<String, usize> = BTreeMap::new();
    for line in TABLE.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if let Some(reason) = row["without_meaning"].as_str() {
            *without_meaning.entry(reason.to_owned()).or_default() += 1;
            continue;
        }
        let found = match text(&row, "function") {
            "pattern" => {
                json!(Glob::parse(text(&row, "pattern")).unwrap().matches(text(&row, "image")))
            }
            "answer" => json!(glob::choose(&keys(&row["auth"]), text(&row, "image")).map(|(_, user)| user)),
            "is_hub" => json!(glob::is_hub(text(&row, "image"))),
            "entry" => held(&json!({"auths": {"h.de": row["entry"]}}), "h.de/x"),
            "auths" => held(&row["file"], text(&row, "image")),
            "provide" => provide(&row),
            "response" => response(&row),
            "request" => {
                serde_json::from_slice(&exchange::request(text(&row, "image"), text(&row, "version")))
                    .unwrap()
            }
            "config" => config(&row),
            other => panic!("what is {other}?"),
        };
        asserted += 1;
        if found != row["expected"] {
            wrong.push(format!("{row}\n    gives {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected = [
        ("a pod's service account, which a container runtime does not have", 12),
        ("a switch of kubelet", 1),
        ("an e-mail address, which nobody uses", 1),
        ("pod pull secrets beside the node's keyring, and the older .dockercfg: kubelet's own", 8),
    ];
    assert_eq!(without_meaning, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
    assert_eq!(asserted, 130);
}

#[test]
fn a_broken_file_is_named_and_what_is_in_it_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("providers.yaml");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let cause =
            config::read(&path, std::path::Path::new("/plugins"), LONG, |_| ()).unwrap_err().to_string();
        cause.replace(dir.path().to_str().unwrap(), "")
    };
    let head = "kind: CredentialProviderConfig\napiVersion: kubelet.config.k8s.io/v1\n";
    let rows = [
        (format!("{head}providers: hunter2"), "/providers.yaml: `providers` must be a list"),
        // Kubernetes' YAML reads past a byte order mark.
        (format!("\u{feff}{head}providers: hunter2"), "/providers.yaml: `providers` must be a list"),
        (
            format!("{head}providers: [{{name: x, env: [{{name: A, value: [hunter2]}}]}}]"),
            "/providers.yaml: provider \"x\": `matchImages` is missing or empty",
        ),
        (String::new(), "/providers.yaml: it is not an object"),
        (
            "{\"kind\": hunter2".to_owned(),
            "/providers.yaml: this is not JSON: expected value at line 1 column 10",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(told(&text), expected);
    }
    let broken = told("a: [hunter2\nb: c");
    assert!(
        broken.starts_with("/providers.yaml: this is not YAML: ") && !broken.contains("hunter2"),
        "{broken}"
    );
    let twice = told("kind: a\nkind: hunter2\n");
    assert!(!twice.contains("hunter2"), "{twice}");
}

proptest::proptest! {
    #[test]
    fn no_pattern_and_no_answer_is_too_odd(
        pattern in "[\\[\\]*?^a-c\\\\.:/%-]{0,12}|\\PC{0,12}",
        image in "[a-c.:/-]{0,12}|\\PC{0,12}",
        answer in "[{}\\[\\]:,\"a-zA-Z ]{0,40}",
    ) {
        if let Ok(glob) = Glob::parse(&pattern) {
            let _ = glob.matches(&image);
        }
        let keys = [(pattern.clone(), ()), (image.clone(), ())];
        let _ = glob::choose(&keys, &image);
        let _ = exchange::answer(answer.as_bytes(), "v1", &image);
        let _ = go_duration::parse(&pattern);
        // A registry without signs is always for its own images.
        if image.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'.') {
            assert!(Glob::parse(&image).unwrap().matches(&format!("{image}/x")), "{image}");
        }
    }
}
