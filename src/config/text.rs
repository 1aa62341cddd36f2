//! Reads the text of one file, or the names in one directory, whole or not at all.
//!
//! Before: `files` and the readers of `sources` know which file they want.  After: they parse the text.
//! Holds: what is parsed was in the file at one moment; a file that is written meanwhile is read again. Only
//! a regular file is opened, so that no pipe or device can hold the program up. The state of everything that
//! is looked at is noted in [`Texts`], what is missing included.
//! Not here: which files there are; whether several files belong together (`config::load_from`).

use std::fs::Metadata;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{Problem, Span, TextId, Texts};
use crate::files::fingerprint::{Stamp, State};
use crate::files::regular_file::{self, OpenError};

/// No configuration is longer; what is, is another file by mistake.
const MAX_LEN: u64 = 16 << 20;

/// How often what changes while it is read is read again.
pub(super) const ATTEMPTS: u32 = 5;

/// What an editor needs to finish writing.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// Why a text cannot be had.
#[derive(Debug, thiserror::Error)]
pub(in crate::config) enum TextError {
    #[error("{0}")]
    Io(io::Error),
    #[error("it is a directory, and a file is meant")]
    Directory,
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is longer than {} MiB", MAX_LEN >> 20)]
    TooLong,
    #[error("it changed each time it was read")]
    Changing,
}

impl From<io::Error> for TextError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Io(error),
        }
    }
}

impl From<OpenError> for TextError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => TextError::Io(error),
            OpenError::Directory => TextError::Directory,
            OpenError::Special => TextError::NotAFile,
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
        TextError::Io(cause) if cause.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            problem.hint("there is a symbolic link, which leads to nothing")
        }
        TextError::Changing => problem.hint("something writes it again and again; try once it has finished"),
        _ => problem,
    }
}

/// The bytes of a file.
pub(in crate::config) fn bytes(path: &Path, texts: &mut Texts) -> Result<Vec<u8>, TextError> {
    let (bytes, state) = look(path);
    texts.saw(path, state);
    bytes
}

/// The bytes of a file, and what is to be noted of it.
pub(in crate::config) fn look(path: &Path) -> (Result<Vec<u8>, TextError>, State) {
    match settled(|| attempt(path, || {})) {
        Ok((bytes, stamp)) => (Ok(bytes), State::There(stamp)),
        Err(error) => {
            let state = seen(path, &error);
            (Err(error), state)
        }
    }
}

/// Something in a directory.
pub(in crate::config) struct Entry {
    pub(in crate::config) path: PathBuf,
    /// Whether it is a directory, or a symbolic link to one.
    pub(in crate::config) is_directory: bool,
}

/// What is in a directory, in no order.
pub(in crate::config) fn list(path: &Path, texts: &mut Texts) -> Result<Vec<Entry>, TextError> {
    let found = settled(|| attempt_list(path));
    texts.saw(path, found.as_ref().map_or_else(|error| seen(path, error), |(_, stamp)| State::There(*stamp)));
    found.map(|(paths, _)| paths)
}

/// Takes what was read of a file into `texts`; what is wrong is in `out`.
pub(in crate::config) fn take(
    path: &Path,
    bytes: Result<Vec<u8>, TextError>,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Option<TextId> {
    match bytes {
        Ok(bytes) => add(path, bytes, texts, out),
        Err(error) => {
            out.push(problem(path, &error));
            None
        }
    }
}

/// Takes a text in; nothing where it is none.
pub(in crate::config) fn add(
    path: &Path,
    bytes: Vec<u8>,
    texts: &mut Texts,
    out: &mut Vec<Problem>,
) -> Option<TextId> {
    let name = path.to_string_lossy();
    let (content, valid) = match String::from_utf8(bytes) {
        Ok(content) => (content, None),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(valid))
        }
    };
    let text = texts.add(&name, content);
    let Some(valid) = valid else { return Some(text) };
    out.push(Problem::error("this is not UTF-8 text").at(&Span { text, range: valid..valid }));
    None
}

/// What is noted of a path that could not be read.
fn seen(path: &Path, error: &TextError) -> State {
    match error {
        TextError::Io(cause) => State::Away(cause.kind()),
        TextError::Changing => State::Moving,
        TextError::Directory | TextError::NotAFile | TextError::TooLong => State::of(path),
    }
}

