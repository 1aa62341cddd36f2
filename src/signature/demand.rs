//! What an image has to be signed with, and whether the signatures that are there are enough.
//!
//! Holds: an image is accepted when enough keys have signed it, each with a signature that says this digest, this name
//! and these annotations. What does not count is noted with its reason, for the message.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::bundle::Bundle;
use super::claim::{Claim, Rejection, shown};
use super::find::{Attached, What};
use super::identity::Identity;
use super::key::PublicKey;
use super::keyless::{Identities, Signer, TrustRoot};
use super::log::Entry;
use super::simple::Simple;
use crate::policy::Name;

/// How many reasons are noted.
const MOST_REASONS: usize = 8;

/// What an image has to be signed with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Demand {
    /// The keys whose signatures count.
    pub keys: Vec<PublicKey>,
    /// The identities whose signatures count as well, and the root by which they are verified.
    pub keyless: Option<(TrustRoot, Vec<Identities>)>,
    /// The logs of which one has to have what a key has signed; none where no log is asked for.
    pub logs: Vec<PublicKey>,
    /// How many of keys and identities have to have signed.
    pub enough: Enough,
    /// How the name is held against the one that was signed.
    pub identity: Identity,
    /// Whether a signature counts that says no name, as a bundle of cosign 3.
    pub without_name: bool,
    /// What a signature has to say beside.
    pub annotations: BTreeMap<String, String>,
}

/// How many keys and identities have to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enough {
    /// One of them.
    Any,
    /// Each of them.
    All,
    /// This many of them.
    AtLeast(usize),
}

/// The signatures of one image, held against a demand one after the other.
#[derive(Debug)]
pub struct Verdict<'d> {
    demand: &'d Demand,
    name: &'d Name,
    digest: &'d str,
    /// Who has signed it, by its place among keys and then identities.
    signed: BTreeMap<usize, By>,
    rejected: Vec<(String, Rejection)>,
    left_out: usize,
}

/// Who has signed an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Who has this key.
    Key(PublicKey),
    /// Who is this.
    Signer(Signer),
}

/// Why an image is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsigned {
    /// How many have signed it.
    pub signed: usize,
    /// How many have to.
    pub needed: usize,
    /// Where signatures are that do not count, and why.
    pub rejected: Vec<(String, Rejection)>,
    /// How many more there are.
    pub left_out: usize,
}

impl Demand {
    /// How many keys have to have signed; never none.
    pub fn needed(&self) -> usize {
        let needed = match self.enough {
            Enough::Any => 1,
            // A key that is listed twice is one.
            Enough::All => {
                let keys: BTreeSet<&str> = self.keys.iter().map(PublicKey::fingerprint).collect();
                let identities: Vec<&Identities> = self.identities().collect();
                let is_first = |(place, one): &(usize, &&Identities)| !identities[..*place].contains(*one);
                keys.len() + identities.iter().enumerate().filter(is_first).count()
            }
            Enough::AtLeast(count) => count,
        };
        needed.max(1)
    }

    /// The identities whose signatures count.
    pub fn identities(&self) -> impl Iterator<Item = &Identities> {
        self.keyless.iter().flat_map(|(_, identities)| identities)
    }

    /// Begins to look at the signatures of the image that was asked for as `name` and has this digest.
    pub fn of<'d>(&'d self, name: &'d Name, digest: &'d str) -> Verdict<'d> {
        Verdict { demand: self, name, digest, signed: BTreeMap::new(), rejected: Vec::new(), left_out: 0 }
    }
}

