//! Warns where the rules of one file are there twice: `cri-shunt import` has written them, and the file is a source.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::diagnostic::Problem;
use super::super::sources::source_file::SourceFile;

/// Checks the program's own files, each with its name and its text.
pub(crate) fn lint<'t>(
    own: impl Iterator<Item = (String, &'t str)>,
    sources: &[SourceFile],
    out: &mut Vec<Problem>,
) {
    for (name, text) in own.filter(|(_, text)| text.contains("Written by cri-shunt import")) {
        let places: BTreeSet<&Path> = text.lines().filter_map(place).collect();
        for source in sources {
            let real = std::fs::canonicalize(&source.path);
            let is_of = |place: &&Path| {
                place.starts_with(&source.path) || real.as_ref().is_ok_and(|real| place.starts_with(real))
            };
            if !places.iter().any(is_of) {
                continue;
            }
            let path = source.path.display();
            let message =
                format!("the rules of {path} are here twice: {name} was made of it, and it is a source");
            let hint = "keep one of the two; as a source, a change of the file takes effect by itself";
            out.push(Problem::warning(message).hint(hint));
        }
    }
}

/// The file in a comment that says where a rule comes from: `# /etc/registries.yaml:3`.
fn place(line: &str) -> Option<&Path> {
    let (path, number) = line.strip_prefix("# ")?.rsplit_once(':')?;
    number.parse::<u32>().ok().map(|_| Path::new(path))
}
