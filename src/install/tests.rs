//! A kill at each step, and runs after it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::disk;
use super::draft::{Change, Content, Part};
use super::record::Record;
use super::work::{apply, note_down, restore};
use crate::node::Tree;

/// A node with a file of a client, and this program.
struct Disk {
    dir: tempfile::TempDir,
    program: tempfile::NamedTempFile,
}

const ENV: &str = "/etc/default/kubelet";

impl Disk {
    fn new() -> Self {
        let (dir, program) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        fs::create_dir_all(dir.path().join("etc/default")).unwrap();
        fs::create_dir_all(dir.path().join("real")).unwrap();
        fs::write(dir.path().join("real/kubelet"), "ARGS=\n").unwrap();
        fs::set_permissions(dir.path().join("real/kubelet"), Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink("/real/kubelet", dir.path().join("etc/default/kubelet")).unwrap();
        fs::write(&program, "the program").unwrap();
        Disk { dir, program }
    }

    fn tree(&self) -> Tree {
        Tree::at(self.dir.path()).unwrap()
    }

    fn program(&self) -> File {
        self.program.reopen().unwrap()
    }

    /// Each path with its permissions and its content.
    fn all(&self) -> BTreeMap<String, String> {
        fn walk(at: &Path, found: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                let is = path.symlink_metadata().unwrap();
                let text = if is.is_dir() {
                    walk(&path, found);
                    String::new()
                } else if is.is_symlink() {
                    format!("{:?}", fs::read_link(&path).unwrap())
                } else {
                    fs::read_to_string(&path).unwrap()
                };
                found.insert(path.display().to_string(), format!("{:o} {text}", is.mode()));
            }
        }
        let mut found = BTreeMap::new();
        walk(self.dir.path(), &mut found);
        found
    }

    fn without_record(&self) -> BTreeMap<String, String> {
        let mut all = self.all();
        all.retain(|path, _| !path.contains("var/lib"));
        all
    }

    /// The changes, planned with the texts that are there now.
    fn planned(&self, changes: &[Change]) -> Vec<Change> {
        let with = |change: &Change| match change.content {
            Content::Text(_) => Change { was: self.tree().text(&change.path), ..change.clone() },
            _ => change.clone(),
        };
        changes.iter().map(with).collect()
    }

    /// Notes the changes down and makes the first ones, as far as a kill lets it.
    fn killed_after(&self, changes: &[Change], count: usize) {
        let changes = &self.planned(changes);
        let tree = self.tree();
        let mut record = Record::read(&tree).unwrap();
        let already = record.entries.len();
        note_down(&tree, &mut record, changes, &mut self.program()).unwrap();
        record.entries.truncate(already + count);
        for part in [Part::Own, Part::Client] {
            apply(&tree, &mut record, changes, part, &mut self.program()).unwrap();
        }
    }

    fn install(&self, changes: &[Change]) {
        let changes = &self.planned(changes);
        let tree = self.tree();
        let mut record = Record::read(&tree).unwrap();
        note_down(&tree, &mut record, changes, &mut self.program()).unwrap();
        for part in [Part::Own, Part::Client] {
            apply(&tree, &mut record, changes, part, &mut self.program()).unwrap();
        }
        record.prove(&tree).unwrap();
    }

    fn uninstall(&self) {
        let tree = self.tree();
        let mut record = Record::read(&tree).unwrap();
        for part in [Part::Client, Part::Own] {
            let done = restore(&tree, &mut record, part, false, false);
            assert_eq!(done.stays, Vec::<String>::new());
        }
        record.remove(&tree).unwrap();
    }

    /// Takes the last ones back, and is killed before it writes that down.
    fn uninstall_killed_after(&self, count: usize) {
        let tree = self.tree();
        let mut record = Record::read(&tree).unwrap();
        record.entries.drain(..record.entries.len().saturating_sub(count));
        for part in [Part::Client, Part::Own] {
            restore(&tree, &mut record, part, false, false);
        }
    }
}

