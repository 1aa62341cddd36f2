//! Which format a file is of, by what stands in it.
//!
//! Before: `import` has a path and no format.  After: the reader of the format reads it.
//! Holds: a file that could be of two formats, or of none, is a problem that says what to do; what is written
//! in a file counts for more than what it is called.
//! Not here: whether the file is any good (its reader).

use std::path::Path;

use toml::de::DeTable;

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::files::{EVERYWHERE, MAIN_ONLY};
use super::yaml::{self, Node, Value};
use super::{Format, text};

/// What a word at the top of a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clue {
    Of(Format),
    /// One file of a `certs.d` tree.
    HostsToml,
    /// This program's own configuration.
    Native,
}

/// Finds the format of a file or directory; what is in the way is in `out`.
pub(in crate::config) fn format(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<Format> {
    let found =
        if path.is_dir() { directory(path) } else { file(text::read(path, texts, out)?, path, texts) };
    found.map_err(|problem| out.push(problem)).ok()
}

/// One format alone is a directory.
fn directory(path: &Path) -> Result<Format, Problem> {
    let shown = path.display();
    if path.join("hosts.toml").exists() {
        return Err(one_of_a_tree(&format!("{shown} is the directory of one registry"), path.parent()));
    }
    let entries = || std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_drop_in = |path: &Path| path.extension().is_some_and(|extension| extension == "conf");
    if entries().any(|path| is_drop_in(&path)) && !entries().any(|path| path.is_dir()) {
        let problem = Problem::error(format!("{shown} holds drop-ins, which are no source by themselves"));
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
            let problem = Problem::error(format!("{shown} is a configuration of cri-shunt already"));
            Err(problem.hint("`import` is for files of other programs"))
        }
        [] => by_name(path).ok_or_else(|| {
            let problem = Problem::error(format!("the format of {shown} is not to be seen"));
            problem.hint(format!("say it with --format: {}", words(&Format::ALL.map(Format::key))))
        }),
        several => {
            let reason = |(clue, word): &(Clue, String)| format!("{} (by `{word}`)", clue.name());
            let reasons: Vec<String> = several.iter().map(reason).collect();
            let message = format!("{shown} could be {}", reasons.join(" and "));
            Err(Problem::error(message).hint("say which it is with --format"))
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

fn words(keys: &[&str]) -> String {
    keys.join(", ")
}

/// For files that say nothing, or nothing that anybody knows.
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

/// What the words at the top of a text tell, in its order.
fn clues(text: TextId, content: &str) -> Vec<(Clue, String)> {
    if let Ok(table) = DeTable::parse(content) {
        let mut keys: Vec<_> = table.get_ref().keys().collect();
        keys.sort_by_key(|key| key.span().start);
        let clue = |key: &str| Some((toml_clue(key)?, key.to_owned()));
        return keys.into_iter().filter_map(|key| clue(key.get_ref())).collect();
    }
    match yaml::parse(text, content, &mut Vec::new()) {
        Some(Node { value: Value::Map(entries), .. }) => {
            let clue = |key: &str, node: &Node| Some((yaml_clue(key, Some(node))?, key.to_owned()));
            entries.iter().filter_map(|(key, node)| clue(&key.text, node)).collect()
        }
        Some(_) => Vec::new(),
        None => content.lines().filter_map(line_clue).collect(),
    }
}

/// A text that has a mistake in it is read by its own reader, which can show it: the words at the
/// beginnings of lines are enough to know which.
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
        // A cluster of Rancher's, and its `spec.rkeConfig.registries` by itself.
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

    fn told(content: &str) -> Vec<&'static str> {
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
            assert_eq!(told(content), expected, "{content:?}");
        }
        for table in EVERYWHERE.into_iter().chain(MAIN_ONLY) {
            assert_eq!(told(&format!("[[{table}]]\n")), ["a configuration of cri-shunt"], "{table}");
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
