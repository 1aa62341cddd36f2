//! What is changed on nodes of each kind, that `doctor` finds no fault with it, and that all comes back.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::nodes::{ENDPOINT, Node, drop_in};
use crate::support::skipped;
use crate::tree::{NOTHING, PROGRAM, attributes, bare, changed, command, done, run, snapshot};

/// A node, what it is for, what is changed before, and the file that has the endpoint then with a line of it.
type Row = (fn() -> Node, &'static str, fn(&Node), &'static str, &'static str);

const ROWS: &[Row] = &[
    (
        Node::kubeadm,
        "kubelet",
        |_| {},
        "etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--image-service-endpoint=ENDPOINT",
    ),
    (
        Node::kubeadm,
        "kubeadm",
        |node| node.write("etc/default/kubelet", "# mine\nKUBELET_EXTRA_ARGS=\"--v=2\"\nOTHER=1\n"),
        "etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=\"--v=2 --image-service-endpoint=ENDPOINT\"",
    ),
    (
        Node::kubeadm,
        "kubelet",
        Node::without_extra_args,
        "var/lib/kubelet/config.yaml",
        "imageServiceEndpoint: ENDPOINT",
    ),
    (
        Node::kubeadm,
        "kubelet",
        |node| {
            let text = drop_in("# why\nimageServiceEndpoint: 'unix:///run/containerd/containerd.sock' # old");
            node.write("var/lib/kubelet/config.yaml", &text);
            fs::set_permissions(node.path("var/lib/kubelet/config.yaml"), Permissions::from_mode(0o604))
                .unwrap();
            chown(node.path("var/lib/kubelet/config.yaml"), Some(0), Some(12)).unwrap();
        },
        "var/lib/kubelet/config.yaml",
        "imageServiceEndpoint: 'ENDPOINT' # old",
    ),
    (
        Node::kubeadm,
        "all",
        |node| {
            let old = "unix:///var/run/containerd/containerd.sock";
            node.write(
                "var/lib/kubelet/kubeadm-flags.env",
                &format!("KUBELET_KUBEADM_ARGS=\"--token=a-secret --image-service-endpoint={old} --v=1\"\n"),
            );
            node.write(
                "etc/crictl.yaml",
                "runtime-endpoint: \"unix:///run/containerd/containerd.sock\"\ntimeout: 3\n",
            );
        },
        "var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--token=a-secret --image-service-endpoint=ENDPOINT --v=1\"",
    ),
    (
        Node::eks,
        "kubelet",
        |_| {},
        "etc/kubernetes/kubelet/config.json.d/20-cri-shunt.conf",
        "imageServiceEndpoint: ENDPOINT",
    ),
    (
        Node::eks,
        "kubelet",
        |node| {
            node.replace(
                "etc/eks/kubelet/environment",
                "--config-dir=/etc/kubernetes/kubelet/config.json.d ",
                "",
            );
            fs::remove_dir_all(node.path("etc/kubernetes/kubelet/config.json.d")).unwrap();
        },
        "etc/kubernetes/kubelet/config.json",
        "\t\"imageServiceEndpoint\": \"ENDPOINT\",",
    ),
    (
        Node::k3s,
        "k3s",
        |_| {},
        "etc/rancher/k3s/config.yaml.d/cri-shunt.yaml",
        "image-service-endpoint: ENDPOINT",
    ),
    (
        Node::k3s,
        "k3s,crictl",
        |node| {
            node.append(
                "etc/rancher/k3s/config.yaml",
                "- image-service-endpoint=unix:///run/k3s/containerd/containerd.sock\n",
            );
            let packaged = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/config.toml");
            node.write("etc/cri-shunt/config.toml", &fs::read_to_string(packaged).unwrap());
        },
        "etc/rancher/k3s/config.yaml",
        "- image-service-endpoint=ENDPOINT",
    ),
    (
        Node::rke2,
        "rke2",
        |_| {},
        "etc/rancher/rke2/config.yaml.d/cri-shunt.yaml",
        "  - image-service-endpoint=ENDPOINT",
    ),
    (
        Node::rke2,
        "all",
        |node| node.write("etc/rancher/rke2/config.yaml.d/local.yaml", "kubelet-arg: v=2\n"),
        "etc/rancher/rke2/config.yaml.d/zz-cri-shunt.yaml",
        "  - image-service-endpoint=ENDPOINT",
    ),
];

/// So that it need not be copied for each row. Where no link can be made, it is.
fn place_program(node: &Node) {
    fs::create_dir_all(node.path("usr/local/bin")).unwrap();
    let _ = fs::hard_link(PROGRAM, node.path("usr/local/bin/cri-shunt"));
}

#[test]
fn each_kind_of_node_is_set_up_right_and_put_back_byte_for_byte() {
    for (index, (made, client, change, file, line)) in ROWS.iter().enumerate() {
        let node = bare(made());
        change(&node);
        if index > 0 {
            place_program(&node);
        }
        let before = snapshot(&node.path(""));
        let shown = run(&node, &["install", "--for", client]);
        assert_eq!(shown.status, Some(0), "{index}: {}{}", shown.out, shown.err);
        assert!(!shown.out.contains("a-secret"), "{index}: {}", shown.out);
        assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING, "{index}: a dry run writes nothing");

        done(&node, &["install", "--for", client]);
        let text =
            fs::read_to_string(node.path(file)).unwrap_or_else(|error| panic!("{index}: {file}: {error}"));
        assert!(text.lines().any(|found| found == line.replace("ENDPOINT", ENDPOINT)), "{index}: {text}");
        let said = node.doctor();
        assert_eq!(said.of("problem"), Vec::<String>::new(), "{index}\n{}", said.text);

        let needed = run(&node, &["uninstall", "--check"]);
        let said = format!("leads kubelet to {}: without the daemon no image", &ENDPOINT["unix://".len()..]);
        assert!(
            needed.status == Some(1)
                && needed.err.contains(&said)
                && needed.err.contains("first run cri-shunt uninstall --apply"),
            "{index}: {}",
            needed.err
        );

        // Once more changes nothing.
        let after = snapshot(&node.path(""));
        let again = done(&node, &["install", "--for", client]);
        assert!(!again.out.contains("+++"), "{index}: {}", again.out);
        let mut again = changed(&after, &snapshot(&node.path("")));
        again.retain(|path| !path.ends_with("record.json"));
        assert_eq!(again, NOTHING, "{index}");

        done(&node, &["uninstall"]);
        assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING, "{index}");
        assert!(done(&node, &["uninstall"]).out.contains("has changed nothing here"));
        assert_eq!(run(&node, &["uninstall", "--check"]).status, Some(0), "{index}");
    }
}

