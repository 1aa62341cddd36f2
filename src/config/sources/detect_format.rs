//! Finds the format of a file by its content.
//!
//! Holds: a file that could have two formats, or none, is a problem that says what to do. The content counts more than
//! the name.
//! Not here: the words by which a format is known (`signs`).

mod signs;

use std::path::Path;

use toml::de::DeTable;

use super::super::diagnostic::{Problem, TextId, Texts};
use super::super::node::{Node, Value};
use super::super::parse_toml;
use super::super::parse_yaml;
use super::super::text;
use super::source_file::Format;
use crate::files::byte_order_mark;

pub(crate) use self::signs::Looks;

/// Finds the format of a file or directory; problems are in `out`.
pub(crate) fn format(path: &Path, texts: &mut Texts, out: &mut Vec<Problem>) -> Option<Format> {
    let found =
        if path.is_dir() { directory(path) } else { file(text::read(path, texts, out)?, path, texts) };
    found.map_err(|problem| out.push(problem)).ok()
}

/// The problem of a file that is read in one format, and has the looks of another one. Its text is the one that the
/// reader of that format had; a reader that wants a directory had none.
pub(crate) fn mistaken(path: &Path, format: Format, texts: &Texts) -> Option<Problem> {
    let name = path.to_string_lossy();
    let had = texts.all().filter(|(_, text, _)| *text == name).map(|(.., content)| content).last();
    let (looks, word) = match had {
        Some(content) => alone(content),
        None => alone(&String::from_utf8_lossy(&text::look(path, texts).0.ok()?)),
    }?;
    (looks != Looks::Of(format)).then(|| mistaken_for(path, looks, &word, format.what()))
}

/// The problem of a file of this program that has the looks of another's.
pub(crate) fn not_native(path: &Path, content: &str) -> Option<Problem> {
    let (looks, word) = alone(content)?;
    (looks != Looks::Native).then(|| mistaken_for(path, looks, &word, Looks::Native.name()))
}

/// Whether a text is a configuration of this program. One without any key is, unless its name says otherwise.
pub(crate) fn is_native(path: &Path, content: &str) -> bool {
    let mut texts = Texts::default();
    let text = texts.add("", content.to_owned());
    match distinct(clues(text, content)).as_slice() {
        [] => {
            by_name(path).is_none() && DeTable::parse(content).is_ok_and(|table| table.get_ref().is_empty())
        }
        [(looks, _)] => *looks == Looks::Native,
        _ => false,
    }
}

fn mistaken_for(path: &Path, looks: Looks, word: &str, read_as: &str) -> Problem {
    let message =
        format!("{} looks like {} (by `{word}`), and is read as {read_as}", path.display(), looks.name());
    Problem::error(message).hint(looks.advice())
}

/// What a text looks like, if that is one thing.
fn alone(content: &str) -> Option<(Looks, String)> {
    let mut texts = Texts::default();
    let text = texts.add("", content.to_owned());
    let mut found = distinct(clues(text, content)).into_iter();
    found.next().filter(|_| found.next().is_none())
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
    let found = distinct(clues(text, texts.content(text)));
    let shown = texts.name(text);
    match found.as_slice() {
        [(Looks::Of(format), _)] => Ok(*format),
        [(Looks::HostsToml, _)] => {
            let tree = path.parent().and_then(Path::parent);
            Err(one_of_a_tree(&format!("{shown} is the file of one registry"), tree))
        }
        [(Looks::Native, _)] => {
            let problem = Problem::error(format!("{shown} is already a configuration of cri-shunt"));
            Err(problem.hint("`import` is for files of other programs"))
        }
        [(looks, word)] => {
            let problem =
                Problem::error(format!("{shown} has no rules: it is {} (by `{word}`)", looks.name()));
            Err(problem.hint(looks.advice()))
        }
        [] => by_name(path).ok_or_else(|| {
            if texts.content(text).trim().is_empty() {
                return Problem::error(format!("{shown} is empty")).hint("was it written to the end?");
            }
            let problem = Problem::error(format!("cannot tell the format of {shown}"));
            problem.hint(format!("name it with --format: {}", Format::ALL.map(Format::key).join(", ")))
        }),
        several => {
            let reason = |(looks, word): &(Looks, String)| format!("{} (by `{word}`)", looks.key());
            let reasons: Vec<String> = several.iter().map(reason).collect();
            let message = format!("{shown} could be {}", reasons.join(" and "));
            Err(Problem::error(message).hint("choose one with --format"))
        }
    }
}

