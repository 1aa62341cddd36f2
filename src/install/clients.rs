//! Where kubelet, k3s, RKE2 and crictl get their image endpoint from, and what has to change there.

use std::path::{Path, PathBuf};

use super::draft::{Draft, Part};
use super::edit;
use super::node::{CRICTL, Client, Next, No, Node};
use super::written::{NAMES, attempt, replace, text_of};
use crate::node::{
    Distribution, Finding, Kubelet, Rancher, Severity, Tree, Written, crictl_config, kubelet_config, of_unit,
};

/// Files with flags that people write, and that kubeadm leaves alone.
const EXTRA_ARGS: [&str; 2] = ["/etc/default/kubelet", "/etc/sysconfig/kubelet"];

/// The API of a kubelet's configuration that has the key.
const KNOWN: &str = "kubelet.config.k8s.io/v1beta1";

/// Plans the changes of these clients.
pub(super) fn plan(node: &Node<'_>, clients: &[Client], draft: &mut Draft<'_>) -> Result<(), String> {
    for client in clients {
        let done = match client {
            Client::Kubelet | Client::Kubeadm => of_kubelet(node, *client, draft),
            Client::K3s | Client::Rke2 => of_rancher(node, *client, draft),
            Client::Crictl => of_crictl(node, draft),
        };
        match done {
            Ok(()) => {
                draft.serve(client.name());
                if *client == Client::Kubeadm {
                    draft.note("kubeadm itself pulls through its criSocket, which stays as it is");
                }
            }
            Err(No::Leave(why)) => draft.leave(why),
            Err(No::Refuse(why)) => return Err(why),
        }
    }
    Ok(())
}

/// The words of a finding because of which a program does not even start.
fn broken(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.id.ends_with("-broken"))
}

// === kubelet ===

fn of_kubelet(node: &Node<'_>, client: Client, draft: &mut Draft<'_>) -> Result<(), No> {
    let Some(kubelet) = node.kubelet.filter(|_| node.has(client)) else {
        return Err(No::Leave(match client {
            Client::Kubeadm => "there is no kubelet here that kubeadm has set up".to_owned(),
            _ => "there is no kubelet.service here that starts a kubelet".to_owned(),
        }));
    };
    if let Some(finding) = broken(&kubelet.findings) {
        return Err(No::Leave(format!("kubelet is left alone: {}", finding.what)));
    }
    let problems = |kubelet: &Kubelet| {
        kubelet.findings.iter().filter(|finding| finding.severity == Severity::Problem).count()
    };
    let before = problems(kubelet);
    let check = |tree: &Tree| {
        of_unit(tree, None).is_some_and(|after| {
            after.image.last().is_some_and(|said| node.is_own(&said.value)) && problems(&after) <= before
        })
    };
    match node.judge("kubelet", kubelet.image.last(), kubelet.runtime.last())? {
        Next::Nothing => return Ok(()),
        Next::Replace(said) => replace(node, draft, said, &check)?,
        Next::Insert => into_kubelet(node, kubelet, draft, &check)?,
    }
    draft.restart(&kubelet.unit);
    Ok(())
}

fn into_kubelet(
    node: &Node<'_>,
    kubelet: &Kubelet,
    draft: &mut Draft<'_>,
    check: &dyn Fn(&Tree) -> bool,
) -> Result<(), No> {
    if let Some(directory) = &kubelet.directory {
        let file = Path::new(&directory.value).join("20-cri-shunt.conf");
        let text = format!(
            "# Written by cri-shunt install.\napiVersion: {KNOWN}\nkind: KubeletConfiguration\nimageServiceEndpoint: {}\n",
            node.endpoint()
        );
        let is_free = !node.tree.has(&file);
        if is_free && attempt(draft, &file, Some(text), check) {
            return Ok(());
        }
    }
    // Flags count over files, and kubeadm writes its own files again at an upgrade.
    for file in EXTRA_ARGS.map(Path::new) {
        let flag = format!("--{}={}", NAMES[0], node.endpoint());
        let text = match node.tree.has(file) {
            true => text_of(draft, file).ok(),
            false => Some(String::new()),
        };
        let Some(text) = text else { continue };
        if attempt(draft, file, edit::add_flag(&text, "KUBELET_EXTRA_ARGS", &flag), check) {
            return Ok(());
        }
    }
    let Some(file) = kubelet.files.first() else { return Err(No::Leave(by_hand(node))) };
    let text = text_of(draft, file)?;
    let version = kubelet_config(&text).ok().and_then(|config| config.version).unwrap_or_default();
    if version != KNOWN {
        return Err(No::Leave(format!(
            "{} is left alone: its apiVersion is \"{version}\", and this version of cri-shunt knows {KNOWN}",
            file.display()
        )));
    }
    let edited = edit::insert(&text, &["kind", "apiVersion"], NAMES[1], &node.endpoint());
    match attempt(draft, file, edited, check) {
        true => Ok(()),
        false => Err(No::Leave(by_hand(node))),
    }
}

