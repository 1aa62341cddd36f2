//! Reads the text of one file of a source, whole or not at all.
//!
//! Before: a reader knows which file it wants.  After: the reader parses the text.
//! Holds: what is parsed was in the file at one moment; a file that is written meanwhile is read again. Only
//! a regular file is opened, so that no pipe or device can hold the program up.
//! Not here: which files there are.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::super::diagnostic::{Problem, Span, TextId, Texts};
use super::mask;

/// No configuration of this sort is longer; what is, is another file by mistake.
const MAX_LEN: u64 = 16 << 20;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: u32 = 5;

/// What an editor needs to finish writing.
const PAUSE: Duration = Duration::from_millis(20);

/// Why a text cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in crate::config) enum TextError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is a directory, and a file is meant")]
    Directory,
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is longer than {} MiB", MAX_LEN >> 20)]
    TooLong,
    #[error("it changed each time it was read")]
    Changing,
}

/// Reads a file into `texts`; what is wrong is in `out`.
pub(in crate::config) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TextId> {
    match bytes(path) {
        Ok(bytes) => add(path, bytes, texts, out),
        Err(error) => {
            out.push(problem(path, &error));
            None
        }
    }
}

/// The problem of a file that cannot be read.
pub(in crate::config) fn problem(path: &Path, error: &TextError) -> Problem {
    let problem = Problem::error(format!("cannot read {}: {error}", path.display()));
    match error {
        TextError::Io(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            problem.hint("run this as root, or as the user that the service runs as")
        }
        TextError::Changing => problem.hint("something writes it again and again; try once it has finished"),
        _ => problem,
    }
}

fn add(path: &Path, bytes: Vec<u8>, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TextId> {
    let name = path.to_string_lossy();
    match String::from_utf8(bytes) {
        Ok(content) => {
            let hidden = mask::secrets(&content);
            let text = texts.add(&name, content);
            texts.mask(text, &hidden);
            Some(text)
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = texts.add(&name, String::from_utf8_lossy(error.as_bytes()).into_owned());
            out.push(Problem::error("this is not UTF-8 text").at(&Span { text, range: valid..valid }));
            None
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TextError> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        if let Some(bytes) = attempt_at(path)? {
            return Ok(bytes);
        }
    }
    Err(TextError::Changing)
}

/// One attempt; nothing where the file has changed meanwhile.
fn attempt_at(path: &Path) -> Result<Option<Vec<u8>>, TextError> {
    // Opening a pipe waits for its writer unless it is told not to.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let before = file.metadata()?;
    if before.is_dir() {
        return Err(TextError::Directory);
    }
    if !before.is_file() {
        return Err(TextError::NotAFile);
    }
    let mut bytes = Vec::new();
    (&file).take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(TextError::TooLong);
    }
    let after = file.metadata()?;
    let whole = state(&before) == state(&after) && bytes.len() as u64 == after.len();
    // A file that was replaced meanwhile was whole when it was opened.
    Ok(whole.then_some(bytes))
}

fn state(metadata: &Metadata) -> (u64, i64, i64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec())
}