/// Each once, with the first word that says it.
fn distinct(clues: Vec<(Looks, String)>) -> Vec<(Looks, String)> {
    let mut found: Vec<(Looks, String)> = Vec::new();
    for (looks, word) in clues {
        if !found.iter().any(|(other, _)| *other == looks) {
            found.push((looks, word));
        }
    }
    found
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
        "daemon" if name.ends_with(".json") => Some(Format::DockerDaemon),
        _ if name.ends_with(".conf") => Some(Format::RegistriesConf),
        _ if name.contains("image-cri-shim") => Some(Format::ImageCriShim),
        _ => None,
    }
}

/// The clues of the top-level keys, in their order.
fn clues(text: TextId, content: &str) -> Vec<(Looks, String)> {
    let is_json = parse_yaml::is_json(content);
    if !is_json && DeTable::parse(content).is_ok() {
        let Some(document) = parse_toml::parse_foreign(text, content, &mut Vec::new()) else {
            return Vec::new();
        };
        return of_keys(&document, signs::toml);
    }
    let Some(documents) = parse_yaml::documents(text, content, &mut Vec::new()) else {
        return byte_order_mark::without(content).lines().filter_map(line_clue).collect();
    };
    let mut found: Vec<(Looks, String)> =
        documents.iter().flat_map(|document| of_keys(document, signs::yaml)).collect();
    if let [document] = documents.as_slice() {
        of_logins(document, is_json, &mut found);
    }
    found
}

fn of_keys(
    document: &Node,
    sign: impl Fn(&str, Option<&Node>, &str) -> Option<Looks>,
) -> Vec<(Looks, String)> {
    let Value::Map(pairs) = &document.value else { return Vec::new() };
    let clue = |key: &str, node: &Node| {
        let mut found = Vec::from_iter(sign(key, Some(node), "").map(|looks| (looks, key.to_owned())));
        // What `kubectl get` writes of several objects.
        if key == "items"
            && let Value::List(items) = &node.value
        {
            found.extend(items.iter().flat_map(|item| of_keys(item, signs::yaml)));
        }
        found
    };
    pairs.iter().flat_map(|(key, node)| clue(&key.text, node)).collect()
}

/// Docker's `config.json` has the key `auths` as well, and its older form has nothing but hosts.
fn of_logins(document: &Node, is_json: bool, found: &mut Vec<(Looks, String)>) {
    let Value::Map(pairs) = &document.value else { return };
    let is_login = |node: &Node| match &node.value {
        Value::Map(pairs) => pairs.iter().any(|(key, _)| key.text == "auth"),
        _ => false,
    };
    if is_json && found.iter().all(|(_, word)| word == "auths") && !found.is_empty() {
        *found = vec![(Looks::Logins, "auths".to_owned())];
    } else if found.is_empty() && !pairs.is_empty() && pairs.iter().all(|(_, node)| is_login(node)) {
        found.push((Looks::Logins, "auth".to_owned()));
    }
}

