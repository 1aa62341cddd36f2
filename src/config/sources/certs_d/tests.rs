//! Trees in, decisions and texts out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod mistakes;
mod properties;

use super::super::fixture::Sample;
use super::super::source_file::Format;
use crate::policy::{Action, Only};

const DIGEST: &str = "quay.io/a@sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn tree(files: &[(&str, &str)]) -> Sample {
    let files: Vec<(String, &str)> =
        files.iter().map(|(name, text)| (format!("certs.d/{name}"), *text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    Sample::of(Format::CertsD, "certs.d", &files)
}

fn quay(content: &str) -> Sample {
    tree(&[("quay.io/hosts.toml", content)])
}

#[test]
fn hosts_are_tried_in_the_order_of_their_headers_and_the_registry_after_them() {
    let sample =
        quay("[host.\"https://z.de\"]\n[host.\"a.de:5000\"]\n[host.\"https://m.de\".header]\nx = \"y\"\n");
    sample.check(&[
        ("quay.io/a/b:1", "z.de/a/b:1, a.de:5000/a/b:1, m.de/a/b:1, origin"),
        ("quay.io.de/a:1", "pass"),
        ("quay.io:5000/a:1", "pass"),
        ("nginx:1", "pass"),
    ]);
    assert_eq!(sample.needs(), ["m.de: the header x"]);
}

#[test]
fn a_server_takes_the_place_of_the_registry() {
    let mirror = "[host.\"https://m.de\"]\n";
    let rows = [
        ("", "m.de/a:1, origin"),
        ("server = \"\"\n", "m.de/a:1, origin"),
        ("server = \"https://quay.io\"\n", "m.de/a:1, origin"),
        ("server = \"https://quay.io/v2\"\n", "m.de/a:1, origin"),
        ("server = \"https://QUAY.io:443\"\n", "m.de/a:1, origin"),
        ("server = \"https://last.de\"\n", "m.de/a:1, last.de/a:1"),
        ("server = \"https://m.de\"\n", "m.de/a:1"),
        ("server = \"https://last.de\"\ncapabilities = [\"push\"]\n", "m.de/a:1"),
        ("server = \"https://last.de\"\ncapabilities = [\"pull\"]\n", "m.de/a:1"),
        ("server = \"https://last.de/v2/p\"\noverride_path = true\n", "m.de/a:1, last.de/p/a:1"),
        // Without a server, these are not for the registry.
        ("capabilities = [\"push\"]\n", "m.de/a:1, origin"),
    ];
    for (server, expected) in rows {
        assert_eq!(quay(&format!("{server}{mirror}")).decide("quay.io/a:1"), expected, "{server}");
    }
    let hub =
        tree(&[("docker.io/hosts.toml", "server = \"https://registry-1.docker.io\"\n[host.\"m.de\"]\n")]);
    hub.check(&[
        ("nginx:1", "m.de/library/nginx:1, origin"),
        ("index.docker.io/a/b:1", "m.de/a/b:1, origin"),
    ]);
}

#[test]
fn capabilities_say_which_names_a_host_serves() {
    let rows = [
        ("[]", "m.de", "m.de"),
        ("[\"pull\", \"resolve\"]", "m.de", "m.de"),
        ("[\"Pull\", \"RESOLVE\"]", "m.de", "m.de"),
        ("[\"pull\"]", "", "m.de"),
        ("[\"pull\", \"push\"]", "", "m.de"),
        ("[\"resolve\"]", "", ""),
        ("[\"push\", \"referrers\"]", "", ""),
    ];
    for (capabilities, tag, digest) in rows {
        let sample = quay(&format!("[host.\"https://m.de\"]\ncapabilities = {capabilities}\n"));
        let first = |name: &str| {
            let first = sample.candidates(name).remove(0);
            first.split('/').next().filter(|host| *host != "quay.io").unwrap_or_default().to_owned()
        };
        assert_eq!(
            (first("quay.io/a:1"), first(DIGEST)),
            (tag.to_owned(), digest.to_owned()),
            "{capabilities}"
        );
    }
}

#[test]
fn the_registry_itself_can_be_for_digests_only() {
    let sample = quay("server = \"https://quay.io\"\ncapabilities = [\"pull\"]\n[host.\"https://m.de\"]\n");
    sample.check(&[("quay.io/a:1", "m.de/a:1")]);
    assert_eq!(sample.candidates(DIGEST).last().unwrap(), DIGEST);
    let Action::Route(route) = &sample.imported.rules[0].rule.action else { panic!("a route") };
    assert_eq!(route.mirrors[1].only, Only::Digests);
}

#[test]
fn where_no_host_serves_pulls_nothing_is_pulled() {
    let sample = quay("server = \"https://s.de\"\ncapabilities = [\"push\"]\n");
    sample.check(&[("quay.io/a:1", "deny: no registry in certs.d/quay.io/hosts.toml serves pulls")]);
}

#[test]
fn an_api_root_is_a_path_or_a_need() {
    let rows: [(&str, &str, &[&str]); 8] = [
        ("[host.\"https://m.de/v2/p/q\"]\noverride_path = true\n", "m.de/p/q/a:1", &[]),
        ("[host.\"https://m.de/p\"]\n", "m.de/a:1", &["m.de: the API root /p/v2"]),
        ("[host.\"https://m.de/p\"]\noverride_path = true\n", "m.de/a:1", &["m.de: the API root /p"]),
        ("[host.\"https://m.de\"]\noverride_path = true\n", "m.de/a:1", &["m.de: the API root /"]),
        ("[host.\"https://m.de/v2/P\"]\noverride_path = true\n", "m.de/a:1", &["m.de: the API root /v2/P"]),
        ("[host.\"http://m:5000\"]\n", "m:5000/a:1", &["m:5000: plain http"]),
        ("[host.\"http://m\"]\n", "m/a:1", &["m: plain http"]),
        ("[host.\"http://localhost:5000\"]\n", "localhost:5000/a:1", &[]),
    ];
    for (content, first, needs) in rows {
        let sample = quay(content);
        assert_eq!(sample.candidates("quay.io/a:1")[0], first, "{content}");
        assert_eq!(sample.needs(), needs, "{content}");
    }
}

#[test]
fn what_a_connection_needs_is_carried() {
    let sample = quay(
        "ca = \"own.pem\"\n[host.\"https://m.de\"]\nca = [\"/a.pem\", \"b.pem\"]\n\
         client = [[\"c.cert\", \"c.key\"], \"d.pem\"]\nskip_verify = true\ndial_timeout = \"3s\"\n\
         [host.\"https://n.de\"]\nskip_verify = false\n",
    );
    assert_eq!(
        sample.needs(),
        [
            "m.de: the certificate authority /a.pem",
            "m.de: the certificate authority certs.d/quay.io/b.pem",
            "m.de: the client certificate certs.d/quay.io/c.cert",
            "m.de: the client certificate certs.d/quay.io/d.pem",
            "m.de: skip-verify (its certificate is not verified)",
            "m.de: the dial timeout 3s",
            "quay.io: the certificate authority certs.d/quay.io/own.pem",
        ]
    );
}

#[test]
fn a_registry_has_the_directory_that_containerd_finds_first() {
    let to = |mirror: &str| format!("[host.\"https://{mirror}\"]\n");
    let (coded, plain, default) = (to("coded.de"), to("plain.de"), to("default.de"));
    let sample = tree(&[
        ("h.de_5000_/hosts.toml", &coded),
        ("h.de:5000/hosts.toml", &plain),
        ("i.de:5000/hosts.toml", &plain),
        ("_default/hosts.toml", &default),
        ("certs.de/ca.crt", ""),
        ("empty.de/", ""),
        ("none.de/hosts.toml", ""),
    ]);
    sample.check(&[
        ("h.de:5000/a:1", "coded.de/a:1, origin"),
        ("i.de:5000/a:1", "plain.de/a:1, origin"),
        ("h.de/a:1", "default.de/a:1, origin"),
        ("nginx:1", "default.de/library/nginx:1, origin"),
        // A registry's own directory hides the default, even if it is empty.
        ("certs.de/a:1", "pass"),
        ("empty.de/a:1", "pass"),
        ("none.de/a:1", "pass"),
    ]);
}

#[test]
fn two_spellings_of_one_registry_have_one_rule() {
    let to = |mirror: &str| format!("[host.\"https://{mirror}\"]\n");
    let (one, two) = (to("one.de"), to("two.de"));
    let sample = tree(&[("docker.io/hosts.toml", &one), ("registry-1.docker.io/hosts.toml", &two)]);
    sample.check(&[("nginx:1", "one.de/library/nginx:1, origin")]);
    let sample = tree(&[("h.de_443_/hosts.toml", &two), ("h.de/hosts.toml", &one)]);
    sample.check(&[("h.de:443/a:1", "one.de/a:1, origin")]);
}

#[test]
fn every_place_that_a_change_may_appear_in_is_watched() {
    let own = "# Written by cri-shunt, which will change it\n";
    let sample = tree(&[("quay.io/hosts.toml", ""), ("docker.io/", ""), ("ghcr.io/hosts.toml", own)]);
    let expected =
        ["certs.d", "docker.io/hosts.toml", "certs.d/docker.io", "ghcr.io/hosts.toml", "quay.io/hosts.toml"];
    let seen = sample.seen();
    let same = seen.iter().zip(expected).all(|(path, expected)| path.ends_with(expected));
    assert!(same && seen.len() == expected.len(), "{seen:?}");
}

#[test]
fn what_the_shunt_wrote_there_itself_is_no_rule() {
    let own =
        "# Written by cri-shunt, which will change it\nserver = \"https://m.de\"\n[host.\"https://m.de\"]\n";
    let sample =
        tree(&[("quay.io/hosts.toml", own), ("docker.io/hosts.toml", "server = \"https://h.de\"\n")]);
    sample.check(&[("quay.io/a:1", "pass"), ("docker.io/a/b:1", "h.de/a/b:1")]);
}

#[test]
fn a_dial_timeout_is_a_duration_of_go() {
    for time in ["10s", "1.5s", "500us", "0", "1h0m0.5s"] {
        let sample = quay(&format!("[host.\"https://m.de\"]\ndial_timeout = \"{time}\"\n"));
        assert!(!sample.shown().contains("duration"), "{time}\n{}", sample.shown());
    }
}
