//! The image policy: which registries a name may come from, and why.
//!
//! `config` builds a `Policy` from valid rules. `Policy::decide` gives a `Decision` for a name; pulls and `explain` act
//! on it.
//! Holds: only values: no I/O, no async, no clock, no logging, and no import from the rest of the crate.
//! Not here: reading files (`config`), choosing credentials (`credentials`), trying candidates (`pull`).

mod asked;
mod candidate;
mod conflict;
mod decide;
mod decision;
mod diagnosis;
#[cfg(test)]
mod fixture;
mod grammar;
mod hash;
mod index;
mod key;
mod layer;
mod location;
mod lock;
mod name;
mod namespaces;
mod prefix;
mod reference;
mod rule;
mod target;

pub use asked::Asked;
pub use conflict::Conflict;
pub use decide::Policy;
pub use decision::{Candidate, Decision, DenyReason, Role, RuleRef, Unusable, UnusableCause};
pub use grammar::is_digest;
pub(crate) use key::fold_host;
pub use location::{Location, LocationError};
pub use lock::{Held, LockList, Pin, Unlisted};
pub use name::{Name, is_image_id, tag_beside_digest};
pub use namespaces::Namespaces;
pub use prefix::{Prefix, PrefixError, PrefixKind};
pub use rule::{
    Action, Checkpoint, DefaultAction, DemandRef, Layer, Mirror, Mode, Names, NodeCredentials, Ns, OnOutage,
    Only, Order, Origin, Outage, Present, Rewrite, Route, Rule, Settings, Source, Verify,
};
