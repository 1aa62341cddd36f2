//! Takes typed values out of a document, and reports everything that is wrong with them.
//!
//! Holds: a reader goes on after a problem. A key that no code has asked for is reported as unknown, so the known
//! keys are exactly those that code reads.
//! Not here: what the values mean.

use super::diagnostic::{Located, Problem, Span};
use super::node::{Key, Node, Value};
use super::refusal::{Refusal, did_you_mean};

/// How the formats differ.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The program that ignores unknown keys in its format, so that they are no errors here.
    program: Option<&'static str>,
    mapping: &'static str,
    list: &'static str,
    /// Whether `Address` is the key `address`.
    any_case: bool,
    /// Whether a number or a boolean is accepted as a text.
    any_scalar: bool,
}

/// The files of this program.
pub(super) const NATIVE: Dialect =
    Dialect { program: None, mapping: "a table", list: "an array", any_case: false, any_scalar: false };
/// `hosts.toml`.
pub(super) const CONTAINERD: Dialect = Dialect { program: Some("containerd"), ..NATIVE };
/// `registries.conf`.
pub(super) const CONTAINERS_IMAGE: Dialect = Dialect { program: Some("containers/image"), ..NATIVE };
/// `registries.yaml`.
pub(super) const K3S: Dialect =
    Dialect { program: Some("k3s"), mapping: "a mapping", list: "a list", any_case: false, any_scalar: true };
/// The YAML of image-cri-shim, which `sigs.k8s.io/yaml` reads through Go's `encoding/json`.
pub(super) const IMAGE_CRI_SHIM: Dialect =
    Dialect { program: Some("image-cri-shim"), any_case: true, any_scalar: false, ..K3S };

/// Docker's `daemon.json`.
pub(super) const DOCKER: Dialect = Dialect { program: Some("docker"), any_scalar: false, ..K3S };
/// OpenShift's manifests, which the API server has checked by their schema.
pub(super) const OPENSHIFT: Dialect = Dialect { program: Some("OpenShift"), ..DOCKER };
/// The machine configuration of Talos, which refuses unknown keys.
pub(super) const TALOS: Dialect = Dialect { program: None, any_scalar: true, ..DOCKER };

/// One mapping of a document, and which of its keys have been asked for.
pub(super) struct Section<'n> {
    /// Its full name in messages; empty for the document.
    name: String,
    at: &'n Span,
    pairs: &'n [(Key, Node)],
    asked: Vec<&'static str>,
    /// Keys that code knows only to refuse them. They are never proposed.
    refused: Vec<&'static str>,
    /// Keys that are accepted and have no effect any more.
    retired: &'static [&'static str],
    dialect: &'static Dialect,
}

/// A value and its key.
pub(super) struct Field<'n> {
    /// Its full name in messages.
    pub(super) name: String,
    pub(super) key: &'n Key,
    /// The place of the value.
    pub(super) at: &'n Span,
    pub(super) value: &'n Value,
    node: &'n Node,
    dialect: &'static Dialect,
}

// === impl Section ===

impl<'n> Section<'n> {
    /// The document. `None` where it is empty or no mapping.
    pub(super) fn root(node: &'n Node, dialect: &'static Dialect, out: &mut Vec<Problem>) -> Option<Self> {
        Section::of(node, "", dialect, out)
    }

    fn of(node: &'n Node, name: &str, dialect: &'static Dialect, out: &mut Vec<Problem>) -> Option<Self> {
        match &node.value {
            Value::Map(pairs) => Some(Section {
                name: name.to_owned(),
                at: &node.at,
                pairs,
                asked: Vec::new(),
                refused: Vec::new(),
                retired: &[],
                dialect,
            }),
            Value::Null => None,
            _ => {
                out.push(wrong_type(name, node, dialect.mapping, dialect));
                None
            }
        }
    }

    /// The same mapping, with no key asked for.
    pub(super) fn fresh(self) -> Self {
        Section { asked: Vec::new(), refused: Vec::new(), ..self }
    }

