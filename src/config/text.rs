//! Reads the text of one file, or the names in one directory, whole or not at all.
//!
//! Holds: the text was in the file at one moment; a file that is written meanwhile is read again. Only regular files
//! are opened, so that no pipe or device can block the program. The state of every path is noted in [`Texts`], also
//! where there is nothing.
//! Not here: whether several files belong together (`load`).

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::diagnostic::{Problem, Span, TextId, Texts};
use crate::files::fingerprint::{FileState, Stamp};
use crate::files::regular_file::{self, OpenError};

/// The limit in bytes. A longer file is not a configuration.
const MAX_LEN: u64 = 16 << 20;

/// How many times a file is read that changes while it is read.
pub(super) const ATTEMPTS: u32 = 5;

/// The pause before it is read again: what an editor needs to finish writing.
pub(super) const PAUSE: Duration = Duration::from_millis(20);

/// The path that means standard input.
pub(super) const STDIN: &str = "-";

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TextError {
    #[error("{0}")]
    Io(io::Error),
    #[error("it is a directory, not a file")]
    Directory,
    #[error("it is not a regular file")]
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
pub(crate) fn problem(path: &Path, error: &TextError) -> Problem {
    let problem = Problem::error(format!("cannot read {}: {error}", path.display()));
    match error {
        TextError::Io(cause) if cause.kind() == io::ErrorKind::PermissionDenied => {
            problem.hint("run this as root, or as the user that the service runs as")
        }
        TextError::Io(cause) if cause.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            problem.hint("it is a symbolic link to a file that does not exist")
        }
        TextError::NotAFile => {
            problem.hint("put a file there; what a program writes to a pipe is read from stdin, which is `-`")
        }
        TextError::Changing => problem.hint("a program keeps writing it; try again when it has finished"),
        _ => problem,
    }
}

/// The bytes of a file.
pub(crate) fn bytes(path: &Path, texts: &mut Texts) -> Result<Vec<u8>, TextError> {
    let (bytes, state) = look(path, texts);
    texts.saw(path, state);
    bytes
}

/// The bytes of a file, and its state.
pub(crate) fn look(path: &Path, texts: &Texts) -> (Result<Vec<u8>, TextError>, FileState) {
    if let Some(copies) = texts.copies() {
        let absent = || TextError::Io(io::ErrorKind::NotFound.into());
        let copy = copies.get(path).map(|text| text.clone().into_bytes());
        return (copy.ok_or_else(absent), FileState::of(path));
    }
    if let Some((_, text)) = texts.future().filter(|(future, _)| *future == path) {
        return (Ok(text.as_bytes().to_vec()), FileState::of(path));
    }
    if path == Path::new(STDIN) {
        return (stdin(), FileState::of(path));
    }
    match settled(|| attempt(path, || {})) {
        Ok((bytes, stamp)) => (Ok(bytes), FileState::There(stamp)),
        Err(error) => {
            let state = seen(path, &error);
            (Err(error), state)
        }
    }
}

/// Reads a file into `texts`; problems are in `out`.
pub(super) fn read(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TextId> {
    let bytes = bytes(path, texts);
    take(path, bytes, texts, out)
}

/// Standard input. It can be read once only, and a reload gets the same text.
fn stdin() -> Result<Vec<u8>, TextError> {
    static READ: OnceLock<Result<Vec<u8>, io::ErrorKind>> = OnceLock::new();
    let read = READ.get_or_init(|| {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_LEN + 1).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|error| error.kind())
    });
    match read {
        Ok(bytes) if bytes.len() as u64 > MAX_LEN => Err(TextError::TooLong),
        Ok(bytes) => Ok(bytes.clone()),
        Err(kind) => Err(TextError::Io((*kind).into())),
    }
}

/// An entry of a directory.
pub(crate) struct DirectoryEntry {
    pub(crate) path: PathBuf,
    /// Whether it is a directory, or a symbolic link to one.
    pub(crate) is_directory: bool,
}

/// The entries of a directory, in no order. With copies, one without any is empty, whatever the disk has: a file that
/// is new since then must not count.
pub(crate) fn list(path: &Path, texts: &mut Texts) -> Result<Vec<DirectoryEntry>, TextError> {
    match texts.copies() {
        Some(copies) => Ok(list_copies(path, copies)),
        None => list_on_disk(path, texts),
    }
}

/// The entries of a directory whose files are not configuration, so that there are no copies of them.
pub(crate) fn list_on_disk(path: &Path, texts: &mut Texts) -> Result<Vec<DirectoryEntry>, TextError> {
    let found = settled(|| attempt_list(path));
    texts.saw(
        path,
        found.as_ref().map_or_else(|error| seen(path, error), |(_, stamp)| FileState::There(*stamp)),
    );
    found.map(|(mut entries, _)| {
        let future = texts.future().map(|(future, _)| future).filter(|future| future.parent() == Some(path));
        if let Some(future) = future.filter(|future| entries.iter().all(|entry| entry.path != *future)) {
            entries.push(DirectoryEntry { path: future.to_path_buf(), is_directory: false });
        }
        entries
    })
}

