//! Reads one `[[signature]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::diagnostic::{Located, Problem, Span, Texts};
use super::super::duration;
use super::super::node::Value;
use super::super::path::{from, path};
use super::super::references::location;
use super::super::refusal::Refusal;
use super::super::section::{Field, Section, choose};
use super::{files, name};
use crate::policy::Location;
use crate::signature::{
    Demand, Enough, Identities, Identity, PublicKey, SignaturesFrom, Signed, WhenAway, Words,
};

/// One table.
pub(super) struct Table {
    pub(super) name: Located<String>,
    keys: Vec<Located<PathBuf>>,
    identities: Vec<Identities>,
    root: Option<Located<PathBuf>>,
    need: Option<Located<Enough>>,
    identity: Identity,
    without_name: bool,
    annotations: BTreeMap<String, String>,
    from: Vec<SignaturesFrom>,
    when_away: WhenAway,
}

// === impl Table ===

impl Table {
    pub(super) fn read(mut section: Section<'_>, directory: &Path, out: &mut Vec<Problem>) -> Option<Self> {
        let before = out.len();
        let name = section.parse("name", out, name::name);
        let keys = section.field("keys").and_then(|field| read_keys(&field, directory, out));
        let identities = section.field("identities");
        let identities_at = identities.as_ref().map(|field| field.at);
        let identities = identities.and_then(|field| read_identities(&field, out));
        let root = section.parse("trusted-root", out, path);
        let need = section.field("need").and_then(|field| read_need(&field, out));
        let identity = section.field("identity").map(|field| read_identity(&field, out));
        let words = [("refuse", false), ("accept", true)];
        let without_name = section.choice("without-name", out, &words).is_some_and(|set| set.value);
        let annotations = section.section("annotations", out).map(|table| read_annotations(&table, out));
        let (from_field, when_away) = way(&mut section, out);
        if out.len() == before && !section.has_unknown() {
            if name.is_none() {
                section.missing("name", "rules ask for it by this name: verify = \"NAME\"", out);
            } else if keys.is_none() && identities.is_none() {
                let hint = "name the files of public keys, or `identities` with a `trusted-root`";
                section.missing("keys", hint, out);
            }
            missing_root(&section, identities_at, root.as_ref(), out);
        }
        section.finish(out);
        let root = root.map(|set| Located { value: from(directory, &set.value), at: set.at });
        let (keys, identities) = (keys.unwrap_or_default(), identities.unwrap_or_default());
        let count = keys.len() + identities.len();
        if let Some(Located { value: Enough::AtLeast(number), at }) = &need
            && *number > count
        {
            let message = format!("`signature.need`: {number} are needed, and there are {count}");
            out.push(Problem::error(message).at(at).hint("write a smaller number, or \"all\""));
        }
        Some(Self {
            name: name?,
            keys,
            identities,
            root,
            need,
            identity: identity.flatten().unwrap_or(Identity::Repository),
            without_name,
            annotations: annotations.unwrap_or_default(),
            from: from_field,
            when_away,
        })
    }

    /// What it demands, with the keys of its files.
    pub(super) fn signed(self, texts: &mut Texts, out: &mut Vec<Problem>) -> Signed {
        let mut keys: Vec<PublicKey> = Vec::new();
        for file in &self.keys {
            let Some(key) = files::key(file, texts, out) else { continue };
            if keys.contains(&key) {
                let message = "this key is already in the list";
                out.push(Problem::warning(message).at(&file.at).hint("remove it: a key counts once"));
            } else {
                keys.push(key);
            }
        }
        let root = self.root.and_then(|file| files::root(&file, texts, out));
        let keyless =
            root.map(|root| (root, self.identities)).filter(|(_, identities)| !identities.is_empty());
        let demand = Demand {
            keys,
            keyless,
            logs: Vec::new(),
            enough: self.need.map_or(Enough::Any, |set| set.value),
            identity: self.identity,
            without_name: self.without_name,
            annotations: self.annotations,
        };
        let by = Arc::from(self.name.value);
        Signed { by, demand, from: self.from, when_away: self.when_away }
    }
}