/// A text with a syntax error is left to the reader of its format, which reports the error. The words at the
/// beginnings of lines are enough to find the format.
fn line_clue(line: &str) -> Option<(Looks, String)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let bare = line.trim_start_matches('[');
    let end = bare.find(|c| !is_word(c)).unwrap_or(bare.len());
    let (word, rest) = bare.split_at(end);
    let in_toml = bare.len() < line.len() || rest.trim_start().starts_with('=');
    let looks = match in_toml {
        true => signs::toml(word, None, rest),
        false => signs::yaml(word, None, rest).filter(|_| rest.starts_with(':')),
    };
    Some((looks?, word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::files::{EVERYWHERE, MAIN_ONLY};

    fn clue_names(content: &str) -> Vec<&'static str> {
        let mut texts = Texts::default();
        let text = texts.add("x", content.to_owned());
        let mut names: Vec<&str> = clues(text, content).iter().map(|(looks, _)| looks.key()).collect();
        names.dedup();
        names
    }

    #[test]
    fn each_format_is_known_by_its_words_whole_or_broken() {
        let rows: [(&str, &[&str]); 40] = [
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
            ("server = 'https://m.de'\n[host.'https://n.de']\n", &["hosts.toml"]),
            ("[policy]\n", &["native"]),
            ("mirrors: {}\naddress: x\n", &["registries-yaml", "image-cri-shim"]),
            ("", &[]),
            ("# nothing\n", &[]),
            ("something: else\n", &[]),
            ("version = 2\n[plugins.'io.containerd.grpc.v1.cri']\n", &["containerd-config"]),
            ("version = 3\nroot = '/x'\nstate = '/y'\n", &["containerd-config"]),
            ("[state]\ndir = '/x'\n", &["native"]),
            ("{\n\t\"registry-mirrors\": [],\n\t\"log-driver\": \"x\"\n}", &["docker-daemon"]),
            ("kind: ImageDigestMirrorSet\nspec: {}\n", &["openshift"]),
            ("kind: Namespace\n---\nkind: ImageTagMirrorSet\n", &["openshift"]),
            ("kind: List\nitems:\n- kind: ImageContentSourcePolicy\n", &["openshift"]),
            ("version: v1alpha1\nmachine: {}\n---\nkind: RegistryTLSConfig\n", &["talos"]),
            ("kind: RegistryMirrorConfig\nname: x\nendpoints: []\n", &["talos"]),
            ("kind: Pod\nspec: {}\n", &[]),
            ("{\"auths\": {\"https://index.docker.io/v1/\": {\"auth\": \"eA==\"}}}", &["logins"]),
            ("{\"credsStore\": \"x\"}", &["logins"]),
            ("{\"https://index.docker.io/v1/\": {\"auth\": \"eA==\", \"email\": \"\"}}", &["logins"]),
            ("{\"auths\": {}, \"mirrors\": {}}", &["registries-yaml"]),
            ("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/dockerconfigjson\n", &["secret"]),
            ("kind: CredentialProviderConfig\nproviders: []\n", &["plugins"]),
            ("{\"default\": [], \"transports\": {}}", &["policy"]),
            ("registry:\n- x\n", &[]),
            ("kind: ImageDigestMirrorSet\nspec:\n\tx\n", &["openshift"]),
            ("[plugins\nx = 1\n", &["containerd-config"]),
            // Broken: a tab, a bracket, a sign too many.
            ("mirrors:\n\tdocker.io: {}\n", &["registries-yaml"]),
            ("[[registry]\nlocation = 'quay.io'\n", &["registries-conf"]),
            ("address: http://hub.de\nauth: 'x\n", &["image-cri-shim"]),
        ];
        for (content, expected) in rows {
            assert_eq!(clue_names(content), expected, "{content:?}");
        }
        for table in EVERYWHERE.into_iter().chain(MAIN_ONLY) {
            assert_eq!(clue_names(&format!("[[{table}]]\n")), ["native"], "{table}");
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
            ("/etc/docker/daemon.json", Some(Format::DockerDaemon)),
            ("x.yaml", None),
            ("registries", None),
        ];
        for (path, expected) in rows {
            assert_eq!(by_name(Path::new(path)), expected, "{path}");
        }
    }
}
