//! containerd's native services on the same socket: cAdvisor and others use them there.
//!
//! Unary calls, streams of every direction and large messages must go the same way on both sides.

use crate::sides::{Side, Sides};
use crate::support::PATIENCE;
use crate::support::image::{self, Image};
use crate::support::native::in_namespace;
use crate::support::raw::framed;
use bytes::Bytes;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{
    self as api, GetImageRequest, InfoRequest, ReadContentRequest, SubscribeRequest, WriteAction,
    WriteContentRequest,
};
use prost::Message;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NAMESPACE: [(&str, &str); 1] = [("containerd-namespace", "k8s.io")];

async fn ask(sides: &Sides, method: &str, message: &impl Message) -> crate::support::raw::Answer {
    sides.same_with(&format!("/containerd.services.{method}"), &message.encode_to_vec(), &NAMESPACE).await
}

pub async fn reads(sides: &Sides) {
    let empty = [
        "version.v1.Version/Version",
        "introspection.v1.Introspection/Server",
        "introspection.v1.Introspection/Plugins",
        "namespaces.v1.Namespaces/List",
        "leases.v1.Leases/List",
        "images.v1.Images/List",
        "content.v1.Content/List",
        "content.v1.Content/ListStatuses",
        "containers.v1.Containers/List",
        "tasks.v1.Tasks/List",
        "tasks.v1.Tasks/Metrics",
        "sandbox.v1.Store/List",
        "snapshots.v1.Snapshots/List",
    ];
    for method in empty {
        ask(sides, method, &()).await;
        // Without a namespace most of them refuse.
        sides.same(&format!("/containerd.services.{method}"), b"").await;
    }
    // Field 1 is the name or the id in all of these.
    let unknown = [
        "namespaces.v1.Namespaces/Get",
        "images.v1.Images/Get",
        "images.v1.Images/Delete",
        "content.v1.Content/Info",
        "content.v1.Content/Status",
        "content.v1.Content/Read",
        "containers.v1.Containers/Get",
        "tasks.v1.Tasks/Get",
        "leases.v1.Leases/ListResources",
        "sandbox.v1.Store/Get",
    ];
    for method in unknown {
        sides.same_with(&format!("/containerd.services.{method}"), b"\x0a\x07unknown", &NAMESPACE).await;
    }
    for snapshotter in ["overlayfs", "native", "none"] {
        let request =
            api::snapshots::ListSnapshotsRequest { snapshotter: snapshotter.to_owned(), filters: Vec::new() };
        ask(sides, "snapshots.v1.Snapshots/List", &request).await;
    }
}

pub async fn images_and_content(sides: &Sides) {
    let image = Image::busybox("compliance/native");
    sides.registry.push("compliance/native", "1", &image);
    let name = sides.registry.name("compliance/native", "1");
    sides.direct().cri.pull(&name).await.unwrap();
    assert_eq!(
        ask(sides, "images.v1.Images/Get", &GetImageRequest { name: name.clone() }).await.code(),
        Some(0)
    );
    for blob in image.blobs() {
        let digest = image::digest(&blob);
        let info = ask(sides, "content.v1.Content/Info", &InfoRequest { digest: digest.clone() }).await;
        assert_eq!(info.code(), Some(0));
        for (offset, size) in
            [(0, 0), (10, 100), (i64::try_from(blob.len()).unwrap() - 1, 1), (-1, 0), (1 << 40, 0)]
        {
            ask(
                sides,
                "content.v1.Content/Read",
                &ReadContentRequest { digest: digest.clone(), offset, size },
            )
            .await;
        }
    }
    let whole = ReadContentRequest { digest: image.digest(), offset: 0, size: 0 };
    let answer = ask(sides, "content.v1.Content/Read", &whole).await;
    assert!(answer.messages[0].windows(20).any(|window| image.manifest().starts_with(window)));
    sides.direct().cri.remove(&name).await.unwrap();
}

fn write(
    action: WriteAction,
    reference: &str,
    offset: usize,
    data: Vec<u8>,
    total: &[u8],
) -> WriteContentRequest {
    WriteContentRequest {
        action: action as i32,
        r#ref: reference.to_owned(),
        total: i64::try_from(total.len()).unwrap(),
        expected: image::digest(total),
        offset: i64::try_from(offset).unwrap(),
        data,
        labels: [("containerd.io/gc.root".to_owned(), "compliance".to_owned())].into(),
    }
}

/// Content that no containerd has seen: it keeps what was deleted for a while, and knows it again.
fn fresh(size: usize) -> Vec<u8> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut blob = vec![7; size];
    blob[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    blob
}

async fn forget(side: &Side, digest: &str) {
    let request = in_namespace(api::DeleteContentRequest { digest: digest.to_owned() });
    drop(ContentClient::new(side.cri.channel()).delete(request).await);
}

