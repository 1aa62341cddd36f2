//! A text that must not be shown.
//!
//! Holds: only `expose` gives the text; `Debug` does not.

use std::fmt;

/// A password, a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn it_does_not_show_in_debug_output() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!((format!("{secret:?}").as_str(), secret.expose()), ("Secret(..)", "hunter2"));
    }
}
