//! Pulls by rules that demand signatures: what the real cosign has signed is pulled, and nothing else reaches containerd.
//!
//! `tests/signature` has the kinds of keys and signatures, and what hostile registries answer.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod failing;
mod hostile;
mod keyless;
mod pause;
mod present;
mod signed;
mod together;

use std::sync::OnceLock;

use support::containerd::Containerd;
use support::cosign::{Cosign, KeyPair, Kind, copy};
use support::cri::Cri;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::{Code, Status};

/// What was signed once for all cases: below `verify/` as images of `docker.io/verify/`.
struct World {
    registry: &'static Registry,
    /// The public key by which it is signed.
    key: Vec<u8>,
    /// That of the bundle.
    bundle_key: Vec<u8>,
}

/// `None` (and skipped tests) where there is no registry or no cosign.
fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    WORLD.get_or_init(World::new).as_ref()
}

impl World {
    fn new() -> Option<World> {
        let registry = Registry::shared()?;
        let [key, other] = [KeyPair::new(Cosign::V2_5, Kind::P256)?, KeyPair::new(Cosign::V2_5, Kind::P256)?];
        let bundle = KeyPair::new(Cosign::V3_1, Kind::P256)?;
        let world = World { registry, key: key.public(), bundle_key: bundle.public() };
        for repository in [
            "app",
            "held",
            "counted",
            "away",
            "stale",
            "without",
            "next",
            "swapped",
            "outage",
            "two-signed",
            "leaving",
            "killed",
        ] {
            world.sign(&key, repository, &image(repository), "docker.io");
        }
        // As a mirror has it that is told of the registry.
        let digest = registry.push("docker.io/verify/by-ns", "1", &image("by-ns"));
        world.sign_at(&key, &format!("docker.io/verify/by-ns@{digest}"), "docker.io/verify/by-ns");
        registry.push("docker.io/verify/by-ns-unsigned", "1", &image("by-ns-unsigned"));
        registry.push("verify/two-unsigned", "1", &image("two-unsigned"));
        // A bundle, which says no name.
        let digest = registry.push("verify/bundle", "1", &image("bundle"));
        let whole = format!("{}/verify/bundle@{digest}", registry.host());
        Cosign::V3_1.sign(&bundle, &whole, &[]);
        world.sign(&other, "other-key", &image("other-key"), "docker.io");
        for repository in ["own", "here", "checked"] {
            world.sign(&key, repository, &image(repository), registry.host());
        }
        for repository in ["unsigned-here", "unsigned", "unchecked", "free"] {
            registry.push(&format!("verify/{repository}"), "1", &image(repository));
        }
        // As someone may who can write to the registry and cannot sign.
        let tag = Cosign::V2_5.tag(&image("app").digest());
        registry.push("verify/replayed", "1", &image("app"));
        copy(registry, ("verify/app", &tag), ("verify/replayed", &tag));
        let tag_of_checked = Cosign::V2_5.tag(&image("checked").digest());
        registry.push("verify/borrowed", "1", &image("checked"));
        copy(registry, ("verify/checked", &tag_of_checked), ("verify/borrowed", &tag_of_checked));
        let moved = registry.push("verify/digest", "1", &image("digest"));
        copy(registry, ("verify/app", &tag), ("verify/digest", &Cosign::V2_5.tag(&moved)));
        // An index whose manifest for this machine is signed, one that is signed itself, and one of which nothing is.
        let index = |name| Image::index(image(name));
        for name in ["child", "index", "bare-index", "checked-child"] {
            registry.push(&format!("verify/{name}"), "1", &index(name));
        }
        world.sign_digest(&key, "child", &image("child").digest(), "docker.io");
        world.sign_digest(&key, "index", &index("index").digest(), "docker.io");
        let child = image("checked-child").digest();
        world.sign_digest(&key, "checked-child", &child, registry.host());
        // The same images at a mirror that has no signatures, and another image in place of one.
        for repository in ["without", "away", "stale"] {
            registry.push(&format!("bare/verify/{repository}"), "1", &image(repository));
        }
        registry.push("wrong/verify/next", "1", &image("wrong"));
        registry.push("verify/by-mirror", "1", &image("by-mirror"));
        // The pause image, with its signature and at a mirror that has none.
        registry.push("bare-pause/pause", "testbed", &Image::pause());
        let pause = registry.push("signed-pause/pause", "testbed", &Image::pause());
        let whole = format!("{}/signed-pause/pause@{pause}", registry.host());
        Cosign::V2_5.sign(&key, &whole, &["--sign-container-identity", "registry.k8s.io/pause"]);
        Some(world)
    }

