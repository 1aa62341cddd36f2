//! Files that an editor on Windows has saved, with a byte order mark: each is read, or refused in clear words.

use super::{accepted, load_files, refused, shown};
use crate::files::byte_order_mark::{MARK, REFUSED};
use crate::policy::{Asked, Decision, Name};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Where an image may come from, by these files.
fn candidates(files: &[(&str, &str)], image: &str) -> Vec<String> {
    let name: Name = image.parse().unwrap();
    match accepted(files).policy.decide(&Asked::of(&name)) {
        Decision::Route { candidates, .. } => {
            candidates.iter().map(|candidate| candidate.name.to_string()).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_own_files_are_read_past_it() {
    let main = format!("{MARK}[policy]\nlocked = 'images.lock'\n");
    let rule = format!("{MARK}[[policy.rule]]\nprefix = 'q.io'\nmirrors = ['m.dev']\n");
    let lock = format!("{MARK}[[image]]\nname = 'q.io/a:1'\ndigest = '{A}'\n");
    let files = [("config.toml", main.as_str()), ("conf.d/a.toml", &rule), ("images.lock", &lock)];
    assert_eq!(candidates(&files, "q.io/a:1"), [format!("m.dev/a@{A}")]);
}

#[test]
fn sources_are_read_as_their_own_programs_read_them() {
    let tabs = "{\n\t\"registry-mirrors\": [\"https://m.dev\"]\n}\n";
    let rows = [
        ("registries-yaml", "mirrors:\n  docker.io:\n    endpoint: [https://m.dev]\n"),
        ("registries-yaml", "{\n\t\"mirrors\": {\"docker.io\": {\"endpoint\": [\"https://m.dev\"]}}}\n"),
        (
            "registries-conf",
            "[[registry]]\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'm.dev'\n",
        ),
        ("docker-daemon", tabs),
        (
            "containerd-config",
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry.mirrors.'docker.io']\nendpoint = ['https://m.dev']\n",
        ),
        (
            "openshift",
            "apiVersion: config.openshift.io/v1\nkind: ImageTagMirrorSet\nmetadata: {name: a}\nspec:\n  imageTagMirrors:\n  \
             - source: docker.io\n    mirrors: [m.dev]\n",
        ),
        (
            "talos",
            "apiVersion: v1alpha1\nkind: RegistryMirrorConfig\nname: docker.io\nendpoints:\n  - url: https://m.dev\n",
        ),
        ("image-cri-shim", "shim: /run/x.sock\ncri: /run/c.sock\naddress: http://m.dev\nforce: true\n"),
    ];
    for (format, text) in rows {
        let main = format!("[[policy.source]]\n{format} = 'source'\n");
        let of = |text: &str| load_files(&[("config.toml", &main), ("source", text)]);
        for text in [text.to_owned(), format!("{MARK}{text}")] {
            let (loaded, dir) = of(&text);
            let loaded =
                loaded.unwrap_or_else(|problems| panic!("{text:?}: {}", shown(&problems, dir.path())));
            let name: Name = "docker.io/library/a:1".parse().unwrap();
            let decision = loaded.config.policy.decide(&Asked::of(&name));
            let Decision::Route { candidates, .. } = decision else { panic!("{text:?}: {decision:?}") };
            assert_eq!(candidates[0].name.host(), "m.dev", "{text:?}");
        }
    }
}

#[test]
fn what_its_own_program_does_not_read_is_refused() {
    let hosts = format!("{MARK}server = 'https://q.io'\n[host.'https://m.dev']\n");
    let main = "[[policy.source]]\ncerts-d = 'certs.d'\n";
    let told = refused(&[("config.toml", main), ("certs.d/q.io/hosts.toml", &hosts)]);
    assert!(told.starts_with(&format!("error: {REFUSED}\n --> certs.d/q.io/hosts.toml:1:1\n")), "{told}");
    assert!(told.contains("containerd would ignore this file"), "{told}");
    let files = |name: &str| {
        let policy = format!("{MARK}{{\"default\": [{{\"type\": \"reject\"}}]}}");
        let key = format!("{MARK}-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n");
        let main = match name {
            "policy.json" => "[policy]\npolicy-json = 'policy.json'\n",
            _ => "[[signature]]\nname = 'main'\nkeys = ['k.pub']\n",
        };
        refused(&[("config.toml", main), ("policy.json", &policy), ("k.pub", &key)])
    };
    for name in ["policy.json", "k.pub"] {
        let told = files(name);
        assert!(told.contains(&format!("{name} cannot be used: {REFUSED}")), "{told}");
    }
}
