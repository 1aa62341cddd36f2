//! Reads JSON as strictly as what is signed deserves.
//!
//! Holds: one value and nothing after it; no more than the bound; a name twice in one object is an error, wherever it is.
//! Two readers of the same bytes then see the same.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::files::byte_order_mark;

/// Whether a value holds no object with a name twice.
struct Unique;

/// Reads one value.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], longest: usize) -> Result<T, String> {
    if bytes.len() > longest {
        return Err(format!("it is longer than {longest} bytes"));
    }
    if byte_order_mark::is_before(bytes) {
        return Err(byte_order_mark::REFUSED.to_owned());
    }
    serde_json::from_slice::<Unique>(bytes).map_err(|error| error.to_string())?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Looker)
    }
}

struct Looker;

impl<'de> Visitor<'de> for Looker {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Unique, A::Error> {
        while values.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Unique, A::Error> {
        let mut names = std::collections::BTreeSet::new();
        while let Some(name) = entries.next_key::<String>()? {
            entries.next_value::<Unique>()?;
            // The name is of others and may be long.
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
        }
        Ok(Unique)
    }
}

/// A value that is read over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_with_each_name_once() {
        let rows = [
            (r#"{"a":1,"b":{"a":[2,null,true,-1,1.5]}}"#, ""),
            (" {} \n", ""),
            ("{} {}", "trailing characters at line 1 column 4"),
            (r#"{}x"#, "trailing characters at line 1 column 3"),
            (r#"{"a":1,"a":1}"#, "a name stands twice in one object at line 1 column 13"),
            (r#"[{"b":{"a":1,"\u0061":2}}]"#, "a name stands twice in one object at line 1 column 24"),
            ("", "EOF while parsing a value at line 1 column 0"),
            // Go's JSON does not read it either.
            ("\u{feff}{}", byte_order_mark::REFUSED),
        ];
        for (text, expected) in rows {
            let read = read::<Anything>(text.as_bytes(), 100);
            assert_eq!(read.err().unwrap_or_default(), expected, "{text}");
        }
        let deep = "[".repeat(9999);
        assert!(read::<Anything>(deep.as_bytes(), 10_000).unwrap_err().contains("recursion limit"));
        assert_eq!(read::<Anything>(b"1000", 3), Err("it is longer than 3 bytes".to_owned()));
    }
}
