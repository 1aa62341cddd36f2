//! Gives memory that is not needed any more back to the system.
//!
//! The C library keeps freed memory for itself, below whatever is still in use above it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// When a client leaves, many connections may end one after the other.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections to mirrors end a little later.
const LATER: Duration = Duration::from_secs(10);

/// Lets all threads have one heap. It has to be called before there is a second thread.
///
/// The C library would make a heap for each thread that reads a file, and gives back least of these. Only one thread
/// works all the time, so none waits for another.
pub fn one_heap() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate that is in use has a safe call for it")]
    // SAFETY: it takes two numbers, and sets one.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives memory back after `ended` has told of a connection's end, once for all that end shortly after each other.
pub(super) async fn give_back(ended: Arc<Notify>) {
    loop {
        ended.notified().await;
        tokio::time::sleep(PAUSE).await;
        trim();
        while tokio::time::timeout(LATER, ended.notified()).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
            trim();
        }
        trim();
    }
}

fn trim() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "no crate that is in use has a safe call for it")]
    // SAFETY: it takes a number and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
