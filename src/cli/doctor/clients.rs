//! crictl and others that use the runtime by hand.

use std::path::Path;

use super::look::Look;
use crate::node::{Endpoint, Finding, Place, crictl_config};

/// Where crictl looks.
const MAIN: &str = "/etc/crictl.yaml";

/// How many processes are named.
const MOST: usize = 8;

pub(super) fn findings(look: &Look) -> Vec<Finding> {
    let mut found = of_file(look, Path::new(MAIN), true);
    for rancher in &look.ranchers {
        // k3s and RKE2 write it at each start.
        let file = rancher.data.join("agent/etc/crictl.yaml");
        found.extend(of_file(look, &file, false));
    }
    found.extend(silent(look));
    found.extend(connected(look));
    found
}

fn of_file(look: &Look, file: &Path, is_main: bool) -> Vec<Finding> {
    let at = Place::file(file);
    let Some(text) = look.tree.text(file) else {
        let what = "there is no /etc/crictl.yaml: crictl takes the first runtime that it finds, and pulls past cri-shunt";
        return match is_main && !look.tree.has(file) {
            true => vec![Finding::note("crictl-goes-round", what).at(&at).advice(example())],
            false => Vec::new(),
        };
    };
    let config = match crictl_config(&text) {
        Ok(config) => config,
        Err(broken) => {
            let what = format!(
                "{} cannot be used: it is not YAML, or an endpoint in it is not a text",
                file.display()
            );
            return vec![
                Finding::warning("crictl-config-broken", what)
                    .at(&Place { line: broken.line, ..at })
                    .advice("crictl does not run with it: correct the file"),
            ];
        }
    };
    let Some(image) = config.image.or(config.runtime) else {
        return vec![
            Finding::warning(
                "crictl-goes-round",
                format!("{} names no endpoint, so crictl pulls past cri-shunt", file.display()),
            )
            .at(&at)
            .should_be(look.endpoint())
            .advice(example()),
        ];
    };
    if look.is_own_endpoint(&image.value) {
        return Vec::new();
    }
    let said = image.said(file);
    let what = match Endpoint::of(&said.value) {
        Endpoint::Shim(shim, _) => format!("crictl asks {shim} for images by {}", file.display()),
        _ => format!("crictl pulls past cri-shunt by {}", file.display()),
    };
    let finding = match is_main {
        true => Finding::warning("crictl-goes-round", what)
            .advice("write the socket of cri-shunt as image-endpoint"),
        false => Finding::note("crictl-goes-round", what)
            .advice("it is written again at each start: use crictl --config /etc/crictl.yaml"),
    };
    vec![finding.at(&said.at).is(&said.value).should_be(look.endpoint())]
}

fn example() -> &'static str {
    "copy crictl.yaml from /usr/share/doc/cri-shunt/examples to /etc"
}

/// Endpoints that somebody is given, and where nobody takes connections.
fn silent(look: &Look) -> Vec<Finding> {
    let Some(sockets) = &look.sockets else { return Vec::new() };
    let said = look.kubelets().filter_map(|(kubelet, _)| kubelet.image.last().or(kubelet.runtime.last()));
    let finding = |said: &crate::node::Said| {
        let endpoint = Endpoint::of(&said.value);
        let path = endpoint.path()?;
        // That of cri-shunt itself is told of elsewhere.
        if look.is_own_endpoint(&said.value) || sockets.has(path) {
            return None;
        }
        let what = format!("kubelet is given {}, and nobody listens there", path.display());
        Some(Finding::problem("nobody-listens", what).at(&said.at).is(&said.value).should_be(look.endpoint()))
    };
    said.filter_map(finding).collect()
}

/// Who is really connected to whom.
fn connected(look: &Look) -> Vec<Finding> {
    let Some(sockets) = &look.sockets else { return Vec::new() };
    let (own, containerd) = (sockets.clients(&look.own.socket), sockets.clients(&look.own.containerd));
    let daemon = sockets.at(&look.own.socket).unwrap_or_default();
    let mut found = Vec::new();
    for (kubelet, rancher) in look.kubelets() {
        let Some(process) = look.process_of(rancher) else { continue };
        let is_round = containerd.contains(&process.pid) && !own.contains(&process.pid);
        // Of a kubelet that is not given the shunt, something else is told.
        let is_told = kubelet.image.last().is_some_and(|said| look.is_own_endpoint(&said.value));
        if is_round && is_told && !daemon.is_empty() {
            let what = format!(
                "{} (process {}) is connected to containerd and not to cri-shunt, though its files name cri-shunt",
                process.name, process.pid
            );
            found.push(
                Finding::problem("kubelet-not-restarted", what)
                    .advice("it takes endpoints only when it starts: restart it; containers go on")
                    .command(format!("systemctl restart {}", kubelet.unit)),
            );
        }
    }
    let others = look
        .processes
        .iter()
        .filter(|process| containerd.contains(&process.pid) && process.name != "cri-shunt");
    let mut names: Vec<String> =
        others.map(|process| format!("{} ({})", process.name, process.pid)).collect();
    if !names.is_empty() {
        let more = names.len().saturating_sub(MOST);
        names.truncate(MOST);
        names.extend((more > 0).then(|| format!("{more} more")));
        let what = format!("connected to {} itself: {}", look.own.containerd.display(), names.join(", "));
        found.push(Finding::note("clients-of-containerd", what));
    }
    found
}
