//! Reads typed values out of a TOML document and records everything that is wrong with it.
//!
//! Before: `files` has the text.  After: `sections` and `rules` take values out, one table at a time.
//! Holds: a reader never stops at the first problem; a key that nobody asked for is reported, so a
//! key is known exactly where code reads it.
//! Not here: what the values mean. serde is not used because it stops at its first complaint.

use toml::de::{DeString, DeTable, DeValue};

use super::diagnostic::{Located, Problem, Span, TextId};

/// Why a value is no good, in words for its author.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// One table of a document, and which of its keys have been asked for.
pub(super) struct Section<'t> {
    name: String,
    at: Span,
    table: &'t DeTable<'t>,
    asked: Vec<&'static str>,
    /// Whether all keys have been asked for.
    names: bool,
}

/// A value of any type, and the key that it stands under.
pub(super) struct Entry<'t> {
    pub(super) name: String,
    pub(super) at: Span,
    pub(super) value: &'t DeValue<'t>,
}

/// Parses a document. `None` where it is too broken to look into; its problems are recorded either way.
pub(super) fn parse<'t>(
    text: TextId,
    content: &'t str,
    out: &mut Vec<Problem>,
) -> Option<toml::Spanned<DeTable<'t>>> {
    parse_of(
        text,
        content,
        "keep one of the two; a further rule needs a [[policy.rule]] line of its own",
        out,
    )
}

/// As [`parse`], for a file of another program.
pub(super) fn parse_foreign<'t>(
    text: TextId,
    content: &'t str,
    out: &mut Vec<Problem>,
) -> Option<toml::Spanned<DeTable<'t>>> {
    parse_of(text, content, "keep one of the two", out)
}

fn parse_of<'t>(
    text: TextId,
    content: &'t str,
    on_duplicate: &str,
    out: &mut Vec<Problem>,
) -> Option<toml::Spanned<DeTable<'t>>> {
    let (document, errors) = DeTable::parse_recoverable(content);
    let broken = errors.iter().filter(|error| !is_local(error.message()));
    let first_broken = broken.min_by_key(|error| error.span().map_or(0, |range| range.start));
    // After a break in the syntax the parser guesses, and its further complaints are about its guesses.
    let reported = errors.iter().filter(|error| is_local(error.message()) || Some(*error) == first_broken);
    for error in reported {
        let range = error.span().unwrap_or(0..0);
        let word = content.get(range.clone()).unwrap_or_default();
        out.push(syntax_problem(error.message(), word, on_duplicate).at(&Span { text, range }));
    }
    first_broken.is_none().then_some(document)
}

/// Complaints of the parser that leave the rest of the document as its author meant it.
fn is_local(message: &str) -> bool {
    message == "duplicate key" || message.starts_with("unexpected leading zero")
}

fn syntax_problem(message: &str, word: &str, on_duplicate: &str) -> Problem {
    if message == "duplicate key" {
        return Problem::error(format!("`{word}` is set twice in one table")).hint(on_duplicate);
    }
    if message.starts_with("unexpected leading zero") {
        return Problem::error("a number must not begin with 0")
            .hint("write file modes as text, for example \"0660\"");
    }
    Problem::error(format!("this is not TOML: {message}"))
}

/// The candidate that a misspelt word most likely stands for.
pub(super) fn did_you_mean<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    nearest(&word.replace('_', "-").to_lowercase(), candidates)
}

/// The same for formats whose keys have underscores, or both.
pub(super) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let distance = |candidate: &&&str| strsim::osa_distance(word, candidate);
    let nearest = candidates.iter().min_by_key(distance)?;
    // A third of the word: `socet` is `socket`, `host` is not `group`.
    (strsim::osa_distance(word, nearest) <= nearest.len().div_ceil(3)).then_some(*nearest)
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Refusal { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

// === impl Entry ===

impl<'t> Entry<'t> {
    /// The value as a string; anything else is recorded as a problem.
    pub(super) fn string(&self, out: &mut Vec<Problem>) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type("a string", out),
        }
    }

    /// The value as what `read` makes of its text.
    pub(super) fn parse<T>(
        &self,
        out: &mut Vec<Problem>,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        match read(self.string(out)?) {
            Ok(value) => Some(value),
            Err(refusal) => {
                let message = format!("{}: {}", self.label(), refusal.message);
                out.push(Problem::error(message).at(&self.at).maybe_hint(refusal.hint));
                None
            }
        }
    }

    /// The text, where the value is one.
    pub(super) fn text(&self) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    pub(super) fn boolean(&self, out: &mut Vec<Problem>) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false", out),
        }
    }

    /// The elements of an array, each named after it.
    pub(super) fn elements(&self, out: &mut Vec<Problem>) -> Option<Vec<Entry<'t>>> {
        let DeValue::Array(array) = self.value else {
            return self.wrong_type("an array", out);
        };
        let element = |value: &'t toml::Spanned<DeValue<'t>>| Entry {
            name: self.name.clone(),
            at: Span { text: self.at.text, range: value.span() },
            value: value.get_ref(),
        };
        Some(array.iter().map(element).collect())
    }

    pub(super) fn section(&self, out: &mut Vec<Problem>) -> Option<Section<'t>> {
        match self.value {
            DeValue::Table(table) => Some(Section {
                name: self.name.clone(),
                at: self.at.clone(),
                table,
                asked: Vec::new(),
                names: false,
            }),
            _ => self.wrong_type("a table", out),
        }
    }

    pub(super) fn wrong_type<T>(&self, expected: &str, out: &mut Vec<Problem>) -> Option<T> {
        let found = type_name(self.value);
        out.push(Problem::error(format!("{} must be {expected}, not {found}", self.label())).at(&self.at));
        None
    }

    fn label(&self) -> String {
        format!("`{}`", self.name)
    }
}

