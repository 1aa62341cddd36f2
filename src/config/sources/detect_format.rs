//! Finds the format of a file by its content.
//!
//! Holds: a file that could have two formats, or none, is a problem that says what to do. The content counts more than
//! the name.

use std::path::Path;

use toml::de::DeTable;

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::files::{EVERYWHERE, MAIN_ONLY};
use super::super::node::{Node, Value};
use super::super::parse_yaml;
use super::super::text;
use super::source_file::Format;

/// What a top-level key says about the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clue {
    Of(Format),
    /// A single file of a `certs.d` tree.
    HostsToml,
    /// This program's own configuration.
    Native,
}

/// Finds the format of a file or directory; problems are in `out`.
pub(crate) fn format(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<Format> {
    let found =
        if path.is_dir() { directory(path) } else { file(text::read(path, texts, out)?, path, texts) };
    found.map_err(|problem| out.push(problem)).ok()
}

/// Only one of the formats is a directory.
fn directory(path: &Path) -> Result<Format, Problem> {
    let shown = path.display();
    if path.join("hosts.toml").exists() {
        return Err(one_of_a_tree(&format!("{shown} is the directory of one registry"), path.parent()));
    }
    let entries = || std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_drop_in = |path: &Path| path.extension().is_some_and(|extension| extension == "conf");
    if entries().any(|path| is_drop_in(&path)) && !entries().any(|path| path.is_dir()) {
        let problem = Problem::error(format!("{shown} holds drop-ins, which are not a source by themselves"));
        return Err(problem.hint("name the registries.conf beside it; its drop-ins are read with it"));
    }
    Ok(Format::CertsD)
}

fn file(text: TextId, path: &Path, texts: &Texts) -> Result<Format, Problem> {
    let mut found: Vec<(Clue, String)> = Vec::new();
    for (clue, word) in clues(text, texts.content(text)) {
        if !found.iter().any(|(other, _)| *other == clue) {
            found.push((clue, word));
        }
    }
    let shown = path.display();
    match found.as_slice() {
        [(Clue::Of(format), _)] => Ok(*format),
        [(Clue::HostsToml, _)] => {
            let tree = path.parent().and_then(Path::parent);
            Err(one_of_a_tree(&format!("{shown} is the file of one registry"), tree))
        }
        [(Clue::Native, _)] => {
            let problem = Problem::error(format!("{shown} is already a configuration of cri-shunt"));
            Err(problem.hint("`import` is for files of other programs"))
        }
        [] => by_name(path).ok_or_else(|| {
            let problem = Problem::error(format!("cannot tell the format of {shown}"));
            problem.hint(format!("name it with --format: {}", Format::ALL.map(Format::key).join(", ")))
        }),
        several => {
            let reason = |(clue, word): &(Clue, String)| format!("{} (by `{word}`)", clue.name());
            let reasons: Vec<String> = several.iter().map(reason).collect();
            let message = format!("{shown} could be {}", reasons.join(" and "));
            Err(Problem::error(message).hint("choose one with --format"))
        }
    }
}

fn one_of_a_tree(message: &str, tree: Option<&Path>) -> Problem {
    let hint = "name the tree, which holds one directory for each registry";
    match tree.filter(|tree| !tree.as_os_str().is_empty()) {
        Some(tree) => Problem::error(message).hint(format!("{hint}: {}", tree.display())),
        None => Problem::error(message).hint(hint),
    }
}

/// For files without a known key.
fn by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    match stem {
        "registries" if name.ends_with(".yaml") || name.ends_with(".yml") => Some(Format::RegistriesYaml),
        _ if name.ends_with(".conf") => Some(Format::RegistriesConf),
        _ if name.contains("image-cri-shim") => Some(Format::ImageCriShim),
        _ => None,
    }
}

/// The clues of the top-level keys, in their order.
fn clues(text: TextId, content: &str) -> Vec<(Clue, String)> {
    if let Ok(table) = DeTable::parse(content) {
        let mut keys: Vec<_> = table.get_ref().keys().collect();
        keys.sort_by_key(|key| key.span().start);
        let clue = |key: &str| Some((toml_clue(key)?, key.to_owned()));
        return keys.into_iter().filter_map(|key| clue(key.get_ref())).collect();
    }
    match parse_yaml::parse(text, content, &mut Vec::new()) {
        Some(Node { value: Value::Map(entries), .. }) => {
            let clue = |key: &str, node: &Node| Some((yaml_clue(key, Some(node))?, key.to_owned()));
            entries.iter().filter_map(|(key, node)| clue(&key.text, node)).collect()
        }
        Some(_) => Vec::new(),
        None => content.lines().filter_map(line_clue).collect(),
    }
}

