//! The units of a node, each with its drop-ins.
//!
//! Source: systemd.unit(5), systemd.exec(5), systemd.service(5).

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::environment::{variable, variables};
use super::place::{Place, Said};
use super::tree::Tree;
use super::unit_file::{Setting, settings};
use super::words::{MAX_LINE, Word, words};

/// Where units are, the most important directory first.
const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A unit as systemd sees it.
#[derive(Debug)]
pub struct Unit {
    /// Its name, `kubelet.service`.
    pub name: String,
    /// Its main file.
    pub file: PathBuf,
    /// Whether it is a link to /dev/null, so that nothing can start it.
    pub is_masked: bool,
    settings: Vec<(PathBuf, Setting)>,
}

/// Whether another unit wants or requires it, by a link.
pub fn is_wanted(tree: &Tree, name: &str) -> bool {
    DIRECTORIES.iter().map(Path::new).any(|directory| {
        tree.names(directory).iter().any(|entry| {
            let ends = |end: &str| entry.to_string_lossy().ends_with(end);
            let is_link = || tree.link(&directory.join(entry).join(name)).is_some();
            (ends(".wants") || ends(".requires")) && is_link()
        })
    })
}

// === impl Unit ===

impl Unit {
    /// Reads a unit and its drop-ins, if it is there.
    pub fn read(tree: &Tree, name: &str) -> Option<Self> {
        let files = DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
        let mut unit = files.into_iter().find_map(|file| {
            let is_masked = tree.link(&file).is_some_and(|target| target == Path::new("/dev/null"));
            let text = if is_masked { String::new() } else { tree.text(&file)? };
            let settings = settings(&text).into_iter().map(|setting| (file.clone(), setting)).collect();
            Some(Unit { name: name.to_owned(), file, is_masked, settings })
        })?;
        for file in drop_ins(tree, name) {
            let text = tree.text(&file).unwrap_or_default();
            unit.settings.extend(settings(&text).into_iter().map(|setting| (file.clone(), setting)));
        }
        Some(unit)
    }

    /// A unit that is a text, without drop-ins.
    pub fn of_text(name: &str, text: &str) -> Self {
        let file = PathBuf::from(name);
        let settings = settings(text).into_iter().map(|setting| (file.clone(), setting)).collect();
        Unit { name: name.to_owned(), file, is_masked: false, settings }
    }

    /// The keys of a section with their values, in their order, also the empty ones.
    pub fn section(&self, section: &str) -> impl Iterator<Item = (&str, &str)> {
        let of = self.settings.iter().filter(move |(_, setting)| setting.section == section);
        of.map(|(_, setting)| (setting.key.as_str(), setting.value.as_str()))
    }

    /// The values of a key; an empty one takes those before it away.
    pub fn values(&self, section: &str, key: &str) -> Vec<Said> {
        let mut values = Vec::new();
        for (file, setting) in &self.settings {
            if setting.section != section || setting.key != key {
                continue;
            }
            if setting.value.is_empty() {
                values.clear();
                continue;
            }
            values.push(Said { value: setting.value.clone(), at: Place::line(file, setting.line) });
        }
        values
    }

    /// The units that a key names, `After` or `Before`. No drop-in can take one of them away.
    pub fn units(&self, key: &str) -> Vec<Said> {
        let keys =
            self.settings.iter().filter(|(_, setting)| setting.section == "Unit" && setting.key == key);
        let names = keys.flat_map(|(file, setting)| {
            let said = |name: &str| Said { value: name.to_owned(), at: Place::line(file, setting.line) };
            setting.value.split_whitespace().map(said).collect::<Vec<_>>()
        });
        names.collect()
    }

    /// The words of its command, with the variables of its environment put in.
    pub(super) fn command(&self, tree: &Tree) -> Vec<Word> {
        let Some(Said { value, at }) = self.values("Service", "ExecStart").pop() else { return Vec::new() };
        let environment = self.environment(tree);
        let split = |said: &Said| {
            let texts = words(&said.value).into_iter();
            texts.map(|text| Word { text, at: said.at.clone() }).collect()
        };
        let (mut found, mut length) = (Vec::new(), 0);
        for text in words(&value) {
            let added = match text.strip_prefix('$').filter(|name| !name.starts_with(['{', '$'])) {
                Some(name) => environment.get(name).map(split).unwrap_or_default(),
                None => vec![with_variables(&text, &at, &environment)],
            };
            length += added.iter().map(|word: &Word| word.text.len() + 1).sum::<usize>();
            if length > MAX_LINE {
                break;
            }
            found.extend(added);
        }
        if let Some(first) = found.first_mut() {
            first.text = first.text.trim_start_matches(['@', '-', ':', '+', '!', '|']).to_owned();
        }
        found
    }

    /// The program that it starts.
    pub fn program(&self, tree: &Tree) -> Option<PathBuf> {
        let first = self.command(tree).into_iter().next()?;
        Some(PathBuf::from(first.text)).filter(|program| program.is_absolute())
    }

