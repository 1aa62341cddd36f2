//! What is wrong with rules, alone and beside each other.

use insta::assert_snapshot;

use super::{refused, refused_text};

fn rule(lines: &str) -> String {
    format!("[[policy.rule]]\n{lines}\n")
}

#[test]
fn a_rule_does_one_thing() {
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'")), @"");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\nmirrors = ['m.dev']\ndeny = 'no'\npass = true")), @"");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\npass = false")), @"");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\ndeny = true")), @"");
}

#[test]
fn a_rule_has_a_prefix() {
    assert_snapshot!(refused_text(&rule("mirors = ['m.dev']")), @"");
}

#[test]
fn bad_prefixes() {
    let text: String = ["nginx", "https://quay.io", "quay.io/", "", "quay.io/Up"]
        .iter()
        .map(|prefix| rule(&format!("prefix = '{prefix}'\ndeny = 'no'")))
        .collect();
    assert_snapshot!(refused_text(&text), @"");
}

#[test]
fn bad_mirrors() {
    assert_snapshot!(refused_text(&rule("prefix = 'quay.io'\nmirrors = []")), @"");
    let mirrors = "mirrors = ['https://m.dev', 'a.dev/{host}/{host}', 7, { only = 'digests' }, { location = 'b.dev', only = 'digest', x = 1 }]";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\n{mirrors}"))), @"");
    assert_snapshot!(refused_text("policy.default-registry = 'https://oci-mirror.dev.de'"), @"");
}

#[test]
fn options_of_routing_need_mirrors() {
    let options = "rewrite = []\norigin = 'last'\ncollapse = true\ncheckpoint = 'allow'\n";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\ndeny = 'no'\n{options}"))), @"");
}

#[test]
fn bad_rewrites() {
    let rewrite =
        "rewrite = [{ match = 'a(b', replace = 'x' }, { match = 'a' }, 'a', { replace = 'x', with = 1 }]";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\nmirrors = ['m.dev']\n{rewrite}"))), @"");
}

#[test]
fn one_prefix_in_two_files_names_both_places() {
    let files = [
        ("config.toml", "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['a.dev/{host}']\n"),
        ("conf.d/x.toml", "\n\n[[policy.rule]]\nprefix = 'Docker.io:443'\ndeny = 'no'\n"),
    ];
    assert_snapshot!(refused(&files), @"");
}

#[test]
fn one_prefix_twice_on_one_line_has_two_carets() {
    let text = "policy.rule = [{ prefix = 'a.dev', pass = true }, { prefix = 'a.dev', deny = 'no' }]";
    assert_snapshot!(refused_text(text), @"");
}

#[test]
fn sources_that_fall_on_one_target() {
    let text = "[policy]\ndefault-registry = 'm.dev/all'\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/all']\n\
                [[policy.rule]]\nprefix = '*'\nmirrors = ['n.dev']\n";
    assert_snapshot!(refused_text(text), @"");
}
