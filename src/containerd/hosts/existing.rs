//! Reads the directories and files below `config_path`, whoever made them: which hosts they have containerd ask.
//!
//! Holds: the directory is the one that containerd would choose; a file that can't be read counts as no file. One that only some
//! versions of containerd read, for a byte order mark, leads a login away and serves nothing.
//! Not here: importing a tree as rules (`config::sources::certs_d`, which is strict).
//!
//! Source: containerd `core/remotes/docker/config/hosts.go`, `hostPaths` and `HostDirFromRoot`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::host_config::host_asked;
use super::place::{DEFAULT, HOSTS_TOML, LONGEST, coded, is_owned};
use super::wanted::fold;
use crate::files::{byte_order_mark, regular_file};

/// A file by which containerd asks another host than the one in the image's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The file.
    pub file: PathBuf,
    /// The hosts that are asked, in alphabetical order.
    pub to: Vec<String>,
}

/// The directory that containerd uses for a host: the first that is there of, in each root, the host as `host_port_`,
/// as `host:port`, and `_default`.
pub(super) fn directory(roots: &[PathBuf], host: &str) -> Option<PathBuf> {
    let names = [coded(host), host.to_owned(), DEFAULT.to_owned()];
    let mut all = roots.iter().flat_map(|root| names.iter().map(move |name| root.join(name)));
    all.find(|directory| directory.is_dir())
}

/// The text of a file, if it is one.
pub(super) fn read(file: &Path) -> Option<String> {
    String::from_utf8(regular_file::read(file, LONGEST).ok()?).ok()
}

/// The file by which containerd chooses the hosts that it asks for the names of a host, with its text.
fn chosen(roots: &[PathBuf], host: &str) -> Option<(PathBuf, String)> {
    let file = directory(roots, host)?.join(HOSTS_TOML);
    let text = read(&file)?;
    Some((file, text))
}

/// The hosts other than `host` itself that a file has containerd ask for its names; none where it is no TOML.
fn others(text: &str, host: &str) -> Option<BTreeSet<String>> {
    let own = host_asked(host);
    Some(asked(text)?.into_iter().filter(|asked| asked != own).collect())
}

/// Whether containerd would offer a login for `host` to another host: by a file of the shunt that names others, as the
/// fence does, or by somebody else's file that names one of `mirrors` (folded, as [`fold`] does).
#[must_use]
pub fn leads_to(roots: &[PathBuf], host: &str, mirrors: &BTreeSet<String>) -> bool {
    let Some((_, text)) = chosen(roots, host) else { return false };
    let others = others(&text, host);
    match is_owned(text.as_bytes()) {
        true => others.is_none_or(|others| !others.is_empty()),
        false => others.is_some_and(|others| others.iter().any(|other| mirrors.contains(&fold(other)))),
    }
}

/// The `hosts.toml` that says where containerd's requests for `host` go, if there is one. The shunt's own does not
/// count where it only says how the host itself is reached.
#[must_use]
pub fn hosts_toml(roots: &[PathBuf], host: &str) -> Option<PathBuf> {
    let (file, text) = chosen(roots, host)?;
    let only_itself = is_owned(text.as_bytes()) && others(&text, host)?.is_empty();
    (!only_itself).then_some(file)
}

/// The file by which containerd sends requests for `host` elsewhere, if there is one that is not the shunt's.
///
/// A login that is bound to `host` is not sent there: containerd compares the host that it asks with the login's,
/// letter by letter.
#[must_use]
pub fn redirect(roots: &[PathBuf], host: &str) -> Option<Redirect> {
    let (file, text) = chosen(roots, host)?;
    if is_owned(text.as_bytes()) {
        return None;
    }
    let to: Vec<String> = others(&text, host)?.into_iter().collect();
    (!to.is_empty()).then_some(Redirect { file, to })
}

/// Whether containerd's own file makes it ask `mirror` (its host and the root of its repositories) for the names of
/// `host`, and otherwise only hosts of `allowed` (folded, as [`fold`] does). It may ask the registry itself only if
/// `origin` is true.
#[must_use]
pub fn serves(
    roots: &[PathBuf],
    host: &str,
    mirror: (&str, &str),
    allowed: &BTreeSet<String>,
    origin: bool,
) -> bool {
    let Some((_, text)) = chosen(roots, host) else { return false };
    if byte_order_mark::is_before(text.as_bytes()) {
        // containerd 2 gives up on the file, and asks the registry itself.
        return false;
    }
    let (Some(places), Ok(file)) = (places(&text), text.parse::<Table>()) else { return false };
    let asked: BTreeSet<String> = places.iter().map(|(host, _)| host.clone()).collect();
    let own = host_asked(host);
    // Without a server containerd adds the registry itself.
    let asks_origin = !file.contains_key("server") || asked.contains(own);
    let is_allowed = |other: &String| other == own || allowed.contains(&fold(other));
    let is_asked = places.iter().any(|(host, root)| (host.as_str(), root.as_str()) == mirror);
    is_asked && asked.iter().all(is_allowed) && (origin || !asks_origin)
}

