//! What claims to be a signature of an image, and what says which signatures count.
//!
//! Input: a payload of cosign 2, a bundle, a statement, a key, a list of referrers, a manifest, a trusted root or a
//! policy.json; also two lines, the name that was signed and the name that was asked for.
//! What must hold: bytes that nobody has signed are never accepted, whatever they say, nor with one bit changed; what was
//! read has nothing after it; a name that is the same is in the same repository.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cri_shunt::inside::policy::Name;
use cri_shunt::inside::signature::{
    Attached, Bundle, By, Demand, Enough, Identities, Identity, PolicyJson, PublicKey, Requirement, Simple,
    TrustRoot, What, Words, entries, layers,
};
use ring::signature::{Ed25519KeyPair, KeyPair};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const TYPE: &str = "application/vnd.in-toto+json";

pub(crate) fn run(bytes: &[u8]) {
    signed(bytes);
    unsigned(bytes);
    let longer = [bytes, b"{}"].concat();
    if entries(bytes).is_ok_and(|list| list.entries.len() <= list.count) {
        entries(&longer).unwrap_err();
    }
    if layers(bytes).is_ok() {
        layers(&longer).unwrap_err();
    }
    policy(bytes, &longer);
    key(bytes);
    keyless(bytes, &longer);
    if let Some((signed, asked)) = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('\n')) {
        identity(signed, asked.lines().next().unwrap_or_default());
    }
}

/// The private key of what is fuzzed. Nobody else has it, and no signature of another is by it.
fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn public(pair: &Ed25519KeyPair) -> PublicKey {
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    PublicKey::from_der(&[&head, pair.public_key().as_ref()].concat()).unwrap()
}

fn simple(payload: &[u8], signature: &[u8]) -> Simple {
    Simple { payload: payload.to_vec(), signature: STANDARD.encode(signature), witness: None }
}

/// A bundle around a statement, signed as DSSE says.
fn bundle(statement: &[u8], pair: &Ed25519KeyPair) -> Vec<u8> {
    let head = format!("DSSEv1 {} {TYPE} {} ", TYPE.len(), statement.len());
    let signature = pair.sign(&[head.as_bytes(), statement].concat());
    let (payload, signature) = (STANDARD.encode(statement), STANDARD.encode(signature));
    let text = serde_json::json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": {"payload": payload, "payloadType": TYPE, "signatures": [{"sig": signature}]},
    });
    text.to_string().into_bytes()
}

/// What a signer says, who may be another's victim as well.
fn signed(bytes: &[u8]) {
    let pair = pair();
    let keys = [public(&pair)];
    let signature = pair.sign(bytes);
    let mut wrong = signature.as_ref().to_vec();
    wrong[bytes.len() % 64] ^= 1;
    simple(bytes, &wrong).verified(&keys).unwrap_err();
    let longer = [bytes, b"{}"].concat();
    if let Ok((_, claim)) = simple(bytes, signature.as_ref()).verified(&keys) {
        assert!(claim.reference.is_some() && claim.subjects.len() == 1);
        simple(&longer, pair.sign(&longer).as_ref()).verified(&keys).unwrap_err();
        simple(&longer, signature.as_ref()).verified(&keys).unwrap_err();
    }
    let read = Bundle::read(&bundle(bytes, &pair)).unwrap();
    if let Ok((_, claim)) = read.verified(&keys) {
        assert!(claim.reference.is_none());
        Bundle::read(&bundle(&longer, &pair)).unwrap().verified(&keys).unwrap_err();
    }
}

/// What has no signature, or one by nobody that is asked for, is not accepted.
fn unsigned(bytes: &[u8]) {
    let keys = vec![public(&pair())];
    let (enough, identity, without_name) = (Enough::Any, Identity::Repository, true);
    let demand = Demand {
        keys,
        keyless: None,
        logs: Vec::new(),
        enough,
        identity,
        without_name,
        annotations: BTreeMap::new(),
    };
    let name: Name = "r.example/a:1".parse().unwrap();
    let mut verdict = demand.of(&name, DIGEST);
    let signature = String::from_utf8_lossy(bytes).into_owned();
    let simple = Simple { payload: bytes.to_vec(), signature, witness: None };
    for what in [What::Simple(simple), What::Bundle(bytes.to_vec())] {
        assert!(!verdict.add(&Attached { place: "here".to_owned(), what }));
    }
    let why = verdict.end().unwrap_err().to_string();
    assert!(!why.contains(char::is_control) && why.len() < 4096, "{why}");
    if Bundle::read(bytes).is_ok() {
        Bundle::read(&[bytes, b"{}"].concat()).unwrap_err();
    }
}

