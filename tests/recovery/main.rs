//! Pulls that are broken off, and what others do meanwhile: on each containerd.
//!
//! Holds: whatever is killed and whenever, the image can be pulled afterwards; once both programs are back, nothing is
//! left of a fetch, and nothing is gone that somebody asked for.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(unreachable_pub, reason = "a test program exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod broken_off;
mod failing;
mod names;
mod setup;
