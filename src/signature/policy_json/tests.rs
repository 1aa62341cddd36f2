use super::*;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpH7RTttL68BSg8FsiTA6Ne7kfmwE\nyQGOMPhlRLLmHTCoOXyzyGeso1jOWksj8SvOzex1BkrqVFbxWSEBNCiKOA==\n-----END PUBLIC KEY-----\n";

fn read(text: &str) -> Result<PolicyJson, String> {
    PolicyJson::read(text.as_bytes(), &|path| match path {
        "/missing" => Err("No such file or directory".to_owned()),
        _ => Ok(KEY.as_bytes().to_vec()),
    })
}

fn of(requirement: &str) -> String {
    let policy = format!(
        r#"{{"default":[{{"type":"reject"}}],"transports":{{"docker":{{"r.dev":[{requirement}]}}}}}}"#
    );
    match read(&policy) {
        Ok(policy) => {
            policy.unmet().map(|(scope, why)| format!("{}: {why}", scope.unwrap_or("default"))).collect()
        }
        Err(error) => error,
    }
}

#[test]
fn the_longest_scope_holds_alone() {
    let reject = r#"[{"type":"reject"}]"#;
    let scopes = ["", "*.dev", "*.r.dev", "r.dev", "r.dev:5000/a", "r.dev/a", "r.dev/a/b", "r.dev/a/b:1"];
    let scopes: Vec<String> = scopes.iter().map(|scope| format!("\"{scope}\":{reject}")).collect();
    let policy = format!(
        r#"{{"default":{reject},"transports":{{"docker":{{{}}},"dir":{{"/x":{reject}}}}}}}"#,
        scopes.join(",")
    );
    let policy = read(&policy).unwrap();
    let rows = [
        ("r.dev/a/b:1", "r.dev/a/b:1"),
        ("r.dev/a/b:2", "r.dev/a/b"),
        ("r.dev/a/b/c:1", "r.dev/a/b"),
        ("r.dev/a/bc:1", "r.dev/a"),
        ("r.dev/ab:1", "r.dev"),
        ("r.dev:5000/a:1", "r.dev:5000/a"),
        ("r.dev:5000/b:1", "*.dev"),
        ("s.r.dev/a:1", "*.r.dev"),
        ("s.dev/a:1", "*.dev"),
        ("nginx", ""),
    ];
    for (name, expected) in rows {
        assert_eq!(policy.of(&name.parse().unwrap()).0, Some(expected), "{name}");
    }
    let none = read(&format!(r#"{{"default":{reject}}}"#)).unwrap();
    assert_eq!(none.of(&"nginx".parse().unwrap()), (None, &[Requirement::Reject][..]));
}

#[test]
fn what_cannot_be_verified_refuses_and_is_said() {
    let rows = [
        (r#"{"type":"insecureAcceptAnything"}"#, ""),
        (
            r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#,
            "r.dev: signedBy (GPG) is not verified by this program",
        ),
        (r#"{"type":"sigstoreSigned","keyPath":"/missing"}"#, "r.dev: /missing: No such file or directory"),
        (
            r#"{"type":"sigstoreSigned","keyData":"AAAA"}"#,
            "r.dev: the data: it holds no public key in PEM form (-----BEGIN PUBLIC KEY-----)",
        ),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/a","oidcIssuer":"i","subjectEmail":"s"},"rekorPublicKeyPath":"/b"}"#,
            "r.dev: /a: it holds no certificate in PEM form",
        ),
        (
            r#"{"type":"sigstoreSigned","keyPath":"/a","rekorPublicKeyPaths":["/b","/missing"]}"#,
            "r.dev: /missing: No such file or directory",
        ),
        (
            r#"{"type":"sigstoreSigned","pki":{}}"#,
            "r.dev: sigstoreSigned with pki (a certificate without a log) is not verified by this program",
        ),
    ];
    for (requirement, expected) in rows {
        assert_eq!(of(requirement), expected, "{requirement}");
    }
}

#[test]
fn a_mistake_is_told_with_its_scope() {
    let one = "sigstoreSigned: exactly one of keyPath, keyPaths, keyData, keyDatas, fulcio and pki is needed";
    let rows = [
        (r#"{"type":"rejects"}"#, "unknown variant `rejects`"),
        (r#"{"type":"reject","more":1}"#, "unknown field `more`"),
        (r#"{"type":"sigstoreSigned"}"#, one),
        (r#"{"type":"sigstoreSigned","keyPath":"/a","keyData":"AAAA"}"#, one),
        (r#"{"type":"sigstoreSigned","keyPaths":[]}"#, "its list of keys is empty"),
        (
            r#"{"type":"sigstoreSigned","keyPath":"/a","signedIdentity":{"type":"exactReference","dockerReference":"a/b"}}"#,
            "has no tag",
        ),
        (
            r#"{"type":"sigstoreSigned","keyPath":"/a","signedIdentity":{"type":"exactRepository","dockerRepository":"%"}}"#,
            "\"%\"",
        ),
        (
            r#"{"type":"sigstoreSigned","keyPath":"/a","signedIdentity":{"type":"remapIdentity","prefix":"a","signedPrefix":"b.dev"}}"#,
            "is no registry",
        ),
        (
            r#"{"type":"sigstoreSigned","keyPath":"/a","rekorPublicKeyPath":"/b","rekorPublicKeyData":"AAAA"}"#,
            "only one of",
        ),
        (r#"{"type":"sigstoreSigned","keyPath":"/a","rekorPublicKeyPaths":[]}"#, "its list of keys is empty"),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/a","oidcIssuer":"i","subjectEmail":"s"}}"#,
            "fulcio needs rekorPublicKey",
        ),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"oidcIssuer":"i","subjectEmail":"s"},"rekorPublicKeyPath":"/b"}"#,
            "exactly one of caPath",
        ),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/a","oidcIssuer":"","subjectEmail":"s"},"rekorPublicKeyPath":"/b"}"#,
            "are needed",
        ),
        ("", "it has no requirement"),
    ];
    for (requirement, expected) in rows {
        let said = of(requirement);
        assert!(said.starts_with("docker \"r.dev\": ") && said.contains(expected), "{requirement}\n{said}");
    }
    assert!(read("{}").unwrap_err().contains("missing field `default`"));
    assert!(read(r#"{"default":[],"default":[]}"#).unwrap_err().contains("a name stands twice"));
}
