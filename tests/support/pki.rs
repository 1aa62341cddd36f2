//! A certificate authority of a test's own, made by openssl.
//!
//! Registries and clients have their certificates from it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority and its folder.
pub struct Pki {
    dir: tempfile::TempDir,
}

/// A certificate and its key.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Pki {
    pub fn new() -> Pki {
        let pki = Pki { dir: tempfile::tempdir().unwrap() };
        let (key, ca) = (pki.path("ca.key"), pki.ca());
        let subject = ["-subj", "/CN=testbed authority", "-days", "2"];
        openssl(
            &["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
            |command| command.args(subject).arg("-keyout").arg(&key).arg("-out").arg(&ca),
        );
        pki
    }

    /// The authority's certificate.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for a name, of a server or a client.
    pub fn pair(&self, name: &str) -> Pair {
        let pair =
            Pair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        let request = self.path("request");
        openssl(&["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"], |command| {
            let subject = format!("/CN={name}");
            command.args(["-subj", &subject]).arg("-keyout").arg(&pair.key).arg("-out").arg(&request)
        });
        let extensions = self.path("extensions");
        std::fs::write(
            &extensions,
            format!("subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth,clientAuth\n"),
        )
        .unwrap();
        openssl(&["x509", "-req", "-days", "2", "-CAcreateserial"], |command| {
            command.arg("-CA").arg(self.ca()).arg("-CAkey").arg(self.path("ca.key"));
            command
                .arg("-extfile")
                .arg(&extensions)
                .arg("-in")
                .arg(&request)
                .arg("-out")
                .arg(&pair.certificate)
        });
        pair
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

fn openssl(args: &[&str], more: impl FnOnce(&mut Command) -> &mut Command) {
    let mut command = Command::new("openssl");
    let output = more(command.args(args)).output().expect("openssl is on every Debian with ca-certificates");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
