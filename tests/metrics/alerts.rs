//! The alerts of the package: promtool takes them, they fire when they should, and the documentation has each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::prometheus::program;

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus/alerts.yaml");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/metrics/alerts.test.yaml");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What stands behind this key, without quotes.
fn values<'t>(text: &'t str, key: &str) -> BTreeSet<&'t str> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect()
}

#[test]
fn they_fire_when_they_should() {
    let Some(promtool) = program("promtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(RULES, dir.path().join("alerts.yaml")).unwrap();
    std::fs::copy(CASES, dir.path().join("cases.yaml")).unwrap();
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "cases.yaml"]] {
        let output = Command::new(&promtool).current_dir(&dir).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn each_has_a_case_a_row_and_a_part_of_the_runbook() {
    let (rules, page) = (read("packaging/prometheus/alerts.yaml"), read("docs/troubleshooting.md"));
    let alerts = values(&rules, "alert");
    assert!(alerts.len() >= 8, "{alerts:?}");
    assert_eq!(
        alerts,
        values(&read("tests/metrics/alerts.test.yaml").replace(", eval_time", "\n"), "alertname")
    );
    let runbook = page.split("\n## ").find_map(|part| part.strip_prefix("Alerts\n")).unwrap();
    let headings: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, alerts);
    let anchors: BTreeSet<String> =
        alerts.iter().map(|alert| format!("docs/troubleshooting.md#{}", alert.to_lowercase())).collect();
    assert_eq!(values(&rules, "runbook"), anchors.iter().map(String::as_str).collect());
    let metrics = read("docs/metrics.md");
    let table = metrics.split("\n## ").find(|part| part.starts_with("Alerts\n")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| Cri")?.split(' ').next());
    let rows: Vec<String> = rows.map(|row| format!("Cri{row}")).collect();
    assert_eq!((rows.len(), rows.iter().map(String::as_str).collect()), (alerts.len(), alerts));
    // Each rule says where to read on.
    assert_eq!(rules.matches("- alert: ").count(), rules.matches("runbook: ").count());
}
