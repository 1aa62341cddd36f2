//! How each mirror is reached: what it says itself, what its host says, and what sources say of their endpoints.

use super::{accepted_text, refused_text, warned};
use crate::config::Config;
use crate::policy::{Asked, Decision};
use crate::registry::HeaderValue;

/// The endpoints of a name's candidates; `-` where it has none of its own.
fn endpoints(config: &Config, name: &str) -> Vec<String> {
    let name = name.parse().unwrap();
    let Decision::Route { candidates, .. } = config.policy.decide(&Asked::of(&name)) else {
        panic!("{name} is not routed")
    };
    let shown = candidates.iter().map(|candidate| {
        let endpoint = candidate.endpoint.map(|index| config.endpoints[index as usize].to_string());
        format!("{} {}", candidate.name.host(), endpoint.as_deref().unwrap_or("-"))
    });
    shown.collect()
}

/// A configuration with one source below its main file.
fn with_source(native: &str, key: &str, name: &str, content: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    let source = directory.path().join(name.split('/').next().unwrap());
    accepted_text(&format!("{native}[[policy.source]]\n{key} = \"{}\"\n", source.display()))
}

#[test]
fn each_endpoint_of_one_host_has_its_own_root_and_scheme() {
    let text = "mirrors:\n  a.io:\n    endpoint: ['https://m.dev/one']\n  b.io:\n    endpoint: ['https://m.dev/two']\n  \
                c.io:\n    endpoint: ['https://m.dev/one', 'http://m.dev/one', 'https://m.dev']\nconfigs:\n  \
                m.dev:\n    tls:\n      insecure_skip_verify: true\n";
    let config = with_source("", "registries-yaml", "r.yaml", text);
    let skip = "its certificate is not looked at";
    let by = |how: &str| format!("m.dev {how}, {skip}");
    assert_eq!(endpoints(&config, "a.io/x:1"), [by("https, API root /one/"), "a.io -".to_owned()]);
    assert_eq!(endpoints(&config, "b.io/x:1"), [by("https, API root /two/"), "b.io -".to_owned()]);
    let [https, http] = ["https, API root /one/", "http, API root /one/"].map(by);
    assert_eq!(endpoints(&config, "c.io/x:1"), [&https, &http, "m.dev -", "c.io -"]);
    assert_eq!(config.endpoints.len(), 3);
}

#[test]
fn what_a_mirror_says_itself_counts_over_what_is_said_of_its_host() {
    let config = accepted_text(
        "[[policy.rule]]\nprefix = \"a.io\"\nmirrors = [\n\
         \"m.dev\", \"http://m.dev\", \"https://m.dev/p\",\n\
         { location = \"m.dev\", api-root = \"/r\", skip-verify = false, headers = { x-a = \"2\" } },\n\
         { location = \"https://m.dev\", http-fallback = true },\n\
         { location = \"n.dev\", plain-http = true }, \"http://nexus/{host}\", \"http://[::1]:5000\"]\n\
         [[transport]]\nregistry = \"m.dev\"\nskip-verify = true\nheaders = { X-A = \"1\", X-B = \"1\" }\n\
         dial-timeout = \"1s\"\n",
    );
    let skip = "its certificate is not looked at";
    assert_eq!(
        endpoints(&config, "a.io/x:1"),
        [
            "m.dev -".to_owned(),
            "m.dev http, header X-A, header X-B".to_owned(),
            // The host itself says nothing else.
            "m.dev -".to_owned(),
            "m.dev https, API root /r/, header X-B, header x-a".to_owned(),
            format!("m.dev https, then http, {skip}, header X-A, header X-B"),
            "n.dev http".to_owned(),
            "nexus http".to_owned(),
            "[::1]:5000 -".to_owned(),
        ]
    );
    let timeouts = config.endpoints.iter().filter(|endpoint| endpoint.dial_timeout.is_some()).count();
    assert_eq!(timeouts, 3);
}

