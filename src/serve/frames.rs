//! The relay of frames: most calls pass as the frames that they came as, in both directions.
//!
//! Each client connection has one connection to containerd. Stream numbers, windows, messages, trailers and resets are
//! the same on both; of a request only the header block is read and written anew. Calls that are looked into go to an
//! HTTP/2 server of the shunt's own (`taken`), and so do all others once containerd has ended.
//!
//! `connection` is the relay itself. `containerd` and `taken` are its two ends, `streams` says which of them answers a
//! stream. `request` judges a head, `held` keeps answers that the client has no room for. `head`, `hpack` and `settings`
//! read and write frames, `side` moves their bytes.

mod alone;
mod block;
mod connection;
mod containerd;
mod head;
mod held;
mod hpack;
mod request;
mod settings;
mod side;
mod spare;
mod streams;
mod taken;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use self::connection::{Connection, Over};
use crate::serve::listener::limits::Admitted;
use crate::state::{Client, State};

pub use self::alone::serve_alone;
pub use self::spare::Spare;

/// How long a request may be on its way when the daemon is told to stop. A client that does not hang up is
/// not waited for any longer.
const LAST_ARRIVAL: Duration = Duration::from_millis(250);

/// Serves a client until it leaves, or until its calls have ended after `last`.
pub async fn serve(
    stream: UnixStream,
    client: Client,
    admitted: Admitted,
    state: Arc<State>,
    spare: Arc<Spare>,
    last: CancellationToken,
) {
    let mut connection = Connection::new(stream, state, client, admitted, spare);
    let mut last_arrives = pin!(last_call(&last, false));
    let (mut is_used, mut is_stopping, mut is_idle) = (false, false, false);
    loop {
        let ended = async {
            loop {
                let over = poll_fn(|cx| match connection.poll(cx) {
                    Poll::Ready(over) => Poll::Ready(Some(over)),
                    Poll::Pending => {
                        let changed = connection.is_used() != is_used
                            || (is_stopping && connection.is_idle() != is_idle);
                        if changed { Poll::Ready(None) } else { Poll::Pending }
                    }
                });
                match over.await {
                    // To be woken at once would not do: then the runtime looks only now and then whether anything can be
                    // read for others.
                    Some(Ok(Over::Turn)) => tokio::task::yield_now().await,
                    over => return over,
                }
            }
        };
        tokio::select! {
            biased;
            ended = ended => match ended {
                Some(Ok(_)) => break,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a client's connection ended");
                    break;
                }
                None => {}
            },
            () = &mut last_arrives, if !is_stopping => {
                is_stopping = true;
                connection.take_leave();
            }
            // Those that were on their way have had time to arrive.
            () = tokio::time::sleep(LAST_ARRIVAL), if is_stopping && is_idle => break,
        }
        if connection.is_used() && !is_used {
            is_used = true;
            if !is_stopping {
                last_arrives.set(last_call(&last, true));
            }
        }
        is_idle = connection.is_idle();
    }
    connection.end().await;
}

/// Returns when a connection is to be told that no more requests are taken on it.
///
/// One that has just been made is told after its first request: clients such as hyper and tonic give up
/// a call that meets the news on a new connection, where grpc-go and grpc's C core would dial again.
async fn last_call(last: &CancellationToken, is_used: bool) {
    last.cancelled().await;
    if !is_used {
        tokio::time::sleep(LAST_ARRIVAL).await;
    }
}
