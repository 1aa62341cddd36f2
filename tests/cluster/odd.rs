//! Two rollouts at once, Jobs without an end, nodes that go, and an API that answers rubbish.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::api::{Api, Known, serve};
use crate::rollout::{REMOVE, install, pod, run, said, stage, start};
use crate::support::scripted::{Scripted, reply};
use crate::support::wait_until;

fn ready(known: &mut Known, node: &str, word: &str) {
    known.nodes.get_mut(node).unwrap()["status"]["conditions"][0]["status"] = json!(word);
}

pub fn looks(server: &Scripted, job: &str) -> usize {
    let requests = server.requests();
    requests.iter().filter(|request| request.method_and_path().1.ends_with(&format!("/jobs/{job}"))).count()
}

/// While a node is not Ready again nobody else begins one; and what another has done is not done again.
#[test]
fn two_rollouts_at_once_change_one_node() {
    let cluster: Arc<OnceLock<Api>> = Arc::default();
    let inner = cluster.clone();
    let api = Api::new(&["n1", "n2"], move |node, _| {
        if node == "n1" {
            inner.get().unwrap().with(|known| ready(known, "n1", "False"));
        }
        Ok(())
    });
    assert!(cluster.set(api.clone()).is_ok());
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let first = start(pod.path(), &at, &install(&["--ready-within", "1h"]));
    api.until(|known| {
        known.jobs.get("shunt-node-0").is_none_or(|job| job.get("status").is_some()) && known.begun.len() == 1
    });
    let before = looks(&server, "shunt-node-0");
    let second = start(pod.path(), &at, &install(&["--ready-within", "1h"]));
    assert!(wait_until(|| looks(&server, "shunt-node-0") > before + 5));
    assert_eq!(api.with(|known| known.begun.len()), 1);
    api.with(|known| ready(known, "n1", "True"));
    let ends = [said(first.wait_with_output().unwrap()), said(second.wait_with_output().unwrap())];
    assert!(ends.iter().all(|end| end.0 == 0), "{ends:?}");
    assert_eq!(api.with(|known| (known.begun.len(), known.most, known.jobs.len())), (2, 1, 0), "{ends:?}");
}

/// The CronJob does nothing beside the rollout of Helm. SIGTERM ends one also where it is the first process of a pod.
#[test]
fn a_rollout_steps_back_for_another() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let api = Api::new(&["n1"], move |_, _| {
        assert!(wait_until(|| !hold.load(Ordering::Relaxed)));
        Ok(())
    });
    api.with(|known| known.jobs.insert("shunt-install".to_owned(), json!({})));
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let join = install(&["--new", "--yield-to", "shunt-install"]);
    let expected = "another rollout runs, so no node is begun\nnodes: 0 served\n".to_owned();
    assert_eq!(run(pod.path(), &at, &join), (0, expected));
    assert_eq!(api.with(|known| known.begun.len()), 0);
    api.with(|known| known.jobs.clear());
    let rollout = start(pod.path(), &at, &join);
    api.until(|known| known.begun.len() == 1);
    rustix::process::kill_process(rustix::process::Pid::from_child(&rollout), rustix::process::Signal::TERM)
        .unwrap();
    let (status, text) = said(rollout.wait_with_output().unwrap());
    assert_eq!(
        (status, text.as_str()),
        (3, "n1: begins\nstopped: the next rollout goes on with what was begun\n")
    );
    held.store(false, Ordering::Relaxed);
}

/// The way back is a Job of its own, also where the first one still runs. It has the slot at once, and begins after that.
#[test]
fn a_job_that_is_lost_is_not_taken_for_the_way_back() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let cluster: Arc<OnceLock<Api>> = Arc::default();
    let inner = cluster.clone();
    let api = Api::new(&["n1"], move |_, job| {
        match stage(job) {
            "install" => assert!(wait_until(|| !hold.load(Ordering::Relaxed))),
            _ => inner.get().unwrap().with(|known| known.hidden = false),
        }
        Ok(())
    });
    assert!(cluster.set(api.clone()).is_ok());
    api.with(|known| known.hidden = true);
    let (server, pod) = (api.start(), pod());
    let rollout = start(pod.path(), &server.host(), &install(&["--ready-within", "1h"]));
    api.until(|known| known.jobs.contains_key("shunt-node-0-undo"));
    let asked = || server.requests().iter().filter(|request| request.first.contains("/pods?")).count();
    let before = asked();
    assert!(wait_until(|| asked() > before + 5));
    assert_eq!(api.with(|known| known.begun.len()), 1);
    held.store(false, Ordering::Relaxed);
    let (status, text) = said(rollout.wait_with_output().unwrap());
    assert_eq!((status, api.state("n1").as_deref()), (1, Some("failed")), "{text}");
    let begun = api.with(|known| known.begun.iter().map(|(stage, _)| stage.clone()).collect::<Vec<_>>());
    assert_eq!(
        (begun, api.with(|known| (known.most, known.jobs.len()))),
        (vec!["install".to_owned(), "uninstall".to_owned()], (1, 0)),
        "{text}"
    );
}

