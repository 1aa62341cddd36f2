//! The namespaces that a rule is for: globs for the namespaces of pods.
//!
//! Holds: a pattern is for the whole name. Whether two patterns can be for one namespace is decided exactly, for every
//! text and not only for those that Kubernetes allows: a client can send any.
//! Not here: which of several rules holds (`index`).

use std::fmt;
use std::sync::Arc;

/// The longest name that Kubernetes gives to a namespace, in bytes.
const LONGEST: usize = 63;

/// The namespaces that a rule is for. There is at least one pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespaces(Arc<[Box<str>]>);

/// Why a text is not a pattern for namespaces, or a list of them is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamespacesError {
    /// The list has nothing in it.
    #[error("the list is empty, so the rule would never hold")]
    NoPattern,
    /// The pattern is an empty text.
    #[error("a pattern is empty")]
    Empty,
    /// It has a character that is in no namespace.
    #[error("\"{pattern}\": no namespace has `{found}` in its name")]
    Character {
        /// The pattern.
        pattern: String,
        /// The character.
        found: char,
    },
    /// No namespace can be so long.
    #[error("\"{pattern}\": no name of a namespace is longer than {LONGEST} characters")]
    Long {
        /// The pattern.
        pattern: String,
    },
}

impl NamespacesError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoPattern => {
                "name the namespaces, or remove the key: then the rule is for all pods and clients"
            }
            Self::Empty => "write the name of a namespace, or `*` for every pod",
            Self::Character { .. } => {
                "a name has lower-case letters, digits and `-`; `*` stands for any text, `?` for one character"
            }
            Self::Long { .. } => "make it shorter; `*` stands for any text",
        }
    }
}

impl Namespaces {
    /// Reads the patterns.
    ///
    /// # Errors
    /// The list is empty, or a pattern can be for no namespace.
    pub fn new<'t>(patterns: impl IntoIterator<Item = &'t str>) -> Result<Self, NamespacesError> {
        let patterns: Vec<Box<str>> =
            patterns.into_iter().map(|text| checked(text).map(Into::into)).collect::<Result<_, _>>()?;
        if patterns.is_empty() { Err(NamespacesError::NoPattern) } else { Ok(Self(patterns.into())) }
    }

    /// Whether the namespace is one of these.
    #[must_use]
    pub fn contain(&self, namespace: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern.as_bytes(), namespace.as_bytes()))
    }

    /// A namespace that is one of these and one of `other`, if there is one.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<String> {
        self.0.iter().find_map(|one| other.0.iter().find_map(|another| common(one, another)))
    }

    /// The patterns, as they are written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| &**pattern)
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pattern) in self.patterns().enumerate() {
            write!(f, "{}{pattern}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn checked(pattern: &str) -> Result<&str, NamespacesError> {
    if pattern.is_empty() {
        return Err(NamespacesError::Empty);
    }
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '*' | '?');
    if let Some(found) = pattern.chars().find(|c| !fits(c)) {
        return Err(NamespacesError::Character { pattern: pattern.to_owned(), found });
    }
    if pattern.bytes().filter(|byte| *byte != b'*').count() > LONGEST || pattern.len() > 2 * LONGEST {
        return Err(NamespacesError::Long { pattern: pattern.to_owned() });
    }
    Ok(pattern)
}

/// Whether a pattern is for one namespace only.
pub(super) fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?'])
}

