//! The Helm chart: what it makes of eleven sets of values, and what it refuses.
//!
//! Holds: what containers are told to run, this program understands; and what is mounted for them, `sync` brings to a node.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::skipped;

const CHART: &str = "packaging/helm/cri-shunt";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `build/helm` has put in place.
fn python() -> Option<PathBuf> {
    let python = repository().join("target/tools/helm/bin/python");
    if !python.exists() {
        skipped("no Helm here: tests/setup says why");
        return None;
    }
    Some(python)
}

fn render(python: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(python);
    command.current_dir(repository()).args(["tests/chart/render.py", CHART]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// All sets, rendered once for all tests.
pub fn rendered() -> Option<&'static BTreeMap<String, Value>> {
    static RENDERED: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let python = python()?;
    Some(
        RENDERED
            .get_or_init(|| serde_json::from_slice(&render(&python, &["tests/chart/values.yaml"])).unwrap()),
    )
}

fn valid(all: &BTreeMap<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    all.iter().filter(|(name, _)| !name.starts_with("refused") && *name != "lint")
}

fn objects(set: &Value) -> &Vec<Value> {
    set["objects"].as_array().unwrap()
}

fn named<'a>(set: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    objects(set).iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

/// Without a network: the tests of the chart are skipped then, and must not find a Python that lacks Helm.
#[test]
fn half_an_engine_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("build/helm", &std::fs::read_to_string(repository().join("build/helm")).unwrap());
    // It makes the folder; what it puts there cannot install anything.
    write("bin/python3", "#!/bin/sh\nmkdir -p \"$3/bin\"\nln -s /bin/false \"$3/bin/python\"\n");
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap());
    let output = Command::new(dir.path().join("build/helm")).env("PATH", path).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(dir.path().join("target/tools").exists() && !dir.path().join("target/tools/helm").exists());
}