/// The entries of a directory of which there are copies.
fn list_copies(path: &Path, copies: &BTreeMap<PathBuf, String>) -> Vec<DirectoryEntry> {
    let mut entries = BTreeMap::new();
    for copy in copies.keys() {
        let Some(first) = copy.strip_prefix(path).ok().and_then(|below| below.iter().next()) else {
            continue;
        };
        let entry = path.join(first);
        *entries.entry(entry.clone()).or_insert(false) |= *copy != entry;
    }
    let entry = |(path, is_directory)| DirectoryEntry { path, is_directory };
    entries.into_iter().map(entry).collect()
}

/// Adds the content of a file to `texts`; problems are in `out`.
pub(crate) fn take(
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

/// Adds a text; `None` where it is not UTF-8.
pub(crate) fn add(path: &Path, bytes: Vec<u8>, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<TextId> {
    let name = if path == Path::new(STDIN) { "stdin".into() } else { path.to_string_lossy() };
    let is_utf_16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let (content, valid) = match String::from_utf8(bytes) {
        Ok(content) => (content, None),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some(valid))
        }
    };
    let text = texts.add(&name, content);
    let Some(valid) = valid else { return Some(text) };
    let problem = Problem::error("this is not UTF-8 text").at(&Span { text, range: valid..valid });
    out.push(problem.maybe_hint(
        is_utf_16.then_some("it is UTF-16, as some programs on Windows write; save it as UTF-8"),
    ));
    None
}

/// The state of a path that could not be read.
fn seen(path: &Path, error: &TextError) -> FileState {
    match error {
        TextError::Io(cause) => FileState::Away(cause.kind()),
        TextError::Changing => FileState::Moving,
        TextError::Directory | TextError::NotAFile | TextError::TooLong => FileState::of(path),
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

/// One attempt; `None` where the file has changed meanwhile. `after_reading` is for tests.
fn attempt(path: &Path, after_reading: impl FnOnce()) -> Result<Option<(Vec<u8>, Stamp)>, TextError> {
    let (file, metadata) = regular_file::open(path)?;
    let Some(before) = at_rest(&metadata, || file.metadata())? else { return Ok(None) };
    // Reading past the known length would cost one more call. Files of /proc have the length 0.
    let limit = if before.length() == 0 { MAX_LEN } else { before.length().min(MAX_LEN + 1) };
    let mut bytes = Vec::with_capacity(usize::try_from(before.length().min(MAX_LEN)).unwrap_or(0));
    (&file).take(limit).read_to_end(&mut bytes)?;
    after_reading();
    if bytes.len() as u64 > MAX_LEN {
        return Err(TextError::TooLong);
    }
    let after = Stamp::of(&file.metadata()?);
    let whole = before.is_content_of(&after) && bytes.len() as u64 == after.length();
    // A file that was replaced meanwhile was complete when it was opened.
    Ok(whole.then_some((bytes, before)))
}

fn attempt_list(path: &Path) -> Result<Option<(Vec<DirectoryEntry>, Stamp)>, TextError> {
    let metadata = || std::fs::metadata(path);
    let Some(before) = at_rest(&metadata()?, metadata)? else { return Ok(None) };
    let entry = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let path = entry.path();
        // The listing has the type of most entries, which saves a system call for each of thousands.
        let is_directory = entry
            .file_type()
            .map_or_else(|_| path.is_dir(), |kind| kind.is_dir() || (kind.is_symlink() && path.is_dir()));
        Ok(DirectoryEntry { path, is_directory })
    };
    let entries = std::fs::read_dir(path)?.map(entry).collect::<io::Result<_>>()?;
    let after = Stamp::of(&metadata()?);
    Ok((before == after).then_some((entries, before)))
}

/// The stamp, once any further change is sure to alter it; `None` where there was a change meanwhile.
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
    fn no_line_is_shown_of_a_file_that_is_not_text() {
        let mut texts = Texts::default();
        let mut out = Vec::new();
        assert!(add(Path::new("f"), b"pass: pw \xff".to_vec(), &mut texts, &mut out).is_none());
        let shown = super::super::diagnostic::Diagnostics::new(texts, out)
            .render(super::super::diagnostic::Style::Plain, true);
        assert!(shown.contains("f:1:10") && !shown.contains("pw"), "{shown}");
    }

    #[test]
    fn a_text_in_utf_16_is_told_what_to_do() {
        let (mut texts, mut out) = (Texts::default(), Vec::new());
        assert!(add(Path::new("f"), b"\xff\xfe[\0".to_vec(), &mut texts, &mut out).is_none());
        let shown = super::super::diagnostic::Diagnostics::new(texts, out)
            .render(super::super::diagnostic::Style::Plain, true);
        assert!(shown.contains("it is UTF-16") && shown.contains("save it as UTF-8"), "{shown}");
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
