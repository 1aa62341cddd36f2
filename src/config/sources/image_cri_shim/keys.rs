//! Reads the keys of image-cri-shim's file and of its ConfigMap.
//!
//! Holds: priorities are those that image-cri-shim computes. A key without an effect is reported.
//! Source: sealos `pkg/types/config.go` and `configmap_sync.go` of image-cri-shim.

use crate::config::diagnostic::{Located, Problem, Severity, Span};
use crate::config::node::{Node, Value};
use crate::config::section::{Field, IMAGE_CRI_SHIM, Section};
use crate::files::secret::Secret;

/// The registries of a file.
#[derive(Debug, Default)]
pub(super) struct Registries {
    pub(super) offline: Option<Registry>,
    /// In the order of the file.
    pub(super) others: Vec<Registry>,
}

/// One registry.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) address: Located<String>,
    pub(super) login: Option<UserPassword>,
    pub(super) priority: i64,
}

/// User and password of a registry.
#[derive(Debug)]
pub(super) struct UserPassword {
    pub(super) username: String,
    pub(super) password: Option<Secret>,
    pub(super) at: Span,
}

/// The default priority of the offline registry.
const OFFLINE_PRIORITY: i64 = 1000;

/// The default priority of the other registries.
const PRIORITY: i64 = 500;

const HIGHEST_PRIORITY: i64 = 10_000;

/// Keys that image-cri-shim accepts and does nothing with.
const IDLE: [&str; 5] = ["timeout", "version", "image", "sync", "force"];

/// Keys that say how image-cri-shim itself runs.
const OWN: [&str; 5] = ["shim", "cri", "debug", "reloadInterval", "cache"];

/// Reads a document; problems are in `out`.
pub(super) fn read(document: &Node, out: &mut Vec<Problem>) -> Option<Registries> {
    let mut root = Section::root(document, &IMAGE_CRI_SHIM, out)?;
    let in_config_map = root.section("sealos", out);
    let from_config_map = in_config_map.is_some();
    let offline = match in_config_map {
        Some(mut sealos) => {
            if let Some(field) = root.field("address") {
                let message = "the offline registry is in `address` and in `sealos.address`";
                let problem = Problem::error(message).at(&field.key.at).also(sealos.at(), "the other one");
                out.push(problem.hint("`sealos` is for the ConfigMap, `address` for the file: keep one"));
            }
            let registry = registry(&mut sealos, out);
            sealos.finish(out);
            registry
        }
        None => registry(&mut root, out),
    };
    let mut others = Vec::new();
    let items = root.field("registries").and_then(|field| field.items(out)).unwrap_or_default();
    for (i, mut item) in items.into_iter().enumerate() {
        item.name = format!("registries[{i}]");
        let Some(mut fields) = item.section(out) else { continue };
        let registry = registry(&mut fields, out);
        let priority = fields.integer("priority", out);
        fields.finish(out);
        if let Some(mut registry) = registry {
            registry.priority = priority_of(priority.as_ref(), out);
            others.push(registry);
        }
    }
    let priority = root.integer("offlinePriority", out);
    let offline = offline.map(|mut registry| {
        registry.priority = offline_priority(priority.as_ref(), from_config_map, out);
        registry
    });
    without_meaning(&mut root, out);
    root.finish(out);
    Some(Registries { offline, others })
}

