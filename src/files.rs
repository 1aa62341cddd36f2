//! Reads files that other programs may have made.
//!
//! `regular_file` opens and reads regular files of a bounded length; `pem` reads certificates and keys;
//! `fingerprint` tells whether files have changed; `parallel` does one thing to thousands of them on all
//! processors; `go_duration` reads durations as Go does; `secret` is a text that neither `Debug` nor a log shows.

pub mod fingerprint;
pub(crate) mod go_duration;
pub mod parallel;
pub mod pem;
pub mod regular_file;
pub mod secret;
