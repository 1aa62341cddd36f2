//! `configs` and the older `auths`: TLS and credentials, by host.
//!
//! Holds: credentials are hidden in everything that is shown of the file.

use super::super::super::diagnostic::{Problem, Span};
use super::super::super::draft::{self, Imported};
use super::super::super::section::{Field, Section};
use super::super::host_config;
use super::reader::{PROGRAM, Reader};

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
            let before = imported.logins.len();
            login(&entry.key.text, &entry.key.at, auth, reader, imported, out);
            if entry.key.text == "*" && imported.logins.len() > before {
                let message = format!(
                    "credentials for \"*\" have no effect in {PROGRAM}'s containerd, which looks hosts up by name"
                );
                out.push(Problem::warning(message).at(&entry.key.at).hint("name each host"));
            }
        }
        if let Some(tls) = config.section("tls", out) {
            let needs = host_config::tls(tls, out).into_iter();
            imported.transport.extend(needs.map(|what| draft::need(&entry.key.text, what, reader.texts)));
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
        let host = host_config::host_of(&entry.key.text);
        login(host, &entry.key.at, auth, reader, imported, out);
    }
}

fn login(
    host: &str,
    at: &Span,
    mut auth: Section<'_>,
    reader: &Reader<'_>,
    imported: &mut Imported,
    out: &mut Vec<Problem>,
) {
    host_config::login(host, at, &mut auth, "identity_token", reader.texts, imported, out);
    auth.finish(out);
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
