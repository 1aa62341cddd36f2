//! The words by which files are known.
//!
//! Holds: for each key the first sign counts that its value fits.

use super::super::source_file::Format;
use crate::config::files::{EVERYWHERE, MAIN_ONLY};
use crate::config::node::{Node, Value};

/// What a file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Of(Format),
    /// A single file of a `certs.d` tree.
    HostsToml,
    /// This program's own configuration.
    Native,
    /// Docker's `config.json`, or `auth.json` of containers/image.
    Logins,
    /// A Secret of Kubernetes.
    Secret,
    /// kubelet's configuration of credential provider plugins.
    Plugins,
    /// `policy.json` of containers/image.
    Policy,
}

/// What a value is like.
#[derive(Clone, Copy)]
enum Shape {
    Any,
    Table,
    List,
    /// Neither a table nor a list.
    Word,
    Is(&'static str),
    /// A table with this key.
    Has(&'static str),
}

use Looks::{HostsToml, Logins, Native, Of, Plugins, Policy, Secret};
use Shape::{Any, Has, Is, List, Table, Word};

const CONF: Looks = Of(Format::RegistriesConf);
const CONTAINERD: Looks = Of(Format::ContainerdConfig);
const K3S: Looks = Of(Format::RegistriesYaml);
const SHIM: Looks = Of(Format::ImageCriShim);
const DOCKER: Looks = Of(Format::DockerDaemon);
const OPENSHIFT: Looks = Of(Format::OpenShift);
const TALOS: Looks = Of(Format::Talos);

#[rustfmt::skip]
const TOML: &[(&str, Shape, Looks)] = &[
    ("registry", Any, CONF), ("registries", Any, CONF), ("unqualified-search-registries", Any, CONF),
    ("short-name-mode", Any, CONF), ("aliases", Any, CONF), ("credential-helpers", Any, CONF),
    ("host", Any, HostsToml), ("server", Any, HostsToml), ("capabilities", Any, HostsToml),
    ("plugins", Any, CONTAINERD), ("proxy_plugins", Any, CONTAINERD), ("disabled_plugins", Any, CONTAINERD),
    ("required_plugins", Any, CONTAINERD), ("imports", Any, CONTAINERD), ("grpc", Any, CONTAINERD),
    ("ttrpc", Any, CONTAINERD), ("oom_score", Any, CONTAINERD), ("state", Word, CONTAINERD),
    ("stream_processors", Any, CONTAINERD),
];

#[rustfmt::skip]
const YAML: &[(&str, Shape, Looks)] = &[
    ("mirrors", Any, K3S), ("configs", Any, K3S), ("auths", Any, K3S), ("rkeConfig", Any, K3S),
    // A Cluster object of Rancher, or only its `spec.rkeConfig.registries`.
    ("spec", Has("rkeConfig"), K3S), ("registries", Table, K3S),
    ("registries", Any, SHIM), ("address", Any, SHIM), ("sealos", Any, SHIM), ("offlinePriority", Any, SHIM),
    ("shim", Any, SHIM), ("kind", Is("ConfigMap"), SHIM),
    ("registry-mirrors", Any, DOCKER), ("insecure-registries", Any, DOCKER), ("log-driver", Any, DOCKER),
    ("storage-driver", Any, DOCKER), ("exec-opts", Any, DOCKER), ("data-root", Any, DOCKER),
    ("kind", Is("ImageDigestMirrorSet"), OPENSHIFT), ("kind", Is("ImageTagMirrorSet"), OPENSHIFT),
    ("kind", Is("ImageContentSourcePolicy"), OPENSHIFT), ("kind", Is("ImageDigestMirrorSetList"), OPENSHIFT),
    ("kind", Is("ImageTagMirrorSetList"), OPENSHIFT), ("kind", Is("ImageContentSourcePolicyList"), OPENSHIFT),
    ("kind", Is("RegistryMirrorConfig"), TALOS), ("kind", Is("RegistryAuthConfig"), TALOS),
    ("kind", Is("RegistryTLSConfig"), TALOS), ("machine", Table, TALOS),
    ("credHelpers", Any, Logins), ("credsStore", Any, Logins), ("HttpHeaders", Any, Logins),
    ("kind", Is("Secret"), Secret), ("kind", Is("CredentialProviderConfig"), Plugins),
    ("providers", List, Plugins), ("transports", Table, Policy),
];

/// What a key of TOML says. Without a node its value could not be read, and begins with `rest`.
pub(super) fn toml(key: &str, node: Option<&Node>, rest: &str) -> Option<Looks> {
    let is_own = EVERYWHERE.contains(&key) || MAIN_ONLY.contains(&key);
    let is_table = node.map_or(rest.is_empty() || rest.starts_with([']', '.']), |node| {
        matches!(node.value, Value::Map(_) | Value::List(_))
    });
    if is_own && is_table { Some(Native) } else { find(TOML, key, node, rest) }
}

/// The same for YAML.
pub(super) fn yaml(key: &str, node: Option<&Node>, rest: &str) -> Option<Looks> {
    find(YAML, key, node, rest.trim_start_matches(':').trim())
}

fn find(signs: &[(&str, Shape, Looks)], key: &str, node: Option<&Node>, rest: &str) -> Option<Looks> {
    let fits = |shape: Shape| match node {
        Some(node) => shape.fits(node),
        None => match shape {
            Any => true,
            Word => !rest.is_empty(),
            Is(word) => rest == word,
            Table | List | Has(_) => false,
        },
    };
    let sign = signs.iter().find(|(sign, shape, _)| *sign == key && fits(*shape))?;
    Some(sign.2)
}

// === impl Shape ===

impl Shape {
    fn fits(self, node: &Node) -> bool {
        match self {
            Any => true,
            Table => matches!(node.value, Value::Map(_)),
            List => matches!(node.value, Value::List(_)),
            Word => node.text().is_some(),
            Is(word) => node.text() == Some(word),
            Has(key) => match &node.value {
                Value::Map(pairs) => pairs.iter().any(|(found, _)| found.text == key),
                _ => false,
            },
        }
    }
}

// === impl Looks ===

impl Looks {
    /// A word for it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Of(format) => format.key(),
            HostsToml => "hosts.toml",
            Native => "native",
            Logins => "logins",
            Secret => "secret",
            Plugins => "plugins",
            Policy => "policy",
        }
    }

    /// What it is.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Of(format) => format.what(),
            HostsToml => "a hosts.toml",
            Native => "a configuration of cri-shunt",
            Logins => "a file of logins (Docker's config.json)",
            Secret => "a Secret of Kubernetes",
            Plugins => "kubelet's configuration of credential plugins",
            Policy => "a policy.json of containers/image",
        }
    }

    /// What to do with it.
    pub(super) fn advice(self) -> String {
        match self {
            Of(format) => {
                let key = format.key();
                format!("name it with `{key}` in a [[policy.source]], or with --{key}")
            }
            HostsToml => "name the tree with `certs-d`: the directory that holds one directory for each registry".into(),
            Native => "name it with --config".into(),
            Logins => "name it with `docker-config` in a [[credentials]]".into(),
            Secret => "for logins, write its decoded `.dockerconfigjson` into a file, and name that with `docker-config` in a [[credentials]]".into(),
            Plugins => "name it with `image-credential-provider-config` in a [[credentials]]".into(),
            Policy => "cri-shunt verifies no signatures; for an allow-list write `default = \"deny\"`, and rules".into(),
        }
    }
}
