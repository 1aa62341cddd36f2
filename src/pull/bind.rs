//! A client's credentials, bound to the registry that they are for.
//!
//! Before: `route` pulls from a registry itself that our fence stands around.  After: containerd offers the
//! credentials to that registry alone, and not to the mirrors that the fence names before it.
//! Holds: a client that has bound them itself keeps its word; nothing else in the request changes.
//!
//! Source: containerd `internal/cri/server/images/image_pull.go`, `ParseAuth`: with `server_address`, the host
//! that is asked must be the one of that URL.

use crate::wire::{self, WireError, cri};

/// The request with its credentials for `host` alone, as containerd asks it.
pub(super) fn to_origin(message: &[u8], host: &str) -> Result<Vec<u8>, WireError> {
    let Some(auth) = wire::get(message, cri::pull_image_request::AUTH)? else {
        return Ok(message.to_vec());
    };
    let bound = wire::get(auth, cri::auth_config::SERVER_ADDRESS)?;
    if bound.is_some_and(|address| !address.is_empty()) {
        return Ok(message.to_vec());
    }
    let auth = wire::set(auth, cri::auth_config::SERVER_ADDRESS, format!("https://{host}").as_bytes())?;
    wire::set(message, cri::pull_image_request::AUTH, &auth)
}

#[cfg(test)]
mod tests {
    use k8s_cri::v1::{AuthConfig, ImageSpec, PullImageRequest};
    use prost::Message;

    use super::*;

    fn bound(host: &str, address: Option<&str>) -> Option<AuthConfig> {
        let auth = address.map(|address| AuthConfig {
            username: "ann".to_owned(),
            password: "pw".to_owned(),
            server_address: address.to_owned(),
            ..AuthConfig::default()
        });
        let image = Some(ImageSpec { image: "q.io/a/b:1".to_owned(), ..ImageSpec::default() });
        let message = PullImageRequest { image, auth, sandbox_config: None }.encode_to_vec();
        let edited = to_origin(&message, host).unwrap();
        let edited = PullImageRequest::decode(edited.as_slice()).unwrap();
        assert_eq!(edited.image.unwrap().image, "q.io/a/b:1");
        edited.auth
    }

    #[test]
    fn credentials_are_for_the_registry_that_is_really_asked() {
        let address = |host, given| bound(host, given).map(|auth| (auth.password, auth.server_address));
        let pair = |address: &str| Some(("pw".to_owned(), address.to_owned()));
        assert_eq!(address("registry-1.docker.io", Some("")), pair("https://registry-1.docker.io"));
        assert_eq!(address("q.io:8443", Some("")), pair("https://q.io:8443"));
        assert_eq!(address("q.io", Some("https://else")), pair("https://else"));
        assert_eq!(address("q.io", None), None);
    }
}
