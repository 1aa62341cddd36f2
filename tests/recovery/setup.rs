//! One shunt with one rule, and what is left of its pulls.

use std::collections::BTreeSet;

use tokio::task::JoinHandle;
use tonic::Status;

use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::Fake;
use crate::support::image::Image;
use crate::support::native::Native;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::wait_for;

/// A shunt by which `docker.io/<path>` comes from `<mirror>/m/<path>`.
pub struct Setup<'c> {
    pub containerd: &'c Containerd,
    pub registry: &'static Registry,
    pub shunt: Shunt,
    pub cri: Cri,
    pub native: Native,
    pub path: String,
    pub mirror: String,
}

impl<'c> Setup<'c> {
    pub async fn new(containerd: &'c Containerd, case: &str) -> Option<Setup<'c>> {
        let host = Registry::shared()?.host();
        Setup::on(containerd, case, host).await
    }

    /// With another mirror in front of the registry.
    pub async fn on(containerd: &'c Containerd, case: &str, host: &str) -> Option<Setup<'c>> {
        Setup::by(containerd, case, host, rule).await
    }

    /// By the rule that is made of the prefix and the mirrors.
    pub async fn by(
        containerd: &'c Containerd,
        case: &str,
        host: &str,
        rule: impl Fn(&str, &[&str]) -> String,
    ) -> Option<Setup<'c>> {
        let registry = Registry::shared()?;
        let path = format!("{case}/{}", containerd.version().line());
        let rule = rule(&format!("docker.io/{path}"), &[&format!("{host}/m")]);
        let shunt = Shunt::start_with(&rule, containerd, &[("CRI_SHUNT_LOG", "debug")]);
        let cri = Cri::connect(&shunt.socket()).await;
        let native = Native::connect(&containerd.socket()).await;
        let mirror = format!("{host}/m/{path}/app");
        Some(Setup { containerd, registry, shunt, cri, native, path, mirror })
    }

    pub fn push(&self, tag: &str, image: &Image) {
        self.registry.push(&format!("m/{}/app", self.path), tag, image);
    }

    /// An image of this case and containerd alone.
    pub fn image(&self, unique: &str) -> Image {
        Image::busybox(&format!("{}-{unique}", self.path))
    }

    pub fn original(&self, tag: &str) -> String {
        format!("docker.io/{}/app:{tag}", self.path)
    }

    pub fn at_mirror(&self, tag: &str) -> String {
        format!("{}:{tag}", self.mirror)
    }

    pub fn digest_at_mirror(&self, image: &Image) -> String {
        format!("{}@{}", self.mirror, image.digest())
    }

    /// A pull of an original, under way.
    pub fn begin(&self, tag: &str) -> JoinHandle<Result<String, Status>> {
        let (cri, name) = (self.cri.clone(), self.original(tag));
        tokio::spawn(async move { cri.pull(&name).await })
    }

    /// Waits until a pull has come to a place where it can go no further. It is not to end before that.
    pub async fn comes_to(
        &self,
        pulling: &mut JoinHandle<Result<String, Status>>,
        place: &str,
        is_there: impl Fn() -> bool,
    ) {
        let there = wait_for(async || is_there() || pulling.is_finished()).await;
        if !is_there() {
            let answer = if there { format!("{:?}", pulling.await) } else { "no answer".to_owned() };
            let containerd = std::fs::read_to_string(self.containerd.log_file()).unwrap_or_default();
            let tail = |text: &str, most: usize| {
                let lines: Vec<&str> = text.lines().filter(|line| line.contains(&self.path)).collect();
                lines[lines.len().saturating_sub(most)..].join("\n")
            };
            let (shunt, containerd) = (tail(&self.shunt.stderr(), 40), tail(&containerd, 20));
            panic!("the pull does not come to {place}: {answer}\n{shunt}\n{containerd}");
        }
    }

    /// Waits until somebody else has broken off a question to a fake mirror, which waits at `place`.
    pub async fn breaks_off(&self, fake: &Fake, left: usize, place: &str) {
        let broken_off = wait_for(async || fake.left() > left).await;
        assert!(broken_off, "somebody goes on asking for {place}\n{}", self.shunt.stderr());
    }

    /// The names of this case at its mirror or a private host.
    pub async fn at_mirrors(&self) -> BTreeSet<String> {
        self.native.names_with(&format!("/m/{}/app", self.path)).await.into_iter().collect()
    }

    /// Waits until these and no other names are left of the mirror and of private hosts. It looks once more and no
    /// longer: a late name may still come and go. That none stays is what the last wait in `adopt_stress` is for.
    pub async fn left(&self, wanted: &[String]) {
        let wanted: BTreeSet<String> = wanted.iter().cloned().collect();
        let tidy = wait_for(async || self.at_mirrors().await == wanted).await;
        let found = self.at_mirrors().await;
        assert!(tidy, "wanted {wanted:#?}\nfound {found:#?}\n{}", self.shunt.stderr());
    }

    pub fn private_files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.containerd.certs_d()).unwrap().flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("cri-shunt.invalid")).collect()
    }

    pub async fn connect_again(&mut self) {
        self.cri = Cri::connect(&self.shunt.socket()).await;
        self.native = Native::connect(&self.containerd.socket()).await;
    }

    /// Kills the shunt and starts it on what that left.
    pub async fn crash(&mut self) {
        self.crash_of(true, false).await;
    }

    /// Kills one of the programs or both, and starts them again.
    pub async fn crash_of(&mut self, shunt: bool, containerd: bool) {
        if shunt {
            self.shunt.kill9();
        }
        if containerd {
            self.containerd.kill9();
            self.containerd.start_again();
        }
        if shunt {
            self.shunt.start_again();
        }
        self.connect_again().await;
    }

    pub async fn knows(&self, name: &str, image: &Image) {
        let found = self.cri.status(name).await.unwrap();
        assert_eq!(found.unwrap_or_else(|| panic!("{name} is not there")).id, image.id(), "{name}");
    }
}
