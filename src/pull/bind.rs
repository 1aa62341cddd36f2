//! A client's credentials, bound to the registry that they are for.
//!
//! Before: `route` pulls from a registry itself that our fence stands around.  After: containerd offers the
//! credentials to that registry alone, and not to the mirrors that the fence names before it.
//! Holds: a client that has bound them itself keeps its word; nothing else in the request changes.
//!
//! Source: containerd `internal/cri/server/images/image_pull.go`, `ParseAuth`: with `server_address`, the host
//! that is asked must be the one of that URL.

use crate::policy::Name;
use crate::wire::{self, WireError, cri};

/// The request with its credentials for the registry of `name` alone.
pub(super) fn to_origin(message: &[u8], name: &Name) -> Result<Vec<u8>, WireError> {
    let Some(auth) = wire::get(message, cri::pull_image_request::AUTH)? else {
        return Ok(message.to_vec());
    };
    let bound = wire::get(auth, cri::auth_config::SERVER_ADDRESS)?;
    if bound.is_some_and(|address| !address.is_empty()) {
        return Ok(message.to_vec());
    }
    let host = if name.host() == "docker.io" { "registry-1.docker.io" } else { name.host() };
    let auth = wire::set(auth, cri::auth_config::SERVER_ADDRESS, format!("https://{host}").as_bytes())?;
    wire::set(message, cri::pull_image_request::AUTH, &auth)
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{AuthConfig, ImageSpec, PullImageRequest};
    use prost::Message;

    use super::*;

    fn bound(name: &str, address: Option<&str>) -> Option<AuthConfig> {
        let auth = address.map(|address| AuthConfig {
            username: "ann".to_owned(),
            password: "pw".to_owned(),
            server_address: address.to_owned(),
            ..AuthConfig::default()
        });
        let image = Some(ImageSpec { image: name.to_owned(), ..ImageSpec::default() });
        let message = PullImageRequest { image, auth, sandbox_config: None }.encode_to_vec();
        let edited = to_origin(&message, &name.parse().unwrap()).unwrap();
        let edited = PullImageRequest::decode(edited.as_slice()).unwrap();
        assert_eq!(edited.image.unwrap().image, name);
        edited.auth
    }

    #[test]
    fn credentials_are_for_the_registry_that_is_really_asked() {
        let address = |name, given| bound(name, given).map(|auth| (auth.password, auth.server_address));
        let pair = |address: &str| Some(("pw".to_owned(), address.to_owned()));
        assert_eq!(address("docker.io/a/b:1", Some("")), pair("https://registry-1.docker.io"));
        assert_eq!(address("quay.io:8443/a/b:1", Some("")), pair("https://quay.io:8443"));
        assert_eq!(address("quay.io/a/b:1", Some("https://else")), pair("https://else"));
        assert_eq!(address("quay.io/a/b:1", None), None);
    }
}
