//! Holds the structure of the house: the order of the rooms, no circles of files, documentation of each key.
//!
//! `docs/architecture.md` explains the house; this holds it up.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A module as `["pull", "route"]`; the crate's root is empty.
type Module = Vec<String>;

/// One file of `src`.
struct Source {
    file: PathBuf,
    syntax: syn::File,
}

/// All files of `src` but those of tests, by module.
fn sources() -> BTreeMap<Module, Source> {
    fn walk(dir: &Path, module: &Module, found: &mut BTreeMap<Module, Source>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if name != "tests" {
                    walk(&path, &[module.clone(), vec![name]].concat(), found);
                }
            } else if !matches!(name.as_str(), "tests" | "main" | "conformance" | "fixture") {
                let syntax = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
                let module =
                    if name == "lib" { Module::new() } else { [module.clone(), vec![name]].concat() };
                found.insert(module, Source { file: path, syntax });
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root().join("src"), &Module::new(), &mut found);
    found
}

/// The paths that a file names outside its tests, as written.
#[derive(Default)]
struct Paths {
    /// Of `use`, with the name that each goes by here; and whether others may use it from here.
    uses: Vec<(Vec<String>, String, bool)>,
    /// In code.
    inline: Vec<Vec<String>>,
}

impl Paths {
    fn of(syntax: &syn::File) -> Self {
        let mut paths = Self::default();
        paths.visit_file(syntax);
        paths
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &[String], exported: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), exported),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.uses.push((before.to_vec(), before.last().cloned().unwrap_or_default(), exported));
            }
            syn::UseTree::Name(name) => self.uses.push((with(&name.ident), name.ident.to_string(), exported)),
            syn::UseTree::Rename(name) => {
                self.uses.push((with(&name.ident), name.rename.to_string(), exported));
            }
            syn::UseTree::Glob(_) => self.uses.push((before.to_vec(), "*".to_owned(), exported)),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, before, exported))
            }
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'a> Visit<'a> for Paths {
    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.tree(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        self.inline.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

struct House {
    files: BTreeMap<Module, PathBuf>,
    paths: BTreeMap<Module, Paths>,
}

impl House {
    fn read() -> Self {
        let sources = sources();
        let paths = sources.iter().map(|(module, source)| (module.clone(), Paths::of(&source.syntax)));
        Self {
            paths: paths.collect(),
            files: sources.into_iter().map(|(module, source)| (module, source.file)).collect(),
        }
    }

    /// The file that declares what `path` in `module` leads to, where it is one of ours.
    fn declares(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let first = path.first()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.clone(),
            "super" => module[..module.len() - 1].to_vec(),
            name => {
                let child = [module.clone(), vec![name.to_owned()]].concat();
                if !self.files.contains_key(&child) {
                    // Perhaps a name that a `use` has brought here.
                    let uses = &self.paths[module].uses;
                    let (full, ..) =
                        uses.iter().find(|(full, local, _)| local == name && full.as_slice() != path)?;
                    let full = [full.as_slice(), &path[1..]].concat();
                    return (depth < 8).then(|| self.declares(module, &full, depth + 1)).flatten();
                }
                child
            }
        };
        let mut rest = &path[1..];
        while let Some((name, after)) = rest.split_first() {
            match name.as_str() {
                "super" => at.truncate(at.len().saturating_sub(1)),
                "self" => {}
                name => {
                    let next = [at.clone(), vec![name.to_owned()]].concat();
                    if !self.files.contains_key(&next) {
                        break;
                    }
                    at = next;
                }
            }
            rest = after;
        }
        // What a file only passes on is declared elsewhere.
        if let Some(name) = rest.first()
            && let Some((full, ..)) =
                self.paths.get(&at)?.uses.iter().find(|(_, local, exported)| *exported && local == name)
            && depth < 8
        {
            let full = full.clone();
            return self.declares(&at, &full, depth + 1).or(Some(at));
        }
        Some(at)
    }

    /// Which files each file takes something from. Passing a name on (`pub use`) is not taking it.
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut all = BTreeMap::new();
        for (module, paths) in &self.paths {
            let uses = paths.uses.iter().filter(|(.., exported)| !exported).map(|(path, ..)| path);
            let named = uses.chain(paths.inline.iter().filter(|path| path.len() > 1));
            let mut taken: BTreeSet<Module> =
                named.filter_map(|path| self.declares(module, path, 0)).collect();
            taken.remove(module);
            all.insert(module.clone(), taken);
        }
        // Where no arrows are found, none can be wrong.
        let arrows: usize = all.values().map(BTreeSet::len).sum();
        assert!(arrows > 2 * all.len() && all.len() > 100, "{arrows} arrows of {} files", all.len());
        all
    }

    fn show(&self, module: &Module) -> String {
        self.files[module].strip_prefix(root()).unwrap().display().to_string()
    }
}

