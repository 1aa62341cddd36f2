//! The configuration, and what it leaves to public registries.

use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::look::Look;
use super::{containerd, registries};
use crate::cli::chroot;
use crate::config::{self, Config, Input, Severity};
use crate::containerd::{Cri, Link, is_id_record};
use crate::node::{Finding, Place};
use crate::policy::{Asked, Decision, DefaultAction, Name};
use crate::pull::pause_image;

/// How many of the same kind are told.
const MOST: usize = 5;

/// How long containerd may take to list its images.
const PATIENCE: Duration = Duration::from_secs(10);

/// Registries that everybody can push to, or that are asked over the internet.
const PUBLIC: [&str; 10] = [
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "k8s.gcr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.gitlab.com",
    "registry.k8s.io",
];

/// With a timeout, also the registries that it names.
pub(super) fn findings(look: &Look, runtime: &Runtime, live: Option<Duration>) -> Vec<Finding> {
    let (config, mut found) = match judged(look) {
        Ok(judged) => judged,
        Err(refused) => return refused,
    };
    let (facts, of_containerd) = containerd::running(look, runtime, &config);
    found.extend(of_containerd);
    let pause = facts.pause_image.as_deref().and_then(|name| name.parse().ok());
    if let Some(denied) = pause.and_then(|name| pause_image::denied(config.policy.acting(), &name)) {
        found.push(Finding::problem("pause-image-denied", denied.message).advice(denied.hint));
    }
    let images = match facts.is_reached() {
        true => images(runtime, &config).unwrap_or_else(|why| {
            let what = format!("containerd does not list its images: {why}");
            found.push(Finding::warning("images-unknown", what).command("ctr -n k8s.io images ls"));
            Vec::new()
        }),
        false => Vec::new(),
    };
    found.extend(leaks(&config, &images));
    if let Some(timeout) = live {
        found.extend(registries::findings(&config, &images, timeout));
    }
    found
}

/// The same of the files of another node, whose root becomes that of this process.
pub(super) fn of_files(look: &Look, root: &Path) -> Vec<Finding> {
    if look.own.files.is_empty() && look.service.is_none() {
        return Vec::new();
    }
    if let Err(error) = chroot::enter(root) {
        let what = format!("the configuration is not judged: {} cannot be the root: {error}", root.display());
        return vec![Finding::warning("configuration-not-judged", what).advice("run this command as root")];
    }
    match judged(look) {
        Ok((config, found)) => [found, leaks(&config, &[])].concat(),
        Err(refused) => refused,
    }
}

/// The configuration with what is to be said of it, or why it is refused.
fn judged(look: &Look) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
    let loaded = config::load_from(&Input::file(&look.own.config)).map_err(|problems| refused(&problems))?;
    let warnings = loaded.warnings.count(Severity::Warning);
    let warning = (warnings > 0).then(|| {
        let what = format!("the configuration has warnings ({warnings})");
        Finding::warning("configuration-warnings", what).command("cri-shunt check")
    });
    Ok((loaded.config, warning.into_iter().collect()))
}

fn refused(problems: &config::Diagnostics) -> Vec<Finding> {
    let errors: Vec<_> =
        problems.listed().into_iter().filter(|problem| problem.severity == "error").collect();
    let more = errors.len().saturating_sub(MOST);
    let finding = |problem: config::Listed| {
        let finding = Finding::problem("configuration-refused", problem.message).command("cri-shunt check");
        let finding = match problem.hints.first() {
            Some(hint) => finding.advice(hint),
            None => finding,
        };
        match problem.file {
            Some(file) => finding.at(&Place { file: file.into(), line: problem.line.map(u64::from) }),
            None => finding,
        }
    };
    let mut found: Vec<Finding> = errors.into_iter().take(MOST).map(finding).collect();
    if more > 0 {
        let what = format!("the configuration has {more} more errors");
        found.push(Finding::problem("configuration-refused", what).command("cri-shunt check"));
    }
    found
}

/// The names of the images on the node.
fn images(runtime: &Runtime, config: &Config) -> Result<Vec<Name>, String> {
    let cri = Cri::new(Link::new(config.containerd.socket.as_path().into()));
    let listed = runtime.block_on(async { tokio::time::timeout(PATIENCE, cri.images()).await });
    let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
    let images = listed.map_err(late)?.map_err(|status| status.message().to_owned())?;
    let names = images.iter().flat_map(|image| &image.repo_tags).filter(|name| !is_id_record(name));
    let mut names: Vec<Name> = names.filter_map(|name| name.parse().ok()).collect();
    names.sort_by_key(ToString::to_string);
    Ok(names)
}

/// Names that are left as they are, and lead to a public registry.
fn leaks(config: &Config, images: &[Name]) -> Vec<Finding> {
    let policy = config.policy.acting();
    if policy.passes_all() {
        let what = "the policy has no rule that changes or denies an image: everything is passed on as it is";
        return vec![Finding::warning("policy-empty", what).command("cri-shunt config")];
    }
    let passes = |name: &Name| matches!(policy.decide_unlocked(&Asked::of(name)), Decision::Pass { .. });
    let is_public = |name: &Name| PUBLIC.contains(&name.host());
    let leaked: Vec<String> =
        images.iter().filter(|name| is_public(name) && passes(name)).map(ToString::to_string).collect();
    let mut found = Vec::new();
    if let Some(first) = leaked.first() {
        let more = leaked.len().saturating_sub(MOST);
        let shown = leaked.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let what =
            format!("images on this node are of public registries, and no rule is for them: {shown}{more}");
        found.push(
            Finding::warning("names-leak", what)
                .advice("add rules for these registries, or set default = \"deny\" under [policy]")
                .command(format!("cri-shunt explain {first}")),
        );
    }
    let open: Vec<&str> = PUBLIC
        .into_iter()
        .filter(|host| {
            format!("{host}/library/cri-shunt-doctor:latest").parse().is_ok_and(|name| passes(&name))
        })
        .collect();
    if policy.settings().default == DefaultAction::Pass && !open.is_empty() {
        let what = format!("names that no rule is for go to their public registries: {}", open.join(", "));
        found.push(Finding::note("default-passes", what));
    }
    found
}
