//! The format, checked by the tables of the upstream tests: containerd `core/remotes/docker/config`.
//!
//! The table is `tests/tables/hosts_toml.jsonl`; a row without a meaning here says why.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::super::fixture::Sample;
use super::super::source_file::Format;
use super::hosts_file::{self, Host};
use crate::config::diagnostic::{Problem, Texts};
use crate::containerd::hosts::Transport;
use crate::registry::HeaderValue;

const TABLE: &str = include_str!("../../../../tests/tables/hosts_toml.jsonl");

fn tree(files: &[(&str, &str)]) -> Sample {
    Sample::of(Format::CertsD, "certs.d", files)
}

fn host(host: &Host) -> Value {
    let (mut ca, mut client, mut headers) = (Vec::new(), Vec::new(), BTreeMap::<&str, Vec<&str>>::new());
    let (mut skip_verify, mut dial_timeout) = (false, None);
    for need in &host.transport {
        match &need.value {
            Transport::CaFile(path) => ca.push(path),
            Transport::ClientCert { cert, key } => client.push((cert, key.clone().unwrap_or_default())),
            Transport::SkipVerify => skip_verify = true,
            Transport::Header { name, value: HeaderValue::Text(value) } => {
                headers.entry(name).or_default().push(value.expose());
            }
            Transport::DialTimeout(time) => dial_timeout = Some(time),
            other => panic!("{other} is in the address"),
        }
    }
    let (url, abilities) = (host.address.url(), host.capabilities);
    json!({
        "url": url, "pull": abilities.pull, "resolve": abilities.resolve, "ca": ca, "client": client,
        "skip_verify": skip_verify, "header": headers, "dial_timeout": dial_timeout,
    })
}

/// The hosts of a file, the server last.
fn hosts(content: &str) -> Value {
    let (mut texts, mut problems) = (Texts::default(), Vec::new());
    let text = texts.add("hosts.toml", content.to_owned());
    let file = hosts_file::read(text, Path::new(""), &texts, &mut problems);
    assert!(!problems.iter().any(Problem::is_error), "{problems:?}");
    let file = file.unwrap();
    json!(file.hosts.iter().chain(&file.server).map(host).collect::<Vec<_>>())
}

/// Whether a host with these capabilities is tried for digests, or for tags.
fn served(row: &Value) -> Value {
    let content = format!(
        "server = \"https://s.dev.de\"\n[host.\"https://m.dev.de\"]\ncapabilities = {}\n",
        row["capabilities"]
    );
    let sample = tree(&[("certs.d/quay.io/hosts.toml", &content)]);
    let digest = format!("quay.io/a@sha256:{}", "0".repeat(64));
    let name = if row["for"] == "digests" { &digest } else { "quay.io/a:1" };
    json!(sample.candidates(name).iter().any(|candidate| candidate.starts_with("m.dev.de/")))
}

fn certificates(row: &Value) -> Value {
    let names: Vec<String> =
        row["files"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let files: Vec<String> = names.iter().map(|name| format!("certs.d/testing.io/{name}")).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|file| (file.as_str(), "")).collect();
    let sample = tree(&files);
    assert_eq!(sample.decide("testing.io/a:1"), "pass");
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let (mut ca, mut client) = (Vec::new(), Vec::new());
    for need in &sample.imported.transport {
        assert_eq!(need.value.host, "testing.io");
        match &need.value.what {
            Transport::CaFile(path) => ca.push(name(path)),
            Transport::ClientCert { cert, key } => client.push([name(cert), name(key.as_ref().unwrap())]),
            other => panic!("{other}"),
        }
    }
    json!({ "ca": ca, "client": client })
}

/// The first candidate that is up.
fn answered_by(row: &Value) -> Value {
    let sample = tree(&[("certs.d/quay.io/hosts.toml", row["input"].as_str().unwrap())]);
    let up = |host: &&str| match *host {
        "mirror.dev.de" => row["mirror_up"] == true,
        "server.dev.de" => row["server_up"] == true,
        other => panic!("{other} is no candidate upstream"),
    };
    let candidates = sample.candidates("quay.io/a:1");
    let mut hosts = candidates.iter().filter_map(|candidate| candidate.split('/').next());
    json!(hosts.find(up))
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
        let found = match row["function"].as_str().unwrap() {
            "hosts" => hosts(row["input"].as_str().unwrap()),
            "served" => served(&row),
            "certificates" => certificates(&row),
            "answered_by" => answered_by(&row),
            "without_file" => {
                let directory = format!("certs.d/{}/", row["registry"].as_str().unwrap());
                json!(tree(&[(&directory, "")]).decide("nginx:1"))
            }
            other => panic!("what is {other}?"),
        };
        asserted += 1;
        if found != row["expected"] {
            wrong.push(format!("{row}\n    gives {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected = [
        ("a parameter of containerd's requests", 2),
        ("another format: registry.mirrors in containerd's own configuration", 18),
        ("containerd chooses the scheme of a host that has no file", 19),
        ("containerd chooses the scheme of localhost", 16),
        ("containerd goes to the next host within a pull; here a pull has one host", 2),
        ("containerd offers credentials to hosts; files of this format hold none", 9),
        ("no pull asks for this: a tag needs pull and resolve, a digest needs pull", 6),
        ("requests that containerd makes to one host", 2),
    ];
    assert_eq!(without_meaning, expected.map(|(reason, count)| (reason.to_owned(), count)).into());
    assert_eq!(asserted, 11);
}