fn missing_root(
    section: &Section<'_>,
    identities: Option<&Span>,
    root: Option<&Located<PathBuf>>,
    out: &mut Vec<Problem>,
) {
    match (identities, root) {
        (Some(_), None) => {
            let hint = "name a trusted_root.json: `cosign trusted-root create` and `gh attestation trusted-root` write one";
            section.missing("trusted-root", hint, out);
        }
        (None, Some(root)) => {
            let message = "`trusted-root` has no meaning without `identities`";
            out.push(Problem::error(message).at(&root.at));
        }
        _ => {}
    }
}

fn read_keys(field: &Field<'_>, directory: &Path, out: &mut Vec<Problem>) -> Option<Vec<Located<PathBuf>>> {
    let items = filled(field, out)?;
    let read = |item: &Field<'_>| {
        Some(Located { value: from(directory, &item.parse(out, path)?), at: item.at.clone() })
    };
    Some(items.iter().filter_map(read).collect())
}

/// The items of a list that must have some.
fn filled<'n>(field: &Field<'n>, out: &mut Vec<Problem>) -> Option<Vec<Field<'n>>> {
    let items = field.items(out)?;
    if items.is_empty() {
        out.push(Problem::error(format!("`{}` is empty", field.name)).at(field.at));
        return None;
    }
    Some(items)
}