/// The rooms in the order of `src/lib.rs`.
fn rooms() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

#[test]
fn each_room_imports_only_from_rooms_that_stand_after_it() {
    let (house, rooms) = (House::read(), rooms());
    assert!(rooms.len() > 8, "{rooms:?}");
    let place = |module: &Module| rooms.iter().position(|room| Some(room) == module.first());
    let mut wrong = Vec::new();
    for (module, taken) in house.imports() {
        let Some(here) = place(&module) else { continue };
        for other in taken {
            if place(&other).is_none_or(|there| there < here) {
                wrong.push(format!("{} imports from {}", house.show(&module), house.show(&other)));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order of src/lib.rs:\n{}", wrong.join("\n"));
}

/// All that can be reached from `start` along the arrows.
fn reached(start: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let mut next = vec![start];
    while let Some(module) = next.pop() {
        next.extend(imports[module].iter().filter(|other| found.insert((*other).clone())));
    }
    found
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let house = House::read();
    let imports = house.imports();
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        imports.keys().map(|module| (module, reached(module, &imports))).collect();
    let mut arrows = Vec::new();
    for (module, taken) in &imports {
        let back = taken.iter().filter(|other| reach[other].contains(module));
        arrows.extend(back.map(|other| format!("{} -> {}", house.show(module), house.show(other))));
    }
    assert!(arrows.is_empty(), "these arrows are part of circles:\n{}", arrows.join("\n"));
}

#[test]
fn the_page_lists_the_rooms_in_the_order_of_the_code() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rooms_of_page = page.split("\n## ").find(|part| part.starts_with("The rooms")).unwrap();
    let listed: Vec<&str> = rooms_of_page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name))
        .filter(|name| !name.contains([':', '/', ' ']))
        .collect();
    let rooms = rooms();
    let found: Vec<&str> = listed.into_iter().filter(|name| rooms.iter().any(|room| room == name)).collect();
    assert_eq!(found, rooms);
}

/// A key that the program does not know, nor one that is like it.
const UNKNOWN: &str = "quite-another-thing";
/// Each table of the configuration by its heading in the page, with such a key in it.
const TABLES: &[(&str, &str)] = &[
    ("listen", "[listen]\nquite-another-thing = 1"),
    ("containerd", "[containerd]\nquite-another-thing = 1"),
    ("policy", "[policy]\nquite-another-thing = 1"),
    ("policy", "[policy]\npolicy-json = { file = '/a', quite-another-thing = 1 }"),
    ("policy.rule", "[[policy.rule]]\nprefix = 'a.dev'\nmirrors = ['m.dev']\nquite-another-thing = 1"),
    ("policy.rule", "[[policy.rule]]\nprefix = 'a.dev'\npass = true\nquite-another-thing = 1"),
    (
        "policy.rule",
        "[[policy.rule]]\nprefix = 'a.dev'\nmirrors = [{ location = 'm.dev', quite-another-thing = 1 }]",
    ),
    (
        "policy.rule",
        "[[policy.rule]]\nprefix = 'a.dev'\nmirrors = ['m.dev']\n\
         rewrite = [{ match = 'a', replace = 'b', quite-another-thing = 1 }]",
    ),
    ("policy.source", "[[policy.source]]\ncerts-d = '/tmp'\nquite-another-thing = 1"),
    (
        "credentials",
        "[[credentials]]\nregistry = 'm.dev'\nusername = 'a'\npassword-env = 'A'\nquite-another-thing = 1",
    ),
    ("credentials", "[[credentials]]\ndocker-config = '/tmp/a'\nquite-another-thing = 1"),
    ("transport", "[[transport]]\nregistry = 'm.dev'\nquite-another-thing = 1"),
    (
        "transport",
        "[[transport]]\nregistry = 'm.dev'\nheaders = { A = { file = '/a', quite-another-thing = 1 } }",
    ),
    ("signature", "[[signature]]\nname = 'a'\nkeys = ['/a']\nquite-another-thing = 1"),
    (
        "signature",
        "[[signature]]\nname = 'a'\nidentities = [{ issuer = 'a', subject = 'b', quite-another-thing = 1 }]",
    ),
    (
        "signature",
        "[[signature]]\nname = 'a'\nidentity = { repository = 'a.dev/b', quite-another-thing = 1 }",
    ),
    ("pull", "[pull]\nquite-another-thing = 1"),
    ("state", "[state]\nquite-another-thing = 1"),
    ("log", "[log]\nquite-another-thing = 1"),
    ("audit", "[audit]\nquite-another-thing = 1"),
    ("metrics", "[metrics]\nquite-another-thing = 1"),
];

