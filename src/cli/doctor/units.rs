//! The units of the shunt: installed, enabled, and before the kubelet.

use super::look::Look;
use crate::install::{DIRECTORY, Record, SERVICE, SOCKET};
use crate::node::{Finding, Place, Said, Unit, is_wanted};

pub(super) fn findings(look: &Look) -> Vec<Finding> {
    unfinished(look).into_iter().chain(of_units(look)).collect()
}

/// A run of `install` that was killed.
fn unfinished(look: &Look) -> Option<Finding> {
    // Only root can read it.
    let record = Record::read(&look.tree).ok()?;
    record.is_unfinished().then(|| {
        Finding::warning("install-unfinished", "cri-shunt install was ended before it has proven its changes")
            .at(&Place::file(DIRECTORY))
            .advice("run it again, or take back what it has changed")
            .command("cri-shunt uninstall")
    })
}

fn of_units(look: &Look) -> Vec<Finding> {
    let (Some(service), Some(socket)) = (&look.service, &look.socket) else {
        let missing = if look.service.is_none() { SERVICE } else { SOCKET };
        let what = format!("{missing} is not installed, so nothing starts cri-shunt before the kubelet");
        return vec![
            Finding::problem("unit-missing", what)
                .advice("install the package, or let cri-shunt install do it")
                .command(enable()),
        ];
    };
    let mut found = Vec::new();
    for unit in [service, socket] {
        if unit.is_masked {
            found.push(
                Finding::problem("unit-masked", format!("{} is masked, so nothing can start it", unit.name))
                    .at(&Place::file(&unit.file))
                    .command(format!("systemctl unmask {}", unit.name)),
            );
        }
    }
    if !found.is_empty() {
        return found;
    }
    found.extend(enabled(look));
    found.extend(order(look, service, socket));
    found.extend(stops(service));
    found.extend(listens(look, socket));
    found
}

fn enable() -> String {
    format!("systemctl enable --now {SOCKET} {SERVICE}")
}

fn enabled(look: &Look) -> Option<Finding> {
    let (socket, service) = (is_wanted(&look.tree, SOCKET), is_wanted(&look.tree, SERVICE));
    match (socket, service) {
        (true, true) => None,
        (true, false) => Some(
            Finding::note(
                "unit-not-enabled",
                format!("{SERVICE} is not enabled: the first connection starts it"),
            )
            .command(enable()),
        ),
        (false, _) => Some(
            Finding::problem(
                "unit-not-enabled",
                format!("{SOCKET} is not enabled: after a boot the socket is not there, and kubelet exits"),
            )
            .command(enable()),
        ),
    }
}

/// The units of kubelets have to start after the socket is there.
fn order(look: &Look, service: &Unit, socket: &Unit) -> Vec<Finding> {
    let mut found = Vec::new();
    for (kubelet, _) in look.kubelets() {
        let name = kubelet.unit.as_str();
        let Some(unit) = Unit::read(&look.tree, name) else { continue };
        let is_in = |all: &[Said], name: &str| all.iter().any(|said| said.value == name);
        let before = is_in(&socket.units("Before"), name) || is_in(&service.units("Before"), name);
        let after = unit.units("After");
        if !before && !is_in(&after, SOCKET) && !is_in(&after, SERVICE) {
            let what =
                format!("nothing starts cri-shunt before {name}: kubelet exits if its endpoint is not there");
            found.push(
                Finding::problem("unit-order", what)
                    .at(&Place::file(&socket.file))
                    .should_be(format!("Before={name}"))
                    .advice(format!("write Before={name} under [Unit]: systemctl edit {SOCKET}"))
                    .command("systemctl daemon-reload"),
            );
        }
        // The other way round, in either of the units.
        let of_own = [socket, service].into_iter().flat_map(|own| own.units("After"));
        let of_own = of_own.filter(|said| said.value == name);
        let of_kubelet = unit.units("Before").into_iter();
        let of_kubelet = of_kubelet.filter(|said| [SOCKET, SERVICE].contains(&said.value.as_str()));
        for said in of_own.chain(of_kubelet) {
            let what = format!("cri-shunt is started after {name}, or in a circle with it");
            found.push(
                Finding::problem("unit-order", what)
                    .at(&said.at)
                    .is(&said.value)
                    .advice("remove this line")
                    .command("systemctl daemon-reload"),
            );
        }
    }
    found
}

/// What would stop the daemon with another unit.
fn stops(service: &Unit) -> Vec<Finding> {
    let keys = ["Requires", "BindsTo", "PartOf", "Requisite"];
    let named = keys.into_iter().flat_map(|key| service.units(key).into_iter().map(move |said| (key, said)));
    let others = named.filter(|(_, said)| said.value.ends_with(".service") && said.value != SERVICE);
    others
        .map(|(key, said)| {
            let what = format!(
                "{SERVICE} stops with {}: {key} says so, and kubelet has no images meanwhile",
                said.value
            );
            Finding::warning("unit-stops", what)
                .at(&said.at)
                .is(format!("{key}={}", said.value))
                .advice("write After= in its place: the daemon waits for containerd by itself")
                .command("systemctl daemon-reload")
        })
        .collect()
}

/// `[listen]` is for a daemon without a socket unit.
fn listens(look: &Look, socket: &Unit) -> Option<Finding> {
    let listen = look.own.listen.as_ref()?;
    let held = socket.values("Socket", "ListenStream");
    if held.iter().any(|said| said.value == listen.to_string_lossy()) {
        return None;
    }
    let first = held.first()?;
    let what = format!("listen.socket has no effect: {SOCKET} holds the socket, at {}", first.value);
    Some(
        Finding::warning("listen-not-used", what)
            .at(&first.at)
            .is(listen.display().to_string())
            .should_be(&first.value)
            .advice(format!("remove socket under [listen], or set ListenStream=: systemctl edit {SOCKET}")),
    )
}
