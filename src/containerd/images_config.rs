//! What containerd's config says of pulls, read from either of the forms in which it prints it.
//!
//! Source: containerd `internal/cri/config/config.go`, `CheckLocalImagePullConfigs` (v2.1.9, v2.3.4): a setting that the
//! transfer service does not know makes CRI pull locally. `config dump` shows `use_local_image_pull = false` then all
//! the same, so the settings are looked at one by one.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::logins::logins;
use super::roots::{PullMode, line};
use crate::registry::Login;

/// The plugin of image verifiers, as `disabled_plugins` names it.
const VERIFIER: &str = "io.containerd.image-verifier.v1.bindir";

/// Parts of the names of snapshotters, and of their sockets, that fetch layers when a container reads them.
const LAZY: [&str; 4] = ["stargz", "soci", "nydus", "overlaybd"];

/// The settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImagesConfig {
    /// The image of pod sandboxes.
    pub(super) sandbox: Option<String>,
    /// `registry.config_path`, as written.
    pub(super) config_path: String,
    /// Whether the deprecated `registry.mirrors` is set.
    pub(super) has_mirrors: bool,
    /// Whether a setting makes containerd 2.1 and later pull locally.
    pub(super) is_local: bool,
    /// The first snapshotter that fetches layers later, under the pulled name.
    pub(super) lazy: Option<String>,
    /// Where programs are that look at each image which the transfer service pulls.
    pub(super) verifiers: Option<PathBuf>,
    /// Logins, by the host that is really asked.
    pub(super) logins: HashMap<String, Login>,
}

impl ImagesConfig {
    /// Of containerd 1.x: `info["config"]` of CRI's `Status`. Later versions leave images out there.
    pub(super) fn of_status(config: &Value) -> Option<Self> {
        let registry = config["registry"].as_object()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let containerd = &config["containerd"];
        let runtimes = containerd["runtimes"].as_object().into_iter().flatten();
        let mut snapshotters = vec![text(&containerd["snapshotter"])];
        snapshotters.extend(runtimes.map(|(_, runtime)| text(&runtime["snapshotter"])));
        Some(Self {
            sandbox: Some(text(&config["sandboxImage"])).filter(|image| !image.is_empty()),
            config_path: registry.get("configPath").map(text).unwrap_or_default(),
            has_mirrors: registry
                .get("mirrors")
                .and_then(Value::as_object)
                .is_some_and(|table| !table.is_empty()),
            is_local: false,
            lazy: snapshotters.into_iter().find(|name| is_lazy(name)),
            verifiers: None,
            logins: logins(&config["registry"]),
        })
    }

    /// Of containerd 2.x: what `containerd config dump` prints. None where the CRI plugin is not in it.
    pub(super) fn of_dump(config: &Table) -> Option<Self> {
        let plugins = config.get("plugins")?;
        let images = plugins.get("io.containerd.cri.v1.images")?;
        let text = |path: &[&str]| at(images, path).and_then(Toml::as_str).unwrap_or_default().to_owned();
        let is_set = |path: &[&str]| match at(images, path) {
            Some(Toml::Table(table)) => !table.is_empty(),
            Some(Toml::Boolean(value)) => *value,
            _ => false,
        };
        let is_disabled = |name: &str| {
            let disabled = config.get("disabled_plugins").and_then(Toml::as_array);
            disabled.is_some_and(|plugins| plugins.iter().any(|plugin| plugin.as_str() == Some(name)))
        };
        let verifiers = at(plugins, &[VERIFIER, "bin_dir"]).and_then(Toml::as_str);
        Some(Self {
            sandbox: Some(text(&["pinned_images", "sandbox"])).filter(|image| !image.is_empty()),
            config_path: text(&["registry", "config_path"]),
            has_mirrors: is_set(&["registry", "mirrors"]),
            is_local: is_local(images, &is_set),
            lazy: lazy(config, plugins),
            verifiers: verifiers.filter(|path| !path.is_empty() && !is_disabled(VERIFIER)).map(PathBuf::from),
            logins: images.get("registry").map(as_json).map(|registry| logins(&registry)).unwrap_or_default(),
        })
    }

    /// How a containerd of this version pulls with these settings; none if its version is not a number.
    pub(super) fn pull_mode(&self, version: &str) -> Option<PullMode> {
        let is_local = line(version)? < (2, 1) || self.is_local;
        Some(if is_local { PullMode::Local } else { PullMode::Transfer })
    }
}

