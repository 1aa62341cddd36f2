//! The format, checked by the tables of the upstream tests: `pkg/sysregistriesv2` and `pkg/shortnames` of
//! containers/image.
//!
//! The table is `tests/tables/registries_conf.jsonl`: the files of the upstream tests, then a row for each
//! assertion about them. A row without a meaning here says why; one where a rule differs says how.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::super::fixture::Sample;
use super::super::source_file::Format;
use super::file;
use super::merge::{Merged, match_len};
use super::read_file;
use crate::config::diagnostic::{Problem, Texts};
use crate::policy::Name;

const TABLE: &str = include_str!("../../../../tests/tables/registries_conf.jsonl");

fn list(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Upstream's files by name.
type Files<'t> = HashMap<&'t str, &'t str>;

/// The first file as the main one, the others as drop-ins.
fn source(names: &[&str], more: &[String], files: &Files<'_>) -> Sample {
    let mut written = vec![("r.conf".to_owned(), files[names[0]].to_owned())];
    let drop_ins = names[1..].iter().map(|name| files[name].to_owned()).chain(more.iter().cloned());
    written.extend(drop_ins.enumerate().map(|(i, content)| (format!("r.conf.d/{i:02}.conf"), content)));
    let written: Vec<(&str, &str)> =
        written.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Sample::of(Format::RegistriesConf, "r.conf", &written)
}

fn one(content: &str) -> Sample {
    Sample::of(Format::RegistriesConf, "r.conf", &[("r.conf", content)])
}

fn merged(names: &[&str], files: &Files<'_>) -> Merged {
    let (mut texts, mut problems, mut merged) = (Texts::default(), Vec::new(), Merged::default());
    for name in names {
        let text = texts.add(name, files[name].to_owned());
        let file = read_file(text, &texts, &mut problems);
        merged.add(file.unwrap(), &mut problems);
    }
    assert!(!problems.iter().any(Problem::is_error), "{problems:?}");
    merged
}

/// The repository and the suffix of a rewritten name; `None` where it is not rewritten.
fn rewrite(row: &Value) -> Value {
    let (prefix, location) = (row["prefix"].as_str().unwrap(), row["location"].as_str().unwrap());
    let sample = one(&format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{location}\"\n"));
    let reference = row["reference"].as_str().unwrap();
    let repository = reference.parse::<Name>().unwrap().repository().to_owned();
    if sample.is_refused() || match_len(prefix, &repository).is_none() {
        return Value::Null;
    }
    sample.candidates(reference).last().map_or(Value::Null, |last| json!(last))
}

/// A name as containerd writes it; upstream has no tag where none was given.
fn full(reference: &Value) -> Value {
    reference.as_str().map_or(Value::Null, |text| json!(text.parse::<Name>().unwrap().to_string()))
}

fn aliases(pairs: &Value) -> String {
    let lines =
        pairs.as_object().into_iter().flatten().map(|(name, target)| format!("{name:?} = {target}\n"));
    format!("[aliases]\n{}", lines.collect::<String>())
}

fn short_name(row: &Value, files: &Files<'_>) -> Value {
    let mode = row["mode"].as_str().map(|mode| format!("short-name-mode = \"{mode}\"\n"));
    let last = format!("{}{}", mode.unwrap_or_default(), aliases(&row["aliases"]));
    let sample = source(&list(&row["files"]), &[last], files);
    match row["reference"].as_str().unwrap().parse::<Name>() {
        Ok(name) => json!(sample.candidates(name.as_str())),
        Err(_) => Value::Null,
    }
}

/// The places of a name, and the hosts among them that are not verified.
fn candidates(row: &Value, files: &Files<'_>) -> Value {
    let sample = source(&list(&row["files"]), &[], files);
    let found = sample.candidates(row["reference"].as_str().unwrap());
    let needs = sample.needs();
    let unverified = |name: &String| {
        let host = name.split('/').next().unwrap_or_default();
        needs
            .contains(&format!("{host}: skip-verify (its certificate is not verified)"))
            .then(|| host.to_owned())
    };
    let unverified: Vec<String> = found.iter().filter_map(unverified).collect();
    assert_eq!(json!(unverified), row["unverified"], "for {}", row["reference"]);
    json!(found)
}

