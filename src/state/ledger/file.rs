//! The ledger on disk: one JSON file, replaced whole.
//!
//! Before: `ledger`.  After: the state directory.
//! Holds: a reader, also after a crash at any step, finds the old file or the new one, never a part.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::LedgerError;
use super::brought::Brought;

/// Changes only with a form that an older program would misread.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    repositories: &'a BTreeMap<&'a String, &'a Brought>,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    repositories: BTreeMap<String, Brought>,
}

fn error(path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Write { path, source }
}

/// The ledger at `path`; empty if there is none.
///
/// # Errors
/// The directory can't be made, or the file is there and can't be read or put aside.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Brought>, LedgerError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(error(directory))?;
        // Found out now, not at the first pull: nothing may be pulled that could not be tidied up.
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK)
            .map_err(|errno| error(directory)(errno.into()))?;
    }
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(problem) => return Err(error(path)(problem)),
    };
    let problem = match serde_json::from_slice::<Read>(&text) {
        Ok(read) if read.version == VERSION => return Ok(read.repositories),
        Ok(read) => format!("version {} is not {VERSION}", read.version),
        Err(problem) => problem.to_string(),
    };
    let aside = path.with_extension("json.unreadable");
    tracing::error!(file = %path.display(), moved_to = %aside.display(), problem,
        "the ledger of mirror names cannot be understood; the names in it will not be swept");
    fs::rename(path, &aside).map_err(error(path))?;
    Ok(BTreeMap::new())
}

/// The file's text.
pub(super) fn render(repositories: &BTreeMap<&String, &Brought>) -> Vec<u8> {
    // Maps with string keys, strings and numbers: there is nothing that JSON could not hold.
    serde_json::to_vec(&Written { version: VERSION, repositories }).unwrap_or_default()
}

/// Replaces the file at `path`. It blocks, and there must be one writer at a time.
///
/// # Errors
/// The file can't be written.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), LedgerError> {
    replace(path, content).map_err(error(path))
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("json.new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}
