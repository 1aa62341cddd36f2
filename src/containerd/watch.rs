//! Learns how containerd is set up, again after each of its restarts.
//!
//! Holds: a restart of containerd is noticed by the end of its event stream, and everything is learned again.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{ImageDelete, SubscribeRequest};
use prost::Message;
use tonic::Status;

use super::{Containerd, Facts, FetchBy, Link, MAX_MESSAGE};

/// How long to wait before containerd is asked again.
const RETRY: Duration = Duration::from_millis(250);

/// What the shunt's configuration says of containerd. It overrules what containerd says itself.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The pause image.
    pub pause_image: Option<String>,
    /// Where it looks for `hosts.toml`.
    pub config_path: Option<PathBuf>,
    /// By which name it is asked for what a mirror has.
    pub fetch_by: Option<FetchBy>,
}

impl Overrides {
    /// Puts these in the place of what was learned.
    pub fn apply(&self, facts: &mut Facts) {
        if let Some(image) = &self.pause_image {
            facts.pause_image = Some(image.clone());
        }
        if let Some(path) = &self.config_path {
            facts.set_config_path(path);
        }
        facts.fetch_by = self.fetch_by;
    }
}

/// Watches for as long as it is polled.
pub async fn run(containerd: Arc<Containerd>, overrides: Overrides) {
    let mut reported = false;
    loop {
        match learn_and_follow(&containerd, &overrides, &mut reported).await {
            Ok(()) => tracing::info!("containerd ended its event stream; asking again how it is set up"),
            Err(status) => {
                if !std::mem::replace(&mut reported, true) {
                    tracing::warn!(error = status.message(), "containerd does not answer");
                }
            }
        }
        // Also after a stream that ended well: otherwise a containerd that ends each stream at once would be asked
        // without a pause.
        tokio::time::sleep(RETRY).await;
    }
}

/// Returns when containerd ends. `reported`, whether its silence was logged, is taken back as soon as it answers.
async fn learn_and_follow(
    containerd: &Containerd,
    overrides: &Overrides,
    reported: &mut bool,
) -> Result<(), Status> {
    // One connection for both, with the events first: a containerd that restarts while it is asked ends the stream, so
    // what the one before it said is not kept for the one after it.
    let link = containerd.link.another();
    let mut following = pin!(follow_events(containerd, &link));
    let mut facts = tokio::select! {
        biased;
        ended = &mut following => return ended,
        facts = Facts::learn(&link) => facts?,
    };
    *reported = false;
    overrides.apply(&mut facts);
    tracing::info!(version = facts.version, pause_image = facts.pause_image, "containerd answers");
    if facts.pause_image.is_none() {
        tracing::warn!(
            "containerd does not say which pause image it uses; set pause-image under [containerd]"
        );
    }
    containerd.learned(facts);
    let ended = following.await;
    containerd.forget_facts();
    ended
}

/// Notes when the pause image's name is deleted. Returns when containerd ends.
async fn follow_events(containerd: &Containerd, link: &Link) -> Result<(), Status> {
    let request = SubscribeRequest { filters: vec![r#"topic=="/images/delete""#.to_owned()] };
    let mut client = EventsClient::new(link.clone()).max_decoding_message_size(MAX_MESSAGE);
    // containerd sends the head of its answer with the first event: this may take until then.
    let mut events = client.subscribe(request).await?.into_inner();
    while let Some(event) = events.message().await? {
        let deleted = event.event.and_then(|any| ImageDelete::decode(any.value.as_slice()).ok());
        let pause = containerd.pause_image();
        if deleted.is_some_and(|image| pause.is_some_and(|pause| pause.as_str() == image.name)) {
            containerd.pause_image_removed.notify_one();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use h2::RecvStream;
    use h2::server::SendResponse;
    use http::{HeaderMap, HeaderValue, Request, Response};
    use tokio::net::UnixListener;

    use super::*;
    use crate::containerd::frame;

    type Call = (Request<RecvStream>, SendResponse<Bytes>);
    type Connection = h2::server::Connection<tokio::net::UnixStream, Bytes>;

    /// The next connection on which a call comes, with that call. A look at who listens brings none.
    async fn connection(listener: &UnixListener) -> (Connection, Call) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut connection) = h2::server::handshake(stream).await else { continue };
            if let Some(Ok(call)) = connection.accept().await {
                return (connection, call);
            }
        }
    }

    fn path(call: &Call) -> &str {
        call.0.uri().path().rsplit('/').next().unwrap()
    }

    fn answer((_, mut respond): Call, message: &impl Message) {
        let mut head = Response::new(());
        head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let mut stream = respond.send_response(head, false).unwrap();
        stream.send_data(frame(&message.encode_to_vec()), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        stream.send_trailers(trailers).unwrap();
    }

    /// Says its version on one connection. Returns it with the call for events, and one for its status.
    async fn says_version(listener: &UnixListener, version: &str) -> (Connection, Call, Call) {
        let (mut connection, events) = connection(listener).await;
        assert_eq!(path(&events), "Subscribe", "events that come while it is asked would be lost");
        let asked = connection.accept().await.unwrap().unwrap();
        assert_eq!(path(&asked), "Version");
        let runtime_version = version.to_owned();
        answer(asked, &k8s_cri::v1::VersionResponse { runtime_version, ..Default::default() });
        let asked = connection.accept().await.unwrap().unwrap();
        assert_eq!(path(&asked), "Status");
        (connection, events, asked)
    }

    /// What is logged in this thread.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn each_end_of_containerd_is_noticed_and_logged_also_while_it_is_asked() {
        let log = Log::default();
        let writer = Log(log.0.clone());
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let containerd = Arc::new(Containerd::new(socket.as_path().into()));
        let test = async {
            for (version, lives) in [("1", false), ("2", true), ("3", true)] {
                let (mut connection, events, status) = says_version(&listener, version).await;
                if !lives {
                    continue;
                }
                answer(status, &k8s_cri::v1::StatusResponse::default());
                let mut facts = containerd.watch_facts();
                tokio::select! {
                    _ = connection.accept() => panic!("the connection stays"),
                    known = facts.wait_for(Option::is_some) => {
                        assert_eq!(known.unwrap().as_ref().unwrap().version, version);
                    }
                }
                drop((connection, events));
                facts.wait_for(Option::is_none).await.unwrap();
            }
        };
        tokio::select! {
            () = run(containerd.clone(), Overrides::default()) => unreachable!(),
            () = test => {}
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("containerd does not answer").count(), 3, "{log}");
    }
}
