//! The merge, checked by the rows of upstream's tests: `mergedMirrorsetsTestcases` of openshift/runtime-utils
//! `pkg/registries/registries_test.go`, and `TestValidateRegistriesConfScopes` of the Machine Config Operator.
//!
//! A row has the sets of each object, a name for each source, and the places that are asked for it.

use super::super::fixture::Sample;
use crate::config::Format;
use crate::config::diagnostic::Problem;

/// Source and mirrors, and the policy if there is one.
type Set = (&'static str, &'static [&'static str], &'static str);

/// A name and its candidates.
type Expected = (&'static str, &'static str);

const DIGEST: &str = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Row {
    name: &'static str,
    objects: &'static [&'static [Set]],
    expected: &'static [Expected],
}

const ROWS: [Row; 7] = [
    Row {
        name: "Irrelevant singletons",
        objects: &[&[("a.example.com", &[], ""), ("b.example.com", &[], "NeverContactSource")]],
        expected: &[("a.example.com", "pass"), ("b.example.com", "pass")],
    },
    Row {
        name: "Separate mirror sets",
        objects: &[
            &[("source.example.net", &["z1.example.net", "y2.example.net", "x3.example.net"], "")],
            &[("source.example.com", &["z1.example.com", "y2.example.com", "x3.example.com"], "")],
        ],
        expected: &[
            ("source.example.com", "z1.example.com y2.example.com x3.example.com origin"),
            ("source.example.net", "z1.example.net y2.example.net x3.example.net origin"),
        ],
    },
    Row {
        name: "Separate mirror sets with mirrorSourcePolicy set",
        objects: &[
            &[("source.example.net", &["z1.example.net", "y2.example.net"], "NeverContactSource")],
            &[("source.example.com", &["z1.example.com", "y2.example.com"], "AllowContactingSource")],
        ],
        expected: &[
            ("source.example.com", "z1.example.com y2.example.com origin"),
            ("source.example.net", "z1.example.net y2.example.net"),
        ],
    },
    Row {
        name: "Sets with a shared element - strict order",
        objects: &[
            &[
                ("source.example.net", &["z1.example.net", "y2.example.net"], ""),
                ("source.example.com", &["z1.example.com", "y2.example.com"], ""),
            ],
            &[
                ("source.example.net", &["y2.example.net", "x3.example.net"], ""),
                ("source.example.com", &["y2.example.com", "x3.example.com"], ""),
            ],
        ],
        expected: &[
            ("source.example.com", "z1.example.com y2.example.com x3.example.com origin"),
            ("source.example.net", "z1.example.net y2.example.net x3.example.net origin"),
        ],
    },
    Row {
        name: "Source included in mirrors",
        objects: &[&[
            ("source.example.com", &["z1.example.com", "source.example.com", "y2.example.com"], ""),
            ("source.example.com", &["source.example.com", "y2.example.com", "x3.example.com"], ""),
        ]],
        // The source is asked once only.
        expected: &[(
            "source.example.com",
            "z1.example.com source.example.com y2.example.com x3.example.com",
        )],
    },
    Row {
        name: "Mirrors includes only source",
        objects: &[&[
            ("source.example.com", &["source.example.com"], ""),
            ("source.example.net", &["source.example.net", "source.example.net"], ""),
        ]],
        expected: &[("source.example.com", "pass"), ("source.example.net", "pass")],
    },
    Row {
        name: "Example",
        objects: &[
            &[("source.vendor.com", &["registry2.vendor.com"], "")],
            &[("source.vendor2.com", &["registry1.vendor2.com", "registry2.vendor2.com"], "")],
            &[
                ("source.vendor.com", &["local-mirror.example.com"], ""),
                (
                    "source.vendor2.com",
                    &["local-mirror2.example.com", "registry2.vendor2.com", "registry1.vendor2.com"],
                    "",
                ),
            ],
        ],
        expected: &[
            ("source.vendor.com", "local-mirror.example.com registry2.vendor.com origin"),
            (
                "source.vendor2.com",
                "local-mirror2.example.com registry1.vendor2.com registry2.vendor2.com origin",
            ),
        ],
    },
];

/// The objects of one kind, a document each.
fn text(kind: &str, list: &str, objects: &[&[Set]]) -> String {
    let set = |(source, mirrors, policy): &Set| serde_json::json!({ "source": source, "mirrors": mirrors, "mirrorSourcePolicy": policy });
    let object = |sets: &&[Set]| {
        let sets: Vec<_> = sets.iter().map(set).collect();
        format!(
            "{}\n",
            serde_json::json!({ "kind": kind, "metadata": {"name": "x"}, "spec": { list: sets } })
        )
    };
    objects.iter().map(object).collect::<Vec<_>>().join("---\n")
}

fn file(content: &str) -> Sample {
    Sample::of(Format::OpenShift, "sets.yaml", &[("sets.yaml", content)])
}

#[test]
fn every_row_holds_for_each_kind() {
    let kinds = [
        ("ImageDigestMirrorSet", "imageDigestMirrors", DIGEST, ":1"),
        ("ImageTagMirrorSet", "imageTagMirrors", ":1", DIGEST),
        ("ImageContentSourcePolicy", "repositoryDigestMirrors", DIGEST, ":1"),
    ];
    for (kind, list, suffix, other) in kinds {
        for Row { name, objects, expected } in &ROWS {
            let sample = file(&text(kind, list, objects));
            for (source, expected) in *expected {
                let image = format!("{source}/ns/a{suffix}");
                let shown = sample.decide(&image).replace(&format!("/ns/a{suffix}"), "").replace(',', "");
                assert_eq!(shown, *expected, "{kind}, {name}: {image}");
                // Names of the other kind have no mirror.
                let of_source = objects
                    .iter()
                    .copied()
                    .flatten()
                    .filter(|(of, mirrors, _)| of == source && !mirrors.is_empty());
                let never = of_source.clone().any(|(_, _, policy)| *policy == "NeverContactSource");
                let unmirrored = sample.decide(&format!("{source}/ns/a{other}"));
                let is_asked =
                    unmirrored == "pass" || unmirrored.ends_with("origin") && !unmirrored.contains(',');
                let is_itself = unmirrored == format!("{source}/ns/a{other}");
                assert_eq!(never, !is_asked && !is_itself, "{kind}, {name}: {unmirrored}");
            }
        }
    }
}

#[test]
fn what_the_operator_refuses() {
    let conflict: &[&[Set]] = &[
        &[("registry-a.com/ns-a", &["mirror-a-1.com/ns-a"], "NeverContactSource")],
        &[("registry-a.com/ns-a", &["mirror-a-2.com/ns-a"], "AllowContactingSource")],
    ];
    let itself: &[&[Set]] =
        &[&[("registry-a.com/ns-a", &["registry-a.com/ns-a", "mirror-a-1.com/ns-a"], "NeverContactSource")]];
    for objects in [conflict, itself] {
        let sample = file(&text("ImageDigestMirrorSet", "imageDigestMirrors", objects));
        assert!(sample.problems.iter().any(Problem::is_error), "{objects:?}");
    }
}
