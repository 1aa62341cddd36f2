//! A registry with a login, a shunt in front of containerd, and everything that was said.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::containerd::Containerd;
use crate::support::cri::{self, Cri};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, assert_discreet};
use crate::support::version::Version;
use tonic::Status;

/// What one case needs.
pub struct Ground {
    pub containerd: &'static Containerd,
    pub registry: &'static Registry,
    pub image: Image,
    /// The path of the image at the registry.
    pub path: String,
    dir: tempfile::TempDir,
    said: Mutex<String>,
}

pub fn ground(version: Version, case: &str) -> Option<Ground> {
    let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
    let image = Image::busybox(&format!("credentials-{case}-{}", version.line()));
    let path = format!("{case}-{}/app", version.line().replace('.', "-"));
    registry.push(&path, "1", &image);
    let dir = tempfile::tempdir().unwrap();
    Some(Ground { containerd, registry, image, path, dir, said: Mutex::default() })
}

impl Ground {
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
        let mirrors: Vec<String> = mirrors.iter().map(|mirror| format!("\"{mirror}\"")).collect();
        let config = format!(
            "[pull]\nsweep-after = \"200ms\"\n\n[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [{}]\n{rest}",
            mirrors.join(", ")
        );
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
        let socket = shunt.socket();
        let output = shunt.command(&["status", "--socket", socket.to_str().unwrap()]);
        self.note(&String::from_utf8_lossy(&output.stdout));
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
