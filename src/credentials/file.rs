//! Reads a small file that somebody else writes: a secret, a `config.json`.
//!
//! Holds: only a regular file is opened and only so much of it is read, so nothing can hold a pull up but
//! the disk; a file that is written meanwhile is read again; no error shows the file's content.
//! Not here: what the text means. Callers are on a thread that may block (see `Credentials::for_target`).

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::error::Cause;
use crate::files::fingerprint::Stamp;
use crate::files::secret::Secret;
use crate::files::{byte_order_mark, regular_file};

/// No password or token is longer.
const MAX_SECRET: u64 = 64 << 10;

/// No file of logins is longer.
pub(super) const MAX_LOGINS: u64 = 4 << 20;

/// How often a file is read that changes meanwhile, and how long its writer gets to finish.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The text of a file.
pub(super) fn text(path: &Path, limit: u64) -> Result<String, Cause> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            std::thread::sleep(PAUSE);
        }
        if let Some(text) = attempt_at(path, limit)? {
            return Ok(text);
        }
    }
    Err(Cause::File { path: path.to_path_buf(), message: "it changed each time it was read".to_owned() })
}

/// One attempt; `None` if the file has changed meanwhile.
fn attempt_at(path: &Path, limit: u64) -> Result<Option<String>, Cause> {
    let failed = |error: std::io::Error| Cause::File { path: path.to_path_buf(), message: error.to_string() };
    let refused = |message: &str| Cause::File { path: path.to_path_buf(), message: message.to_owned() };
    let (file, metadata) = regular_file::open(path).map_err(|error| failed(error.into()))?;
    let mut bytes = Vec::new();
    (&file).take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(refused(&format!("it is longer than {} KiB", limit >> 10)));
    }
    let after = Stamp::of(&file.metadata().map_err(failed)?);
    if !Stamp::of(&metadata).is_content_of(&after) || bytes.len() as u64 != after.length() {
        return Ok(None);
    }
    String::from_utf8(bytes).map(Some).map_err(|_| refused("it is not UTF-8 text"))
}

/// The text of a file without the line break at its end, which editors and `echo` add.
pub(super) fn line(path: &Path) -> Result<String, Cause> {
    let text = text(path, MAX_SECRET)?;
    if byte_order_mark::is_before(text.as_bytes()) {
        return Err(Cause::Content {
            path: path.to_path_buf(),
            message: byte_order_mark::REFUSED.to_owned(),
        });
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Cause::File { path: path.to_path_buf(), message: "it is empty".to_owned() });
    }
    Ok(line.to_owned())
}

/// As [`line()`], for a secret.
pub(super) fn secret(path: &Path) -> Result<Secret, Cause> {
    line(path).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (written, read) in
            [("a b", "a b"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x ", " x ")]
        {
            std::fs::write(&path, written).unwrap();
            assert_eq!(secret(&path).unwrap().expose(), read);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let told =
            |path: &Path| line(path).unwrap_err().to_string().replace(dir.path().to_str().unwrap(), "");
        assert_eq!(told(&path), "cannot read /secret: No such file or directory (os error 2)");
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(told(&path), "cannot read /secret: it is empty");
        std::fs::write(&path, "\u{feff}pass").unwrap();
        assert_eq!(told(&path), format!("/secret: {}", byte_order_mark::REFUSED));
        std::fs::write(&path, b"\xffpass").unwrap();
        assert_eq!(told(&path), "cannot read /secret: it is not UTF-8 text");
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert_eq!(told(&path), "cannot read /secret: it is longer than 64 KiB");
        assert_eq!(told(dir.path()), "cannot read : it is a directory");
        assert_eq!(
            line(Path::new("/dev/zero")).unwrap_err().to_string(),
            "cannot read /dev/zero: it is not a regular file"
        );
    }
}