/// A text with a syntax error is left to the reader of its format, which reports the error. The words at the
/// beginnings of lines are enough to find the format.
fn line_clue(line: &str) -> Option<(Clue, String)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let bare = line.trim_start_matches('[');
    let end = bare.find(|c| !is_word(c))?;
    let (word, rest) = bare.split_at(end);
    let in_toml = bare.len() < line.len() || rest.trim_start().starts_with('=');
    let clue =
        if in_toml { toml_clue(word) } else { yaml_clue(word, None).filter(|_| rest.starts_with(':')) };
    Some((clue?, word.to_owned()))
}

fn toml_clue(key: &str) -> Option<Clue> {
    match key {
        "registry"
        | "registries"
        | "unqualified-search-registries"
        | "short-name-mode"
        | "aliases"
        | "credential-helpers" => Some(Clue::Of(Format::RegistriesConf)),
        "host" | "server" | "capabilities" => Some(Clue::HostsToml),
        _ if EVERYWHERE.contains(&key) || MAIN_ONLY.contains(&key) => Some(Clue::Native),
        _ => None,
    }
}

fn yaml_clue(key: &str, node: Option<&Node>) -> Option<Clue> {
    let is_map = node.is_some_and(|node| matches!(node.value, Value::Map(_)));
    match key {
        "mirrors" | "configs" | "auths" | "rkeConfig" => Some(Clue::Of(Format::RegistriesYaml)),
        // A Cluster object of Rancher, or only its `spec.rkeConfig.registries`.
        "spec" | "registries" if is_map => Some(Clue::Of(Format::RegistriesYaml)),
        "kind" if node.and_then(Node::text) == Some("ConfigMap") => Some(Clue::Of(Format::ImageCriShim)),
        "registries" | "address" | "sealos" | "offlinePriority" | "shim" => {
            Some(Clue::Of(Format::ImageCriShim))
        }
        _ => None,
    }
}

// === impl Clue ===

impl Clue {
    fn name(self) -> &'static str {
        match self {
            Clue::Of(format) => format.key(),
            Clue::HostsToml => "a hosts.toml",
            Clue::Native => "a configuration of cri-shunt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clue_names(content: &str) -> Vec<&'static str> {
        let mut texts = Texts::default();
        let text = texts.add("x", content.to_owned());
        let mut names: Vec<&str> = clues(text, content).iter().map(|(clue, _)| clue.name()).collect();
        names.dedup();
        names
    }

    #[test]
    fn each_format_is_known_by_its_words_whole_or_broken() {
        let rows: [(&str, &[&str]); 20] = [
            ("mirrors:\n  docker.io: {}\n", &["registries-yaml"]),
            ("{\"mirrors\": {}, \"configs\": {}}", &["registries-yaml"]),
            ("auths:\n  x: {}\n", &["registries-yaml"]),
            ("kind: Cluster\nspec:\n  rkeConfig: {}\n", &["registries-yaml"]),
            ("registries:\n  mirrors: {}\n", &["registries-yaml"]),
            ("registries:\n- address: https://r.de\n", &["image-cri-shim"]),
            ("shim: /run/x.sock\naddress: http://hub.de\n", &["image-cri-shim"]),
            ("kind: ConfigMap\ndata: {}\n", &["image-cri-shim"]),
            ("[[registry]]\nlocation = 'quay.io'\n", &["registries-conf"]),
            ("unqualified-search-registries = ['docker.io']\n", &["registries-conf"]),
            ("[registries.search]\nregistries = []\n", &["registries-conf"]),
            ("server = 'https://m.de'\n[host.'https://n.de']\n", &["a hosts.toml"]),
            ("[policy]\n", &["a configuration of cri-shunt"]),
            ("mirrors: {}\naddress: x\n", &["registries-yaml", "image-cri-shim"]),
            ("", &[]),
            ("# nothing\n", &[]),
            ("something: else\n", &[]),
            // Broken: a tab, a bracket, a sign too many.
            ("mirrors:\n\tdocker.io: {}\n", &["registries-yaml"]),
            ("[[registry]\nlocation = 'quay.io'\n", &["registries-conf"]),
            ("address: http://hub.de\nauth: 'x\n", &["image-cri-shim"]),
        ];
        for (content, expected) in rows {
            assert_eq!(clue_names(content), expected, "{content:?}");
        }
        for table in EVERYWHERE.into_iter().chain(MAIN_ONLY) {
            assert_eq!(clue_names(&format!("[[{table}]]\n")), ["a configuration of cri-shunt"], "{table}");
        }
    }

    #[test]
    fn a_name_tells_what_the_text_does_not() {
        let rows = [
            ("/etc/rancher/k3s/registries.yaml", Some(Format::RegistriesYaml)),
            ("registries.yml", Some(Format::RegistriesYaml)),
            ("/etc/containers/registries.conf", Some(Format::RegistriesConf)),
            ("10-x.conf", Some(Format::RegistriesConf)),
            ("/etc/image-cri-shim.yaml", Some(Format::ImageCriShim)),
            ("registries.json", None),
            ("x.yaml", None),
            ("registries", None),
        ];
        for (path, expected) in rows {
            assert_eq!(by_name(Path::new(path)), expected, "{path}");
        }
    }
}
