//! Tags that are held to digests.

use std::sync::Arc;

use super::super::super::fixture::{outcome, policy};
use super::super::super::{Asked, Decision, Held, LockList, Name, Policy, Unlisted, tag_beside_digest};

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

/// `nginx:1` is `a`, with `b` for a platform.
fn list() -> Arc<LockList> {
    let mut list = LockList::of("images.lock");
    assert!(!list.add(&"nginx:1".parse().unwrap(), &digest("a"), [digest("b")].into_iter()));
    assert!(!list.add(&"quay.io/x/y:1".parse().unwrap(), &digest("d"), [].into_iter()));
    Arc::new(list)
}

/// The policy of these lines with this lock: of the policy itself, or of the rules in these lines.
fn locked(lines: &[&str], rules: &[usize], unlisted: Option<Unlisted>) -> Policy {
    let plain = policy(lines).unwrap();
    let held = Held { list: Some(list()), unlisted };
    let (mut all, mut settings) = (plain.rules().to_vec(), plain.settings().clone());
    match rules {
        [] => settings.lock = held,
        rules => rules.iter().for_each(|line| all[line - 1].lock = held.clone()),
    }
    Policy::new(all, settings).unwrap()
}

#[track_caller]
fn check(policy: &Policy, rows: &[(&str, &str)]) {
    let letters = |text: String| {
        ["a", "b", "c", "d"]
            .iter()
            .fold(text, |text, letter| text.replace(&digest(letter), &letter.to_uppercase()))
    };
    for (asked, expected) in rows {
        let image = ["A", "B", "C", "D"].iter().fold((*asked).to_owned(), |text, letter| {
            text.replace(&format!("@{letter}"), &format!("@{}", digest(&letter.to_lowercase())))
        });
        let (image, namespace) = match image.split_once('%') {
            Some((image, namespace)) => (image.to_owned(), Some(namespace.to_owned())),
            None => (image, None),
        };
        let name: Name = image.parse().expect(asked);
        let tag = tag_beside_digest(&image);
        let question = Asked::of(&name).with_tag(tag.as_deref()).in_namespace(namespace.as_deref());
        let decision = policy.decide(&question);
        let pin = decision.locked().map(|pin| format!(" [{pin}]")).unwrap_or_default();
        assert_eq!(letters(outcome(&decision) + &pin), *expected, "for {asked}");
    }
}

const BY: &str = "[locked to A by images.lock]";

#[test]
fn a_listed_tag_is_its_digest_everywhere() {
    let rules = ["docker.io -> m.dev/hub n.dev?tags o.dev?digests origin", "quay.io pass", "gcr.io deny no"];
    let all = format!(
        "docker.io -> m.dev/hub/library/nginx@A, n.dev/library/nginx@A, o.dev/library/nginx@A, origin \
         docker.io/library/nginx@A {BY}"
    );
    let open =
        "docker.io -> m.dev/hub/library/nginx:2, n.dev/library/nginx:2, origin docker.io/library/nginx:2";
    let pinned = |digest: &str| {
        format!(
            "docker.io -> m.dev/hub/library/nginx@{digest}, o.dev/library/nginx@{digest}, origin \
             docker.io/library/nginx@{digest}"
        )
    };
    let other = "deny docker.io: docker.io/library/nginx:1 is locked to A by images.lock, and another digest is asked for";
    let policy = locked(&rules, &[], None);
    check(
        &policy,
        &[
            ("nginx:1", &all),
            // Every spelling of the registry is the same tag.
            (
                "registry-1.docker.io/library/nginx:1",
                &all.replace("origin docker.io", "origin registry-1.docker.io"),
            ),
            ("nginx:2", open),
            // What passes would get what the tag is now.
            ("quay.io/x/y:1", "quay.io -> origin quay.io/x/y@D [locked to D by images.lock]"),
            ("quay.io/x/y:2", "pass quay.io"),
            ("gcr.io/x:1", "deny gcr.io: no"),
            // A digest by itself cannot move. Beside the tag it must be one of the tag's.
            ("nginx@C", &pinned("C")),
            ("nginx:1@A", &pinned("A")),
            ("nginx:1@B", &pinned("B")),
            ("nginx:1@C", other),
            ("nginx:2@C", &pinned("C")),
        ],
    );
    assert!(policy.has_deny() && !policy.passes_all());
    let open = policy.without_locks().unwrap();
    assert!(
        open.locks().is_empty() && open.decide(&Asked::of(&"nginx:1".parse().unwrap())).locked().is_none()
    );
}

