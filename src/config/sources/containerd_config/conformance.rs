//! The table, checked by the rows of containerd's own tests: `TestRegistryEndpoints` and `TestDefaultScheme` of
//! `internal/cri/server/images/image_pull_test.go`, and what `registryHosts` there makes of an endpoint.
//!
//! A row has the mirrors by registry, the registry that is asked, and the candidates: `origin` is the default endpoint
//! that containerd adds.

use super::super::fixture::Sample;
use crate::config::Format;

/// The registry's endpoints, a name, and what is tried for it.
type Row = (&'static [(&'static str, &'static [&'static str])], &'static str, &'static str);

const ROWS: [Row; 15] = [
    // TestRegistryEndpoints
    (&[("registry-1.io", &["https://registry-1.io", "https://registry-2.io"])], "registry-3.io/a:1", "pass"),
    (
        &[("registry-3.io", &["https://registry-1.io", "https://registry-2.io"])],
        "registry-3.io/a:1",
        "registry-1.io/a:1, registry-2.io/a:1, origin",
    ),
    (
        &[("*", &["https://registry-1.io", "https://registry-2.io"])],
        "registry-3.io/a:1",
        "registry-1.io/a:1, registry-2.io/a:1, origin",
    ),
    (
        &[("*", &["https://registry-1.io"]), ("registry-3.io", &["https://registry-2.io"])],
        "registry-3.io/a:1",
        "registry-2.io/a:1, origin",
    ),
    (
        &[("registry-3.io", &["https://registry-3.io", "https://registry-1.io"])],
        "registry-3.io/a:1",
        "registry-3.io/a:1, registry-1.io/a:1",
    ),
    (
        &[("registry-3.io", &["https://registry-1.io", "https://registry-3.io"])],
        "registry-3.io/a:1",
        "registry-1.io/a:1, origin",
    ),
    (
        &[("registry-3.io", &["registry-1.io:5000", "127.0.0.1:1234", "localhost"])],
        "registry-3.io/a:1",
        "registry-1.io:5000/a:1, 127.0.0.1:1234/a:1, localhost/a:1, origin",
    ),
    // An entry without endpoints hides `*`.
    (&[("*", &["https://m.dev"]), ("quay.io", &[])], "quay.io/a:1", "pass"),
    (&[("quay.io", &[])], "quay.io/a:1", "pass"),
    // The default endpoint of docker.io has another host than the registry.
    (&[("docker.io", &["https://m.dev"])], "nginx", "m.dev/library/nginx:latest, origin"),
    (
        &[("docker.io", &["https://m.dev", "https://registry-1.docker.io"])],
        "nginx",
        "m.dev/library/nginx:latest, origin",
    ),
    // The path of an endpoint is its API root.
    (&[("quay.io", &["https://m.dev/v2/proxy"])], "quay.io/a:1", "m.dev/proxy/a:1, origin"),
    (&[("quay.io", &["https://m.dev/proxy"])], "quay.io/a:1", "m.dev/a:1, origin"),
    // Registries are compared with their port.
    (&[("quay.io:5000", &["https://m.dev"])], "quay.io/a:1", "pass"),
    (&[("quay.io:5000", &["https://m.dev"])], "quay.io:5000/a:1", "m.dev/a:1, origin"),
];

fn file(mirrors: &[(&str, &[&str])]) -> Sample {
    let mut text = "version = 2\n".to_owned();
    for (registry, endpoints) in mirrors {
        text += &format!(
            "[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'{registry}']\nendpoint = {endpoints:?}\n"
        );
    }
    Sample::of(Format::ContainerdConfig, "config.toml", &[("config.toml", &text)])
}

#[test]
fn every_row_holds() {
    for (mirrors, name, expected) in ROWS {
        assert_eq!(file(mirrors).decide(name), expected, "{mirrors:?} {name}");
    }
}

#[test]
fn an_endpoint_without_a_scheme_is_https_but_on_the_node_itself() {
    let rows: [(&str, &[&str]); 8] = [
        ("registry.io", &[]),
        ("registry.io:8080", &[]),
        ("localhost", &["localhost: plain http"]),
        ("127.0.0.1:443", &["127.0.0.1:443: plain http"]),
        ("http://registry.io", &["registry.io: plain http"]),
        ("https://localhost:5000", &[]),
        ("https://m.dev/", &["m.dev: the API root /"]),
        ("https://m.dev/proxy", &["m.dev: the API root /proxy"]),
    ];
    for (endpoint, expected) in rows {
        assert_eq!(file(&[("quay.io", &[endpoint])]).needs(), expected, "{endpoint}");
    }
}