/// The hosts that a file has containerd ask for pulls; none where it is no TOML.
fn asked(text: &str) -> Option<BTreeSet<String>> {
    Some(places(text)?.into_iter().map(|(host, _)| host).collect())
}

/// The same, each with the root of its repositories.
fn places(text: &str) -> Option<Vec<(String, String)>> {
    let file: Table = text.parse().ok()?;
    let mut found = Vec::new();
    let mut add = |url: &str, entry: &Table| {
        if pulls(entry) {
            let whole_root = entry.get("override_path").and_then(Value::as_bool) == Some(true);
            found.extend(host_of(url).map(|host| (host, root_of(url, whole_root))));
        }
    };
    if let Some(server) = file.get("server").and_then(Value::as_str) {
        add(server, &file);
    }
    for (name, entry) in file.get("host").and_then(Value::as_table).into_iter().flatten() {
        entry.as_table().into_iter().for_each(|entry| add(name, entry));
    }
    Some(found)
}

/// What is asked for before the name of a repository. containerd adds `/v2` where the path is not the whole root.
fn root_of(url: &str, whole_root: bool) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'));
    if whole_root || path.ends_with("/v2") { path.to_owned() } else { format!("{path}/v2") }
}

fn pulls(entry: &Table) -> bool {
    match entry.get("capabilities").and_then(Value::as_array) {
        Some(words) if !words.is_empty() => {
            words.iter().any(|word| word.as_str().is_some_and(|word| word.eq_ignore_ascii_case("pull")))
        }
        _ => true,
    }
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    (!host.is_empty()).then(|| host.to_owned())
}

/// Whether somebody else's file has containerd do what `own` would: the same hosts, each with the same keys.
pub(super) fn says_the_same(other: &str, own: &str) -> bool {
    match (entries(other), entries(own)) {
        (Some(other), Some(own)) => other == own,
        _ => false,
    }
}