/// A stream in both directions whose messages wait for each other, then a stream of answers.
pub async fn content_is_written_and_read(sides: &Sides) {
    sides
        .story(async |side| {
            let blob = fresh(5 << 20);
            let digest = image::digest(&blob);
            let mut client =
                ContentClient::new(side.cri.channel()).max_decoding_message_size(crate::support::cri::LIMIT);
            let (send, receive) = queue();
            // containerd's headers come with its first answer, so the first message goes before the call.
            send.send(write(WriteAction::Stat, "compliance-written", 0, Vec::new(), &blob)).await.unwrap();
            let mut answers = client.write(in_namespace(receive)).await.unwrap().into_inner();
            side.note("stat", answers.message().await.unwrap().unwrap().offset);
            let mut offset = 0;
            for piece in blob.chunks(1 << 20) {
                send.send(write(WriteAction::Write, "compliance-written", offset, piece.to_vec(), &blob))
                    .await
                    .unwrap();
                let answer = answers.message().await.unwrap().unwrap();
                offset += piece.len();
                assert_eq!(answer.offset, i64::try_from(offset).unwrap());
            }
            send.send(write(WriteAction::Commit, "compliance-written", offset, Vec::new(), &blob))
                .await
                .unwrap();
            let committed = answers.message().await.unwrap().unwrap();
            assert_eq!(committed.digest, digest);
            side.note("committed", (committed.action, committed.offset, committed.total));
            drop(send);
            side.note("the end", answers.message().await.unwrap().is_none());
            let request = in_namespace(ReadContentRequest { digest: digest.clone(), offset: 0, size: 0 });
            let mut stream = client.read(request).await.unwrap().into_inner();
            let mut read = Vec::new();
            while let Some(piece) = stream.message().await.unwrap() {
                read.extend_from_slice(&piece.data);
            }
            assert!(read == blob, "{} bytes came back of {}", read.len(), blob.len());
            forget(side, &digest).await;
        })
        .await;
}

/// A queue of messages as the body of a request.
fn queue<T: Send + 'static>() -> (tokio::sync::mpsc::Sender<T>, impl futures_util::Stream<Item = T> + Send) {
    let (send, mut receive) = tokio::sync::mpsc::channel(1);
    (send, futures_util::stream::poll_fn(move |context| receive.poll_recv(context)))
}

/// One message just under containerd's limit of 16 MiB, and one over it.
pub async fn messages_up_to_the_limit_and_over(sides: &Sides) {
    const PATH: &str = "/containerd.services.content.v1.Content/Write";
    for (what, size) in [("under", (16 << 20) - 1024), ("over", (16 << 20) + 1), ("far over", 20 << 20)] {
        sides
            .story(async |side| {
                let blob = fresh(size);
                let digest = image::digest(&blob);
                let request =
                    write(WriteAction::Commit, "compliance-limit", 0, blob.clone(), &blob).encode_to_vec();
                let mut answer = side.raw.exchange(PATH, framed(&request), &NAMESPACE, usize::MAX).await;
                for message in &mut answer.messages {
                    let mut decoded = api::WriteContentResponse::decode(message.clone()).unwrap();
                    assert_eq!(std::mem::take(&mut decoded.digest), digest);
                    (decoded.started_at, decoded.updated_at) = (None, None);
                    *message = Bytes::from(decoded.encode_to_vec());
                }
                assert_eq!(answer.code(), Some(if what == "under" { 0 } else { 8 }), "{what}: {answer:?}");
                side.note_answer(what, &answer);
                forget(side, &digest).await;
            })
            .await;
    }
    // An image name of 17 MiB, on a method that the shunt looks into.
    let name = crate::images::status(&"x".repeat(17 << 20), false);
    assert_eq!(sides.same(crate::images::STATUS, &name).await.code(), Some(8));
}

/// A stream that stays open: each event must come when it happens, not when a buffer is full.
pub async fn events_arrive_while_they_happen(sides: &Sides) {
    let topic = format!("/compliance/{}", sides.version().line());
    sides
        .story(async |side| {
            let mut events = EventsClient::new(side.cri.channel());
            let filters = vec![format!("topic==\"{topic}\"")];
            let subscribed = events.subscribe(SubscribeRequest { filters });
            // The answer begins with the first event, so something has to happen meanwhile.
            let knocking = async {
                loop {
                    publish(side, &topic, b"knock").await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            };
            let mut stream = tokio::select! {
                answer = subscribed => answer.unwrap().into_inner(),
                () = knocking => unreachable!("it knocks for ever"),
            };
            for number in 0..3u8 {
                publish(side, &topic, &[number; 10]).await;
                let envelope = loop {
                    let wait = tokio::time::timeout(PATIENCE, stream.message());
                    let envelope = wait.await.expect("it comes at once").unwrap().unwrap();
                    if envelope.event.as_ref().is_some_and(|event| event.value != b"knock") {
                        break envelope;
                    }
                };
                side.note("event", (envelope.namespace, envelope.topic, envelope.event));
            }
        })
        .await;
}

async fn publish(side: &Side, topic: &str, value: &[u8]) {
    let event = prost_types::Any { type_url: "compliance".to_owned(), value: value.to_vec() };
    let request = api::PublishRequest { topic: topic.to_owned(), event: Some(event) };
    EventsClient::new(side.cri.channel()).publish(in_namespace(request)).await.unwrap();
}

pub async fn health(sides: &Sides) {
    for service in ["", "none"] {
        let mut message = vec![0x0a, u8::try_from(service.len()).unwrap()];
        message.extend_from_slice(service.as_bytes());
        sides.same("/grpc.health.v1.Health/Check", &message).await;
    }
    assert_eq!(sides.same("/grpc.health.v1.Health/Check", b"").await.code(), Some(0));
}