/// `address` and `auth`; `None` where there is no address.
fn registry(fields: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<Registry> {
    let address = fields.string("address", out);
    let login = fields.field("auth").and_then(|auth| credentials(&auth, out));
    let address = address.filter(|address| !address.value.trim().is_empty())?;
    let address = Located { value: address.value.trim().to_owned(), at: address.at };
    Some(Registry { address, login, priority: PRIORITY })
}

/// `user:password`, or in the ConfigMap a mapping of the two.
fn credentials(auth: &Field<'_>, out: &mut Vec<Problem>) -> Option<UserPassword> {
    let at = auth.at.clone();
    match auth.value {
        Value::Map(_) => {
            let mut fields = auth.section(out)?;
            let username = fields.string("username", out).map(|text| text.value.to_owned());
            let password = fields.string("password", out).map(|text| text.value.to_owned());
            fields.finish(out);
            let username = username.filter(|username| !username.is_empty())?;
            Some(UserPassword { username, password: password.map(Secret::new), at })
        }
        Value::Text(text) => {
            let text = text.trim();
            if text.is_empty() {
                return None;
            }
            let (username, password) = match text.split_once(':') {
                Some((username, password)) => (username, Some(password)),
                None => (text, None),
            };
            out.extend(odd_password(password, &at));
            let password = password.map(|password| Secret::new(password.to_owned()));
            Some(UserPassword { username: username.to_owned(), password, at })
        }
        _ => auth.wrong_type("`user:password`", out),
    }
}

fn odd_password(password: Option<&str>, at: &Span) -> Option<Problem> {
    let message = match password {
        None => "the password is missing: this is only a user name",
        Some(password) if password.contains(':') => {
            "the password contains a colon: here it is used whole, but image-cri-shim uses no password then"
        }
        Some(_) => return None,
    };
    Some(Problem::warning(message).at(at))
}

fn priority_of(set: Option<&Located<i64>>, out: &mut Vec<Problem>) -> i64 {
    let Some(Located { value, at }) = set else { return PRIORITY };
    if *value <= 0 {
        let message = format!("the priority {value} counts as {PRIORITY}");
        let hint = "for image-cri-shim, 0 and less mean no priority; the lowest is 1";
        out.push(Problem::warning(message).at(at).hint(hint));
        return PRIORITY;
    }
    highest(*value, at, out)
}

fn offline_priority(set: Option<&Located<i64>>, from_config_map: bool, out: &mut Vec<Problem>) -> i64 {
    let Some(Located { value, at }) = set else { return OFFLINE_PRIORITY };
    if from_config_map {
        let message = format!("`offlinePriority` has no effect in the ConfigMap: it is {OFFLINE_PRIORITY}");
        out.push(Problem::warning(message).at(at).hint("image-cri-shim reads it only in its file"));
        return OFFLINE_PRIORITY;
    }
    match *value {
        0 => {
            let message = format!("the priority 0 counts as {OFFLINE_PRIORITY}");
            out.push(Problem::warning(message).at(at).hint("a negative priority puts the registry last"));
            OFFLINE_PRIORITY
        }
        value if value < 0 => {
            let message = format!("the priority {value} puts the offline registry last");
            out.push(Problem::warning(message).at(at));
            0
        }
        value => highest(value, at, out),
    }
}

fn highest(value: i64, at: &Span, out: &mut Vec<Problem>) -> i64 {
    if value > HIGHEST_PRIORITY {
        let message = format!("the priority {value} counts as {HIGHEST_PRIORITY}, the highest");
        out.push(Problem::warning(message).at(at));
    }
    value.min(HIGHEST_PRIORITY)
}

/// One report for the keys without an effect, one for those that are set elsewhere here.
fn without_meaning(root: &mut Section<'_>, out: &mut Vec<Problem>) {
    let mut report = |keys: &[&'static str], severity, message: &str, hint: &str, out: &mut Vec<Problem>| {
        let found: Vec<Located<&str>> = keys
            .iter()
            .filter_map(|&key| {
                let field = root.field(key)?;
                Some(Located { value: key, at: field.key.at.clone() })
            })
            .collect();
        let Some(first) = found.first() else { return };
        let names: Vec<String> = found.iter().map(|key| format!("`{}`", key.value)).collect();
        let message = format!("{message}: {}", names.join(", "));
        out.push(Problem::new(severity, message).at(&first.at).hint(hint));
    };
    let message = "these keys have no effect, here and in image-cri-shim";
    report(&IDLE, Severity::Warning, message, "remove them", out);
    let message = "these keys are about image-cri-shim itself and are not read";
    let hint = "sockets, log and pulls are configured in the native configuration";
    report(&OWN, Severity::Note, message, hint, out);
}