fn settled<T>(mut attempt: impl FnMut() -> Result<Option<T>, TextError>) -> Result<T, TextError> {
    for again in 0..ATTEMPTS {
        if again > 0 {
            std::thread::sleep(PAUSE);
        }
        if let Some(found) = attempt()? {
            return Ok(found);
        }
    }
    Err(TextError::Changing)
}

/// One attempt; nothing where the file has changed meanwhile. `after_reading` is for tests, which change it.
fn attempt(path: &Path, after_reading: impl FnOnce()) -> Result<Option<(Vec<u8>, Stamp)>, TextError> {
    let (file, metadata) = regular_file::open(path)?;
    let Some(before) = at_rest(&metadata, || file.metadata())? else { return Ok(None) };
    // To ask for the end as well costs one more call; a length of nothing can be that of no real file.
    let limit = if before.length() == 0 { MAX_LEN } else { before.length().min(MAX_LEN + 1) };
    let mut bytes = Vec::with_capacity(usize::try_from(before.length().min(MAX_LEN)).unwrap_or(0));
    (&file).take(limit).read_to_end(&mut bytes)?;
    after_reading();
    if bytes.len() as u64 > MAX_LEN {
        return Err(TextError::TooLong);
    }
    let after = Stamp::of(&file.metadata()?);
    let whole = before.is_content_of(&after) && bytes.len() as u64 == after.length();
    // A file that was replaced meanwhile was whole when it was opened.
    Ok(whole.then_some((bytes, before)))
}

fn attempt_list(path: &Path) -> Result<Option<(Vec<Entry>, Stamp)>, TextError> {
    let metadata = || std::fs::metadata(path);
    let Some(before) = at_rest(&metadata()?, metadata)? else { return Ok(None) };
    let entry = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let path = entry.path();
        // The listing tells most, and a system call for each of thousands is saved.
        let is_directory = entry
            .file_type()
            .map_or_else(|_| path.is_dir(), |kind| kind.is_dir() || (kind.is_symlink() && path.is_dir()));
        Ok(Entry { path, is_directory })
    };
    let entries = std::fs::read_dir(path)?.map(entry).collect::<io::Result<_>>()?;
    let after = Stamp::of(&metadata()?);
    Ok((before == after).then_some((entries, before)))
}

/// The stamp once a further change is sure to alter it; nothing where there was one while it was waited for.
fn at_rest(now: &Metadata, again: impl Fn() -> io::Result<Metadata>) -> io::Result<Option<Stamp>> {
    let stamp = Stamp::of(now);
    let unrest = stamp.unrest();
    if unrest.is_zero() {
        return Ok(Some(stamp));
    }
    std::thread::sleep(unrest);
    let later = Stamp::of(&again()?);
    Ok(stamp.is_content_of(&later).then_some(later))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_while_it_is_read_is_not_taken_and_one_that_is_replaced_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "one").unwrap();
        std::thread::sleep(PAUSE);
        let written = attempt(&path, || std::fs::write(&path, "two").unwrap()).unwrap();
        assert!(written.is_none());
        std::thread::sleep(PAUSE);
        let replaced = attempt(&path, || {
            std::fs::write(dir.path().join("new"), "six").unwrap();
            std::fs::rename(dir.path().join("new"), &path).unwrap();
        });
        assert_eq!(replaced.unwrap().unwrap().0, b"two");
        std::thread::sleep(PAUSE);
        assert_eq!(attempt(&path, || {}).unwrap().unwrap().0, b"six");
    }

    #[test]
    fn a_file_that_was_written_just_now_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        // Two changes within one tick of the clock would look like one.
        let (_, stamp) = attempt(file.path(), || {}).unwrap().unwrap();
        assert!(stamp.unrest().is_zero());
    }

    #[test]
    fn a_text_that_is_none_is_masked_as_well() {
        let mut texts = Texts::default();
        let mut out = Vec::new();
        assert!(add(Path::new("f"), b"pass: pw \xff".to_vec(), &mut texts, &mut out).is_none());
        let shown = crate::config::diagnostic::Diagnostics::new(texts, out)
            .render(crate::config::diagnostic::Style::Plain, true);
        assert!(shown.contains("pass: ***") && !shown.contains("pw"), "{shown}");
    }

    #[test]
    fn what_never_rests_is_never_read() {
        let mut count = 0;
        let never: Result<(), _> = settled(|| {
            count += 1;
            Ok(None)
        });
        assert!(matches!(never, Err(TextError::Changing)));
        assert_eq!(count, ATTEMPTS);
    }
}
