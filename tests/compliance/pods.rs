//! Pods that really run.
//!
//! A pod's whole life must look the same on both sides, but for ids and times.

use crate::sides::{Side, Sides};
use crate::support::PATIENCE;
use crate::support::image::Image;
use crate::support::pod::{self, Pod};
use k8s_cri::v1::{
    ContainerStatsRequest, ContainerStatusRequest, GetEventsRequest, ListContainersRequest,
    ListPodSandboxRequest, PodSandboxStatusRequest, RemoveContainerRequest, ReopenContainerLogRequest,
    StopContainerRequest,
};

async fn prepare(sides: &Sides, repository: &str) -> (Image, String) {
    sides.containerd.serve_pause(sides.registry);
    let image = Image::busybox(repository);
    sides.registry.push(repository, "1", &image);
    let name = sides.registry.name(repository, "1");
    sides.direct().cri.pull(&name).await.unwrap();
    (image, name)
}

/// The Debug text of something, with what differs from run to run taken out.
fn told(value: &impl std::fmt::Debug, ids: &[&str]) -> String {
    let mut text = format!("{value:?}");
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("<id {number}>"));
    }
    let times = regex::Regex::new(r"(\w+_at|timestamp): \d+").unwrap();
    times.replace_all(&text, "$1: <time>").into_owned()
}

pub async fn a_pod_lives_and_dies(sides: &Sides) {
    let (image, name) = prepare(sides, "compliance/pod").await;
    let logs = sides.containerd.dir().join("pod-logs");
    sides
        .story(async |side| {
            drop(std::fs::remove_dir_all(&logs));
            let pod = Pod::run(&side.cri, "compliance-pod", &logs).await.unwrap();
            // By name, as crictl does, and by id, as kubelet does.
            for (number, form) in [&name, &image.id()].into_iter().enumerate() {
                let script = format!("trap 'exit 5' TERM; echo said {number}; while :; do sleep 0.05; done");
                let config = pod::container(&format!("c{number}"), form, &["sh", "-c", &script]);
                let container = pod.create(&side.cri, config).await.unwrap();
                looks(side, &pod, &container, "created").await;
                pod::start(&side.cri, &container).await.unwrap();
                running(side, &container, number, &logs.join(format!("c{number}.log"))).await;
                looks(side, &pod, &container, "running").await;
                let stop = StopContainerRequest {
                    container_id: container.clone(),
                    timeout: i64::try_from(PATIENCE.as_secs()).unwrap(),
                };
                side.cri.runtime.clone().stop_container(stop).await.unwrap();
                looks(side, &pod, &container, "stopped").await;
                let refused = pod::exec(&side.cri, &container, &["true"]).await.unwrap_err();
                side.note("exec in a stopped container", refused.message().replace(&container, "<id>"));
            }
            pod.remove(&side.cri).await.unwrap();
            let request = PodSandboxStatusRequest { pod_sandbox_id: pod.id.clone(), verbose: true };
            let gone = side.cri.runtime.clone().pod_sandbox_status(request).await.unwrap_err();
            side.note("a removed pod", (gone.code(), gone.message().replace(&pod.id, "<id>")));
        })
        .await;
    sides.direct().cri.remove(&name).await.unwrap();
}

async fn running(side: &Side, container: &str, number: usize, log: &std::path::Path) {
    let script = "echo out; echo err >&2; id -u; exit 3";
    let answer = pod::exec(&side.cri, container, &["sh", "-c", script]).await.unwrap();
    side.note("exec", answer);
    let logged =
        || std::fs::read_to_string(log).is_ok_and(|text| text.contains(&format!("stdout F said {number}")));
    assert!(crate::support::wait_until(logged), "the log says what the container said");
    let request = ReopenContainerLogRequest { container_id: container.to_owned() };
    side.note("reopen", side.cri.runtime.clone().reopen_container_log(request).await.is_ok());
    let request = ContainerStatsRequest { container_id: container.to_owned() };
    let stats = side.cri.runtime.clone().container_stats(request).await.unwrap().into_inner().stats.unwrap();
    side.note("stats", (stats.cpu.is_some(), stats.memory.is_some(), stats.attributes.unwrap().labels));
}