    pub(super) fn at(&self) -> &'n Span {
        self.at
    }

    /// The value under a key, of any type. `null` counts as absent.
    pub(super) fn field(&mut self, key: &'static str) -> Option<Field<'n>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.find(key)
    }

    /// As [`Section::field`], for a key that code knows only to refuse it: it is never proposed.
    pub(super) fn refused(&mut self, key: &'static str) -> Option<Field<'n>> {
        self.refused.push(key);
        self.find(key)
    }

    fn find(&self, key: &'static str) -> Option<Field<'n>> {
        let (found, node) = self.pairs.iter().find(|(other, _)| self.dialect.is_key(&other.text, key))?;
        (!matches!(node.value, Value::Null)).then(|| self.field_of(found, node, key))
    }

    /// All fields in the order of the text: for mappings whose keys are names.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'n>> {
        self.pairs.iter().map(|(key, node)| self.field_of(key, node, &key.text))
    }

    fn field_of(&self, key: &'n Key, node: &'n Node, name: &str) -> Field<'n> {
        let Node { at, value } = node;
        Field { name: self.name_of(name), key, at, value, node, dialect: self.dialect }
    }

    fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    pub(super) fn string(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<&'n str>> {
        let field = self.field(key)?;
        Some(Located { value: field.string(out)?, at: field.at.clone() })
    }

    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Located<T>> {
        let field = self.field(key)?;
        Some(Located { value: field.parse(out, read)?, at: field.at.clone() })
    }

    /// One of a fixed set of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
        options: &[(&'static str, T)],
    ) -> Option<Located<T>> {
        let field = self.field(key)?;
        if field.text().is_none() {
            return field.wrong_type(&format!("one of {}", quoted(options)), out);
        }
        Some(Located { value: field.parse(out, |word| choose(word, options))?, at: field.at.clone() })
    }

    pub(super) fn boolean(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<bool>> {
        let field = self.field(key)?;
        Some(Located { value: field.boolean(out)?, at: field.at.clone() })
    }

    pub(super) fn integer(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<i64>> {
        let field = self.field(key)?;
        let number = match field.value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        };
        let Some(value) = number else { return field.wrong_type("a whole number", out) };
        Some(Located { value, at: field.at.clone() })
    }

    pub(super) fn section(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Section<'n>> {
        self.field(key)?.section(out)
    }

    /// An array of tables, `[[name.key]]`; empty where the key is absent.
    pub(super) fn sections(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Vec<Section<'n>> {
        let Some(field) = self.field(key) else { return Vec::new() };
        if let Value::Map(_) = field.value {
            let message = format!("`{}` must be a list of tables", field.name);
            out.push(Problem::error(message).at(field.at).hint(format!("write [[{}]]", field.name)));
            return Vec::new();
        }
        let items = field.items(out).unwrap_or_default();
        items.iter().filter_map(|item| item.section(out)).collect()
    }

    /// Accepts keys that earlier versions had, with a warning. They are never proposed.
    pub(super) fn retire(&mut self, keys: &'static [&'static str], out: &mut Vec<Problem>) {
        self.retired = keys;
        for (key, _) in self.pairs.iter().filter(|(key, _)| keys.contains(&key.text.as_str())) {
            let message = format!("`{}` has no effect any more; remove it", self.name_of(&key.text));
            out.push(Problem::warning(message).at(&key.at));
        }
    }

    /// Records that a key is missing here.
    pub(super) fn missing(&self, key: &str, hint: &str, out: &mut Vec<Problem>) {
        let message = format!("`{}` needs the key `{key}`", self.name);
        out.push(Problem::error(message).at(self.at).hint(hint));
    }

    /// Whether there are keys that no code has asked for so far.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown().next().is_some()
    }

    /// Records every key that no code has asked for, and each that is there in upper and in lower case.
    pub(super) fn finish(self, out: &mut Vec<Problem>) {
        self.finish_with(&[], out);
    }

    /// As [`Section::finish`]. `elsewhere` says of keys that belong elsewhere what to write.
    pub(super) fn finish_with(self, elsewhere: &[(&str, &str)], out: &mut Vec<Problem>) {
        if self.dialect.any_case {
            self.twice(out);
        }
        for key in self.unknown() {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let message = format!("unknown key `{}`{place}", key.text);
            let problem = match self.dialect.program {
                None => Problem::error(message),
                Some(program) => {
                    Problem::warning(format!("{message}: {program} ignores it, and so does cri-shunt"))
                }
            };
            let written = elsewhere.iter().find(|(other, _)| *other == key.text);
            let hint = match (written, did_you_mean(&key.text, &self.asked)) {
                (Some((_, write)), _) => format!("write {write}"),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => format!("known here: {}", self.asked.join(", ")),
            };
            out.push(problem.at(&key.at).hint(hint));
        }
    }

    fn twice(&self, out: &mut Vec<Problem>) {
        for asked in &self.asked {
            let mut found =
                self.pairs.iter().map(|(key, _)| key).filter(|key| self.dialect.is_key(&key.text, asked));
            let Some(first) = found.next() else { continue };
            for other in found {
                let name = self.name_of(asked);
                let problem = Problem::error(format!("`{name}` is set twice: its case makes no difference"));
                let problem = problem.at(&other.at).also(&first.at, "first set here");
                out.push(problem.hint("keep one of the two"));
            }
        }
    }

    fn unknown(&self) -> impl Iterator<Item = &'n Key> {
        let all = || self.asked.iter().chain(&self.refused);
        let asked = move |key: &Key| all().any(|asked| self.dialect.is_key(&key.text, asked));
        let known = move |key: &Key| asked(key) || self.retired.contains(&key.text.as_str());
        self.pairs.iter().map(|(key, _)| key).filter(move |key| !known(key))
    }
}

