//! As much of a cluster's API as a rollout asks for. Its nodes run the Jobs that they get by a function of the test.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use serde_json::{Value, json};

use crate::support::certificates::{Authority, Oddity};
use crate::support::http1::Message;
use crate::support::scripted::{Reply, Scripted, reply};

/// What a Job does: nothing is said if it succeeds.
pub type Work = dyn Fn(&str, &Value) -> Result<(), String> + Send + Sync;

/// The API.
#[derive(Clone)]
pub struct Api {
    pub cluster: Arc<Cluster>,
}

/// What it knows.
pub struct Cluster {
    known: Mutex<Known>,
    changed: Condvar,
    work: Box<Work>,
}

#[derive(Default)]
pub struct Known {
    pub nodes: BTreeMap<String, Value>,
    pub jobs: BTreeMap<String, Value>,
    pub suspended: Vec<String>,
    /// How often the API answers this, from now on.
    pub away: VecDeque<u16>,
    /// No Job of a slot may be read.
    pub hidden: bool,
    /// How often whoever looks at the Job of a slot finds the next one there, from now on.
    pub busy: usize,
    /// When this node is noted to be begun, somebody else gets slot 0 first.
    pub lost: Option<String>,
    /// The Jobs that run now, and the most that ever ran.
    running: Vec<(String, String)>,
    pub most: usize,
    /// Which Job came to which node, in this order.
    pub begun: Vec<(String, String)>,
    version: u64,
}

