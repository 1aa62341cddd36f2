//! Small OCI images, made on the spot.
//!
//! A test says what it wants, and `registry` stores it.
//! Holds: two images of different `unique` text have different ids, so that cases which remove images
//! do not meet; the same wishes give the same bytes.
//! Source: OCI image-spec v1.1 (config, manifest, index).

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, OnceLock};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image or a multi-platform index.
#[derive(Clone, Debug)]
pub struct Image {
    config: Value,
    annotations: Value,
    layers: Vec<Arc<Vec<u8>>>,
    /// Where the last layer can be had beside the registry.
    urls: Vec<String>,
    children: Vec<Image>,
}

/// `sha256:<hex>` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

impl Image {
    /// busybox with its usual names, running `sleep` for long.
    pub fn busybox(unique: &str) -> Image {
        let config = json!({
            "architecture": architecture(), "os": "linux",
            "config": {
                "Cmd": ["/bin/sleep", "3600"], "Env": ["PATH=/bin"],
                "Labels": {"unique": unique},
            },
        });
        Image {
            config,
            annotations: json!({}),
            layers: vec![busybox_layer()],
            urls: Vec::new(),
            children: Vec::new(),
        }
    }

    /// What a pod's sandbox runs.
    pub fn pause() -> Image {
        Image::busybox("pause")
    }

    /// busybox and a layer of `mib` MiB that nothing can compress.
    pub fn big(unique: &str, mib: usize) -> Image {
        let mut image = Image::busybox(unique);
        image.layers.push(Arc::new(tar_of(&[File::Data("random", &noise(unique, mib << 20))])));
        image
    }

    /// Two layers of so many MiB each that no other image has: nothing of it is on the node before it is pulled,
    /// whatever the cases beside pull.
    pub fn with_own_layers(unique: &str, mib: usize) -> Image {
        let layer = |part| tar_of(&[File::Data("random", &noise(&format!("{unique} {part}"), mib << 20))]);
        Image { layers: [1, 2].map(layer).map(Arc::new).into(), ..Image::busybox(unique) }
    }

    /// An image whose manifest says that it is a checkpoint (containerd 2.1 and CRI-O restore those).
    pub fn checkpoint(unique: &str) -> Image {
        Image::busybox(unique).with_annotation("org.criu.checkpoint.container.name", "restored")
    }

    /// An index with `image` for this machine and a sibling for another architecture.
    pub fn index(image: Image) -> Image {
        let mut other = image.clone();
        other.config["architecture"] = json!(if architecture() == "amd64" { "arm64" } else { "amd64" });
        Image {
            config: Value::Null,
            annotations: json!({}),
            layers: Vec::new(),
            urls: Vec::new(),
            children: vec![other, image],
        }
    }

    /// The bytes of an index with so many entries more, of manifests for `architecture` that nobody has.
    pub fn wide_index(&self, more: usize, architecture: &str) -> Vec<u8> {
        let mut index: Value = serde_json::from_slice(&self.manifest()).unwrap();
        let entries = (0..more).map(|number| {
            json!({"mediaType": MANIFEST, "digest": digest(&number.to_be_bytes()), "size": 500,
                   "platform": {"os": "linux", "architecture": architecture}})
        });
        index["manifests"].as_array_mut().unwrap().extend(entries);
        serde_json::to_vec(&index).unwrap()
    }

    /// The config's `User`, as CRI's uid and username report it.
    pub fn with_user(mut self, user: &str) -> Image {
        self.config["config"]["User"] = json!(user);
        self
    }

    /// The last layer is to be had at this URL (OCI image-spec, descriptor, `urls`).
    pub fn with_layer_at(mut self, url: &str) -> Image {
        self.urls.push(url.to_owned());
        self
    }

    /// The digest of the last layer.
    pub fn last_layer(&self) -> String {
        digest(self.layers.last().unwrap())
    }

    /// Another manifest around the same config: a moved tag, the image id stays.
    pub fn with_annotation(mut self, name: &str, value: &str) -> Image {
        self.annotations[name] = json!(value);
        self
    }

    /// The image id, as CRI gives it: the digest of the config (for an index, of this machine's).
    pub fn id(&self) -> String {
        match self.children.last() {
            Some(own) => own.id(),
            None => digest(&self.config()),
        }
    }

    /// The digest of the manifest or index.
    pub fn digest(&self) -> String {
        digest(&self.manifest())
    }

    pub fn media_type(&self) -> &'static str {
        if self.children.is_empty() { MANIFEST } else { INDEX }
    }

    pub fn children(&self) -> &[Image] {
        &self.children
    }

    /// Config and layers.
    pub fn blobs(&self) -> Vec<Vec<u8>> {
        if !self.children.is_empty() {
            return Vec::new();
        }
        let mut blobs = vec![self.config()];
        blobs.extend(self.layers.iter().map(|layer| layer.as_ref().clone()));
        blobs
    }

    pub fn manifest(&self) -> Vec<u8> {
        let body = if self.children.is_empty() {
            let config = self.config();
            let mut layers: Vec<Value> = self.layers.iter().map(|layer| descriptor(LAYER, layer)).collect();
            if let (Some(last), false) = (layers.last_mut(), self.urls.is_empty()) {
                last["urls"] = json!(self.urls);
            }
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, &config),
                   "layers": layers, "annotations": self.annotations})
        } else {
            let manifests: Vec<Value> = self.children.iter().map(entry).collect();
            json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
        };
        serde_json::to_vec(&body).unwrap()
    }

    fn config(&self) -> Vec<u8> {
        let mut config = self.config.clone();
        // The layers are not compressed, so their digests are their diff ids.
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        serde_json::to_vec(&config).unwrap()
    }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

fn entry(image: &Image) -> Value {
    let mut entry = descriptor(MANIFEST, &image.manifest());
    entry["platform"] = json!({"architecture": image.config["architecture"], "os": "linux"});
    entry
}

pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

enum File<'a> {
    Program(&'a str, &'a [u8]),
    Link(&'a str, &'a str),
    Data(&'a str, &'a [u8]),
}

fn busybox_layer() -> Arc<Vec<u8>> {
    static LAYER: OnceLock<Arc<Vec<u8>>> = OnceLock::new();
    LAYER
        .get_or_init(|| {
            let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed by tests/setup");
            let mut files = vec![File::Program("bin/busybox", &busybox)];
            let links =
                ["bin/sh", "bin/sleep", "bin/echo", "bin/cat", "bin/id", "bin/env", "bin/true", "bin/false"];
            files.extend(links.map(|path| File::Link(path, "busybox")));
            files.push(File::Data("etc/passwd", b"root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n"));
            files.push(File::Data("etc/group", b"root:x:0:\nwww-data:x:33:\n"));
            Arc::new(tar_of(&files))
        })
        .clone()
}

fn tar_of(files: &[File<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        match file {
            File::Program(path, data) => {
                header.set_mode(0o755);
                header.set_size(data.len() as u64);
                tar.append_data(&mut header, path, *data).unwrap();
            }
            File::Data(path, data) => {
                header.set_mode(0o644);
                header.set_size(data.len() as u64);
                tar.append_data(&mut header, path, *data).unwrap();
            }
            File::Link(path, target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// Bytes without pattern (xorshift64*), always the same for the same seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut state = Sha256::digest(seed.as_bytes())
        .iter()
        .fold(1u64, |sum, byte| sum.wrapping_mul(131) + u64::from(*byte));
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
