//! Debian's docker-registry on a loopback port, with storage of its own.
//!
//! It stores what `image` builds, and containerd pulls from `host()`.
//! Not here: answers that a healthy registry does not give on demand (see `fake`), and the
//! `Authorization` headers of requests, which its log leaves out (put a `Fake` in front).

use super::http1;
use super::image::Image;
use super::keeper::Keeper;
use std::collections::HashMap;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock};

/// Takes images with layers that are elsewhere.
const FOREIGN: &str = "validation:\n  manifests:\n    urls:\n      allow: [\"^http\"]\n";

/// How another front of a registry's storage is reached.
#[derive(Default)]
pub struct Front<'a> {
    /// Speaks TLS with this certificate and key.
    pub tls: Option<(&'a Path, &'a Path)>,
    /// Wants a certificate of this authority from its clients.
    pub client_ca: Option<&'a Path>,
    /// What stands before `/v2` in every path, `/proxy`.
    pub below: &'a str,
}

/// A running registry.
pub struct Registry {
    host: String,
    child: Child,
    keeper: Keeper,
    /// The digest of what was pushed, by the path of its manifest.
    pushed: Mutex<HashMap<String, String>>,
}

/// One request that the registry has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub status: u16,
}

impl Registry {
    /// `None` (and a skipped test) where docker-registry is not installed.
    pub fn start() -> Option<Registry> {
        if !std::path::Path::new("/usr/bin/docker-registry").exists() {
            super::skipped("no docker-registry here (tests/setup installs it)");
            return None;
        }
        // A free port may be taken by another before the registry binds it: then the next one.
        (0..5).find_map(|_| Registry::try_start())
    }

    /// One for all tests of this program. Push under repositories of your own.
    pub fn shared() -> Option<&'static Registry> {
        static SHARED: OnceLock<Option<Registry>> = OnceLock::new();
        SHARED.get_or_init(Registry::start).as_ref()
    }

    /// Another registry process over the storage of this one, reached otherwise. Push to this one.
    pub fn front(&self, front: &Front<'_>) -> Registry {
        let storage = self.keeper.dir().join("storage");
        (0..5).find_map(|_| Registry::try_with(&storage, front)).expect("a second registry starts")
    }

    fn try_start() -> Option<Registry> {
        let keeper = Keeper::new("reg");
        let storage = keeper.dir().join("storage");
        Registry::run(keeper, &storage, &Front::default())
    }

    fn try_with(storage: &Path, front: &Front<'_>) -> Option<Registry> {
        Registry::run(Keeper::new("reg"), storage, front)
    }

    fn run(keeper: Keeper, storage: &Path, front: &Front<'_>) -> Option<Registry> {
        let storage = storage.display();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: false\n  level: warn\nstorage:\n  filesystem:\n    \
             rootdirectory: {storage}\nhttp:\n  addr: {host}\n{}{FOREIGN}",
            front.config()
        );
        let config_file = keeper.dir().join("config.yml");
        std::fs::write(&config_file, config).unwrap();
        let child = Command::new("/usr/bin/docker-registry")
            .arg("serve")
            .arg(&config_file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(File::create(keeper.dir().join("access.log")).unwrap())
            .stderr(File::create(keeper.dir().join("registry.log")).unwrap())
            .spawn()
            .unwrap();
        keeper.keep(&child);
        let mut registry = Registry { host, child, keeper, pushed: Mutex::default() };
        let ready = super::wait_until(|| {
            registry.child.try_wait().is_ok_and(|s| s.is_some()) || registry.listens(front)
        });
        (ready && registry.child.try_wait().is_ok_and(|s| s.is_none())).then_some(registry)
    }

    /// `127.0.0.1:PORT`, as it stands in image names.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where its manifests and blobs are.
    pub fn storage(&self) -> std::path::PathBuf {
        self.keeper.dir().join("storage")
    }

    /// The full name of an image here: `127.0.0.1:PORT/REPOSITORY:TAG`.
    pub fn name(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.host)
    }

    /// Stores an image under a tag (or, with an empty one, by digest alone); the answer is its digest.
    ///
    /// What is there already is not stored again: who reads it meanwhile would get an error of this registry, and tests
    /// that run side by side push the same images.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        self.store(&mut self.pushed.lock().unwrap(), repository, tag, image)
    }

    fn store(
        &self,
        pushed: &mut HashMap<String, String>,
        repository: &str,
        tag: &str,
        image: &Image,
    ) -> String {
        let digest = image.digest();
        let reference = if tag.is_empty() { digest.as_str() } else { tag };
        let path = format!("/v2/{repository}/manifests/{reference}");
        if pushed.get(&path) == Some(&digest) {
            return digest;
        }
        for child in image.children() {
            self.store(pushed, repository, "", child);
        }
        for blob in image.blobs() {
            self.put_blob(repository, &blob);
        }
        self.put_manifest(repository, reference, image.media_type(), &image.manifest());
        pushed.insert(path, digest.clone());
        digest
    }

    /// Stores a manifest of any kind under a tag or its digest.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, manifest: &[u8]) {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.send("PUT", &path, &[("Content-Type", media_type)], manifest);
        assert_eq!(answer.status(), 201, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Stores a blob; the answer is its digest.
    pub fn put_blob(&self, repository: &str, blob: &[u8]) -> String {
        let digest = super::image::digest(blob);
        if self.send("HEAD", &format!("/v2/{repository}/blobs/{digest}"), &[], b"").status() == 200 {
            return digest;
        }
        let upload = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        let location = upload.header("location").expect("an upload has a location").to_owned();
        let path = location.split_once(&self.host).map_or(location.as_str(), |(_, path)| path);
        let separator = if path.contains('?') { '&' } else { '?' };
        let octets = [("Content-Type", "application/octet-stream")];
        let answer = self.send("PUT", &format!("{path}{separator}digest={digest}"), &octets, blob);
        assert_eq!(answer.status(), 201, "{}", String::from_utf8_lossy(&answer.body));
        digest
    }

    fn listens(&self, front: &Front<'_>) -> bool {
        match front.tls {
            Some(_) => TcpStream::connect(&self.host).is_ok(),
            None => self.get("/v2/").is_ok(),
        }
    }

    fn get(&self, path: &str) -> std::io::Result<http1::Message> {
        http1::send(&self.host, "GET", path, &[], b"")
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> http1::Message {
        http1::send(&self.host, method, path, headers, body).unwrap()
    }

    /// What it has been asked so far, its own pushes included, oldest first.
    pub fn requests(&self) -> Vec<Asked> {
        let log = std::fs::read_to_string(self.keeper.dir().join("access.log")).unwrap();
        log.lines().filter_map(asked).collect()
    }
}

impl Front<'_> {
    /// Lines below `http:`.
    fn config(&self) -> String {
        let mut text = String::new();
        if !self.below.is_empty() {
            text.push_str(&format!("  prefix: {}/\n", self.below));
        }
        if let Some((certificate, key)) = self.tls {
            let (certificate, key) = (certificate.display(), key.display());
            text.push_str(&format!("  tls:\n    certificate: {certificate}\n    key: {key}\n"));
        }
        if let Some(ca) = self.client_ca {
            text.push_str(&format!("    clientcas: [{}]\n", ca.display()));
        }
        text
    }
}

/// Reads a line of the combined log format.
fn asked(line: &str) -> Option<Asked> {
    let mut quoted = line.split('"');
    let mut words = quoted.nth(1)?.split_whitespace();
    let status = quoted.next()?.split_whitespace().next()?.parse().ok()?;
    Some(Asked { method: words.next()?.to_owned(), path: words.next()?.to_owned(), status })
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
