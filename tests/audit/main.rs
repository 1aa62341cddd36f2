//! The audit: a line for each decision, in the form that docs/audit.md describes, whatever the disk does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod disk;
mod end;
mod form;

use std::path::Path;

use serde_json::Value;
use support::shunt::Shunt;

/// The lines of a file, once there are so many.
fn lines(shunt: &Shunt, file: &Path, count: usize) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    };
    shunt.until(&format!("{count} lines of the audit"), || read().len() >= count);
    let lines = read();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}
