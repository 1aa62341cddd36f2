//! Reads files that other programs may have made.
//!
//! `regular_file` opens and reads regular files of a bounded length; `pem` reads certificates and keys;
//! `access` tells who may read a file, `exposed` what everybody may do with it, `reader` what the daemon finds where a
//! command asks for it; `fingerprint` tells whether files have changed; `replace` writes one whole, `attributes` are what it keeps of the one before; `parallel` does one thing to thousands of them on
//! all processors; `go_duration` reads durations as Go does; `random` makes bytes that nobody can guess; `secret` is a text
//! that neither `Debug` nor a log shows; `byte_order_mark` is what editors on Windows write before a text.

pub mod access;
pub mod attributes;
pub mod byte_order_mark;
pub mod exposed;
pub mod fingerprint;
pub(crate) mod go_duration;
pub mod parallel;
pub mod pem;
pub(crate) mod random;
pub mod reader;
pub mod regular_file;
pub mod replace;
pub mod secret;
