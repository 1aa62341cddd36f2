//! Mirror locations: what is kept, and what is said about texts that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::Location;

#[test]
fn a_location_keeps_its_spelling() {
    for (text, host, path) in [
        ("mirror.dev.de:443", "mirror.dev.de:443", ""),
        ("Mirror.dev.de/p/q", "Mirror.dev.de", "p/q"),
        ("localhost/p", "localhost", "p"),
        ("mirror:5000/{host}", "mirror:5000", "{host}"),
        ("[::1]:5000/x-{host}/y", "[::1]:5000", "x-{host}/y"),
        ("registry-1.docker.io", "registry-1.docker.io", ""),
    ] {
        let location: Location = text.parse().expect(text);
        assert_eq!((location.host(), location.path()), (host, path));
        assert_eq!(location.to_string(), text);
        assert_eq!(location.has_placeholder(), text.contains("{host}"));
    }
    assert_eq!("index.docker.io/p".parse::<Location>().unwrap().to_string(), "docker.io/p");
}

#[test]
fn what_is_no_location_is_told_what_to_write() {
    for (text, expected) in [
        (
            "",
            "a mirror can't be empty [write a host, and a path where the mirror has one: harbor.dev.de/dockerhub]",
        ),
        (
            "https://m.de/v2/",
            "mirror \"https://m.de/v2/\" begins with a scheme \
             [leave the scheme out: m.de/v2 (plain http is containerd's to know, in hosts.toml)]",
        ),
        (
            "mirror/p",
            "mirror \"mirror/p\" does not begin with a host \
             [begin with a host that has a dot or a port: mirror.dev.de, mirror:5000]",
        ),
        ("m.de/", "mirror \"m.de/\" ends with a slash [leave the slash out: m.de]"),
        (
            "m.de:port",
            "\"m.de:port\" is not a registry host [write a host and, where it has one, its port: mirror.dev.de:5000]",
        ),
        (
            "m.de/p:1",
            "mirror \"m.de/p:1\" has a tag or a digest [tag and digest come from the name that is asked for]",
        ),
        ("m.de/P", "mirror \"m.de/P\" has upper case in its path [repositories are lower case]"),
        ("m.de/a//b", "mirror \"m.de/a//b\" is not a host and a repository path"),
        ("m.de/_{host}", "mirror \"m.de/_{host}\" is not a host and a repository path"),
    ] {
        let error = text.parse::<Location>().expect_err(text);
        let hint = error.hint().map(|hint| format!(" [{hint}]")).unwrap_or_default();
        assert_eq!(format!("{error}{hint}"), expected);
    }
    for text in ["{host}", "{host}/a", "m.de/{host}/{host}", "m.de/{registry}", "m.de/{host"] {
        let error = text.parse::<Location>().expect_err(text);
        assert_eq!(error.to_string(), format!("mirror {text:?} has a placeholder that is not understood"));
    }
}
