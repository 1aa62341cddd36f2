//! What happens while a rollout waits for a slot that another one has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::api::{Api, Known};
use crate::odd::looks;
use crate::rollout::{install, pod, run, said, stage, start};
use crate::support::wait_until;

const NONE_LEFT: &str = "nodes: 0 served, 1 failed, 2 not begun, because others have failed\n";

/// A node of another rollout fails before this one has begun its first.
#[test]
fn a_failure_counts_while_a_rollout_waits_for_its_first_slot() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let api = Api::new(&["n1", "n2"], move |_, job| {
        if stage(job) == "uninstall" {
            return Ok(());
        }
        assert!(wait_until(|| !hold.load(Ordering::Relaxed)));
        Err("it fails".to_owned())
    });
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let first = start(pod.path(), &at, &install(&["--ready-within", "1h"]));
    api.until(|known| known.begun.len() == 1);
    // All nodes are listed just before a rollout waits.
    let lists =
        || server.requests().iter().filter(|request| request.first.contains("labelSelector=&")).count();
    let before = lists();
    let second = start(pod.path(), &at, &install(&["--ready-within", "1h"]));
    assert!(wait_until(|| lists() > before));
    held.store(false, Ordering::Relaxed);
    let ends = [said(first.wait_with_output().unwrap()), said(second.wait_with_output().unwrap())];
    assert_eq!((ends[0].0, ends[1].0, api.states().as_str()), (1, 1, "n1=failed n2="), "{ends:?}");
    assert_eq!(ends[1].1, NONE_LEFT, "{ends:?}");
}

/// A cluster whose n1 is served. A rollout is about to begin n2, and somebody else has got the slot first.
fn late(meanwhile: impl FnOnce(&mut Known)) -> (String, String, usize) {
    let api = Api::new(&["n1"], |_, _| Ok(()));
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    assert_eq!(run(pod.path(), &at, &install(&[])).0, 0);
    api.with(|known| {
        known.nodes.extend(["n2", "n3"].map(|name| (name.to_owned(), crate::api::node(name))));
        known.lost = Some("n2".to_owned());
    });
    let rollout = start(pod.path(), &at, &install(&["--cron-job", "shunt-join"]));
    api.until(|known| known.jobs.contains_key("shunt-node-0"));
    let before = looks(&server, "shunt-node-0");
    assert!(wait_until(|| looks(&server, "shunt-node-0") > before + 5));
    api.with(|known| {
        meanwhile(known);
        known.jobs.clear();
    });
    let (_, text) = said(rollout.wait_with_output().unwrap());
    (text, api.states(), api.with(|known| known.begun.len()))
}

/// The node that it waits for is not under way yet.
#[test]
fn a_failure_counts_while_a_rollout_waits_for_the_slot_of_a_node() {
    let fails = |known: &mut Known| {
        let metadata = &mut known.nodes.get_mut("n1").unwrap()["metadata"];
        metadata["labels"]["cri-shunt/state"] = json!("failed");
        metadata["annotations"]["cri-shunt/rollout"] = json!("another");
    };
    let (text, states, begun) = late(fails);
    assert!(text.ends_with(NONE_LEFT), "{text}");
    assert_eq!((states.as_str(), begun), ("n1=failed n2=changing n3=", 1), "{text}");
}

/// What takes the program out would not see a node that is begun after it has ended.
#[test]
fn a_rollout_that_waits_begins_no_node_after_a_removal() {
    let (text, _, begun) = late(|known| known.suspended.push("shunt-join".to_owned()));
    assert!(text.ends_with("nodes: 0 served, 2 not begun\n"), "{text}");
    assert_eq!(begun, 1, "{text}");
}

/// Nothing has changed when its turn comes.
#[test]
fn a_rollout_that_has_waited_goes_on() {
    let (text, states, begun) = late(|_| {});
    assert_eq!((states.as_str(), begun), ("n1=served n2=served n3=served", 3), "{text}");
}
