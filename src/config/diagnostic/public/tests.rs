//! Tests of which lines may be shown.

use super::*;

#[test]
fn every_key_of_the_own_configuration_is_public_but_headers() {
    let text = include_str!("../../../../packaging/config.toml");
    let last = |before: &str| {
        let is_of_key = |c: char| c.is_ascii_alphabetic() || c == '-';
        before[before.trim_end_matches(is_of_key).len()..].to_owned()
    };
    let keys = text.match_indices(" = ").map(|(at, _)| last(&text[..at]));
    let is_header = |key: &String| key.is_empty() || key.starts_with(char::is_uppercase);
    let tables = text.lines().filter_map(|line| line.trim_start_matches(['#', ':', ' ']).strip_prefix('['));
    let tables = tables.map(|name| last(name.trim_end_matches(']')));
    let mut missing: Vec<String> = keys.chain(tables).filter(|key| !is_header(key)).collect();
    assert!(missing.len() > 50);
    missing.retain(|key| !PUBLIC.contains(&key.as_str()));
    let of_below = ["headers", "pass", "credentials", "keys", "need", "annotations"];
    missing.retain(|key| !of_below.contains(&key.as_str()));
    missing.sort();
    missing.dedup();
    assert_eq!(missing, Vec::<String>::new());
}

/// The text with its lines as they are shown.
fn shown(content: &str) -> String {
    let found = stretches(content);
    let mut at = 0;
    let mut lines = Vec::new();
    for text in content.split('\n') {
        let range = at..at + text.len();
        at += text.len() + 1;
        let range = found.as_ref().and_then(|found| line(content, range, found));
        lines.push(range.map_or("(not shown)", |range| &content[range]));
    }
    lines.join("\n")
}

#[test]
fn a_line_is_shown_where_all_on_it_is_public() {
    let rows = [
        ("[policy] # pw\ndefault = 'deny'", "[policy] \ndefault = 'deny'"),
        (
            "[[policy.rule]]\npass = true\n[[policy.rule]]\npass = 'pw'",
            "[[policy.rule]]\npass = true\n[[policy.rule]]\n(not shown)",
        ),
        (
            "[[transport]]\nregistry = 'm'\nheaders = { Any-Name = 'pw' }",
            "[[transport]]\nregistry = 'm'\n(not shown)",
        ),
        ("[host.'https://m.dev'.header]\nX = ['pw']", "(not shown)\n(not shown)"),
        (
            "[host.'https://m.dev']\nca = ['a',\n 'b']\ncookie = 'pw'",
            "[host.'https://m.dev']\nca = ['a',\n 'b']\n(not shown)",
        ),
        (
            "[listen]\nsocet = '/run/x'\nsocket = '/a'\nsocket = 'pw'",
            "[listen]\nsocet = '/run/x'\nsocket = '/a'\n(not shown)",
        ),
        (
            "listen.mode = 1\nlisten.group = 'a'\nlisten.x = 'pw'",
            "listen.mode = 1\nlisten.group = 'a'\n(not shown)",
        ),
        ("prefix = 'm.dev'\nbroken", "(not shown)\n(not shown)"),
        (
            "mirrors:\n  m.dev:\n    endpoint:\n    - https://n.dev",
            "mirrors:\n  m.dev:\n    endpoint:\n    - https://n.dev",
        ),
        (
            "mirrors:\n  m.dev:\n    rewrite: {a: b}\n    x: pw",
            "mirrors:\n  m.dev:\n    rewrite: {a: b}\n(not shown)",
        ),
        ("mirrors:\n  m.dev: pw\n  n.dev: [pw]", "mirrors:\n(not shown)\n(not shown)"),
        (
            "configs:\n  m.dev:\n    auth:\n      username: u\n    tls: {ca_file: /ca}",
            "configs:\n  m.dev:\n(not shown)\n(not shown)\n    tls: {ca_file: /ca}",
        ),
        ("endpoint:\n- https://u:pw@n.dev\n- https://n.dev?key=pw", "endpoint:\n(not shown)\n(not shown)"),
        (
            "address: |\n  pw\n  pw\nauth: &x u:pw\nname: *x",
            "address: |\n(not shown)\n(not shown)\n(not shown)\nname: *x",
        ),
        (
            "[[signature]]\nkeys = ['k.pub']\nkeys2 = 'pw'\n[policy]\nkeys = ['pw']",
            "[[signature]]\nkeys = ['k.pub']\n(not shown)\n[policy]\n(not shown)",
        ),
        ("? [pw]\n: image: pw", "(not shown)\n(not shown)"),
    ];
    for (text, expected) in rows {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn no_key_of_a_secret_is_taken_for_a_typing_mistake() {
    let secret = [
        "header",
        "headers",
        "heders",
        "haeder",
        "auth",
        "auths",
        "auht",
        "authorization",
        "password",
        "passwd",
        "pwd",
        "pass-word",
        "token",
        "tokens",
        "secret",
        "secrets",
        "cookie",
        "session",
        "identity-token",
        "identitytoken",
        "registrytoken",
        "api-key",
        "apikey",
        "key",
        "keys",
        "credential",
        "value",
        "env",
        "args",
    ];
    for key in secret {
        assert!(TABLE.below(key).is_none(), "{key}");
    }
}
