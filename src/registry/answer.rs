//! What an answer to a request for a manifest means.
//!
//! Facts: containerd `core/remotes/docker/resolver.go`: HEAD answers a tag where it has a valid
//! `Docker-Content-Digest`, a media type and a length. Where it has not, or HEAD is refused, GET is asked and
//! its body hashed.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::error::{Class, Failure, RegistryError};
use super::exchange::Answer;
use super::limits;
use crate::policy::is_image_id;

/// The media types that are asked for, as containerd does.
pub(super) const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, */*";

/// What this program calls itself.
const AGENT: &str = concat!("cri-shunt/", env!("CARGO_PKG_VERSION"));

/// An index of the format of OCI.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Indexes of the two formats.
pub const INDEXES: [&str; 2] = ["application/vnd.docker.distribution.manifest.list.v2+json", OCI_INDEX];

/// Manifests of the first format, which containerd takes up to 1.7.
pub const FIRST_FORMAT: [&str; 2] = [
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// Manifests that containerd can do something with.
const KNOWN: [&str; 6] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    INDEXES[0],
    "application/vnd.oci.image.manifest.v1+json",
    OCI_INDEX,
    FIRST_FORMAT[0],
    FIRST_FORMAT[1],
];

/// The longest manifest that containerd takes (`MaxManifestSize`), in bytes.
pub(super) const MAX_MANIFEST: usize = 4 * 1048 * 1048;

/// How many bytes of an error's body are looked at.
pub(super) const MAX_ERROR: usize = 64 << 10;

/// A manifest that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) digest: String,
    pub(super) media_type: String,
    /// Its length in bytes, where the registry says it.
    pub(super) size: Option<u64>,
    /// How long the registry wants to be left alone after this answer, where it says so.
    pub(super) rest: Option<Duration>,
}

/// What HEAD has brought.
pub(super) enum Verdict {
    Found(Found),
    /// HEAD cannot tell; GET can.
    AskAgain,
    /// It is an error to HEAD; GET may give the manifest, or more words.
    AskWhy,
}

/// The headers of every request.
pub(super) fn common_headers(accept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers
}

/// Whether a text is a digest that containerd knows: an algorithm, a colon, and as many hex digits as it has.
pub(super) fn is_digest(text: &str) -> bool {
    text.contains(':') && is_image_id(text)
}

/// Reads the answer to HEAD for a tag, or for the digest `asked`.
pub(super) fn of_head(answer: &Answer, asked: Option<&str>) -> Result<Verdict, RegistryError> {
    match answer.status {
        status if status.is_success() => {}
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => return Ok(Verdict::AskAgain),
        // Where no request is left, a second one is refused as well.
        StatusCode::FORBIDDEN if limits::none_left(answer) => return Err(refusal(answer, "")),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(Verdict::AskWhy),
        _ => return Err(refusal(answer, "")),
    }
    let (media_type, size) = (media_type(answer), size(answer));
    let stated = stated_digest(answer)?;
    // With a digest as the reference the length is not needed: no bytes are taken from HEAD.
    let is_whole = asked.is_some() || size.is_some();
    match (stated.or_else(|| asked.map(str::to_owned)), media_type) {
        (Some(digest), Some(media_type)) if is_whole => {
            let rest = limits::after_success(answer);
            let found = checked(answer, asked, Found { digest, media_type, size, rest });
            found.map(Verdict::Found)
        }
        _ => Ok(Verdict::AskAgain),
    }
}

/// Reads the answer to GET, whose body is the manifest itself.
pub(super) fn of_get(answer: &Answer, asked: Option<&str>) -> Result<Found, RegistryError> {
    if !answer.status.is_success() {
        return Err(refused(answer));
    }
    if answer.cut || answer.body.len() > MAX_MANIFEST {
        return Err(content(answer, too_large()));
    }
    let Some(media_type) = media_type(answer).or_else(|| own_media_type(&answer.body)) else {
        return Err(content(answer, "says no media type, nor does the manifest".to_owned()));
    };
    let digest = digest_like(asked.unwrap_or("sha256"), &answer.body);
    if let Some(stated) = stated_digest(answer)?.filter(|stated| digest_like(stated, &answer.body) != *stated)
    {
        let stated = answer.quote(&stated).map_or(String::new(), |stated| format!(" ({stated})"));
        return Err(content(answer, format!("its manifest does not have the digest that it says{stated}")));
    }
    let size = u64::try_from(answer.body.len()).ok();
    let rest = limits::after_success(answer);
    checked(answer, asked, Found { digest, media_type, size, rest })
}

/// Reads the answer to GET for a blob with the digest `asked`, of up to `limit` bytes.
pub(super) fn of_blob(answer: &Answer, asked: &str, limit: usize) -> Result<Bytes, RegistryError> {
    if !answer.status.is_success() {
        return Err(refused(answer));
    }
    if answer.cut {
        return Err(content(answer, format!("with a blob of more than {limit} bytes")));
    }
    match digest_like(asked, &answer.body) == asked {
        true => Ok(answer.body.clone()),
        false => Err(content(answer, "with a blob that has another digest than was asked for".to_owned())),
    }
}

/// The error of an answer that is none that was asked for, with its own words.
pub(super) fn refused(answer: &Answer) -> RegistryError {
    refusal(answer, &detail(answer))
}

/// The error of a HEAD, with what GET adds to it.
pub(super) fn reason(head: &Answer, get: Option<&Answer>) -> RegistryError {
    refusal(head, &get.map(detail).unwrap_or_default())
}

fn refusal(answer: &Answer, detail: &str) -> RegistryError {
    let class = class(answer);
    let limits = limits::words(answer, class);
    // Go's server answers so where it is spoken to without TLS.
    let plain = answer.status == StatusCode::BAD_REQUEST && !answer.url.https;
    let hint = if plain { "; it was asked in plain http, does it want TLS?" } else { "" };
    RegistryError::Status { host: answer.url.authority(), detail: limits + detail + hint, class }
}

/// What a status that is an error means for the next step.
///
/// 403 and 503 with a count of zero requests left are limits as well: GitHub answers the one.
pub(super) fn class(answer: &Answer) -> Class {
    let failure = match answer.status {
        StatusCode::TOO_MANY_REQUESTS => Failure::RateLimited,
        StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE if limits::none_left(answer) => {
            Failure::RateLimited
        }
        StatusCode::FORBIDDEN => Failure::Forbidden,
        StatusCode::NOT_FOUND => Failure::NotFound,
        _ => Failure::Status,
    };
    let may_rest = failure == Failure::RateLimited || answer.status == StatusCode::SERVICE_UNAVAILABLE;
    let retry_after = if may_rest { limits::rest(answer) } else { None };
    Class { failure, status: Some(answer.status), retry_after }
}

/// What `errors` in a body says (OCI distribution-spec, "Error Codes"), or a token server's `error`. Begins with a
/// separator, or is empty.
pub(super) fn detail(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<Entry>,
        // OAuth 2.0, RFC 6749, 5.2, and what some token servers send.
        error: Option<String>,
        error_description: Option<String>,
        details: Option<String>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: Option<String>,
        message: Option<String>,
    }
    let Ok(body) = serde_json::from_slice::<Errors>(&answer.body[..answer.body.len().min(MAX_ERROR)]) else {
        return String::new();
    };
    let first = body.errors.into_iter().next();
    let words = match first {
        Some(Entry { code, message }) => [code, message],
        None => [body.error, body.error_description.or(body.details)],
    };
    let words: Vec<String> = words.into_iter().flatten().filter(|words| !words.is_empty()).collect();
    let words = answer.quote(&words.join(", ")).filter(|words| !words.is_empty());
    words.map_or(String::new(), |words| format!(": {words}"))
}

fn checked(answer: &Answer, asked: Option<&str>, found: Found) -> Result<Found, RegistryError> {
    if !KNOWN.contains(&found.media_type.as_str()) {
        let got = answer.quote(&found.media_type).unwrap_or_else(|| "something".to_owned());
        let problem = format!("with {got}, which is not a manifest; a login page, or not a registry at all?");
        return Err(content(answer, problem));
    }
    if found.size.is_some_and(|size| size > MAX_MANIFEST as u64) {
        return Err(content(answer, too_large()));
    }
    if asked.is_none_or(|asked| asked == found.digest) {
        return Ok(found);
    }
    let got = answer.quote(&found.digest).map_or(String::new(), |digest| format!(" ({digest})"));
    Err(content(answer, format!("with another digest than was asked for{got}")))
}

pub(super) fn content(answer: &Answer, problem: String) -> RegistryError {
    RegistryError::Content { host: answer.url.authority(), problem }
}

pub(super) fn too_large() -> String {
    format!("with a manifest of more than {MAX_MANIFEST} bytes, which containerd refuses")
}

pub(super) fn media_type(answer: &Answer) -> Option<String> {
    let value = answer.header("content-type")?.split(';').next()?.trim().to_ascii_lowercase();
    (!value.is_empty()).then_some(value)
}

fn size(answer: &Answer) -> Option<u64> {
    answer.header("content-length")?.parse().ok()
}

fn stated_digest(answer: &Answer) -> Result<Option<String>, RegistryError> {
    match answer.headers.get("docker-content-digest") {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Ok("") => Ok(None),
            Ok(text) if is_digest(text) => Ok(Some(text.to_owned())),
            _ => {
                let text = answer.quote(&String::from_utf8_lossy(value.as_bytes()));
                let text = text.map_or(String::new(), |text| format!(": {text}"));
                Err(content(answer, format!("its Docker-Content-Digest is not a digest{text}")))
            }
        },
    }
}

fn own_media_type(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        media_type: String,
    }
    serde_json::from_slice::<Manifest>(body).ok().map(|manifest| manifest.media_type)
}

/// The digest of the bytes, by the algorithm that `like` begins with.
fn digest_like(like: &str, bytes: &[u8]) -> String {
    let (algorithm, hash) = match like.split(':').next() {
        Some("sha512") => ("sha512", Sha512::digest(bytes).to_vec()),
        Some("sha384") => ("sha384", Sha384::digest(bytes).to_vec()),
        _ => ("sha256", Sha256::digest(bytes).to_vec()),
    };
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{algorithm}:{hex}")
}

#[cfg(test)]
mod tests;
