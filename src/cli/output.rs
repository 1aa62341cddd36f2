//! Writes the files of `import --output` and `lock`.

use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use crate::files::attributes;

/// How a file begins that `import` has written.
pub(super) const OF_IMPORT: &str = "# Written by cri-shunt import.";

/// Writes a file as a whole: beside it first, and then renamed, so that no reader sees a half of it. It has the owner, the
/// permissions and the attributes of the one that is there.
///
/// # Errors
/// Where it cannot be written, or where another file is there that does not begin with `head`; `force` replaces that
/// too. Nothing has changed then.
pub(super) fn write(path: &Path, text: &str, head: &str, force: bool) -> Result<(), String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("cannot write {shown}: {error}");
    let target = target(path, head, force)?;
    let name =
        target.file_name().ok_or_else(|| format!("cannot write {shown}: this is not the name of a file"))?;
    // The shunt reads no hidden file of conf.d.
    let beside = target.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = create(&beside, text, &target).and_then(|()| fs::rename(&beside, &target));
    written.map_err(|error| {
        // It may not even be there.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

/// The file that [`write()`] would write; for what takes long before.
///
/// # Errors
/// What is there may not be replaced.
pub(super) fn target(path: &Path, head: &str, force: bool) -> Result<PathBuf, String> {
    let shown = path.display();
    let target = behind_links(path)?;
    match fs::read(&target) {
        Ok(found) if force || found.is_empty() || found.starts_with(head.as_bytes()) => Ok(target),
        Ok(_) => {
            let hint = "name another file, or replace it with --force";
            let who = head.trim_start_matches("# Written by ").trim_end_matches('.');
            Err(format!("{shown} was not written by {who}, so it is left alone: {hint}"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(target),
        Err(error) => Err(format!("cannot write {shown}: {error}")),
    }
}

/// The file itself. A link stays, and what it leads to is replaced; a device or a pipe must not become a file.
fn behind_links(path: &Path) -> Result<PathBuf, String> {
    let failed = |problem: &dyn Display| format!("cannot write {}: {problem}", path.display());
    match fs::metadata(path) {
        _ if path == Path::new("-") => Err(failed(&"name a file")),
        Ok(found) if found.is_dir() => Err(failed(&"it is a directory, not a file")),
        Ok(found) if !found.is_file() => Err(failed(&"it is not a regular file")),
        Ok(_) => fs::canonicalize(path).map_err(|error| failed(&error)),
        Err(_) if path.is_symlink() => Err(failed(&"it is a symbolic link to a file that does not exist")),
        // Why it cannot be there is said when it is written.
        Err(_) => Ok(path.to_path_buf()),
    }
}

/// Who may read the file that is there may read the new one, and nobody else.
fn create(path: &Path, text: &str, old: &Path) -> io::Result<()> {
    let old = match File::open(old) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // Until it has its owner nobody else may open it.
    let rights = if old.is_some() { 0o600 } else { 0o666 };
    let mut file = File::options().read(true).write(true).create_new(true).mode(rights).open(path)?;
    if let Some(old) = old {
        keep(&old, &file)?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn keep(old: &File, new: &File) -> io::Result<()> {
    let found = old.metadata()?;
    attributes::carry_over(old, new)?;
    // Only root may give a file away. Another group than before gets no rights.
    let is_kept = fchown(new, Some(found.uid()), Some(found.gid())).is_ok();
    let rights = found.mode() & if is_kept { 0o7777 } else { 0o707 };
    new.set_permissions(Permissions::from_mode(rights))
}
