//! What a login is for: a registry, or a path on it.
//!
//! Holds: hosts are compared as rules compare them, all spellings folded; paths by whole components.
//! Not here: kubelet's patterns (`glob`).

use crate::policy::{Name, Prefix, PrefixError, PrefixKind};

/// `host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryKey(Prefix);

/// How specific a key is: the number of path components, then whether the host has no wildcard.
pub(super) type Specificity = (usize, bool);

/// The specificity of a host without a path and without a wildcard.
pub(super) const WHOLE_HOST: Specificity = (0, true);

/// Why a text is not such a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not a registry and not a path on one.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// It is for one image, or for many registries.
    #[error("{0:?} is not one registry, alone or with a path")]
    NotOneRegistry(String),
}

impl RegistryKey {
    /// How specific it is, if it is for this name.
    pub(super) fn covers(&self, target: &Name) -> Option<Specificity> {
        let key = target.key();
        let rest = key.repository().strip_prefix(self.0.as_str())?;
        let whole = rest.is_empty() || rest.starts_with('/');
        whole.then(|| (self.0.as_str().matches('/').count(), true))
    }

    /// The registry, folded.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The folded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::str::FromStr for RegistryKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let prefix: Prefix = text.parse()?;
        match prefix.kind() {
            PrefixKind::Host | PrefixKind::Path => Ok(RegistryKey(prefix)),
            PrefixKind::Exact | PrefixKind::Domain | PrefixKind::Any => {
                Err(KeyError::NotOneRegistry(text.to_owned()))
            }
        }
    }
}

impl KeyError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            KeyError::Prefix(error) => error.hint(),
            KeyError::NotOneRegistry(_) => {
                Some("write host[:port][/path], without tag, digest and \"*\": harbor.dev.de/team".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_whole_components_of_one_registry_however_it_is_spelled() {
        let covers = |key: &str, name: &str| {
            key.parse::<RegistryKey>().unwrap().covers(&name.parse().unwrap()).map(|(count, _)| count)
        };
        let rows = [
            ("h.de", "h.de/a/b:1", Some(0)),
            ("h.de", "H.DE:443/a", Some(0)),
            ("h.de:443", "h.de/a", Some(0)),
            ("h.de", "h.de:5000/a", None),
            ("h.de", "x.h.de/a", None),
            ("h.de/a", "h.de/a:1", Some(1)),
            ("h.de/a", "h.de/a/b", Some(1)),
            ("h.de/a", "h.de/ab", None),
            ("h.de/a/b", "h.de/a", None),
            ("docker.io", "nginx", Some(0)),
            ("registry-1.docker.io", "nginx", Some(0)),
            ("docker.io/library", "nginx", Some(1)),
            ("localhost:5000", "localhost:5000/a", Some(0)),
        ];
        for (key, name, expected) in rows {
            assert_eq!(covers(key, name), expected, "{key} for {name}");
        }
    }

    #[test]
    fn an_image_or_a_wildcard_is_no_key() {
        for text in ["h.de/a:1", "*.h.de", "*", "nginx", "https://h.de", ""] {
            let error = text.parse::<RegistryKey>().unwrap_err();
            assert!(error.hint().is_some(), "{text}: {error}");
        }
    }
}
