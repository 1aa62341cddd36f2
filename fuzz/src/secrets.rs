//! A secret that must not be seen.

use serde_json::Value;

/// In the place of every password and token. It is base64 as well, of [`DECODED`].
pub(crate) const SECRET: &str = "aHVudGVyMjpodW50ZXIy";

/// What it is where base64 is expected: user and password.
pub(crate) const DECODED: &str = "hunter2:hunter2";

/// The keys behind which nothing may be shown.
const KEYS: [&str; 7] = ["auth", "password", "identitytoken", "registrytoken", "value", "Secret", "token"];

/// Panics where a text for people tells the secret.
#[track_caller]
pub(crate) fn hidden(shown: &str) {
    assert!(!shown.contains(SECRET), "told:\n{shown}");
}

/// A text as it came, and where it is JSON as well with a secret in every place for one: whether that is it.
pub(crate) fn with_and_without(bytes: &[u8]) -> impl Iterator<Item = (Vec<u8>, bool)> {
    std::iter::once((bytes.to_vec(), false)).chain(planted(bytes).map(|bytes| (bytes, true)))
}

fn planted(json: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(json).ok()?;
    // A text that has it already cannot show a leak.
    if String::from_utf8_lossy(json).contains(SECRET) {
        return None;
    }
    plant(&mut value);
    serde_json::to_vec(&value).ok()
}

fn plant(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if KEYS.contains(&key.as_str()) => *text = SECRET.to_owned(),
                    _ => plant(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(plant),
        _ => {}
    }
}
