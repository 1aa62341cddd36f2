//! Writes the file of `import --output`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// How a file begins that `import` has written.
const HEAD: &[u8] = b"# Written by cri-shunt import.";

/// Writes a file as a whole: beside it first, and then renamed, so that no reader sees a half of it.
///
/// # Errors
/// Where it cannot be written, or where another file is there that `import` has not written; `force` replaces that
/// too. Nothing has changed then.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<(), String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("cannot write {shown}: {error}");
    match fs::read(path) {
        Ok(found) if force || found.is_empty() || found.starts_with(HEAD) => {}
        Ok(_) => {
            let hint = "name another file, or replace it with --force";
            return Err(format!("{shown} was not written by cri-shunt import, so it is left alone: {hint}"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let name =
        path.file_name().ok_or_else(|| format!("cannot write {shown}: this is not the name of a file"))?;
    // The shunt reads no hidden file of conf.d.
    let beside = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = create(&beside, text).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // It may not even be there.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