#[test]
fn eleven_sets_of_values_are_valid_for_the_api() {
    let Some(all) = rendered() else { return };
    assert_eq!(valid(all).count(), 11);
    for (name, set) in valid(all) {
        assert_eq!(set["refused"], Value::Null, "{name}");
        assert_eq!(set["wrong"], serde_json::json!([]), "{name}");
    }
    assert_eq!(all["lint"], serde_json::json!([]));
    let chart = std::fs::read_to_string(repository().join(CHART).join("Chart.yaml")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(chart.contains(&format!("\nversion: {version}\nappVersion: {version}\n")), "{chart}");

    // Helm runs the hooks of an upgrade for no rollback.
    let install = named(&all["as it comes"], "Job", "cri-shunt-install").unwrap();
    assert_eq!(install["metadata"]["annotations"]["helm.sh/hook"], "post-install,post-upgrade,post-rollback");
    let join = named(&all["as it comes"], "CronJob", "cri-shunt-join").unwrap();
    assert!(join.to_string().contains("\"--yield-to\",\"cri-shunt-install\""), "{join}");

    let kinds = |set: &Value| {
        let kinds = objects(set).iter().map(|object| object["kind"].as_str().unwrap());
        kinds.collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(kinds(&all["as it comes"]), @"ConfigMap ConfigMap DaemonSet ServiceAccount ServiceAccount ClusterRole ClusterRoleBinding Role RoleBinding Job Job CronJob");
    insta::assert_snapshot!(kinds(&all["all of Prometheus"]), @"ConfigMap ConfigMap DaemonSet PodMonitor PrometheusRule ConfigMap ServiceAccount ServiceAccount ClusterRole ClusterRoleBinding Role RoleBinding Job Job CronJob");
    let kinds = kinds(&all["a ServiceMonitor, and a port of your own"]);
    assert!(kinds.contains("DaemonSet Service ServiceMonitor ServiceAccount"), "{kinds}");
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    let Some(all) = rendered() else { return };
    let mut text = String::new();
    for (name, set) in all.iter().filter(|(name, _)| name.starts_with("refused")) {
        let why = set["refused"].as_str().unwrap_or("it is not");
        let lines =
            why.lines().skip(usize::from(why.starts_with("cri-shunt:"))).filter(|line| !line.is_empty());
        text.push_str(&format!("{name}\n{}\n", lines.collect::<Vec<_>>().join("\n")));
    }
    insta::assert_snapshot!(text, @"
    refused, a Secret and a source of your own of one name
    execution error at (cri-shunt/templates/daemonset.yaml:28:28): a source and a Secret are both called login, and conf.d/cluster/login would be both of them: rename one
    refused, a Secret without keys
    - at '/secrets/0': missing property 'keys'
    refused, a client that there is not
    - at '/for': value must be one of 'kubelet', 'k3s', 'rke2', 'kubeadm', 'crictl', 'all'
    refused, a digest that is none
    - at '/image/digest': 'latest' does not match pattern '^(sha256:[0-9a-f]{64})?$'
    refused, a flag for an image
    - at '/proveWith': '-x' does not match pattern '^([A-Za-z0-9][^ ]*)?$'
    refused, a key that there is not
    - at '': additional properties 'polcy' not allowed
    refused, a mode that there is not
    - at '/mode': value must be one of 'observe', 'enforce', ''
    refused, a name that leaves no room
    execution error at (cri-shunt/templates/rollout.yaml:4:13): a-release-with-a-name-of-38-characters-cri-shunt is longer than 47 characters, and the API takes no names made of it: give the release a shorter name
    refused, a share of nothing
    - at '/nodes/share': 'anyOf' failed
      - at '/nodes/share': minimum: got 0, want 1
      - at '/nodes/share': got number, want string
    refused, a share that is more than all
    - at '/nodes/share': 'anyOf' failed
      - at '/nodes/share': got string, want integer
      - at '/nodes/share': '110%' does not match pattern '^([1-9][0-9]{0,2}|[1-9][0-9]?%|100%)$'
    refused, a socket without a path
    - at '/containerdSocket': 'run/containerd.sock' does not match pattern '^(/.*)?$'
    refused, a source and a Secret of one name
    execution error at (cri-shunt/templates/daemonset.yaml:28:28): a source and a Secret are both called login, and conf.d/cluster/login would be both of them: rename one
    refused, a source outside of its folder
    - at '': invalid propertyName '../../passwd'
      - at '': '../../passwd' does not match pattern '^[A-Za-z0-9_-][A-Za-z0-9._-]*$'
    refused, a word for a number
    - at '/metrics/port': got string, want integer
    refused, alerts of no numbers
    execution error at (cri-shunt/templates/monitoring.yaml:5:4): metrics.enabled is false, so metrics.rules would have no numbers: set metrics.enabled to true
    refused, each number twice
    execution error at (cri-shunt/templates/monitoring.yaml:9:4): with metrics.podMonitor and metrics.serviceMonitor Prometheus would read each number twice: enable only metrics.podMonitor
    refused, nobody who goes to the nodes
    execution error at (cri-shunt/templates/rollout.yaml:2:4): with hooks=false and joining.enabled=false nothing would go to the nodes: set one of them to true
    refused, sources of no ConfigMap
    execution error at (cri-shunt/templates/daemonset.yaml:28:28): existingPolicy.keys has no effect without existingPolicy.name, the ConfigMap that has these keys: set it
    refused, two policies
    execution error at (cri-shunt/templates/daemonset.yaml:28:28): existingPolicy.name is policy, so policy and sources would have no effect. For the ConfigMap leave them empty; for them leave existingPolicy.name empty
    ");
}

/// Somebody copies them from there.
#[test]
fn values_of_the_pages_are_valid() {
    let Some(python) = python() else { return };
    let mut sets = String::new();
    for page in ["docs/kubernetes.md", "docs/air-gap.md"] {
        let text = std::fs::read_to_string(repository().join(page)).unwrap();
        for (number, part) in text.split("\n```yaml\n").skip(1).enumerate() {
            let block = part.split("\n```").next().unwrap().replace('…', &"0".repeat(64));
            sets += &format!("{page} {number}:\n  {}\n", block.replace('\n', "\n  "));
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sets).unwrap();
    let shown = render(&python, &[file.path().to_str().unwrap()]);
    let all: BTreeMap<String, Value> = serde_json::from_slice(&shown).unwrap();
    assert_eq!(valid(&all).count(), 4);
    for (name, set) in valid(&all) {
        assert_eq!((&set["refused"], &set["wrong"]), (&Value::Null, &serde_json::json!([])), "{name}");
    }
}

/// Every container of a set with its pod, those of Jobs for nodes included.
fn containers(set: &Value) -> Vec<(&Value, &Value)> {
    let jobs = set["jobs"].as_array().unwrap();
    let pods = objects(set).iter().chain(jobs).filter_map(|object| {
        let spec = match object["kind"].as_str().unwrap() {
            "Job" | "DaemonSet" => &object["spec"]["template"]["spec"],
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => return None,
        };
        Some(spec)
    });
    pods.flat_map(|pod| {
        let lists = [&pod["initContainers"], &pod["containers"]];
        lists.into_iter().filter_map(Value::as_array).flatten().map(move |container| (pod, container))
    })
    .collect()
}

pub fn words(container: &Value) -> Vec<&str> {
    container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn the_program_understands_what_containers_are_told() {
    let Some(all) = rendered() else { return };
    for (name, set) in valid(all) {
        let found = containers(set);
        assert!(found.len() >= 6, "{name}: {}", found.len());
        for (_, container) in found {
            let words = words(container);
            let parsed =
                cri_shunt::definition().try_get_matches_from(["cri-shunt"].iter().chain(words.iter()));
            assert!(parsed.is_ok(), "{name}: {words:?}: {}", parsed.unwrap_err());
        }
    }
}

/// Who is root of the node, and who may ask the API.
#[test]
fn rights_are_no_more_than_needed() {
    let Some(all) = rendered() else { return };
    for (name, set) in valid(all) {
        for (pod, container) in containers(set) {
            let command = words(container)[0];
            let security = &container["securityContext"];
            assert_eq!(
                security["privileged"] == true,
                ["install", "uninstall"].contains(&command),
                "{name} {command}"
            );
            assert_eq!(
                pod["automountServiceAccountToken"] == false,
                command != "rollout",
                "{name} {command}"
            );
            assert_eq!(security["runAsNonRoot"] == true, command == "rollout", "{name} {command}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name} {command}");
        }
        for object in objects(set).iter().filter(|object| object["metadata"].get("namespace").is_none()) {
            let kind = object["kind"].as_str().unwrap();
            assert!(["ClusterRole", "ClusterRoleBinding"].contains(&kind), "{name}: {kind} has no namespace");
        }
    }
    let role = named(&all["as it comes"], "Role", "cri-shunt-rollout").unwrap();
    assert!(!role["rules"].to_string().contains('*'), "{role}");
}

/// The volume of a pod, as kubelet would mount it.
pub fn mount(set: &Value, volume: &Value, secrets: &BTreeMap<&str, &str>, to: &Path) {
    for source in volume["projected"]["sources"].as_array().unwrap() {
        let config = source["configMap"]["name"].as_str().and_then(|name| named(set, "ConfigMap", name));
        let items = source["configMap"].get("items").or(source["secret"].get("items")).unwrap();
        for item in items.as_array().unwrap() {
            let (key, path) = (item["key"].as_str().unwrap(), item["path"].as_str().unwrap());
            let text = match config {
                Some(config) => config["data"][key].as_str().unwrap(),
                None => secrets[key],
            };
            std::fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
            std::fs::write(to.join(path), text).unwrap();
        }
    }
}

#[test]
fn what_is_mounted_comes_to_the_node() {
    let Some(all) = rendered() else { return };
    let secrets = BTreeMap::from([("username", "robot"), ("password", "hush-hush")]);
    let own = "[[policy.rule]]\nprefix = \"quay.io\"\nmirrors = [\"m.dev\"]\n";
    let mut secrets_and_own = secrets;
    secrets_and_own.extend([("policy.toml", own), ("registries.yaml", "mirrors: {}\n")]);
    for (name, set) in valid(all) {
        let dir = tempfile::tempdir().unwrap();
        let (policy, node) = (dir.path().join("policy"), dir.path().join("etc"));
        let job = set["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .find(|job| job["metadata"]["labels"]["app.kubernetes.io/component"] == "install");
        let pod = &job.unwrap()["spec"]["template"]["spec"];
        let volumes = pod["volumes"].as_array().unwrap();
        mount(
            set,
            volumes.iter().find(|volume| volume["name"] == "policy").unwrap(),
            &secrets_and_own,
            &policy,
        );
        let told: Vec<String> = words(&pod["initContainers"][0])
            .into_iter()
            .map(|word| word.replace("/policy", policy.to_str().unwrap()))
            .map(|word| word.replace("/host/etc/cri-shunt", node.to_str().unwrap()))
            .collect();
        let output = Command::new(env!("CARGO_BIN_EXE_cri-shunt")).args(&told).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        let check = Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
            .args(["config", "--config"])
            .arg(node.join("config.toml"))
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success(), "{name}: {check:?}");
        match name.as_str() {
            "as it comes" => assert!(shown.contains("mode = \"observe\""), "{shown}"),
            "in force on k3s" => assert!(
                shown.contains("mirror.example.com/hub")
                    && shown.contains("/run/k3s/containerd/containerd.sock"),
                "{shown}"
            ),
            "a ConfigMap of your own" => assert!(shown.contains("quay.io"), "{shown}"),
            _ => {}
        }
    }
}

#[test]
fn the_files_for_kustomize_are_those_of_the_chart() {
    let Some(python) = python() else { return };
    let fresh = tempfile::tempdir().unwrap();
    render(&python, &["--write", fresh.path().to_str().unwrap()]);
    let committed = repository().join("packaging/kustomize");
    for name in [
        "base/kustomization.yaml",
        "base/cri-shunt.yaml",
        "uninstall/kustomization.yaml",
        "uninstall/uninstall.yaml",
    ] {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert!(read(&committed) == read(fresh.path()), "packaging/kustomize/{name} is stale: make generate");
    }
    for folder in ["base", "uninstall"] {
        let Ok(output) = Command::new("kubectl").arg("kustomize").arg(committed.join(folder)).output() else {
            continue;
        };
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
}
