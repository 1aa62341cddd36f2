//! Looks for the signatures of one digest, at the places where they may be, one after the other.
//!
//! A pull of the daemon looks so, and `cri-shunt verify` does: there is no other way. Who asks says how a repository is reached.
//! Holds: the first signatures that are enough end it; of an index its own count, or else those of each manifest in it that
//! is for this machine.

use std::time::Duration;

use tokio::time::Instant;

use super::looked::{Lacking, Looked};
use crate::policy::{Candidate, Name, Role};
use crate::pull::contents::Walk;
use crate::registry::{Client, Endpoint, Login, Refusal, Resolve};
use crate::signature::{By, Lost, Search, SignaturesFrom, Signed, Unsigned, Verdict};
use crate::state::Seal;

/// How long all questions about the signatures of one image may take.
pub const SIGNATURES_WITHIN: Duration = Duration::from_secs(60);

/// How many manifests of an index may be for this machine, so that their signatures count in place of one of the index.
const MOST_MANIFESTS: usize = 4;

/// How much of who has signed is kept, in characters.
const MOST_WORDS: usize = 300;

/// Who asks: a pull, or a command.
pub trait Asks {
    /// How this repository is asked; or why it is not.
    async fn place<'p>(&'p self, candidate: &'p Candidate) -> Result<Place<'p>, String>;

    /// When a registry has to have answered that is asked now; `has_successor` says whether another place is left.
    fn answer_by(&self, has_successor: bool) -> Instant;

    /// Notes that a registry has told all, or why it has not.
    fn heard(&self, place: &Place<'_>, refusal: Option<&Refusal>);
}

/// A repository that may have signatures.
pub struct Place<'p> {
    /// What asks its registry.
    pub client: &'p Client,
    /// The repository; a tag or digest in it does not count.
    pub candidate: &'p Candidate,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// The registry that it is told of, if it is.
    pub ns: Option<&'p str>,
    /// As whom it is asked.
    pub login: Login,
}

/// What is looked for, and when all of it has to be known.
pub struct Quest<'q> {
    /// What is demanded.
    pub signed: &'q Signed,
    /// The name that the image is asked for by, or has on the node.
    pub name: &'q Name,
    /// The digest that has to be signed.
    pub digest: &'q str,
    /// Whether that is an index.
    pub is_index: bool,
    /// Whether another candidate is left that may have the signatures.
    pub has_successor: bool,
    /// When it has to be known.
    pub end: Instant,
}

