//! Whether an image is signed as it has to be: what a signature says, who has made it, and whether that is enough.
//!
//! `find` brings what is attached to a digest, as `listed` reads it. `simple` (cosign's `.sig`) and `bundle` (Sigstore
//! bundles) read one signature. `key` verifies it, or `keyless` where an identity has signed and no key; `log` reads the
//! entry of a log beside it. `claim` is what a verified signature says, `identity` holds that against the name that was
//! asked for, and `demand` says whether it is enough. `demands` has all demands of a configuration, `policy_json` reads them as
//! containers' tools have them.
//!
//! Holds: nothing of a signature counts before its bytes are verified. What cannot be read as a whole is refused: no
//! rest, no key twice, no unbounded size. A signature without the digest that was asked for is none.
//! Pure but for `find`, which asks a registry, and for the time of day in `keyless`: nothing is signed in the future.
//!
//! Facts: cosign's `specs/SIGNATURE_SPEC.md`; Sigstore's bundle v0.3; DSSE v1.0.2; in-toto Statement v1.

mod bundle;
mod claim;
mod demand;
mod demands;
mod find;
mod hash;
mod identity;
mod json;
mod key;
mod keyless;
mod listed;
mod log;
mod policy_json;
mod provider;
mod simple;

pub use bundle::Bundle;
pub use claim::{Claim, Rejection};
pub use demand::{By, Demand, Enough, Unsigned, Verdict};
pub use demands::{Demands, Must, SignaturesFrom, Signed, WhenAway};
pub use find::{Attached, Lost, Search, What};
pub use identity::Identity;
pub use key::{KeyError, PublicKey};
pub use keyless::{Identities, Signer, TrustRoot, Words};
pub use listed::{entries, layers};
pub use policy_json::{PolicyJson, Requirement};
pub use simple::{Simple, Witness};
