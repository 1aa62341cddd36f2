//! What is signed, and what only looks like it.

use std::collections::BTreeMap;

use cri_shunt::inside::signature::{Enough, Identity};

use crate::support::cosign::{Cosign, KeyPair, Kind, copy};
use crate::support::image::Image;
use crate::{Stored, demand, key};

#[tokio::test]
async fn what_cosign_has_signed_is_accepted_by_its_key_alone() {
    for cosign in Cosign::ALL {
        for kind in Kind::ALL {
            let Some(image) = Stored::new(&format!("kind-{}-{kind:?}", cosign.line()).to_lowercase()) else {
                return;
            };
            let Some(pair) = KeyPair::new(cosign, kind) else { return };
            let other = KeyPair::new(cosign, kind).unwrap();
            let unsigned = "it has no signature".to_owned();
            assert_eq!(image.judged(&demand(&[&pair])).await, Err(unsigned), "{cosign:?} {kind:?}");
            cosign.sign(&pair, &image.whole(), &[]);
            if (cosign, kind) == (Cosign::V3_1, Kind::Ed25519) {
                let why = image.judged(&demand(&[&pair])).await.unwrap_err();
                assert!(why.contains("in the form Ed25519ph, which is not known here"), "{why}");
                continue;
            }
            let by = vec![key(&pair).fingerprint().to_owned()];
            assert_eq!(image.judged(&demand(&[&pair])).await, Ok(by.clone()), "{cosign:?} {kind:?}");
            assert_eq!(image.judged(&demand(&[&other, &pair])).await, Ok(by));
            let why = image.judged(&demand(&[&other])).await.unwrap_err();
            assert!(why.starts_with("no signature of it counts: "), "{why}");
            assert!(why.ends_with(": it is by none of the keys that are asked for"), "{why}");
        }
    }
}

#[tokio::test]
async fn as_many_keys_have_to_have_signed_as_are_asked_for() {
    for cosign in Cosign::ALL {
        let Some(image) = Stored::new(&format!("many-{}", cosign.line())) else { return };
        let Some(first) = KeyPair::new(cosign, Kind::P256) else { return };
        let [second, third] = [(), ()].map(|()| KeyPair::new(cosign, Kind::P256).unwrap());
        let with = |enough| {
            let mut demand = demand(&[&first, &second, &third]);
            demand.enough = enough;
            demand
        };
        cosign.sign(&first, &image.whole(), &[]);
        // One key that signs twice is one.
        cosign.sign(&first, &image.whole(), &["-a", "again=yes"]);
        let why = image.judged(&with(Enough::AtLeast(2))).await.unwrap_err();
        assert_eq!(why, "1 of 2 that have to sign it have done so");
        cosign.sign(&second, &image.whole(), &[]);
        assert_eq!(image.judged(&with(Enough::AtLeast(2))).await.unwrap().len(), 2);
        let why = image.judged(&with(Enough::All)).await.unwrap_err();
        assert_eq!(why, "2 of 3 that have to sign it have done so");
        cosign.sign(&third, &image.whole(), &[]);
        assert_eq!(image.judged(&with(Enough::All)).await.unwrap().len(), 3);
        // Nobody asks for no key at all.
        image.judged(&with(Enough::AtLeast(0))).await.unwrap();
        let mut none = demand(&[]);
        none.enough = Enough::All;
        image.judged(&none).await.unwrap_err();
    }
}

#[tokio::test]
async fn annotations_are_part_of_what_is_signed() {
    for cosign in Cosign::ALL {
        let Some(image) = Stored::new(&format!("notes-{}", cosign.line())) else { return };
        let Some(pair) = KeyPair::new(cosign, Kind::P256) else { return };
        cosign.sign(&pair, &image.whole(), &["-a", "stage=test", "-a", "team=a"]);
        let with = |value: &str| {
            let mut demand = demand(&[&pair]);
            demand.annotations = BTreeMap::from([("stage".to_owned(), value.to_owned())]);
            demand
        };
        image.judged(&with("test")).await.unwrap();
        let why = image.judged(&with("production")).await.unwrap_err();
        assert!(why.ends_with("its annotation \"stage\" is not the one that is asked for"), "{why}");
        cosign.sign(&pair, &image.whole(), &["-a", "stage=production"]);
        image.judged(&with("production")).await.unwrap();
    }
}