impl Quest<'_> {
    /// Who has signed it: by what is at the first place, and then where the demand says.
    ///
    /// # Errors
    /// It is not signed as it has to be, or that is not known.
    pub async fn look(&self, asks: &impl Asks, first: &Place<'_>) -> Result<Seal, Lacking> {
        let Quest { signed, digest, .. } = *self;
        let others: Vec<Candidate> =
            signed.from.iter().filter_map(|from| candidate_of(from, self.name, digest)).collect();
        let mut looked = Looked::default();
        let unsigned = match self.judged(asks, digest, (first, &others), &mut looked).await {
            Ok(seal) => return Ok(seal),
            Err(unsigned) => unsigned,
        };
        if self.is_index {
            match self.manifests_signed(asks, (first, &others)).await {
                Ok(Some(seal)) => return Ok(seal),
                Ok(None) => {}
                Err(away) => looked.away.extend(away),
            }
        }
        Err(looked.lacking(signed, digest, &unsigned))
    }

    /// Who has signed each manifest of the index that is for this machine, as one seal; none where one of them is not signed.
    ///
    /// # Errors
    /// That is not known: which places do not tell, and why.
    async fn manifests_signed(
        &self,
        asks: &impl Asks,
        (first, others): (&Place<'_>, &[Candidate]),
    ) -> Result<Option<Seal>, Vec<String>> {
        let mut seal = None;
        for manifest in self.manifests(asks, first).await.map_err(|why| vec![why])? {
            let mut looked = Looked::default();
            match self.judged(asks, &manifest, (first, others), &mut looked).await {
                Ok(found) => drop(seal.get_or_insert(found)),
                Err(_) if looked.away.is_empty() => return Ok(None),
                Err(_) => return Err(looked.away),
            }
        }
        Ok(seal)
    }

    /// Who has signed this digest, by all places together.
    async fn judged(
        &self,
        asks: &impl Asks,
        digest: &str,
        (first, others): (&Place<'_>, &[Candidate]),
        looked: &mut Looked,
    ) -> Result<Seal, Unsigned> {
        let mut verdict = self.signed.demand.of(self.name, digest);
        let end = |more: bool| asks.answer_by(self.has_successor || more).min(self.end);
        if search(asks, first, &first.asked_for(digest, end(!others.is_empty())), &mut verdict, looked).await
        {
            return sealed_by(verdict, first.candidate);
        }
        for (index, candidate) in others.iter().enumerate() {
            let enough = match asks.place(candidate).await {
                Ok(place) => {
                    let question = place.asked_for(digest, end(index + 1 < others.len()));
                    search(asks, &place, &question, &mut verdict, looked).await
                }
                Err(why) => {
                    looked.away.push(why);
                    false
                }
            };
            if enough {
                return sealed_by(verdict, candidate);
            }
        }
        sealed_by(verdict, first.candidate)
    }

    /// The manifests of the index that are for this machine; none where these are too many, or where it is no index that
    /// containerd would read alike.
    ///
    /// # Errors
    /// The registry does not give the index, and why.
    async fn manifests(&self, asks: &impl Asks, place: &Place<'_>) -> Result<Vec<String>, String> {
        let end = asks.answer_by(self.has_successor).min(self.end);
        let question = place.asked_for(self.digest, end);
        let index = place.client.manifest(&question, self.digest).await.map_err(|refusal| {
            asks.heard(place, Some(&refusal));
            refusal.brief().to_owned()
        })?;
        let mut walk = Walk::from(self.digest);
        if walk.next_digest().is_none() || walk.add_bytes(&index.bytes).is_err() {
            return Ok(Vec::new());
        }
        let manifests: Vec<String> =
            std::iter::from_fn(|| walk.next_digest()).take(MOST_MANIFESTS + 1).collect();
        Ok(if manifests.len() <= MOST_MANIFESTS { manifests } else { Vec::new() })
    }
}

/// Looks at the signatures in one place. Whether they are enough, with those that were seen before.
async fn search(
    asks: &impl Asks,
    place: &Place<'_>,
    question: &Resolve<'_>,
    verdict: &mut Verdict<'_>,
    looked: &mut Looked,
) -> bool {
    let mut search = Search::new(place.client, question);
    let repository = place.candidate.name.repository();
    loop {
        match search.next().await {
            Ok(Some(mut attached)) => {
                attached.place = format!("{repository}, {}", attached.place);
                if verdict.add(&attached) {
                    asks.heard(place, None);
                    return true;
                }
            }
            Ok(None) => {
                asks.heard(place, None);
                looked.places.push(repository.to_owned());
                return false;
            }
            Err(Lost::Registry(refusal)) => {
                asks.heard(place, Some(&refusal));
                looked.away.push(refusal.brief().to_owned());
                return false;
            }
            Err(lost @ Lost::Content { .. }) => {
                looked.away.push(format!("{repository}, {lost}"));
                return false;
            }
        }
    }
}

impl Place<'_> {
    fn asked_for<'q>(&'q self, reference: &'q str, end: Instant) -> Resolve<'q> {
        let Place { client: _, candidate, endpoint, ns, login } = self;
        Resolve { endpoint, repository: candidate.name.path(), reference, warm: None, ns: *ns, login, end }
    }
}

/// Another repository that may have the signatures of this digest.
fn candidate_of(from: &SignaturesFrom, image: &Name, digest: &str) -> Option<Candidate> {
    let name = match from {
        SignaturesFrom::Origin => return Some(Candidate::origin(image)),
        SignaturesFrom::Repository(location) => location.at_digest(digest)?,
    };
    let same_host = name.key().host() == image.key().host();
    Some(Candidate { name, same_host, role: Role::Mirror, ..Candidate::origin(image) })
}

fn sealed_by(verdict: Verdict<'_>, candidate: &Candidate) -> Result<Seal, Unsigned> {
    let by = |by| match by {
        By::Key(key) => format!("key {}", key.fingerprint()),
        By::Signer(signer) => {
            let words = format!("{} ({})", signer.subject, signer.issuer);
            crate::registry::one_line(&words, MOST_WORDS)
        }
    };
    let by = verdict.end()?.into_iter().map(by).collect();
    Ok(Seal::now(by, candidate.name.repository().to_owned()))
}
