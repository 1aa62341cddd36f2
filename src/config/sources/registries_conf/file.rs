//! Reads one file of `registries.conf`.
//!
//! Holds: what containers/image refuses to load is an error, with its place.
//! Source: `containers-registries.conf(5)` and `pkg/sysregistriesv2` of containers/image.

use crate::config::diagnostic::{Located, Problem, Span};
use crate::config::mistake;
use crate::config::refusal::Refusal;
use crate::config::section::{Field, Section};
use crate::policy::Only;

/// One file. A field that is `None` was not set.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) registries: Vec<Registry>,
    pub(super) search: Option<Located<Vec<String>>>,
    /// By short name, in the order of the text; an empty value removes an alias.
    pub(super) aliases: Vec<(Located<String>, Located<String>)>,
}

/// One `[[registry]]`.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    pub(crate) prefix: String,
    /// The place of the prefix, or else of the location.
    pub(crate) at: Span,
    /// Replaces the prefix; empty where a wildcard leaves the name unchanged.
    pub(crate) location: Located<String>,
    pub(crate) blocked: bool,
    pub(crate) insecure: Option<Span>,
    pub(crate) mirrors: Vec<MirrorTable>,
}

/// One `[[registry.mirror]]`.
#[derive(Clone, Debug)]
pub(crate) struct MirrorTable {
    pub(crate) location: Located<String>,
    pub(crate) insecure: Option<Span>,
    pub(crate) only: Only,
}

/// The keys of version 2.
const KEYS: [&str; 6] = [
    "unqualified-search-registries",
    "registry",
    "short-name-mode",
    "aliases",
    "credential-helpers",
    "additional-layer-store-auth-helper",
];

const USAGES: [(&str, Only); 3] =
    [("all", Only::Any), ("digest-only", Only::Digests), ("tag-only", Only::Tags)];

const MODES: [(&str, ()); 3] = [("disabled", ()), ("enforcing", ()), ("permissive", ())];

