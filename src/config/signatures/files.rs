//! Reads what signatures are verified with: public keys, trusted roots, policy.json.
//!
//! Holds: whatever is read is public, and is kept with the configuration.

use std::path::{Path, PathBuf};

use super::super::diagnostic::{Located, Problem, Span, Texts};
use super::super::text;
use crate::signature::{PolicyJson, PublicKey, TrustRoot};

/// The bytes of a file. It is kept with the configuration unless it holds a secret.
fn public(path: &Path, texts: &mut Texts) -> Result<Vec<u8>, String> {
    let bytes = text::bytes(path, texts).map_err(|error| error.to_string())?;
    if let Ok(content) = std::str::from_utf8(&bytes)
        && !content.contains("PRIVATE KEY")
    {
        texts.keep(path, content);
    }
    Ok(bytes)
}

/// A public key.
pub(super) fn key(file: &Located<PathBuf>, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<PublicKey> {
    read("key", file, texts, out, |bytes| PublicKey::from_pem(bytes).map_err(|error| error.to_string()))
}

/// A `trusted_root.json`.
pub(super) fn root(file: &Located<PathBuf>, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TrustRoot> {
    read("trusted root", file, texts, out, TrustRoot::read)
}

fn read<T>(
    what: &str,
    Located { value: path, at }: &Located<PathBuf>,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
) -> Option<T> {
    let found = public(path, texts).and_then(|bytes| parse(&bytes));
    let message = |error| format!("the {what} {} cannot be used: {error}", path.display());
    found.map_err(|error| out.push(Problem::error(message(error)).at(at))).ok()
}

/// A policy.json, with the keys that it names.
pub(super) fn policy_json(
    path: &Path,
    at: &Span,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Option<PolicyJson> {
    let kept = std::cell::RefCell::new(texts);
    let read_file = |name: &str| public(Path::new(name), &mut kept.borrow_mut());
    let bytes = read_file(&path.to_string_lossy());
    let found = bytes.and_then(|bytes| PolicyJson::read(&bytes, &read_file));
    let message = |error| format!("{} cannot be used: {error}", path.display());
    found.map_err(|error| out.push(Problem::error(message(error)).at(at))).ok()
}
