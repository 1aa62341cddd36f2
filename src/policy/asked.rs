//! What a rule may look at in a request.

use super::name::Name;

/// A request for an image, as far as rules look at it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The image's name.
    pub name: &'a Name,
}

impl<'a> Asked<'a> {
    /// A request of which nothing but the image's name is known.
    pub fn of(name: &'a Name) -> Self {
        Self { name }
    }
}
