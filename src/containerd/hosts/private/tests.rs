//! Names of private hosts, and when their files are written and removed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::files::secret::Secret;

fn daemon() -> PrivateHosts {
    PrivateHosts::of(Path::new("/var/lib/cri-shunt"))
}

fn endpoint(host: &str) -> Endpoint {
    Endpoint { host: host.to_owned(), schemes: vec!["https"], ..Endpoint::default() }
}

fn header(value: &str) -> (String, HeaderValue) {
    ("X-Key".to_owned(), HeaderValue::Text(Secret::new(value.to_owned())))
}

#[test]
fn each_setting_makes_another_host() {
    let plain = endpoint("m.dev:5000");
    let file = |name: &str, file: &str| (name.to_owned(), HeaderValue::File(file.into()));
    let all = [
        plain.clone(),
        endpoint("m.dev"),
        Endpoint { schemes: vec!["http"], ..plain.clone() },
        Endpoint { schemes: vec!["https", "http"], ..plain.clone() },
        Endpoint { api_root: Some(String::new()), ..plain.clone() },
        Endpoint { api_root: Some("/v2/x".to_owned()), ..plain.clone() },
        Endpoint { ca: vec!["/a".into()], ..plain.clone() },
        Endpoint { ca: vec!["/a".into(), "/b".into()], ..plain.clone() },
        Endpoint { client: vec![("/a".into(), None)], ..plain.clone() },
        Endpoint { client: vec![("/a".into(), Some("/b".into()))], ..plain.clone() },
        Endpoint { skip_verify: true, ..plain.clone() },
        Endpoint { dial_timeout: Some("1s".to_owned()), ..plain.clone() },
        Endpoint { headers: vec![header("one")], ..plain.clone() },
        Endpoint { headers: vec![header("two")], ..plain.clone() },
        Endpoint { headers: vec![file("X", "/a")], ..plain.clone() },
        Endpoint { headers: vec![file("Y", "/a")], ..plain.clone() },
        Endpoint { headers: vec![file("X", "/b")], ..plain.clone() },
    ];
    let hosts: BTreeSet<String> = all.iter().map(|endpoint| daemon().host(endpoint)).collect();
    assert_eq!(hosts.len(), all.len());
    assert!(
        hosts
            .iter()
            .all(|host| is_private(host) && host.len() == "zzz.0123456789.abcdef.cri-shunt.invalid".len())
    );
    assert_eq!(daemon().host(&plain), "zzz.88fbdf489b.2ed3ce.cri-shunt.invalid");
}

#[test]
fn private_hosts_are_known_by_their_name() {
    for host in ["zzz.0123456789.cri-shunt.invalid", "zzz.cri-shunt.invalid", "zzz.x.y.cri-shunt.invalid"] {
        assert!(is_private(host), "{host}");
    }
    for host in
        ["cri-shunt.invalid", "m.dev", "zzz.xcri-shunt.invalid", "azzz.x.cri-shunt.invalid", "zzz.m.dev"]
    {
        assert!(!is_private(host), "{host}");
    }
}

#[test]
fn the_file_is_there_after_each_call_whatever_others_do() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("certs.d");
    let roots = Roots::at(&root);
    let token = dir.path().join("token");
    fs::write(&token, "one\n").unwrap();
    let headers = vec![("X-Key".to_owned(), HeaderValue::File(token.clone()))];
    let endpoint = Endpoint { headers, ..endpoint("m.dev") };
    let host = daemon().ensure(&roots, &endpoint).unwrap();
    let file = root.join(&host).join(HOSTS_TOML);
    let says = |value: &str| fs::read_to_string(&file).unwrap().contains(value);
    assert!(says("\"one\""));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // Another program takes the tree away.
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(daemon().ensure(&roots, &endpoint).unwrap(), host);
    assert!(says("\"one\""));
    fs::write(&token, "two\n").unwrap();
    assert_eq!(daemon().ensure(&roots, &endpoint).unwrap(), host);
    assert!(says("\"two\""));
    fs::remove_file(&token).unwrap();
    let error = daemon().ensure(&roots, &endpoint).unwrap_err().to_string();
    assert!(error.contains("X-Key") && error.contains("token") && !error.contains("two"), "{error}");
}