/// The hosts that are asked for pulls, each with its keys except those that change nothing.
fn entries(text: &str) -> Option<Vec<(String, Table)>> {
    if byte_order_mark::is_before(text.as_bytes()) {
        return None;
    }
    let file: Table = text.parse().ok()?;
    let mut entries: Vec<(String, Table)> = Vec::new();
    let mut add = |url: &str, entry: &Table| {
        if !pulls(entry) {
            return;
        }
        let mut entry = entry.clone();
        entry.retain(|key, value| match key as &str {
            "capabilities" | "server" | "host" => false,
            "skip_verify" | "override_path" => value.as_bool() == Some(true),
            _ => true,
        });
        let url = url.trim_end_matches('/');
        let has_root = entry.contains_key("override_path");
        let url = if has_root { url } else { url.strip_suffix("/v2").unwrap_or(url) };
        entries.push((url.to_owned(), entry.into_iter().map(|(key, value)| (key, listed(value))).collect()));
    };
    for (url, entry) in file.get("host").and_then(Value::as_table).into_iter().flatten() {
        add(url, entry.as_table()?);
    }
    if let Some(server) = file.get("server").and_then(Value::as_str) {
        add(server, &file);
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    entries.dedup();
    Some(entries)
}

/// To containerd a value and a list of that one value are the same.
fn listed(value: Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value]),
        Value::Table(table) => Value::Table(table.into_iter().map(|(k, v)| (k, listed(v))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (directory, text) in files {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
            std::fs::write(root.path().join(directory).join(HOSTS_TOML), text).unwrap();
        }
        root
    }

    #[test]
    fn the_directory_of_a_host_is_the_one_that_containerd_reads() {
        let root = tempfile::tempdir().unwrap();
        let roots = [root.path().to_owned()];
        assert_eq!(directory(&roots, "m.example:5000"), None);
        for name in ["_default", "m.example:5000", "m.example_5000_"] {
            let path = root.path().join(name);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(directory(&roots, "m.example:5000"), Some(path));
        }
    }

    #[test]
    fn a_redirect_is_another_host_for_pulls() {
        let rows = [
            ("server = 'https://m.dev'", None),
            ("server = 'https://m.dev/v2'\n[host.'http://m.dev']", None),
            ("server = 'https://m.dev:443'", Some(vec!["m.dev:443"])),
            ("[host.'https://a.dev/x']\n[host.'https://b.dev']", Some(vec!["a.dev", "b.dev"])),
            ("server = 'm.dev'\n[host.'https://a.dev']\ncapabilities = ['push']", None),
            ("# Written by cri-shunt\nserver = 'https://a.dev'", None),
            ("no toml", None),
        ];
        for (text, expected) in rows {
            let root = root_with(&[("m.dev", text)]);
            let found = redirect(&[root.path().to_owned()], "m.dev");
            let to = found.map(|found| found.to);
            assert_eq!(to, expected.map(|to| to.into_iter().map(str::to_owned).collect()), "{text}");
        }
        let root = root_with(&[("docker.io", "server = 'https://registry-1.docker.io'")]);
        assert_eq!(redirect(&[root.path().to_owned()], "docker.io"), None);
    }

    #[test]
    fn a_mirror_serves_by_a_file_that_asks_nobody_else_than_the_rule() {
        let allowed = BTreeSet::from(["127.0.0.1:5".to_owned(), "m.dev".to_owned()]);
        let rows = [
            ("[host.'http://127.0.0.1:5']", false, true),
            ("server = 'https://registry-1.docker.io'\n[host.'http://127.0.0.1:5']", false, true),
            ("server = 'http://127.0.0.1:5'", true, true),
            ("server = 'http://127.0.0.1:5'\n[host.'https://m.dev:443/p']", true, true),
            ("server = 'http://127.0.0.1:5'\n[host.'https://other.dev']", false, false),
            ("server = 'https://m.dev'", false, false),
            ("server = 'https://m.dev'\n[host.'http://127.0.0.1:5']\ncapabilities = ['push']", false, false),
            ("no toml", false, false),
            ("\u{feff}server = 'http://127.0.0.1:5'", false, false),
        ];
        for (text, without_origin, with_origin) in rows {
            for directory in ["docker.io", "_default"] {
                let root = root_with(&[(directory, text)]);
                let roots = [root.path().to_owned()];
                let mirror = ("127.0.0.1:5", "/v2");
                let served = |origin| serves(&roots, "docker.io", mirror, &allowed, origin);
                assert_eq!((served(false), served(true)), (without_origin, with_origin), "{text}");
            }
        }
        assert!(!serves(&[], "docker.io", ("127.0.0.1:5", "/v2"), &allowed, true));
        // Another rule for the registry may have its images at another place of the same host.
        let at = |url: &str, root: &str| {
            let root_dir = root_with(&[("docker.io", &format!("[host.'{url}']\noverride_path = true\n"))]);
            serves(&[root_dir.path().to_owned()], "docker.io", ("m.dev", root), &allowed, true)
        };
        assert!(at("https://m.dev/v2/hub", "/v2/hub") && at("https://m.dev/api/", "/api"));
        assert!(!at("https://m.dev/v2/hub", "/v2/teams") && !at("https://m.dev/v2/hub", "/v2"));
        assert_eq!(root_of("https://m.dev/v2", false), "/v2");
        assert_eq!(root_of("m.dev/p/", false), "/p/v2");
    }

    #[test]
    fn a_login_would_be_offered_to_mirrors_by_the_shunts_files_and_by_others_like_them() {
        let mirrors = BTreeSet::from(["m.dev".to_owned()]);
        let fence = "[host.'https://m.dev']\n[host.'https://q.io']\n";
        let ours = |text: &str| format!("# Written by cri-shunt\n{text}");
        let rows = [
            (ours(fence), true),
            (ours("[host.'http://q.io']\n"), false),
            (ours("no toml"), true),
            (fence.to_owned(), true),
            ("[host.'https://m.dev:443/p']".to_owned(), true),
            ("[host.'https://m.dev']\ncapabilities = ['push']".to_owned(), false),
            ("[host.'https://m.dev']\ncapabilities = ['Pull']".to_owned(), true),
            // The file's owner wants it so.
            ("[host.'https://cache.dev']".to_owned(), false),
        ];
        for (text, expected) in rows {
            let root = root_with(&[("q.io", &text)]);
            assert_eq!(leads_to(&[root.path().to_owned()], "q.io", &mirrors), expected, "{text}");
        }
    }

    #[test]
    fn what_somebody_else_has_written_may_be_all_that_is_wanted() {
        let own = "server = \"https://m.dev\"\ncapabilities = [\"push\"]\nca = [\"/ca\"]\n\
                   [host.\"https://m.dev\"]\ncapabilities = [\"pull\", \"resolve\"]\nca = [\"/ca\"]\n";
        let k3s = "server = \"https://m.dev/v2\"\ncapabilities = [\"pull\", \"resolve\", \"push\"]\n\
                   ca = [\"/ca\"]\n[host]\n";
        assert!(says_the_same(k3s, own));
        assert!(!says_the_same(&k3s.replace("/ca", "/other"), own));
        assert!(!says_the_same("server = 'https://m.dev'", own));
        assert!(!says_the_same("", own));
        assert!(!says_the_same(&format!("\u{feff}{k3s}"), own));
    }
}
