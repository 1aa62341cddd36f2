//! Many clients on GetContainerEvents while a containerd runs containers.
//!
//! It measures how long each event takes from the time that containerd has written into it until a client has it.
//! Holds: each client gets the events of each container, and the same ones as a client of containerd itself.
//! Not here: the events of containerd's own service, which the shunt relays in the same way.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use k8s_cri::v1::{ContainerEventResponse, GetEventsRequest};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::load::Sample;
use super::support::cri::Cri;
use super::support::pod::{self, Pod};
use super::target::Target;

/// As many as watch a node at the very most: kubelet is one.
const CLIENTS: usize = 64;

/// Containers that come and go in one run.
const CONTAINERS: usize = 4;

/// What a container that ends by itself makes known: created, started, stopped.
const EVENTS: usize = 3;

/// What a client got, and when.
type Received = (Duration, ContainerEventResponse);

/// Runs pods at `containerd` from `image`, with all clients at `target`.
pub fn run(target: &Target, containerd: &Path, image: &str) -> Sample {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut reference = client(containerd).await;
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(client(target.socket()).await);
        }
        let cri = Cri::connect(containerd).await;
        let logs = tempfile::tempdir().unwrap();
        let pod = Pod::run(&cri, "bench-events", logs.path()).await.unwrap();
        // Whoever has an event of the first container is there; the others count.
        let first = container(&pod, &cri, image, 0).await;
        for client in clients.iter_mut().chain([&mut reference]) {
            until_stopped(client, &first).await;
        }
        let (before, begin) = (target.cpu(), Instant::now());
        let mut times = Vec::new();
        let mut passed = 0;
        for number in 1..=CONTAINERS {
            let id = container(&pod, &cri, image, number).await;
            let (_, expected): (Vec<_>, Vec<_>) =
                until_stopped(&mut reference, &id).await.into_iter().unzip();
            for client in &mut clients {
                let (took, events): (Vec<_>, Vec<_>) = until_stopped(client, &id).await.into_iter().unzip();
                assert_eq!(events, expected, "{} has other events than containerd itself", target.name);
                passed += events.len();
                let own = took.into_iter().zip(&events).filter(|(_, event)| event.container_id == id);
                times.extend(own.map(|(took, _)| took));
            }
        }
        let elapsed = begin.elapsed();
        let cpu = target.cpu().zip(before).map(|(after, before)| (after - before) / passed as u32);
        assert_eq!(times.len(), CLIENTS * CONTAINERS * EVENTS, "{}: events are missing", target.name);
        pod.remove(&cri).await.unwrap();
        Sample::of(times, elapsed, cpu, 0)
    })
}

/// A client with a connection of its own. Its stream begins with the first event, so it runs beside.
async fn client(socket: &Path) -> UnboundedReceiver<Received> {
    let mut runtime = Cri::connect(socket).await.runtime;
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        let mut stream = runtime.get_container_events(GetEventsRequest {}).await.unwrap().into_inner();
        while let Ok(Some(event)) = stream.message().await {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let made = Duration::from_nanos(event.created_at.try_into().unwrap());
            if sender.send((now.saturating_sub(made), event)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A container that ends at once.
async fn container(pod: &Pod, cri: &Cri, image: &str, number: usize) -> String {
    let config = pod::container(&format!("c{number}"), image, &["true"]);
    let id = pod.create(cri, config).await.unwrap();
    pod::start(cri, &id).await.unwrap();
    id
}

/// What comes up to a container's end: its own events, and those that the one before it left behind.
async fn until_stopped(client: &mut UnboundedReceiver<Received>, id: &str) -> Vec<Received> {
    const STOPPED: i32 = k8s_cri::v1::ContainerEventType::ContainerStoppedEvent as i32;
    let mut events = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), client.recv());
        let (took, event) = next.await.expect("an event comes in time").expect("the stream goes on");
        let last = event.container_id == id && event.container_event_type == STOPPED;
        events.push((took, event));
        if last {
            return events;
        }
    }
}
