//! The runtime service, as far as no running container is needed.
//!
//! Every method of it, and a path that is not a method, is answered alike on both sides.
//! Source of the method names: kubernetes/cri-api v0.37 api.proto.

use crate::images::{BROKEN, broken};
use crate::sides::Sides;
use k8s_cri::v1::{
    ContainerFilter, ContainerStatsFilter, CreateContainerRequest, ExecRequest, ExecSyncRequest,
    ListContainerStatsRequest, ListContainersRequest, ListPodSandboxRequest, NetworkConfig, PodSandboxFilter,
    RunPodSandboxRequest, RuntimeConfig, StatusRequest, UpdateRuntimeConfigRequest, VersionRequest,
};
use prost::Message;

/// Methods that only look.
const READS: [&str; 10] = [
    "Version",
    "Status",
    "ListPodSandbox",
    "ListContainers",
    "ListContainerStats",
    "ListPodSandboxStats",
    "ListMetricDescriptors",
    "ListPodSandboxMetrics",
    "RuntimeConfig",
    "UpdateRuntimeConfig",
];

/// Methods whose request begins with the id of a pod or container as field 1.
const BY_ID: [&str; 17] = [
    "StopPodSandbox",
    "RemovePodSandbox",
    "PodSandboxStatus",
    "StartContainer",
    "StopContainer",
    "RemoveContainer",
    "ContainerStatus",
    "UpdateContainerResources",
    "ReopenContainerLog",
    "ExecSync",
    "Exec",
    "Attach",
    "PortForward",
    "ContainerStats",
    "PodSandboxStats",
    "CheckpointContainer",
    "UpdatePodSandboxResources",
];

/// Methods that a node's containerd may be too old for.
const NEWER: [&str; 6] = [
    "StreamPodSandboxes",
    "StreamContainers",
    "StreamContainerStats",
    "StreamPodSandboxStats",
    "StreamPodSandboxMetrics",
    "RestorePod",
];

fn path(method: &str) -> String {
    format!("/runtime.v1.RuntimeService/{method}")
}

async fn ask(sides: &Sides, method: &str, message: &impl Message) -> Option<i32> {
    sides.same(&path(method), &message.encode_to_vec()).await.code()
}

pub async fn reads(sides: &Sides) {
    for method in READS {
        sides.same(&path(method), b"").await;
    }
    assert_eq!(ask(sides, "Version", &VersionRequest { version: "0.1.0".to_owned() }).await, Some(0));
    assert_eq!(ask(sides, "Status", &StatusRequest { verbose: true }).await, Some(0));
    let pods = PodSandboxFilter { id: "none".to_owned(), ..Default::default() };
    ask(sides, "ListPodSandbox", &ListPodSandboxRequest { filter: Some(pods) }).await;
    let containers = ContainerFilter { id: "none".to_owned(), ..Default::default() };
    ask(sides, "ListContainers", &ListContainersRequest { filter: Some(containers) }).await;
    let stats = ContainerStatsFilter { id: "none".to_owned(), ..Default::default() };
    ask(sides, "ListContainerStats", &ListContainerStatsRequest { filter: Some(stats) }).await;
    let network =
        RuntimeConfig { network_config: Some(NetworkConfig { pod_cidr: "10.9.0.0/24".to_owned() }) };
    ask(sides, "UpdateRuntimeConfig", &UpdateRuntimeConfigRequest { runtime_config: Some(network) }).await;
}

pub async fn ids_that_are_unknown(sides: &Sides) {
    for method in BY_ID {
        // Field 1, a string; the messages are alike in that.
        for message in [&b"\x0a\x07unknown"[..], b"\x0a\x00"] {
            sides.same(&path(method), message).await;
        }
    }
    let cmd = vec!["true".to_owned()];
    let exec = ExecSyncRequest { container_id: "unknown".to_owned(), cmd: cmd.clone(), timeout: 1 };
    assert_eq!(ask(sides, "ExecSync", &exec).await, Some(5));
    let exec = ExecRequest { container_id: "unknown".to_owned(), cmd, stdout: true, ..Default::default() };
    ask(sides, "Exec", &exec).await;
    let create = CreateContainerRequest { pod_sandbox_id: "unknown".to_owned(), ..Default::default() };
    ask(sides, "CreateContainer", &create).await;
    ask(sides, "RunPodSandbox", &RunPodSandboxRequest::default()).await;
}

pub async fn messages_that_are_none(sides: &Sides) {
    let changing = ["RunPodSandbox", "CreateContainer", "GetContainerEvents"];
    for method in READS.iter().chain(&BY_ID).chain(&NEWER).chain(&changing) {
        for message in BROKEN {
            // An open event stream gives no answer to wait for.
            if *method != "GetContainerEvents" || message == b"\xff" {
                broken(sides, &path(method), message).await;
            }
        }
    }
    // A string that is not UTF-8: gogo's containerd takes it, newer ones do not.
    sides.same(&path("ContainerStatus"), b"\x0a\x02\xff\xfe").await;
}

pub async fn methods_that_are_none(sides: &Sides) {
    for method in NEWER {
        sides.same(&path(method), b"").await;
    }
    for path in [
        "/runtime.v1.RuntimeService/NoSuchMethod",
        "/runtime.v1.RuntimeService/",
        "/runtime.v1.RuntimeService/version",
        "/runtime.v1.ImageService/NoSuchMethod",
        "/runtime.v2.RuntimeService/Version",
        "/no.such.Service/Method",
        "/no-slash-in-here",
        "/",
        "/a/b/c",
        "/runtime.v1.ImageService/ImageStatus/",
    ] {
        sides.same(path, b"").await;
    }
}

/// `runtime.v1alpha2` where containerd still has it, and its absence where not.
pub async fn older_interface(sides: &Sides) {
    let image_methods =
        crate::images::METHODS.map(|method| format!("/runtime.v1alpha2.ImageService/{method}"));
    let reads = READS.iter().chain(&BY_ID).chain(&NEWER);
    let runtime_methods = reads.map(|method| format!("/runtime.v1alpha2.RuntimeService/{method}"));
    for path in image_methods.into_iter().chain(runtime_methods) {
        if !path.ends_with("/RemoveImage") {
            sides.same(&path, b"").await;
        }
        broken(sides, &path, b"\x0a\x07unknown").await;
        broken(sides, &path, b"\xff").await;
    }
    let version = sides.same("/runtime.v1alpha2.RuntimeService/Version", b"").await;
    let expected = if sides.version().has_v1alpha2() { 0 } else { 12 };
    assert_eq!(version.code(), Some(expected));
    let absent = crate::images::status("compliance-absent", true);
    sides.same("/runtime.v1alpha2.ImageService/ImageStatus", &absent).await;
    older_pull(sides).await;
}

async fn older_pull(sides: &Sides) {
    let image = crate::support::image::Image::busybox("compliance/older");
    sides.registry.push("compliance/older", "1", &image);
    let name = sides.registry.name("compliance/older", "1");
    // The messages of v1alpha2 are those of v1.
    let request =
        k8s_cri::v1::PullImageRequest { image: Some(crate::support::cri::spec(&name)), ..Default::default() };
    sides
        .story(async |side| {
            side.call("/runtime.v1alpha2.ImageService/PullImage", &request).await;
            crate::pulls::status(side, &name).await;
            crate::pulls::remove(side, &name).await;
        })
        .await;
}
