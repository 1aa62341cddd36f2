//! Writes an endpoint into a file of a client, if the readers then find it.

use std::path::Path;

use super::draft::{Draft, Part};
use super::edit;
use super::node::{No, Node};
use crate::node::{Said, Tree};

/// How the endpoint is called where it is a flag, a key of a KubeletConfiguration, or a key of crictl.
pub(super) const NAMES: [&str; 3] = ["image-service-endpoint", "imageServiceEndpoint", "image-endpoint"];

/// A file that may be changed, with its text.
pub(super) fn text_of(draft: &Draft<'_>, file: &Path) -> Result<String, No> {
    let real = draft.before().way(file).unwrap_or_else(|_| file.to_owned());
    let root = draft.before().way(Path::new("/")).unwrap_or_default();
    let real = Path::new("/").join(real.strip_prefix(root).unwrap_or(&real));
    if ["/usr", "/lib", "/run", "/proc"].iter().any(|directory| real.starts_with(directory)) {
        return Err(No::Leave(format!(
            "{} is left alone: it belongs to a package, or is written again at each start; set the endpoint there by hand",
            file.display()
        )));
    }
    draft.text(file).ok_or_else(|| No::Leave(format!("{} cannot be read", file.display())))
}

/// Replaces an endpoint where it is written. The readers have to find the new one then.
pub(super) fn replace(
    node: &Node<'_>,
    draft: &mut Draft<'_>,
    said: &Said,
    check: &dyn Fn(&Tree) -> bool,
) -> Result<(), No> {
    let file = &said.at.file;
    let text = text_of(draft, file)?;
    let edited =
        said.at.line.and_then(|line| edit::replace(&text, line, &NAMES, &said.value, &node.endpoint()));
    match edited {
        Some(edited) if draft.after(file, &edited).is_ok_and(|tree| check(&tree)) => {
            draft.write(file, edited, 0o644, Part::Client);
            Ok(())
        }
        _ => Err(No::Leave(format!(
            "the image endpoint at {} is written in a way that is not understood: write {} there by hand",
            said.at,
            node.endpoint()
        ))),
    }
}

/// Writes a text if the readers then find what is meant.
pub(super) fn attempt(
    draft: &mut Draft<'_>,
    file: &Path,
    text: Option<String>,
    check: &dyn Fn(&Tree) -> bool,
) -> bool {
    let Some(text) = text else { return false };
    let is_right = draft.after(file, &text).is_ok_and(|tree| check(&tree));
    if is_right {
        draft.write(file, text, 0o644, Part::Client);
    }
    is_right
}
