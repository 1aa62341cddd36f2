//! Mirror locations: what they keep, and the errors for other texts.

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
             [leave the scheme out: m.de/v2 (for http write `plain-http = true` in `[[transport]]`)]",
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

#[test]
fn an_endpoint_may_have_any_host_of_a_url() {
    for (host, path, private) in [
        ("nexus", "", true),
        ("nexus", "p/{host}", true),
        ("Nexus", "", true),
        ("my_registry:5000", "p", true),
        ("my_registry", "p", true),
        ("_x.de:1", "", true),
        ("[::1]:5000", "p", true),
        ("[fd00::1]", "", true),
        ("nexus:5000", "p", false),
        ("m.de", "p", false),
        ("a_b.io", "p", false),
        ("localhost", "", false),
        ("127.0.0.1:80", "", false),
    ] {
        let location = Location::of_endpoint(host, path).expect(host);
        assert_eq!((location.host(), location.path()), (host, path));
        assert_eq!(location.needs_private_host(), private, "for {host}");
        let slash = if path.is_empty() { "" } else { "/" };
        assert_eq!(location.to_string(), format!("{host}{slash}{path}"));
        assert_eq!(location.has_placeholder(), path.contains("{host}"));
        if !private {
            assert_eq!(location.to_string().parse(), Ok(location));
        }
    }
    for host in [
        "", "a/b", "a b", "a:", "a:x", "a..b", ".a", "a.", "-a", "a@b", "a:1:2", "[::1", "[g]", "{host}", "ä",
    ] {
        let error = Location::of_endpoint(host, "p").expect_err(host);
        assert_eq!(error.to_string(), format!("{host:?} is not a registry host"));
    }
    for (path, expected) in [
        ("P", "mirror \"nexus/P\" has upper case in its path"),
        ("p:1", "mirror \"nexus/p:1\" has a tag or a digest"),
        ("p//q", "mirror \"nexus/p//q\" is not a host and a repository path"),
        ("p/", "mirror \"nexus/p/\" is not a host and a repository path"),
        ("{host}{host}", "mirror \"nexus/{host}{host}\" has a placeholder that is not understood"),
    ] {
        assert_eq!(Location::of_endpoint("nexus", path).expect_err(path).to_string(), expected);
    }
}
