//! kubelet, k3s and RKE2: do they ask the shunt for images?

use std::path::Path;

use super::look::Look;
use crate::node::{Distribution, Endpoint, Finding, Kubelet, Process, Rancher, Said};

pub(super) fn findings(look: &Look) -> Vec<Finding> {
    let mut found = Vec::new();
    for (kubelet, rancher) in look.kubelets() {
        found.extend(kubelet.findings.iter().cloned());
        found.extend(endpoint(look, kubelet, rancher));
        found.extend(overruled(look, kubelet));
        found.extend(runtime(look, kubelet, rancher));
        found.extend(look.process_of(rancher).and_then(|process| is_older(look, kubelet, process)));
    }
    found.extend(look.ranchers.iter().flat_map(|rancher| of_rancher(look, rancher)));
    if look.kubelets().next().is_none() {
        let what = "no kubelet was found: no kubelet.service that starts one, no k3s and no RKE2";
        found.push(Finding::note("no-kubelet", what));
    }
    found
}

/// The endpoint that counts. Of a kubelet that does not start nothing is said.
fn endpoint(look: &Look, kubelet: &Kubelet, rancher: Option<&Rancher>) -> Option<Finding> {
    if kubelet.findings.iter().any(|finding| finding.id.ends_with("-broken")) {
        return None;
    }
    let image = kubelet.image.last().or(kubelet.runtime.last());
    let Some(said) = image else {
        let what =
            format!("{} is given no image endpoint, so it pulls past cri-shunt", name(kubelet, rancher));
        return Some(to_own(look, Finding::problem("kubelet-goes-round", what), kubelet, rancher));
    };
    if look.is_own_endpoint(&said.value) {
        return None;
    }
    let name = name(kubelet, rancher);
    let finding = match Endpoint::of(&said.value) {
        Endpoint::Shim(shim, _) => {
            let what = format!("{name} asks {shim} for images, and not cri-shunt");
            Finding::problem("another-shim", what)
        }
        Endpoint::Runtime(runtime, _) => Finding::problem(
            "another-runtime",
            format!("{name} asks {runtime} for images, and not cri-shunt"),
        ),
        Endpoint::NoPath => Finding::problem(
            "kubelet-goes-round",
            format!("the image endpoint of {name} is not the path of a socket"),
        ),
        // It is told as such.
        _ if kubelet.image.iter().any(|said| look.is_own_endpoint(&said.value)) => return None,
        Endpoint::Containerd(_) | Endpoint::Other(_) => {
            Finding::problem("kubelet-goes-round", format!("{name} pulls past cri-shunt"))
        }
    };
    Some(to_own(look, finding.at(&said.at).is(&said.value), kubelet, rancher))
}

fn to_own(look: &Look, finding: Finding, kubelet: &Kubelet, rancher: Option<&Rancher>) -> Finding {
    let endpoint = look.endpoint();
    let advice = match rancher.map(|rancher| rancher.distribution) {
        Some(Distribution::K3s) => {
            format!(
                "write image-service-endpoint: {endpoint} in /etc/rancher/k3s/config.yaml.d/cri-shunt.yaml"
            )
        }
        Some(Distribution::Rke2) => format!(
            "write kubelet-arg+: [image-service-endpoint={endpoint}] in /etc/rancher/rke2/config.yaml.d/cri-shunt.yaml"
        ),
        None => match (kubelet.image.last(), &kubelet.directory) {
            (Some(_), _) => format!("write {endpoint} there"),
            (None, Some(directory)) => format!(
                "write imageServiceEndpoint: {endpoint} in a KubeletConfiguration {}/20-cri-shunt.conf",
                directory.value
            ),
            (None, None) => match kubelet.files.first() {
                Some(file) => format!("write imageServiceEndpoint: {endpoint} in {}", file.display()),
                None => format!("start kubelet with --image-service-endpoint={endpoint}"),
            },
        },
    };
    let command = format!("systemctl restart {}", kubelet.unit);
    let finding = finding.should_be(endpoint).command(command);
    match finding.id {
        "another-shim" => finding.advice(format!(
            "only one program can be there: switch the other one's image proxy off, and {advice}"
        )),
        _ => finding.advice(advice),
    }
}

