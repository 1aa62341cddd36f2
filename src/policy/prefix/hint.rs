//! What to write instead of a text that is not a prefix.
//!
//! Holds: a hint that proposes a prefix proposes one that parses.

use super::Prefix;
use super::error::PrefixError;

impl PrefixError {
    /// What to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some("write \"*\" for everything".to_owned()),
            Self::Scheme { text } => {
                let bare = text.rsplit("://").next().unwrap_or(text).trim_end_matches('/');
                Some(instead("leave the scheme out", &[bare.to_owned()]))
            }
            Self::NoHost { text } => {
                let lower = text.to_ascii_lowercase();
                let official = (!text.contains('/')).then(|| format!("docker.io/library/{lower}"));
                let hub = official.unwrap_or_else(|| format!("docker.io/{lower}"));
                Some(instead("begin with a host", &[hub, "docker.io/library/nginx".to_owned()]))
            }
            Self::TrailingSlash { text } => {
                let bare = text.trim_end_matches('/').to_owned();
                Some(instead("prefixes match whole components, so leave the slash out", &[bare]))
            }
            Self::UpperCase { text } => Some(instead("repositories are lower case", &[lower_path(text)])),
            Self::Wildcard { .. } => {
                Some("a wildcard stands alone, \"*\", or before a domain, \"*.dev.de\"".to_owned())
            }
            Self::WildcardPort { text } => {
                let bare = text.split(':').next().unwrap_or(text).to_owned();
                Some(instead("a wildcard covers every port", &[bare]))
            }
            Self::NoRepository { host, .. } => {
                Some(instead("name the whole host or put a repository behind it", std::slice::from_ref(host)))
            }
            Self::TagAndDigest { digest_only, .. } => {
                Some(format!("a tag beside a digest is ignored: write {digest_only}"))
            }
            Self::Official { full, .. } => Some(format!("write {full}")),
            Self::Host { .. } => {
                Some("write a host and, where it has one, its port: mirror.dev.de:5000".to_owned())
            }
            Self::Invalid { .. } => None,
        }
    }
}

/// The advice, with the first proposal that parses.
fn instead(advice: &str, proposals: &[String]) -> String {
    match proposals.iter().find(|text| text.parse::<Prefix>().is_ok()) {
        Some(text) => format!("{advice}: {text}"),
        None => advice.to_owned(),
    }
}

/// The text with its path in lower case.
fn lower_path(text: &str) -> String {
    let (host, rest) = text.split_once('/').unwrap_or(("", text));
    let path_end = rest.find('@').unwrap_or(rest.len());
    let last = rest[..path_end].rfind('/').map_or(0, |slash| slash + 1);
    let path_end = rest[last..path_end].find(':').map_or(path_end, |colon| last + colon);
    format!("{host}/{}{}", rest[..path_end].to_ascii_lowercase(), &rest[path_end..])
}