/// What status and lists say of pod and container.
async fn looks(side: &Side, pod: &Pod, container: &str, when: &str) {
    let mut runtime = side.cri.runtime.clone();
    let ids = [pod.id.as_str(), container];
    let request = ContainerStatusRequest { container_id: container.to_owned(), verbose: false };
    let mut status = runtime.container_status(request.clone()).await.unwrap().into_inner();
    // The shunt's and containerd's pulls of this name may have left other digests first.
    side.note(&format!("{when}: container"), told(&status.status.take(), &ids));
    let verbose = ContainerStatusRequest { verbose: true, ..request };
    let info = runtime.container_status(verbose).await.unwrap().into_inner().info;
    side.note(&format!("{when}: info"), info.keys().collect::<std::collections::BTreeSet<_>>());
    let request = PodSandboxStatusRequest { pod_sandbox_id: pod.id.clone(), verbose: false };
    let status = runtime.pod_sandbox_status(request).await.unwrap().into_inner();
    side.note(&format!("{when}: pod"), told(&status, &ids));
    let mut containers =
        runtime.list_containers(ListContainersRequest::default()).await.unwrap().into_inner().containers;
    containers.retain(|listed| listed.id == container);
    assert_eq!(containers.len(), 1);
    side.note(&format!("{when}: listed"), told(&containers, &ids));
    let mut pods =
        runtime.list_pod_sandbox(ListPodSandboxRequest::default()).await.unwrap().into_inner().items;
    pods.retain(|listed| listed.id == pod.id);
    side.note(&format!("{when}: listed pod"), told(&pods, &ids));
}

pub async fn containers_that_cannot_be(sides: &Sides) {
    let (image, name) = prepare(sides, "compliance/cannot").await;
    let logs = sides.containerd.dir().join("cannot-logs");
    sides
        .story(async |side| {
            let pod = Pod::run(&side.cri, "compliance-cannot", &logs).await.unwrap();
            let absent = ["compliance-absent", "", "UPPER", "h.example/x:1", &"e".repeat(64)];
            for form in absent {
                let error =
                    pod.create(&side.cri, pod::container("absent", form, &["true"])).await.unwrap_err();
                side.note(
                    form,
                    (error.code(), error.message().replace(&pod.id, "<id>"), error.details().to_vec()),
                );
            }
            let container =
                pod.create(&side.cri, pod::container("no-program", &image.id(), &["/none"])).await.unwrap();
            let error = pod::start(&side.cri, &container).await.unwrap_err();
            side.note("no such program", (error.code(), error.message().replace(&container, "<id>")));
            pod.remove(&side.cri).await.unwrap();
        })
        .await;
    sides.direct().cri.remove(&name).await.unwrap();
}

/// The stream of container events, open while a container comes and goes (1.6 has none).
pub async fn container_events(sides: &Sides) {
    let (image, name) = prepare(sides, "compliance/events").await;
    let logs = sides.containerd.dir().join("events-logs");
    sides
        .story(async |side| {
            let mut runtime = side.cri.runtime.clone();
            // The answer begins with the first event: it has to be waited for beside what makes one.
            let subscribed =
                tokio::spawn(async move { runtime.get_container_events(GetEventsRequest {}).await });
            let pod = Pod::run(&side.cri, "compliance-events", &logs).await.unwrap();
            // The first of its events may be missed, so others come before: it is known by then that all are seen.
            for knock in 0.. {
                if subscribed.is_finished() {
                    break;
                }
                let config = pod::container(&format!("knock{knock}"), &image.id(), &["true"]);
                let container_id = pod.create(&side.cri, config).await.unwrap();
                let request = RemoveContainerRequest { container_id };
                side.cri.runtime.clone().remove_container(request).await.unwrap();
            }
            let container = pod.create(&side.cri, pod::container("c", &image.id(), &["true"])).await.unwrap();
            pod::start(&side.cri, &container).await.unwrap();
            let mut stream = match subscribed.await.unwrap() {
                Ok(answer) => answer.into_inner(),
                Err(status) => {
                    side.note("no events", (status.code(), status.message().to_owned()));
                    return pod.remove(&side.cri).await.unwrap();
                }
            };
            let mut kinds = Vec::new();
            while kinds.last() != Some(&2) {
                let event = tokio::time::timeout(PATIENCE, stream.message()).await;
                match event.expect("created, started, stopped come in time") {
                    Ok(Some(event)) if event.container_id == container => {
                        kinds.push(event.container_event_type)
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(status) => {
                        side.note("the stream ends", (status.code(), status.message().to_owned()));
                        break;
                    }
                }
            }
            side.note("events", kinds);
            pod.remove(&side.cri).await.unwrap();
        })
        .await;
    sides.direct().cri.remove(&name).await.unwrap();
}