impl Api {
    pub fn new(
        nodes: &[&str],
        work: impl Fn(&str, &Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Api {
        let known = Known {
            nodes: nodes.iter().map(|name| ((*name).to_owned(), node(name))).collect(),
            ..Known::default()
        };
        let cluster = Cluster { known: Mutex::new(known), changed: Condvar::new(), work: Box::new(work) };
        Api { cluster: Arc::new(cluster) }
    }

    pub fn start(&self) -> Scripted {
        let cluster = self.cluster.clone();
        serve(move |request| answer(&cluster, request))
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        let seen = look(&mut self.cluster.known.lock().unwrap());
        self.cluster.changed.notify_all();
        seen
    }

    /// Waits until the cluster is so.
    pub fn until(&self, ready: impl Fn(&Known) -> bool) {
        let known = self.cluster.known.lock().unwrap();
        let waited =
            self.cluster.changed.wait_timeout_while(known, crate::support::PATIENCE, |known| !ready(known));
        assert!(!waited.unwrap().1.timed_out());
    }

    /// The label of a node.
    pub fn state(&self, node: &str) -> Option<String> {
        self.with(|known| {
            known.nodes[node]["metadata"]["labels"]["cri-shunt/state"].as_str().map(str::to_owned)
        })
    }

    pub fn states(&self) -> String {
        let names = self.with(|known| known.nodes.keys().cloned().collect::<Vec<_>>());
        let states = names.iter().map(|name| format!("{name}={}", self.state(name).unwrap_or_default()));
        states.collect::<Vec<_>>().join(" ")
    }
}

/// Whose certificates every API of these tests has.
pub fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(Authority::new)
}

/// An API that answers like this.
pub fn serve(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Scripted {
    Scripted::start_tls(&authority().issue(&["127.0.0.1"], Oddity::None), answer)
}

/// A node that is Ready.
pub fn node(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}, "resourceVersion": "1"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn answer(cluster: &Arc<Cluster>, request: &Message) -> Reply {
    let (method, target) = request.method_and_path();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let mut known = cluster.known.lock().unwrap();
    if request.header("authorization") != Some("Bearer hush-hush") {
        return status(401, "Unauthorized");
    }
    if let Some(code) = known.away.pop_front() {
        return status(code, "starting");
    }
    let (code, object) = match (method, parts.as_slice()) {
        ("GET", ["api", "v1", "nodes"]) => (200, page(&known, query)),
        ("GET", ["api", "v1", "nodes", name]) => found(known.nodes.get(*name)),
        ("PATCH", ["api", "v1", "nodes", name]) => patched(&mut known, name, &body),
        ("POST", ["apis", "batch", "v1", "namespaces", "tools", "jobs"]) => {
            created(cluster, &mut known, &body)
        }
        ("GET", ["apis", "batch", "v1", "namespaces", "tools", "jobs", "shunt-node-0"])
            if known.hidden && known.jobs.contains_key("shunt-node-0") =>
        {
            (403, json!({"message": "it is hidden"}))
        }
        ("GET", ["apis", "batch", "v1", "namespaces", "tools", "jobs", "shunt-node-0"])
            if known.busy > 0 && known.jobs.contains_key("shunt-node-0") =>
        {
            known.busy -= 1;
            let owner = format!("other.{} revision n9", known.busy);
            let mut job = known.jobs["shunt-node-0"].clone();
            if known.busy == 0 {
                known.jobs.clear();
            }
            job["metadata"]["annotations"]["cri-shunt/rollout"] = json!(owner);
            (200, job)
        }
        ("GET", ["apis", "batch", "v1", "namespaces", "tools", "jobs", name]) => found(known.jobs.get(*name)),
        ("PATCH", ["apis", "batch", "v1", "namespaces", "tools", "jobs", name]) => {
            assert_eq!(body, json!({"spec": {"suspend": false}}));
            match known.jobs.get_mut(*name) {
                Some(job) => {
                    merge(job, &body);
                    let job = job.clone();
                    begin(cluster, &mut known, &job);
                    (200, job)
                }
                None => found(None),
            }
        }
        ("DELETE", ["apis", "batch", "v1", "namespaces", "tools", "jobs", name]) => {
            found(known.jobs.remove(*name).as_ref())
        }
        ("GET", ["apis", "batch", "v1", "namespaces", "tools", "cronjobs", name]) => {
            (200, json!({"spec": {"suspend": known.suspended.iter().any(|suspended| suspended == name)}}))
        }
        ("PATCH", ["apis", "batch", "v1", "namespaces", "tools", "cronjobs", name]) => {
            assert_eq!(body, json!({"spec": {"suspend": true}}));
            known.suspended.push((*name).to_owned());
            (200, json!({}))
        }
        ("GET", ["api", "v1", "namespaces", "tools", "pods"]) => (200, pods(&known, query)),
        _ => (403, json!({"message": format!("{method} {path} is forbidden")})),
    };
    cluster.changed.notify_all();
    reply(code, &[("Content-Type", "application/json")], &object.to_string())
}

fn status(code: u16, message: &str) -> Reply {
    reply(code, &[], &json!({"kind": "Status", "message": message}).to_string())
}

fn found(object: Option<&Value>) -> (u16, Value) {
    object.map_or_else(|| (404, json!({"message": "not found"})), |object| (200, object.clone()))
}

/// Two nodes a page. Of selectors it knows one label with or without its value.
fn page(known: &Known, query: &str) -> Value {
    let value = |key: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        pair.unwrap_or_default().replace("%2F", "/").replace("%3D", "=")
    };
    let (selector, from) = (value("labelSelector"), value("continue").parse().unwrap_or(0));
    let is_meant = |node: &&Value| {
        let (key, wanted) =
            selector.split_once('=').map_or((selector.as_str(), None), |(key, v)| (key, Some(v)));
        let label = node["metadata"]["labels"][key].as_str();
        key.is_empty() || label.is_some() && wanted.is_none_or(|wanted| label == Some(wanted))
    };
    let all: Vec<&Value> = known.nodes.values().filter(is_meant).collect();
    let items: Vec<&&Value> = all.iter().skip(from).take(2).collect();
    let next = if from + 2 < all.len() { (from + 2).to_string() } else { String::new() };
    json!({"items": items, "metadata": {"continue": next}})
}

fn patched(known: &mut Known, name: &str, change: &Value) -> (u16, Value) {
    known.version += 1;
    let version = known.version.to_string();
    if known.lost.as_deref() == Some(name) {
        known.lost = None;
        known.jobs.insert("shunt-node-0".to_owned(), json!({}));
    }
    let Some(node) = known.nodes.get_mut(name) else { return found(None) };
    let asked = &change["metadata"]["resourceVersion"];
    if !asked.is_null() && *asked != node["metadata"]["resourceVersion"] {
        return (409, json!({"message": "the object has been modified"}));
    }
    merge(node, change);
    node["metadata"]["resourceVersion"] = json!(version);
    (200, node.clone())
}

/// RFC 7386.
fn merge(object: &mut Value, change: &Value) {
    let Some(change) = change.as_object() else {
        *object = change.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in change {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            value => merge(&mut object[key], value),
        }
    }
}

/// The node begins at once, where the Job is not suspended.
fn created(cluster: &Arc<Cluster>, known: &mut Known, job: &Value) -> (u16, Value) {
    let name = job["metadata"]["name"].as_str().unwrap().to_owned();
    if known.jobs.contains_key(&name) {
        return (409, json!({"message": format!("jobs.batch \"{name}\" already exists")}));
    }
    known.jobs.insert(name, job.clone());
    if job["spec"]["suspend"] != true {
        begin(cluster, known, job);
    }
    (201, json!({}))
}

fn begin(cluster: &Arc<Cluster>, known: &mut Known, job: &Value) {
    let name = job["metadata"]["name"].as_str().unwrap().to_owned();
    let node = job["spec"]["template"]["spec"]["nodeName"].as_str().unwrap().to_owned();
    let stage = job["metadata"]["labels"]["stage"].as_str().unwrap_or_default().to_owned();
    known.begun.push((stage, node.clone()));
    known.running.push((name.clone(), node.clone()));
    known.most = known.most.max(known.running.len());
    let (cluster, job) = (cluster.clone(), job.clone());
    std::thread::spawn(move || {
        let end = (cluster.work)(&node, &job);
        let mut known = cluster.known.lock().unwrap();
        let at = known.running.iter().position(|pod| *pod == (name.clone(), node.clone())).unwrap();
        known.running.remove(at);
        // It may be another Job of this name by now.
        if let Some(job) = known.jobs.get_mut(&name).filter(|found| **found == job) {
            job["status"] = match end {
                Ok(()) => json!({"conditions": [{"type": "Complete", "status": "True"}]}),
                Err(words) => json!({"words": words, "conditions": [
                    {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"},
                ]}),
            };
        }
        cluster.changed.notify_all();
    });
}

fn pods(known: &Known, query: &str) -> Value {
    let job = query.rsplit_once("job-name%3D").map_or("", |(_, name)| name);
    let words = &known.jobs.get(job).cloned().unwrap_or_default()["status"]["words"];
    let ended = json!({"exitCode": 1, "message": words});
    let container = json!({"name": "install", "state": {"terminated": ended}});
    let pod =
        |(_, node): &(String, String)| json!({"spec": {"nodeName": node}, "status": {"phase": "Running"}});
    let mut items: Vec<Value> = known.running.iter().filter(|(name, _)| name == job).map(pod).collect();
    if !words.is_null() {
        items.push(json!({"status": {"phase": "Failed", "containerStatuses": [container]}}));
    }
    json!({"items": items})
}
