//! Private mirrors: logins of every kind of source, what goes wrong with them, and that none goes to a wrong host.
//!
//! `explain` and `check` must say the same of a configuration without running it.
//! Holds: after each case none of the secrets used stands in anything that a shunt has said.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, reason = "tests")]

mod faults;
mod kinds;
mod node_credentials;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod wrong_host;
