//! Answers of a cluster's API, the Jobs of a rollout, and the files of a ConfigMap.
//!
//! Input: a letter for what it is, then its bytes.
//! What must hold: no answer makes more than a few lines of an error, or a line break or an escape in one; a change of a
//! node takes away the one taint and no other; a Job is for its node; files of the node that others have written stay.

use std::path::{Component, Path};

use http::StatusCode;

use cri_shunt::inside::cluster::{Node, Note, Progress, Template, Tree, answered, last_words, limit, lives};

use super::disk::Disk;

const TAINT: &str = "cri-shunt/starting";

/// Longer than any line that is repeated.
const LONGEST: usize = 4000;

pub(crate) fn run(bytes: &[u8]) {
    let Some((letter, text)) = bytes.split_first() else { return };
    thread_local!(static DISK: Disk = Disk::new("cluster"));
    match letter {
        b't' => DISK.with(|disk| template(disk, text)),
        b's' => DISK.with(|disk| files(disk, text, b"")),
        b'm' => DISK.with(|disk| files(disk, b"conf.d/cluster.toml\0[policy]\n", text)),
        b'5' => answer(500, text),
        b'4' => answer(403, text),
        _ => answer(200, text),
    }
}

fn is_line(line: &str) {
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(line.chars().count() < LONGEST, "{line:?}");
}

fn answer(status: u16, text: &[u8]) {
    let value = match answered(StatusCode::from_u16(status).unwrap(), "GET /a".to_owned(), text) {
        Ok(value) => value,
        Err(error) => return is_line(&error.to_string()),
    };
    assert!(status == 200 && value.is_object());
    if let Some(node) = Node::of(&value) {
        judge(&node, &value);
    }
    for item in value["items"].as_array().into_iter().flatten() {
        Node::of(item).iter().for_each(|node| judge(node, item));
    }
    if let Progress::Failed(why) = Progress::of(&value) {
        is_line(&why);
    }
    last_words(&value).iter().for_each(|line| is_line(line));
    let _ = lives(&value, "n1");
    // A sum of times has to stay one.
    assert!(limit(&value).is_none_or(|limit| std::time::Instant::now().checked_add(limit * 2).is_some()));
}

/// What is noted on a node leaves all taints but one, in their order.
fn judge(node: &Node, object: &serde_json::Value) {
    for state in [None, Some("served"), Some("failed")] {
        let note = Note { state, revision: Some("r"), by: "me" };
        let change = node.noted(&note, Some(TAINT));
        assert_eq!(change["metadata"]["labels"]["cri-shunt/state"].as_str(), state);
        assert_eq!(change["metadata"]["annotations"]["cri-shunt/rollout"].as_str(), state.map(|_| "me"));
        let before = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let kept: Vec<_> = before.iter().filter(|taint| taint["key"] != TAINT).cloned().collect();
        match change.get("spec") {
            Some(spec) => {
                assert_eq!(spec["taints"].as_array(), Some(&kept));
                assert_eq!(change["metadata"]["resourceVersion"], object["metadata"]["resourceVersion"]);
            }
            None => assert_eq!(kept.len(), before.len()),
        }
    }
}

fn template(disk: &Disk, text: &[u8]) {
    disk.clear();
    let file = disk.write("job.json", text);
    match Template::read(&file) {
        Ok(template) => {
            let job = template.for_node("name", "n1");
            assert_eq!((&job["metadata"]["name"], &job["kind"]), (&"name".into(), &"Job".into()));
            assert_eq!(job["spec"]["template"]["spec"]["nodeName"], "n1");
        }
        Err(why) => assert!(!why.contains('\n'), "{why:?}"),
    }
}

/// Files with their names, as a ConfigMap brings them: `NAME NUL TEXT NUL NUL NAME NUL TEXT`. A record may be there that
/// this has not written.
fn files(disk: &Disk, text: &[u8], record: &[u8]) {
    disk.clear();
    std::fs::create_dir_all(disk.path("from")).unwrap();
    let pieces: Vec<&[u8]> = text.split(|byte| *byte == 0).collect();
    for file in pieces.chunks(3) {
        let [name, content, ..] = file else { continue };
        let Ok(name) = std::str::from_utf8(name) else { continue };
        // What a pod mounts has such names, and no file is a directory too.
        let is_name = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if name.is_empty() || name.len() > 100 || !is_name || name.ends_with('/') {
            continue;
        }
        let path = disk.path("from").join(name);
        if std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
            drop(std::fs::write(path, content));
        }
    }
    let others = [
        ("to/config.toml", "# mine\n"),
        ("to/conf.d/mine.toml", "# mine\n"),
        ("to/conf.d/cluster.txt", "mine"),
    ];
    others.iter().for_each(|(path, text)| drop(disk.write(path, text.as_bytes())));
    if !record.is_empty() {
        disk.write("to/.cluster", record);
    }
    let to = disk.path("to");
    // A record may say that config.toml is of the cluster.
    let stays = others.iter().skip(usize::from(!record.is_empty()));
    if let Ok(tree) = Tree::read(&disk.path("from"))
        && tree.write(&to).is_ok()
    {
        assert!(tree.is_at(&to));
        assert_eq!(tree.write(&to).unwrap(), Vec::<std::path::PathBuf>::new());
    }
    if Tree::remove(&to).is_ok() {
        assert!(!Tree::was_written(&to));
    }
    stays.for_each(|(path, text)| {
        assert_eq!(std::fs::read(disk.path(path)).unwrap(), text.as_bytes(), "{path}")
    });
}
