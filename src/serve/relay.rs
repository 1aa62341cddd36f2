//! Passes one HTTP/2 request on to containerd and its answer back, as they come.
//!
//! Holds: headers, message bytes, trailers and resets arrive as they were sent; nothing is gathered
//! up: each side is read only as fast as the other takes. A client that goes away cancels its call.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tonic::Status;

use crate::containerd::{Answer, Away, Link, request};

/// How a relayed call ended early.
enum End {
    /// The client reset its stream or is gone: the call to containerd is to be cancelled.
    ClientGone,
    /// containerd reset the stream for this reason.
    Reset(Reason),
    /// The connection to containerd broke.
    Away(Away),
    /// The daemon ends it.
    Stopped,
}

/// Relays `call` over `link` and answers it through `respond`.
pub async fn relay(call: Request<RecvStream>, respond: SendResponse<Bytes>, link: &Link) {
    relay_until(call, respond, link, std::future::pending()).await;
}

/// As [`relay`], until `stop` is ready. Then the client is told to ask again.
pub async fn relay_until(
    call: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    link: &Link,
    stop: impl Future<Output = ()>,
) {
    let (head, mut body) = call.into_parts();
    let ended = body.is_end_stream();
    let mut sender = match link.sender().await {
        Ok(sender) => sender,
        Err(away) => return unavailable(&mut respond, &away),
    };
    let mut request = request(head.uri.path_and_query(), head.headers);
    // gRPC has POST alone. What else comes has containerd's own refusal.
    *request.method_mut() = head.method;
    let (mut response, mut up) = match sender.send_request(request, ended) {
        Ok(sent) => sent,
        Err(error) => return unavailable(&mut respond, &link.broken(error)),
    };

    let mut down = None;
    let outcome = {
        let sending = async {
            if !ended && pump(&mut body, &mut up, true).await.is_err() {
                // Whichever side ended the stream, the answer's direction says how.
                std::future::pending().await
            }
        };
        let answering = async {
            let (head, mut answer) = begun(&mut response, &mut respond, link).await?.into_parts();
            let end = answer.is_end_stream();
            let stream =
                respond.send_response(Response::from_parts(head, ()), end).map_err(|_| End::ClientGone)?;
            let stream = down.insert(stream);
            if end {
                Ok(())
            } else {
                pump(&mut answer, stream, false).await.map_err(|end| end.into_end(link))
            }
        };
        let mut sending = pin!(sending);
        let mut answering = pin!(answering);
        let mut stop = pin!(stop);
        let mut sent = ended;
        poll_fn(|cx| {
            if !sent && sending.as_mut().poll(cx).is_ready() {
                sent = true;
            }
            if let Poll::Ready(answered) = answering.as_mut().poll(cx) {
                return Poll::Ready(answered);
            }
            stop.as_mut().poll(cx).map(|()| Err(End::Stopped))
        })
        .await
    };
    if let Err(early) = outcome {
        end_early(early, up, (respond, down));
    }
}

/// The beginning of containerd's answer.
async fn begun(
    response: &mut ResponseFuture,
    respond: &mut SendResponse<Bytes>,
    link: &Link,
) -> Result<Response<RecvStream>, End> {
    poll_fn(|cx| {
        if let Poll::Ready(answer) = std::pin::Pin::new(&mut *response).poll(cx) {
            return Poll::Ready(answer.map_err(|error| upstream_end(link, &error)));
        }
        ready!(client_reset(respond.poll_reset(cx)));
        Poll::Ready(Err(End::ClientGone))
    })
    .await
}

/// Ends on both sides a call that has ended early; `down` is the answer, as far as it has begun.
fn end_early(
    early: End,
    mut up: SendStream<Bytes>,
    (mut respond, down): (SendResponse<Bytes>, Option<SendStream<Bytes>>),
) {
    match (early, down) {
        (End::ClientGone, _) => up.send_reset(Reason::CANCEL),
        (End::Reset(reason), Some(mut stream)) => stream.send_reset(reason),
        (End::Reset(reason), None) => respond.send_reset(reason),
        (End::Away(away), down) => end(&mut respond, down, Status::unavailable(away.to_string())),
        (End::Stopped, down) => {
            up.send_reset(Reason::CANCEL);
            end(&mut respond, down, Status::unavailable("cri-shunt is stopping: ask again"));
        }
    }
}