/// An access control list, as the kernel has it: one user has rights of his own.
fn access(user: u32) -> Vec<u8> {
    let entries = [
        (0x01_u16, 6_u16, u32::MAX),
        (0x02, 6, user),
        (0x04, 4, u32::MAX),
        (0x10, 6, u32::MAX),
        (0x20, 0, u32::MAX),
    ];
    let entry = |(tag, rights, id): (u16, u16, u32)| {
        [tag.to_le_bytes().to_vec(), rights.to_le_bytes().to_vec(), id.to_le_bytes().to_vec()].concat()
    };
    [2_u32.to_le_bytes().to_vec(), entries.into_iter().flat_map(entry).collect()].concat()
}

/// Also where a directory gives a list to what is made in it.
#[test]
fn a_file_keeps_its_access_control_list_and_its_attributes() {
    let node = bare(Node::kubeadm());
    node.write("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n");
    node.write("etc/crictl.yaml", "timeout: 3\n");
    let (flags, crictl) = (node.path("etc/default/kubelet"), node.path("etc/crictl.yaml"));
    let list = access(12);
    for (path, name, value) in [
        (&flags, "user.managed-by", b"somebody".as_slice()),
        (&flags, "system.posix_acl_access", &list),
        (&crictl, "user.empty", b""),
        (&node.path("etc"), "system.posix_acl_default", &access(13)),
        (&node.path("etc/default"), "system.posix_acl_default", &access(13)),
    ] {
        if let Err(error) = rustix::fs::setxattr(path, name, value, rustix::fs::XattrFlags::empty()) {
            skipped(&format!("this file system keeps no {name}: {error}"));
            return;
        }
    }
    // A kernel that enforces nothing keeps it like another one.
    let label = "security.selinux";
    let set = rustix::fs::setxattr(&crictl, label, b"a:b:etc_t:s0\0", rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        skipped(&format!("this file system keeps no {label}: {error}"));
    }
    fs::set_permissions(&flags, Permissions::from_mode(0o664)).unwrap();
    let before = snapshot(&node.path(""));
    let of_before = [attributes(&flags), attributes(&crictl)];
    let names = of_before.each_ref().map(|all| all.len());
    assert_eq!(names, [2, 1 + usize::from(set.is_ok())], "{of_before:?}");
    done(&node, &["install", "--for", "all"]);
    let texts = [&flags, &crictl].map(|path| fs::read_to_string(path).unwrap());
    assert!(texts.iter().all(|text| text.contains(ENDPOINT)), "{texts:?}");
    assert_eq!([attributes(&flags), attributes(&crictl)], of_before);
    assert_eq!(fs::metadata(&flags).unwrap().permissions().mode() & 0o7777, 0o664);
    done(&node, &["uninstall"]);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn a_dry_run_shows_each_file_and_what_has_to_be_run() {
    let node = bare(Node::k3s());
    let said = run(&node, &["install", "--for", "k3s"]);
    // The units are long, and are files of the repository.
    let (head, rest) = said.out.split_once("+++ /etc/systemd/system/cri-shunt.socket").unwrap();
    insta::assert_snapshot!(head, @r"
    --- /dev/null
    +++ /usr/local/bin/cri-shunt
    + a copy of this program
    --- /dev/null
    ");
    let (_, rest) = rest.split_once("+++ /etc/cri-shunt/config.toml").unwrap();
    insta::assert_snapshot!(rest.trim(), @r#"
    @@ -0,0 +1,4 @@
    +# Written by cri-shunt install. cri-shunt.toml(5) and docs/configuration.md have every key.
    +
    +[containerd]
    +socket = "/run/k3s/containerd/containerd.sock"
    --- /dev/null
    +++ /etc/systemd/system/sockets.target.wants/cri-shunt.socket
    + link to /etc/systemd/system/cri-shunt.socket
    --- /dev/null
    +++ /etc/systemd/system/multi-user.target.wants/cri-shunt.service
    + link to /etc/systemd/system/cri-shunt.service
    --- /dev/null
    +++ /etc/rancher/k3s/config.yaml.d/cri-shunt.yaml
    @@ -0,0 +1,2 @@
    +# Written by cri-shunt install.
    +image-service-endpoint: unix:///run/cri-shunt/cri-shunt.sock
    with --apply it then runs
      systemctl daemon-reload
      systemctl start cri-shunt.socket cri-shunt.service
      systemctl try-restart k3s.service
    nothing was changed: --apply makes these changes
    "#);
}

/// `cri-shunt install --apply | head -1` does all that it was asked for.
#[test]
fn changes_are_made_where_nobody_reads_what_is_shown() {
    let node = bare(Node::kubeadm());
    let before = snapshot(&node.path(""));
    let unread = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command(&node, arguments).stdout(writer).status().unwrap().code()
    };
    assert_eq!(unread(&["install", "--for", "kubelet", "--apply"]), Some(0));
    let text = fs::read_to_string(node.path("etc/default/kubelet")).unwrap();
    assert!(text.contains(ENDPOINT), "{text}");
    node.write("etc/default/kubelet", &format!("{text}# mine\n"));
    assert_eq!(unread(&["uninstall", "--apply"]), Some(1), "what somebody has changed stays");
    assert_eq!(unread(&["uninstall", "--apply", "--force"]), Some(0));
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn what_a_package_has_installed_stays_the_packages() {
    let node = Node::kubeadm();
    node.replace("var/lib/kubelet/config.yaml", &format!("imageServiceEndpoint: {ENDPOINT}\n"), "");
    node.remove("etc/systemd/system/sockets.target.wants/cri-shunt.socket");
    let before = snapshot(&node.path(""));
    let said = done(&node, &["install", "--for", "all"]);
    assert!(
        !said.out.contains("cri-shunt.service\n+++") && !said.out.contains("copy of this program"),
        "{}",
        said.out
    );
    assert!(said.out.contains("+ link to /usr/lib/systemd/system/cri-shunt.socket"), "{}", said.out);
    assert_eq!(node.doctor().of("problem"), Vec::<String>::new());
    done(&node, &["uninstall"]);
    assert_eq!(changed(&before, &snapshot(&node.path(""))), NOTHING);
}

#[test]
fn a_node_with_labels_is_told_how_to_set_them() {
    let node = bare(Node::rke2());
    node.write("etc/selinux/config", "# SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=targeted\n");
    let said = done(&node, &["install", "--for", "rke2"]);
    assert!(said.out.contains("run restorecon -F /usr/local/bin/cri-shunt /etc/systemd"), "{}", said.out);
    assert!(
        said.out.contains("only files were changed: run there\n  systemctl daemon-reload\n"),
        "{}",
        said.out
    );
    node.write("etc/selinux/config", "SELINUX=disabled\n");
    assert!(!done(&node, &["install", "--for", "crictl"]).out.contains("restorecon"));
}

#[test]
fn the_program_goes_to_another_prefix_and_is_named_by_its_unit() {
    let node = bare(Node::kubeadm());
    done(&node, &["install", "--for", "kubelet", "--prefix", "/opt/shunt"]);
    let unit = fs::read_to_string(node.path("etc/systemd/system/cri-shunt.service")).unwrap();
    assert!(
        unit.contains("ExecStart=/opt/shunt/bin/cri-shunt serve\n") && !unit.contains("/usr/bin/cri-shunt"),
        "{unit}"
    );
    assert_eq!(
        fs::metadata(node.path("opt/shunt/bin/cri-shunt")).unwrap().permissions().mode() & 0o777,
        0o755
    );
    // A run without the flag finds it there.
    assert!(!done(&node, &["install", "--for", "kubelet"]).out.contains("+++"));
}
