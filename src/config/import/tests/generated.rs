//! Files of every format for the properties: small vocabularies whose words lie close to each other, so that
//! prefixes overlap, several spellings mean one host, and mirrors are inside other rules.

use std::fmt::Write;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A source: the path on the command line, and its files.
#[derive(Clone, Debug)]
pub(super) struct Generated {
    pub(super) format: usize,
    pub(super) name: &'static str,
    pub(super) files: Vec<(String, String)>,
}

/// The names of the formats, by their numbers.
pub(super) const FORMATS: [&str; 4] =
    ["registries.yaml", "certs.d", "registries.conf", "image-cri-shim.yaml"];

const REGISTRIES: [&str; 10] = [
    "docker.io",
    "registry-1.docker.io",
    "quay.io",
    "QUAY.io:443",
    "h.dev.de",
    "h.dev.de:5000",
    "mirror:443",
    "localhost:5000",
    "m.de",
    "[::1]:5000",
];

const ENDPOINTS: [&str; 13] = [
    "https://m.de",
    "m.de:443",
    "https://m.de/v2/p",
    "https://m.de/v2/p/a",
    "http://10.0.0.5:5000",
    "https://registry-1.docker.io",
    "https://index.docker.io/v2",
    "https://quay.io",
    "localhost:5000",
    "https://mirror:443/v2/x",
    "https://h.dev.de:5000/v2",
    "https://H.dev.de/v2/quay.io",
    "https://m.de/v2/{host}",
];

const REWRITES: [(&str, &str); 8] = [
    ("^(.*)$", "p/$1"),
    ("^library/(.*)", "$1"),
    ("^a/", "x/"),
    ("a", "b:1"),
    ("^rancher/(?P<n>.*)", "mirrored-${n}"),
    ("[[:digit:]]+$", ""),
    ("'|\\d$|\\Qb/c\\E", "'\\n"),
    ("(?i)NGINX", "\"n\\\""),
];

const DIRECTORIES: [&str; 8] = [
    "_default",
    "docker.io",
    "quay.io",
    "h.dev.de_5000_",
    "mirror_443_",
    "registry-1.docker.io",
    "dev.de",
    "[::1]_5000_",
];

const CAPABILITIES: [&str; 4] = ["[]", "['pull']", "['pull', 'resolve']", "['resolve', 'push']"];

const PREFIXES: [&str; 12] = [
    "docker.io",
    "docker.io/library",
    "docker.io/a",
    "quay.io",
    "quay.io/a",
    "quay.io/a/b",
    "*.dev.de",
    "*.de",
    "h.dev.de:5000",
    "h.dev.de/p",
    "mirror:443/a",
    "localhost:5000",
];

const PLACES: [&str; 10] = [
    "m.de",
    "m.de:5000/p",
    "m.de/p/a",
    "n.de/quay.io",
    "docker.io/mirror",
    "quay.io/a/c",
    "registry-1.docker.io",
    "localhost:5000/x",
    "mirror:443",
    "h.dev.de/p",
];

const ALIASES: [(&str, &str); 4] = [
    ("nginx", "quay.io/a/nginx"),
    ("a/b", "m.de/a/b"),
    ("p/a", "h.dev.de/p/a"),
    ("ab", "docker.io/library/ab"),
];

const ADDRESSES: [&str; 6] = [
    "http://sealos.hub:5000",
    "https://m.de",
    "https://registry-1.docker.io",
    "https://quay.io/x",
    "http://localhost:5000",
    "https://mirror:443",
];

const HOSTS: [&str; 26] = [
    "",
    "",
    "docker.io/",
    "index.docker.io/",
    "registry-1.docker.io/",
    "Docker.io:443/",
    "docker.io:80/",
    "quay.io/",
    "QUAY.IO/",
    "quay.io:443/",
    "quay.io:5000/",
    "x.quay.io/",
    "h.dev.de/",
    "h.dev.de:5000/",
    "h.dev.de:05000/",
    "x.h.dev.de:5000/",
    "dev.de/",
    "m.de/",
    "m.de:5000/",
    "n.de/",
    "mirror:443/",
    "mirror:5000/",
    "localhost:5000/",
    "10.0.0.5:5000/",
    "sealos.hub:5000/",
    "[::1]:5000/",
];

const PATHS: [&str; 16] = [
    "nginx",
    "library/nginx",
    "a",
    "a/b",
    "a/b/c",
    "a/c",
    "ab",
    "p",
    "p/a",
    "p/a/b",
    "x/a",
    "quay.io/a",
    "mirror/a",
    "rancher/rancher",
    "rancher/k3s2",
    "library/ab",
];

const DIGEST: &str = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
pub(super) fn source() -> impl Strategy<Value = Generated> {
    prop_oneof![registries_yaml(), certs_d(), registries_conf(), image_cri_shim()]
}

fn some<T: Clone + std::fmt::Debug + 'static>(
    words: &'static [T],
    least: usize,
    most: usize,
) -> impl Strategy<Value = Vec<T>> {
    subsequence(words, least..=most).prop_shuffle()
}

