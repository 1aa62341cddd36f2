//! Tests of how long a pull looks for signatures, and when what was found before is forgotten.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_cri::v1::PullImageRequest;

use super::*;
use crate::policy::{Policy, Settings};
use crate::pull::fixture::Parts;
use crate::pull::record::Attempt;
use crate::signature::{Demand, Enough, SignaturesFrom};

/// A pull of an image that has to be signed.
fn parts(dir: &Path) -> (Parts, Arc<Signed>) {
    let demand = Demand {
        keys: Vec::new(),
        keyless: None,
        logs: Vec::new(),
        enough: Enough::Any,
        identity: Identity::Exact,
        without_name: false,
        annotations: Default::default(),
    };
    let signed = Signed { by: "prod".into(), demand, from: Vec::new(), when_away: WhenAway::Closed };
    let signed = Arc::new(signed);
    let policy = Arc::new(Policy::new(Vec::new(), Settings::default()).unwrap());
    let mut parts = Parts::new(dir, policy, "q.dev/a:1", &PullImageRequest::default());
    parts.must.push(Must::Signed(signed.clone()));
    (parts, signed)
}

#[tokio::test(start_paused = true)]
async fn what_a_pull_does_between_questions_takes_nothing_of_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let (parts, signed) = parts(dir.path());
    let (pull, mut record) = (parts.pull(), Record::new(&parts.request, "q.dev/a:1"));
    let candidate = Candidate::origin(pull.name);
    let mirror = pull.trial(&candidate, Arc::default(), false);
    let resolved = Resolved {
        digest: "sha256:1".to_owned(),
        media_type: String::new(),
        size: None,
        rest: None,
        endpoint: mirror.endpoint.clone(),
    };
    let asked = question(&candidate, &signed, &sealed(&signed, pull.name, &resolved.digest));
    // Another pull asks, and takes so long. After that this one goes on with other things.
    let mut verify = async |seconds: u64| {
        let mut other = parts.state.verifying.of(&asked).write_owned().await;
        let asks = async {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            *other = Some((Login::Anonymous, "it is not signed".to_owned()));
            drop(other);
        };
        let begin = Instant::now();
        let waits = async {
            let refused = pull.verify(&mut record, &mirror, &Login::Anonymous, &resolved).await;
            (refused.unwrap_err().text, begin.elapsed().as_secs())
        };
        let ((why, took), ()) = tokio::join!(waits, asks);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        (why, took)
    };
    let slow = "its signatures were not found out in time".to_owned();
    assert_eq!(verify(20).await, ("it is not signed".to_owned(), 20));
    assert_eq!(verify(30).await, ("it is not signed".to_owned(), 30));
    assert_eq!(verify(30).await, (slow.clone(), 10));
    assert_eq!(verify(30).await, (slow, 0));
}

#[tokio::test]
async fn what_was_found_is_forgotten_when_all_have_answered_and_none_has_it_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (parts, signed) = parts(dir.path());
    let pull = parts.pull();
    let known = sealed(&signed, pull.name, "sha256:1");
    let unsigned = || Failure::new(Class::Signature, "not signed").of_unsigned(known.clone());
    let failure = |class| Failure::new(class, "");
    let rows = [
        (vec![unsigned()], false),
        (vec![failure(Class::NotFound), unsigned(), unsigned()], false),
        (vec![unsigned(), failure(Class::Unreachable)], true),
        (vec![failure(Class::RateLimited), unsigned()], true),
        // Its signatures are not known.
        (vec![unsigned(), failure(Class::Signature)], true),
        (vec![failure(Class::NotFound)], true),
    ];
    for (failures, stays) in rows {
        let mut record = Record::new(&parts.request, "q.dev/a:1");
        record.attempts.extend(failures.iter().cloned().map(|failure| Attempt {
            candidate: Candidate::origin(pull.name),
            login: None,
            failure: Some(failure),
            took: Duration::ZERO,
        }));
        pull.state.seals.note(known.clone(), Seal::now(Vec::new(), "q.dev/a".to_owned()));
        pull.forget_unsigned(&record);
        assert_eq!(pull.state.seals.get(&known).is_some(), stays, "{failures:?}");
    }
}

#[tokio::test]
async fn an_answer_is_shared_only_with_who_looks_at_the_same_places() {
    let dir = tempfile::tempdir().unwrap();
    let (parts, signed) = parts(dir.path());
    let name = parts.pull().name.clone();
    let elsewhere = Signed { from: vec![SignaturesFrom::Origin], ..(*signed).clone() };
    let candidate = Candidate::origin(&name);
    let [one, other] =
        [&*signed, &elsewhere].map(|signed| question(&candidate, signed, &sealed(signed, &name, "sha256:1")));
    assert_ne!(one, other);
    assert_eq!(sealed(&signed, &name, "sha256:1"), sealed(&elsewhere, &name, "sha256:1"));
}
