//! What people read about a file.

use super::{CONFIG_MAP, shim};

#[test]
fn a_file_as_it_is_deployed() {
    let sample = shim(
        "shim: /var/run/image-cri-shim.sock\ncri: /run/containerd/containerd.sock\naddress: http://sealos.hub:5000\n\
         force: true\ndebug: false\nimage: /var/lib/image-cri-shim\nversion: v1\ntimeout: 15m\nauth: admin:passw0rd\n",
    );
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn every_mistake_of_a_file_at_once() {
    let sample = shim(
        "address: 5\nAddress: https://x.de\nauth: 12\nofflinePriority: high\ntimout: 15m\nregistries:\n\
         - address: ftp://r.de\n- address: https://me:pw@s.de\n- priority: 7.5\n  address: t.de\n- u.de\n\
         - address: nohost\n",
    );
    assert!(sample.imported.rules.is_empty());
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn what_is_odd_in_image_cri_shim_is_said() {
    let sample = shim(
        "address: hub.de:5000/path\nauth: admin:a:b\nofflinePriority: 20000\nregistries:\n- address: r.de/p\n\
         \u{20} priority: 0\n  auth: user\n- address: https://r.de\n  priority: 10001\n",
    );
    insta::assert_snapshot!(sample.shown(), @"");
}

#[test]
fn odd_offline_priorities() {
    for text in ["offlinePriority: 0", "offlinePriority: -5"] {
        assert!(!shim(&format!("address: https://o.de\n{text}\n")).is_refused());
    }
    insta::assert_snapshot!(shim("address: https://o.de\nofflinePriority: -5\n").shown(), @"");
}

#[test]
fn an_empty_file_and_one_without_a_registry() {
    insta::assert_snapshot!(shim("").shown(), @"");
    insta::assert_snapshot!(shim("debug: true\n").shown(), @"");
    insta::assert_snapshot!(shim("- address: r.de\n").shown(), @"");
}

#[test]
fn tabs() {
    insta::assert_snapshot!(shim("registries:\n\t- address: r.de\n").shown(), @"");
}

#[test]
fn a_config_map_that_holds_something_else() {
    let without = "kind: ConfigMap\ndata:\n  other: x\n";
    insta::assert_snapshot!(shim(without).shown(), @"");
    let folded = "kind: ConfigMap\ndata:\n  registries.yaml: \"registries: []\"\n";
    insta::assert_snapshot!(shim(folded).shown(), @"");
}

#[test]
fn a_mistake_inside_a_config_map_has_its_place_in_the_file() {
    let sample = shim(&CONFIG_MAP.replace("priority: 1001", "priority: first").replace("    version: v1\n", "    offlinePriority: 5\n"));
    insta::assert_snapshot!(sample.shown(), @"");
}
