//! What a cluster brings to its nodes: the Helm chart, the commands that its pods run, and their image.
//!
//! `tests/chart` has what renders the chart, and its sets of values.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod api;
mod chart;
mod image;
mod nodes;
mod odd;
mod rollout;
#[path = "../support/mod.rs"]
mod support;
mod sync;
mod waits;
