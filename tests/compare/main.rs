//! The commands that compare many images with something: `preflight`, `diff`, `lock`, `drift`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/program.rs"]
mod program;
#[path = "../support/mod.rs"]
mod support;

mod diff;
mod drift;
mod lock;
mod locked;
mod preflight;

use program::{run_with, shown};

/// Runs the program beside a `config.toml`.
fn run(config: &str, arguments: &[&str]) -> String {
    let dir = program::lay_out(&[("config.toml", config)]);
    shown(&program::run(dir.path(), arguments))
}
