//! Reads what a registry keeps about signatures: lists of manifests, and manifests with signatures as layers.
//!
//! Facts: OCI image-spec 1.1 (index, manifest). Clients that store a bundle at a registry without a list of referrers leave
//! the type of the artifact out of the list that they keep themselves, so what has no type is looked at as well.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::bundle;
use super::json;
use super::simple::Witness;

/// The longest list or manifest, in bytes.
const LONGEST: usize = 4 << 20;

/// The media type of what cosign 2 signs.
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotations in which cosign 2 keeps a signature, and who has made it and when.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const ENTRY: &str = "dev.sigstore.cosign/bundle";
/// A type that says nothing: what ORAS and cosign write where there is none.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries {
    /// The digests of manifests that may hold a signature, in their order.
    pub entries: Vec<String>,
    /// How many manifests are listed.
    pub count: usize,
}

/// A layer that is a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its digest.
    pub digest: String,
    /// The signature of these bytes, and its witness; `None` where they are a bundle, which has both inside.
    pub signature: Option<(String, Option<Witness>)>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Layers {
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads a list.
///
/// # Errors
/// Why it is none.
pub fn entries(bytes: &[u8]) -> Result<Entries, String> {
    let listed = json::read::<Index>(bytes, LONGEST)?.manifests.unwrap_or_default();
    let count = listed.len();
    let may_be_signature = |entry: &Descriptor| match entry.artifact_type.as_deref() {
        None | Some("" | EMPTY) => true,
        Some(kind) => kind.starts_with(bundle::MEDIA_TYPE) || kind == SIMPLE,
    };
    let entries = listed.into_iter().filter(may_be_signature).map(|entry| entry.digest).collect();
    Ok(Entries { entries, count })
}

/// The signatures that a manifest has as its layers.
///
/// # Errors
/// Why it is no manifest.
pub fn layers(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    let layers = json::read::<Layers>(bytes, LONGEST)?.layers.unwrap_or_default();
    let layer = |Descriptor { media_type, digest, annotations, .. }: Descriptor| match media_type.as_str() {
        SIMPLE => {
            let mut annotations = annotations.unwrap_or_default();
            let mut take = |name| annotations.remove(name);
            let signature = take(SIGNATURE).unwrap_or_default();
            let [certificate, chain, entry] =
                [CERTIFICATE, CHAIN, ENTRY].map(|name| take(name).unwrap_or_default());
            let has_witness = !certificate.is_empty() || !entry.is_empty();
            let witness = has_witness.then_some(Witness { certificate, chain, entry });
            Some(Layer { digest, signature: Some((signature, witness)) })
        }
        kind if kind.starts_with(bundle::MEDIA_TYPE) => Some(Layer { digest, signature: None }),
        _ => None,
    };
    Ok(layers.into_iter().filter_map(layer).collect())
}