/// Ends an answer with `status`, whether it has begun or not.
fn end(respond: &mut SendResponse<Bytes>, begun: Option<SendStream<Bytes>>, status: Status) {
    let Some(mut stream) = begun else {
        let _ = respond.send_response(Answer::failure(&status).head, true);
        return;
    };
    // The answer has begun: the status can only come at its end.
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() || stream.send_trailers(trailers).is_err() {
        stream.send_reset(Reason::INTERNAL_ERROR);
    }
}

/// Sends a whole `answer` to the client, as it takes it.
pub async fn reply(mut respond: SendResponse<Bytes>, answer: Answer) {
    let alone = answer.body.is_empty() && answer.trailers.is_none();
    // A client that is gone by now needs no answer: nothing is left to do in that case.
    let Ok(mut stream) = respond.send_response(answer.head, alone) else { return };
    if alone {
        return;
    }
    let last = answer.trailers.is_none();
    let mut body = answer.body;
    while !body.is_empty() {
        let Ok(room) = room(&mut stream, body.len()).await else { return };
        let part = body.split_to(room.min(body.len()));
        let end = last && body.is_empty();
        if stream.send_data(part, end).is_err() || end {
            return;
        }
    }
    if last {
        let _ = stream.send_data(body, true);
    }
    if let Some(trailers) = answer.trailers {
        let _ = stream.send_trailers(trailers);
    }
}

fn unavailable(respond: &mut SendResponse<Bytes>, away: &Away) {
    end(respond, None, Status::unavailable(away.to_string()));
}

/// Ready once the client has reset the stream or its connection is gone.
fn client_reset(poll: Poll<Result<Reason, h2::Error>>) -> Poll<()> {
    poll.map(|_| ())
}

fn upstream_end(link: &Link, error: &h2::Error) -> End {
    match error.reason() {
        Some(reason) if error.is_reset() => End::Reset(reason),
        _ => End::Away(link.broken(error)),
    }
}

/// Which side of a pump ended it.
enum PumpEnd {
    Source(h2::Error),
    Sink,
}

impl PumpEnd {
    /// For the direction containerd to client.
    fn into_end(self, link: &Link) -> End {
        match self {
            Self::Source(error) => upstream_end(link, &error),
            Self::Sink => End::ClientGone,
        }
    }
}

/// Moves data and trailers from `source` to `sink` until the source ends.
///
/// If it is `eager`, the first chunk waits for nothing, so that it leaves in one write with the head before it: a
/// request's stream has no window until its head is out. An answer's has one already, or its client reads nothing.
async fn pump(source: &mut RecvStream, sink: &mut SendStream<Bytes>, mut eager: bool) -> Result<(), PumpEnd> {
    loop {
        let chunk = poll_fn(|cx| {
            if let Poll::Ready(chunk) = source.poll_data(cx) {
                return Poll::Ready(chunk.transpose().map_err(PumpEnd::Source));
            }
            ready!(client_reset(sink.poll_reset(cx)));
            Poll::Ready(Err(PumpEnd::Sink))
        })
        .await?;
        let Some(chunk) = chunk else { break };
        let length = chunk.len();
        let end = source.is_end_stream();
        if !std::mem::take(&mut eager) && length > 0 {
            room(sink, length).await?;
        }
        sink.send_data(chunk, end).map_err(|_| PumpEnd::Sink)?;
        // Only what the other side takes is given back as credit: that bounds our memory to the source's
        // window and one chunk.
        let _ = source.flow_control().release_capacity(length);
        if end {
            return Ok(());
        }
    }
    match source.trailers().await.map_err(PumpEnd::Source)? {
        Some(trailers) => sink.send_trailers(trailers).map_err(|_| PumpEnd::Sink),
        None => sink.send_data(Bytes::new(), true).map_err(|_| PumpEnd::Sink),
    }
}

/// How many bytes `sink` can take now, `wanted` at best. Returns once that is any at all.
async fn room(sink: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, PumpEnd> {
    sink.reserve_capacity(wanted);
    while sink.capacity() == 0 {
        match poll_fn(|cx| sink.poll_capacity(cx)).await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(PumpEnd::Sink),
        }
    }
    Ok(sink.capacity())
}
