//! Reads `[[policy.source]]`.
//!
//! Holds: a source is one file or directory of one format.

use std::path::Path;

use super::super::diagnostic::{Located, Problem};
use super::super::path::path;
use super::super::section::Section;
use super::source_file::{Format, SourceFile};

/// Reads one `[[policy.source]]`. A relative path starts at `directory`, that of the file.
pub(crate) fn read(
    mut section: Section<'_>,
    directory: &Path,
    out: &mut Vec<Problem>,
) -> Option<Located<SourceFile>> {
    let before = out.len();
    let mut named = Vec::new();
    for format in Format::ALL {
        let path = section.parse(format.key(), out, path);
        named.extend(path.map(|set| (format, set)));
    }
    let disable = section.boolean("disable-default-registry-endpoint", out);
    if named.is_empty() && out.len() == before && !section.has_unknown() {
        let keys: Vec<String> = Format::ALL.iter().map(|format| format!("`{}`", format.key())).collect();
        let message = format!("a source needs one of {}", keys.join(", "));
        out.push(
            Problem::error(message).at(section.at()).hint("its value is the path of the file or directory"),
        );
    }
    section.finish(out);
    let mut named = named.into_iter();
    let (format, set) = named.next()?;
    for (_, more) in named {
        let problem = Problem::error("a source is one file: this is a second one").at(&more.at);
        out.push(problem.also(&set.at, "the first one").hint("write a [[policy.source]] for each"));
    }
    if let Some(disable) = disable.as_ref().filter(|_| format != Format::RegistriesYaml) {
        let message = "`disable-default-registry-endpoint` works only with `registries-yaml`";
        let hint = "in the other formats the file itself says whether the registry is asked";
        out.push(Problem::error(message).at(&disable.at).hint(hint));
    }
    let source = SourceFile {
        format,
        path: directory.join(&set.value),
        disable_default_endpoint: disable.is_some_and(|set| set.value),
    };
    (out.len() == before).then_some(Located { value: source, at: set.at })
}