#[test]
fn a_directory_of_somebody_else_under_the_name_stays() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::at(dir.path());
    let endpoint = endpoint("m.dev");
    let directory = dir.path().join(daemon().host(&endpoint));
    fs::create_dir(&directory).unwrap();
    let error = daemon().ensure(&roots, &endpoint).unwrap_err();
    assert!(matches!(&error, NotWritten::Taken(path) if *path == directory), "{error}");
    let theirs = directory.join(HOSTS_TOML);
    fs::write(&theirs, "server = 'https://x'").unwrap();
    let error = daemon().ensure(&roots, &endpoint).unwrap_err().to_string();
    assert!(error.starts_with(&theirs.display().to_string()), "{error}");
    assert_eq!(daemon().remove_stale(&roots, &BTreeSet::new()), Vec::<String>::new());
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "server = 'https://x'");
}

#[test]
fn where_nothing_is_read_nothing_is_written() {
    let endpoint = endpoint("m.dev");
    assert!(matches!(daemon().ensure(&Roots::Unknown, &endpoint), Err(NotWritten::Unknown)));
    assert!(matches!(daemon().ensure(&Roots::None, &endpoint), Err(NotWritten::NoRoots)));
    assert!(matches!(daemon().ensure(&Roots::at("certs.d"), &endpoint), Err(NotWritten::Relative(_))));
    let brackets = Endpoint { schemes: vec!["https", "http"], ..self::endpoint("[::1]:5000") };
    assert!(matches!(daemon().ensure(&Roots::at("/c"), &brackets), Err(NotWritten::Unreadable(_))));
    let wall = tempfile::NamedTempFile::new().unwrap();
    let error = daemon().ensure(&Roots::at(wall.path().join("certs.d")), &endpoint).unwrap_err();
    assert!(matches!(error, NotWritten::Disk { .. }), "{error}");
}

#[test]
fn what_is_not_kept_is_removed_with_the_joined_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join("a");
    let text = format!("{}:/b", first.display());
    let roots = Roots::of("v2.1.9", Some(crate::containerd::PullMode::Transfer), &text, false);
    let [one, two] = ["one.dev", "two.dev"].map(|host| daemon().ensure(&roots, &endpoint(host)).unwrap());
    fs::create_dir(first.join("person.dev")).unwrap();
    assert_eq!(daemon().remove_stale(&roots, &BTreeSet::from([one.clone()])), Vec::<String>::new());
    assert!(Path::new(&text).join(&one).exists() && first.join(&one).exists());
    assert!(!Path::new(&text).join(&two).exists() && !first.join(&two).exists());
    assert_eq!(daemon().remove_stale(&roots, &BTreeSet::new()), Vec::<String>::new());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a"]);
    assert!(first.join("person.dev").exists() && !first.join(&one).exists());
}

#[test]
fn threads_that_ensure_and_tidy_at_once_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::at(dir.path());
    std::thread::scope(|scope| {
        for i in 0..4 {
            let roots = &roots;
            scope.spawn(move || {
                for round in 0..50 {
                    let host =
                        daemon().ensure(roots, &endpoint(&format!("m{}.dev", (i + round) % 3))).unwrap();
                    assert!(is_private(&host));
                    assert_eq!(daemon().remove_stale(roots, &BTreeSet::from([host])), Vec::<String>::new());
                }
            });
        }
    });
}

#[test]
fn an_error_shows_whether_the_private_host_itself_was_asked() {
    let (host, digest) = ("zzz.d2f8772c88.cri-shunt.invalid", format!("sha256:{}", "b".repeat(64)));
    let manifest = format!("/v2/a/app/manifests/{digest}");
    let head = format!("failed to pull and unpack image \"{host}/a/app@{digest}\": ");
    // As containerd 1.6.20 and 1.7.24 have it, and 2.1.9.
    let resolve = format!("failed to resolve reference \"{host}/a/app@{digest}\": failed to do request: ");
    let transfer = "failed to resolve image: failed to do request: ".to_owned();
    for middle in [&resolve, &transfer] {
        let asked = format!("{head}{middle}Head \"https://{host}{manifest}\": ");
        let dns = format!("{asked}dial tcp: lookup {host} on 10.255.255.53:53: no such host");
        assert!(is_unread_private_host(&dns));
        assert!(is_unread_private_host(&format!("{asked}Forbidden")), "by a proxy");
        let real = format!(
            "{head}{middle}Head \"https://m.test{manifest}?ns={host}\": dial tcp: lookup m.test: no such host"
        );
        assert!(!is_unread_private_host(&real));
        assert!(!is_unread_private_host(&format!("{head}{middle}not found")));
    }
    assert!(!is_unread_private_host(
        "Head \"https://zzz.m.test/v2/\": dial tcp: lookup zzz.m.test: no such host"
    ));
}