/// The keys that a file of version 2 has.
pub(super) fn keys(root: &mut Section<'_>) -> Vec<&'static str> {
    KEYS.into_iter().filter(|key| root.field(key).is_some()).collect()
}

/// Reads a file of version 2.
pub(super) fn read(mut root: Section<'_>, out: &mut Vec<Problem>) -> File {
    let mut file = File { search: search(&mut root, out), ..File::default() };
    let _ = root.choice("short-name-mode", out, &MODES);
    for key in ["credential-helpers", "additional-layer-store-auth-helper"] {
        if let Some(field) = root.field(key) {
            let message = format!("`{key}` is not carried over");
            let hint = "credentials for registries are configured separately, in [[credentials]]";
            out.push(Problem::warning(message).at(field.at).hint(hint).left_behind());
        }
    }
    if let Some(aliases) = root.section("aliases", out) {
        for field in aliases.fields() {
            file.aliases.extend(alias(&field, out));
        }
    }
    for section in root.sections("registry", out) {
        file.registries.extend(registry(section, out));
    }
    root.finish(out);
    conflicts(&file.registries, out);
    file
}

/// Reads a location. Slashes at the end do not count, and a scheme is not allowed.
pub(crate) fn place(text: &str) -> Result<String, Refusal> {
    if text.contains("://") {
        let bare = text.rsplit("://").next().unwrap_or(text).trim_end_matches('/');
        let hint = format!("leave the scheme out: {bare} (`insecure = true` allows plain http)");
        return Err(Refusal::new(format!("{text:?} begins with a scheme")).hint(hint));
    }
    if text.contains(['{', '}']) {
        let refusal = Refusal::new(format!("{text:?} cannot be the place of images: it has braces"));
        return Err(Refusal { hint: mistake::hint(text), ..refusal });
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn search(root: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Located<Vec<String>>> {
    let field = root.field("unqualified-search-registries")?;
    let mut hosts = Vec::new();
    for item in field.items(out)? {
        hosts.push(item.parse(out, |text| {
            let host = place(text)?;
            if host.is_empty() || host.contains(['/', '@']) {
                return Err(Refusal::new(format!("{text:?} is not the host of a registry"))
                    .hint("write the host, with its port if it has one, without a path"));
            }
            Ok(host)
        })?);
    }
    Some(Located { value: hosts, at: field.at.clone() })
}

fn alias(field: &Field<'_>, out: &mut Vec<Problem>) -> Option<(Located<String>, Located<String>)> {
    let name = &field.key;
    let short = format!("{}:x", name.text).parse::<crate::policy::Name>();
    // A tag is added, so that a name that already has one is refused.
    let is_short = short.as_ref().is_ok_and(|short| short.host() == "docker.io")
        && !name.text.contains([':', '@'])
        && !name.text.split_once('/').is_some_and(|(first, _)| first.contains('.'));
    if !is_short {
        let message = format!("the alias `{}` is not a short name", name.text);
        let hint = "an alias is a name without registry, tag and digest, such as `fedora` or `org/tool`";
        out.push(Problem::error(message).at(&name.at).hint(hint));
        return None;
    }
    let target = field.parse(out, |text| {
        let refusal = || {
            Refusal::new(format!("{text:?} is not a repository with its registry"))
                .hint("write host and path, without tag and digest; an empty value removes the alias")
        };
        if text.is_empty() {
            return Ok(String::new());
        }
        let (host, path) = text.split_once('/').ok_or_else(refusal)?;
        let parsed = format!("{text}:x").parse::<crate::policy::Name>().map_err(|_| refusal())?;
        let whole = parsed.repository() == text && !path.contains([':', '@']);
        let is_host = host == "localhost" || host.contains(['.', ':']);
        if whole && is_host { Ok(text.to_owned()) } else { Err(refusal()) }
    })?;
    let name = Located { value: name.text.clone(), at: name.at.clone() };
    Some((name, Located { value: target, at: field.at.clone() }))
}

fn registry(mut section: Section<'_>, out: &mut Vec<Problem>) -> Option<Registry> {
    let before = out.len();
    let prefix = section.parse("prefix", out, place).filter(|prefix| !prefix.value.is_empty());
    let location = section.parse("location", out, place).filter(|location| !location.value.is_empty());
    let blocked = section.boolean("blocked", out).is_some_and(|set| set.value);
    let insecure = section.boolean("insecure", out).filter(|set| set.value).map(|set| set.at);
    let by_digest = section.boolean("mirror-by-digest-only", out).filter(|set| set.value);
    if let Some(field) = section.field("pull-from-mirror") {
        let message = "`pull-from-mirror` belongs to a mirror, not to the registry";
        let hint = "write it below [[registry.mirror]], or `mirror-by-digest-only = true` here";
        out.push(Problem::error(message).at(field.at).hint(hint));
    }
    let mut mirrors = Vec::new();
    for mirror in section.sections("mirror", out) {
        mirrors.extend(read_mirror(mirror, by_digest.as_ref(), out));
    }
    let at = section.at().clone();
    section.finish(out);
    if out[before..].iter().any(Problem::is_error) {
        return None;
    }
    let wildcard = prefix.as_ref().is_some_and(|prefix| prefix.value.starts_with("*."));
    let location = match (location, &prefix) {
        (Some(location), _) => location,
        (None, Some(_)) if wildcard => Located { value: String::new(), at },
        (None, _) => {
            let hint = "write where the images are; only a prefix `*.domain` needs no location";
            out.push(Problem::error("the registry has no `location`").at(&at).hint(hint));
            return None;
        }
    };
    let prefix = prefix.unwrap_or_else(|| location.clone());
    Some(Registry { prefix: prefix.value, at: prefix.at, location, blocked, insecure, mirrors })
}

fn read_mirror(
    mut section: Section<'_>,
    by_digest: Option<&Located<bool>>,
    out: &mut Vec<Problem>,
) -> Option<MirrorTable> {
    let before = out.len();
    let location = section.parse("location", out, place).filter(|location| !location.value.is_empty());
    let insecure = section.boolean("insecure", out).filter(|set| set.value).map(|set| set.at);
    // An empty text counts as not set.
    let usage = match section.field("pull-from-mirror").filter(|field| field.text() != Some("")) {
        Some(_) => section.choice("pull-from-mirror", out, &USAGES),
        None => None,
    };
    if location.is_none() && out.len() == before {
        section.missing("location", "name the mirror, with a path if it needs one", out);
    }
    if let (Some(usage), Some(by_digest)) = (&usage, by_digest) {
        let message = "`pull-from-mirror` and the registry's `mirror-by-digest-only` cannot be used together";
        let problem = Problem::error(message).at(&usage.at).also(&by_digest.at, "set for all mirrors here");
        out.push(problem.hint("set it for each mirror, or for all"));
    }
    section.finish(out);
    let only = match usage {
        Some(usage) => usage.value,
        None if by_digest.is_some() => Only::Digests,
        None => Only::Any,
    };
    Some(MirrorTable { location: location?, insecure, only })
}

/// A place cannot be both blocked and not blocked, or both verified and not verified. A wildcard without a location
/// is a place by its prefix.
fn conflicts(registries: &[Registry], out: &mut Vec<Problem>) {
    let mut places: std::collections::HashMap<&str, &Registry> = std::collections::HashMap::new();
    for registry in registries {
        let location = registry.location.value.as_str();
        let place = if location.is_empty() { registry.prefix.as_str() } else { location };
        let first = *places.entry(place).or_insert(registry);
        let differs = [
            ("insecure", first.insecure.is_some() != registry.insecure.is_some()),
            ("blocked", first.blocked != registry.blocked),
        ];
        for (key, _) in differs.iter().filter(|(_, differs)| *differs) {
            let message = format!("`{place}` is in two entries that differ in `{key}`");
            let problem = Problem::error(message).at(&registry.at).also(&first.at, "the other one");
            out.push(problem.hint("one place has one setting: make the two agree"));
        }
    }
}
