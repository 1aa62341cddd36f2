//! What a path on the command line is: a configuration of this program, or files of another one.

use std::path::Path;

use super::diagnostic::{Diagnostics, Texts};
use super::input::{Input, MainFile};
use super::sources::detect_format;
use super::sources::source_file::SourceFile;
use super::text;

/// The main file of a directory that holds a whole configuration.
const MAIN: &str = "config.toml";

/// What to read for a path: a main file of this program with its `conf.d`, a directory with one, or whatever a source can
/// be. Its content says which.
///
/// # Errors
/// The file cannot be read, or it could be nothing or several things.
pub fn given(path: &Path) -> Result<Input, Diagnostics> {
    let main = path.join(MAIN);
    let path = if path.is_dir() && main.exists() { main.as_path() } else { path };
    let (mut texts, mut problems) = (Texts::default(), Vec::new());
    if !path.is_dir() {
        let Some(text) = text::read(path, &mut texts, &mut problems) else {
            return Err(Diagnostics::new(texts, problems));
        };
        if detect_format::is_native(path, texts.content(text)) {
            return Ok(Input::file(path));
        }
    }
    let Some(format) = detect_format::format(path, &mut texts, &mut problems) else {
        // Nothing but the content says here what a file is.
        let problems = problems.into_iter().map(|problem| problem.without_flag("--format")).collect();
        return Err(Diagnostics::new(texts, problems));
    };
    let source = SourceFile { format, path: path.to_path_buf(), disable_default_endpoint: false };
    Ok(Input { main: MainFile::Absent, sources: vec![source], ..Input::file(path) })
}
