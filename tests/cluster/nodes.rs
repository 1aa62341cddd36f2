//! The Jobs of the chart, run on hosts that run: five machines with a real systemd and a kubelet that is played.
//!
//! The API is the test's; templates, containers and what they mount are the chart's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::Value;

use crate::api::Api;
use crate::chart::{mount, rendered, words};
use crate::rollout::{REMOVE, install, pod, run};
use crate::support::systemd::{Systemd, write};
use crate::support::wait_until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cri-shunt");

/// Connects to the image endpoint that it is given, and stays. An old one does not know the flag, and ends.
const KUBELET: &str = "#!/usr/bin/python3
import os, socket, sys, time
given = [word for word in sys.argv if word.startswith('--image-service-endpoint=')]
if given and os.path.exists('/etc/is-old'):
    sys.exit('unknown flag')
client = socket.socket(socket.AF_UNIX)
if given:
    client.connect(given[0].split('unix://')[1])
while True:
    time.sleep(3600)
";

const UNIT: &str =
    "[Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS\n";

/// Where files are compared.
const COMPARED: [&str; 5] = ["etc/cri-shunt", "etc/default", "etc/systemd", "usr/local/bin", "opt"];

fn host(name: &str) -> Option<Systemd> {
    let files = tempfile::tempdir().unwrap();
    let kubelet = write(&files, "/usr/bin/kubelet", KUBELET);
    std::fs::set_permissions(kubelet, std::fs::Permissions::from_mode(0o755)).unwrap();
    write(&files, "/etc/systemd/system/kubelet.service", UNIT);
    write(&files, "/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\"--v=2\"\n");
    if name == "n3" {
        write(&files, "/etc/is-old", "");
    }
    let systemd = Systemd::start(files)?;
    systemd.output(&["systemctl", "start", "kubelet.service"]);
    Some(systemd)
}

/// What is below these directories, with modes.
fn files(systemd: &Systemd) -> BTreeMap<PathBuf, String> {
    fn walk(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
        let Ok(metadata) = path.symlink_metadata() else { return };
        let what = match metadata.file_type() {
            kind if kind.is_symlink() => std::fs::read_link(path).unwrap().display().to_string(),
            kind if kind.is_dir() => {
                std::fs::read_dir(path).unwrap().for_each(|entry| walk(&entry.unwrap().path(), found));
                String::new()
            }
            _ if metadata.len() > 1 << 20 => metadata.len().to_string(),
            _ => String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned(),
        };
        found.insert(path.to_path_buf(), format!("{:o} {what}", metadata.permissions().mode()));
    }
    let mut found = BTreeMap::new();
    COMPARED.iter().for_each(|top| walk(&systemd.path(top), &mut found));
    found
}

/// A container of a Job with the host's / at /host. With the rights of the host it has its processes and network too.
fn contain(systemd: &Systemd, container: &Value, policy: &Path) -> Output {
    let root = format!("/proc/{}/root", systemd.pid());
    let is_root = container["securityContext"]["privileged"] == true;
    let mut command = Command::new(if is_root { "nsenter" } else { PROGRAM });
    if is_root {
        command.arg(format!("--target={}", systemd.pid()));
        command.args(["--pid", "--net", "--uts", "--ipc", "--cgroup", "--", PROGRAM]);
    }
    for word in words(container) {
        let word = match word {
            "/policy" => policy.to_str().unwrap().to_owned(),
            word if word.starts_with("/host") => word.replacen("/host", &root, 1),
            word => word.to_owned(),
        };
        command.arg(word);
    }
    command.output().unwrap()
}

/// One container after the other, as kubelet does.
fn work(systemd: &Systemd, job: &Value, policy: &Path) -> Result<(), String> {
    let pod = &job["spec"]["template"]["spec"];
    let all = ["initContainers", "containers"].iter().filter_map(|list| pod[*list].as_array()).flatten();
    for container in all {
        let output = contain(systemd, container, policy);
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(format!("{:?}\n{}", words(container), String::from_utf8_lossy(&said)));
        }
    }
    Ok(())
}

fn kubelet_asks(systemd: &Systemd) -> bool {
    let shown = systemd.run(&["ss", "--unix", "--no-header"]);
    String::from_utf8_lossy(&shown.stdout).contains("/run/cri-shunt/cri-shunt.sock")
}

/// Of five hosts one has a kubelet that does not take the flag: it is put back, and the others are served. Then all are put
/// back.
#[test]
fn a_rollout_over_five_hosts_puts_back_the_one_that_fails() {
    let Some(all) = rendered() else { return };
    let set = &all["as it comes"];
    let names = ["n1", "n2", "n3", "n4", "n5"];
    let started: Vec<Option<Systemd>> = std::thread::scope(|scope| {
        let threads: Vec<_> = names.iter().map(|name| scope.spawn(|| host(name))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let Some(started) = started.into_iter().collect::<Option<Vec<_>>>() else { return };
    let hosts: Arc<BTreeMap<&str, Systemd>> = Arc::new(names.into_iter().zip(started).collect());
    let before: Vec<_> = hosts.values().map(files).collect();

    let (pod, volume) = (pod(), tempfile::tempdir().unwrap());
    for job in set["jobs"].as_array().unwrap() {
        let stage = job["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
        std::fs::write(pod.path().join(format!("{stage}.json")), job.to_string()).unwrap();
        for mounted in job["spec"]["template"]["spec"]["volumes"].as_array().unwrap() {
            if mounted["name"] == "policy" {
                mount(set, mounted, &BTreeMap::new(), volume.path());
            }
        }
    }
    // The server outlives the test, and the hosts must not.
    let (machines, policy) = (Arc::downgrade(&hosts), volume.path().to_path_buf());
    let api = Api::new(&names, move |node, job| work(&machines.upgrade().unwrap()[node], job, &policy));
    let server = api.start();
    let at = server.host();
    let (status, text) = run(pod.path(), &at, &install(&["--failures", "1", "--share", "2"]));
    assert_eq!(api.states(), "n1=served n2=served n3=failed n4=served n5=served", "{text}");
    assert!(text.contains("n3: install: all was put back as it was before\n"), "{text}");
    assert!(text.contains("n3: it is put back\n") && status == 1, "{text}");
    for ((name, host), before) in hosts.iter().zip(&before) {
        let is_served = *name != "n3";
        assert_eq!(kubelet_asks(host), is_served, "{name}: {text}");
        assert_eq!(files(host) == *before, !is_served, "{name}: {text}");
        if is_served {
            let mode = std::fs::read_to_string(host.path("/etc/cri-shunt/conf.d/cluster-mode.toml")).unwrap();
            assert!(mode.contains("observe"), "{mode}");
        }
    }

    let (status, text) = run(pod.path(), &at, &REMOVE);
    assert_eq!((status, api.states().as_str()), (0, "n1= n2= n3= n4= n5="), "{text}");
    for ((name, host), before) in hosts.iter().zip(&before) {
        assert_eq!(files(host), *before, "{name}: {text}");
        assert!(wait_until(|| !kubelet_asks(host)), "{name}");
    }
}
