//! A file that is given as what it is not.

use insta::assert_snapshot;

use super::check;

const FILES: [(&str, &str); 11] = [
    ("registries.yaml", "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n"),
    ("registries.conf", "[[registry]]\nlocation = 'quay.io'\nblocked = true\n"),
    ("shim.yaml", "address: http://sealos.hub:5000\n"),
    (
        "containerd.toml",
        "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry.mirrors.'quay.io']\nendpoint = ['m.dev']\n",
    ),
    ("daemon.json", "{\n\t\"registry-mirrors\": [\"https://m.dev\"]\n}\n"),
    (
        "idms.yaml",
        "kind: ImageDigestMirrorSet\nspec:\n  imageDigestMirrors:\n  - source: quay.io\n    mirrors: [m.dev]\n",
    ),
    ("talos.yaml", "kind: RegistryMirrorConfig\nname: quay.io\nendpoints: [{url: 'https://m.dev'}]\n"),
    ("hosts.toml", "server = 'https://quay.io'\n[host.'https://m.dev']\n"),
    ("config.json", "{\"auths\": {\"quay.io\": {\"auth\": \"dTpzM2NyZXQ3Nw==\"}}}\n"),
    (
        "secret.yaml",
        "kind: Secret\ntype: kubernetes.io/dockerconfigjson\ndata: {.dockerconfigjson: czNjcmV0Nzc=}\n",
    ),
    ("config.toml", "[policy]\ndefault = 'deny'\n"),
];

const FLAGS: [(&str, &str); 9] = [
    ("--registries-yaml", "registries.yaml"),
    ("--registries-conf", "registries.conf"),
    ("--image-cri-shim", "shim.yaml"),
    ("--containerd-config", "containerd.toml"),
    ("--docker-daemon", "daemon.json"),
    ("--openshift", "idms.yaml"),
    ("--talos", "talos.yaml"),
    ("--certs-d", ""),
    ("--config", "config.toml"),
];

#[test]
fn each_file_at_each_flag_is_read_or_said_what_it_looks_like() {
    for (flag, right) in FLAGS {
        for (name, content) in FILES {
            let shown = check(&[(name, content)], &[flag, name]);
            // k3s reads the `auths` of such a file too.
            if (flag, name) == ("--registries-yaml", "config.json") || name == right {
                assert!(shown.ends_with("exit 0"), "{flag} {name}\n{shown}");
                continue;
            }
            let first = format!("error: {name} looks like ");
            assert!(shown.starts_with(&first) && shown.contains("1 error\n"), "{flag} {name}\n{shown}");
            assert!(shown.ends_with("exit 1"), "{flag} {name}\n{shown}");
            assert!(!shown.contains("s3cret77") && !shown.contains("czNjcmV0Nzc"), "{shown}");
        }
    }
}

#[test]
fn the_message_says_what_to_do() {
    let shown = |flag: &str, wanted: &str| {
        let (name, content) = FILES.into_iter().find(|(name, _)| *name == wanted).unwrap();
        check(&[(name, content)], &[flag, name])
    };
    assert_snapshot!(shown("--registries-yaml", "daemon.json"), @"
    error: daemon.json looks like Docker's daemon.json (by `registry-mirrors`), and is read as a registries.yaml of k3s or RKE2
     |
     = help: name it with `docker-daemon` in a [[policy.source]], or with --docker-daemon

    daemon.json: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(shown("--config", "registries.yaml"), @"
    error: registries.yaml looks like a registries.yaml of k3s or RKE2 (by `mirrors`), and is read as a configuration of cri-shunt
     |
     = help: name it with `registries-yaml` in a [[policy.source]], or with --registries-yaml

    registries.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(shown("--registries-conf", "hosts.toml"), @"
    error: hosts.toml looks like a hosts.toml (by `server`), and is read as a registries.conf of containers/image
     |
     = help: name the tree with `certs-d`: the directory that holds one directory for each registry

    hosts.toml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(shown("--docker-daemon", "config.json"), @"
    error: config.json looks like a file of logins (Docker's config.json) (by `auths`), and is read as Docker's daemon.json
     |
     = help: name it with `docker-config` in a [[credentials]]

    config.json: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(shown("--registries-yaml", "secret.yaml"), @"
    error: secret.yaml looks like a Secret of Kubernetes (by `kind`), and is read as a registries.yaml of k3s or RKE2
     |
     = help: for logins, write its decoded `.dockerconfigjson` into a file, and name that with `docker-config` in a [[credentials]]

    secret.yaml: not usable: 1 error
    exit 1
    ");
    assert_snapshot!(shown("--certs-d", "config.toml"), @"
    error: config.toml looks like a configuration of cri-shunt (by `policy`), and is read as a directory of containerd's hosts.toml files
     |
     = help: name it with --config

    config.toml: not usable: 1 error
    exit 1
    ");
}