fn change(path: &str, content: Content, part: Part) -> Change {
    Change { path: path.into(), content, was: None, mode: 0o640, part }
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

/// All kinds of changes. They need six directories.
fn changes(flag: &str) -> Vec<Change> {
    vec![
        change("/opt/shunt/bin/cri-shunt", Content::Program, Part::Own),
        change("/etc/systemd/system/cri-shunt.service", text(flag), Part::Own),
        change("/etc/systemd/system/a.wants/cri-shunt.service", Content::Link("/x".into()), Part::Own),
        change(ENV, text(&format!("ARGS={flag}\n")), Part::Client),
    ]
}

const ENTRIES: usize = 10;

#[test]
fn after_a_kill_at_any_step_it_goes_on_or_comes_back() {
    let whole = Disk::new();
    whole.install(&changes("a"));
    let length = Record::read(&whole.tree()).unwrap().entries.len();
    assert_eq!(length, ENTRIES);
    let expected: Vec<String> = whole.without_record().into_values().collect();
    for count in 0..=ENTRIES {
        let disk = Disk::new();
        let before = disk.all();
        disk.killed_after(&changes("a"), count);
        disk.uninstall();
        assert_eq!(disk.all(), before, "{count}: back");

        disk.killed_after(&changes("a"), count);
        // What is left is planned again: only what is not made yet.
        let tree = disk.tree();
        let todo = changes("a").into_iter().filter(|change| match &change.content {
            Content::Text(text) => tree.text(&change.path).as_ref() != Some(text),
            _ => !tree.has(&change.path) && tree.link(&change.path).is_none(),
        });
        disk.install(&todo.collect::<Vec<_>>());
        assert_eq!(disk.without_record().into_values().collect::<Vec<_>>(), expected, "{count}: on");
        disk.uninstall();
        assert_eq!(disk.all(), before, "{count}: on and back");
    }
}

#[test]
fn after_a_kill_on_the_way_back_the_next_run_goes_on() {
    for count in 0..=ENTRIES + 2 {
        let disk = Disk::new();
        let before = disk.all();
        disk.install(&changes("a"));
        // A later run has changed two of the files again, and was killed before its proof.
        let later = [
            change("/etc/systemd/system/cri-shunt.service", text("b"), Part::Own),
            change(ENV, text("ARGS=b\n"), Part::Client),
        ];
        disk.killed_after(&later, later.len());
        disk.uninstall_killed_after(count);
        disk.uninstall();
        assert_eq!(disk.all(), before, "{count}");
    }
}

#[test]
fn a_proof_that_fails_takes_back_its_own_run_only() {
    let disk = Disk::new();
    disk.install(&changes("a"));
    let proven = disk.without_record();
    disk.killed_after(&[change(ENV, text("ARGS=b\n"), Part::Client)], 1);
    let tree = disk.tree();
    let mut record = Record::read(&tree).unwrap();
    let done = restore(&tree, &mut record, Part::Client, true, false);
    assert_eq!((done.restored, done.stays), (vec![ENV.into()], Vec::new()));
    assert_eq!(disk.without_record(), proven);
}

#[test]
fn a_client_that_still_names_the_socket_needs_the_daemon() {
    let disk = Disk::new();
    disk.install(&changes("unix:///run/s.sock"));
    let (tree, env) = (disk.tree(), disk.dir.path().join("real/kubelet"));
    for (text, needs) in [("ARGS=unix:///run/s.sock # mine\n", true), ("ARGS= # mine\n", false)] {
        fs::write(&env, text).unwrap();
        let mut record = Record::read(&tree).unwrap();
        let done = restore(&tree, &mut record, Part::Client, false, false);
        assert_eq!((done.changed.len(), done.needs(&tree, Path::new("/run/s.sock"))), (1, needs));
    }
}

/// Each upgrade would keep a program that nobody wants back.
#[test]
fn only_what_was_there_at_first_is_kept() {
    let disk = Disk::new();
    let before = disk.all();
    disk.install(&changes("a"));
    for flag in ["b", "c", "b"] {
        disk.install(&[change(ENV, text(&format!("ARGS={flag}\n")), Part::Client)]);
    }
    let originals = fs::read_dir(disk.dir.path().join("var/lib/cri-shunt/install/originals")).unwrap();
    assert_eq!(originals.count(), 1);
    disk.uninstall();
    assert_eq!(disk.all(), before);
}

#[test]
fn a_damaged_original_is_not_put_back() {
    let disk = Disk::new();
    disk.install(&changes("a"));
    let originals = disk.dir.path().join("var/lib/cri-shunt/install/originals");
    for entry in fs::read_dir(originals).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let (tree, mut record) = (disk.tree(), Record::read(&disk.tree()).unwrap());
    let done = restore(&tree, &mut record, Part::Client, false, false);
    assert!(done.stays[0].contains("is damaged"), "{:?}", done.stays);
    assert_eq!(tree.text(Path::new(ENV)).as_deref(), Some("ARGS=a\n"));
}

/// A machine that has lost its power may have left it so.
#[test]
fn a_damaged_original_is_kept_again_while_its_file_is_there() {
    let disk = Disk::new();
    let digest = disk::sha256(&mut "ARGS=\n".as_bytes()).unwrap();
    let originals = disk.dir.path().join("var/lib/cri-shunt/install/originals");
    fs::create_dir_all(&originals).unwrap();
    fs::write(originals.join(digest), "").unwrap();
    let before = disk.without_record();
    disk.install(&changes("a"));
    disk.uninstall();
    assert_eq!(disk.without_record(), before);
}

/// Between the plan and its record minutes may pass, if somebody reads the diff page by page.
#[test]
fn a_file_that_is_changed_after_it_was_planned_is_not_written_over() {
    for now in [Some("ARGS=mine\n"), None] {
        let disk = Disk::new();
        let (tree, env) = (disk.tree(), disk.dir.path().join("real/kubelet"));
        let changes = disk.planned(&changes("a"));
        match now {
            Some(text) => fs::write(&env, text).unwrap(),
            None => fs::remove_file(&env).unwrap(),
        }
        let mut record = Record::read(&tree).unwrap();
        let said = note_down(&tree, &mut record, &changes, &mut disk.program()).unwrap_err();
        assert!(said.contains("/etc/default/kubelet was changed meanwhile"), "{said}");
        assert!(!tree.has(Path::new("/var/lib/cri-shunt/install/record.json")));
    }
}

/// Between the record and the change minutes may pass, for the proof of the daemon.
#[test]
fn a_file_that_is_changed_meanwhile_stays_and_is_told() {
    let disk = Disk::new();
    let (tree, env) = (disk.tree(), disk.dir.path().join("real/kubelet"));
    let mut record = Record::read(&tree).unwrap();
    let changes = disk.planned(&changes("a"));
    note_down(&tree, &mut record, &changes, &mut disk.program()).unwrap();
    fs::write(&env, "ARGS=mine\n").unwrap();
    let mut make = |part| apply(&tree, &mut record, &changes, part, &mut disk.program());
    make(Part::Own).unwrap();
    let said = make(Part::Client).unwrap_err();
    assert!(said.contains("/etc/default/kubelet was changed meanwhile"), "{said}");
    for part in [Part::Client, Part::Own] {
        assert_eq!(restore(&tree, &mut record, part, true, false).stays, Vec::<String>::new());
    }
    assert!(record.entries.is_empty());
    assert_eq!(fs::read_to_string(&env).unwrap(), "ARGS=mine\n");
}

/// With `--force`, or by a record that others have written. A file of the host has no part in it.
#[test]
fn a_link_or_a_pipe_in_the_place_of_a_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (link, pipe) = (dir.path().join("link"), dir.path().join("pipe"));
    std::os::unix::fs::symlink("link", &link).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    for path in [link, pipe] {
        disk::replace(&path, &mut b"new".as_slice(), disk::Owner::root(0o600)).unwrap();
        assert!(path.symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read(path).unwrap(), b"new");
    }
}