#[test]
fn two_registries_through_one_host_keep_their_headers_and_their_trust() {
    let directory = tempfile::tempdir().unwrap();
    for (registry, more) in [("docker.io", "skip_verify = true\n"), ("ghcr.io", "")] {
        let path = directory.path().join(registry);
        std::fs::create_dir_all(&path).unwrap();
        let text = format!(
            "server = \"https://{registry}\"\n[host.\"https://m.dev\"]\n{more}\
             [host.\"https://m.dev\".header]\nX-Upstream = [\"{registry}\"]\n"
        );
        std::fs::write(path.join("hosts.toml"), text).unwrap();
    }
    let source = format!("[[policy.source]]\ncerts-d = \"{}\"\n", directory.path().display());
    let config = accepted_text(&source);
    let skip = ", its certificate is not looked at";
    assert_eq!(endpoints(&config, "nginx:1")[0], format!("m.dev https{skip}, header X-Upstream"));
    assert_eq!(endpoints(&config, "ghcr.io/a:1")[0], "m.dev https, header X-Upstream");
    let values: Vec<&str> = config
        .endpoints
        .iter()
        .map(|endpoint| match &endpoint.headers[0].1 {
            HeaderValue::Text(text) => text.expose(),
            HeaderValue::File(_) => panic!("a text"),
        })
        .collect();
    assert_eq!(values, ["docker.io", "ghcr.io"]);
}

#[test]
fn http_on_the_loopback_stays_http_whatever_else_is_said() {
    let yaml = |endpoint: &str| format!("mirrors:\n  a.io:\n    endpoint: ['{endpoint}']\n");
    let endpoint = |text: &str| {
        let config = with_source("", "registries-yaml", "r.yaml", &yaml(text));
        endpoints(&config, "a.io/x:1")[0].clone()
    };
    assert_eq!(endpoint("http://localhost:5000/proxy"), "localhost:5000 http, API root /proxy/");
    assert_eq!(endpoint("localhost:5000/proxy"), "localhost:5000 http, API root /proxy/");
    assert_eq!(endpoint("http://localhost:5000"), "localhost:5000 -");
    assert_eq!(endpoint("http://nexus"), "nexus http");
    let hosts = "[host.\"http://localhost:5000\"]\nskip_verify = true\n";
    let config = with_source("", "certs-d", "certs.d/a.io/hosts.toml", hosts);
    let first = &endpoints(&config, "a.io/x:1")[0];
    // containerd tries TLS first then, and takes plain http where the other side speaks no TLS.
    assert!(first == "localhost:5000 -" || first.starts_with("localhost:5000 http"), "{first}");
}

#[test]
fn insecure_is_for_its_place_alone() {
    let text = "[[registry]]\nprefix = 'a.io'\nlocation = 'a.io'\n[[registry.mirror]]\nlocation = 'm.dev'\ninsecure = true\n\
                [[registry]]\nprefix = 'b.io'\nlocation = 'b.io'\n[[registry.mirror]]\nlocation = 'm.dev'\n";
    let config = with_source("", "registries-conf", "r.conf", text);
    let insecure = "m.dev https, then http, its certificate is not looked at";
    assert_eq!(endpoints(&config, "a.io/x:1"), [insecure, "a.io -"]);
    assert_eq!(endpoints(&config, "b.io/x:1"), ["m.dev -", "b.io -"]);
}

#[test]
fn one_endpoint_for_equal_mirrors_and_thousands_of_different_ones() {
    let rule = |i: usize, header: usize| {
        format!(
            "[[policy.rule]]\nprefix = \"r{i}.io\"\nmirrors = [{{ location = \"m.dev/p{i}\", headers = {{ x = \"{header}\" }} }}]\n"
        )
    };
    let equal: String = (0..100).map(|i| rule(i, 0)).collect();
    assert_eq!(accepted_text(&equal).endpoints.len(), 1);
    let different: String = (0..10_000).map(|i| rule(i, i)).collect();
    assert_eq!(accepted_text(&different).endpoints.len(), 10_000);
}

