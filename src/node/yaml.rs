//! Takes single keys out of YAML whose other keys belong to others.
//!
//! Holds: an error has a place and no words of the text, because the text may hold a token.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::place::{Place, Said};

/// It is not YAML, or a key has a value of another kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line where that was seen.
    pub line: Option<u64>,
}

/// A text and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text.
    pub value: String,
    /// Counted from 1.
    pub line: u64,
}

/// A scalar of any kind as text; nothing for what is not a scalar.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalar(String);

/// A list, or a scalar in its place.
#[derive(Debug, Default)]
pub(super) struct Several(Vec<Spanned<Scalar>>, Option<String>);

/// Reads the keys of `T`.
pub(super) fn read<T: DeserializeOwned + Default>(text: &str) -> Result<T, Broken> {
    // JSON is YAML but for the tabs that indent it.
    let json = text.trim_start().starts_with('{').then(|| text.replace('\t', " "));
    let found: Option<T> = serde_saphyr::from_str(json.as_deref().unwrap_or(text)).map_err(|error| {
        let line = error.location().map(|location| location.line());
        Broken { line: line.filter(|line| *line > 0) }
    })?;
    Ok(found.unwrap_or_default())
}

/// The text of a key, where it is there and not empty.
pub(super) fn text(key: Option<Spanned<Scalar>>) -> Option<Written> {
    key.map(|key| written(&key)).filter(|found| !found.value.is_empty())
}

fn written(found: &Spanned<Scalar>) -> Written {
    Written { value: found.value.0.clone(), line: found.referenced.line() }
}

// === impl Written ===

impl Written {
    /// With the file that it is in.
    pub fn said(&self, file: &std::path::Path) -> Said {
        Said { value: self.value.clone(), at: Place::line(file, self.line) }
    }
}

// === impl Several ===

impl Several {
    /// The items, each with its line.
    pub(super) fn written(found: &Spanned<Several>) -> Vec<Written> {
        let Several(items, one) = &found.value;
        let one = one.iter().map(|value| Written { value: value.clone(), line: found.referenced.line() });
        items.iter().map(written).chain(one).collect()
    }
}

// === reading ===

macro_rules! scalars {
    ($make:expr) => {
        fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
            Ok($make(value.to_owned()))
        }
        fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
            Ok($make(value.to_string()))
        }
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
            Ok($make(value.to_string()))
        }
        fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
            Ok($make(value.to_string()))
        }
        fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
            Ok($make(value.to_string()))
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($make(String::new()))
        }
    };
}

struct OfScalar;

impl Visitor<'_> for OfScalar {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    scalars!(Scalar);
}

struct OfSeveral;

impl<'de> Visitor<'de> for OfSeveral {
    type Value = Several;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Several, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Several(items, None))
    }

    scalars!(|text: String| Several(Vec::new(), Some(text).filter(|text| !text.is_empty())));
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfScalar)
    }
}

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfSeveral)
    }
}
