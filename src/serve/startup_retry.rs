//! Answers the first questions of a client late rather than with an error while containerd starts.
//!
//! Holds: no longer than [`PATIENCE`]: kubelet exits when its first ImageFsInfo fails, and crictl gives
//! up by itself after two seconds.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Status;

use crate::containerd::Answer;
use crate::containerd::unary::Call;

/// How long a call is held.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long to wait between two questions.
const PAUSE: Duration = Duration::from_millis(25);

/// Forwards `message`, again until containerd answers or patience is over.
pub async fn held(call: &Call, message: Bytes) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = match call.forward(&message).await {
            Ok(answer) if !answer.is_not_initialized() => return answer,
            Ok(answer) => answer,
            Err(away) => Answer::failure(&Status::unavailable(away.to_string())),
        };
        if Instant::now() + PAUSE > end {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::containerd::Link;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_held_for_a_while_and_given_up_before_its_client_does() {
        let away = Link::new(Path::new("/nowhere/containerd.sock").into());
        let asked = Instant::now();
        let answer = held(&Call::own(away, "/runtime.v1.RuntimeService/Version"), Bytes::new()).await;
        assert_eq!(answer.status().code(), tonic::Code::Unavailable);
        // crictl waits for two seconds.
        let took = asked.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(2), "{took:?}");
    }
}
