//! One login by reference.
//!
//! Holds: a secret that is written into the configuration is an error that says where to put it.

use std::path::{Path, PathBuf};

use super::super::diagnostic::{Located, Problem, Span};
use super::super::path::path;
use super::super::refusal::Refusal;
use super::super::section::Section;
use crate::credentials::{Entry, Means, Reference, RegistryKey, Username};
use crate::policy::Source;

/// Keys under which people write secrets.
const LITERAL: [(&str, &str); 5] = [
    ("password", "password"),
    ("token", "identity-token"),
    ("identity-token", "identity-token"),
    ("auth", "password"),
    ("registry-token", "identity-token"),
];

/// Reads the login of a table, if it has one. `before` is the number of problems when the table began:
/// where there are more now, a missing key is not reported.
pub(super) fn read(
    section: &mut Section<'_>,
    place: &dyn Fn(&Path) -> PathBuf,
    source: &dyn Fn(&Span) -> Source,
    before: usize,
    out: &mut Vec<Problem>,
) -> Option<(Entry, Span)> {
    let registry = section.parse("registry", out, key);
    let username = section.string("username", out).map(|set| (Username::Text(set.value.to_owned()), set.at));
    let username_file = section.parse("username-file", out, path);
    let username_file = username_file.map(|set| (Username::File(place(&set.value)), set.at));
    let password = secret(section, ["password-file", "password-credential", "password-env"], place, out);
    let token = ["identity-token-file", "identity-token-credential", "identity-token-env"];
    let token = secret(section, token, place, out);
    refuse_literals(section, out);
    let named = one("the user name", [username, username_file].into_iter().flatten(), out);
    let password = one("the password", password, out);
    let token = one("the token", token, out);
    let Some(Located { value: key, at }) = registry else {
        let stray = [named.map(|(_, at)| at), password.map(|(_, at)| at), token.map(|(_, at)| at)];
        if let Some(at) = stray.into_iter().flatten().next().filter(|_| out.len() == before) {
            out.push(Problem::error("a login needs a `registry`").at(&at).hint("write host[:port][/path]"));
        }
        return None;
    };
    let means = match (named, password, token) {
        (Some((name, _)), Some((password, _)), None) => Means::Password(name, password),
        (None, None, Some((token, _))) => Means::IdentityToken(token),
        (_, Some((_, password)), Some((_, token))) => {
            let problem = Problem::error("a login has a password or an identity token, not both");
            out.push(problem.at(&token).also(&password, "the password"));
            return None;
        }
        (Some((_, at)), None, Some(_)) => {
            out.push(Problem::error("an identity token needs no user name").at(&at).hint("remove it"));
            return None;
        }
        (named, password, _) => {
            if out.len() == before && !section.has_unknown() {
                incomplete(section, named.is_some(), password.is_some(), out);
            }
            return None;
        }
    };
    (out.len() == before).then(|| (Entry { key, means, source: source(&at) }, at))
}

fn incomplete(section: &Section<'_>, named: bool, password: bool, out: &mut Vec<Problem>) {
    let (missing, hint) = match (named, password) {
        (false, true) => ("username", "or a `username-file` that holds the name"),
        (true, false) => ("password-file", "or `password-credential` (systemd), or `password-env`"),
        _ => ("username", "and a `password-file`; or an `identity-token-file` alone"),
    };
    section.missing(missing, hint, out);
}

fn key(text: &str) -> Result<RegistryKey, Refusal> {
    let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
    text.parse().map_err(|error: crate::credentials::KeyError| {
        let refusal = Refusal::new(error.to_string());
        match error.hint() {
            _ if bare != text => refusal.hint(format!("leave the scheme out: {bare}")),
            Some(hint) => refusal.hint(hint),
            None => refusal,
        }
    })
}

/// All references to one secret; there should be one.
fn secret(
    section: &mut Section<'_>,
    [file, credential, variable]: [&'static str; 3],
    place: &dyn Fn(&Path) -> PathBuf,
    out: &mut Vec<Problem>,
) -> Vec<(Reference, Span)> {
    let file = section.parse(file, out, path).map(|set| (Reference::File(place(&set.value)), set.at));
    let credential = section.parse(credential, out, plain_name);
    let credential = credential.map(|set| (Reference::Systemd(set.value), set.at));
    let variable = section.parse(variable, out, variable_name);
    let variable = variable.map(|set| (Reference::Variable(set.value), set.at));
    [file, credential, variable].into_iter().flatten().collect()
}

fn one<T>(what: &str, set: impl IntoIterator<Item = (T, Span)>, out: &mut Vec<Problem>) -> Option<(T, Span)> {
    let mut set = set.into_iter();
    let first = set.next()?;
    for (_, more) in set {
        let problem = Problem::error(format!("{what} is in two places")).at(&more);
        out.push(problem.also(&first.1, "the other one").hint("keep one of the two"));
    }
    Some(first)
}

fn refuse_literals(section: &mut Section<'_>, out: &mut Vec<Problem>) {
    for (key, by_reference) in LITERAL {
        if let Some(field) = section.refused(key) {
            let message = format!("a secret must not be in this file: `{key}`");
            let hint = format!(
                "write it to a file that only root can read, and name that file here: {by_reference}-file = \"/etc/cri-shunt/...\""
            );
            out.push(Problem::error(message).at(field.at).hint(hint));
        }
    }
}

/// A credential is a file directly in systemd's directory.
fn plain_name(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.contains('/') || matches!(text, "." | "..") {
        return Err(Refusal::new(format!("{text:?} is not a valid name of a systemd credential"))
            .hint("use the part before the colon of LoadCredential= in the unit"));
    }
    Ok(text.to_owned())
}

fn variable_name(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.contains(['=', '\0', '$']) {
        return Err(Refusal::new(format!("{text:?} is not a valid name of an environment variable")));
    }
    Ok(text.to_owned())
}
