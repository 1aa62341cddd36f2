//! Reads a `KubeletConfiguration`: YAML or JSON, the main file of a kubelet or a drop-in.
//!
//! Source: kubernetes v1.36 `pkg/kubelet/apis/config`. A kubelet does not start without `apiVersion` and `kind`, also in a
//! drop-in. Keys that are not looked for are not read.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::yaml::{self, Broken, Scalar, Written, text};

/// What it says of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeletConfig {
    /// `imageServiceEndpoint`, where it is not empty.
    pub image: Option<Written>,
    /// `containerRuntimeEndpoint`, where it is not empty.
    pub runtime: Option<Written>,
    /// Whether `apiVersion` and `kind` say that it is one.
    pub is_typed: bool,
    /// `apiVersion`, where it is not empty.
    pub version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    api_version: Option<Spanned<Scalar>>,
    kind: Option<Spanned<Scalar>>,
    image_service_endpoint: Option<Spanned<Scalar>>,
    container_runtime_endpoint: Option<Spanned<Scalar>>,
}

/// Reads the text of one.
///
/// # Errors
/// It is not YAML, or a key that is looked for has no text.
pub fn kubelet_config(yaml: &str) -> Result<KubeletConfig, Broken> {
    let Keys { api_version, kind, image_service_endpoint, container_runtime_endpoint } = yaml::read(yaml)?;
    let is_kind = text(kind).is_some_and(|kind| kind.value == "KubeletConfiguration");
    let version = text(api_version).map(|version| version.value);
    let is_typed =
        is_kind && version.as_ref().is_some_and(|version| version.starts_with("kubelet.config.k8s.io/"));
    Ok(KubeletConfig {
        image: text(image_service_endpoint),
        runtime: text(container_runtime_endpoint),
        is_typed,
        version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: &str, line: u64) -> Option<Written> {
        Some(Written { value: value.to_owned(), line })
    }

    #[test]
    fn endpoints_are_found_in_yaml_and_in_json() {
        let version = || Some("kubelet.config.k8s.io/v1beta1".to_owned());
        let yaml = "# one\napiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\
                    authentication: {anonymous: {enabled: false}}\nimageServiceEndpoint: \"unix:///a\"\n\
                    containerRuntimeEndpoint: unix:///b\nnewKey: [1, {a: b}]\n";
        let found = kubelet_config(yaml).unwrap();
        assert_eq!(
            found,
            KubeletConfig {
                image: at("unix:///a", 5),
                runtime: at("unix:///b", 6),
                is_typed: true,
                version: version()
            }
        );
        let json = "{\n\t\"kind\": \"KubeletConfiguration\",\n\t\"apiVersion\": \"kubelet.config.k8s.io/v1beta1\",\n\
                    \t\"imageServiceEndpoint\": \"unix:///a\"\n}\n";
        let found = kubelet_config(json).unwrap();
        assert_eq!(
            found,
            KubeletConfig { image: at("unix:///a", 4), runtime: None, is_typed: true, version: version() }
        );
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let none = KubeletConfig::default();
        for text in
            ["", "# nothing\n", "{}", "a: b\n", "imageServiceEndpoint:\n", "imageServiceEndpoint: ''\n"]
        {
            assert_eq!(kubelet_config(text), Ok(none.clone()), "{text:?}");
        }
        let typed = |text: &str| kubelet_config(text).unwrap().is_typed;
        assert!(
            !typed("kind: KubeletConfiguration\n") && !typed("apiVersion: kubelet.config.k8s.io/v1beta1\n")
        );
    }

    #[test]
    fn what_is_not_yaml_has_a_line_and_no_words() {
        for (text, line) in [
            ("a: b\n  c: [\n", None),
            ("a: 1\nb: \"open\n", None),
            ("kind: x\nimageServiceEndpoint: [a]\n", Some(2)),
            ("- a\n", Some(1)),
            ("\tx", None),
            ("a: &a [*a]\n: :", None),
        ] {
            let broken = kubelet_config(text).unwrap_err();
            assert!(line.is_none() || broken.line == line, "{text:?}: {broken:?}");
        }
        let deep = "[".repeat(100_000);
        kubelet_config(&deep).unwrap_err();
    }
}
