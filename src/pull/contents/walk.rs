//! Reads an image's manifests as containerd reads them.
//!
//! Holds: what Go's JSON would read in another way is refused, so that nothing hides there. Each digest is looked at once,
//! and no more than [`MOST_MANIFESTS`] manifests of one image.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::policy::is_digest;
use crate::pull::auth::host_of;
use crate::registry::one_line;
use crate::state::Contents;

/// What marks a checkpoint (containerd `internal/cri/server/container_checkpoint_linux.go`, CRIU's `crit`
/// annotations).
pub(super) const CHECKPOINT: &str = "org.criu.checkpoint.container.name";

/// How many manifests and indexes of one image are looked at. An index has one manifest for each platform; those of
/// other platforms are not looked at.
const MOST_MANIFESTS: usize = 16;

/// How much of a manifest's words is repeated, in characters.
const MOST_WORDS: usize = 200;

/// All fields that are read. Go also reads them from keys in other letters (`encoding/json`, Unmarshal: "accepting a
/// case-insensitive match"), which no honest tool writes.
const FIELDS: [&str; 8] =
    ["annotations", "manifests", "layers", "digest", "platform", "os", "architecture", "urls"];

/// A look at an image's manifests, from its own or its index on.
pub struct Walk {
    contents: Contents,
    seen: BTreeSet<String>,
    next: Vec<String>,
    left: usize,
}

/// Why bytes are not a manifest that containerd and the shunt read alike.
#[derive(Debug, thiserror::Error)]
#[error("{}", one_line(&.0.to_string(), MOST_WORDS))]
pub struct NotAManifest(#[from] serde_json::Error);

/// The fields that are read of a manifest or an index. Only what counts of a list is kept: three bytes of it would
/// become a hundred.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    annotations: Option<Annotations>,
    manifests: Option<Children>,
    layers: Option<Layers>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotations {
    /// Whatever its value is.
    #[serde(rename = "org.criu.checkpoint.container.name", deserialize_with = "is_there")]
    is_checkpoint: bool,
}

fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|IgnoredAny| true)
}

/// The digests of an index that are for this machine, each once, as many as are looked at and one more.
struct Children(Vec<String>);

/// An entry of an index.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Child {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

/// The first layer with `urls`, and the bytes of all.
#[derive(Default)]
struct Layers {
    foreign: Option<Layer>,
    size: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer {
    digest: String,
    urls: Option<FirstUrl>,
    size: Option<i64>,
}

struct FirstUrl(Option<String>);

/// Reads a list and keeps of it what `keep` keeps.
struct Each<T, K, F>(K, F, PhantomData<T>);

impl<'de, T: Deserialize<'de>, K, F: FnMut(&mut K, T) -> Result<(), String>> Visitor<'de> for Each<T, K, F> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut list: S) -> Result<K, S::Error> {
        while let Some(entry) = list.next_element::<T>()? {
            (self.1)(&mut self.0, entry).map_err(S::Error::custom)?;
        }
        Ok(self.0)
    }
}

impl<'de> Deserialize<'de> for Children {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        let keep = |kept: &mut Vec<String>, child: Child| {
            if kept.len() > MOST_MANIFESTS || !child.is_for_this_machine() {
                return Ok(());
            }
            // Or many of one digest would hide what follows.
            if kept.contains(&child.digest) {
                return Ok(());
            }
            if !is_digest(&child.digest) {
                return Err(format!("\"{}\" is not a digest", one_line(&child.digest, MOST_WORDS)));
            }
            kept.push(child.digest);
            Ok(())
        };
        list.deserialize_seq(Each(Vec::new(), keep, PhantomData)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        let keep = |kept: &mut Self, layer: Layer| {
            let size = layer.size.and_then(|size| u64::try_from(size).ok());
            kept.size = kept.size.saturating_add(size.unwrap_or_default());
            if kept.foreign.is_none() && layer.urls.as_ref().is_some_and(|urls| urls.0.is_some()) {
                kept.foreign = Some(layer);
            }
            Ok(())
        };
        list.deserialize_seq(Each(Self::default(), keep, PhantomData))
    }
}

impl<'de> Deserialize<'de> for FirstUrl {
    fn deserialize<D: Deserializer<'de>>(list: D) -> Result<Self, D::Error> {
        let keep = |first: &mut Option<String>, url: String| {
            first.get_or_insert(url);
            Ok(())
        };
        list.deserialize_seq(Each(None, keep, PhantomData)).map(Self)
    }
}

/// Refuses a key that Go would take for a field, in another spelling, anywhere but among annotations.
struct Spelling;

