//! containerd: its files, and the one that runs.

use std::path::{Path, PathBuf};

use tokio::runtime::Runtime;
use toml::{Table, Value};

use super::look::Look;
use crate::cli::{check, facts};
use crate::config::Config;
use crate::containerd::{Facts, PullMode};
use crate::node::{Finding, Place, Unit};

/// Where packages have it.
const MAIN: &str = "/etc/containerd/config.toml";

/// The tables of images: of files of version 1, of containerd 1.x, and of 2.x.
const TABLES: [&str; 3] = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];

/// How the plugin that serves the CRI is called where it is switched off.
const CRI: [&str; 2] = ["cri", "io.containerd.grpc.v1.cri"];

/// Its files, without asking it.
pub(super) fn of_files(look: &Look) -> Vec<Finding> {
    let own = look.ranchers.iter().map(|rancher| rancher.data.join("agent/etc/containerd/config.toml"));
    let mut files: Vec<PathBuf> = own.collect();
    if files.is_empty() || Unit::read(&look.tree, "containerd.service").is_some() {
        files.push(PathBuf::from(MAIN));
    }
    files.iter().flat_map(|file| of_file(look, file)).collect()
}

fn of_file(look: &Look, file: &Path) -> Vec<Finding> {
    let at = Place::file(file);
    let Some(text) = look.tree.text(file) else { return Vec::new() };
    let config: Table = match text.parse() {
        Ok(config) => config,
        Err(error) => {
            let error: toml::de::Error = error;
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| before.matches('\n').count() as u64 + 1);
            return vec![
                Finding::problem("containerd-config-broken", format!("{} is not TOML", file.display()))
                    .at(&Place { line, ..at })
                    .advice("containerd does not start with it: correct the file")
                    .command("systemctl restart containerd"),
            ];
        }
    };
    let mut found = Vec::new();
    let disabled = config.get("disabled_plugins").and_then(Value::as_array).into_iter().flatten();
    if let Some(name) = disabled.filter_map(Value::as_str).find(|name| CRI.contains(name)) {
        found.push(
            Finding::problem(
                "containerd-cri-off",
                "containerd does not serve the CRI: its plugin is switched off",
            )
            .at(&at)
            .is(format!("disabled_plugins = [\"{name}\"]"))
            .should_be("disabled_plugins = []")
            .advice("packages of Docker switch it off: remove it from the list")
            .command("systemctl restart containerd"),
        );
    }
    for registry in TABLES.iter().filter_map(|table| config.get("plugins")?.get(table)?.get("registry")) {
        let path = registry.get("config_path").and_then(Value::as_str).unwrap_or_default();
        let mirrors =
            registry.get("mirrors").and_then(Value::as_table).is_some_and(|mirrors| !mirrors.is_empty());
        if mirrors && !path.is_empty() {
            found.push(
                Finding::problem(
                    "containerd-mirrors",
                    "containerd serves no images with config_path and mirrors both set",
                )
                .at(&at)
                .advice("remove registry.mirrors: the rules of cri-shunt take their place")
                .command("systemctl restart containerd"),
            );
        } else if mirrors {
            let what = "containerd has mirrors of its own, which also hold for what cri-shunt passes on";
            found.push(
                Finding::warning("containerd-mirrors", what)
                    .at(&at)
                    .advice("make rules of them, and remove them there; cri-shunt import converts them")
                    .command(format!("cri-shunt import {}", file.display())),
            );
        }
    }
    found
}

/// The one that runs.
pub(super) fn running(look: &Look, runtime: &Runtime, config: &Config) -> (Facts, Vec<Finding>) {
    let socket = config.containerd.socket.as_path();
    let sockets = look.sockets.as_ref();
    if !sockets.is_some_and(|sockets| sockets.has(socket)) {
        let others = sockets.map(|sockets| sockets.ending("containerd.sock")).unwrap_or_default();
        let what = format!("nobody listens on {}, where cri-shunt looks for containerd", socket.display());
        let finding = Finding::problem("containerd-socket", what)
            .at(&Place::file(&look.own.config))
            .is(socket.display().to_string());
        let finding = match others.first() {
            Some(other) => finding
                .should_be(other.display().to_string())
                .advice("set socket under [containerd] to one where containerd listens")
                .command("systemctl restart cri-shunt"),
            None => finding.advice("start containerd").command("systemctl start containerd"),
        };
        return (Facts::default(), vec![finding]);
    }
    let facts = runtime.block_on(facts::facts(config));
    if !facts.is_reached() {
        let what =
            format!("the program that listens on {} does not answer as containerd does", socket.display());
        let finding = Finding::problem("containerd-does-not-answer", what)
            .at(&Place::file(socket))
            .command("systemctl status containerd");
        return (facts, vec![finding]);
    }
    let mut found = vec![of_facts(&facts)];
    found.extend(
        check::problems_of_hosts(config, &facts).into_iter().map(|what| Finding::warning("hosts-toml", what)),
    );
    if let Some(snapshotter) = &facts.lazy_snapshotter {
        let what = format!(
            "the snapshotter {snapshotter} fetches layers later, past the policy's mirrors of that time"
        );
        found.push(Finding::note("lazy-snapshotter", what));
    } else if let Some(reason) = facts.fetches_by_mirror_host() {
        found.push(Finding::note(
            "mirrors-own-names",
            format!("containerd fetches images by the mirrors' own hosts: {reason}"),
        ));
    }
    (facts, found)
}

fn of_facts(facts: &Facts) -> Finding {
    let mode = match facts.pull_mode {
        Some(PullMode::Local) => "CRI pulls by itself",
        Some(PullMode::Transfer) => "the transfer service pulls",
        None => "its pull mode is not known",
    };
    let read: Vec<String> = facts.roots.read().iter().map(|root| root.display().to_string()).collect();
    let read = if read.is_empty() { "no directory".to_owned() } else { read.join(", ") };
    Finding::note(
        "containerd",
        format!("containerd {}: {mode}, hosts.toml is read from {read}", facts.version),
    )
}