    fn sign(&self, key: &KeyPair, repository: &str, image: &Image, host: &str) {
        let digest = self.registry.push(&format!("verify/{repository}"), "1", image);
        self.sign_digest(key, repository, &digest, host);
    }

    fn sign_digest(&self, key: &KeyPair, repository: &str, digest: &str, host: &str) {
        let path = format!("verify/{repository}@{digest}");
        self.sign_at(key, &path, &format!("{host}/verify/{repository}"));
    }

    fn sign_at(&self, key: &KeyPair, path: &str, identity: &str) {
        let whole = format!("{}/{path}", self.registry.host());
        Cosign::V2_5.sign(key, &whole, &["--sign-container-identity", identity]);
    }
}

fn image(name: &str) -> Image {
    Image::busybox(&format!("verify-{name}"))
}

/// A shunt before a containerd, and what asks both.
struct Setup<'c> {
    containerd: &'c Containerd,
    world: &'static World,
    shunt: Shunt,
    cri: Cri,
    native: Native,
}

/// By this configuration; `KEY` and `BUNDLE` stand for the files of the keys, and `HOST` for the registry.
async fn setup(version: Version, config: &str) -> Option<Setup<'static>> {
    Setup::on(Containerd::shared(version)?, config).await
}

fn write(shunt: &Shunt, config: &str, containerd: &Containerd, world: &World) {
    let key = shunt.config_file().with_extension("pub");
    let config = config.replace("BUNDLE", key.with_extension("bundle").to_str().unwrap());
    let config = config.replace("KEY", key.to_str().unwrap()).replace("HOST", world.registry.host());
    shunt.write_config(&config, containerd);
}

/// The signature, with more keys, and the rule that demands it of images from these mirrors.
fn config(more: &str, mirrors: &[&str]) -> String {
    let rule = rule("docker.io/verify", mirrors);
    format!("[[signature]]\nname = \"prod\"\nkeys = [\"KEY\"]\n{more}\n{rule}verify = \"prod\"\n")
}

impl<'c> Setup<'c> {
    async fn on(containerd: &'c Containerd, config: &str) -> Option<Setup<'c>> {
        let world = world()?;
        let shunt = Shunt::prepare("", containerd, &[]);
        let key = shunt.config_file().with_extension("pub");
        std::fs::write(&key, &world.key).unwrap();
        std::fs::write(key.with_extension("bundle"), &world.bundle_key).unwrap();
        write(&shunt, config, containerd, world);
        shunt.start_again();
        let cri = Cri::connect(&shunt.socket()).await;
        let native = Native::connect(&containerd.socket()).await;
        Some(Setup { containerd, world, shunt, cri, native })
    }

    /// The same daemon, started again by another configuration.
    async fn again(&mut self, config: &str) {
        write(&self.shunt, config, self.containerd, self.world);
        self.shunt.restart();
        self.cri = Cri::connect(&self.shunt.socket()).await;
    }

    /// What a client is told of an image that is refused for its signatures. Nothing of it is at containerd.
    async fn refused(&self, name: &str) -> String {
        let status = self.cri.pull(name).await.unwrap_err();
        let text = unsigned(&status, name);
        let repository = name.split(':').next().unwrap();
        assert_eq!(self.native.names_with(repository).await, Vec::<String>::new(), "{name}");
        text.replace(self.world.registry.host(), "HOST")
    }
}

/// What kubelet makes its reason `SignatureValidationFailed` of.
fn unsigned(status: &Status, name: &str) -> String {
    assert_eq!(status.code(), Code::Unknown, "{status}");
    let begin = format!("SignatureValidationFailed: docker.io/{name}: ");
    let text = status.message().strip_prefix(&begin);
    text.unwrap_or_else(|| panic!("{status}")).to_owned()
}
