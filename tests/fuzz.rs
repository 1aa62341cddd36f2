//! What `make fuzz` does for minutes, for moments: the seeds of every target, and inputs that are made of them.
//!
//! It shows without a fuzzer that a target, or the code behind it, no longer works.
//! Holds: the same inputs each time, so that a failure comes again; it says the input.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[allow(unreachable_pub, reason = "this is a crate of its own as well")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// A source of chance (xorshift), which needs to be no better than this.
struct Chance(u64);

impl Chance {
    /// A number below `limit`, or 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 20).unwrap() % limit.max(1)
    }

    fn range(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(bytes.len() + 1);
        start..start + self.below((bytes.len() - start).min(40) + 1)
    }

    /// Another input: a few changes, each by a byte, a word or a part of another seed.
    fn change(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[Vec<u8>]) {
        for _ in 0..=self.below(4) {
            // What comes first tells what the rest is, and what tells nothing leads nowhere.
            let at = self.range(&input[input.len().min(1)..]);
            let at = at.start + input.len().min(1)..at.end + input.len().min(1);
            let new = match self.below(5) {
                0 => Vec::new(),
                1 => vec![u8::try_from(self.below(256)).unwrap(); 1 + self.below(2)],
                2 => [&input[at.clone()], &input[at.clone()]].concat(),
                3 => words[self.below(words.len())].clone(),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    other[self.range(other)].to_vec()
                }
            };
            let at = if self.below(2) == 0 { at } else { at.start..at.start };
            input.splice(at, new);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path();
    entries.map(name).map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = root().join("corpus").join(target);
    let read = |name: String| (name.clone(), std::fs::read(directory.join(name)).unwrap());
    names(&directory).into_iter().map(read).collect()
}

/// The words of the dictionary, in libFuzzer's spelling.
fn words() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(root().join("dictionary")).unwrap();
    let quoted = |line: &str| Some(line.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    text.lines().filter_map(quoted).map(|word| unescaped(word.as_bytes())).collect()
}

fn unescaped(word: &[u8]) -> Vec<u8> {
    match word {
        [b'\\', b'x', high, low, rest @ ..] => {
            let digits = String::from_utf8(vec![*high, *low]).unwrap();
            [vec![u8::from_str_radix(&digits, 16).unwrap()], unescaped(rest)].concat()
        }
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => [vec![*byte], unescaped(rest)].concat(),
        [] => Vec::new(),
    }
}

fn run(target: &str, input: &[u8]) {
    let ran = catch_unwind(AssertUnwindSafe(|| targets::run(target, input)));
    assert!(ran.is_ok(), "{target}, with the input b\"{}\"", input.escape_ascii());
}

fn replay(target: &str, count: usize) {
    let seeds: Vec<Vec<u8>> = seeds(target).into_iter().map(|(_, seed)| seed).collect();
    assert!(seeds.len() > 2, "{target} has {} seeds", seeds.len());
    seeds.iter().for_each(|seed| run(target, seed));
    let (words, mut chance) = (words(), Chance(0x9e37_79b9_7f4a_7c15));
    for _ in 0..count {
        let mut input = seeds[chance.below(seeds.len())].clone();
        chance.change(&mut input, &seeds, &words);
        run(target, &input);
    }
}

#[test]
fn challenge() {
    replay("challenge", 5000);
}

#[test]
fn cluster() {
    replay("cluster", 2500);
}

#[test]
fn frames() {
    replay("frames", 1500);
}

#[test]
fn install() {
    replay("install", 700);
}

#[test]
fn node() {
    replay("node", 1500);
}

#[test]
fn pull_failure() {
    replay("pull_failure", 2000);
}

#[test]
fn reference() {
    replay("reference", 4000);
}

#[test]
fn signature() {
    replay("signature", 3000);
}

#[test]
fn sources() {
    replay("sources", 1200);
}

#[test]
fn wire() {
    replay("wire", 5000);
}

#[test]
fn every_target_has_seeds_and_a_program() {
    let known: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&root().join("corpus")), known);
    assert_eq!(names(&root().join("fuzz_targets")), known);
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for name in &known {
        let path = root().join("fuzz_targets").join(format!("{name}.rs"));
        assert!(std::fs::read_to_string(path).unwrap().contains(&format!("run(\"{name}\", bytes)")));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    // The pages that say what is fuzzed.
    for page in ["SECURITY.md", "docs/architecture.md"] {
        let text = std::fs::read_to_string(root().join("..").join(page)).unwrap();
        let missing: Vec<&String> =
            known.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert_eq!(missing, Vec::<&String>::new(), "{page}");
    }
    let security = std::fs::read_to_string(root().join("../SECURITY.md")).unwrap();
    let last = |line: &str| line.trim_end_matches(" |").rsplit(" | ").next().unwrap().to_owned();
    let table = security.lines().skip_while(|line| !line.ends_with("| fuzz targets |")).skip(2);
    let cells: Vec<String> = table.take_while(|line| line.starts_with('|')).map(last).collect();
    let told = cells.iter().flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let gone: Vec<&str> = told.filter(|name| !known.contains(*name)).collect();
    assert_eq!(gone, Vec::<&str>::new(), "SECURITY.md");
}

/// A fuzzer that begins with files that are refused finds its way no further than to the refusal.
#[test]
fn the_seeds_of_configurations_load() {
    for (name, seed) in seeds("sources") {
        if b"nyYtciojsa".contains(&seed[0]) {
            assert_eq!(targets::loads(&seed), !name.starts_with("broken"), "{name}");
        }
    }
}
