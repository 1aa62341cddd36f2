//! Answers the first questions of a client late rather than with an error while containerd starts.
//!
//! Before: `router`, for Version, Status and ImageFsInfo.  After: containerd, asked again and again.
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
