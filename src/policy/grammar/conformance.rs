//! The grammar against the tables of the upstream tests: distribution/reference and the kubelet's parsers.
//!
//! The table is `tests/tables/reference.jsonl`; each row has a function, its input, what is expected, and the
//! upstream test that it comes from. sha512 is expected to be known, as in every containerd binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::name::{Name, NameError, is_image_id, normalize};
use super::{Parts, is_domain, is_identifier, parse, split, split_name};

const TABLE: &str = include_str!("../../../tests/tables/reference.jsonl");

fn code(error: &NameError) -> Value {
    let code = match error {
        NameError::Empty => "empty",
        NameError::UpperCase => "upper-case",
        NameError::TooLong { .. } => "too-long",
        NameError::Identifier => "identifier",
        NameError::DigestLength { .. } => "digest-length",
        NameError::DigestAlgorithm { .. } => "digest-algorithm",
        NameError::DigestUpperCase | NameError::Digest { .. } => "digest-format",
        _ => "format",
    };
    json!({ "error": code })
}

fn parts(parts: Result<Parts<'_>, NameError>) -> Value {
    match parts {
        Ok(Parts { domain, path, tag, digest }) => json!({
            "domain": domain, "path": path, "tag": tag.unwrap_or(""), "digest": digest.unwrap_or(""),
        }),
        Err(error) => code(&error),
    }
}

/// What a row's function makes of its input; none where it has no meaning in this program.
fn answer(function: &str, input: &Value) -> Option<Value> {
    let text = input.as_str().unwrap_or_default();
    let mut full = String::new();
    Some(match function {
        "parse" => parts(parse(text)),
        "with_name" => match split_name(text) {
            Some((domain, path)) => {
                parts(super::check_length(path).map(|()| Parts { domain, path, tag: None, digest: None }))
            }
            None => code(&NameError::Format),
        },
        "named" => {
            let found = parts(normalize(text, &mut full));
            if full == text { found } else { json!({ "error": "not-canonical" }) }
        }
        "normalized" => parts(normalize(text, &mut full)),
        "any" => {
            let digest = if is_identifier(text) { format!("sha256:{text}") } else { text.to_owned() };
            let id = is_image_id(text);
            if id { json!({ "digest": digest }) } else { parts(normalize(text, &mut full)) }
        }
        "docker_ref" => name(text),
        "kubelet" => parts(normalize(text, &mut full).map(|found| match found {
            Parts { tag: None, digest: None, .. } => Parts { tag: Some("latest"), ..found },
            _ => found,
        })),
        "domain" => json!({ "match": is_domain(text) }),
        "identifier" => json!({ "match": is_identifier(text) }),
        "full_name" => groups(split_name(text).map(|(domain, path)| vec![domain, path])),
        "reference" => groups(split(text).map(|found| {
            let name_end = text.len()
                - found.tag.map_or(0, |tag| tag.len() + 1)
                - found.digest.map_or(0, |digest| digest.len() + 1);
            vec![&text[..name_end], found.tag.unwrap_or(""), found.digest.unwrap_or("")]
        })),
        "with_tag" | "with_digest" => joined(input),
        _ => return None,
    })
}

fn name(text: &str) -> Value {
    match text.parse::<Name>() {
        Ok(name) => json!({
            "domain": name.host(), "path": name.path(),
            "tag": name.tag().unwrap_or(""), "digest": name.digest().unwrap_or(""),
        }),
        Err(error) => code(&error),
    }
}

fn groups(groups: Option<Vec<&str>>) -> Value {
    match groups {
        Some(groups) => json!({ "match": true, "groups": groups }),
        None => json!({ "match": false }),
    }
}

/// The reference that a name, a tag and a digest make, if it splits into just these again.
fn joined(input: &Value) -> Value {
    let part = |key: &str, sign: &str| match input[key].as_str() {
        None | Some("") => String::new(),
        Some(text) => format!("{sign}{text}"),
    };
    let text = format!("{}{}{}", part("name", ""), part("tag", ":"), part("digest", "@"));
    let found = split(&text).map(|found| {
        let slash = if found.domain.is_empty() { "" } else { "/" };
        let name = format!("{}{slash}{}", found.domain, found.path);
        json!({ "name": name, "tag": found.tag.unwrap_or(""), "digest": found.digest.unwrap_or("") })
    });
    if found.as_ref() == Some(input) { json!({ "text": text }) } else { json!({ "found": found }) }
}

#[test]
fn every_row_of_the_upstream_tests_holds() {
    let mut wrong = Vec::new();
    let mut asserted = 0;
    let mut without_meaning: BTreeMap<String, usize> = BTreeMap::new();
    for line in TABLE.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let function = row["function"].as_str().unwrap();
        let Some(mut found) = answer(function, &row["input"]) else {
            *without_meaning.entry(function.to_owned()).or_default() += 1;
            continue;
        };
        let expected = &row["expected"];
        // Upstream asserts the groups of some matches only.
        if let Some(found) = found.as_object_mut()
            && expected.get("groups").is_none()
        {
            found.remove("groups");
        }
        asserted += 1;
        if found != *expected {
            wrong.push(format!("{function} {} gives {found}, not {expected}", row["input"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // `familiar_match` globs over the short form that Docker's user interface shows; nothing here has it.
    assert_eq!(without_meaning, BTreeMap::from([("familiar_match".to_owned(), 9)]));
    assert_eq!(asserted, 353);
}