fn by_hand(node: &Node<'_>) -> String {
    format!(
        "kubelet is left alone: no place for its image endpoint is known; start it with --{}={}",
        NAMES[0],
        node.endpoint()
    )
}

// === k3s and RKE2 ===

fn of_rancher(node: &Node<'_>, client: Client, draft: &mut Draft<'_>) -> Result<(), No> {
    let name = client.name();
    let Some(rancher) = node.rancher(client) else {
        return Err(No::Leave(format!("there is no {name} here")));
    };
    if let Some(finding) = broken(&rancher.kubelet.findings) {
        return Err(No::Leave(format!("{name} is left alone: {}", finding.what)));
    }
    if let Some(said) = rancher.own_runtime.as_ref().filter(|said| node.is_own(&said.value)) {
        return Err(No::Refuse(format!(
            "container-runtime-endpoint at {} switches off the containerd of {name}, and cri-shunt needs it: remove it \
             first",
            said.at
        )));
    }
    let distribution = rancher.distribution;
    let check = |tree: &Tree| {
        let after = Rancher::read(tree, distribution).map(|after| after.kubelet);
        after.is_some_and(|after| after.image.last().is_some_and(|said| node.is_own(&said.value)))
    };
    let kubelet = &rancher.kubelet;
    match node.judge(name, kubelet.image.last(), rancher.own_runtime.as_ref())? {
        Next::Nothing => return Ok(()),
        Next::Replace(said) => replace(node, draft, said, &check)?,
        Next::Insert => into_rancher(node, distribution, draft, &check)?,
    }
    rancher.units.iter().for_each(|unit| draft.restart(unit));
    Ok(())
}

fn into_rancher(
    node: &Node<'_>,
    distribution: Distribution,
    draft: &mut Draft<'_>,
    check: &dyn Fn(&Tree) -> bool,
) -> Result<(), No> {
    let endpoint = node.endpoint();
    let setting = match distribution {
        Distribution::K3s => format!("{}: {endpoint}", NAMES[0]),
        // RKE2 drops the key that k3s has. The + adds to what other files say.
        Distribution::Rke2 => format!("kubelet-arg+:\n  - {}={endpoint}", NAMES[0]),
    };
    let text = format!("# Written by cri-shunt install.\n{setting}\n");
    let directory = PathBuf::from(format!("/etc/rancher/{}/config.yaml.d", distribution.word()));
    // A file behind it may take the list away again.
    for name in ["cri-shunt.yaml", "zz-cri-shunt.yaml"] {
        let file = directory.join(name);
        if !node.tree.has(&file) && attempt(draft, &file, Some(text.clone()), check) {
            return Ok(());
        }
    }
    Err(No::Leave(format!(
        "{} is left alone: no file in {} would have an effect; set the image endpoint by hand",
        distribution.name(),
        directory.display()
    )))
}

// === crictl ===

fn of_crictl(node: &Node<'_>, draft: &mut Draft<'_>) -> Result<(), No> {
    let file = Path::new(CRICTL);
    let endpoint = node.endpoint();
    if !node.tree.has(file) {
        let text = format!(
            "# Written by cri-shunt install.\nruntime-endpoint: {endpoint}\nimage-endpoint: {endpoint}\n\
             # The default of crictl, 2 s, is too short for an ImageStatus on a busy node.\ntimeout: 10\n"
        );
        draft.write(file, text, 0o644, Part::Client);
        return Ok(());
    }
    let real = node.tree.way(file).unwrap_or_default();
    let data = node.ranchers.iter().filter_map(|rancher| node.tree.way(&rancher.data).ok());
    if data.into_iter().any(|data| real.starts_with(data)) {
        return Err(No::Leave(format!(
            "{CRICTL} is left alone: it is a link to a file that is written again at each start; replace the link with a file"
        )));
    }
    let text = text_of(draft, file)?;
    let Ok(config) = crictl_config(&text) else {
        return Err(No::Leave(format!(
            "{CRICTL} is left alone: it is not YAML, or an endpoint in it is not a text"
        )));
    };
    let said = |found: Option<Written>| found.map(|found| found.said(file));
    let (image, runtime) = (said(config.image), said(config.runtime));
    let check = |tree: &Tree| {
        let after = tree.text(file).and_then(|text| crictl_config(&text).ok());
        after.and_then(|after| after.image).is_some_and(|image| node.is_own(&image.value))
    };
    match node.judge("crictl", image.as_ref(), runtime.as_ref())? {
        Next::Nothing => Ok(()),
        Next::Replace(said) => replace(node, draft, said, &check),
        Next::Insert => {
            let edited = edit::insert(&text, &["runtime-endpoint"], NAMES[2], &endpoint);
            match attempt(draft, file, edited, &check) {
                true => Ok(()),
                false => Err(No::Leave(format!(
                    "{CRICTL} is left alone: it is written in a way that is not understood"
                ))),
            }
        }
    }
}
