//! Messages about mistakes in rules, alone and together.

use insta::assert_snapshot;

use super::{accepted_text, refused, refused_text};

fn rule(lines: &str) -> String {
    format!("[[policy.rule]]\n{lines}\n")
}

#[test]
fn a_rule_does_one_thing() {
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'")), @r"
    error: a rule needs one of `mirrors`, `deny` and `pass`
     --> config.toml:1:1
      |
    1 | [[policy.rule]]
      | ^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\nmirrors = ['m.dev']\ndeny = 'no'\npass = true")), @r"
    error: a rule has one of `mirrors`, `deny` and `pass`, not two
     --> config.toml:4:8
      |
    3 | mirrors = ['m.dev']
      |           --------- the other one
    4 | deny = 'no'
      |        ^^^^

    error: a rule has one of `mirrors`, `deny` and `pass`, not two
     --> config.toml:5:8
      |
    3 | mirrors = ['m.dev']
      |           --------- the other one
    4 | deny = 'no'
    5 | pass = true
      |        ^^^^
    ");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\npass = false")), @"
    error: `pass` can only be true
     --> config.toml:3:8
      |
    3 | pass = false
      |        ^^^^^
      |
      = help: remove it and write `mirrors` or `deny`
    ");
    assert_snapshot!(refused_text(&rule("prefix = 'docker.io'\ndeny = true")), @r#"
    error: `policy.rule.deny` must be a string, not a boolean
     --> config.toml:3:8
      |
    3 | deny = true
      |        ^^^^
      |
      = help: say why: deny = "not from this registry"
    "#);
}

