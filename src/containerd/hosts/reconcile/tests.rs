//! Passes one after another over one directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::containerd::hosts::{Endpoints, Transport, TransportNeed, Wanted, leads_to, plan};
use crate::policy::{Action, Checkpoint, Layer, Mirror, Origin, Policy, Route, Rule, Settings, Source};
use crate::registry::HeaderValue;

fn source() -> Source {
    Source { file: Arc::from("c.toml"), line: 1 }
}

/// Images of `q.io` come from a mirror, then from itself; the mirror needs this.
fn planned(mirror: &str, what: Transport, fence: bool) -> Plan {
    let mirror_at = Mirror::at(mirror.parse().unwrap());
    let route = Route {
        mirrors: vec![mirror_at],
        order: Default::default(),
        rewrites: Vec::new(),
        origin: Origin::Last,
        collapse: false,
        node_credentials: None,
        outage: Default::default(),
    };
    let rule = Rule {
        prefix: "q.io".parse().unwrap(),
        action: Action::Route(route),
        checkpoint: Checkpoint::Refuse,
        foreign_urls: false,
        verify: None,
        lock: Default::default(),
        namespaces: None,
        mode: None,
        source: source(),
        layer: Layer::Native,
    };
    let policy = Policy::new(vec![rule], Settings::default()).unwrap();
    let need = TransportNeed { host: mirror.to_owned(), what, source: source(), layer: Layer::Native };
    plan(&policy, &Endpoints { wanted: &Wanted::new(vec![need], fence), own: &[] })
}

fn written(root: &Path, directory: &str) -> bool {
    root.join(directory).join("hosts.toml").exists()
}

#[test]
fn a_fence_that_cannot_be_written_again_still_stands() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("certs.d");
    let roots = Roots::at(&root);
    let token = dir.path().join("token");
    fs::write(&token, "secret\n").unwrap();
    let header = Transport::Header { name: "X".to_owned(), value: HeaderValue::File(token.clone()) };
    let plan = planned("m.dev", header, true);
    assert_eq!(keep(&plan, &roots).problems, Vec::<String>::new());
    fs::remove_file(&token).unwrap();
    let report = keep(&plan, &roots);
    assert!(report.problems.iter().any(|problem| problem.contains("token")), "{report:?}");
    assert!(!report.is_synced("q.io"), "{report:?}");
    assert!(written(&root, "q.io"));
    assert!(leads_to(roots.read(), "q.io", &BTreeSet::new()), "containerd still obeys it");
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_another_s_and_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::at(dir.path());
    fs::create_dir(dir.path().join("m.dev")).unwrap();
    let pipe = dir.path().join("m.dev/hosts.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let report = survey(&planned("m.dev", Transport::SkipVerify, false), &roots);
    assert!(report.problems[0].starts_with(&format!("{} is not cri-shunt's", pipe.display())), "{report:?}");
}

#[test]
fn what_a_person_made_holds_whoever_came_first() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots::at(dir.path());
    let plan = planned("m.dev:5000", Transport::PlainHttp, false);
    assert_eq!(keep(&plan, &roots).problems, Vec::<String>::new());
    assert!(written(dir.path(), "m.dev_5000_"));
    let theirs = dir.path().join("m.dev:5000");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("hosts.toml"), "server = 'https://m.dev:5000'").unwrap();
    // containerd would look for the other name first.
    let said = format!("{} is not cri-shunt's", theirs.join("hosts.toml").display());
    let looked = survey(&plan, &roots);
    assert!(looked.problems[0].starts_with(&said), "{looked:?}");
    let report = keep(&plan, &roots);
    assert!(report.problems[0].starts_with(&said) && !report.is_synced("m.dev:5000"), "{report:?}");
    assert!(!written(dir.path(), "m.dev_5000_"));
    assert_eq!(keep(&plan, &roots).problems, report.problems);
    assert!(!written(dir.path(), "m.dev_5000_"));
}

#[test]
fn a_list_of_directories_is_written_for_both_pull_modes_and_leaves_no_joined_directory() {
    use crate::containerd::PullMode::{Local, Transfer};

    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["a", "b"].map(|name| dir.path().join(name));
    let text = format!("{}:{}", first.display(), second.display());
    let of = |mode| Roots::of("v2.1.9", Some(mode), &text, false);
    let plan = planned("m.dev", Transport::SkipVerify, false);
    for mode in [Transfer, Local] {
        assert_eq!(keep(&plan, &of(mode)).problems, Vec::<String>::new());
        assert!(written(&first, "m.dev") && written(Path::new(&text), "m.dev"));
        assert!(!written(&second, "m.dev"));
    }
    // What the first mode does not read may be a person's.
    let theirs = first.join("m.dev/hosts.toml");
    fs::write(&theirs, "server = 'https://elsewhere'").unwrap();
    let report = keep(&plan, &of(Transfer));
    assert!(report.problems.is_empty() && report.is_synced("m.dev"), "{report:?}");
    let report = keep(&plan, &of(Local));
    assert!(
        report.problems[0].starts_with(&format!("{} is not cri-shunt's", theirs.display())),
        "{report:?}"
    );
    assert!(!written(Path::new(&text), "m.dev"), "one answer for both modes");
    let mut left: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a"], "the joined directory is gone");
}