/// Two rollouts at once have one limit: what fails with one of them keeps the other from its next node.
#[test]
fn a_failure_of_another_rollout_counts() {
    let cluster: Arc<OnceLock<Api>> = Arc::default();
    let inner = cluster.clone();
    // Which of its two nodes the first one does in slot 0 is chance. That one waits until the other is begun; then the slot is free.
    let api = Api::new(&["b1", "c1", "y1", "z1"], move |node, job| {
        let api = inner.get().unwrap();
        let name = job["metadata"]["name"].as_str().unwrap();
        match (node, name) {
            ("y1" | "z1", "shunt-node-1") => {
                assert!(wait_until(|| api.with(|known| known.begun.iter().any(|(_, node)| node == "b1"))));
                Err("it fails".to_owned())
            }
            ("y1" | "z1", "shunt-node-0") => {
                assert!(wait_until(|| api.with(|known| known.jobs.contains_key("shunt-node-1"))));
                Ok(())
            }
            ("b1", _) => {
                assert!(wait_until(|| api.states().contains("=failed")));
                Ok(())
            }
            _ => Ok(()),
        }
    });
    assert!(cluster.set(api.clone()).is_ok());
    api.with(|known| {
        for node in ["y1", "z1"] {
            known.nodes.get_mut(node).unwrap()["metadata"]["labels"]["pool"] = json!("a");
        }
    });
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let pool = ["--job", "install.json", "--undo", "uninstall.json", "--selector", "pool=a", "--share", "2"];
    let first = start(pod.path(), &at, &pool);
    api.until(|known| known.begun.len() == 2);
    let second = start(pod.path(), &at, &install(&[]));
    let ends = [said(first.wait_with_output().unwrap()), said(second.wait_with_output().unwrap())];
    let states = api.states();
    let of_first = ["y1=served z1=failed", "y1=failed z1=served"];
    let of_first = of_first.into_iter().find(|of_first| states.ends_with(of_first)).unwrap_or_default();
    assert_eq!(states, format!("b1=served c1= {of_first}"), "{ends:?}");
    let expected = "nodes: 1 served, 1 failed, 2 not begun, because others have failed\n";
    assert!(ends[0].0 == 1 && ends[1].0 == 1 && ends[1].1.ends_with(expected), "{ends:?}");
    // The next rollout tries it again.
    let (status, text) = run(pod.path(), &at, &install(&["--new", "--failures", "1"]));
    assert_eq!((status, api.states()), (1, format!("b1=served c1=served {of_first}")), "{text}");
}

/// While a node is put back nobody else gets its slot.
#[test]
fn the_way_back_keeps_the_slot() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let api = Api::new(&["n1", "n2"], move |node, job| match (node, stage(job)) {
        ("n1", "install") => Err("it fails".to_owned()),
        _ => {
            assert!(wait_until(|| !hold.load(Ordering::Relaxed)));
            Ok(())
        }
    });
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let first = start(pod.path(), &at, &install(&["--ready-within", "1ms"]));
    api.until(|known| known.begun.len() == 2);
    let lists = || server.requests().iter().filter(|request| request.first.contains("/nodes?")).count();
    let before = lists();
    let second = start(pod.path(), &at, &install(&["--ready-within", "1ms", "--new"]));
    assert!(wait_until(|| lists() > before));
    // For longer than an ended Job is left alone.
    let before = looks(&server, "shunt-node-0-undo");
    assert!(wait_until(|| looks(&server, "shunt-node-0-undo") > before + 60));
    assert_eq!(api.with(|known| (known.begun.len(), known.jobs.len())), (2, 2));
    held.store(false, Ordering::Relaxed);
    let ends = [said(first.wait_with_output().unwrap()), said(second.wait_with_output().unwrap())];
    assert_eq!((ends[0].0, ends[1].0, api.states().as_str()), (1, 1, "n1=failed n2="), "{ends:?}");
    assert_eq!(api.with(|known| (known.most, known.jobs.len())), (1, 0), "{ends:?}");
    // The pod had ended, so the way back did not have to wait for a rollout that may be killed.
    let starts = |first: &str| first.starts_with("PATCH /apis/batch/");
    assert!(!server.requests().iter().any(|request| starts(&request.first)), "{ends:?}");
}

