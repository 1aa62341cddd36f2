//! What several formats say of a host in the same words: a login, and TLS settings.
//!
//! Holds: a login is read as containerd's `ParseAuth` reads it. An empty one is no login: the registry is asked
//! without one.

use std::path::PathBuf;

use super::super::diagnostic::{Located, Problem, Span, Texts};
use super::super::draft::{self, Imported};
use super::super::section::Section;
use crate::containerd::hosts::Transport;
use crate::credentials::Login;
use crate::files::secret::Secret;

/// The host of a key that is a URL.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A password before an `@` may contain slashes.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// Adds the login of a host from the keys of a table. `identity_token` is how the format calls this key.
pub(super) fn login(
    host: &str,
    at: &Span,
    auth: &mut Section<'_>,
    identity_token: &'static str,
    texts: &Texts,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    let mut filled = |key, out: &mut Vec<Problem>| auth.string(key, out).filter(|set| !set.value.is_empty());
    let username = filled("username", out);
    let password = filled("password", out);
    let encoded = filled("auth", out);
    let token = filled(identity_token, out);
    if username.is_none() && encoded.is_none() && token.is_none() {
        if let Some(Located { at, .. }) = password {
            let message = format!("a password without a user name is no login: {host} is asked without one");
            out.push(Problem::warning(message).at(&at).hint("write `username` beside it"));
        }
        return;
    }
    // In a copy the user name alone is left of a login, and with it alone no registry would answer.
    if texts.copies().is_some() && password.is_none() && encoded.is_none() && token.is_none() {
        return;
    }
    let secret = |found: Located<&str>| Secret::new(found.value.to_owned());
    imported.logins.push(Login {
        host: host.to_owned(),
        username: username.map(|name| name.value.to_owned()),
        password: password.map(secret),
        encoded: encoded.map(secret),
        identity_token: token.map(secret),
        source: draft::file_line(at, texts),
    });
}

/// The needs in a table with `ca_file`, `cert_file`, `key_file` and `insecure_skip_verify`. An empty text is a value
/// that is not set, as Rancher writes it.
pub(super) fn tls(mut tls: Section<'_>, out: &mut Vec<Problem>) -> Vec<Located<Transport>> {
    let mut needs = Vec::new();
    let mut file = |key, out: &mut Vec<Problem>| {
        let set = tls.string(key, out)?;
        (!set.value.is_empty()).then(|| (PathBuf::from(set.value), set.at))
    };
    let ca = file("ca_file", out);
    let cert = file("cert_file", out);
    let key = file("key_file", out);
    if let Some((path, at)) = ca {
        needs.push(Located { value: Transport::CaFile(path), at });
    }
    match (cert, key) {
        (Some((cert, at)), key) => {
            let value = Transport::ClientCert { cert, key: key.map(|(path, _)| path) };
            needs.push(Located { value, at });
        }
        (None, Some((_, at))) => {
            out.push(Problem::warning("`key_file` has no effect without `cert_file`").at(&at));
        }
        (None, None) => {}
    }
    if let Some(set) = tls.boolean("insecure_skip_verify", out).filter(|set| set.value) {
        needs.push(Located { value: Transport::SkipVerify, at: set.at });
    }
    tls.finish(out);
    needs
}