/// The keys that the program reads in the table of `text`: it lists them where it meets one that it does not know.
fn keys_read(command: &str, text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.toml"), text).unwrap();
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    let arguments: &[&str] = if command == "test" {
        &["test", "--config", "config.toml", "a.toml"]
    } else {
        &[command, "--config", "a.toml"]
    };
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_cri-shunt"));
    let output = program.current_dir(dir.path()).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let (_, from) = said.split_once(UNKNOWN).unwrap_or_else(|| panic!("{text}\n{said}"));
    let (_, list) = from.split_once("known here: ").unwrap_or_else(|| panic!("{text}\n{said}"));
    list.lines().next().unwrap().split(',').map(|key| key.trim().to_owned()).collect()
}

/// The words of `text` that may be keys.
fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).collect()
}

/// What stands between backticks in the part of docs/configuration.md whose heading names `table`.
fn documented<'p>(page: &'p str, heading: &str) -> BTreeSet<&'p str> {
    let part = page.split("\n## ").find(|part| part.lines().next().unwrap().contains(heading));
    let part = part.unwrap_or_else(|| panic!("docs/configuration.md has no heading with {heading}"));
    let spans = part.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    spans.flat_map(words).collect()
}

#[test]
fn every_key_that_the_program_reads_is_documented_and_in_the_example() {
    let page = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let example = std::fs::read_to_string(root().join("packaging/config.toml")).unwrap();
    let example = words(&example);

    // The list of tables above is whole. One key stands above all tables.
    let tables = TABLES.iter().map(|(table, _)| table.split('.').next().unwrap());
    let tables: BTreeSet<&str> = tables.chain(["end-mark"]).collect();
    assert!(example.contains("end-mark") && page.contains("`end-mark"));
    assert_eq!(
        keys_read("check", &format!("{UNKNOWN} = 1")).iter().map(String::as_str).collect::<BTreeSet<_>>(),
        tables
    );

    let mut missing = BTreeSet::new();
    for (table, text) in TABLES {
        let documented = documented(&page, &format!("[{table}]"));
        for key in keys_read("check", text) {
            let is_table = TABLES.iter().any(|(other, _)| *other == format!("{table}.{key}"));
            if !is_table && !documented.contains(&*key) {
                missing.insert(format!("`{key}` of [{table}] in docs/configuration.md"));
            }
            if !example.contains(&*key) {
                missing.insert(format!("`{key}` of [{table}] in packaging/config.toml"));
            }
        }
    }
    let (expected, keys) = (
        documented(&page, "cri-shunt test"),
        keys_read("test", "[[expect]]\nimage = 'a'\nrule = 'default'\nquite-another-thing = 1"),
    );
    missing.extend(
        keys.into_iter()
            .filter(|key| !expected.contains(&**key))
            .map(|key| format!("`{key}` of [[expect]] in docs/configuration.md")),
    );
    assert!(missing.is_empty(), "missing:\n{}", missing.into_iter().collect::<Vec<_>>().join("\n"));
}