fn registries_yaml() -> impl Strategy<Value = Generated> {
    let mirror = (some(&ENDPOINTS, 0, 3), some(&REWRITES, 0, 2));
    let mirrors = (some(&REGISTRIES, 1, 4), any::<bool>(), prop::collection::vec(mirror, 5));
    (mirrors, some(&REGISTRIES, 0, 2)).prop_map(|((mut keys, wildcard, mirrors), configs)| {
        keys.extend(wildcard.then_some("*"));
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let mut text = "mirrors:\n".to_owned();
        for (key, (endpoints, rewrites)) in keys.iter().zip(mirrors) {
            let endpoints: Vec<String> = endpoints.iter().map(|text| quoted(text)).collect();
            writeln!(text, "  {}:\n    endpoint: [{}]", quoted(key), endpoints.join(", ")).unwrap();
            let rewrites: Vec<String> =
                rewrites.iter().map(|(from, to)| format!("{}: {}", quoted(from), quoted(to))).collect();
            writeln!(text, "    rewrite: {{{}}}", rewrites.join(", ")).unwrap();
        }
        text.push_str("configs:\n");
        for host in configs {
            writeln!(text, "  {}: {{auth: {{username: u, password: p}}}}", quoted(host)).unwrap();
        }
        one(0, text)
    })
}

fn one(format: usize, text: String) -> Generated {
    Generated { format, name: FORMATS[format], files: vec![(FORMATS[format].to_owned(), text)] }
}

fn certs_d() -> impl Strategy<Value = Generated> {
    let host = (select(&CAPABILITIES[..]), any::<bool>());
    let hosts = (some(&ENDPOINTS, 0, 3), prop::collection::vec(host, 3));
    let server = prop::option::of(select(&ENDPOINTS[..]));
    let file = prop::option::weighted(0.9, (server, hosts));
    (some(&DIRECTORIES, 1, 4), prop::collection::vec(file, 4)).prop_map(|(directories, files)| {
        let mut all = Vec::new();
        for (directory, file) in directories.into_iter().zip(files) {
            let Some((server, (hosts, details))) = file else {
                all.push((format!("certs.d/{directory}/"), String::new()));
                continue;
            };
            let mut text = server.map(|server| format!("server = '{server}'\n")).unwrap_or_default();
            for (host, (capabilities, whole)) in hosts.iter().zip(details) {
                let head = format!("[host.'{host}']\ncapabilities = {capabilities}\n");
                text.push_str(&format!("{head}override_path = {whole}\n"));
            }
            all.push((format!("certs.d/{directory}/hosts.toml"), text));
        }
        Generated { format: 1, name: FORMATS[1], files: all }
    })
}

fn registries_conf() -> impl Strategy<Value = Generated> {
    let usage = select(&["all", "digest-only", "tag-only"][..]);
    let mirrors = (some(&PLACES, 0, 2), prop::collection::vec(usage, 2));
    let blocked = prop::bool::weighted(0.3);
    let entry = (any::<prop::sample::Selector>(), blocked, prop::bool::weighted(0.5), mirrors);
    let entries = (some(&PREFIXES, 1, 5), prop::collection::vec(entry, 5));
    (entries, some(&ALIASES, 0, 2)).prop_map(|((prefixes, entries), aliases)| {
        let mut text = "[aliases]\n".to_owned();
        for (name, target) in aliases {
            writeln!(text, "'{name}' = '{target}'").unwrap();
        }
        let mut places = PLACES.to_vec();
        for (prefix, (place, blocked, moved, (mirrors, usages))) in prefixes.iter().zip(entries) {
            // Every entry has its own place, because two with the same place would have to agree.
            let location = if moved { *place.select(&places) } else { prefix };
            places.retain(|place| *place != location);
            writeln!(text, "[[registry]]\nprefix = '{prefix}'\nblocked = {}", blocked && !moved).unwrap();
            if !location.starts_with('*') {
                writeln!(text, "location = '{location}'").unwrap();
            }
            for (mirror, usage) in mirrors.iter().zip(usages) {
                let head = format!("[[registry.mirror]]\nlocation = '{mirror}'");
                writeln!(text, "{head}\npull-from-mirror = '{usage}'").unwrap();
            }
        }
        one(2, text)
    })
}

fn image_cri_shim() -> impl Strategy<Value = Generated> {
    let registries = (some(&ADDRESSES, 1, 3), prop::collection::vec(-1i64..1200, 3), any::<bool>());
    registries.prop_map(|(addresses, priorities, login)| {
        let (offline, others) = addresses.split_first().unwrap();
        let mut text = format!("address: {offline}\nofflinePriority: {}\n", priorities[0]);
        text.push_str(if login { "auth: u:p\n" } else { "" });
        text.push_str(if others.is_empty() { "" } else { "registries:\n" });
        for (address, priority) in others.iter().zip(&priorities[1..]) {
            writeln!(text, "- address: {address}\n  priority: {priority}").unwrap();
        }
        one(3, text)
    })
}

/// A name near the prefixes, the aliases and the mirrors above.
pub(super) fn name() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        6 => select(&PATHS[..]).prop_map(str::to_owned),
        1 => "[a-c]{1,2}(/[a-c]{1,2}){0,2}",
    ];
    let suffix = prop_oneof![
        Just(String::new()),
        Just(":1".to_owned()),
        Just(DIGEST.to_owned()),
        Just(format!(":1{DIGEST}")),
        ":[a-z0-9]{1,3}",
    ];
    (select(&HOSTS[..]), path, suffix).prop_map(|(host, path, suffix)| format!("{host}{path}{suffix}"))
}
