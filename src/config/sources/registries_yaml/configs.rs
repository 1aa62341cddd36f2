//! `configs` and the older `auths`: TLS and credentials, by host.
//!
//! Holds: credentials are hidden in everything that is shown of the file.

use std::path::PathBuf;

use super::super::super::diagnostic::{Located, Problem, Span};
use super::super::super::draft::{self, Imported};
use super::super::super::section::{Field, Section};
use super::reader::{PROGRAM, Reader};
use crate::containerd::hosts::Transport;
use crate::credentials::Login;
use crate::files::secret::Secret;

/// Reads `configs`.
pub(super) fn read(
    configs: &Section<'_>,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    for entry in configs.fields() {
        let Some(mut config) = entry.section(out) else { continue };
        if let Some(auth) = config.section("auth", out) {
            let login = login(&entry.key.text, &entry.key.at, auth, reader, out);
            if login.host == "*" {
                let message = format!(
                    "credentials for \"*\" have no effect in {PROGRAM}'s containerd, which looks hosts up by name"
                );
                out.push(Problem::warning(message).at(&entry.key.at).hint("name each host"));
            }
            imported.logins.push(login);
        }
        if let Some(tls) = config.section("tls", out) {
            for (what, at) in needs(tls, out) {
                let what = Located { value: what, at };
                imported.transport.push(draft::need(&entry.key.text, what, reader.texts));
            }
        }
        refuse_rancher(&mut config, out);
        config.finish(out);
    }
}

/// Reads `auths`, whose keys are URLs.
pub(super) fn read_auths(
    auths: &Section<'_>,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    for entry in auths.fields() {
        let Some(auth) = entry.section(out) else { continue };
        let host = entry.key.text.split("://").last().unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default();
        imported.logins.push(login(host, &entry.key.at, auth, reader, out));
    }
}

fn login(host: &str, at: &Span, mut auth: Section<'_>, reader: &Reader<'_>, out: &mut Vec<Problem>) -> Login {
    let username = auth.string("username", out);
    let password = auth.string("password", out);
    let encoded = auth.string("auth", out);
    let token = auth.string("identity_token", out);
    auth.finish(out);
    let secret = |found: Located<&str>| Secret::new(found.value.to_owned());
    let filled = |found: &Located<&str>| !found.value.is_empty();
    Login {
        host: host.to_owned(),
        username: username.filter(filled).map(|name| name.value.to_owned()),
        password: password.filter(filled).map(secret),
        encoded: encoded.filter(filled).map(secret),
        identity_token: token.filter(filled).map(secret),
        source: draft::file_line(at, reader.texts),
    }
}

/// Rancher writes an empty text for a value that is not set.
fn needs(mut tls: Section<'_>, out: &mut Vec<Problem>) -> Vec<(Transport, Span)> {
    let mut needs = Vec::new();
    let mut file = |key, out: &mut Vec<Problem>| {
        let set = tls.string(key, out)?;
        (!set.value.is_empty()).then(|| (PathBuf::from(set.value), set.at))
    };
    let ca = file("ca_file", out);
    let cert = file("cert_file", out);
    let key = file("key_file", out);
    if let Some((path, at)) = ca {
        needs.push((Transport::CaFile(path), at));
    }
    match (cert, key) {
        (Some((cert, at)), key) => {
            needs.push((Transport::ClientCert { cert, key: key.map(|(path, _)| path) }, at));
        }
        (None, Some((_, at))) => {
            out.push(Problem::warning("`key_file` has no effect without `cert_file`").at(&at));
        }
        (None, None) => {}
    }
    if let Some(set) = tls.boolean("insecure_skip_verify", out).filter(|set| set.value) {
        needs.push((Transport::SkipVerify, set.at));
    }
    tls.finish(out);
    needs
}

/// In a cluster's `rkeConfig`, credentials and certificates are names of secrets in the cluster.
fn refuse_rancher(config: &mut Section<'_>, out: &mut Vec<Problem>) {
    for key in ["authConfigSecretName", "tlsSecretName", "caBundle", "insecureSkipVerify"] {
        let Some(entry): Option<Field<'_>> = config.field(key) else { continue };
        if entry.text().is_some_and(|text| !text.is_empty() && text != "false") {
            let message =
                format!("`{}` cannot be carried over from here: only Rancher can resolve it", entry.name);
            let hint =
                "read the file that Rancher makes of it on the node: /etc/rancher/rke2/registries.yaml";
            out.push(Problem::warning(message).at(entry.at).hint(hint).left_behind());
        }
    }
}
