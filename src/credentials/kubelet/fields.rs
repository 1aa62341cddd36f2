//! Takes typed values out of a JSON or YAML object.
//!
//! Holds: an error names the key and never shows a value, which could be a secret.

use serde_json::{Map, Value};

/// An object, and which of its keys have been asked for.
pub(super) struct Fields<'v> {
    name: String,
    map: &'v Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'v> Fields<'v> {
    /// The value as an object.
    pub(super) fn of(name: &str, value: &'v Value) -> Result<Self, String> {
        let what = if name.is_empty() { "it".to_owned() } else { format!("`{name}`") };
        let map = value.as_object().ok_or_else(|| format!("{what} is not an object"))?;
        Ok(Fields { name: name.to_owned(), map, asked: Vec::new() })
    }

    /// A value; `None` if it is missing or null.
    pub(super) fn value(&mut self, key: &'static str) -> Option<&'v Value> {
        self.asked.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&'v str>, String> {
        let Some(value) = self.value(key) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| format!("`{}` must be a text", self.path(key)))
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Result<&'v str, String> {
        let text = self.text(key)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("`{}` is missing", self.path(key)))
    }

    /// A list; empty if it is missing.
    pub(super) fn list(&mut self, key: &'static str) -> Result<&'v [Value], String> {
        let Some(value) = self.value(key) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or_else(|| format!("`{}` must be a list", self.path(key)))
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Vec<&'v str>, String> {
        let wrong = format!("`{}` must be a list of texts", self.path(key));
        self.list(key)?.iter().map(|value| value.as_str().ok_or_else(|| wrong.clone())).collect()
    }

    /// An object's entries; empty if it is missing.
    pub(super) fn entries(&mut self, key: &'static str) -> Result<Vec<(&'v String, &'v Value)>, String> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let map = value.as_object().ok_or_else(|| format!("`{}` must be an object", self.path(key)))?;
        Ok(map.iter().collect())
    }

    /// Refuses a key that was not asked for.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.map.keys().find(|key| !self.asked.contains(&key.as_str())) {
            Some(key) => Err(format!("unknown key `{}`", self.path(key))),
            None => Ok(()),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}