#[test]
fn what_is_not_listed_can_be_denied() {
    let policy = locked(&["docker.io -> m.dev"], &[1], Some(Unlisted::Deny));
    check(
        &policy,
        &[
            ("nginx:1", &format!("docker.io -> m.dev/library/nginx@A {BY}")),
            (
                "nginx:2",
                "deny docker.io: the lock images.lock does not list it; to add it: cri-shunt lock --update -o images.lock \
                 docker.io/library/nginx:2",
            ),
            // A digest of a listed tag is listed.
            ("nginx@A", "docker.io -> m.dev/library/nginx@A"),
            ("nginx@B", "docker.io -> m.dev/library/nginx@B"),
            (
                "nginx@C",
                "deny docker.io: no tag of docker.io/library/nginx has this digest in the lock images.lock; lock one that \
                 has it: cri-shunt lock --update -o images.lock docker.io/library/nginx:TAG",
            ),
            // Else the mirror's own name would be a way around.
            (
                "m.dev/library/nginx:1",
                "deny docker.io: the lock images.lock does not list it; to add it: cri-shunt lock --update -o images.lock \
                 m.dev/library/nginx:1",
            ),
            ("quay.io/x/z:1", "pass default"),
        ],
    );
}

#[test]
fn a_rule_has_its_own_lock_and_an_observed_one_holds_nothing() {
    let rules = ["docker.io~observe -> m.dev", "quay.io -> m.dev/q", "docker.io%team -> t.dev"];
    let policy = locked(&rules, &[1], Some(Unlisted::Deny));
    check(
        &policy,
        &[
            ("nginx:1", &format!("docker.io -> m.dev/library/nginx@A {BY}")),
            ("nginx:1%team", "docker.io -> t.dev/library/nginx:1"),
            ("quay.io/x/y:1", "quay.io -> m.dev/q/x/y:1"),
        ],
    );
    check(policy.acting(), &[("nginx:1", "pass default"), ("nginx:2", "pass default")]);
    let of_policy = locked(&["mode observe", "quay.io~enforce -> m.dev"], &[], Some(Unlisted::Deny));
    check(of_policy.acting(), &[("quay.io/x/y:1", "quay.io -> m.dev/x/y:1"), ("nginx:1", "pass default")]);
    let nginx: Name = "nginx:1".parse().unwrap();
    assert!(policy.locks_for_everybody(&nginx).is_none(), "not in the namespace team");
    let lists = policy.locks();
    assert!(policy.uses(lists[0], &nginx) && !policy.uses(lists[0], &"quay.io/x/y:1".parse().unwrap()));
}

#[test]
fn a_rule_of_a_source_does_not_loosen_the_lock_of_a_native_one() {
    let rules = ["docker.io pass", "@0 docker.io/library -> s.dev/hub", "@0 quay.io/x -> s.dev"];
    let policy = locked(&rules, &[1], Some(Unlisted::Deny));
    check(
        &policy,
        &[
            ("nginx:1", &format!("docker.io/library -> s.dev/hub/library/nginx@A {BY}")),
            (
                "nginx:2",
                "deny docker.io/library: the lock images.lock does not list it; to add it: cri-shunt lock --update -o \
                 images.lock docker.io/library/nginx:2",
            ),
            ("quay.io/x/y:1", "quay.io/x -> s.dev/x/y:1"),
        ],
    );
    let (list, nginx): (_, Name) = (policy.locks()[0], "nginx:1".parse().unwrap());
    assert!(policy.uses(list, &nginx) && !policy.uses(list, &"quay.io/x/y:1".parse().unwrap()));
}

#[test]
fn the_hash_knows_the_digests_and_not_the_file() {
    let with = |file: &str, tag: &str| {
        let mut list = LockList::of(file);
        list.add(&"nginx:1".parse().unwrap(), &digest(tag), [].into_iter());
        let plain = policy(&["docker.io -> m.dev"]).unwrap();
        let lock = Held { list: Some(Arc::new(list)), unlisted: None };
        let settings = super::super::Settings { lock, ..plain.settings().clone() };
        Policy::new(plain.rules().to_vec(), settings).unwrap().hash().to_owned()
    };
    assert_eq!(with("a.lock", "a"), with("b.lock", "a"));
    assert_ne!(with("a.lock", "a"), with("a.lock", "b"));
    assert_ne!(with("a.lock", "a"), policy(&["docker.io -> m.dev"]).unwrap().hash());
    assert!(matches!(
        locked(&["docker.io -> m.dev"], &[], None).decide_unlocked(&Asked::of(&"nginx:1".parse().unwrap())),
        Decision::Route { locked: None, .. }
    ));
}
