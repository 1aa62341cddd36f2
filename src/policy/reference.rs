//! A full image reference as one text, and where its parts end: what a name and its key have in common.

/// `host/path:tag` or `host/path@digest`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    text: String,
    host_end: usize,
    path_end: usize,
}

impl Reference {
    /// `host_end` and `path_end` are where host and path end in the text.
    pub(super) fn new(text: String, host_end: usize, path_end: usize) -> Self {
        Self { text, host_end, path_end }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The whole reference, e.g. `docker.io/library/nginx:latest`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry, e.g. `docker.io` or `mirror.dev.de:443`.
    pub fn host(&self) -> &str {
        &self.text[..self.host_end]
    }

    /// The repository without the registry, e.g. `library/nginx`.
    pub fn path(&self) -> &str {
        &self.text[self.host_end + 1..self.path_end]
    }

    /// Registry and repository.
    pub fn repository(&self) -> &str {
        &self.text[..self.path_end]
    }

    /// The tag; `None` where there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.suffix().strip_prefix(':')
    }

    /// The digest.
    pub fn digest(&self) -> Option<&str> {
        self.suffix().strip_prefix('@')
    }

    /// Tag or digest with the sign before it.
    pub(super) fn suffix(&self) -> &str {
        &self.text[self.path_end..]
    }
}