#[test]
fn what_contradicts_itself_in_a_mirror_is_refused() {
    insta::assert_snapshot!(refused_text(
        "[[policy.rule]]\nprefix = \"a.io\"\nmirrors = [\n\
         { location = \"https://m.dev\", plain-http = true },\n\
         { location = \"http://m.dev\", skip-verify = true },\n\
         { location = \"http://m.dev\", plain-http = false },\n\
         { location = \"m.dev\", plain-http = true, http-fallback = true },\n\
         { location = \"m.dev\", api-root = \"v2\", client-key = \"/k\", dial-timeout = \"0s\" },\n\
         { location = \"m.dev\", headers = { Authorization = \"x\" } },\n\
         \"ftp://m.dev\",\n\
         \"https://m dev\",\n\
         \"https://m.dev:0/x\",\n\
         \"http://my_registry:5000/A\",\n\
         \"https://ann:s3cret@m.dev\"]\n"
    ), @r#"
    error: this has no meaning with https:// in the mirror
     --> config.toml:4:44
      |
    4 | { location = "https://m.dev", plain-http = true },
      |              --------------- the mirror    ^^^^

    error: this has no meaning with `plain-http`, which does not use TLS
     --> config.toml:5:44
      |
    5 | { location = "http://m.dev", skip-verify = true },
      |              -------------- plain http     ^^^^

    error: this has no meaning with http:// in the mirror
     --> config.toml:6:43
      |
    6 | { location = "http://m.dev", plain-http = false },
      |              -------------- the mirror    ^^^^^

    error: this has no meaning with `plain-http`, which does not use TLS
     --> config.toml:7:58
      |
    7 | { location = "m.dev", plain-http = true, http-fallback = true },
      |                                    ---- plain http       ^^^^

    error: `policy.rule.mirrors.api-root`: "v2" is not a path
     --> config.toml:8:34
      |
    8 | { location = "m.dev", api-root = "v2", client-key = "/k", dial-timeout = "0s" },
      |                                  ^^^^
      |
      = help: write it as "/proxy/v2"

    error: `client-key` has no meaning without `client-cert`
     --> config.toml:8:53
      |
    8 | { location = "m.dev", api-root = "v2", client-key = "/k", dial-timeout = "0s" },
      |                                                     ^^^^

    error: `policy.rule.mirrors.dial-timeout`: must be longer than 0s
     --> config.toml:8:74
      |
    8 | { location = "m.dev", api-root = "v2", client-key = "/k", dial-timeout = "0s" },
      |                                                                          ^^^^

    error: the header Authorization is a credential and must not be in this file
    --> config.toml:9:51
     = note: line not shown: it may hold a secret
     = help: put its value into a file that only root can read: Authorization = { file = "/path" }

    error: `policy.rule.mirrors`: "ftp" is not a scheme of a registry
      --> config.toml:10:1
       |
    10 | "ftp://m.dev",
       | ^^^^^^^^^^^^^
       |
       = help: write http:// or https:// in front of the host, or the host alone

    error: `policy.rule.mirrors`: "m dev" is not a registry host
      --> config.toml:11:1
       |
    11 | "https://m dev",
       | ^^^^^^^^^^^^^^^
       |
       = help: write a host and, where it has one, its port: mirror.dev.de:5000

    error: `policy.rule.mirrors`: 0 is not a valid port
      --> config.toml:12:1
       |
    12 | "https://m.dev:0/x",
       | ^^^^^^^^^^^^^^^^^^^
       |
       = help: ports go from 1 to 65535

    error: `policy.rule.mirrors`: mirror "my_registry:5000/A" has upper case in its path
      --> config.toml:13:1
       |
    13 | "http://my_registry:5000/A",
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: repositories are lower case

    error: `policy.rule.mirrors`: a mirror's address cannot contain a user name
    --> config.toml:14:1
     = note: line not shown: it may hold a secret
     = help: write logins as [[credentials]]
    "#);
}

#[test]
fn one_mirror_reached_in_two_ways_is_not_in_the_list_twice() {
    let rule = |mirrors: &str| warned(&format!("[[policy.rule]]\nprefix = 'a.io'\nmirrors = [{mirrors}]\n"));
    let twice = "the mirror `m.dev` is already in this list";
    assert!(!rule("'m.dev', 'http://m.dev', { location = 'm.dev', api-root = '/r' }").contains(twice));
    assert!(rule("'m.dev', 'https://m.dev'").contains(twice));
}

/// By a header or an API root one host has the images of several registries, each where it would be alone.
#[test]
fn registries_that_a_header_or_an_api_root_tells_apart_are_in_no_conflict() {
    let rule = |registry: &str, keys: &str| {
        format!("[[policy.rule]]\nprefix = '{registry}'\nmirrors = [{{ location = 'm.dev', {keys} }}]\n")
    };
    let two = |first: &str, second: &str| rule("docker.io", first) + &rule("ghcr.io", second);
    let apart = [
        ("headers = { X-Upstream = 'a' }", "headers = { X-Upstream = 'b' }"),
        ("api-root = '/a/v2'", "api-root = '/b/v2'"),
        ("api-root = '/a/v2'", "ca = '/etc/ca.pem'"),
    ];
    for (first, second) in apart {
        let config = accepted_text(&two(first, second));
        for name in ["docker.io/team/app:1", "ghcr.io/team/app:1"] {
            let name = name.parse().unwrap();
            assert!(matches!(config.policy.decide(&Asked::of(&name)), Decision::Route { .. }), "{first}");
        }
    }
    let together = [("api-root = '/a/v2'", "api-root = '/a/v2'"), ("ca = '/a.pem'", "ca = '/b.pem'")];
    for (first, second) in together {
        let said = refused_text(&two(first, second));
        assert!(said.contains("images of docker.io and ghcr.io would come from one place, m.dev"), "{said}");
    }
}
