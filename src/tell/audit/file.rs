//! The audit in a file, with one predecessor.
//!
//! Holds: a line is written whole or not at all. Neither file grows beyond its bound. If the file is renamed or removed,
//! the next line is in a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::sink::Sink;

/// For the owner alone: what pods a node runs is nobody else's business.
const MODE: u32 = 0o600;

/// The file.
pub(super) struct AuditFile {
    path: PathBuf,
    most: u64,
    open: Option<File>,
}

impl AuditFile {
    /// A file of at most so many bytes.
    pub(super) fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most, open: None }
    }

    /// The open file, if it is still the one at the path; else the one that is there, or a new one.
    fn ready(&mut self) -> Result<&File, String> {
        let there = fs::metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()));
        let open = self.open.take().filter(|open| {
            let ours = open.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
            there.is_some() && ours == there
        });
        let open = match open {
            Some(open) => open,
            None => open_at(&self.path).map_err(|why| failed("open", &self.path, &why))?,
        };
        Ok(self.open.insert(open))
    }

    fn rotate(&mut self) -> Result<(), String> {
        fs::rename(&self.path, predecessor(&self.path)).map_err(|why| failed("rename", &self.path, &why))
    }
}

/// `FILE.1`.
#[must_use]
pub fn predecessor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn failed(what: &str, path: &Path, why: &io::Error) -> String {
    format!("cannot {what} {}: {why}", path.display())
}

fn open_at(path: &Path) -> io::Result<File> {
    // Without waiting: a pipe without a reader would hold the thread for ever.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(nonblocking)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // A machine that lost its power may have left a part of a line.
    let mut last = [b'\n'];
    if meta.len() > 0 {
        file.read_exact_at(&mut last, meta.len() - 1)?;
    }
    if last != [b'\n'] {
        (&file).write_all(b"\n")?;
    }
    Ok(file)
}

impl Sink for AuditFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn prepare(&mut self) -> Result<(), String> {
        self.ready().map(drop)
    }

    fn reopen(&mut self) {
        self.open = None;
    }

    fn write(&mut self, line: &str) -> Result<(), String> {
        let text = format!("{line}\n");
        let path = self.path.clone();
        let unwritten = |why: &io::Error| failed("write", &path, why);
        let mut length = self.ready()?.metadata().map_err(|why| unwritten(&why))?.len();
        if length > 0 && length + text.len() as u64 > self.most {
            self.rotate()?;
            length = 0;
        }
        let mut file = self.ready()?;
        file.write_all(text.as_bytes()).map_err(|why| {
            // A part of a line is of no use to a reader. If it cannot be cut off, the next line follows it.
            let _ = file.set_len(length);
            unwritten(&why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_full_file_becomes_the_predecessor_and_both_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = AuditFile::new(path.clone(), 12);
        for line in ["1234", "5678", "9012", "3456", "7890"] {
            file.write(line).unwrap();
        }
        assert_eq!((read(&path), read(&predecessor(&path))), ("7890\n".into(), "9012\n3456\n".into()));
        // A line that is longer than the bound is written all the same.
        file.write("a line that is much longer").unwrap();
        assert_eq!(read(&path), "a line that is much longer\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
    }

    #[test]
    fn a_file_that_is_renamed_or_removed_is_followed_by_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let mut file = AuditFile::new(path.clone(), 1000);
        file.write("one").unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        file.write("two").unwrap();
        assert_eq!(read(&path), "two\n");
        fs::remove_file(&path).unwrap();
        file.write("three").unwrap();
        assert_eq!(read(&path), "three\n");
        fs::write(&path, "a part of").unwrap();
        file.reopen();
        file.write("four").unwrap();
        assert_eq!(read(&path), "a part of\nfour\n");
    }

    #[test]
    fn what_is_no_file_is_refused_at_once_and_mended_by_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        fs::create_dir(&path).unwrap();
        let mut file = AuditFile::new(path.clone(), 1000);
        let why = file.prepare().unwrap_err();
        assert!(why.starts_with(&format!("cannot open {}: Is a directory", path.display())), "{why}");
        fs::remove_dir(&path).unwrap();
        file.write("one").unwrap();
        assert_eq!(read(&path), "one\n");
        fs::remove_file(&path).unwrap();
        let fifo = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, fifo, 0).unwrap();
        let why = file.write("two").unwrap_err();
        assert!(why.ends_with(": it is not a regular file"), "{why}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(predecessor(&path)).unwrap();
        let mut small = AuditFile::new(path.clone(), 5);
        small.write("1234").unwrap();
        let why = small.write("5678").unwrap_err();
        assert!(why.starts_with(&format!("cannot rename {}: ", path.display())), "{why}");
        assert_eq!(read(&path), "1234\n");
    }
}
