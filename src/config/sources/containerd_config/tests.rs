//! Unusual files, and the messages about them.

use super::super::fixture::Sample;
use crate::config::Format;

fn file(content: &str) -> Sample {
    Sample::of(Format::ContainerdConfig, "config.toml", &[("config.toml", content)])
}

/// A file of version 2 with these tables below `registry`.
fn registry(tables: &str) -> Sample {
    let plugin = "[plugins.'io.containerd.grpc.v1.cri'.registry";
    file(&format!("version = 2\n{plugin}]\n{}", tables.replace("[registry", plugin)))
}

#[test]
fn each_version_of_the_file_has_the_table_elsewhere() {
    let tables = |plugin: &str| {
        format!("[plugins.{plugin}.registry.mirrors.'quay.io']\nendpoint = ['https://m.dev']\n")
    };
    let (one, two, three) = ("cri", "'io.containerd.grpc.v1.cri'", "'io.containerd.cri.v1.images'");
    let rows = [
        ("", one, true),
        ("version = 1\n", one, true),
        ("version = 2\n", two, true),
        ("version = 2\n", three, true),
        ("version = 3\n", three, true),
        ("version = 4\n", three, true),
        ("", two, false),
        ("", three, false),
        ("version = 1\n", two, false),
        ("version = 2\n", one, false),
        ("version = 3\n", two, false),
    ];
    for (version, plugin, is_read) in rows {
        let sample = file(&format!("{version}{}", tables(plugin)));
        assert_eq!(!sample.imported.rules.is_empty(), is_read, "{version}{plugin}");
    }
    insta::assert_snapshot!(file(&tables(two)).shown(), @r#"
    warning: containerd does not read [plugins."io.containerd.grpc.v1.cri".registry] in a file without a `version`
     --> config.toml:1:38
      |
    1 | [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'quay.io']
      |                                      ^^^^^^^^
      |
      = help: write `version = 2` at the top of the file
    "#);
    insta::assert_snapshot!(file(&format!("version = 3\n{}", tables(two))).shown(), @r#"
    warning: containerd does not read [plugins."io.containerd.grpc.v1.cri".registry] in a file of version 3
     --> config.toml:2:38
      |
    2 | [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'quay.io']
      |                                      ^^^^^^^^
      |
      = help: there it is [plugins."io.containerd.cri.v1.images".registry]
    "#);
}

#[test]
fn logins_and_tls_are_by_host_and_no_secret_is_shown() {
    let sample = registry(
        "[registry.mirrors.'docker.io']\nendpoint = ['https://m.dev:5000']\n\
         [registry.configs.'m.dev:5000'.auth]\nusername = 'u'\npassword = 's3cret77'\n\
         [registry.configs.'m.dev:5000'.tls]\nca_file = '/ca.pem'\ninsecure_skip_verify = true\n\
         [registry.configs.'n.dev'.auth]\nidentitytoken = 's3cret77'\n\
         [registry.configs.'https://o.dev/v2'.auth]\nauth = 's3cret77'\n\
         [registry.configs.'e.dev'.auth]\nusername = ''\npassword = ''\n\
         [registry.auths.'https://old.dev/v1/']\nauth = 's3cret77'\n\
         [registry.headers]\nUser-Agent = ['node']\nX-Token = ['s3cret77', 's3cret77']\n",
    );
    let logins: Vec<&str> = sample.imported.logins.iter().map(|login| login.host.as_str()).collect();
    assert_eq!(logins, ["m.dev:5000", "n.dev", "old.dev"]);
    assert_eq!(
        sample.needs(),
        [
            "m.dev:5000: the certificate authority /ca.pem",
            "m.dev:5000: skip-verify (its certificate is not verified)",
            "*: the header User-Agent",
            "*: the header X-Token",
            "*: the header X-Token",
        ]
    );
    assert!(!format!("{:?}{}", sample.imported, sample.shown()).contains("s3cret77"));
    insta::assert_snapshot!(sample.shown(), @"
    warning: `https://o.dev/v2` is no host, so containerd uses this entry for none
    --> config.toml:13:55
     = note: line not shown: it may hold a secret
     = help: write the host alone: o.dev
    ");
}

#[test]
fn every_mistake_at_once() {
    let sample = file(
        "version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\nroot = '/var/lib/containerd'\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors]\nendpoint = ['https://m.dev']\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'https://a.dev']\nendpoint = ['https://m.dev']\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'b.dev']\n\
         endpoint = ['https://m.dev/', 'ftp://n.dev', 'https://u:s3cret77@o.dev', 'https://o.dev']\n\
         endpoints = ['x']\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'c.dev']\nendpoint = ['m dev']\n\
         rewrite = {'^a' = 'b'}\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'d.dev']\nendpoint = 'https://m.dev'\n\
         [plugins.'io.containerd.grpc.v1.cri'.registry.configs.'m.dev'.auth]\nusername = 'u'\n\
         pasword = 's3cret77'\n",
    );
    assert!(!sample.shown().contains("s3cret77"));
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: the files that `imports` names are not read here
     --> config.toml:2:11
      |
    2 | imports = ['/etc/containerd/conf.d/*.toml']
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: name those that have a table `registry` too, each as a source

    error: `endpoint` stands where the name of a registry belongs
    --> config.toml:5:1
     = note: line not shown: it may hold a secret
     = help: it is one level too high: write it below its registry, such as docker.io.endpoint

    warning: `https://a.dev` cannot be the registry of an image, so this entry has no effect
     --> config.toml:6:55
      |
    6 | [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'https://a.dev']
      |                                                       ^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: a.dev

    warning: containerd asks https://m.dev/ without /v2, because of the slash at its end
    --> config.toml:9:13
     = note: line not shown: it may hold a secret
     = help: leave it out: https://m.dev

    warning: containerd cannot use this endpoint, so it is ignored: its scheme is "ftp", but registries use http or https
    --> config.toml:9:31
     = note: line not shown: it may hold a secret
     = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: the credentials in this endpoint are ignored: containerd does not use them
    --> config.toml:9:46
     = note: line not shown: it may hold a secret
     = help: they belong under `configs`

    warning: `https://o.dev` is already in this list
    --> config.toml:9:74
    ::: config.toml:9:46
     = note: line not shown: it may hold a secret
     = help: remove one of them

    warning: unknown key `endpoints` in `plugins.io.containerd.grpc.v1.cri.registry.mirrors.b.dev`: containerd ignores it, and so does cri-shunt
      --> config.toml:10:1
       |
    10 | endpoints = ['x']
       | ^^^^^^^^^
       |
       = help: did you mean `endpoint`?

    warning: `plugins.io.containerd.grpc.v1.cri.registry.mirrors.c.dev` has no endpoint that can be used, so its images are refused
      --> config.toml:11:55
       |
    11 | [plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'c.dev']
       |                                                       ^^^^^^^
       |
       = help: without the entry they would come from the registry itself; remove it if you want that

    warning: containerd cannot use this endpoint, so it is ignored: "m dev" is not a host
      --> config.toml:12:13
       |
    12 | endpoint = ['m dev']
       |             ^^^^^^^
       |
       = help: write a URL, https://mirror.dev.de, or a host with its port

    warning: only the containerd of k3s and RKE2 knows `rewrite`, so it can't be carried over from here
      --> config.toml:13:11
       |
    13 | rewrite = {'^a' = 'b'}
       |           ^^^^^^^^^^^^
       |
       = help: name their registries.yaml as the source

    error: `plugins.io.containerd.grpc.v1.cri.registry.mirrors.d.dev.endpoint` must be an array, not a string
      --> config.toml:15:12
       |
    15 | endpoint = 'https://m.dev'
       |            ^^^^^^^^^^^^^^^

    warning: unknown key `pasword` in `plugins.io.containerd.grpc.v1.cri.registry.configs.m.dev.auth`: containerd ignores it, and so does cri-shunt
    --> config.toml:18:1
     = note: line not shown: it may hold a secret
     = help: did you mean `password`?
    "#);
}

#[test]
fn a_config_path_has_the_mirrors_elsewhere() {
    let table = |tables: &str| {
        file(&format!("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n{tables}"))
    };
    let path = "config_path = '/etc/containerd/certs.d'\n";
    insta::assert_snapshot!(table(path).shown(), @r#"
    warning: the mirrors are in /etc/containerd/certs.d, which `config_path` names
     --> config.toml:3:15
      |
    3 | config_path = '/etc/containerd/certs.d'
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: name that directory as a source too: certs-d = "/etc/containerd/certs.d"
    "#);
    let both = format!(
        "{path}[plugins.'io.containerd.cri.v1.images'.registry.mirrors.'a.dev']\nendpoint = ['https://m.dev']\n"
    );
    insta::assert_snapshot!(table(&both).shown(), @"
    error: containerd does not start with `mirrors` beside `config_path`
     --> config.toml:3:15
      |
    3 | config_path = '/etc/containerd/certs.d'
      |               ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: keep one of the two
    ");
    insta::assert_snapshot!(file("version = 3\n").shown(), @r#"
    warning: config.toml has no table `registry`: no rule comes from it
     |
     = help: in a file of version 3 it is [plugins."io.containerd.cri.v1.images".registry]
    "#);
}
