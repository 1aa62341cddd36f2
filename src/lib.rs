//! cri-shunt: one image policy at containerd's CRI socket.
//!
//! The modules stand in the order in which a request meets them; `docs/architecture.md` walks along.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on may panic")
)]

pub mod cli;
pub mod config;
pub mod telemetry;

pub mod app;
pub mod listener;
pub mod router;

pub mod admin;
pub mod credentials;
pub mod hold;
pub mod lookup;
pub mod pause;
pub mod pull;
pub mod relay;

pub mod adopt;
pub mod checkpoint;
pub mod provenance;
pub mod sweep;

pub mod attend;
pub mod call;
pub mod node;
pub mod upstream;

pub mod parallel;
pub mod pem;
pub mod policy;
pub mod proxy;
pub mod registry;
pub mod regular;
pub mod secret;
pub mod snapshot;
pub mod transport;
pub mod wire;