#[tokio::test]
async fn a_signature_of_another_digest_is_none() {
    for cosign in Cosign::ALL {
        let repository = format!("digest-{}", cosign.line());
        let Some(image) = Stored::new(&repository) else { return };
        let Some(pair) = KeyPair::new(cosign, Kind::P256) else { return };
        cosign.sign(&pair, &image.whole(), &[]);
        let moved = Stored::with(&repository, &Image::busybox("another")).unwrap();
        copy(
            image.registry,
            (&image.repository, &cosign.tag(&image.digest)),
            (&image.repository, &cosign.tag(&moved.digest)),
        );
        let why = moved.judged(&demand(&[&pair])).await.unwrap_err();
        assert!(why.ends_with(&format!("it is for another image ({})", image.digest)), "{why}");
        image.judged(&demand(&[&pair])).await.unwrap();
    }
}

#[tokio::test]
async fn a_signature_at_another_repository_is_none() {
    for cosign in Cosign::ALL {
        let image = Image::busybox("replayed");
        let Some(signed) = Stored::with(&format!("from-{}", cosign.line()), &image) else { return };
        let Some(pair) = KeyPair::new(cosign, Kind::P256) else { return };
        cosign.sign(&pair, &signed.whole(), &[]);
        let other = Stored::with(&format!("to-{}", cosign.line()), &image).unwrap();
        let tag = cosign.tag(&signed.digest);
        copy(signed.registry, (&signed.repository, &tag), (&other.repository, &tag));
        let mut demand = demand(&[&pair]);
        // A bundle says no name, so nothing but the name could tell it apart.
        demand.without_name = false;
        let why = other.judged(&demand).await.unwrap_err();
        match cosign {
            Cosign::V2_5 => assert!(
                why.ends_with(&format!(
                    "it is for the name HOST/{}, which does not stand for HOST/{}:1 here",
                    signed.repository, other.repository
                )),
                "{why}"
            ),
            Cosign::V3_1 => assert!(why.contains("it says no name"), "{why}"),
        }
        if cosign == Cosign::V2_5 {
            signed.judged(&demand).await.unwrap();
            demand.identity =
                Identity::ExactRepository(format!("{}/{}", signed.registry.host(), signed.repository));
            other.judged(&demand).await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_attestation_is_no_signature() {
    for cosign in Cosign::ALL {
        let Some(image) = Stored::new(&format!("attested-{}", cosign.line())) else { return };
        let Some(pair) = KeyPair::new(cosign, Kind::P256) else { return };
        cosign.attest(&pair, &image.whole());
        let why = image.judged(&demand(&[&pair])).await.unwrap_err();
        match cosign {
            // It is behind a tag of its own.
            Cosign::V2_5 => assert_eq!(why, "it has no signature"),
            Cosign::V3_1 => assert!(why.contains("it is an attestation ("), "{why}"),
        }
    }
}

#[tokio::test]
async fn a_child_of_a_signed_index_has_no_signature_of_its_own() {
    for cosign in Cosign::ALL {
        let repository = format!("index-{}", cosign.line());
        let child = Image::busybox(&repository);
        let index = Image::index(child.clone());
        let Some(stored) = Stored::with(&repository, &index) else { return };
        let Some(pair) = KeyPair::new(cosign, Kind::P256) else { return };
        cosign.sign(&pair, &stored.whole(), &[]);
        let child = Stored { digest: child.digest(), repository: stored.repository.clone(), ..stored };
        let of_index = Stored { digest: index.digest(), repository: child.repository.clone(), ..child };
        of_index.judged(&demand(&[&pair])).await.unwrap();
        assert_eq!(child.judged(&demand(&[&pair])).await, Err("it has no signature".to_owned()));
        cosign.sign(&pair, &of_index.whole(), &["--recursive"]);
        child.judged(&demand(&[&pair])).await.unwrap();
    }
}