    /// Its variables. Those of files count over those of the unit.
    fn environment(&self, tree: &Tree) -> HashMap<String, Said> {
        let mut found = HashMap::new();
        for Said { value, at } in self.values("Service", "Environment") {
            let assigned = words(&value).into_iter().filter_map(|word| variable(&word, 0));
            found.extend(assigned.map(|v| (v.name, Said { value: v.value, at: at.clone() })));
        }
        for file in self.environment_files() {
            let text = tree.text(&file).unwrap_or_default();
            let said = |line, value| Said { value, at: Place::line(&file, line) };
            found.extend(variables(&text).into_iter().map(|v| (v.name, said(v.line, v.value))));
        }
        found
    }

    fn environment_files(&self) -> Vec<PathBuf> {
        let files = self.values("Service", "EnvironmentFile").into_iter();
        files.map(|said| PathBuf::from(said.value.trim_start_matches('-'))).collect()
    }
}

/// A word with `${NAME}` replaced. Where a value is put in, its place is that of the word. Once the word is
/// too long, no more values are put in.
fn with_variables(text: &str, at: &Place, environment: &HashMap<String, Said>) -> Word {
    let mut word = Word { text: String::new(), at: at.clone() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, end)) = after.split_once('}') else { break };
        word.text.push_str(before);
        if let Some(said) = environment.get(name).filter(|_| word.text.len() <= MAX_LINE) {
            word.text.push_str(&said.value);
            word.at = said.at.clone();
        }
        rest = end;
    }
    word.text.push_str(rest);
    word
}

/// The drop-ins in the order of their names. Of two with one name that of the more important directory counts.
fn drop_ins(tree: &Tree, name: &str) -> Vec<PathBuf> {
    let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES.iter().rev() {
        let directory = Path::new(directory).join(format!("{name}.d"));
        for entry in tree.names(&directory) {
            if Path::new(&entry).extension().is_some_and(|extension| extension == "conf") {
                let path = directory.join(&entry);
                found.insert(entry, path);
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::at(dir.path()).unwrap();
        (dir, tree)
    }

    #[test]
    fn a_command_has_its_variables_each_with_its_place() {
        let (_dir, tree) = tree(&[
            (
                "usr/lib/systemd/system/k.service",
                "[Service]\nExecStart=/bin/k --old\nEnvironment=A=1 'B=--b --c=d'\n",
            ),
            (
                "etc/systemd/system/k.service.d/10.conf",
                "[Service]\nEnvironmentFile=-/etc/e\nEnvironmentFile=-/etc/none\nExecStart=\n\
                 ExecStart=-/bin/k $B $C --a=${A}x $NONE ${NONE} $\n",
            ),
            ("usr/lib/systemd/system/k.service.d/10.conf", "[Service]\nExecStart=/bin/hidden\n"),
            ("etc/e", "\nC=\"--e '--f g'\"\nA=2\n"),
        ]);
        let words = Unit::read(&tree, "k.service").unwrap().command(&tree);
        let shown: Vec<String> = words.iter().map(|word| format!("{} {}", word.at, word.text)).collect();
        assert_eq!(
            shown,
            [
                "/etc/systemd/system/k.service.d/10.conf:5 /bin/k",
                "/usr/lib/systemd/system/k.service:3 --b",
                "/usr/lib/systemd/system/k.service:3 --c=d",
                "/etc/e:2 --e",
                "/etc/e:2 --f g",
                "/etc/e:3 --a=2x",
                "/etc/systemd/system/k.service.d/10.conf:5 ",
            ]
        );
        assert!(Unit::read(&tree, "none.service").is_none());
    }

    #[test]
    fn variables_make_no_command_longer_than_one_can_be() {
        let many =
            |word: &str| format!("[Service]\nEnvironmentFile=/e\nExecStart=/bin/k {}\n", word.repeat(2000));
        let value = format!("A=\"{}\"\n", "x ".repeat(20_000));
        for unit in [many("$A "), many("${A}"), many("${A} ")] {
            let (_dir, tree) = tree(&[("etc/systemd/system/k.service", &unit), ("e", &value)]);
            let words = Unit::read(&tree, "k.service").unwrap().command(&tree);
            let length: usize = words.iter().map(|word| word.text.len() + 1).sum();
            assert!(length <= MAX_LINE && words[0].text == "/bin/k", "{length}");
        }
    }

    #[test]
    fn links_make_a_unit_wanted_or_mask_it() {
        use std::os::unix::fs::symlink;
        let (dir, tree) = tree(&[
            ("etc/systemd/system/m.target.wants/.keep", ""),
            ("usr/lib/systemd/system/a.service", "[Unit]\nAfter=b.service c.service\n"),
            ("etc/systemd/system/a.service.d/x.conf", "[Unit]\nAfter=\nAfter=d.service\n"),
        ]);
        assert!(!is_wanted(&tree, "a.service"));
        symlink(
            "/usr/lib/systemd/system/a.service",
            dir.path().join("etc/systemd/system/m.target.wants/a.service"),
        )
        .unwrap();
        assert!(is_wanted(&tree, "a.service"));
        let unit = Unit::read(&tree, "a.service").unwrap();
        let after: Vec<String> = unit.units("After").into_iter().map(|said| said.value).collect();
        assert_eq!(after, ["b.service", "c.service", "d.service"]);
        symlink("/dev/null", dir.path().join("etc/systemd/system/a.service")).unwrap();
        assert!(Unit::read(&tree, "a.service").unwrap().is_masked);
    }
}
