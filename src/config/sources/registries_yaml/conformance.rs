//! `registries.yaml`, checked by the tables of the upstream tests: k3s' and those of wharfie, with which k3s pulls
//! its own images.
//!
//! The table is `tests/tables/registries_yaml.jsonl`. A row has a function, the input, the expected output in
//! this program's terms, and the upstream test that it comes from. Rows of the function `none` have no
//! meaning here, and say why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::{Format, Input, Loaded, MainFile, SourceFile, Style, load_from};
use crate::policy::{Action, Asked, Decision, Origin};

const TABLE: &str = include_str!("../../../../tests/tables/registries_yaml.jsonl");

/// JSON is YAML.
fn load(config: &Value, disable_default_endpoint: bool) -> Loaded {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config.to_string()).unwrap();
    let path = file.path().to_path_buf();
    let source = SourceFile { format: Format::RegistriesYaml, path, disable_default_endpoint };
    let input = Input { main: MainFile::Absent, sources: vec![source], ..Input::file(file.path()) };
    load_from(&input).unwrap_or_else(|problems| panic!("{config}\n{}", problems.render(Style::Plain, true)))
}

fn needs(loaded: &Loaded) -> Value {
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for endpoint in &loaded.config.endpoints {
        let plain = (endpoint.schemes == ["http"]).then(|| "plain http".to_owned());
        let root = endpoint.api_root.as_ref().map(|root| match root.as_str() {
            "" => "the API root /".to_owned(),
            root => format!("the API root {root}"),
        });
        for what in plain.into_iter().chain(root) {
            let of_host = needs.entry(&endpoint.host).or_default();
            if !of_host.contains(&what) {
                of_host.push(what);
            }
        }
    }
    for need in loaded.config.transport.needs() {
        let of_host = needs.entry(&need.host).or_default();
        let what = need.what.to_string();
        if !of_host.contains(&what) {
            of_host.push(what);
        }
    }
    json!(needs)
}

/// Every rule, by its prefix.
fn rules(loaded: &Loaded) -> Value {
    let mut rules = Map::new();
    for rule in loaded.config.policy.rules() {
        let action = match &rule.action {
            Action::Route(route) => {
                let mirrors: Vec<String> =
                    route.mirrors.iter().map(|mirror| mirror.location.to_string()).collect();
                let origin = if route.origin == Origin::Last { "last" } else { "never" };
                json!({ "mirrors": mirrors, "origin": origin })
            }
            Action::Pass => json!("pass"),
            Action::Deny { reason } => json!({ "deny": reason }),
        };
        rules.insert(rule.prefix.to_string(), action);
    }
    Value::Object(rules)
}

fn candidates(loaded: &Loaded, image: &str) -> Vec<String> {
    let name = image.parse().unwrap();
    match loaded.config.policy.decide(&Asked::of(&name)) {
        Decision::Route { candidates, .. } => {
            candidates.iter().map(|candidate| candidate.name.to_string()).collect()
        }
        Decision::Pass { .. } => vec![name.to_string()],
        Decision::Deny { reason, .. } => panic!("{image} is denied: {reason}"),
    }
}

/// The result of this program for a row; `None` where it has no meaning here.
fn answer(row: &Value) -> Option<Value> {
    Some(match row["function"].as_str().unwrap() {
        "rules" => {
            let loaded = load(&row["config"], row["disable_default"].as_bool().unwrap());
            let mut logins: Vec<&str> =
                loaded.config.credentials.logins().iter().map(|login| login.host.as_str()).collect();
            logins.sort_unstable();
            json!({ "rules": rules(&loaded), "needs": needs(&loaded), "logins": logins })
        }
        "rewrite" => {
            let mut mirror = json!({ "endpoint": ["https://mirror.example.com"] });
            mirror["rewrite"] = row["rewrite"].clone();
            let loaded = load(&json!({ "mirrors": { row["registry"].as_str().unwrap(): mirror } }), false);
            let candidates = candidates(&loaded, row["image"].as_str().unwrap());
            if candidates.len() == 1 { Value::Null } else { json!(candidates[0]) }
        }
        "candidates" => {
            let loaded = load(&row["config"], false);
            json!({ "candidates": candidates(&loaded, row["image"].as_str().unwrap()), "needs": needs(&loaded) })
        }
        "none" => return None,
        other => panic!("what is {other}?"),
    })
}

#[test]
fn every_row_of_the_table_that_has_a_meaning_holds() {
    let (mut held, mut without_meaning) = (0, 0);
    for line in TABLE.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        match answer(&row) {
            Some(found) => {
                assert_eq!(found, row["expected"], "{line}");
                held += 1;
            }
            None => {
                assert!(row["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{line}");
                without_meaning += 1;
            }
        }
    }
    assert_eq!((held, without_meaning), (77, 10));
}