fn policy(bytes: &[u8], longer: &[u8]) {
    let read = |path: &str| match path.len() % 3 {
        0 => Err("no such file".to_owned()),
        1 => Ok(bytes.to_vec()),
        _ => Ok(Vec::new()),
    };
    let Ok(policy) = PolicyJson::read(bytes, &read) else { return };
    PolicyJson::read(longer, &read).unwrap_err();
    for name in ["nginx", "r.example/a/b:1", &format!("s.r.example:5000/a@{DIGEST}")] {
        let (_, requirements) = policy.of(&name.parse().unwrap());
        assert!(!requirements.is_empty(), "nothing is demanded of {name}");
        for requirement in requirements {
            match requirement {
                Requirement::Signed(demand) => assert!(!demand.keys.is_empty() && !demand.without_name),
                Requirement::Unmet(why) => assert!(!why.is_empty()),
                Requirement::Accept | Requirement::Reject => {}
            }
        }
    }
    policy.unmet().for_each(drop);
}

/// What the identity that the seeds are by has signed, and by whom. Nobody has its keys any more.
const ROOT: &[u8] = include_bytes!("../corpus/signature/trusted_root");
const PAYLOAD: &[u8] = include_bytes!("../corpus/signature/payload_keyless");
const SIGNED: [&[u8]; 2] = [
    include_bytes!("../corpus/signature/bundle_keyless"),
    include_bytes!("../corpus/signature/manifest_keyless"),
];
const SUBJECT: &str = "ann@mail.example";

/// Whatever is changed in what an identity has signed, it is by that identity or by none.
fn keyless(bytes: &[u8], longer: &[u8]) {
    static DEMAND: OnceLock<Demand> = OnceLock::new();
    if TrustRoot::read(bytes).is_ok() {
        TrustRoot::read(longer).unwrap_err();
    }
    let demand = DEMAND.get_or_init(|| {
        let anyone = || Words::matching(".*").unwrap();
        let anyone = Identities { issuer: anyone(), subject: anyone(), mail: false };
        Demand {
            keys: Vec::new(),
            keyless: Some((TrustRoot::read(ROOT).unwrap(), vec![anyone])),
            logs: Vec::new(),
            enough: Enough::Any,
            identity: Identity::Repository,
            without_name: true,
            annotations: BTreeMap::new(),
        }
    });
    let payload: serde_json::Value = serde_json::from_slice(PAYLOAD).unwrap();
    let digest = payload["critical"]["image"]["docker-manifest-digest"].as_str().unwrap();
    let name: Name = "r.example/a:1".parse().unwrap();
    let simple = layers(bytes).unwrap_or_default().into_iter().filter_map(|layer| layer.signature);
    let simple = simple
        .take(4)
        .map(|(signature, witness)| What::Simple(Simple { payload: PAYLOAD.to_vec(), signature, witness }));
    let mut accepted = false;
    for what in simple.chain([What::Bundle(bytes.to_vec())]) {
        let attached = Attached { place: "here".to_owned(), what };
        let judged = |digest: &str| {
            let mut verdict = demand.of(&name, digest);
            verdict.add(&attached);
            verdict.end()
        };
        for by in judged(digest).unwrap_or_default() {
            assert!(matches!(by, By::Signer(signer) if signer.subject == SUBJECT));
            accepted = true;
        }
        judged(DIGEST).unwrap_err();
    }
    // The seeds themselves are good.
    assert!(accepted || !SIGNED.contains(&bytes));
}

fn key(bytes: &[u8]) {
    for key in [PublicKey::from_pem(bytes), PublicKey::from_der(bytes)].into_iter().flatten() {
        assert_eq!(key.fingerprint().len(), 64);
        assert!(!key.has_signed(bytes, bytes));
    }
}

fn identity(signed: &str, asked: &str) {
    let Ok(asked) = asked.parse::<Name>() else { return };
    let accepts = |identity: Identity| identity.accepts(signed, &asked);
    let is_same = accepts(Identity::Exact);
    let or_digest = accepts(Identity::RepoDigestOrExact);
    let repository = accepts(Identity::Repository);
    assert!((!is_same || or_digest) && (!or_digest || repository), "{signed:?} {asked}");
    assert_eq!(accepts(Identity::ExactRepository(asked.repository().to_owned())), repository);
    assert_eq!(accepts(Identity::ExactReference(asked.to_string())), is_same);
    let (prefix, into) = (asked.host().to_owned(), "other.example".to_owned());
    let mapped = accepts(Identity::Remap { prefix, signed: into.clone() });
    let is_other = signed.parse::<Name>().is_ok_and(|name| name.host() == into);
    assert!(!mapped || is_other, "{signed:?} {asked}");
}
