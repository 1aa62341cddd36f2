//! The forms in which people have such a file: today's, the one before it, and a Secret of Kubernetes around it.

use serde_json::{Map, Value};

const OF_TODAY: [&str; 3] = ["auths", "credHelpers", "credsStore"];

const OF_A_LOGIN: [&str; 4] = ["auth", "username", "password", "identitytoken"];

/// A file as one of today. Without any of its keys, a file of hosts is a `.dockercfg`, as kubelet reads it.
pub(super) fn of_today(value: Value) -> Value {
    let is_login = |entry: &Value| {
        entry.as_object().is_some_and(|entry| OF_A_LOGIN.iter().any(|key| entry.contains_key(*key)))
    };
    match value {
        Value::Object(root)
            if !root.is_empty()
                && OF_TODAY.iter().all(|key| !root.contains_key(*key))
                && root.values().all(is_login) =>
        {
            Value::Object(Map::from_iter([("auths".to_owned(), Value::Object(root))]))
        }
        other => other,
    }
}

/// What to say of a text that is a Secret: its value, if it is JSON; else it may be YAML.
pub(super) fn secret(value: Option<&Value>, text: &str) -> Option<&'static str> {
    let is_kind = |line: &str| {
        let line = line.trim().trim_end_matches(',').replace(['"', ' '], "");
        line == "kind:Secret"
    };
    let is_secret = match value {
        Some(value) => value.get("kind").and_then(Value::as_str) == Some("Secret"),
        None => text.lines().any(is_kind),
    };
    is_secret.then_some(
        "this is a Secret of Kubernetes; write what it holds: kubectl get secret NAME -o jsonpath='{.data.\\.dockerconfigjson}' | base64 -d",
    )
}