/// Whether the whole text fits. A star takes as little as it can, and more when what follows does not fit.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut taken) = (0, 0);
    // Where to go on after the last star, and how much of the text that star has taken.
    let mut again: Option<(usize, usize)> = None;
    while taken < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at + 1, taken));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[taken] => {
                at += 1;
                taken += 1;
            }
            _ => match &mut again {
                Some((behind, by_star)) => {
                    *by_star += 1;
                    (at, taken) = (*behind, *by_star);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// A text that fits both patterns.
fn common(one: &str, other: &str) -> Option<String> {
    let (a, b) = (one.as_bytes(), other.as_bytes());
    // Whether there is a text for what is left of both, from these places on.
    let mut fits = vec![vec![false; b.len() + 1]; a.len() + 1];
    for i in (0..=a.len()).rev() {
        for j in (0..=b.len()).rev() {
            fits[i][j] = (i == a.len() && j == b.len()) || steps(a, b, (i, j)).any(|(_, (i, j))| fits[i][j]);
        }
    }
    let (mut at, mut text) = ((0, 0), String::new());
    while fits[at.0][at.1] && at != (a.len(), b.len()) {
        let (letter, next) = steps(a, b, at).find(|(_, (i, j))| fits[*i][*j])?;
        text.extend(letter.map(char::from));
        at = next;
    }
    // Only stars are left of the text then, and these are for every namespace.
    let any = || if text.is_empty() { "default".to_owned() } else { text.clone() };
    fits[0][0].then(any)
}

/// A byte that the text may have next, if it is to have one, and the places behind it.
type Step = (Option<u8>, (usize, usize));

/// How a text for both can go on.
fn steps(a: &[u8], b: &[u8], (i, j): (usize, usize)) -> impl Iterator<Item = Step> {
    // `?` can be any letter.
    let letter = |byte: u8| Some(if byte == b'?' { b'a' } else { byte });
    let steps = match (a.get(i), b.get(j)) {
        (None, None) => [None, None],
        (Some(b'*'), None) => [Some((None, (i + 1, j))), None],
        (None, Some(b'*')) => [Some((None, (i, j + 1))), None],
        // One of the stars takes what the other would.
        (Some(b'*'), Some(b'*')) => [Some((None, (i + 1, j))), Some((None, (i, j + 1)))],
        (Some(b'*'), Some(byte)) => [Some((None, (i + 1, j))), Some((letter(*byte), (i, j + 1)))],
        (Some(byte), Some(b'*')) => [Some((None, (i, j + 1))), Some((letter(*byte), (i + 1, j)))],
        (Some(b'?'), Some(byte)) | (Some(byte), Some(b'?')) => [Some((letter(*byte), (i + 1, j + 1))), None],
        (Some(one), Some(other)) if one == other => [Some((letter(*one), (i + 1, j + 1))), None],
        _ => [None, None],
    };
    steps.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn of(patterns: &[&str]) -> Namespaces {
        Namespaces::new(patterns.iter().copied()).unwrap()
    }

    #[test]
    fn a_pattern_is_for_the_whole_name() {
        let rows = [
            ("team-*", "team-", true),
            ("team-*", "team-a", true),
            ("team-*", "my-team-a", false),
            ("kube-system", "kube-system", true),
            ("kube-system", "kube-system-2", false),
            ("*-prod", "a-prod-b-prod", true),
            ("*a*b", "ab", true),
            ("*a*b", "ba", false),
            ("t?", "t", false),
            ("t?", "t1", true),
            ("?", "ab", false),
            ("*", "anything", true),
        ];
        for (pattern, namespace, expected) in rows {
            assert_eq!(of(&[pattern]).contain(namespace), expected, "{pattern} for {namespace}");
        }
    }

    #[test]
    fn common_namespaces_are_found_exactly() {
        let rows = [
            ("team-*", "team-a", Some("team-a")),
            ("team-*", "*-a", Some("team-a")),
            ("team-*", "te*", Some("team-")),
            ("a*b", "b*a", None),
            ("a*", "*b", Some("ab")),
            ("a?c", "ab?", Some("abc")),
            ("a?", "a", None),
            ("*a", "*b", None),
            ("?*", "*", Some("a")),
            ("*", "*", Some("default")),
            ("*ab*", "*ba*", Some("bab")),
        ];
        for (one, other, expected) in rows {
            let found = of(&[one]).common(&of(&[other]));
            assert_eq!(found.is_some(), expected.is_some(), "{one} and {other}: {found:?}");
            if let Some(namespace) = found {
                assert!(of(&[one]).contain(&namespace) && of(&[other]).contain(&namespace), "{namespace}");
            }
        }
    }

    #[test]
    fn what_can_be_for_no_namespace_is_refused() {
        assert_eq!(Namespaces::new([]).unwrap_err(), NamespacesError::NoPattern);
        assert_eq!(Namespaces::new(["a", ""]).unwrap_err(), NamespacesError::Empty);
        for (pattern, character) in [("Team", 'T'), ("a.b", '.'), ("[ab]", '['), ("a_b", '_'), ("ä", 'ä')] {
            let error = Namespaces::new([pattern]).unwrap_err();
            assert!(
                matches!(error, NamespacesError::Character { found, .. } if found == character),
                "{error}"
            );
        }
        Namespaces::new([&*"a".repeat(63)]).unwrap();
        Namespaces::new([&*"a".repeat(64)]).unwrap_err();
        Namespaces::new([&*"*".repeat(200)]).unwrap_err();
    }

    proptest! {
        #[test]
        fn what_one_text_shows_is_found(one in "[ab*?]{1,6}", other in "[ab*?]{1,6}", text in "[ab]{0,7}") {
            let (one, other) = (of(&[&one]), of(&[&other]));
            let found = one.common(&other);
            if let Some(namespace) = &found {
                prop_assert!(one.contain(namespace) && other.contain(namespace), "{}", namespace);
            }
            if !text.is_empty() && one.contain(&text) && other.contain(&text) {
                prop_assert!(found.is_some(), "{} fits {} and {}", text, one, other);
            }
        }

        #[test]
        fn a_match_is_what_a_regular_expression_finds(pattern in "[ab*?-]{1,8}", text in "[ab-]{0,9}") {
            let anchored = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
            let expected = regex::Regex::new(&anchored).unwrap().is_match(&text);
            prop_assert_eq!(of(&[&pattern]).contain(&text), expected);
        }
    }
}
