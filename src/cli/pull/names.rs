//! The names of the images to pull. All of them are looked at before anything is pulled.

use std::collections::BTreeSet;

use crate::cli::exit::Exit;
use crate::cli::inputs::check_stdin;
use crate::cli::names::Written;
use crate::cli::terminal;
use crate::config::visible;
use crate::policy::{Name, is_image_id};

/// An image to pull.
#[derive(Debug)]
pub(super) struct Wanted {
    /// As it was written.
    pub(super) input: String,
    /// Its name.
    pub(super) name: Name,
}

/// The names of the arguments, and then those of the list; each image once.
///
/// # Errors
/// A file cannot be read, or a text is not the name of an image. Each of these is told.
pub(super) fn read(names: &Written) -> Result<Vec<Wanted>, Exit> {
    check_stdin(names.of_stdin())?;
    let (mut wanted, mut seen, mut is_wrong) = (Vec::new(), BTreeSet::new(), false);
    for input in names.read()? {
        match parsed(&input) {
            Ok(name) if seen.insert(name.as_str().to_owned()) => wanted.push(Wanted { input, name }),
            Ok(_) => {}
            Err(reason) => {
                terminal::say(&format!("error: {}: {reason}\n", visible(&input)));
                is_wrong = true;
            }
        }
    }
    if is_wrong { Err(Exit::Usage) } else { Ok(wanted) }
}

/// The name, or why the text cannot be pulled.
pub(super) fn parsed(input: &str) -> Result<Name, String> {
    if is_image_id(input) {
        return Err("this is the id of an image, and a pull wants a name".to_owned());
    }
    input.parse().map_err(|error| format!("{error}"))
}