/// Settings with the shunt that another one overrules.
fn overruled(look: &Look, kubelet: &Kubelet) -> Vec<Finding> {
    let Some((counts, before)) = kubelet.image.split_last() else { return Vec::new() };
    if look.is_own_endpoint(&counts.value) {
        return Vec::new();
    }
    let is_own = before.iter().filter(|said| look.is_own_endpoint(&said.value));
    let finding = |said: &Said| {
        let what = format!("the image endpoint at {} has no effect: that at {} counts", said.at, counts.at);
        Finding::problem("kubelet-overruled", what)
            .at(&counts.at)
            .is(&counts.value)
            .should_be(look.endpoint())
            .advice(format!("remove it from {}", counts.at))
            .command(format!("systemctl restart {}", kubelet.unit))
    };
    is_own.map(finding).collect()
}

fn runtime(look: &Look, kubelet: &Kubelet, rancher: Option<&Rancher>) -> Option<Finding> {
    let said = kubelet.runtime.last();
    let value = said.map(|said| said.value.as_str()).unwrap_or_default();
    if let (Some(said), Endpoint::Runtime(runtime, _)) = (said, Endpoint::of(value)) {
        let what = format!(
            "{} runs its pods with {runtime}, and cri-shunt stands in front of containerd",
            name(kubelet, rancher)
        );
        return Some(Finding::problem("another-runtime", what).at(&said.at).is(value));
    }
    if look.is_own_endpoint(value) {
        return None;
    }
    let what = format!(
        "{} starts pods past cri-shunt: it does not see CreateContainer and RunPodSandbox, so an image that is \
         denied and is already there can be used",
        name(kubelet, rancher)
    );
    let finding = Finding::note("runtime-goes-round", what);
    Some(match said {
        Some(said) => finding.at(&said.at).is(value).should_be(look.endpoint()),
        None => finding,
    })
}

/// A change takes effect at the next start.
fn is_older(look: &Look, kubelet: &Kubelet, process: &Process) -> Option<Finding> {
    let sets = kubelet.image.last().map(|said| said.at.file.as_path());
    let changed = |file: &Path| look.tree.way(file).is_ok_and(|file| process.is_older_than(&file));
    let file =
        sets.into_iter().chain(kubelet.files.iter().map(|file| file.as_path())).find(|file| changed(file))?;
    let what = format!(
        "{} (process {}) was started before {} was changed",
        process.name,
        process.pid,
        file.display()
    );
    Some(
        Finding::warning("kubelet-not-restarted", what)
            .advice("it takes endpoints only when it starts: restart it; containers go on")
            .command(format!("systemctl restart {}", kubelet.unit)),
    )
}

fn of_rancher(look: &Look, rancher: &Rancher) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = rancher.distribution.name();
    if let (Distribution::Rke2, Some(said)) = (rancher.distribution, &rancher.own_image) {
        found.push(
            Finding::problem(
                "rke2-drops-key",
                "RKE2 has no image-service-endpoint of its own, and ignores it",
            )
            .at(&said.at)
            .is(&said.value)
            .should_be(format!("kubelet-arg+: [image-service-endpoint={}]", look.endpoint()))
            .advice("write kubelet-arg+ in its place")
            .command(format!("systemctl restart {}", rancher.kubelet.unit)),
        );
    }
    if let (Distribution::Rke2, Some(said)) = (rancher.distribution, &rancher.pause_image) {
        found.push(
            Finding::warning("rke2-drops-key", "RKE2 has no pause-image of its own, and ignores it")
                .at(&said.at)
                .is(&said.value)
                .advice("remove it; cri-shunt pulls the pause image of containerd by its rules"),
        );
    }
    if let Some(said) = &rancher.own_runtime
        && look.is_own_endpoint(&said.value)
    {
        let what = format!(
            "container-runtime-endpoint switches off the containerd of {name}, and cri-shunt needs it"
        );
        found.push(
            Finding::problem("rancher-containerd-off", what)
                .at(&said.at)
                .is(&said.value)
                .advice("remove it, and set only the image endpoint")
                .command(format!("systemctl restart {}", rancher.kubelet.unit)),
        );
    }
    if rancher.own_runtime.is_none()
        && look.own.containerd != rancher.containerd()
        && !rancher.units.is_empty()
    {
        let what = format!("{name} runs its own containerd, and cri-shunt connects to another socket");
        found.push(
            Finding::problem("containerd-socket", what)
                .at(&crate::node::Place::file(&look.own.config))
                .is(look.own.containerd.display().to_string())
                .should_be(rancher.containerd().display().to_string())
                .advice("set socket under [containerd] to that")
                .command("systemctl restart cri-shunt"),
        );
    }
    found
}

fn name(kubelet: &Kubelet, rancher: Option<&Rancher>) -> String {
    match rancher {
        Some(rancher) => format!("the kubelet of {}", rancher.distribution.name()),
        None => format!("the kubelet of {}", kubelet.unit),
    }
}
