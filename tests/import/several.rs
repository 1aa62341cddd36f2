//! Several files at once, and an import beside other configuration.

use insta::assert_snapshot;

use super::{REGISTRIES_YAML, import, lay_out, run};

#[test]
fn of_two_files_the_earlier_one_holds() {
    let conf = "[[registry]]\nlocation = 'quay.io'\nblocked = true\n[[registry]]\nlocation = 'ghcr.io:443/a'\nblocked = true\n";
    let yaml = "mirrors:\n  quay.io: {endpoint: [mirror.dev.de]}\n";
    let files = [("registries.conf", conf), ("registries.yaml", yaml)];
    assert_snapshot!(import(&files, &["registries.yaml", "registries.conf"]), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # registries.yaml:2
    [[policy.rule]]
    prefix = "quay.io"
    mirrors = ["mirror.dev.de"]
    origin = "last"
    collapse = true

    # registries.conf:5
    [[policy.rule]]
    prefix = "ghcr.io/a"
    deny = "blocked in registries.conf"

    # Not carried over:
    # - registries.conf:2:12: `quay.io` matches only names without a port (in containers/image it also matches names with any port; write an entry for each port)
    --- stderr
    warning: `quay.io` matches only names without a port
     --> registries.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
      = help: in containers/image it also matches names with any port; write an entry for each port

    warning: an earlier source has a rule for `quay.io`, which replaces this one
     --> registries.conf:2:12
      |
    2 | location = 'quay.io'
      |            ^^^^^^^^^
      |
     ::: registries.yaml:2:3
      |
    2 |   quay.io: {endpoint: [mirror.dev.de]}
      |   ------- this one is used
      |
      = help: remove one of the two, or write a [[policy.rule]] of your own

    2 rules; not carried over: 1 (listed at the end of the output)
    --- exit 1
    "#);
}

#[test]
fn an_import_is_a_drop_in() {
    let dir = lay_out(&[("registries.yaml", REGISTRIES_YAML), ("config.toml", ""), ("conf.d/", "")]);
    let output = run(dir.path(), &["import", "registries.yaml"]);
    std::fs::write(dir.path().join("conf.d/k3s.toml"), &output.stdout).unwrap();
    let image = "rancher/rancher:v2.10";
    let answer = |arguments: &[&str]| {
        let output = run(dir.path(), &[&["explain"], arguments, &["--", image]].concat());
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        // The line that names the file differs.
        text.lines().filter(|line| !line.contains("by rule")).collect::<Vec<_>>().join("\n")
    };
    let imported = answer(&["--config", "config.toml"]);
    let live = answer(&["--registries-yaml", "registries.yaml"]);
    // The login in the file is not carried over, and the report says so.
    assert_eq!(imported, live.replace("as robot from registries.yaml:11", "no credentials"));
    assert_ne!(imported, live);
    assert!(imported.contains("mirror.dev.de:443/mirrored/rancher-rancher:v2.10"), "{imported}");
}

#[test]
fn what_is_kept_in_a_cluster_is_read_too() {
    let cluster = "kind: Cluster\nspec:\n  rkeConfig:\n    registries:\n      mirrors:\n        docker.io:\n          \
                   endpoint: [mirror.dev.de]\n      configs:\n        mirror.dev.de:\n          \
                   authConfigSecretName: mirror-login\n";
    let config_map =
        "kind: ConfigMap\ndata:\n  registries.yaml: |\n    sealos:\n      address: https://hub.dev.de\n";
    let files = [("cluster.yaml", cluster), ("map.yaml", config_map)];
    let dir = lay_out(&files);
    let output = run(dir.path(), &["import", "cluster.yaml", "map.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    # Written by cri-shunt import. Above each rule is the place that it comes from.
    # These are native rules now: unlike rules of a source, they allow what a wider native rule denies.
    # collapse: in these formats images of all registries have the same path at a mirror; {host} would keep them apart.

    # cluster.yaml:6
    [[policy.rule]]
    prefix = "docker.io"
    mirrors = ["mirror.dev.de"]
    origin = "last"
    collapse = true

    # map.yaml:5
    [[policy.rule]]
    prefix = "*"
    mirrors = ["hub.dev.de"]
    origin = "last"
    collapse = true

    # Not carried over:
    # - cluster.yaml:10:33: `spec.rkeConfig.registries.configs.mirror.dev.de.authConfigSecretName` cannot be carried over from here: only Rancher can resolve it (read the file that Rancher makes of it on the node: /etc/rancher/rke2/registries.yaml)
    "#);
}
