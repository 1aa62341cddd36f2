//! Keys: which spellings of a registry are one, and which are not.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use proptest::prelude::*;

use super::super::name::Name;
use super::{Key, fold_host};

#[test]
fn the_spellings_of_one_registry_fold() {
    for (spelling, folded) in [
        ("docker.io", "docker.io"),
        ("DOCKER.io:443", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io:0443", "docker.io"),
        ("registry.docker.io", "docker.io"),
        ("Registry.Hub.Docker.com:443", "docker.io"),
        ("localhost:80", "localhost"),
        ("LOCALHOST:080", "localhost"),
        ("localhost:443", "localhost"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("127.8.0.1:0080", "127.8.0.1"),
        ("GHCR.io", "ghcr.io"),
        ("example.com:443", "example.com"),
        ("example.com:00443", "example.com"),
        ("example.com:05000", "example.com:5000"),
        ("example.com:000", "example.com:0"),
        ("[FD00::1]:443", "[fd00::1]"),
        ("[fd00:0:0:0:0:0:0:1]", "[fd00::1]"),
        ("[::ffff:a00:1]:5000", "[0:0:0:0:0:ffff:a00:1]:5000"),
        // Not an address; no program can dial it, and it stays as it is.
        ("[FD00123123123]:75050", "[fd00123123123]:75050"),
    ] {
        assert_eq!(fold_host(spelling), folded, "for {spelling}");
    }
    for host in [
        "docker.io:80",
        "docker.io:4430",
        "docker.io:5000",
        "registry-1.docker.io:80",
        "registry-2.docker.io",
        "hub.docker.com",
        "docker.com",
        "registry.hub.docker.com:80",
        "registry.hub.docker.com.evil.de",
        "localhost:8080",
        "localhost.de:80",
        "10.0.0.1:80",
        "[::1]:80",
        "index.docker.io.evil.de",
        "10.0.0.1",
        "localhost:5000",
        "[::1]:5000",
    ] {
        assert_eq!(fold_host(host), host);
    }
}

#[test]
fn a_key_has_the_parts_of_its_name() {
    let name: Name = "Registry-1.docker.io:443/a/b:V1".parse().unwrap();
    let key = name.key();
    assert_eq!(key.as_str(), "docker.io/a/b:V1");
    assert_eq!((key.host(), key.path(), key.repository()), ("docker.io", "a/b", "docker.io/a/b"));
    assert_eq!((key.tag(), key.digest()), (Some("V1"), None));
    assert_eq!(key.to_string(), key.as_str());
    assert_eq!(name.as_str(), "Registry-1.docker.io:443/a/b:V1");
}

proptest! {
    #[test]
    fn folding_twice_is_folding_once(host in "[a-zA-Z0-9.:\\[\\]-]{0,24}|\\[[0-9a-fA-F:]{2,30}\\](:[0-9]{1,4})?") {
        let once = fold_host(&host).into_owned();
        prop_assert_eq!(fold_host(&once).into_owned(), once.clone());
        let key = Key::new(&host, "a/b", ":1");
        prop_assert_eq!(Key::new(key.host(), key.path(), key.suffix()), key);
    }
}
