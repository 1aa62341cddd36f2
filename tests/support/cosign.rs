//! The two lines of cosign, which sign images at a real registry.
//!
//! `tests/setup` unpacks them. cosign 2 stores a signature behind the tag `sha256-….sig`; cosign 3 stores a bundle, behind
//! the tag `sha256-…` where the registry has no list of referrers, as Debian's docker-registry.
//! Holds: nothing leaves the loopback, no log and no certificate authority is asked.

use super::http1::{self, Message};
use super::registry::Registry;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a client takes that copies.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// One line of cosign's releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cosign {
    V2_5,
    V3_1,
}

/// The kinds of keys that cosign signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    P256,
    P384,
    Ed25519,
    Rsa,
}

/// A key pair in a folder of its own.
pub struct KeyPair {
    dir: tempfile::TempDir,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa];

    /// What openssl is told to make one.
    fn options(self) -> &'static [&'static str] {
        match self {
            Kind::P256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Kind::P384 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Kind::Ed25519 => &["-algorithm", "ED25519"],
            Kind::Rsa => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        }
    }
}

impl KeyPair {
    /// A new one; `None` (and a skipped test) where this cosign is not here.
    pub fn new(cosign: Cosign, kind: Kind) -> Option<KeyPair> {
        let pair = KeyPair { dir: tempfile::tempdir().unwrap() };
        let plain = pair.dir.path().join("plain.pem");
        run(Command::new("openssl").arg("genpkey").args(kind.options()).arg("-out").arg(&plain));
        // Debian's cosign 2.5 imports none but Ed25519, and signs with all.
        let mut import = Cosign::V3_1.command(pair.dir.path())?;
        cosign.command(pair.dir.path())?;
        run(import.args(["import-key-pair", "-y", "--output-key-prefix", "pair", "--key"]).arg(&plain));
        Some(pair)
    }

    /// The public key, in PEM form.
    pub fn public(&self) -> Vec<u8> {
        std::fs::read(self.public_file()).unwrap()
    }

    /// The file of the public key.
    pub fn public_file(&self) -> PathBuf {
        self.dir.path().join("pair.pub")
    }
}

impl Cosign {
    pub const ALL: [Cosign; 2] = [Cosign::V2_5, Cosign::V3_1];

    /// The line as in a version number.
    pub fn line(self) -> &'static str {
        match self {
            Cosign::V2_5 => "2.5",
            Cosign::V3_1 => "3.1",
        }
    }

    fn command(self, dir: &Path) -> Option<Command> {
        let program = super::testbed_dir().join(format!("cosign-{}/usr/bin/cosign", self.line()));
        if !program.exists() {
            super::skipped(&format!("no cosign {} here (tests/setup fetches it)", self.line()));
            return None;
        }
        let mut command = Command::new(program);
        command.current_dir(dir).env_clear().env("HOME", dir).env("COSIGN_PASSWORD", "");
        // It looks for Sigstore's own services even where it does not need them.
        command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "127.0.0.1");
        Some(command)
    }

    /// Signs an image, `host/repository@digest`, with further arguments. No log is told.
    pub fn sign(self, pair: &KeyPair, image: &str, more: &[&str]) {
        self.put("sign", pair, image, more);
    }

    /// Says something about an image that is no signature of it.
    pub fn attest(self, pair: &KeyPair, image: &str) {
        std::fs::write(pair.dir.path().join("predicate"), "{}").unwrap();
        self.put("attest", pair, image, &["--type", "custom", "--predicate", "predicate"]);
    }

    fn put(self, verb: &str, pair: &KeyPair, image: &str, more: &[&str]) {
        let mut command = self.command(pair.dir.path()).expect("its key pair is there");
        command.args([verb, "-y", "--key", "pair.key"]).args(more);
        match self {
            Cosign::V2_5 => command.arg("--tlog-upload=false"),
            Cosign::V3_1 => {
                let services = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json",
                    "rekorTlogConfig":{},"tsaConfig":{}}"#;
                std::fs::write(pair.dir.path().join("services"), services).unwrap();
                command.args(["--signing-config", "services"])
            }
        };
        run(command.arg(image));
    }

    /// Whether it accepts an image as signed by this subject, with this trusted root. What it says else is the error.
    pub fn accepts(self, root: &str, issuer: &str, subject: &str, image: &str) -> Option<Result<(), String>> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("root.json"), root).unwrap();
        let mut command = self.command(dir.path())?;
        command.args(["verify", "--trusted-root", "root.json", "--certificate-oidc-issuer", issuer]);
        command.args(["--certificate-identity", subject]).arg(image);
        let output = command.output().unwrap();
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        Some(if output.status.success() { Ok(()) } else { Err(said()) })
    }

    /// The tag that it stores signatures of this digest behind.
    pub fn tag(self, digest: &str) -> String {
        let tag = digest.replacen(':', "-", 1);
        match self {
            Cosign::V2_5 => format!("{tag}.sig"),
            Cosign::V3_1 => tag,
        }
    }
}

/// Copies an artifact with all that is below it, as someone may who cannot sign but can write to a registry.
pub fn copy(registry: &Registry, from: (&str, &str), to: (&str, &str)) {
    let manifest = send(registry, "GET", &format!("/v2/{}/manifests/{}", from.0, from.1), &[], b"");
    assert_eq!(manifest.status(), 200, "{from:?}");
    let kind = manifest.header("content-type").unwrap().to_owned();
    let value: serde_json::Value = serde_json::from_slice(&manifest.body).unwrap();
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    for child in list("manifests") {
        let child = child["digest"].as_str().unwrap();
        copy(registry, (from.0, child), (to.0, child));
    }
    for blob in list("layers").iter().chain(value.get("config")) {
        let blob = blob["digest"].as_str().unwrap();
        let path = format!("/v2/{}/blobs/uploads/?mount={blob}&from={}", to.0, from.0);
        assert_eq!(send(registry, "POST", &path, &[], b"").status(), 201);
    }
    let path = format!("/v2/{}/manifests/{}", to.0, to.1);
    let stored = send(registry, "PUT", &path, &[("Content-Type", &kind)], &manifest.body);
    assert_eq!(stored.status(), 201, "{}", String::from_utf8_lossy(&stored.body));
}

fn send(registry: &Registry, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Message {
    let headers: Vec<_> = headers.iter().copied().chain([("Accept", ACCEPT)]).collect();
    http1::send(registry.host(), method, path, &headers, body).unwrap()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