fn read_identities(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Vec<Identities>> {
    let items = filled(field, out)?;
    let mut found = Vec::new();
    for item in items {
        let Some(mut section) = item.section(out) else { continue };
        let issuer = words(&mut section, "issuer", "issuer-pattern", out);
        let subject = words(&mut section, "subject", "subject-pattern", out);
        section.finish(out);
        if let (Some(issuer), Some(subject)) = (issuer, subject) {
            found.push(Identities { issuer, subject, mail: false });
        }
    }
    Some(found)
}

/// What has to be said: these words, or what a pattern matches as a whole.
fn words(
    section: &mut Section<'_>,
    exact: &'static str,
    pattern: &'static str,
    out: &mut Vec<Problem>,
) -> Option<Words> {
    let before = out.len();
    let filled = |text: &str| match text {
        "" => Err(Refusal::new("it is empty")),
        _ => Ok(text.to_owned()),
    };
    let words = section.parse(exact, out, filled);
    let matching = section.parse(pattern, out, |text| {
        let found = Words::matching(&filled(text)?);
        // The last line says what is wrong; those before it draw the place.
        let last = |error: String| error.lines().last().unwrap_or_default().replacen("error: ", "", 1);
        found.map_err(|error| Refusal::new(format!("bad regular expression: {}", last(error))))
    });
    if let (Some(words), Some(matching)) = (&words, &matching) {
        let message = format!("`{exact}` and `{pattern}` are both set");
        let problem = Problem::error(message).at(&matching.at).also(&words.at, "the other one");
        out.push(problem.hint("keep one of the two"));
    } else if out.len() == before && words.is_none() && matching.is_none() && !section.has_unknown() {
        section.missing(
            exact,
            &format!("write what it has to be, or a regular expression as `{pattern}`"),
            out,
        );
    }
    words.map(|set| Words::Exact(set.value)).or(matching.map(|set| set.value))
}

/// `"any"`, `"all"` or a number.
fn read_need(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Located<Enough>> {
    let value = match field.value {
        Value::Number(text) => match text.parse() {
            Ok(count) if count > 0 => Enough::AtLeast(count),
            _ => {
                let message = format!("`{}`: {text} is not a number of signatures", field.name);
                out.push(Problem::error(message).at(field.at).hint("write 1 or more"));
                return None;
            }
        },
        Value::Text(_) => {
            field.parse(out, |word| choose(word, &[("any", Enough::Any), ("all", Enough::All)]))?
        }
        _ => return field.wrong_type("\"any\", \"all\" or a number", out),
    };
    Some(Located { value, at: field.at.clone() })
}

/// A word, or a table that says another name.
fn read_identity(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Identity> {
    let words = [
        ("repository", Identity::Repository),
        ("exact", Identity::Exact),
        ("exact-or-digest", Identity::RepoDigestOrExact),
    ];
    if field.text().is_some() {
        let names = words.clone().map(|(word, _)| (word, word));
        let word = field.parse(out, |word| choose(word, &names))?;
        return words.into_iter().find(|(other, _)| *other == word).map(|(_, identity)| identity);
    }
    let Value::Map(_) = field.value else {
        return field.wrong_type("\"repository\", \"exact\", \"exact-or-digest\" or a table", out);
    };
    let before = out.len();
    let mut section = field.section(out)?;
    let repository = section.string("repository", out);
    let (prefix, signed) = (section.string("prefix", out), section.string("signed-prefix", out));
    let made = match (repository, prefix, signed) {
        (Some(repository), None, None) => Identity::exact_repository(repository.value),
        (None, Some(prefix), Some(signed)) => Identity::remap(prefix.value, signed.value),
        _ => {
            if out.len() == before && !section.has_unknown() {
                let message = format!("`{}` needs `prefix` and `signed-prefix`, or `repository`", field.name);
                out.push(Problem::error(message).at(field.at));
            }
            section.finish(out);
            return None;
        }
    };
    section.finish(out);
    made.map_err(|error| out.push(Problem::error(format!("`{}`: {error}", field.name)).at(field.at))).ok()
}

fn read_annotations(table: &Section<'_>, out: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let text = |field: Field<'_>| Some((field.key.text.clone(), field.string(out)?.to_owned()));
    table.fields().filter_map(text).collect()
}

/// How signatures are found: where else, and what holds when nobody answers.
pub(super) fn way(section: &mut Section<'_>, out: &mut Vec<Problem>) -> (Vec<SignaturesFrom>, WhenAway) {
    let from = section.field("signatures-from").and_then(|field| read_from(&field, out)).unwrap_or_default();
    let before = out.len();
    let cached = section.choice("when-away", out, &[("closed", false), ("cached", true)]);
    let age = section.parse("away-max-age", out, duration::parse_positive);
    let when_away = match (cached, age) {
        (Some(cached), Some(age)) if cached.value => WhenAway::Cached(age.value),
        (Some(cached), None) if cached.value => {
            if out.len() == before {
                let message = "when-away = \"cached\" needs `away-max-age`";
                let hint =
                    "say how long ago an image may have been verified, for example away-max-age = \"24h\"";
                out.push(Problem::error(message).at(&cached.at).hint(hint));
            }
            WhenAway::Closed
        }
        (_, Some(Located::<Duration> { at, .. })) => {
            let message = "`away-max-age` has no meaning without when-away = \"cached\"";
            out.push(Problem::error(message).at(&at));
            WhenAway::Closed
        }
        _ => WhenAway::Closed,
    };
    (from, when_away)
}

fn read_from(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<Vec<SignaturesFrom>> {
    let items = field.items(out)?;
    let mut seen = BTreeSet::new();
    for item in &items {
        if item.text().is_some_and(|text| !seen.insert(text)) {
            out.push(Problem::warning("this is already in the list").at(item.at).hint("remove one of them"));
        }
    }
    Some(items.iter().filter_map(|item| item.parse(out, signatures_from)).collect())
}

/// A repository, or the word for that of the image's own name.
fn signatures_from(text: &str) -> Result<SignaturesFrom, Refusal> {
    if text == "origin" {
        return Ok(SignaturesFrom::Origin);
    }
    let is_repository = |found: &Location| !found.path().is_empty() && !found.has_placeholder();
    match location(text).ok().filter(is_repository) {
        Some(repository) => Ok(SignaturesFrom::Repository(repository)),
        None => Err(Refusal::new(format!("\"{text}\" is not a repository"))
            .hint("write registry and path, as in \"harbor.dev.de/team/signatures\", or \"origin\"")),
    }
}
