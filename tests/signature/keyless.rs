//! Signatures by identities: a certificate, a log entry and a time that hold, and those that do not.

use cri_shunt::inside::signature::{Demand, Identities, TrustRoot, Words};

use crate::support::cosign::{Cosign, KeyPair, Kind};
use crate::support::sigstore::{NOW, Oddity, Services, Wish};
use crate::{Stored, demand};

const ISSUER: &str = "https://issuer.example";
const SUBJECT: &str = "https://git.example/team/a/build.yaml@refs/heads/main";

/// The two forms in which a signature is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Simple,
    Bundle,
}

fn exact(words: &str) -> Words {
    Words::Exact(words.to_owned())
}

fn by(services: &Services, issuer: Words, subject: Words) -> Demand {
    let root = TrustRoot::read(services.trusted_root().as_bytes()).unwrap();
    Demand { keyless: Some((root, vec![Identities { issuer, subject, mail: false }])), ..demand(&[]) }
}

/// An image that is signed so.
fn signed(services: &Services, repository: &str, form: Form, wish: &Wish<'_>) -> Option<Stored> {
    let image = Stored::new(&format!("{repository}-{form:?}").to_lowercase())?;
    let Stored { registry, repository, digest } = &image;
    match form {
        Form::Bundle => services.bundle(registry, repository, digest, wish),
        Form::Simple => {
            let name = format!("{}/{repository}", registry.host());
            services.simple(registry, (repository, &name), digest, wish);
        }
    }
    Some(image)
}

#[tokio::test]
async fn an_identity_is_accepted_as_its_issuer_and_its_subject() {
    let services = Services::new();
    for form in [Form::Simple, Form::Bundle] {
        for subject in [SUBJECT, "ann@mail.example"] {
            let repository = if subject == SUBJECT { "job" } else { "person" };
            let Some(image) = signed(&services, repository, form, &Wish::of(ISSUER, subject)) else { return };
            let expected = Ok(vec![format!("{subject} of {ISSUER}")]);
            assert_eq!(
                image.judged(&by(&services, exact(ISSUER), exact(subject))).await,
                expected,
                "{form:?}"
            );
            let pattern = |text: &str| Words::matching(text).unwrap();
            let matching =
                by(&services, pattern("https://.*"), pattern("https://git.example/team/.*|ann@.*"));
            assert_eq!(image.judged(&matching).await, expected);
            for (issuer, of) in [
                (exact("https://other.example"), exact(subject)),
                (exact(ISSUER), exact("https://git.example")),
                (exact(ISSUER), pattern("https://git|ann")),
            ] {
                let why = image.judged(&by(&services, issuer, of)).await.unwrap_err();
                assert!(
                    why.ends_with(&format!("it is by {subject} ({ISSUER}), who is not asked for")),
                    "{why}"
                );
            }
            // No key has signed it, and no other services have given it out.
            let why = image.judged(&demand(&[])).await.unwrap_err();
            assert!(
                why.contains("none of the keys") || why.contains("(keyless), and keys are asked for"),
                "{why}"
            );
            let why = image.judged(&by(&Services::new(), exact(ISSUER), exact(subject))).await.unwrap_err();
            assert!(why.contains("it does not hold: "), "{why}");
        }
    }
}

#[tokio::test]
async fn the_real_cosign_accepts_what_is_tried_here() {
    let services = Services::new();
    for form in [Form::Simple, Form::Bundle] {
        let wish = Wish::of(ISSUER, SUBJECT);
        let Some(image) = signed(&services, "real", form, &wish) else { return };
        let root = services.trusted_root();
        let said = |subject| Cosign::V3_1.accepts(&root, ISSUER, subject, &image.whole());
        let Some(accepted) = said(SUBJECT) else { return };
        accepted.unwrap();
        said("https://other.example").unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn a_time_certificate_or_log_entry_that_does_not_hold_is_refused() {
    let services = Services::new();
    let wish = Wish::of(ISSUER, SUBJECT);
    let with = |oddity| Wish { oddity, ..wish.clone() };
    // In June of 2001.
    let old = Wish { years: (2001, 2002), time: 991_000_000, ..wish.clone() };
    let rows = [
        ("fine", wish.clone(), "", ""),
        // What counts is the day of the signature, and not today.
        ("old", old.clone(), "", ""),
        ("expired", Wish { time: NOW, ..old }, "certificate", "certificate"),
        ("early", Wish { years: (2080, 2090), ..wish.clone() }, "certificate", "certificate"),
        ("future", Wish { years: (2020, 2100), time: 4_000_000_000, ..wish.clone() }, "future", "future"),
        ("entry", with(Oddity::OtherEntry), "mismatch", "mismatch"),
        ("time", with(Oddity::OtherTime), "SET", "SET"),
        // Beside a signature of cosign 2 there is no tree.
        ("tree", with(Oddity::OtherTree), "", "inclusion proof"),
        ("promise", with(Oddity::NoCertificateLog), "SCT", "SCT"),
        ("key", with(Oddity::OtherKey), "signature", "signature"),
    ];
    for form in [Form::Simple, Form::Bundle] {
        for (name, wish, simple, bundle) in &rows {
            let Some(image) = signed(&services, &format!("odd-{name}"), form, wish) else { return };
            let said = image.judged(&by(&services, exact(ISSUER), exact(SUBJECT))).await;
            match if form == Form::Simple { simple } else { bundle } {
                &"" => drop(said.expect(name)),
                word => {
                    let why = said.expect_err(name);
                    assert!(
                        why.contains("it does not hold: ") && why.contains(word),
                        "{name} {form:?}: {why}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn keys_and_identities_count_together() {
    let services = Services::new();
    let Some(image) = signed(&services, "both", Form::Bundle, &Wish::of(ISSUER, SUBJECT)) else { return };
    let Some(pair) = KeyPair::new(Cosign::V2_5, Kind::P256) else { return };
    let mut both = by(&services, exact(ISSUER), exact(SUBJECT));
    both.keys = demand(&[&pair]).keys;
    image.judged(&both).await.unwrap();
    both.enough = cri_shunt::inside::signature::Enough::All;
    let why = image.judged(&both).await.unwrap_err();
    assert_eq!(why, "1 of 2 that have to sign it have done so");
    Cosign::V2_5.sign(&pair, &image.whole(), &[]);
    assert_eq!(image.judged(&both).await.unwrap().len(), 2);
}

#[test]
fn a_trusted_root_is_read_whole_or_not_at_all() {
    let root = Services::new().trusted_root();
    TrustRoot::read(root.as_bytes()).unwrap();
    for wrong in [
        format!("{root}{{}}"),
        root.replace("certificateAuthorities", "others"),
        root.replace("\"tlogs\"", "\"tlogs\":[],\"tlogs\""),
        root.replacen("rawBytes\":\"", "rawBytes\":\"AAAA", 1),
        String::new(),
    ] {
        TrustRoot::read(wrong.as_bytes()).unwrap_err();
    }
    for bad in ["(", "a)|(b"] {
        Words::matching(bad).unwrap_err();
    }
}
