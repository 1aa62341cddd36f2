//! Debian's docker-registry behind a login or TLS, on what an open one stores.
//!
//! A test pushes to a `Registry` and asks here for the same images.
//! Holds: the storage is the open registry's, which must live as long.

use super::keeper::Keeper;
use super::registry::Registry;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};

/// A user of `htpasswd`, its password and the file's line (bcrypt).
pub const USER: &str = "robot";
pub const PASSWORD: &str = "sesame-of-robot";
const HTPASSWD: &str = "robot:$2y$05$abcdefghijklmnopqrstuuddTFT8gL9XqvJixhLj2m6NHy1/4XFJq\n";

/// How it is guarded.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// The `auth:` section, its lines indented by two.
    pub auth: String,
    /// The `tls:` section below `http:`, its lines indented by four.
    pub tls: String,
}

/// A running registry.
pub struct Guarded {
    host: String,
    child: Child,
    /// Ends it, and keeps its files so long.
    _keeper: Keeper,
}

impl Guard {
    /// `htpasswd` with the one user; the file goes into `dir`.
    pub fn htpasswd(mut self, dir: &Path) -> Guard {
        let file = dir.join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        self.auth = format!("  htpasswd:\n    realm: \"testbed, guarded\"\n    path: {}\n", file.display());
        self
    }

    /// A token server elsewhere, whose tokens are signed with the key of the certificate `bundle`.
    pub fn token(mut self, realm: &str, bundle: &Path) -> Guard {
        self.auth = format!(
            "  token:\n    realm: {realm}\n    service: testbed\n    issuer: testbed-issuer\n    rootcertbundle: {}\n",
            bundle.display()
        );
        self
    }

    pub fn tls(mut self, (certificate, key): &(std::path::PathBuf, std::path::PathBuf)) -> Guard {
        self.tls.push_str(&format!(
            "    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        ));
        self
    }

    /// Only clients with a certificate of this authority.
    pub fn client_ca(mut self, file: &Path) -> Guard {
        self.tls.push_str(&format!("    clientcas:\n      - {}\n", file.display()));
        self
    }

    /// Runs one on the storage of `open`.
    pub fn start(&self, open: &Registry) -> Guarded {
        // A free port may be taken by another before the registry binds it: then the next one.
        (0..5).find_map(|_| self.try_start(open)).expect("docker-registry starts")
    }

    fn try_start(&self, open: &Registry) -> Option<Guarded> {
        let keeper = Keeper::new("guard");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n",
            open.storage().display()
        );
        if !self.tls.is_empty() {
            config.push_str(&format!("  tls:\n{}", self.tls));
        }
        if !self.auth.is_empty() {
            config.push_str(&format!("auth:\n{}", self.auth));
        }
        let config_file = keeper.dir().join("config.yml");
        std::fs::write(&config_file, config).unwrap();
        let log = File::create(keeper.dir().join("registry.log")).unwrap();
        let child = Command::new("/usr/bin/docker-registry")
            .arg("serve")
            .arg(&config_file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        keeper.keep(&child);
        let mut guarded = Guarded { host, child, _keeper: keeper };
        let ready = super::wait_until(|| guarded.ended() || TcpStream::connect(&guarded.host).is_ok());
        (ready && !guarded.ended()).then_some(guarded)
    }
}

impl Guarded {
    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