fn as_json(value: &Toml) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn at<'v>(value: &'v Toml, path: &[&str]) -> Option<&'v Toml> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn is_local(images: &Toml, is_set: &impl Fn(&[&str]) -> bool) -> bool {
    let downloads = images.get("max_concurrent_downloads").and_then(Toml::as_integer);
    let annotations = images.get("disable_snapshot_annotations").and_then(Toml::as_bool);
    let flags = ["use_local_image_pull", "discard_unpacked_layers", "image_pull_with_sync_fs"];
    let tables = ["mirrors", "configs", "auths"];
    downloads.is_some_and(|number| number != 3)
        || annotations == Some(false)
        || flags.iter().any(|flag| is_set(&[flag]))
        || tables.iter().any(|table| is_set(&["registry", table]))
}

fn lazy(config: &Table, plugins: &Toml) -> Option<String> {
    let images = &["io.containerd.cri.v1.images"][..];
    let tables = [
        [images, &["runtime_platforms"]].concat(),
        vec!["io.containerd.cri.v1.runtime", "containerd", "runtimes"],
    ];
    let runtimes =
        tables.iter().filter_map(|path| at(plugins, path)?.as_table()).flat_map(|table| table.values());
    let mut names: Vec<&str> = runtimes.filter_map(|runtime| runtime.get("snapshotter")?.as_str()).collect();
    names.extend(at(plugins, &[images, &["snapshotter"]].concat()).and_then(Toml::as_str));
    let socket = |name: &str| config.get("proxy_plugins")?.get(name)?.get("address")?.as_str();
    let found = names.into_iter().find(|name| is_lazy(name) || socket(name).is_some_and(is_lazy))?;
    Some(found.to_owned())
}

fn is_lazy(name: &str) -> bool {
    LAZY.iter().any(|kind| name.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(text: &str) -> ImagesConfig {
        ImagesConfig::of_dump(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_setting_that_the_transfer_service_does_not_know_makes_pulls_local() {
        let rows = [
            ("", false),
            ("use_local_image_pull = true", true),
            ("discard_unpacked_layers = true", true),
            ("discard_unpacked_layers = false", false),
            ("disable_snapshot_annotations = true", false),
            ("disable_snapshot_annotations = false", true),
            ("max_concurrent_downloads = 3", false),
            ("max_concurrent_downloads = 5", true),
            ("image_pull_with_sync_fs = true", true),
            ("registry.mirrors.'m.dev'.endpoint = []", true),
            ("registry.configs.'m.dev'.tls = {}", true),
            ("registry.auths.'m.dev'.auth = ''", true),
            ("registry.mirrors = {}", false),
        ];
        for (text, is_local) in rows {
            let config = dump(&format!("[plugins.'io.containerd.cri.v1.images']\n{text}"));
            let mode = if is_local { PullMode::Local } else { PullMode::Transfer };
            assert_eq!(config.pull_mode("v2.1.9"), Some(mode), "{text}");
            assert_eq!(config.pull_mode("v2.0.11"), Some(PullMode::Local), "{text}");
        }
    }

    #[test]
    fn both_generations_of_config_are_read() {
        let status = serde_json::json!({
            "sandboxImage": "registry.k8s.io/pause:3.6",
            "registry": {"configPath": "/c:/d", "mirrors": null},
            "containerd": {"snapshotter": "overlayfs", "runtimes": {"runc": {"snapshotter": "nydus"}}},
        });
        let config = ImagesConfig::of_status(&status).unwrap();
        assert_eq!(config.sandbox.as_deref(), Some("registry.k8s.io/pause:3.6"));
        assert_eq!(config.config_path, "/c:/d");
        assert_eq!(config.lazy.as_deref(), Some("nydus"));
        assert_eq!(config.pull_mode("1.7.24"), Some(PullMode::Local));
        assert_eq!(ImagesConfig::of_status(&serde_json::json!({"containerd": {}})), None);
        assert_eq!(ImagesConfig::of_dump(&"[plugins.x]".parse().unwrap()), None);
    }

    #[test]
    fn lazy_snapshotters_and_verifiers_are_found() {
        let config = dump(
            "disabled_plugins = ['io.containerd.image-verifier.v1.bindir']\n\
             [proxy_plugins.quick]\naddress = '/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock'\n\
             [plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'quick'\n\
             [plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = '/v'\n",
        );
        assert_eq!((config.lazy.as_deref(), config.verifiers), (Some("quick"), None));
        let config = dump(
            "[plugins.'io.containerd.cri.v1.images']\nsnapshotter = 'overlayfs'\n\
             runtime_platforms.kata.snapshotter = 'stargz'\n\
             [plugins.'io.containerd.image-verifier.v1.bindir']\nbin_dir = '/v'\n",
        );
        assert_eq!((config.lazy.as_deref(), config.verifiers), (Some("stargz"), Some("/v".into())));
    }
}
