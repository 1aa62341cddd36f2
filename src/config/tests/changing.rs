//! Files that change while they are read: what is loaded was in them at one moment.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use insta::assert_snapshot;

use super::{shown, write};
use crate::config::load::{load_once, load_whole};
use crate::config::{Config, Diagnostics, Input, Loaded, load};

/// A file of so many rules fits into a page of memory. The kernel writes more in several steps, and may pause
/// between them.
const RULES: usize = 80;

/// Rules that all contain the same word.
fn policy(word: &str) -> String {
    (0..RULES).map(|i| format!("[[policy.rule]]\nprefix = 'h{i}.dev'\ndeny = '{word}'\n")).collect()
}

/// The word in all rules; a policy with two words, or with too few rules, is a mix.
fn word_of(config: &Config, rules: usize) -> String {
    let mut words: Vec<String> =
        config.policy.rules().iter().map(|rule| format!("{:?}", rule.action)).collect();
    assert_eq!(words.len(), rules, "a part of it was read");
    words.dedup();
    assert_eq!(words.len(), 1, "a mix was read: {words:?}");
    words.remove(0)
}

/// Loads again and again while `change` runs, and counts the results.
fn load_while(change: impl Fn(usize) + Sync, config: &Path, rules: usize) -> (usize, usize) {
    let stop = AtomicBool::new(false);
    let mut words = std::collections::BTreeSet::new();
    let mut loads = 0;
    let refusals = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                change(round);
                round += 1;
                // Most changes follow at once; some leave a reader enough time.
                if round % 21 == 0 {
                    std::thread::sleep(Duration::from_millis(60));
                }
            }
        });
        for _ in 0..3000 {
            match load(config) {
                Ok(loaded) => drop(words.insert(word_of(&loaded.config, rules))),
                Err(problems) => {
                    let text = shown(&problems, Path::new("/"));
                    assert!(text.contains("changed each time"), "{text}");
                    refusals.fetch_add(1, Ordering::Relaxed);
                }
            }
            loads += 1;
            if loads >= 60 && words.len() == 2 {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    (words.len(), loads - refusals.load(Ordering::Relaxed))
}

#[test]
fn a_file_that_is_written_in_place_all_the_time() {
    let dir = write(&[("config.toml", &policy("aaa"))]);
    let path = dir.path().join("config.toml");
    let texts = [policy("aaa"), policy("bbb")];
    let change = |round: usize| {
        // Without truncating the file first: a truncated file is empty, and valid.
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(texts[round % 2].as_bytes(), 0).unwrap();
    };
    assert_eq!(load_while(change, &path, RULES).0, 2);
}

#[test]
fn a_file_that_is_replaced_all_the_time_is_read_all_the_time() {
    let dir = write(&[("config.toml", &policy("aaa"))]);
    let path = dir.path().join("config.toml");
    let texts = [policy("aaa"), policy("bbb")];
    let change = |round: usize| {
        let new = dir.path().join("new");
        std::fs::write(&new, &texts[round % 2]).unwrap();
        std::fs::rename(new, &path).unwrap();
    };
    let (words, loaded) = load_while(change, &path, RULES);
    assert_eq!(words, 2);
    assert!(loaded >= 60, "{loaded}");
}

#[test]
fn several_files_are_those_of_one_moment() {
    let half = |word: &str, from: usize| -> String {
        let rule = |i| format!("[[policy.rule]]\nprefix = 'h{i}.dev'\ndeny = '{word}'\n");
        (from..from + 10).map(rule).collect()
    };
    let dir = write(&[
        ("1/config.toml", &half("aaa", 0)),
        ("1/conf.d/x.toml", &half("aaa", 10)),
        ("2/config.toml", &half("bbb", 0)),
        ("2/conf.d/x.toml", &half("bbb", 10)),
    ]);
    let change = |round: usize| {
        let new = dir.path().join("new");
        std::os::unix::fs::symlink(if round.is_multiple_of(2) { "1" } else { "2" }, &new).unwrap();
        std::fs::rename(new, dir.path().join("now")).unwrap();
    };
    change(0);
    assert_eq!(load_while(change, &dir.path().join("now/config.toml"), 20).0, 2);
}

/// Loads, and changes something after each reading.
fn load_and_change(config: &Path, mut change: impl FnMut(usize)) -> Result<Loaded, Diagnostics> {
    let input = Input::file(config);
    let mut round = 0;
    load_whole(|| {
        let loaded = load_once(&input);
        change(round);
        round += 1;
        loaded
    })
}

#[test]
fn a_change_behind_the_reader_is_read_again() {
    let dir = write(&[("config.toml", &policy("aaa")), ("conf.d/x.toml", "")]);
    let path = dir.path().join("config.toml");
    let loaded = load_and_change(&path, |round| {
        if round == 0 {
            std::fs::write(&path, policy("bbb")).unwrap();
        }
    });
    assert!(word_of(&loaded.unwrap().config, RULES).contains("bbb"));
    let loaded = load_and_change(&path, |round| {
        if round == 0 {
            std::fs::write(dir.path().join("conf.d/y.toml"), "[policy]\nnames = 'both'\n").unwrap();
        }
    });
    assert_eq!(loaded.unwrap().config.policy.settings().names, crate::policy::Names::Both);
}

#[test]
fn a_change_each_time_is_an_error() {
    let dir = write(&[("config.toml", &policy("aaa")), ("conf.d/x.toml", "")]);
    let path = dir.path().join("config.toml");
    let problems = load_and_change(&path, |round| {
        std::fs::write(&path, policy(&"b".repeat(round + 1))).unwrap();
    });
    assert_snapshot!(shown(&problems.unwrap_err(), dir.path()), @r"
    error: config.toml changed each time the configuration was read
     |
     = help: a program keeps writing it; try again when it has finished
    ");
}
