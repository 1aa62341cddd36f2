//! Reads `crictl.yaml`.
//!
//! Source: cri-tools v1.36 `pkg/common/file.go`: unknown keys are an error there, and are not looked at here.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::yaml::{self, Broken, Scalar, Written, text};

/// What it says of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrictlConfig {
    /// `image-endpoint`; crictl takes the other one without it.
    pub image: Option<Written>,
    /// `runtime-endpoint`.
    pub runtime: Option<Written>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Keys {
    image_endpoint: Option<Spanned<Scalar>>,
    runtime_endpoint: Option<Spanned<Scalar>>,
}

/// Reads the text of one.
///
/// # Errors
/// It is not YAML, or an endpoint is not a text.
pub fn crictl_config(yaml: &str) -> Result<CrictlConfig, Broken> {
    let Keys { image_endpoint, runtime_endpoint } = yaml::read(yaml)?;
    Ok(CrictlConfig { image: text(image_endpoint), runtime: text(runtime_endpoint) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_endpoint_is_none() {
        let found = crictl_config("runtime-endpoint: \"\"\nimage-endpoint: /run/a\ntimeout: 10\n").unwrap();
        assert_eq!(
            (found.runtime, found.image.map(|image| (image.value, image.line))),
            (None, Some(("/run/a".into(), 2)))
        );
        crictl_config("image-endpoint: [1\n").unwrap_err();
    }
}
