//! Reads the files of other programs as rules.
//!
//! Holds: a source is read as its own program reads it, or it is a problem. Nothing in it is ignored without a message.
//! Where two rules have the same prefix, the native one is used, then that of the earlier source. A rule of a source
//! never allows what a native rule denies.
//!
//! Every format matches registries by the exact `host[:port]`. Rules see normalised hosts, so here a rule for
//! `docker.io` is also for `registry-1.docker.io` and `docker.io:443`: no spelling avoids it.

mod certs_d;
mod containerd_config;
pub(super) mod detect_format;
mod docker_daemon;
pub(super) mod endpoint;
mod endpoint_list;
#[cfg(test)]
mod fixture;
mod host_config;
mod image_cri_shim;
pub(super) mod lint;
mod one_file;
mod openshift;
pub(super) mod pattern;
mod registries_conf;
mod registries_yaml;
pub(super) mod request;
pub(super) mod source_file;
mod talos;

use self::source_file::{Format, SourceFile};
use super::diagnostic::{Problem, Texts};
use super::draft::{Imported, PolicyDraft};
use crate::policy::Layer;

/// Reads every source and adds its rules after the native ones, as the layers are ordered.
pub(super) fn read_all(
    sources: &[SourceFile],
    texts: &mut Texts,
    draft: &mut PolicyDraft,
    out: &mut Vec<Problem>,
) -> Imported {
    let mut all = Imported::default();
    for (i, source) in sources.iter().enumerate() {
        let Imported { rules, transport, logins } = read(source, texts, out);
        draft.rules.extend(rules.into_iter().map(|mut drafted| {
            drafted.rule.layer = Layer::Source(i);
            let own = drafted.own.iter_mut().flat_map(|own| &mut own.needs);
            own.for_each(|need| need.value.layer = Layer::Source(i));
            drafted
        }));
        all.transport.extend(transport.into_iter().map(|mut need| {
            need.value.layer = Layer::Source(i);
            need
        }));
        all.logins.extend(logins);
    }
    all
}

/// Reads one source; what is wrong with it is in `out`. Where nothing comes from it, it may be another program's file.
pub(super) fn read(source: &SourceFile, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let before = out.len();
    let imported = read_as(source, texts, out);
    if imported.is_empty()
        && let Some(mistaken) = detect_format::mistaken(&source.path, source.format, texts)
    {
        out.truncate(before);
        out.push(mistaken);
    }
    imported
}

fn read_as(source: &SourceFile, texts: &mut Texts, out: &mut Vec<Problem>) -> Imported {
    let path = &source.path;
    match source.format {
        Format::RegistriesYaml => registries_yaml::read(path, source.disable_default_endpoint, texts, out),
        Format::CertsD => certs_d::read(path, texts, out),
        Format::RegistriesConf => registries_conf::read(path, texts, out),
        Format::ImageCriShim => image_cri_shim::read(path, texts, out),
        Format::ContainerdConfig => containerd_config::read(path, texts, out),
        Format::DockerDaemon => docker_daemon::read(path, texts, out),
        Format::OpenShift => openshift::read(path, texts, out),
        Format::Talos => talos::read(path, texts, out),
    }
}
