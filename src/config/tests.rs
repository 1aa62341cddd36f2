//! Whole configurations in, whole answers out. The files are real ones in a directory of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod byte_order_mark;
mod changing;
mod credentials;
mod default_registry;
mod end_mark;
mod endpoints;
mod exposed;
mod files;
mod first_steps;
mod lints;
mod locks;
mod modes;
mod names;
mod problems;
mod rules;
mod signatures;
mod syntax;
mod tell;
mod transport;
mod values;

use std::path::Path;

use super::fixture::write;
use super::{Config, Diagnostics, Loaded, Style, load};
use crate::files::reader::Reader;

fn load_files(files: &[(&str, &str)]) -> (Result<Loaded, Diagnostics>, tempfile::TempDir) {
    let dir = write(files);
    (load(&dir.path().join("config.toml")), dir)
}

/// The messages, without the path of the test's directory.
fn shown(diagnostics: &Diagnostics, dir: &Path) -> String {
    let text = diagnostics.render(Style::Plain, true);
    text.replace(&format!("{}/", dir.display()), "")
}

/// The problems of a configuration that must not load.
fn refused(files: &[(&str, &str)]) -> String {
    let (loaded, dir) = load_files(files);
    shown(&loaded.expect_err("this configuration has to be refused"), dir.path())
}

/// The problems of a main file that must not load.
fn refused_text(text: &str) -> String {
    refused(&[("config.toml", text)])
}

/// The warnings and notes of a main file that must load.
fn warned(text: &str) -> String {
    let (loaded, dir) = load_files(&[("config.toml", text)]);
    match loaded {
        Ok(mut loaded) => {
            loaded.warn_of_files(&Reader::This);
            shown(&loaded.warnings, dir.path())
        }
        Err(problems) => panic!("refused:\n{}", shown(&problems, dir.path())),
    }
}

fn accepted(files: &[(&str, &str)]) -> Config {
    let (loaded, dir) = load_files(files);
    match loaded {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("refused:\n{}", shown(&problems, dir.path())),
    }
}

fn accepted_text(text: &str) -> Config {
    accepted(&[("config.toml", text)])
}
