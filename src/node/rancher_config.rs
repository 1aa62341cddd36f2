//! Reads `config.yaml` of k3s and RKE2, and the files of `config.yaml.d`.
//!
//! Source: k3s `pkg/configfilearg/parser.go`: a key is the name of a flag. A file replaces what files before it say of a key; with
//! `+` after its name a list is added to.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::yaml::{self, Broken, Scalar, Several, Written, text};

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RancherConfig {
    /// `image-service-endpoint`.
    pub image: Option<Written>,
    /// `container-runtime-endpoint`.
    pub runtime: Option<Written>,
    /// `kubelet-arg`, if the file replaces what files before it say.
    pub kubelet_args: Option<Vec<Written>>,
    /// `kubelet-arg+`.
    pub more_kubelet_args: Vec<Written>,
    /// `pause-image`.
    pub pause_image: Option<Written>,
    /// `data-dir`.
    pub data_dir: Option<Written>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Keys {
    image_service_endpoint: Option<Spanned<Scalar>>,
    container_runtime_endpoint: Option<Spanned<Scalar>>,
    kubelet_arg: Option<Spanned<Several>>,
    #[serde(rename = "kubelet-arg+")]
    more_kubelet_arg: Option<Spanned<Several>>,
    pause_image: Option<Spanned<Scalar>>,
    data_dir: Option<Spanned<Scalar>>,
}

/// Reads the text of one.
///
/// # Errors
/// It is not YAML, or a key that is looked for has a value of another kind.
pub fn rancher_config(yaml: &str) -> Result<RancherConfig, Broken> {
    let keys: Keys = yaml::read(yaml)?;
    Ok(RancherConfig {
        image: text(keys.image_service_endpoint),
        runtime: text(keys.container_runtime_endpoint),
        kubelet_args: keys.kubelet_arg.map(|args| Several::written(&args)),
        more_kubelet_args: keys.more_kubelet_arg.map(|args| Several::written(&args)).unwrap_or_default(),
        pause_image: text(keys.pause_image),
        data_dir: text(keys.data_dir),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &str, line: u64) -> Written {
        Written { value: value.to_owned(), line }
    }

    #[test]
    fn flags_and_lists_of_flags_are_found() {
        let text = "token: K10::secret\nserver: https://a:6443\nimage-service-endpoint: unix:///a\nkubelet-arg:\n\
                    - max-pods=200\n- image-service-endpoint=unix:///b\nkubelet-arg+: v=2\ndata-dir: /d\ndebug: true\n\
                    node-label: [a=b]\n";
        let found = rancher_config(text).unwrap();
        assert_eq!(found.image, Some(line("unix:///a", 3)));
        assert_eq!(
            found.kubelet_args,
            Some(vec![line("max-pods=200", 5), line("image-service-endpoint=unix:///b", 6)])
        );
        assert_eq!(found.more_kubelet_args, [line("v=2", 7)]);
        assert_eq!((found.data_dir, found.runtime), (Some(line("/d", 8)), None));
        assert_eq!(rancher_config(""), Ok(RancherConfig::default()));
        assert_eq!(rancher_config("kubelet-arg:\n").unwrap().kubelet_args, None);
    }

    #[test]
    fn a_broken_text_says_nothing_of_what_is_in_it() {
        let broken = rancher_config("token: 'secret\nkubelet-arg: {a: b}\n").unwrap_err();
        assert!(!format!("{broken:?}").contains("secret"));
        rancher_config("kubelet-arg: {a: b}\n").unwrap_err();
    }
}
