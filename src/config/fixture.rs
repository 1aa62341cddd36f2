//! Files for tests, in a directory of their own.
#![allow(clippy::unwrap_used, reason = "tests")]

/// Writes files below a new directory; a name that ends with a slash is a directory.
pub(super) fn write(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        if name.ends_with('/') {
            std::fs::create_dir_all(path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    directory
}
