//! What is refused or left alone, with its reason; nothing of it is half done.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::nodes::{ENDPOINT, Node, drop_in};
use crate::tree::{NOTHING, bare, changed, done, run, snapshot};

/// A node, whom it is for, what is wrong, and what is said.
type Row = (fn() -> Node, &'static str, fn(&Node), &'static str);

const ROWS: &[Row] = &[
    (
        Node::eks,
        "all",
        |node| {
            let soci = "imageServiceEndpoint: unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock";
            node.write("etc/kubernetes/kubelet/config.json.d/41-soci.conf", &drop_in(soci));
        },
        "kubelet asks the SOCI snapshotter for images, by /etc/kubernetes/kubelet/config.json.d/41-soci.conf:3, and only one \
         program can be there",
    ),
    (
        Node::k3s,
        "k3s",
        |node| {
            node.append(
                "etc/rancher/k3s/config.yaml",
                "- image-service-endpoint=/run/containerd-stargz-grpc/c.sock\n",
            )
        },
        "k3s asks the stargz snapshotter for images",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            node.replace(
                "var/lib/kubelet/config.yaml",
                "/run/containerd/containerd.sock",
                "/run/crio/crio.sock",
            )
        },
        "kubelet asks CRI-O for images, by /var/lib/kubelet/config.yaml:5",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| node.append("var/lib/kubelet/config.yaml", "imageServiceEndpoint: unix:///run/other.sock\n"),
        "it asks /run/other.sock for images, and that is neither containerd nor cri-shunt",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            node.without_extra_args();
            node.replace("var/lib/kubelet/config.yaml", "k8s.io/v1beta1", "k8s.io/v2");
        },
        "its apiVersion is \"kubelet.config.k8s.io/v2\", and this version of cri-shunt knows kubelet.config.k8s.io/v1beta1",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| node.append("var/lib/kubelet/config.yaml", "imageServiceEndpoint: [\n"),
        "kubelet is left alone: /var/lib/kubelet/config.yaml cannot be used: it is not YAML",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            let unit = "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
            let flag = "$KUBELET_EXTRA_ARGS --image-service-endpoint=unix:///run/containerd/containerd.sock";
            node.replace(unit, "$KUBELET_EXTRA_ARGS", flag);
        },
        "10-kubeadm.conf is left alone: it belongs to a package",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            node.write("etc/cri-shunt/config.toml", "[containerd]\nsocket = \"/run/mine/containerd.sock\"\n")
        },
        "the clients use the containerd at /run/containerd/containerd.sock, and by /etc/cri-shunt/config.toml cri-shunt \
         connects to /run/mine/containerd.sock: set socket under [containerd]",
    ),
    (
        Node::kubeadm,
        "kubelet",
        with_service,
        "an installation is not whole: /usr/lib/systemd/system/cri-shunt.service is there and cri-shunt.socket is not",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            with_service(node);
            node.write(
                "usr/lib/systemd/system/cri-shunt.socket",
                "[Socket]\nListenStream=/run/cri-shunt/cri-shunt.sock\n",
            );
        },
        "/usr/lib/systemd/system/cri-shunt.service starts /usr/bin/cri-shunt, which is not there",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| symlink("/dev/null", node.path("etc/systemd/system/cri-shunt.socket")).unwrap(),
        "cri-shunt.socket is masked, so nothing can start it: systemctl unmask cri-shunt.socket",
    ),
    (
        Node::k3s,
        "k3s",
        |node| {
            node.append("etc/rancher/k3s/config.yaml", &format!("container-runtime-endpoint: {ENDPOINT}\n"))
        },
        "switches off the containerd of k3s, and cri-shunt needs it",
    ),
    (
        Node::k3s,
        "crictl",
        |node| symlink("/var/lib/rancher/k3s/agent/etc/crictl.yaml", node.path("etc/crictl.yaml")).unwrap(),
        "/etc/crictl.yaml is left alone: it is a link to a file that is written again at each start",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| node.write("etc/cri-shunt/config.toml", "[listen]\nsocket = \"/run/mine.sock\"\n"),
        "by /etc/cri-shunt/config.toml the socket is /run/mine.sock, and the units hold /run/cri-shunt/cri-shunt.sock",
    ),
    (Node::k3s, "kubelet", |_| {}, "there is no kubelet.service here that starts a kubelet"),
    (Node::k3s, "kubeadm", |_| {}, "there is no kubelet here that kubeadm has set up"),
    (Node::kubeadm, "rke2", |_| {}, "there is no RKE2 here"),
];

fn with_service(node: &Node) {
    node.write("usr/lib/systemd/system/cri-shunt.service", "[Service]\nExecStart=/usr/bin/cri-shunt serve\n");
}