#[test]
fn a_rule_has_a_prefix() {
    assert_snapshot!(refused_text(&rule("mirors = ['m.dev']")), @r"
    error: unknown key `mirors` in `policy.rule`
     --> config.toml:2:1
      |
    2 | mirors = ['m.dev']
      | ^^^^^^
      |
      = help: did you mean `mirrors`?
    ");
}

#[test]
fn bad_prefixes() {
    let text: String = ["nginx", "https://quay.io", "quay.io/", "", "quay.io/Up"]
        .iter()
        .map(|prefix| rule(&format!("prefix = '{prefix}'\ndeny = 'no'")))
        .collect();
    assert_snapshot!(refused_text(&text), @r#"
    error: `policy.rule.prefix`: prefix "nginx" does not begin with a host
     --> config.toml:2:10
      |
    2 | prefix = 'nginx'
      |          ^^^^^^^
      |
      = help: begin with a host: docker.io/library/nginx

    error: `policy.rule.prefix`: prefix "https://quay.io" begins with a scheme
     --> config.toml:5:10
      |
    5 | prefix = 'https://quay.io'
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: quay.io

    error: `policy.rule.prefix`: prefix "quay.io/" ends with a slash
     --> config.toml:8:10
      |
    8 | prefix = 'quay.io/'
      |          ^^^^^^^^^^
      |
      = help: prefixes match whole components, so leave the slash out: quay.io

    error: `policy.rule.prefix`: a prefix can't be empty
      --> config.toml:11:10
       |
    11 | prefix = ''
       |          ^^
       |
       = help: write "*" for everything

    error: `policy.rule.prefix`: prefix "quay.io/Up" has upper case in its path
      --> config.toml:14:10
       |
    14 | prefix = 'quay.io/Up'
       |          ^^^^^^^^^^^^
       |
       = help: repositories are lower case: quay.io/up
    "#);
}

#[test]
fn bad_mirrors() {
    assert_snapshot!(refused_text(&rule("prefix = 'quay.io'\nmirrors = []")), @r#"
    error: the rule has no mirror
     --> config.toml:3:11
      |
    3 | mirrors = []
      |           ^^
      |
      = help: name at least one registry; to refuse the images write deny = "reason"
    "#);
    let mirrors = "mirrors = ['https://m.dev', 'a.dev/{host}/{host}', 7, { only = 'digests' }, { location = 'b.dev', only = 'digest', x = 1 }]";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\n{mirrors}"))), @r#"
    error: `policy.rule.mirrors`: mirror "a.dev/{host}/{host}" has a placeholder that is not understood
    --> config.toml:3:29
     = note: line not shown: it may hold a secret
     = help: {host} may stand once in the path, and nothing else in braces

    error: `policy.rule.mirrors` must be a registry or a table with `location`, not a number
    --> config.toml:3:52
     = note: line not shown: it may hold a secret

    error: `policy.rule.mirrors` needs the key `location`
    --> config.toml:3:55
     = note: line not shown: it may hold a secret
     = help: name the registry, with a path if it needs one

    error: `policy.rule.mirrors.only`: "digest" is not one of "digests", "tags"
    --> config.toml:3:106
     = note: line not shown: it may hold a secret
     = help: did you mean "digests"?

    error: unknown key `x` in `policy.rule.mirrors`
    --> config.toml:3:116
     = note: line not shown: it may hold a secret
     = help: known here: location, only, strip-prefix, ns, warm-by-tag, plain-http, http-fallback, ca, client-cert, client-key, skip-verify, headers, api-root, dial-timeout
    "#);
    assert_snapshot!(refused_text("policy.default-registry = 'https://oci-mirror.dev.de'"), @r#"
    error: `policy.default-registry`: mirror "https://oci-mirror.dev.de" begins with a scheme
     --> config.toml:1:27
      |
    1 | policy.default-registry = 'https://oci-mirror.dev.de'
      |                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: oci-mirror.dev.de (for http write `plain-http = true` in `[[transport]]`)
    "#);
}

#[test]
fn options_of_routing_need_mirrors() {
    let options = "order = 'fastest'\nrewrite = []\norigin = 'last'\ncollapse = true\ncheckpoint = 'allow'\n";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\ndeny = 'no'\n{options}"))), @r"
    error: `order` has no meaning without `mirrors`
     --> config.toml:4:9
      |
    4 | order = 'fastest'
      |         ^^^^^^^^^

    error: `rewrite` has no meaning without `mirrors`
     --> config.toml:5:11
      |
    5 | rewrite = []
      |           ^^

    error: `origin` has no meaning without `mirrors`
     --> config.toml:6:10
      |
    6 | origin = 'last'
      |          ^^^^^^

    error: `collapse` has no meaning without `mirrors`
     --> config.toml:7:12
      |
    7 | collapse = true
      |            ^^^^

    error: `checkpoint` has no meaning in a rule that denies
     --> config.toml:8:14
      |
    8 | checkpoint = 'allow'
      |              ^^^^^^^
    ");
}

#[test]
fn bad_rewrites() {
    let rewrite =
        "rewrite = [{ match = 'a(b', replace = 'x' }, { match = 'a' }, 'a', { replace = 'x', with = 1 }]";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\nmirrors = ['m.dev']\n{rewrite}"))), @r"
    error: `policy.rule.rewrite.match`: bad regular expression: unclosed group
    --> config.toml:4:22
     = note: line not shown: it may hold a secret

    error: `policy.rule.rewrite` needs the key `replace`
    --> config.toml:4:46
     = note: line not shown: it may hold a secret
     = help: what to put in its place; $1 is the first group

    error: `policy.rule.rewrite` must be a table, not a string
    --> config.toml:4:63
     = note: line not shown: it may hold a secret

    error: `policy.rule.rewrite` needs the key `match`
    --> config.toml:4:68
     = note: line not shown: it may hold a secret
     = help: a regular expression, tried on the repository without its host

    error: unknown key `with` in `policy.rule.rewrite`
    --> config.toml:4:85
     = note: line not shown: it may hold a secret
     = help: known here: match, replace
    ");
}

#[test]
fn one_prefix_in_two_files_names_both_places() {
    let files = [
        ("config.toml", "[[policy.rule]]\nprefix = 'docker.io'\nmirrors = ['a.dev/{host}']\n"),
        ("conf.d/x.toml", "\n\n[[policy.rule]]\nprefix = 'Docker.io:443'\ndeny = 'no'\n"),
    ];
    assert_snapshot!(refused(&files), @r#"
    error: prefix "docker.io" has 2 rules
     --> conf.d/x.toml:4:10
      |
    4 | prefix = 'Docker.io:443'
      |          ^^^^^^^^^^^^^^^
      |
     ::: config.toml:2:10
      |
    2 | prefix = 'docker.io'
      |          ----------- and here
      |
      = help: keep one of them
    "#);
}

#[test]
fn one_prefix_twice_on_one_line_has_two_carets() {
    let text = "policy.rule = [{ prefix = 'a.dev', pass = true }, { prefix = 'a.dev', deny = 'no' }]";
    assert_snapshot!(refused_text(text), @r#"
    error: prefix "a.dev" has 2 rules
     --> config.toml:1:62
      |
    1 | policy.rule = [{ prefix = 'a.dev', pass = true }, { prefix = 'a.dev', deny = 'no' }]
      |                           ------- and here                   ^^^^^^^
      |
      = help: keep one of them
    "#);
}

#[test]
fn sources_that_fall_on_one_target() {
    let two = "[policy]\ndefault-registry = 'm.dev/all'\n[[policy.rule]]\nprefix = 'quay.io'\nmirrors = ['m.dev/all']\n";
    assert_snapshot!(refused_text(two), @r"
    error: images of quay.io and docker.io would come from one place, m.dev/all
     --> config.toml:2:20
      |
    2 | default-registry = 'm.dev/all'
      |                    ^^^^^^^^^^^
    3 | [[policy.rule]]
    4 | prefix = 'quay.io'
      |          --------- and here
      |
      = help: write m.dev/all/{host} to keep them apart, or collapse = true where it is meant
    ");
    let wildcard = "[[policy.rule]]\nprefix = '*'\nmirrors = ['n.dev']\n";
    assert_snapshot!(refused_text(wildcard), @r#"
    error: images of every registry under "*" would come from one place, n.dev
     --> config.toml:2:10
      |
    2 | prefix = '*'
      |          ^^^
      |
      = help: write n.dev/{host} to keep them apart, or collapse = true where it is meant
    "#);
}

#[test]
fn layers_from_other_hosts_are_allowed_by_the_rule_alone() {
    let config = accepted_text(
        "[[policy.rule]]\nprefix = 'a.io'\nmirrors = ['m.dev']\nforeign-urls = true\n\
         [[policy.rule]]\nprefix = 'b.io'\npass = true\n",
    );
    let allowed: Vec<bool> = config.policy.rules().iter().map(|rule| rule.foreign_urls).collect();
    assert_eq!(allowed, [true, false]);
    assert_snapshot!(refused_text(&rule("prefix = 'a.io'\ndeny = 'no'\nforeign-urls = true")), @"
    error: `foreign-urls` has no meaning in a rule that denies
     --> config.toml:4:16
      |
    4 | foreign-urls = true
      |                ^^^^
    ");
}

#[test]
fn a_mirror_with_ns_is_asked_for_the_repository_as_it_is() {
    let mirror = |keys: &str| {
        rule(&format!("prefix = 'quay.io'\nmirrors = [{{ location = 'm.dev/{{host}}', {keys} }}]"))
    };
    assert_snapshot!(refused_text(&mirror("ns = true, strip-prefix = true")), @"
    error: `ns` and {host} both tell the mirror the registry
     --> config.toml:3:46
      |
    3 | mirrors = [{ location = 'm.dev/{host}', ns = true, strip-prefix = true }]
      |                         --------------       ^^^^
      |                         |
      |                         the mirror
      |
      = help: keep one of them

    error: `ns` has no meaning with `strip-prefix`: the mirror is asked for the whole repository
     --> config.toml:3:46
      |
    3 | mirrors = [{ location = 'm.dev/{host}', ns = true, strip-prefix = true }]
      |                                              ^^^^                 ---- here
      |
      = help: remove one of them
    ");
    let rewrite = "prefix = 'quay.io'\nmirrors = [{ location = 'm.dev', ns = true }]\nrewrite = [{ match = 'a', replace = 'b' }]";
    assert_snapshot!(refused_text(&rule(rewrite)), @"
    error: `rewrite` has no meaning for a mirror with `ns`, which is asked for the repository as it is
     --> config.toml:4:11
      |
    3 | mirrors = [{ location = 'm.dev', ns = true }]
      |            --------------------------------- the mirror
    4 | rewrite = [{ match = 'a', replace = 'b' }]
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn a_mirror_for_tags_alone_needs_no_warming() {
    let mirror = "{ location = 'm.dev', only = 'tags', warm-by-tag = true }";
    assert_snapshot!(refused_text(&rule(&format!("prefix = 'quay.io'\nmirrors = [{mirror}]"))), @"
    error: `warm-by-tag` has no meaning for a mirror that is asked for tags only
     --> config.toml:3:63
      |
    3 | mirrors = [{ location = 'm.dev', only = 'tags', warm-by-tag = true }]
      |                                         ------ here           ^^^^
      |
      = help: remove one of them
    ");
}
