//! Files as oc-mirror and `oc get` write them, and the messages about others.

use super::super::fixture::Sample;
use crate::config::Format;

fn file(content: &str) -> Sample {
    Sample::of(Format::OpenShift, "sets.yaml", &[("sets.yaml", content)])
}

#[test]
fn several_objects_of_a_file_are_one_policy() {
    let digest = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let sample = file(
        "---\napiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata:\n  name: idms-release-0\nspec:\n  \
         imageDigestMirrors:\n  - mirrors:\n    - mirror.corp:8443/openshift/release\n    \
         source: quay.io/openshift-release-dev/ocp-v4.0-art-dev\n    mirrorSourcePolicy: NeverContactSource\nstatus: {}\n\
         ---\napiVersion: config.openshift.io/v1\nkind: ImageTagMirrorSet\nmetadata:\n  name: itms-0\nspec:\n  \
         imageTagMirrors:\n  - mirrors: [mirror.corp:8443/ubi9]\n    source: registry.redhat.io/ubi9\n  \
         - mirrors: [mirror.corp:8443/any]\n    source: '*.redhat.io'\nstatus: {}\n",
    );
    sample.check(&[
        (
            &format!("quay.io/openshift-release-dev/ocp-v4.0-art-dev{digest}"),
            &format!("mirror.corp:8443/openshift/release{digest}"),
        ),
        ("registry.redhat.io/ubi9/ubi:1", "mirror.corp:8443/ubi9/ubi:1, origin"),
        ("x.redhat.io/a:1", "mirror.corp:8443/any/a:1, origin"),
        ("quay.io/other:1", "pass"),
    ]);
    assert!(sample.decide("quay.io/openshift-release-dev/ocp-v4.0-art-dev:1").starts_with("deny"));
}

#[test]
fn a_list_of_objects_is_read() {
    let sample = file(
        "apiVersion: v1\nkind: List\nitems:\n- kind: ImageContentSourcePolicy\n  spec:\n    repositoryDigestMirrors:\n    \
         - source: quay.io/a\n      mirrors: [m.dev/a]\n- kind: Namespace\n",
    );
    assert_eq!(sample.imported.rules.len(), 1);
    insta::assert_snapshot!(sample.shown(), @"
    note: an object of the kind `Namespace` says nothing of mirrors
     --> sets.yaml:9:9
      |
    9 | - kind: Namespace
      |         ^^^^^^^^^
    ");
}

#[test]
fn every_mistake_at_once() {
    let sample = file(
        "kind: ImageDigestMirrorSet\nspec:\n  imageTagMirrors: []\n  imageDigestMirrors:\n  - source: https://a.dev\n    \
         mirrors: [m.dev]\n  - mirrors: [m.dev]\n  - source: b.dev\n    mirrors: ['https://m.dev/x']\n    \
         mirrorSourcePolicy: Never\n  - source: c.dev\n    mirrors: [m.dev]\n    mirrorSourcePolicy: NeverContactSource\n\
         ---\nkind: ImageTagMirrorSet\nspec:\n  imageTagMirrors:\n  - source: c.dev\n    mirrors: [n.dev]\n",
    );
    insta::assert_snapshot!(sample.shown(), @r#"
    warning: unknown key `imageTagMirrors` in `spec`: OpenShift ignores it, and so does cri-shunt
     --> sets.yaml:3:3
      |
    3 |   imageTagMirrors: []
      |   ^^^^^^^^^^^^^^^
      |
      = help: did you mean `imageDigestMirrors`?

    error: `spec.imageDigestMirrors.source`: "https://a.dev" begins with a scheme
     --> sets.yaml:5:13
      |
    5 |   - source: https://a.dev
      |             ^^^^^^^^^^^^^
      |
      = help: leave the scheme out: a.dev

    error: a set of mirrors needs a `source`
     --> sets.yaml:7:5
      |
    7 |   - mirrors: [m.dev]
      |     ^
      |
      = help: write the registry, or a repository in it, whose images have these mirrors

    error: `spec.imageDigestMirrors.mirrors`: "https://m.dev/x" begins with a scheme
     --> sets.yaml:9:15
      |
    9 |     mirrors: ['https://m.dev/x']
      |               ^^^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: m.dev/x

    error: `spec.imageDigestMirrors.mirrorSourcePolicy`: "Never" is not one of "AllowContactingSource", "NeverContactSource"
      --> sets.yaml:10:25
       |
    10 |     mirrorSourcePolicy: Never
       |                         ^^^^^

    error: two sets for `c.dev` differ in `mirrorSourcePolicy`
      --> sets.yaml:18:13
       |
    13 |     mirrorSourcePolicy: NeverContactSource
       |                         ------------------ the other one
    ...
    18 |   - source: c.dev
       |             ^^^^^
       |
       = help: without the key it is AllowContactingSource; write the same in both
    "#);
    insta::assert_snapshot!(file("kind: Namespace\n").shown(), @"
    error: sets.yaml has none of the kinds ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy
     |
     = help: write such an object, with `kind` and `spec`

    note: an object of the kind `Namespace` says nothing of mirrors
     --> sets.yaml:1:7
      |
    1 | kind: Namespace
      |       ^^^^^^^^^
    ");
    insta::assert_snapshot!(file("# nothing\n").shown(), @"
    error: sets.yaml has none of the kinds ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy
     |
     = help: write such an object, with `kind` and `spec`
    ");
}

#[test]
fn an_empty_source_is_one_mistake() {
    let sample = file(
        "kind: ImageDigestMirrorSet\nspec:\n  imageDigestMirrors:\n  - source: ''\n    mirrors: [m.dev]\n",
    );
    let shown = sample.shown();
    assert_eq!(shown.matches("error: ").count(), 1, "{shown}");
    assert!(shown.contains("a set of mirrors needs a `source`"), "{shown}");
}

#[test]
fn a_key_that_is_not_known_names_each_known_one_once() {
    let sample = file(
        "kind: ImageDigestMirrorSet\nspec:\n  imageDigestMirrors:\n  - source: quay.io\n    mirrors: [m.dev]\n    \
         imagePullPolicy: Always\n",
    );
    let shown = sample.shown();
    assert!(shown.ends_with("help: known here: source, mirrorSourcePolicy, mirrors"), "{shown}");
}

#[test]
fn a_template_that_nothing_has_filled_in_is_said_to_be_one() {
    let sample = file("{{ if x }}\nkind: ImageDigestMirrorSet\n{{ end }}\n");
    insta::assert_snapshot!(sample.shown(), @"
    error: a key must be a word, not a list or a mapping
    --> sets.yaml:1:2
     = note: line not shown: it may hold a secret
     = help: if this is a variable of a template, nothing has filled it in: write its value

    error: this is not YAML: did not find expected <document start>
    --> sets.yaml:2:1
     = note: line not shown: it may hold a secret
    ");
}
