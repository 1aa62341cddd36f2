//! Hostile bytes for every input, each with what must hold whatever they are.
//!
//! libFuzzer (`fuzz_targets`, by `fuzz/run`) or `tests/fuzz.rs` makes the bytes. The program's own code reads them, and
//! a broken promise is a panic.
//! Holds: a target has no state that one input leaves for the next, and asks nothing of the network.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a promise that does not hold has to panic")]

mod challenge;
mod cluster;
mod disk;
mod frames;
mod install;
mod node;
mod pull_failure;
mod reference;
mod secrets;
mod signature;
mod sources;
mod wire;

/// What one input is given to.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its corpus as well.
pub const TARGETS: [(&str, Target); 10] = [
    ("challenge", challenge::run),
    ("cluster", cluster::run),
    ("frames", frames::run),
    ("install", install::run),
    ("node", node::run),
    ("pull_failure", pull_failure::run),
    ("reference", reference::run),
    ("signature", signature::run),
    ("sources", sources::run),
    ("wire", wire::run),
];

pub use sources::loads;

/// Runs the target of that name.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target's name");
    target(bytes);
}