// === impl Field ===

impl<'n> Field<'n> {
    /// The text; any other type is recorded as a problem.
    pub(super) fn string(&self, out: &mut Vec<Problem>) -> Option<&'n str> {
        match self.text() {
            Some(text) => Some(text),
            None => {
                let problem = self.type_problem("a string");
                out.push(
                    problem.maybe_hint(self.node.text().map(|text| format!("put it in quotes: \"{text}\""))),
                );
                None
            }
        }
    }

    /// The value as a document of its own.
    pub(super) fn node(&self) -> &'n Node {
        self.node
    }

    /// The text, where there is one.
    pub(super) fn text(&self) -> Option<&'n str> {
        match self.value {
            Value::Text(text) => Some(text),
            _ => self.node.text().filter(|_| self.dialect.any_scalar),
        }
    }

    /// What `read` makes of the text.
    pub(super) fn parse<T>(
        &self,
        out: &mut Vec<Problem>,
        read: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        let Some(text) = self.text() else {
            // What to write instead of a number or a boolean is found by reading it as a text.
            let hint = self.node.text().map(|text| match read(text) {
                Ok(_) => Some(format!("put it in quotes: \"{text}\"")),
                Err(refusal) => refusal.hint,
            });
            out.push(self.type_problem("a string").maybe_hint(hint.flatten()));
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let message = format!("`{}`: {}", self.name, refusal.message);
                out.push(Problem::error(message).at(self.at).maybe_hint(refusal.hint));
                None
            }
        }
    }

    pub(super) fn boolean(&self, out: &mut Vec<Problem>) -> Option<bool> {
        match self.value {
            Value::Bool(value, _) => Some(*value),
            _ => self.wrong_type("true or false", out),
        }
    }

    /// The items of a list, each named after it.
    pub(super) fn items(&self, out: &mut Vec<Problem>) -> Option<Vec<Field<'n>>> {
        let Value::List(items) = self.value else { return self.wrong_type(self.dialect.list, out) };
        let item = |node: &'n Node| {
            let Node { at, value } = node;
            Field { name: self.name.clone(), key: self.key, at, value, node, dialect: self.dialect }
        };
        Some(items.iter().map(item).collect())
    }

    /// The value as a mapping; `None` without a problem where it is `null`.
    pub(super) fn section(&self, out: &mut Vec<Problem>) -> Option<Section<'n>> {
        Section::of(self.node, &self.name, self.dialect, out)
    }

    pub(super) fn wrong_type<T>(&self, expected: &str, out: &mut Vec<Problem>) -> Option<T> {
        out.push(self.type_problem(expected));
        None
    }

    /// The problem of a value that should have been of another type.
    pub(super) fn type_problem(&self, expected: &str) -> Problem {
        wrong_type(&self.name, self.node, expected, self.dialect)
    }
}

// === impl Dialect ===

impl Dialect {
    fn is_key(&self, written: &str, key: &str) -> bool {
        written == key || (self.any_case && written.eq_ignore_ascii_case(key))
    }
}

fn wrong_type(name: &str, node: &Node, expected: &str, dialect: &Dialect) -> Problem {
    let found = match &node.value {
        Value::Null => "nothing",
        Value::Bool(..) => "a boolean",
        Value::Number(_) => "a number",
        Value::Text(_) => "a string",
        Value::Date => "a date",
        Value::List(_) => dialect.list,
        Value::Map(_) => dialect.mapping,
    };
    let what = if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") };
    Problem::error(format!("{what} must be {expected}, not {found}")).at(&node.at)
}

/// The option that a word names.
pub(super) fn choose<T: Copy>(word: &str, options: &[(&'static str, T)]) -> Result<T, Refusal> {
    if let Some((_, value)) = options.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let hint = did_you_mean(word, &names).map(|near| format!("did you mean \"{near}\"?"));
    Err(Refusal { message: format!("\"{word}\" is not one of {}", quoted(options)), hint })
}

fn quoted<T>(options: &[(&'static str, T)]) -> String {
    options.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