#[test]
fn nothing_is_changed_where_something_is_not_understood() {
    for (index, (made, client, change, expected)) in ROWS.iter().enumerate() {
        let node = bare(made());
        change(&node);
        let before = snapshot(&node.path(""));
        for more in [&[][..], &["--apply"]] {
            let said = run(&node, &[&["install", "--for", client], more].concat());
            assert_eq!(said.status, Some(1), "{index}: {}{}", said.out, said.err);
            assert!(said.err.contains(expected), "{index}: {}", said.err);
            assert!(!said.err.contains("a-secret") && !said.out.contains("a-secret"), "{index}");
            assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING, "{index}");
        }
    }
}

#[test]
fn wrong_usage_is_told_before_anything_is_looked_at() {
    let node = bare(Node::kubeadm());
    let before = snapshot(&node.path(""));
    for arguments in [
        &["install"][..],
        &["install", "--for", "docker"],
        &["install", "--for", "kubelet", "--apply", "--prove-with", "UPPER//x"],
        &["install", "--for", "kubelet", "--timeout", "0s"],
        &["uninstall", "--for", "kubelet"],
    ] {
        let said = run(&node, arguments);
        assert_eq!(said.status, Some(2), "{arguments:?}: {}", said.err);
    }
    let strange = run(&node, &["install", "--for", "kubelet", "--apply", "--prefix", "/opt/a b"]);
    assert!(
        strange.status == Some(1) && strange.err.contains("systemd cannot start a program"),
        "{}",
        strange.err
    );
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn a_client_that_is_left_alone_keeps_no_other_from_its_change() {
    let node = bare(Node::kubeadm());
    node.write("etc/crictl.yaml", "image-endpoint: [1]\n");
    let said = run(&node, &["install", "--for", "all", "--apply"]);
    assert_eq!(said.status, Some(1), "{}", said.err);
    assert!(said.err.contains("warning: /etc/crictl.yaml is left alone"), "{}", said.err);
    assert_eq!(node.doctor().of("problem"), Vec::<String>::new());
}

#[test]
fn what_cannot_be_noted_down_leaves_nothing_behind() {
    let node = bare(Node::kubeadm());
    fs::create_dir_all(node.path("usr/local/bin/cri-shunt")).unwrap();
    let before = snapshot(&node.path(""));
    let said = run(&node, &["install", "--for", "kubelet", "--apply"]);
    assert_eq!(said.status, Some(3), "{}", said.err);
    assert!(said.err.contains("/usr/local/bin/cri-shunt is not a file, so it is left alone"), "{}", said.err);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn the_second_of_two_installers_says_who_works() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    let lock = fs::File::open(node.path("var/lib/cri-shunt/install/lock")).unwrap();
    lock.lock().unwrap();
    fs::write(node.path("var/lib/cri-shunt/install/lock"), "4711\n").unwrap();
    for command in [&["install", "--for", "kubelet", "--apply"][..], &["uninstall", "--apply"]] {
        let said = run(&node, command);
        assert_eq!(said.status, Some(3), "{}", said.err);
        assert!(
            said.err.contains("another cri-shunt install or uninstall (process 4711) works on this node"),
            "{}",
            said.err
        );
    }
    assert_eq!(run(&node, &["uninstall"]).status, Some(0), "a dry run needs no lock");
}

#[test]
fn a_file_that_somebody_has_changed_since_is_named_and_stays() {
    let node = bare(Node::kubeadm());
    let before = snapshot(&node.path(""));
    done(&node, &["install", "--for", "all"]);
    node.append("etc/default/kubelet", "MINE=1\n");
    node.append("etc/cri-shunt/config.toml", "[policy]\n");
    let said = run(&node, &["uninstall", "--apply"]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    assert!(said.err.contains("stays: /etc/default/kubelet: somebody has changed it since"), "{}", said.err);
    assert!(
        said.err.contains("the daemon, because a client is still given /run/cri-shunt/cri-shunt.sock"),
        "{}",
        said.err
    );
    assert!(node.path("etc/systemd/system/cri-shunt.service").exists());

    // Somebody takes the endpoint out: then the daemon can go. What else was changed stays.
    node.write("etc/default/kubelet", "MINE=1\n");
    let said = run(&node, &["uninstall", "--apply"]);
    assert!(
        said.err.contains("stays: /etc/cri-shunt/config.toml: somebody has changed it since"),
        "{}",
        said.err
    );
    assert!(!node.path("etc/systemd/system/cri-shunt.service").exists());
    done(&node, &["uninstall", "--force"]);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn doctor_tells_of_a_run_that_was_not_finished() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    // Its configuration has no rule yet.
    let unfinished = "install-unfinished /var/lib/cri-shunt/install".to_owned();
    assert!(!node.doctor().of("warning").contains(&unfinished));
    node.replace("var/lib/cri-shunt/install/record.json", "\"is_proven\": true", "\"is_proven\": false");
    assert!(node.doctor().of("warning").contains(&unfinished));
}

#[test]
fn a_record_that_cannot_be_read_stops_both_commands() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    let record = "var/lib/cri-shunt/install/record.json";
    for (text, expected) in [("{", "cannot be used: line 1"), ("[]", "cannot be used: line 1")] {
        node.write(record, text);
        for command in [&["install", "--for", "kubelet", "--apply"][..], &["uninstall", "--apply"]] {
            let said = run(&node, command);
            assert!(said.status == Some(3) && said.err.contains(expected), "{}", said.err);
        }
    }
}

/// The endpoint was written by hand as well, in a file that no run has changed.
#[test]
fn the_daemon_stays_for_a_kubelet_that_is_led_to_it_by_another_file() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    node.append("var/lib/kubelet/config.yaml", &format!("imageServiceEndpoint: {ENDPOINT}\n"));
    let said = run(&node, &["uninstall", "--apply"]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    assert!(
        said.err
            .contains("the daemon, because a client is given its socket by /var/lib/kubelet/config.yaml:"),
        "{}",
        said.err
    );
    assert!(node.path("etc/systemd/system/cri-shunt.service").exists());
    node.replace("var/lib/kubelet/config.yaml", &format!("imageServiceEndpoint: {ENDPOINT}\n"), "");
    done(&node, &["uninstall"]);
    assert!(!node.path("etc/systemd/system/cri-shunt.service").exists());
}

/// Who has written the node's disk is not to reach the files of this machine.
#[test]
fn links_in_the_record_do_not_lead_out_of_the_node() {
    let node = bare(Node::kubeadm());
    let outside = tempfile::tempdir().unwrap();
    let mine = outside.path().join("mine");
    fs::write(&mine, "mine").unwrap();
    done(&node, &["install", "--for", "kubelet"]);
    let record = node.path("var/lib/cri-shunt/install");
    fs::remove_dir_all(record.join("originals")).unwrap();
    symlink(outside.path(), record.join("originals")).unwrap();
    run(&node, &["install", "--for", "crictl", "--apply"]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);

    fs::remove_file(record.join("lock")).unwrap();
    symlink(&mine, record.join("lock")).unwrap();
    for command in [&["install", "--for", "kubelet", "--apply"][..], &["uninstall", "--apply"]] {
        let said = run(&node, command);
        assert!(said.status == Some(3) && said.err.contains("cannot lock"), "{}", said.err);
    }
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
}

#[test]
fn a_program_that_a_drop_in_starts_is_not_written_over() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    node.write("usr/bin/env", "the system's");
    node.write(
        "etc/systemd/system/cri-shunt.service.d/mine.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/env A=1 /usr/local/bin/cri-shunt serve\n",
    );
    let said = done(&node, &["install", "--for", "kubelet"]);
    assert!(!said.out.contains("+++"), "{}", said.out);
    assert_eq!(fs::read_to_string(node.path("usr/bin/env")).unwrap(), "the system's");
}

