//! What a rule may look at in a request.

use super::name::Name;

/// A request for an image, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The image's name.
    pub name: &'a Name,
    /// The tag that is written beside the digest of the name.
    pub beside: Option<&'a str>,
    /// The namespace of the pod that it is for; none for a client without a pod.
    pub namespace: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// A request of which nothing but the image's name is known, as that of a client without a pod.
    pub fn of(name: &'a Name) -> Self {
        Self { name, beside: None, namespace: None }
    }

    /// The same for a pod in this namespace. An empty one is none.
    #[must_use]
    pub fn in_namespace(self, namespace: Option<&'a str>) -> Self {
        Self { namespace: namespace.filter(|namespace| !namespace.is_empty()), ..self }
    }

    /// The same with the tag that is written beside the digest.
    #[must_use]
    pub fn with_tag(self, beside: Option<&'a str>) -> Self {
        Self { beside, ..self }
    }
}
