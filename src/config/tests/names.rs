//! Warnings of rules by what they make of names.

use insta::assert_snapshot;

use super::{accepted_text, warned};
use crate::policy::{Asked, Decision};

fn rewriting(prefix: &str, pattern: &str, replacement: &str) -> String {
    format!(
        "[[policy.rule]]\nprefix = '{prefix}'\nmirrors = ['m.dev/p']\nrewrite = [{{ match = '{pattern}', replace = '{replacement}' }}]\n"
    )
}

#[test]
fn rewrites_that_yield_no_name_are_found() {
    assert_snapshot!(warned(&rewriting("quay.io", "^(.*)", "Team/$1")), @r#"
    warning: `quay.io/library/nginx:1` would be `m.dev/p/Team/library/nginx:1` at a mirror, which cannot be: upper case in the repository
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: change the rewrite; `cri-shunt explain NAME` shows what it makes of a name
    "#);
    // A name is made that matches: no common one has this part.
    let said = warned(&rewriting("quay.io/a", "^a/(?:v[0-9]+|legacy)-(.*)$", "a/${1}_"));
    assert!(said.contains("_:1` at a mirror, which cannot be: "), "{said}");
    let long = "x".repeat(250);
    let said = warned(&rewriting("quay.io", "(.*)", &format!("{long}/$1")));
    assert!(said.contains("at most 255 are allowed"), "{said}");
    for (pattern, replacement) in [("^(.*)$", "/quay//$1"), ("^library/(.*)", "$1"), ("(?P<x>.*)", "y/${x}")]
    {
        assert_eq!(warned(&rewriting("quay.io", pattern, replacement)), "", "{replacement}");
    }
}

#[test]
fn groups_that_are_written_in_the_way_of_sed_are_found() {
    assert_snapshot!(warned(&rewriting("quay.io", "^(.*)$", r"x/\1")), @r#"
    warning: the rewrite to `x/\1` puts a backslash into the name, which no name can have
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: a group is `$1`: write `x/$1`
    "#);
    assert_snapshot!(warned(&rewriting("quay.io", "^(.*)$", "$1x/y")), @r#"
    warning: the rewrite to `$1x/y` names the group `1x`, which its pattern does not have
     --> config.toml:2:10
      |
    2 | prefix = 'quay.io'
      |          ^^^^^^^^^
      |
      = help: nothing is put in its place: write `${1}x/y`, so that the name of the group ends after its number
    "#);
    let said = warned(&rewriting("quay.io", "^(.*)$", "x/$2"));
    assert!(said.contains("names the group `2`"), "{said}");
}

#[test]
fn a_registry_with_a_port_has_no_place_in_a_path() {
    let rule = "[[policy.rule]]\nprefix = 'quay.dev:5000'\nmirrors = ['m.dev/{host}']\norigin = 'last'\n";
    let said = warned(rule);
    assert!(
        said.contains(
            "warning: `quay.dev:5000/library/nginx:1` would be `m.dev/quay.dev:5000/library/nginx:1`"
        ),
        "{said}"
    );
    assert!(said.contains("write the path of the mirror without {host}"), "{said}");
}

#[test]
fn a_mirrors_own_registry_is_left_alone_by_a_rule_for_many() {
    let all = "[[policy.rule]]\nprefix = '*'\nmirrors = ['harbor.corp/proxy/{host}']\n";
    assert_snapshot!(warned(all), @r#"
    note: images that are asked for at harbor.corp are left alone, although `*` is for them too: this rule has mirrors there
     --> config.toml:2:10
      |
    2 | prefix = '*'
      |          ^^^
      |
      = help: if they are to come from somewhere else, write a rule with prefix = "harbor.corp"
    "#);
    let config = accepted_text(all);
    let passes = |name: &str| {
        let name = name.parse().unwrap();
        matches!(config.policy.decide(&Asked::of(&name)), Decision::Pass { .. })
    };
    assert!(passes("harbor.corp/apps/web:1") && !passes("other.corp/apps/web:1"));
    let domain = "[[policy.rule]]\nprefix = '*.corp'\nmirrors = ['harbor.corp/{host}', 'm.dev/{host}']\n";
    let said = warned(domain);
    assert!(said.contains("at harbor.corp are left alone"), "{said}");
    // A rule for it says otherwise.
    let own = "[[policy.rule]]\nprefix = 'harbor.corp'\ndeny = 'no'\n";
    assert_eq!(warned(&format!("{all}{own}")), "");
}