#[test]
fn a_unit_that_somebody_has_changed_is_not_written_over() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet"]);
    node.append("etc/systemd/system/cri-shunt.service", "# mine\n");
    let before = snapshot(&node.path(""));
    let said = run(&node, &["install", "--for", "kubelet", "--apply"]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    assert!(said.err.contains("somebody has changed /etc/systemd/system/cri-shunt.service"), "{}", said.err);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn a_file_that_cannot_be_read_is_not_written_over() {
    let node = bare(Node::kubeadm());
    let (flags, config) = (node.path("etc/default/kubelet"), node.path("etc/cri-shunt/config.toml"));
    let text = b"# \xe4\nKUBELET_EXTRA_ARGS=--node-ip=10.0.0.1\n";
    fs::create_dir_all(flags.parent().unwrap()).unwrap();
    fs::write(&flags, text).unwrap();
    // There are other places for the endpoint.
    done(&node, &["install", "--for", "kubelet"]);
    assert_eq!(fs::read(&flags).unwrap(), text);
    done(&node, &["uninstall"]);

    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, text).unwrap();
    let before = snapshot(&node.path(""));
    let said = run(&node, &["install", "--for", "kubelet", "--apply"]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    assert!(said.err.contains("/etc/cri-shunt/config.toml is there and cannot be read"), "{}", said.err);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}