// === impl Section ===

impl<'t> Section<'t> {
    pub(super) fn root(text: TextId, document: &'t toml::Spanned<DeTable<'t>>) -> Self {
        let at = Span { text, range: 0..0 };
        Section { name: String::new(), at, table: document.get_ref(), asked: Vec::new(), names: false }
    }

    pub(super) fn at(&self) -> &Span {
        &self.at
    }

    /// The value under a key, of whatever type.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<Entry<'t>> {
        self.asked.push(key);
        let (_, value) = self.table.iter().find(|(name, _)| name.get_ref() == key)?;
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Some(Entry { name, at: Span { text: self.at.text, range: value.span() }, value: value.get_ref() })
    }

    pub(super) fn string(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<&'t str>> {
        let entry = self.entry(key)?;
        Some(Located { value: entry.string(out)?, at: entry.at })
    }

    pub(super) fn parse<T>(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Located<T>> {
        let entry = self.entry(key)?;
        Some(Located { value: entry.parse(out, read)?, at: entry.at })
    }

    /// One of a fixed set of words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        out: &mut Vec<Problem>,
        options: &[(&'static str, T)],
    ) -> Option<Located<T>> {
        self.parse(key, out, |word| choose(word, options))
    }

    pub(super) fn boolean(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Located<bool>> {
        let entry = self.entry(key)?;
        Some(Located { value: entry.boolean(out)?, at: entry.at })
    }

    pub(super) fn section(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Option<Section<'t>> {
        self.entry(key)?.section(out)
    }

    /// An array of tables, `[[name.key]]`; empty where the key is absent.
    pub(super) fn sections(&mut self, key: &'static str, out: &mut Vec<Problem>) -> Vec<Section<'t>> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        if let DeValue::Table(_) = entry.value {
            let message = format!("`{}` must be a list of tables", entry.name);
            out.push(Problem::error(message).at(&entry.at).hint(format!("write [[{}]]", entry.name)));
            return Vec::new();
        }
        let elements = entry.elements(out).unwrap_or_default();
        elements.iter().filter_map(|element| element.section(out)).collect()
    }

    /// Every key in the order of the text, with its value: for tables whose keys are names.
    pub(super) fn named(&mut self) -> Vec<(Located<&'t str>, Entry<'t>)> {
        self.names = true;
        let mut named: Vec<(Located<&'t str>, Entry<'t>)> = Vec::with_capacity(self.table.len());
        for (key, value) in self.table {
            let at = Span { text: self.at.text, range: key.span() };
            let name = format!("{}.{}", self.name, key.get_ref());
            let value_at = Span { text: self.at.text, range: value.span() };
            named.push((
                Located { value: key.get_ref().as_ref(), at },
                Entry { name, at: value_at, value: value.get_ref() },
            ));
        }
        named.sort_by_key(|(key, _)| key.at.range.start);
        named
    }

    /// Records that a key had to be here.
    pub(super) fn missing(&self, key: &str, hint: &str, out: &mut Vec<Problem>) {
        let message = format!("`{}` needs a `{key}`", self.name);
        out.push(Problem::error(message).at(&self.at).hint(hint));
    }

    /// Whether there are keys that nobody has asked for so far.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown().next().is_some()
    }

    /// Records every key that nobody has asked for.
    pub(super) fn finish(self, out: &mut Vec<Problem>) {
        for key in self.unknown() {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let hint = match did_you_mean(key.get_ref(), &self.asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let at = Span { text: self.at.text, range: key.span() };
            out.push(Problem::error(format!("unknown key `{}`{place}", key.get_ref())).at(&at).hint(hint));
        }
    }

    /// Records every key that nobody has asked for, as one that `program` passes over in silence.
    pub(super) fn finish_foreign(self, program: &str, out: &mut Vec<Problem>) {
        for key in self.unknown() {
            let place = if self.name.is_empty() { String::new() } else { format!(" in `{}`", self.name) };
            let message = format!(
                "unknown key `{}`{place}: {program} takes no notice of it, nor does this",
                key.get_ref()
            );
            let hint = match nearest(key.get_ref(), &self.asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            let at = Span { text: self.at.text, range: key.span() };
            out.push(Problem::warning(message).at(&at).hint(hint));
        }
    }

    fn unknown(&self) -> impl Iterator<Item = &toml::Spanned<DeString<'t>>> {
        let asked = |key: &DeString<'_>| self.names || self.asked.iter().any(|asked| key == asked);
        self.table.keys().filter(move |key| !asked(key.get_ref()))
    }
}

/// The option that a word names.
pub(super) fn choose<T: Copy>(word: &str, options: &[(&'static str, T)]) -> Result<T, Refusal> {
    if let Some((_, value)) = options.iter().find(|(name, _)| *name == word) {
        return Ok(*value);
    }
    let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let refusal = Refusal::new(format!("\"{word}\" is none of {}", quoted.join(", ")));
    Err(match did_you_mean(word, &names) {
        Some(near) => refusal.hint(format!("did you mean \"{near}\"?")),
        None => refusal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_word_finds_none() {
        let known = ["socket", "mode", "group", "default-registry"];
        let rows = [
            ("socet", Some("socket")),
            ("sokcet", Some("socket")),
            ("Mode", Some("mode")),
            ("default_registry", Some("default-registry")),
            ("defaultregistry", Some("default-registry")),
            ("host", None),
            ("x", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(did_you_mean(word, &known), expected, "{word}");
        }
        assert_eq!(did_you_mean("socket", &[]), None);
    }
}