/// Another rollout may do node after node in a slot. How long one waits for it says nothing of the Job that is there now.
#[test]
fn a_job_is_left_by_its_own_time() {
    let api = Api::new(&["n1"], |_, _| Ok(()));
    let ended = json!({"status": {"conditions": [{"type": "Complete", "status": "True"}]}});
    api.with(|known| known.jobs.insert("shunt-node-0".to_owned(), ended));
    api.with(|known| known.busy = 60);
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let (status, text) = run(pod.path(), &at, &install(&["--ready-within", "100ms"]));
    assert_eq!((status, api.state("n1").as_deref()), (0, Some("served")), "{text}");
    assert_eq!(api.with(|known| known.busy), 0, "{text}");
}

/// On a node that dies the pod of a Job never ends, and so the Job does not.
#[test]
fn a_job_without_an_end_is_given_up() {
    let held = Arc::new(AtomicBool::new(true));
    let hold = held.clone();
    let api = Api::new(&["n1", "n2"], move |node, job| {
        if (node, stage(job)) == ("n1", "install") {
            assert!(wait_until(|| !hold.load(Ordering::Relaxed)));
        }
        Ok(())
    });
    let (server, pod) = (api.start(), pod());
    let file = pod.path().join("install.json");
    let mut job: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    job["spec"]["activeDeadlineSeconds"] = json!(0);
    std::fs::write(file, job.to_string()).unwrap();
    // One that somebody else has left.
    api.with(|known| known.jobs.insert("shunt-node-0".to_owned(), job));
    let at = server.host();
    let (status, text) = run(pod.path(), &at, &install(&["--ready-within", "50ms", "--failures", "1"]));
    held.store(false, Ordering::Relaxed);
    assert_eq!((status, api.states().as_str()), (1, "n1=failed n2=served"), "{text}");
    assert!(text.contains("n1: its Job has not ended within its time limit\nn1: it is put back\n"), "{text}");
}

/// Hours may pass between the list and a node's turn.
#[test]
fn a_node_is_looked_at_again_before_it_is_begun() {
    let cluster: Arc<OnceLock<Api>> = Arc::default();
    let inner = cluster.clone();
    let api = Api::new(&["n1", "n2", "n3", "n4"], move |node, _| {
        inner.get().unwrap().with(|known| {
            if node == "n1" {
                known.nodes.remove("n2");
                ready(known, "n3", "Unknown");
            } else {
                known.nodes.remove(node);
            }
        });
        if node == "n1" { Ok(()) } else { Err("its pod is gone".to_owned()) }
    });
    assert!(cluster.set(api.clone()).is_ok());
    let (server, pod) = (api.start(), pod());
    let at = server.host();
    let (status, text) = run(pod.path(), &at, &install(&[]));
    insta::assert_snapshot!(text, @"
    n1: begins
    n1: is served
    n2: is gone from the cluster
    n3: not Ready, so it is left for later
    n4: begins
    n4: is gone from the cluster
    nodes: 1 served, 1 not Ready
    ");
    assert_eq!((status, api.with(|known| known.jobs.len())), (0, 0));
}

/// Whoever takes the program out must not believe that there are no nodes.
#[test]
fn a_list_of_nodes_that_is_none_is_an_error() {
    let pod = pod();
    for (answer, why) in [
        ("{}", "what came is no list of nodes"),
        ("{\"items\": [], \"metadata\": {\"continue\": \"on\"}}", "its list of nodes has no end"),
    ] {
        let server = serve(move |_| reply(200, &[], answer));
        let (status, text) = run(pod.path(), &server.host(), &REMOVE);
        let expected = format!("error: the API gives no answer to GET /api/v1/nodes: {why}\n");
        assert_eq!((status, text), (3, expected));
    }
}