/// The entry for a name, as far as upstream checks it.
fn entry(row: &Value, files: &Files<'_>) -> Value {
    let merged = merged(&list(&row["files"]), files);
    let Some(found) = merged.find(row["reference"].as_str().unwrap()) else { return Value::Null };
    let mut entry = json!({ "location": found.location.value, "prefix": found.prefix });
    let asked = row["expected"].as_object().unwrap();
    entry.as_object_mut().unwrap().retain(|key, _| asked.contains_key(key));
    entry
}

fn answer(row: &Value, files: &Files<'_>) -> (Value, Value) {
    let input = row["input"].as_str().unwrap_or_default();
    let expected = row["expected"].clone();
    let loads = |content: String| json!(!one(&content).is_refused());
    let found = match row["function"].as_str().unwrap() {
        "match" => json!(match_len(row["prefix"].as_str().unwrap(), row["reference"].as_str().unwrap())),
        "rewrite" => return (rewrite(row), full(&row["expected"])),
        "candidates" => candidates(row, files),
        "entry" => entry(row, files),
        "place" => file::place(input).map_or(Value::Null, Value::from),
        "refused" => return (json!(source(&list(&row["files"]), &[], files).is_refused()), json!(true)),
        "blocked" => {
            let merged = merged(&list(&row["files"]), files);
            json!(merged.find(row["reference"].as_str().unwrap()).unwrap().blocked)
        }
        "merged" => {
            let merged = merged(&list(&row["files"]), files);
            let locations: Vec<&str> =
                merged.registries().map(|entry| entry.location.value.as_str()).collect();
            let locations = if row["locations"].is_null() { Value::Null } else { json!(locations) };
            let search = merged.search.as_ref().map(|search| &search.value);
            return (json!([search, locations]), json!([row["search"], row["locations"]]));
        }
        "mode" => loads(format!("short-name-mode = {input:?}\n")),
        "short_name" => short_name(row, files),
        "alias_value" => loads(format!("[aliases]\nx = {input:?}\n")),
        "alias_name" => loads(format!("[aliases]\n{input:?} = \"quay.io/a/b\"\n")),
        other => panic!("what is {other}?"),
    };
    (found, expected)
}

#[test]
fn every_row_of_the_upstream_tests_holds() {
    let rows: Vec<Value> = TABLE.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files: Files<'_> = rows
        .iter()
        .filter_map(|row| Some((row["file"].as_str()?, row["content"].as_str().unwrap())))
        .collect();
    let mut wrong = Vec::new();
    let mut asserted = 0;
    let mut without_meaning: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["file"].is_null()) {
        if let Some(reason) = row["without_meaning"].as_str() {
            *without_meaning.entry(reason).or_default() += 1;
            continue;
        }
        let (found, expected) = answer(row, &files);
        asserted += 1;
        if found != expected {
            wrong.push(format!("{row}\n    gives {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected = [
        ("a missing file is no matter of the format; it is refused for every format", 1),
        ("containerd looks for short names at Docker Hub alone", 22),
        ("containerd reads every short name as Docker Hub's", 4),
        ("containerd's reading of names holds; reference.jsonl has its rows", 29),
        ("credentials are configured by themselves; the key is reported", 4),
        ("credentials: auth.json is another file", 57),
        ("in a file an empty value takes an alias back", 1),
        ("names of images that are there are looked up by containerd", 8),
        ("slashes at the end are taken off when the file is read", 1),
    ];
    assert_eq!(without_meaning, BTreeMap::from(expected));
    assert_eq!((asserted, files.len()), (213, 46));
}
