//! Field paths of the CRI messages that name an image or carry credentials.
//!
//! Holds: numbers as in cri-api's `api.proto` (v0.36.3, package `runtime.v1`), but for `RestorePod`, which is newer. `runtime.v1alpha2` has
//! the same numbers in all of them.

/// Where a request has the metadata of its pod (`PodSandboxMetadata`).
pub struct PodPaths {
    /// `name`.
    pub name: [u32; 3],
    /// `uid`.
    pub uid: [u32; 3],
    /// `namespace`.
    pub namespace: [u32; 3],
}

impl PodPaths {
    /// In the `PodSandboxConfig` that is this field of the request.
    const fn of(config: u32) -> Self {
        Self { name: [config, 1, 1], uid: [config, 1, 2], namespace: [config, 1, 3] }
    }
}

/// Paths in `PullImageRequest`.
pub mod pull_image_request {
    /// The pod, in `sandbox_config`.
    pub const POD: super::PodPaths = super::PodPaths::of(3);
    /// `image.image`: the reference to pull.
    pub const IMAGE: &[u32] = &[1, 1];
    /// `auth`, an `AuthConfig`.
    pub const AUTH: &[u32] = &[2];
}

/// Paths in `AuthConfig`; every one but `SERVER_ADDRESS` is a secret or leads to one.
pub mod auth_config {
    /// `username`.
    pub const USERNAME: &[u32] = &[1];
    /// `password`.
    pub const PASSWORD: &[u32] = &[2];
    /// `auth`: base64 of `user:password`.
    pub const AUTH: &[u32] = &[3];
    /// `server_address`: containerd offers the rest to this host only, where it is set.
    pub const SERVER_ADDRESS: &[u32] = &[4];
    /// `identity_token`.
    pub const IDENTITY_TOKEN: &[u32] = &[5];
    /// `registry_token`.
    pub const REGISTRY_TOKEN: &[u32] = &[6];
}

/// Paths in `PullImageResponse`.
pub mod pull_image_response {
    /// `image_ref`: the image's id.
    pub const IMAGE_REF: &[u32] = &[1];
}

/// Paths in `ImageStatusRequest`.
pub mod image_status_request {
    /// `image.image`: a name or an id.
    pub const IMAGE: &[u32] = &[1, 1];
    /// `verbose`, a bool.
    pub const VERBOSE: &[u32] = &[2];
}

/// Paths in `ImageStatusResponse`.
pub mod image_status_response {
    /// `image.id`; absent where the image is not there.
    pub const ID: &[u32] = &[1, 1];
    /// `image.repo_tags`, repeated.
    pub const REPO_TAGS: &[u32] = &[1, 2];
    /// `image.repo_digests`, repeated.
    pub const REPO_DIGESTS: &[u32] = &[1, 3];
    /// Field number of `info`, a map of strings.
    pub const INFO: u32 = 2;
}

/// Paths in `CreateContainerRequest`.
pub mod create_container_request {
    /// The pod, in `sandbox_config`.
    pub const POD: super::PodPaths = super::PodPaths::of(3);
    /// `config.image.image`: an id from kubelet, a name from crictl.
    pub const IMAGE: &[u32] = &[2, 2, 1];
    /// `config.image.user_specified_image`: what the pod says (kubelet 1.28 on).
    pub const USER_SPECIFIED_IMAGE: &[u32] = &[2, 2, 18];
    /// `config.mounts`, repeated; each a `Mount`.
    pub const MOUNTS: &[u32] = &[2, 7];
}

/// Paths in `RestorePodRequest` (cri-api v0.37, KEP-5823).
pub mod restore_pod_request {
    /// The pod, in `config`.
    pub const POD: super::PodPaths = super::PodPaths::of(2);
    /// `container_configs`, repeated; each a `ContainerConfig`.
    pub const CONTAINERS: &[u32] = &[5];
}

/// Paths in `ContainerConfig`.
pub mod container_config {
    /// `image.image`.
    pub const IMAGE: &[u32] = &[2, 1];
    /// `image.user_specified_image`.
    pub const USER_SPECIFIED_IMAGE: &[u32] = &[2, 18];
    /// `mounts`, repeated; each a `Mount`.
    pub const MOUNTS: &[u32] = &[7];
}

/// Paths in `Mount`.
pub mod mount {
    /// `image.image`; present in image volumes.
    pub const IMAGE: &[u32] = &[9, 1];
    /// `image.user_specified_image`.
    pub const USER_SPECIFIED_IMAGE: &[u32] = &[9, 18];
}

/// One entry of a `map<string, string>`, as the payload of a record: key 1, value 2.
#[must_use]
pub fn map_entry(key: &str, value: &str) -> Vec<u8> {
    super::append(&super::append(&[], 1, key.as_bytes()), 2, value.as_bytes())
}
