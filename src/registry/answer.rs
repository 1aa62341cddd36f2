//! What an answer to a request for a manifest means.
//!
//! Before: `login` has an answer that is no 401.  After: a digest, an error, or that GET has to be asked.
//! Holds: what containerd would not take is an error here.
//!
//! Facts: containerd `core/remotes/docker/resolver.go`: HEAD answers a tag where it has a valid
//! `Docker-Content-Digest`, a media type and a length; 405 and a want of those mean GET.

use http::StatusCode;
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::error::RegistryError;
use super::exchange::Answer;
use crate::policy::{Name, is_image_id};

/// What is asked for, as containerd does.
pub(super) const ACCEPTED: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, */*";

/// Manifests that containerd can do something with; the last two up to 1.7.
const KNOWN: [&str; 6] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// The longest manifest that containerd takes (`MaxManifestSize`), in bytes.
pub(super) const MAX_MANIFEST: usize = 4 * 1048 * 1048;

/// How much of an error's body is looked at.
const MAX_ERROR: usize = 64 << 10;

/// A manifest that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length, where the registry says.
    pub size: Option<u64>,
}

/// What HEAD has brought.
pub(super) enum Verdict {
    Found(Found),
    /// GET can tell.
    AskAgain,
    /// It is an error, and the body of GET's answer may tell more.
    AskWhy,
}

/// Reads the answer to HEAD.
pub(super) fn of_head(answer: &Answer, name: &Name) -> Result<Verdict, RegistryError> {
    match answer.status {
        status if status.is_success() => {}
        StatusCode::METHOD_NOT_ALLOWED => return Ok(Verdict::AskAgain),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(Verdict::AskWhy),
        _ => return Err(refusal(answer, "")),
    }
    let (media_type, size) = (media_type(answer), size(answer));
    let digest = stated_digest(answer)?.or_else(|| name.digest().map(str::to_owned));
    match (digest, media_type, size) {
        (Some(digest), Some(media_type), Some(_)) => {
            checked(answer, name, Found { digest, media_type, size }).map(Verdict::Found)
        }
        _ => Ok(Verdict::AskAgain),
    }
}

/// Reads the answer to GET, whose body is the manifest itself.
pub(super) fn of_get(answer: &Answer, name: &Name) -> Result<Found, RegistryError> {
    if !answer.status.is_success() {
        return Err(refusal(answer, &detail(answer)));
    }
    if answer.cut {
        return Err(content(answer, too_large()));
    }
    let Some(media_type) = media_type(answer).or_else(|| own_media_type(&answer.body)) else {
        return Err(content(answer, "says no media type, nor does the manifest".to_owned()));
    };
    let digest = match name.digest() {
        Some(asked) => digest_like(asked, &answer.body),
        None => digest_like("sha256", &answer.body),
    };
    if let Some(stated) = stated_digest(answer)?.filter(|stated| digest_like(stated, &answer.body) != *stated)
    {
        return Err(content(answer, format!("its manifest has not the digest that it says ({stated})")));
    }
    let size = u64::try_from(answer.body.len()).ok();
    checked(answer, name, Found { digest, media_type, size })
}

/// The error of a HEAD, with what GET adds to it.
pub(super) fn reason(head: &Answer, get: Option<&Answer>) -> RegistryError {
    match get {
        Some(get) if get.status.is_success() => {
            let host = head.url.authority();
            let detail = " to HEAD, and a manifest to GET; containerd asks with HEAD".to_owned();
            match head.status {
                StatusCode::FORBIDDEN => RegistryError::Forbidden { host, detail },
                _ => RegistryError::NotFound { host, detail },
            }
        }
        Some(get) => refusal(head, &detail(get)),
        None => refusal(head, ""),
    }
}

fn refusal(answer: &Answer, detail: &str) -> RegistryError {
    let (host, detail) = (answer.url.authority(), detail.to_owned());
    match answer.status {
        StatusCode::FORBIDDEN => RegistryError::Forbidden { host, detail },
        StatusCode::NOT_FOUND => RegistryError::NotFound { host, detail },
        StatusCode::TOO_MANY_REQUESTS => {
            RegistryError::RateLimited { host, detail: limits(answer) + &detail }
        }
        status => {
            // Go's server says so where it is spoken to without TLS.
            let plain = status == StatusCode::BAD_REQUEST && !answer.url.https;
            let hint = if plain { "; it was asked in plain http, does it want TLS?" } else { "" };
            RegistryError::Status { host, status: status_text(status), detail: detail + hint }
        }
    }
}

/// `Retry-After`, and the limits in the headers of Docker Hub and others.
fn limits(answer: &Answer) -> String {
    let names = ["ratelimit-limit", "ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-remaining"];
    let mut said = Vec::new();
    if let Some(after) = answer.header("retry-after") {
        let seconds = if after.bytes().all(|byte| byte.is_ascii_digit()) { " s" } else { "" };
        said.push(format!("again after {}{seconds}", answer.quote(after)));
    }
    let values = names.into_iter().filter_map(|name| Some((name, answer.header(name)?)));
    said.extend(values.map(|(name, value)| format!("{name} {}", answer.quote(value))));
    if said.is_empty() { String::new() } else { format!("; {}", said.join(", ")) }
}

/// What `errors` in a body says (OCI distribution-spec, "Error Codes"), or a token server's `error`.
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
    if words.is_empty() { String::new() } else { format!(": {}", answer.quote(&words.join(", "))) }
}

pub(super) fn status_text(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn checked(answer: &Answer, name: &Name, found: Found) -> Result<Found, RegistryError> {
    if !KNOWN.contains(&found.media_type.as_str()) {
        let got = answer.quote(&found.media_type);
        let problem = format!("with {got}, which is no manifest; a login page, or no registry at all?");
        return Err(content(answer, problem));
    }
    if found.size.is_some_and(|size| size > MAX_MANIFEST as u64) {
        return Err(content(answer, too_large()));
    }
    match name.digest().filter(|asked| *asked != found.digest) {
        Some(_) => Err(content(answer, format!("with another digest than was asked for ({})", found.digest))),
        None => Ok(found),
    }
}

fn content(answer: &Answer, problem: String) -> RegistryError {
    RegistryError::Content { host: answer.url.authority(), problem }
}

fn too_large() -> String {
    format!("with a manifest of more than {MAX_MANIFEST} bytes, which containerd refuses")
}

fn media_type(answer: &Answer) -> Option<String> {
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
            Ok(text) if text.contains(':') && is_image_id(text) => Ok(Some(text.to_owned())),
            _ => {
                let text = String::from_utf8_lossy(value.as_bytes());
                Err(content(
                    answer,
                    format!("its Docker-Content-Digest is no digest: {}", answer.quote(&text)),
                ))
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
