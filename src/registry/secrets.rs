//! What may not be repeated of the words of others.
//!
//! Before: whatever is sent to the other side and is nobody else's business stands here.  After: `quote` goes
//! into errors, and `hide` goes over each error as a whole.
//! Holds: a secret is not shown in upper, lower or mixed case, with its user in the form of Basic, or cut off.
//! Not here: what a server makes of a secret otherwise, which nobody can foresee.

use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::access::{Access, Login};
use crate::files::secret::Secret;

/// Shorter secrets are not looked for in texts: the gaps would tell them.
const MIN_SECRET: usize = 6;

/// How much of another's words is repeated.
const MAX_WORDS: usize = 200;

/// What stands in a secret's place.
const GAP: &str = "(a secret)";

/// All secrets that go to one registry, its token server and its proxy.
#[derive(Debug, Default)]
pub(super) struct Secrets(Mutex<Vec<Secret>>);

impl Secrets {
    /// Those that are known before anybody is asked.
    pub(super) fn of(access: &Access, login: &Login) -> Self {
        let secrets = Self::default();
        match login.parts() {
            Some(("", token)) => secrets.add(token.expose()),
            Some((username, password)) => secrets.add_pair(&format!("{username}:{}", password.expose())),
            None => {}
        }
        for (_, value) in &access.headers {
            secrets.add_header(value.expose());
        }
        secrets
    }

    pub(super) fn add(&self, text: &str) {
        if text.len() < MIN_SECRET {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(Secret::new(text.to_ascii_lowercase()));
        // One may be part of another, whose rest would be left.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    }

    /// `user:password`, and what Basic makes of it.
    pub(super) fn add_pair(&self, pair: &str) {
        self.add(&STANDARD.encode(pair));
        self.add(pair.split_once(':').map_or("", |(_, password)| password));
    }

    /// A header's value may be a scheme and a secret.
    fn add_header(&self, value: &str) {
        self.add(value);
        let Some((_, credentials)) = value.split_once(' ') else { return };
        self.add(credentials);
        if let Ok(Ok(pair)) = STANDARD.decode(credentials).map(String::from_utf8) {
            self.add_pair(&pair);
        }
    }

    /// A text without the secrets.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // The case of ASCII letters changes no length.
            let lower = text.to_ascii_lowercase();
            let places: Vec<usize> = lower.match_indices(secret.expose()).map(|(at, _)| at).collect();
            for at in places.into_iter().rev() {
                text.replace_range(at..at + secret.expose().len(), GAP);
            }
        }
        text
    }

    /// No more of another's words than a line, and no secret.
    pub(super) fn quote(&self, text: &str) -> String {
        let text = self.hide(text);
        match text.char_indices().nth(MAX_WORDS) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_each_of_its_forms() {
        let header = |value: &str| ("X-Key".to_owned(), Secret::new(value.to_owned()));
        let basic = format!("Basic {}", STANDARD.encode("other:letmein"));
        let headers = vec![header("key-hunter2"), header("Bearer abc.def.ghi"), header(&basic), header("x")];
        let access = Access { headers, ..Access::of("r.example") };
        let password = Secret::new("hunter2".to_owned());
        let secrets = Secrets::of(&access, &Login::Password { username: "robot".to_owned(), password });
        secrets.add("späte-tokens");
        for (text, hidden) in [
            ("robot has hunter2, HUNTER2", "robot has (a secret), (a secret)"),
            ("no key-hunter2 here", "no (a secret) here"),
            (&STANDARD.encode("robot:hunter2"), "(a secret)"),
            ("abc.def.ghi or Bearer abc.def.ghi", "(a secret) or (a secret)"),
            ("letmein", "(a secret)"),
            ("ä SPäTE-TOKENS ä", "ä (a secret) ä"),
            ("x marks it", "x marks it"),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
        let long = format!("{}hunter2", "é".repeat(195));
        assert_eq!(secrets.quote(&long), format!("{}(a se...", "é".repeat(195)));
        assert!(!format!("{secrets:?}").contains("hunter2"));
    }
}