impl<'de> DeserializeSeed<'de> for Spelling {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Spelling {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match FIELDS.into_iter().find(|field| folds_to(&key, field)) {
                Some(field) if field != key => {
                    return Err(M::Error::custom(format!("the key `{key}` stands for `{field}`")));
                }
                Some("annotations") => map.next_value::<IgnoredAny>().map(drop)?,
                _ => map.next_value_seed(Spelling)?,
            }
        }
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while list.next_element_seed(Spelling)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Whether Go takes `key` for `field`. Two letters beyond ASCII fold to `s` and `k` (`encoding/json/fold.go`).
fn folds_to(key: &str, field: &str) -> bool {
    let fold = |char| match char {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        char => char.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars())
}

// === impl Walk ===

impl Walk {
    /// A walk that begins at this digest.
    pub fn from(digest: &str) -> Self {
        Self {
            contents: Contents::default(),
            seen: BTreeSet::from([digest.to_owned()]),
            next: vec![digest.to_owned()],
            left: MOST_MANIFESTS,
        }
    }

    /// The manifest to look at next.
    pub fn next_digest(&mut self) -> Option<String> {
        let next = self.next.pop()?;
        if self.left == 0 {
            self.contents.unclear =
                Some(format!("it has more than {MOST_MANIFESTS} manifests for this machine"));
            return None;
        }
        self.left -= 1;
        Some(next)
    }

    /// Looks at the bytes of the manifest that [`Walk::next_digest`] gave.
    ///
    /// # Errors
    /// They are not a manifest.
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Result<(), NotAManifest> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        Spelling.deserialize(&mut json)?;
        let manifest: Manifest = serde_json::from_slice(bytes)?;
        self.contents.add(manifest.contents());
        for child in manifest.manifests.into_iter().flat_map(|children| children.0) {
            if self.seen.insert(child.clone()) {
                self.next.push(child);
            }
        }
        Ok(())
    }

    /// Notes that the rest cannot be looked at.
    pub(super) fn note_unclear(&mut self, why: String) {
        self.contents.unclear = Some(why);
    }

    /// What was found.
    pub(super) fn contents(self) -> Contents {
        self.contents
    }
}

// === impl Manifest ===

impl Manifest {
    fn contents(&self) -> Contents {
        let foreign = self.layers.as_ref().and_then(|layers| layers.foreign.as_ref());
        let shown = |layer: &Layer| {
            let url = layer.urls.as_ref()?.0.as_deref()?;
            let host = Some(host_of(url)).filter(|host| !host.is_empty()).unwrap_or("an unreadable URL");
            Some(one_line(&format!("{host} ({})", layer.digest), MOST_WORDS))
        };
        Contents {
            is_checkpoint: self.annotations.as_ref().is_some_and(|all| all.is_checkpoint),
            foreign_url: foreign.and_then(shown),
            unclear: None,
            size: self.layers.as_ref().map_or(0, |layers| layers.size),
        }
    }
}

// === impl Child ===

impl Child {
    /// Whether containerd may run it here (`platforms.Normalize` and `platforms.Only`: a machine also runs what its
    /// processor's forerunners do). One without a platform counts: containerd reads it from the image's own
    /// configuration. So does each where it is not known what this machine is called.
    fn is_for_this_machine(&self) -> bool {
        let Some(platform) = &self.platform else { return true };
        // Go makes ASCII's small letters of letters beyond it too (`İ`, `K`).
        if !platform.os.is_ascii() || !platform.architecture.is_ascii() {
            return true;
        }
        let os = platform.os.to_ascii_lowercase();
        let written = platform.architecture.to_ascii_lowercase();
        let architecture = match written.as_str() {
            "x86_64" | "x86-64" => "amd64",
            "i386" => "386",
            "aarch64" => "arm64",
            "armhf" | "armel" => "arm",
            other => other,
        };
        let Some(runs) = architectures() else { return true };
        (os.is_empty() || os == "linux") && (architecture.is_empty() || runs.contains(&architecture))
    }
}

/// What images for this machine are called, its own name first.
fn architectures() -> Option<&'static [&'static str]> {
    Some(match std::env::consts::ARCH {
        "x86_64" => &["amd64", "386"],
        "x86" => &["386"],
        "aarch64" => &["arm64", "arm"],
        "arm" => &["arm"],
        "powerpc64" => &["ppc64le", "ppc64"],
        "loongarch64" => &["loong64"],
        "riscv64" => &["riscv64"],
        "s390x" => &["s390x"],
        _ => return None,
    })
}

/// This machine as containerd calls it.
#[must_use]
pub fn machine() -> String {
    let own = architectures().and_then(|all| all.first().copied());
    format!("linux/{}", own.unwrap_or(std::env::consts::ARCH))
}

#[cfg(test)]
mod tests;
