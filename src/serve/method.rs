//! How each method is handled, by its path.
//!
//! Holds: whatever is not named here is relayed untouched; both CRI versions take the same way. What containerd would
//! not read as a gRPC call of this method is relayed too, for containerd's own answer.

use http::Request;
use http::header::CONTENT_TYPE;

use super::admin;
use crate::state::CriVersion;
use crate::wire::cri::{self, PodPaths};

/// How a method is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Pulls by the policy.
    PullImage,
    /// Answers for images of the policy.
    ImageStatus,
    /// Looks at the images of a container.
    CreateContainer,
    /// Looks at the images of a pod that comes from a checkpoint.
    RestorePod,
    /// Sees to the pause image, then relays.
    RunPodSandbox,
    /// Answered late rather than with an error while containerd starts.
    Held,
    /// The shunt's own service.
    Admin,
    /// The shunt's own service: what its policy says of an image.
    Explain,
    /// The shunt's own service: which pulls are under way.
    Pulls,
    /// containerd's own API, whose calls choose images past every rule.
    NativeApi,
    /// A pull of a kind that this version does not know.
    UnknownPull,
    /// Passed on as it comes.
    Relay,
}

impl Handler {
    /// The handler of a request.
    pub fn of<B>(request: &Request<B>) -> (Self, CriVersion) {
        // containerd takes the query for a part of the method's name, which then is none that it has.
        match is_grpc(request) && request.uri().query().is_none() {
            true => Self::of_path(request.uri().path()),
            false => (Self::Relay, CriVersion::V1),
        }
    }

    /// The handler of a gRPC call.
    pub fn of_path(path: &str) -> (Self, CriVersion) {
        // grpc-go takes a path without its leading slash as well; so a rule must hold for it.
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(method) = path.strip_prefix(admin::SERVICE_PREFIX) {
            let handler = match method {
                admin::STATUS => Self::Admin,
                admin::EXPLAIN => Self::Explain,
                admin::PULLS => Self::Pulls,
                _ => Self::Relay,
            };
            return (handler, CriVersion::V1);
        }
        if path.starts_with("containerd.") {
            return (Self::NativeApi, CriVersion::V1);
        }
        let versions = [("runtime.v1.", CriVersion::V1), ("runtime.v1alpha2.", CriVersion::V1Alpha2)];
        let found =
            versions.into_iter().find_map(|(prefix, version)| Some((path.strip_prefix(prefix)?, version)));
        let Some((method, version)) = found else { return (Self::Relay, CriVersion::V1) };
        let handler = match method {
            "ImageService/PullImage" => Self::PullImage,
            "ImageService/ImageStatus" => Self::ImageStatus,
            "RuntimeService/CreateContainer" => Self::CreateContainer,
            "RuntimeService/RestorePod" => Self::RestorePod,
            "RuntimeService/RunPodSandbox" => Self::RunPodSandbox,
            "RuntimeService/Version" | "RuntimeService/Status" | "ImageService/ImageFsInfo" => Self::Held,
            _ if method.starts_with("ImageService/Pull") => Self::UnknownPull,
            _ => Self::Relay,
        };
        (handler, version)
    }

    /// The method, and where its message has the pod, for handlers that the policy concerns.
    pub fn method(self) -> Option<(&'static str, Option<&'static PodPaths>)> {
        match self {
            Self::PullImage => Some(("PullImage", Some(&cri::pull_image_request::POD))),
            Self::ImageStatus => Some(("ImageStatus", None)),
            Self::CreateContainer => Some(("CreateContainer", Some(&cri::create_container_request::POD))),
            Self::RestorePod => Some(("RestorePod", Some(&cri::restore_pod_request::POD))),
            Self::RunPodSandbox
            | Self::Held
            | Self::Admin
            | Self::Explain
            | Self::Pulls
            | Self::NativeApi
            | Self::UnknownPull
            | Self::Relay => None,
        }
    }
}

/// Whether a relayed call is a stream that nobody ends but its client.
pub fn is_endless(path: &str) -> bool {
    const ENDLESS: [&str; 3] = [
        "runtime.v1.RuntimeService/GetContainerEvents",
        "containerd.services.events.v1.Events/Subscribe",
        "grpc.health.v1.Health/Watch",
    ];
    ENDLESS.contains(&path.strip_prefix('/').unwrap_or(path))
}

/// Whether containerd's gRPC server may take a request for a call. One good `content-type` of several is enough for it,
/// and that of containerd 1.6 takes every HTTP method.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let types = request.headers().get_all(CONTENT_TYPE);
    types.iter().any(|value| is_grpc_type(value.as_bytes()))
}

/// Whether a `content-type` is one of gRPC's.
pub fn is_grpc_type(value: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let (start, rest) = value.split_at(value.len().min(GRPC.len()));
    start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_told_apart_by_their_whole_path() {
        let cases = [
            ("/runtime.v1.ImageService/PullImage", Handler::PullImage),
            ("/runtime.v1alpha2.ImageService/PullImage", Handler::PullImage),
            ("runtime.v1.ImageService/PullImage", Handler::PullImage),
            ("//runtime.v1.ImageService/PullImage", Handler::Relay),
            ("/runtime.v1.ImageService/PullImages", Handler::UnknownPull),
            ("/runtime.v1.ImageService/PullSecurityProfile", Handler::UnknownPull),
            ("/runtime.v1alpha2.ImageService/Pull", Handler::UnknownPull),
            ("/runtime.v1.ImageService/pullImage", Handler::Relay),
            ("/runtime.v2.ImageService/PullImage", Handler::Relay),
            ("/runtime.v1.RuntimeService/PullImage", Handler::Relay),
            ("/runtime.v1.ImageService/ListImages", Handler::Relay),
            ("/runtime.v1.ImageService/ImageFsInfo", Handler::Held),
            ("/crishunt.v1.Admin/Status", Handler::Admin),
            ("/crishunt.v1.Admin/Explain", Handler::Explain),
            ("/crishunt.v1.Admin/Pulls", Handler::Pulls),
            ("/crishunt.v1.Admin/Else", Handler::Relay),
            ("/containerd.services.images.v1.Images/List", Handler::NativeApi),
            ("containerd.services.transfer.v1.Transfer/Transfer", Handler::NativeApi),
            ("/grpc.health.v1.Health/Check", Handler::Relay),
        ];
        for (path, handler) in cases {
            assert_eq!(Handler::of_path(path).0, handler, "{path}");
        }
    }

    #[test]
    fn what_is_no_grpc_call_is_relayed() {
        const PULL: &str = "/runtime.v1.ImageService/PullImage";
        let handler = |method: &str, path: &str, types: &[&str]| {
            let mut request = Request::builder().method(method).uri(path);
            for kind in types {
                request = request.header(CONTENT_TYPE, *kind);
            }
            Handler::of(&request.body(()).unwrap()).0
        };
        for types in [
            &["application/grpc"][..],
            &["application/grpc+proto"],
            &["application/grpc;x"],
            &["Application/gRPC"],
            &["application/grpc-web", "application/grpc"],
        ] {
            assert_eq!(handler("POST", PULL, types), Handler::PullImage, "{types:?}");
            assert_eq!(handler("GET", PULL, types), Handler::PullImage);
            assert_eq!(handler("POST", &format!("{PULL}?a"), types), Handler::Relay);
            assert_eq!(handler("POST", &format!("{PULL}?"), types), Handler::Relay);
        }
        for types in [&[][..], &["application/grpc-web"], &["application/grpc-web+proto"], &["text/html"]] {
            assert_eq!(handler("POST", PULL, types), Handler::Relay, "{types:?}");
        }
    }
}
