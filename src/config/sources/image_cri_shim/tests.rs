//! Files in, decisions and texts out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod mistakes;
mod oddities;
mod properties;

use super::super::fixture::Sample;
use super::super::source_file::Format;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn shim(content: &str) -> Sample {
    Sample::of(Format::ImageCriShim, "shim.yaml", &[("shim.yaml", content)])
}

/// Host, user and password of each login.
fn logins(sample: &Sample) -> Vec<(String, String, Option<String>)> {
    let logins = sample.imported.logins.iter();
    let password =
        |login: &crate::credentials::Login| login.password.as_ref().map(|text| text.expose().to_owned());
    logins.map(|login| (login.host.clone(), login.username.clone().unwrap(), password(login))).collect()
}

#[test]
fn registries_are_tried_by_priority_the_offline_one_first_among_equals() {
    let sample = shim(
        "address: https://hub.de:5000\noffline_priority: 1\nofflinePriority: 600\nregistries:\n\
         - address: https://z.de\n- address: y.de/\n  priority: 600\n- address: x.de:5000\n  priority: 601\n\
         - address: a.de\n- address: ''\n",
    );
    let all = "x.de:5000/a/b:1, hub.de:5000/a/b:1, y.de/a/b:1, a.de/a/b:1, z.de/a/b:1, origin";
    sample.check(&[
        ("quay.io/a/b:1", all),
        ("a/b:1", all),
        ("nginx:1", &all.replace("/a/b:1", "/library/nginx:1")),
        // A name on one of the registries stays there.
        ("y.de/a/b:1", "pass"),
    ]);
}

#[test]
fn priorities_are_the_ones_that_image_cri_shim_computes() {
    let order = |offline: &str, other: &str| {
        let sample = shim(&format!(
            "address: https://o.de\n{offline}\nregistries:\n- address: r.de\n{other}\n- address: s.de\n  priority: 501\n"
        ));
        let candidates = sample.candidates("quay.io/a:1");
        candidates.iter().filter_map(|name| name.split('.').next()).take(3).collect::<Vec<_>>().join(" ")
    };
    let rows = [
        ("", "", "o s r"),
        ("offlinePriority: 0", "", "o s r"),
        ("offlinePriority: -1", "", "s r o"),
        ("offlinePriority: 500", "", "s o r"),
        ("offlinePriority: 20000", "  priority: 10000", "o r s"),
        ("", "  priority: 0", "o s r"),
        ("", "  priority: -7", "o s r"),
        ("", "  priority: 502", "o r s"),
        ("", "  priority: 99999", "r o s"),
    ];
    for (offline, other, expected) in rows {
        assert_eq!(order(offline, other), expected, "{offline} {other}");
    }
}

#[test]
fn a_digest_stays_and_a_path_is_whole() {
    let name = format!("quay.io/a/b/c@{DIGEST}");
    shim("address: https://o.de\n").check(&[(&name, &format!("o.de/a/b/c@{DIGEST}, origin"))]);
}

#[test]
fn a_password_is_whole_and_no_certificate_is_passed_over() {
    let sample = shim(
        "address: http://o.de\nauth: 'admin:pass:with:colons'\nregistries:\n- address: r.de\n  auth: ' u:p '\n\
         - address: https://docker.io\n  auth: user\n- address: http://localhost:5000\n",
    );
    let text = |text: &str| text.to_owned();
    assert_eq!(
        logins(&sample),
        [
            (text("o.de"), text("admin"), Some(text("pass:with:colons"))),
            (text("docker.io"), text("user"), None),
            (text("r.de"), text("u"), Some(text("p"))),
        ]
    );
    assert_eq!(sample.needs(), ["o.de: plain http"]);
}

#[test]
fn keys_have_no_case_and_null_is_nothing() {
    let sample = shim("ADDRESS: https://o.de\nAuth: null\nRegistries:\n- Address: r.de\n  PRIORITY: 2000\n");
    sample.check(&[("quay.io/a:1", "r.de/a:1, o.de/a:1, origin")]);
    assert!(logins(&sample).is_empty());
}

const CONFIG_MAP: &str = "# kept in the cluster\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: image-cri-shim\n\
    data:\n  other: é\n  registries.yaml: |\n    version: v1\n    sealos:\n      address: http://hub.de:5000\n      auth:\n\
    \u{20}       username: admin\n        password: \"pass:w0rd\"\n    registries:\n    - address: r.de\n\n      priority: 1001\n\
    immutable: true\n";

#[test]
fn the_config_map_says_the_same_in_another_shape() {
    let sample = shim(CONFIG_MAP);
    sample.check(&[("quay.io/a:1", "r.de/a:1, hub.de:5000/a:1, origin")]);
    assert_eq!(
        logins(&sample),
        [("hub.de:5000".to_owned(), "admin".to_owned(), Some("pass:w0rd".to_owned()))]
    );
    let drafted = &sample.imported.rules[0];
    let needs = drafted.own.iter().flat_map(|own| &own.needs);
    let lines: Vec<u32> = needs.map(|need| need.value.source.line).collect();
    assert_eq!((lines, drafted.rule.source.line), (vec![11], 16));
    let inner = "sealos:\n  address: http://hub.de:5000\nregistries: []\n";
    shim(inner).check(&[("quay.io/a:1", "hub.de:5000/a:1, origin")]);
}
