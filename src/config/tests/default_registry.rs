//! `default-registry` against the tables of Rancher's and RKE2's tests of `system-default-registry`.
//!
//! The table is `tests/tables/default_registry.jsonl`. Rancher puts the registry before the names of its own
//! images as a text; here it is a rule, by parsed components. The column `already` of a row is the name as
//! Rancher writes it, which must not change.

use serde_json::{Value, json};

use super::shown;
use crate::config::{Input, Loaded, MainFile, load_from};
use crate::policy::{Asked, Decision, Location};

const TABLE: &str = include_str!("../../../tests/tables/default_registry.jsonl");

fn load(registry: &str) -> Result<Loaded, String> {
    let default_registry = Some(registry.to_owned()).filter(|registry| !registry.is_empty());
    let input = Input { main: MainFile::Absent, default_registry, ..Input::file("".as_ref()) };
    load_from(&input).map_err(|problems| shown(&problems, "/nowhere".as_ref()))
}

fn decide(loaded: &Loaded, image: &str) -> Value {
    match loaded.config.policy.decide(&Asked::of(&image.parse().unwrap())) {
        Decision::Route { candidates, .. } => {
            assert_eq!(candidates.len(), 1, "{image}");
            json!({ "decision": "route", "candidate": candidates[0].name.to_string() })
        }
        Decision::Pass { rule } => json!({ "decision": "pass", "rule": rule.prefix() }),
        Decision::Deny { .. } => json!("deny"),
    }
}

/// Whether the row has a meaning here; if so, it is checked.
fn holds(row: &Value) -> bool {
    let text = |key: &str| row[key].as_str().unwrap();
    let stays = json!({ "decision": "pass", "rule": "default-registry" });
    match text("function") {
        "resolve" => {
            let loaded = load(text("registry")).unwrap();
            assert_eq!(decide(&loaded, text("image")), row["expected"], "{row}");
            if let Some(already) = row["already"].as_str() {
                assert_eq!(decide(&loaded, already), stays, "{row}");
            }
        }
        "already" => assert_eq!(decide(&load(text("registry")).unwrap(), text("image")), stays, "{row}"),
        "split" => {
            let location: Location = text("registry").parse().unwrap();
            assert_eq!(json!({ "host": location.host(), "path": location.path() }), row["expected"], "{row}");
        }
        "refuse" => {
            let error = text("registry").parse::<Location>().unwrap_err().to_string();
            assert!(error.ends_with(text("expected")), "{row}: {error}");
        }
        "none" => {
            assert!(!text("reason").is_empty(), "{row}");
            return false;
        }
        other => panic!("what is {other}?"),
    }
    true
}

#[test]
fn every_row_of_the_table_that_has_a_meaning_holds() {
    let rows = TABLE.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (held, without_meaning): (Vec<_>, Vec<_>) = rows.partition(holds);
    assert_eq!((held.len(), without_meaning.len()), (36, 44));
}

#[test]
fn what_only_begins_like_the_registry_is_not_already_there() {
    let loaded = load("registry.example.com").unwrap();
    let rows = [
        ("registry.example.com.evil.org/x:1", json!({ "decision": "pass", "rule": "default" })),
        ("registry.example.com:5000/x:1", json!({ "decision": "pass", "rule": "default" })),
        ("registry.example.com:443/x:1", json!({ "decision": "pass", "rule": "default-registry" })),
        ("quay.io/org/app:1", json!({ "decision": "pass", "rule": "default" })),
        ("Index.docker.io/a/b:1", json!({ "decision": "route", "candidate": "registry.example.com/a/b:1" })),
        ("a:1", json!({ "decision": "route", "candidate": "registry.example.com/library/a:1" })),
    ];
    for (image, expected) in rows {
        assert_eq!(decide(&loaded, image), expected, "{image}");
    }
}
