//! Disks and files that cannot take the lines. The daemon serves, and says it.

use std::path::Path;

use rustix::process::Signal;

use crate::lines;
use crate::support::cri::Cri;
use crate::support::mount::Mount;
use crate::support::shunt::Shunt;
use crate::support::wait_until;

/// A shunt that denies everything, with its audit in `file`. Nothing needs to be behind it for that.
fn denying(file: &Path, more: &str) -> Shunt {
    let config = format!("[policy]\ndefault = \"deny\"\n[audit]\nfile = {file:?}\n{more}");
    Shunt::start_before(&config, Path::new("/nowhere/containerd.sock"))
}

async fn denied(shunt: &Shunt, count: usize) {
    let cri = Cri::connect(&shunt.socket()).await;
    for _ in 0..count {
        let status = cri.pull("quay.io/x/app:1").await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
    }
}

/// Waits until `status` has this line about the audit, or none.
fn told(shunt: &Shunt, problem: Option<&str>) {
    let mut last = String::new();
    let is_told = wait_until(|| {
        last = shunt.status();
        let line = last.lines().find(|line| line.starts_with("audit "));
        match problem {
            Some(problem) => line.is_some_and(|line| line.contains(problem)),
            None => line.is_none(),
        }
    });
    assert!(is_told, "{problem:?}: {last}\n{}", shunt.stderr());
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_followed_by_a_new_one_at_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let (file, moved) = (dir.path().join("audit.jsonl"), dir.path().join("audit.old"));
    let shunt = denying(&file, "");
    denied(&shunt, 1).await;
    lines(&shunt, &file, 1);
    std::fs::rename(&file, &moved).unwrap();
    shunt.signal(Signal::HUP);
    lines(&shunt, &file, 0);
    shunt.until("a new file", || file.exists());
    denied(&shunt, 2).await;
    lines(&shunt, &file, 2);
    lines(&shunt, &moved, 1);
    // A stop waits for the last lines.
    denied(&shunt, 20).await;
    shunt.stop();
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 22);
}

#[tokio::test]
async fn what_is_no_file_keeps_nobody_waiting_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("missing/audit.jsonl");
    let shunt = denying(&file, "");
    shunt.says("audit lines are lost: cannot open ");
    told(&shunt, Some("missing/audit.jsonl: No such file or directory"));
    denied(&shunt, 2).await;
    told(&shunt, Some("; 2 lines are missing"));
    std::fs::create_dir_all(&file).unwrap();
    denied(&shunt, 1).await;
    told(&shunt, Some("Is a directory (os error 21); 3 lines are missing"));
    std::fs::remove_dir(&file).unwrap();
    denied(&shunt, 1).await;
    told(&shunt, None);
    let lines = lines(&shunt, &file, 2);
    assert_eq!(lines[0]["dropped"], 3);
    assert_eq!(lines[1]["outcome"], "denied");
    let said = shunt.stderr();
    assert_eq!(said.matches("audit lines are lost: ").count(), 1, "{said}");
    shunt.says("audit lines are written again");
}

/// How many lines `status` says are missing.
fn missing(shunt: &Shunt) -> usize {
    let shown = shunt.status();
    let line = shown.lines().find(|line| line.starts_with("audit "));
    let count = line.and_then(|line| line.rsplit_once("; ")?.1.split(' ').next()?.parse().ok());
    count.unwrap_or(0)
}

#[tokio::test]
async fn a_full_disk_loses_whole_lines_only_and_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let small = dir.path().join("small");
    let Some(_mount) = Mount::tmpfs(&small, "size=16k") else { return };
    let file = small.join("audit.jsonl");
    let shunt = denying(&file, "");
    denied(&shunt, 100).await;
    told(&shunt, Some("No space left on device"));
    // Each decision is there or is missing; one that is on its way would be neither. A gap may fit where no decision
    // does.
    let entries = || {
        let text = std::fs::read_to_string(&file).unwrap();
        let (gaps, decisions): (Vec<serde_json::Value>, Vec<_>) = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .partition(|line: &serde_json::Value| line["dropped"].is_u64());
        let told: u64 = gaps.iter().filter_map(|gap| gap["dropped"].as_u64()).sum();
        (text, decisions.len(), usize::try_from(told).unwrap())
    };
    shunt.until("all lines", || entries().1 + missing(&shunt) == 100);
    let (text, decisions, told_before) = entries();
    assert!(text.ends_with("}\n") && (1..100).contains(&decisions), "{decisions}: {text}");
    // Now there is room: the gap is told, and both add up.
    std::fs::write(&file, "").unwrap();
    denied(&shunt, 1).await;
    let lines = lines(&shunt, &file, 2);
    assert_eq!(lines[0]["dropped"], 100 - decisions - told_before);
    told(&shunt, None);
}

#[tokio::test]
async fn the_file_is_bounded_with_one_predecessor() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let shunt = denying(&file, "max-size = \"64KiB\"\n");
    denied(&shunt, 400).await;
    shunt.stop();
    let sizes: Vec<u64> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| *size <= 64 << 10), "{sizes:?}");
    // Both are shown, the older one first.
    let output = shunt.run("audit", &["--format", "json"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    let counts = shown.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (_, count) = line["id"].as_str().unwrap().rsplit_once('-').unwrap();
        u32::from_str_radix(count, 16).unwrap()
    });
    let counts: Vec<u32> = counts.collect();
    assert!(counts.is_sorted() && counts.last() == Some(&400), "{counts:?}");
}
