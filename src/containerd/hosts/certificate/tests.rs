//! Files as openssl makes them, and what people put in their place.

use std::process::Command;
use std::time::Duration;

use super::*;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A certificate that holds from now on for a year, and its key in the file `key` beside it.
fn certificate(dir: &Path) -> PathBuf {
    certificate_of(dir, "ec_paramgen_curve:P-256")
}

fn certificate_of(dir: &Path, curve: &str) -> PathBuf {
    let path = dir.join("cert");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes"])
        .args(["-subj", "/CN=m.dev", "-days", "365", "-keyout"])
        .arg(dir.join("key"))
        .arg("-out")
        .arg(&path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

fn found(what: Transport, now: SystemTime) -> Option<String> {
    let faults: Vec<String> = HostFile::of(&what).iter().filter_map(|file| file.check(now).err()).collect();
    assert!(faults.len() < 2, "{faults:?}");
    faults.into_iter().next()
}

#[test]
fn a_certificate_has_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Transport::CaFile(certificate(dir.path()));
    let now = SystemTime::now();
    assert_eq!(found(ca.clone(), now), None);
    let what = found(ca.clone(), now + 2 * YEAR).unwrap();
    assert!(what.starts_with("its certificate expired on 20"), "{what}");
    let what = found(ca, now - YEAR).unwrap();
    assert!(what.starts_with("its certificate is not valid before 20"), "{what}");
}

#[test]
fn a_bundle_may_hold_old_certificates_but_the_one_that_is_shown_counts() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let later = SystemTime::now() + 2 * YEAR;
    let old = std::fs::read_to_string(certificate(dir.path())).unwrap();
    let new = std::fs::read_to_string(certificate(other.path())).unwrap();
    let both = dir.path().join("both");
    std::fs::write(&both, format!("# a comment\r\n{}\n{new}", old.replace('\n', "\r\n"))).unwrap();
    assert_eq!(found(Transport::CaFile(both.clone()), SystemTime::now()), None);
    assert!(found(Transport::CaFile(both), later).unwrap().contains("expired"));
}

#[test]
fn a_file_without_a_certificate_and_a_missing_file_have_their_own_errors() {
    let dir = tempfile::tempdir().unwrap();
    let cert = certificate(dir.path());
    let now = SystemTime::now();
    let file = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let whole = std::fs::read_to_string(&cert).unwrap();
    let damaged = whole.replacen("MII", "M!I", 1).replacen("\nMI", "\nM!", 1);
    for (path, expected) in [
        (dir.path().join("none"), "No such file"),
        (dir.path().to_owned(), "it is a directory"),
        (file("empty", b""), "no certificate in PEM form"),
        (file("der", b"0\x82\x01\x00"), "no certificate in PEM form"),
        (file("cut", whole.as_bytes().split_at(100).0), "damaged"),
        (dir.path().join("key"), "it holds no certificate, but a private key"),
        (file("damaged", damaged.as_bytes()), "damaged"),
    ] {
        let what = found(Transport::CaFile(path), now).unwrap();
        assert!(what.contains(expected), "{what}");
    }
}

#[test]
fn a_client_needs_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let cert = certificate(dir.path());
    let now = SystemTime::now();
    let key = dir.path().join("key");
    let pair = |key: Option<PathBuf>| Transport::ClientCert { cert: cert.clone(), key };
    assert_eq!(found(pair(Some(key.clone())), now), None);
    assert_eq!(found(pair(None), now).unwrap(), "it holds no private key in PEM form");
    let text = [&cert, &key].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    std::fs::write(&cert, text).unwrap();
    assert_eq!(found(pair(None), now), None);
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let what = found(pair(Some(other.path().join("key"))), now).unwrap();
    assert_eq!(what, format!("its key is not that of the certificate {}", cert.display()));
    let locked = dir.path().join("locked");
    let text = std::fs::read_to_string(&key).unwrap().replace("PRIVATE", "ENCRYPTED PRIVATE");
    std::fs::write(&locked, text).unwrap();
    assert!(found(pair(Some(locked)), now).unwrap().contains("encrypted"));
}

#[test]
fn a_key_that_only_containerd_can_use_says_what_to_do() {
    for (curve, kind) in
        [("P-521", "of the curve P-521"), ("P-224", "damaged or of another kind"), ("P-384", "")]
    {
        let dir = tempfile::tempdir().unwrap();
        let cert = certificate_of(dir.path(), &format!("ec_paramgen_curve:{curve}"));
        let key = Some(dir.path().join("key"));
        let expected = (!kind.is_empty()).then(|| {
            format!(
                "its key is {kind}, which cannot be used here, although containerd may know it: get a certificate \
                 for a key of one of these kinds: RSA of 2048 to 4096 bits, ECDSA P-256 and P-384, Ed25519"
            )
        });
        assert_eq!(found(Transport::ClientCert { cert, key }, SystemTime::now()), expected, "{curve}");
    }
}

#[test]
fn a_headers_file_is_looked_at_as_well() {
    let value = HeaderValue::File("/nonexistent/token".into());
    let what = found(Transport::Header { name: "X".to_owned(), value }, SystemTime::now()).unwrap();
    assert!(what.contains("No such file"), "{what}");
}
