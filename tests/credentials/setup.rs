//! A registry with a login, a shunt in front of containerd, and everything that was said.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::containerd::Containerd;
use crate::support::cri::{self, Cri};
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, assert_discreet, rule};
use crate::support::version::Version;
use tonic::Status;

/// A mirror that wants the node's login.
pub const LOGIN: Behaviour = Behaviour::Basic("mirror-a", "hush-mirror-a");

/// What one case needs.
pub struct Setup {
    pub containerd: &'static Containerd,
    pub registry: &'static Registry,
    pub image: Image,
    /// The path of the image at the registry.
    pub path: String,
    dir: tempfile::TempDir,
    said: Mutex<String>,
}

pub fn setup(version: Version, case: &str) -> Option<Setup> {
    let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
    let image = Image::busybox(&format!("credentials-{case}-{}", version.line()));
    let path = format!("{case}-{}/app", version.line().replace('.', "-"));
    registry.push(&path, "1", &image);
    let dir = tempfile::tempdir().unwrap();
    Some(Setup { containerd, registry, image, path, dir, said: Mutex::default() })
}

impl Setup {
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A file that only root can read.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// The `[[credentials]]` with which the node opens a mirror that wants [`LOGIN`].
    pub fn login(&self, mirror: &Fake) -> String {
        let (host, file) = (mirror.host(), self.file("mirror-a", "hush-mirror-a"));
        format!("[[credentials]]\nregistry = \"{host}\"\nusername = \"mirror-a\"\npassword-file = {file:?}\n")
    }

    /// A script that can be run.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    /// A shunt with one rule for quay.io. It says all that it can say.
    pub fn shunt(&self, mirrors: &[&str], rest: &str, environment: &[(&str, &str)]) -> Shunt {
        self.shunt_before(self.containerd, mirrors, rest, environment)
    }

    /// As `shunt`, in front of another containerd.
    pub fn shunt_before(
        &self,
        containerd: &Containerd,
        mirrors: &[&str],
        rest: &str,
        environment: &[(&str, &str)],
    ) -> Shunt {
        let config = format!("{}{rest}", rule("quay.io", mirrors));
        let environment = [&[("CRI_SHUNT_LOG", "trace")], environment].concat();
        Shunt::start_with(&config, containerd, &environment)
    }

    /// Pulls `quay.io/PATH:1`, with the client's own login or without one.
    pub async fn pull(&self, shunt: &Shunt, client: Option<(&str, &str)>) -> Result<String, Status> {
        self.pull_name(shunt, &format!("quay.io/{}:1", self.path), client).await
    }

    pub async fn pull_name(
        &self,
        shunt: &Shunt,
        name: &str,
        client: Option<(&str, &str)>,
    ) -> Result<String, Status> {
        let auth = client.map(|(user, password)| cri::user_and_password(user, password));
        let result = Cri::connect(&shunt.socket()).await.pull_with(name, auth).await;
        if let Err(status) = &result {
            self.note(&format!("{status:?}"));
        }
        result
    }

    /// Everything that this shunt has said and says when it is asked.
    pub fn heard(&self, shunt: &Shunt) {
        self.note(&shunt.stderr());
        let name = format!("quay.io/{}:1", self.path);
        for (command, arguments) in [
            ("explain", vec![name.as_str()]),
            ("explain", vec!["--format", "json", "--live", &name]),
            ("check", vec!["-v"]),
        ] {
            let output = shunt.run(command, &arguments);
            self.note(&String::from_utf8_lossy(&output.stdout));
            self.note(&String::from_utf8_lossy(&output.stderr));
        }
        self.note(&shunt.status());
    }

    fn note(&self, text: &str) {
        self.said.lock().unwrap().push_str(text);
    }

    /// Takes the image away and looks through all that was said.
    pub async fn end(self, shunt: Shunt) {
        self.heard(&shunt);
        let _ = Cri::connect(&self.containerd.socket()).await.remove(&self.image.id()).await;
        let said = self.said.lock().unwrap();
        assert!(said.contains("mirror") && said.contains("policy"), "there is something to look through");
        assert_discreet(&said);
    }
}
