//! Opens and reads regular files, and nothing else.
//!
//! Holds: a pipe or a device in place of a file blocks nothing; no more than the limit is read.
//! Not here: files that change while they are read (`config`, `credentials`).

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system's reason.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A directory.
    #[error("it is a directory")]
    Directory,
    /// A pipe, a socket or a device.
    #[error("it is not a regular file")]
    Special,
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => error,
            OpenError::Directory => io::Error::new(io::ErrorKind::IsADirectory, error),
            OpenError::Special => io::Error::other(error),
        }
    }
}

/// Opens a file; symbolic links are followed.
///
/// # Errors
/// It can't be opened, or is not a regular file.
pub fn open(path: &Path) -> Result<(File, Metadata), OpenError> {
    // Without this flag opening a pipe waits for its writer.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    match metadata.file_type() {
        kind if kind.is_file() => Ok((file, metadata)),
        kind if kind.is_dir() => Err(OpenError::Directory),
        _ => Err(OpenError::Special),
    }
}

/// The bytes of a file, at most `limit`.
///
/// # Errors
/// As [`open`]; or it can't be read, or it is longer.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("it is longer than {} KiB", limit >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_read_and_only_so_much_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, pipe) = (dir.path().join("file"), dir.path().join("pipe"));
        std::fs::write(&file, [b'x'; 1024]).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        assert_eq!(read(&file, 1024).unwrap().len(), 1024);
        let rows = [
            (file.as_path(), "it is longer than 0 KiB"),
            (dir.path(), "it is a directory"),
            (pipe.as_path(), "it is not a regular file"),
            (Path::new("/dev/zero"), "it is not a regular file"),
        ];
        for (path, message) in rows {
            assert_eq!(read(path, 1023).unwrap_err().to_string(), message, "{}", path.display());
        }
        assert_eq!(read(&dir.path().join("none"), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
