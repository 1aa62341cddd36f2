//! Reads what a Talos machine configuration says of registries: the documents RegistryMirrorConfig, RegistryAuthConfig
//! and RegistryTLSConfig, and the older `machine.registries`.
//!
//! Holds: Talos makes a `certs.d` of them, and this is read as `certs_d` reads it: one entry by exact host, else `*`,
//! endpoints in order, and the registry itself last unless `skipFallback` is set. Other documents of the file are about
//! other things, and are not looked at.
//! Source: Talos `pkg/machinery/config/types/cri` and `internal/pkg/containers/cri/containerd/hosts.go`.

mod documents;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::draft::{self, Imported};
use super::super::parse_yaml;
use super::certs_d::{Directory, HostsFile, add_directory, pass};
use super::host_config;
use super::one_file;
use crate::policy::Prefix;

use self::documents::{Found, MirrorDocument};

/// Reads a source.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    one_file::read(path, texts, out, add)
}

fn add(text: TextId, texts: &Texts, imported: &mut Imported, out: &mut Vec<Problem>) {
    let Some(nodes) = parse_yaml::documents(text, texts.content(text), out) else { return };
    let before = out.len();
    let mut found = Found::default();
    nodes.iter().for_each(|node| found.add(node, out));
    let Found { mirrors, tls, logins, .. } = found;
    if mirrors.is_empty() && tls.is_empty() && logins.is_empty() && out.len() == before {
        let message = format!("{} says nothing of registries: no rule comes from it", texts.name(text));
        out.push(
            Problem::warning(message).hint("the kind of a document about mirrors is RegistryMirrorConfig"),
        );
    }
    for (host, at, mut section) in logins {
        host_config::login(&host, &at, &mut section, "identityToken", texts, imported, out);
        section.finish(out);
    }
    let has_default = mirrors.iter().any(|mirror| mirror.registry == "*");
    for MirrorDocument { registry, prefix, at, mut hosts, skip_fallback } in mirrors {
        for host in &mut hosts {
            host.transport.extend(tls.get(&host.address.host).into_iter().flatten().cloned());
        }
        // With `server` set, containerd does not ask the registry itself.
        let server = if skip_fallback { hosts.pop() } else { None };
        let directory = Directory { path: PathBuf::new(), prefix, registry };
        let shadows = has_default && directory.registry != "*";
        let file = HostsFile { hosts, server, top: Vec::new() };
        add_directory(&directory, &file, (&at, shadows), texts, imported, out);
    }
    let mut ruled: HashSet<Prefix> =
        imported.rules.iter().map(|drafted| drafted.rule.prefix.clone()).collect();
    for (host, needs) in tls {
        if let (true, Ok(prefix)) = (has_default, host.parse::<Prefix>())
            && let Some(first) = needs.first()
            && ruled.insert(prefix.clone())
        {
            let directory = Directory { path: PathBuf::new(), prefix, registry: host.clone() };
            imported.rules.push(pass(&directory, &first.at, texts));
        }
        imported.transport.extend(needs.into_iter().map(|what| draft::need(&host, what, texts)));
    }
}