impl Verdict<'_> {
    /// Looks at one more signature. Whether it is enough now.
    pub fn add(&mut self, attached: &Attached) -> bool {
        match self.judge(&attached.what) {
            Ok((place, by)) => drop(self.signed.insert(place, by)),
            Err(rejection) if self.rejected.len() < MOST_REASONS => {
                self.rejected.push((attached.place.clone(), rejection));
            }
            Err(_) => self.left_out += 1,
        }
        self.is_enough()
    }

    /// Whether enough keys have signed it.
    pub fn is_enough(&self) -> bool {
        self.signed.len() >= self.demand.needed()
    }

    /// Who has signed it, when all signatures were looked at.
    ///
    /// # Errors
    /// Why these are not enough.
    pub fn end(self) -> Result<Vec<By>, Unsigned> {
        match self.is_enough() {
            true => Ok(self.signed.into_values().collect()),
            false => Err(Unsigned {
                signed: self.signed.len(),
                needed: self.demand.needed(),
                rejected: self.rejected,
                left_out: self.left_out,
            }),
        }
    }

    /// Who has signed the image with this signature.
    fn judge(&self, what: &What) -> Result<(usize, By), Rejection> {
        let keys = &self.demand.keys;
        let (signer, claim) = match (what, &self.demand.keyless) {
            (What::Simple(simple @ Simple { witness: Some(witness), .. }), Some((root, _)))
                if !witness.certificate.is_empty() =>
            {
                root.simple(simple, witness)?
            }
            (What::Bundle(bytes), Some((root, _))) if !Bundle::read(bytes)?.is_by_key() => {
                root.bundle(bytes, self.digest)?
            }
            _ => {
                let (key, claim) = self.by_key(what)?;
                self.holds(&claim)?;
                let place = keys.iter().position(|other| other == key).ok_or(Rejection::OtherKey)?;
                return Ok((place, By::Key(key.clone())));
            }
        };
        self.holds(&claim)?;
        match self.demand.identities().position(|identities| identities.has(&signer)) {
            Some(place) => Ok((keys.len() + place, By::Signer(signer))),
            None => {
                let (subject, issuer) = (shown(&signer.subject), shown(&signer.issuer));
                Err(Rejection::OtherSigner { subject, issuer })
            }
        }
    }

    /// Which key has signed, and what it says.
    fn by_key(&self, what: &What) -> Result<(&PublicKey, Claim), Rejection> {
        let Demand { keys, logs, .. } = self.demand;
        let simple = match what {
            What::Simple(simple) => simple,
            What::Bundle(bytes) if logs.is_empty() => return Bundle::read(bytes)?.verified(keys),
            What::Bundle(_) => {
                let text = "a log has to have it, which is not verified for a bundle by a key";
                return Err(Rejection::Unknown(text.to_owned()));
            }
        };
        let (key, claim) = simple.verified(keys)?;
        if !logs.is_empty() {
            let entry = simple.witness.as_ref().map_or("", |witness| &witness.entry);
            let entry = Entry::read(entry).map_err(|error| Rejection::Untrusted(shown(&error)))?;
            entry.holds(logs, simple, key)?;
        }
        Ok((key, claim))
    }

    /// Whether a verified signature says what is demanded.
    fn holds(&self, claim: &Claim) -> Result<(), Rejection> {
        let of_digest = |digest: &String| digest == self.digest;
        let subject = claim.subjects.iter().find(|subject| subject.digests.iter().any(of_digest));
        let subject = subject.ok_or_else(|| {
            let digests = claim.subjects.first().and_then(|subject| subject.digests.first());
            Rejection::OtherDigest(shown(digests.map_or("none", String::as_str)))
        })?;
        match &claim.reference {
            Some(signed) if !self.demand.identity.accepts(signed, self.name) => {
                return Err(Rejection::OtherName { signed: shown(signed), asked: self.name.to_string() });
            }
            None if !self.demand.without_name => return Err(Rejection::NoName),
            _ => {}
        }
        let other = |(name, value): &(&String, &String)| subject.annotations.get(*name) != Some(*value);
        match self.demand.annotations.iter().find(other) {
            Some((name, _)) => Err(Rejection::OtherAnnotation(name.clone())),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signed, needed, rejected, left_out } = self;
        if *signed == 0 && rejected.is_empty() {
            return f.write_str("it has no signature");
        }
        if *needed > 1 {
            write!(f, "{signed} of {needed} that have to sign it have done so")?;
        } else {
            f.write_str("no signature of it counts")?;
        }
        for (index, (place, rejection)) in rejected.iter().enumerate() {
            write!(f, "{}{place}: {rejection}", if index == 0 { ": " } else { "; " })?;
        }
        if *left_out > 0 {
            write!(f, "; and {left_out} more")?;
        }
        Ok(())
    }
}
