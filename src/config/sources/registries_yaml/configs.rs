//! `configs` and the older `auths`: TLS and credentials, by host.
//!
//! Before: the reader has the mappings.  After: TLS settings are transport needs, credentials logins.
//! Holds: credentials are masked in everything that is shown of the file.
//! Not here: which of them an endpoint gets: its exact host's, as everywhere.

use std::path::PathBuf;

use super::super::super::assemble;
use super::super::super::diagnostic::{Located, Problem, Span};
use super::super::Imported;
use super::super::mapping::{Entry, Mapping};
use super::{PROGRAM, Reader, located};
use crate::containerd::hosts::Transport;
use crate::credentials::Login;
use crate::files::secret::Secret;

/// Reads `configs`.
pub(super) fn read(
    configs: &Mapping<'_>,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    for entry in configs.entries() {
        let Some(mut config) = entry.mapping(out) else { continue };
        if let Some(auth) = config.mapping("auth", out) {
            let login = login(&entry.key.text, &entry.key.at, auth, reader, out);
            if login.host == "*" {
                let message = format!(
                    "credentials for \"*\" have no effect in {PROGRAM}'s containerd, which looks hosts up by name"
                );
                out.push(Problem::warning(message).at(&entry.key.at).hint("name each host"));
            }
            imported.logins.push(login);
        }
        if let Some(tls) = config.mapping("tls", out) {
            for (what, at) in needs(tls, out) {
                let what = Located { value: what, at };
                imported.transport.push(assemble::need(&entry.key.text, what, reader.texts));
            }
        }
        refuse_rancher(&mut config, out);
        config.finish(PROGRAM, out);
    }
}

/// Reads `auths`, whose keys are URLs.
pub(super) fn read_auths(
    auths: &Mapping<'_>,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    for entry in auths.entries() {
        let Some(auth) = entry.mapping(out) else { continue };
        let host = entry.key.text.split("://").last().unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default();
        imported.logins.push(login(host, &entry.key.at, auth, reader, out));
    }
}

fn login(host: &str, at: &Span, mut auth: Mapping<'_>, reader: &Reader<'_>, out: &mut Vec<Problem>) -> Login {
    let username = auth.text("username", out).map(|(text, at)| located(text, at));
    let password = auth.text("password", out);
    let encoded = auth.text("auth", out);
    let token = auth.text("identity_token", out);
    auth.finish(PROGRAM, out);
    let secret = |(text, _): (&str, &Span)| Secret::new(text.to_owned());
    let filled = |found: &(&str, &Span)| !found.0.is_empty();
    Login {
        host: host.to_owned(),
        username: username.filter(|name| !name.value.is_empty()).map(|name| name.value),
        password: password.filter(filled).map(secret),
        encoded: encoded.filter(filled).map(secret),
        identity_token: token.filter(filled).map(secret),
        source: assemble::source(at, reader.texts),
    }
}

/// Empty texts are what Rancher writes for what is not set.
fn needs(mut tls: Mapping<'_>, out: &mut Vec<Problem>) -> Vec<(Transport, Span)> {
    let mut needs = Vec::new();
    let mut file = |key, out: &mut Vec<Problem>| {
        let (text, at) = tls.text(key, out)?;
        (!text.is_empty()).then(|| (PathBuf::from(text), at.clone()))
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
    if let Some((true, at)) = tls.boolean("insecure_skip_verify", out) {
        needs.push((Transport::SkipVerify, at.clone()));
    }
    tls.finish(PROGRAM, out);
    needs
}

/// In a cluster's `rkeConfig` credentials and certificates are names of secrets, which are in the cluster.
fn refuse_rancher(config: &mut Mapping<'_>, out: &mut Vec<Problem>) {
    for key in ["authConfigSecretName", "tlsSecretName", "caBundle", "insecureSkipVerify"] {
        let Some(entry): Option<Entry<'_>> = config.entry(key) else { continue };
        if entry.node.text().is_some_and(|text| !text.is_empty() && text != "false") {
            let message =
                format!("`{}` cannot be carried over from here: it is Rancher's to resolve", entry.name);
            let hint =
                "read the file that Rancher makes of it on the node: /etc/rancher/rke2/registries.yaml";
            out.push(Problem::warning(message).at(&entry.node.at).hint(hint).left_behind());
        }
    }
}
