//! `cri-shunt explain` as a user runs it: the built program, real files, whole outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod asked;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

use insta::assert_snapshot;
use program::{lay_out, run, shown};

const CONFIG: &str = r#"[policy]
default-registry = "oci-mirror.dev.de"

[[policy.rule]]
prefix = "docker.io/gitea"
mirrors = ["mirror.dev.de:443", "harbor.dev.de/dockerhub"]

[[policy.rule]]
prefix = "quay.io"
mirrors = [{ location = "harbor.dev.de/{host}", only = "digests" }, "quay.io/cache"]
origin = "last"

[[policy.rule]]
prefix = "docker.io/evil"
deny = "not from this registry"

[[policy.rule]]
prefix = "docker.io/gitea/own"
pass = true

[[policy.rule]]
prefix = "gcr.io"
mirrors = [{ location = "m.dev/gcr", only = "digests" }]
"#;

/// Runs `explain` beside a `config.toml` and shows all that came of it.
fn explain(config: &str, arguments: &[&str]) -> String {
    let dir = lay_out(&[("config.toml", config)]);
    shown(&run(dir.path(), &[&["explain", "--config", "config.toml"], arguments].concat()))
}

/// `explain` of images that have to be signed.
#[test]
fn signatures_that_an_image_has_to_have_are_shown() {
    let key = include_str!("../../fuzz/corpus/signature/key");
    let root = include_str!("../../fuzz/corpus/signature/trusted_root");
    let config = "[[signature]]\nname = 'team'\nkeys = ['k.pub']\ntrusted-root = 'root.json'\n\
                  identities = [{ issuer = 'https://i.dev', subject-pattern = '.*@team.dev' }]\nneed = 'all'\n\
                  annotations = { env = 'prod' }\nsignatures-from = ['s.dev/signatures', 'origin']\n\
                  when-away = 'cached'\naway-max-age = '24h'\n\
                  [[policy.rule]]\nprefix = 'a.dev'\nmirrors = ['m.dev']\nverify = 'team'\n\
                  [policy]\npolicy-json = 'p.json'\n";
    let json = r#"{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": {"b.dev": [{"type": "reject"}]}}}"#;
    let dir = lay_out(&[("config.toml", config), ("k.pub", key), ("root.json", root), ("p.json", json)]);
    let explain = |arguments: &[&str]| {
        let arguments = [&["explain", "--config", "config.toml"], arguments].concat();
        shown(&run(dir.path(), &arguments)).replace(&format!("{}/", dir.path().display()), "")
    };
    assert_snapshot!(explain(&["a.dev/x:1", "b.dev/x:1"]), @r#"
    a.dev/x:1
      name        a.dev/x:1
      decision    route, by rule "a.dev" (config.toml:12)
      candidates  1. m.dev/x:1  mirror  no credentials
      signatures  team: signed by 1 key and 1 identity, under the same repository, with env=prod; looked for at s.dev/signatures, origin as well; what was found in the last 24h counts if no registry answers

    b.dev/x:1
      name        b.dev/x:1
      decision    deny
      reason      the scope b.dev in p.json rejects it
    --- exit 1
    "#);
    assert_snapshot!(explain(&["--format", "json", "a.dev/x:1", "b.dev/x:1"]), @r#"
    {"input":"a.dev/x:1","kind":"name","name":"a.dev/x:1","decision":"route","rule":{"prefix":"a.dev","source":"config.toml:12"},"reason":null,"candidates":[{"reference":"m.dev/x:1","role":"mirror","credentials":"none","credentials_source":null,"username":null}],"signatures":[{"by":"team","keys":["e0037b1c5d5ac7a291c0fe9371512236d14651855ffde6e55ba8cdaef94c5f28"],"identities":[{"issuer":"https://i.dev","subject_pattern":".*@team.dev"}],"needed":2,"identity":"repository","without_name":false,"annotations":{"env":"prod"},"signatures_from":["s.dev/signatures","origin"],"when_away":"cached","max_age":"24h"}]}
    {"input":"b.dev/x:1","kind":"name","name":"b.dev/x:1","decision":"deny","rule":null,"reason":"the scope b.dev in p.json rejects it","candidates":[]}
    --- exit 1
    "#);
}

/// No registry is asked for it, and none has to have it.
#[test]
fn live_refuses_nothing_that_is_only_observed() {
    let config = "[policy]\nmode = \"observe\"\n[[policy.rule]]\nprefix = \"evil.dev\"\ndeny = \"no\"\n\
        [containerd]\nsocket = \"/nonexistent/containerd.sock\"\n[listen]\nsocket = \"/nonexistent/s.sock\"\n";
    assert_snapshot!(explain(config, &["--live", "evil.dev/a:1"]), @r#"
    evil.dev/a:1
      name        evil.dev/a:1
      decision    would be: deny, by rule "evil.dev" (config.toml:4)
      mode        observe: the rule is not in force, and nothing of this is done
      in force    pass, by the built-in default
      reason      no
    --- exit 0
    "#);
}

#[test]
fn a_route_shows_its_candidates_in_order() {
    assert_snapshot!(explain(CONFIG, &["gitea/gitea:1.22.1-rootless"]), @r#"
    gitea/gitea:1.22.1-rootless
      name        docker.io/gitea/gitea:1.22.1-rootless
      decision    route, by rule "docker.io/gitea" (config.toml:5)
      candidates  1. mirror.dev.de:443/gitea/gitea:1.22.1-rootless        mirror  no credentials
                  2. harbor.dev.de/dockerhub/gitea/gitea:1.22.1-rootless  mirror  no credentials
    --- exit 0
    "#);
    assert_snapshot!(explain(CONFIG, &["--format", "json", "gitea/gitea:1.22.1-rootless"]), @r#"
    {"input":"gitea/gitea:1.22.1-rootless","kind":"name","name":"docker.io/gitea/gitea:1.22.1-rootless","decision":"route","rule":{"prefix":"docker.io/gitea","source":"config.toml:5"},"reason":null,"candidates":[{"reference":"mirror.dev.de:443/gitea/gitea:1.22.1-rootless","role":"mirror","credentials":"none","credentials_source":null,"username":null},{"reference":"harbor.dev.de/dockerhub/gitea/gitea:1.22.1-rootless","role":"mirror","credentials":"none","credentials_source":null,"username":null}]}
    --- exit 0
    "#);
}

#[test]
fn the_origin_comes_last_and_the_clients_credentials_go_to_its_host_only() {
    let digest = format!("quay.io/a/b@sha256:{}", "0".repeat(64));
    assert_snapshot!(explain(CONFIG, &[&digest]), @r#"
    quay.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000
      name        quay.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000
      decision    route, by rule "quay.io" (config.toml:9)
      candidates  1. harbor.dev.de/quay.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000  mirror  no credentials
                  2. quay.io/cache/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000          mirror  the client's credentials
                  3. quay.io/a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000                origin  the client's credentials
    --- exit 0
    "#);
    assert_snapshot!(explain(CONFIG, &["--format=json", "quay.io/a/b:1"]), @r#"
    {"input":"quay.io/a/b:1","kind":"name","name":"quay.io/a/b:1","decision":"route","rule":{"prefix":"quay.io","source":"config.toml:9"},"reason":null,"candidates":[{"reference":"quay.io/cache/a/b:1","role":"mirror","credentials":"client","credentials_source":null,"username":null},{"reference":"quay.io/a/b:1","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    --- exit 0
    "#);
}

#[test]
fn an_order_that_depends_on_the_mirrors_is_said() {
    let config =
        "[[policy.rule]]\nprefix = \"gcr.io\"\nmirrors = [\"m.dev\", \"n.dev\"]\norder = \"fastest\"\n";
    assert_snapshot!(explain(config, &["gcr.io/x:1"]), @r#"
    gcr.io/x:1
      name        gcr.io/x:1
      decision    route, by rule "gcr.io" (config.toml:2)
      order       fastest: the mirror that answered fastest lately is tried first
      candidates  1. m.dev/x:1  mirror  no credentials
                  2. n.dev/x:1  mirror  no credentials
    --- exit 0
    "#);
    let json = explain(config, &["--format", "json", "gcr.io/x:1"]);
    assert!(json.contains("}],\"order\":\"fastest\"}"), "{json}");
}

#[test]
fn a_denied_image_says_why_and_exits_1() {
    assert_snapshot!(explain(CONFIG, &["Docker.io/evil/miner:1", "nginx"]), @r#"
    Docker.io/evil/miner:1
      name        Docker.io/evil/miner:1
      decision    deny, by rule "docker.io/evil" (config.toml:14)
      reason      not from this registry

    nginx
      name        docker.io/library/nginx:latest
      decision    route, by rule "default-registry" (config.toml:2)
      candidates  1. oci-mirror.dev.de/library/nginx:latest  mirror  no credentials
    --- exit 1
    "#);
    assert_snapshot!(explain(CONFIG, &["--format", "json", "docker.io/evil/miner:1"]), @r#"
    {"input":"docker.io/evil/miner:1","kind":"name","name":"docker.io/evil/miner:1","decision":"deny","rule":{"prefix":"docker.io/evil","source":"config.toml:14"},"reason":"not from this registry","candidates":[]}
    --- exit 1
    "#);
}

#[test]
fn a_reference_that_no_mirror_serves_is_denied() {
    assert_snapshot!(explain(CONFIG, &["--format", "json", "gcr.io/a:1"]), @r#"
    {"input":"gcr.io/a:1","kind":"name","name":"gcr.io/a:1","decision":"deny","rule":{"prefix":"gcr.io","source":"config.toml:22"},"reason":"no mirror of this rule serves tags","candidates":[]}
    --- exit 1
    "#);
}

#[test]
fn what_cannot_be_a_candidate_is_listed_of_a_denied_image_too() {
    let config = "[[policy.rule]]\nprefix = 'h.dev:5000'\nmirrors = ['m.dev/{host}']";
    let listed = r#""unusable":[{"reference":"m.dev/h.dev:5000/a:1","reason":"{host} is h.dev:5000"#;
    assert!(explain(config, &["--format=json", "h.dev:5000/a:1"]).contains(listed));
}

#[test]
fn a_pass_has_the_name_itself_as_its_candidate() {
    assert_snapshot!(explain(CONFIG, &["gitea/own", "ghcr.io/x/y"]), @r#"
    gitea/own
      name        docker.io/gitea/own:latest
      decision    pass, by rule "docker.io/gitea/own" (config.toml:18)
      candidates  1. docker.io/gitea/own:latest  origin  the client's credentials

    ghcr.io/x/y
      name        ghcr.io/x/y:latest
      decision    pass, by the built-in default
      candidates  1. ghcr.io/x/y:latest  origin  the client's credentials
    --- exit 0
    "#);
    assert_snapshot!(explain(CONFIG, &["--format", "json", "gitea/own", "ghcr.io/x/y"]), @r#"
    {"input":"gitea/own","kind":"name","name":"docker.io/gitea/own:latest","decision":"pass","rule":{"prefix":"docker.io/gitea/own","source":"config.toml:18"},"reason":null,"candidates":[{"reference":"docker.io/gitea/own:latest","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    {"input":"ghcr.io/x/y","kind":"name","name":"ghcr.io/x/y:latest","decision":"pass","rule":{"prefix":"default","source":null},"reason":null,"candidates":[{"reference":"ghcr.io/x/y:latest","role":"origin","credentials":"client","credentials_source":null,"username":null}]}
    --- exit 0
    "#);
}

#[test]
fn the_default_of_the_file_has_a_source() {
    assert_snapshot!(explain("policy.default = 'deny'", &["--format", "json", "ghcr.io/x/y"]), @r#"
    {"input":"ghcr.io/x/y","kind":"name","name":"ghcr.io/x/y:latest","decision":"deny","rule":{"prefix":"default","source":"config.toml:1"},"reason":"no rule allows it","candidates":[]}
    --- exit 1
    "#);
}

#[test]
fn every_line_of_json_parses_and_has_the_stable_keys_in_their_order() {
    let text = explain(CONFIG, &["--format", "json", "nginx", "docker.io/evil/x", "", "ghcr.io/a/b"]);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with('{')).collect();
    assert_eq!(lines.len(), 4, "{text}");
    for line in lines {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let keys = ["input", "kind", "name", "decision", "rule", "reason", "candidates"];
        assert_eq!(value.as_object().unwrap().len(), keys.len());
        let positions: Vec<_> = keys.iter().map(|key| line.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(positions.is_sorted(), "{line}");
    }
}

#[test]
fn a_mirror_that_gives_no_usable_reference_is_listed_with_its_reason() {
    let config = r#"[[policy.rule]]
prefix = "*.corp.de"
mirrors = ["harbor.dev.de/{host}"]
origin = "last"
"#;
    assert_snapshot!(explain(config, &["h.corp.de:5000/a:1"]), @r#"
    h.corp.de:5000/a:1
      name        h.corp.de:5000/a:1
      decision    route, by rule "*.corp.de" (config.toml:2)
      candidates  1. h.corp.de:5000/a:1  origin  the client's credentials
      not usable  harbor.dev.de/h.corp.de:5000/a:1: {host} is h.corp.de:5000, and a path can't hold a colon
    --- exit 0
    "#);
    assert_snapshot!(explain(config, &["--format", "json", "h.corp.de:5000/a:1"]), @r#"
    {"input":"h.corp.de:5000/a:1","kind":"name","name":"h.corp.de:5000/a:1","decision":"route","rule":{"prefix":"*.corp.de","source":"config.toml:2"},"reason":null,"candidates":[{"reference":"h.corp.de:5000/a:1","role":"origin","credentials":"client","credentials_source":null,"username":null}],"unusable":[{"reference":"harbor.dev.de/h.corp.de:5000/a:1","reason":"{host} is h.corp.de:5000, and a path can't hold a colon"}]}
    --- exit 0
    "#);
}

#[test]
fn each_candidate_is_shown_with_its_own_way() {
    let config = r#"[[policy.rule]]
prefix = "docker.io"
mirrors = ["http://nexus/hub", "m.dev", { location = "m.dev", api-root = "/hub/v2", headers = { X-Tenant = "a" } }]

[[transport]]
registry = "m.dev"
dial-timeout = "1s"
skip-verify = true
"#;
    assert_snapshot!(explain(config, &["nginx:1"]), @r#"
    nginx:1
      name        docker.io/library/nginx:1
      decision    route, by rule "docker.io" (config.toml:2)
      candidates  1. nexus/hub/library/nginx:1  mirror  no credentials
                     by http
                  2. m.dev/library/nginx:1      mirror  no credentials
                     by https, its certificate is not looked at
                  3. m.dev/library/nginx:1      mirror  no credentials
                     by https, API root /hub/v2/, its certificate is not looked at, header X-Tenant
    --- exit 0
    "#);
    let json = explain(config, &["--format", "json", "nginx:1"]);
    assert!(json.contains(r#""reference":"nexus/hub/library/nginx:1","role":"mirror""#), "{json}");
}
