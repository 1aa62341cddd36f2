//! Whether images on the node are signed as they have to be, for `verify`.
//!
//! Holds: signatures are looked for as a pull looks for them (`pull::Quest`), at the candidates in their order, as whom a
//! pull without credentials of its client asks. What the daemon has kept is read, and nothing is added to it.

use std::sync::Arc;

use tokio::time::Instant;

use super::Live;
use crate::cli::explain::target::Target;
use crate::config::Config;
use crate::files::reader::Reader;
use crate::policy::{Asked, Candidate, Decision, Name, NodeCredentials, Ns};
use crate::pull::{Asks, Lacking, Place, Quest, SIGNATURES_WITHIN, Verified, holds_when_away, sealed};
use crate::registry::Refusal;
use crate::signature::{Must, Signed};
use crate::state::{Seal, Seals};

/// An image on the node that has to be signed.
pub(crate) struct Held<'i> {
    name: Name,
    digest: &'i str,
    is_index: bool,
    /// All that has to be signed.
    signed: Vec<Arc<Signed>>,
    candidates: Vec<Candidate>,
    use_of: NodeCredentials,
}

/// What was found of it.
pub(crate) enum Checked {
    /// It is signed as it has to be.
    Signed(Vec<Verified>),
    /// It is not, for this reason.
    Unsigned(String),
    /// That is not known, for this reason.
    Unknown(String),
}

impl<'i> Held<'i> {
    /// What the policy demands of the image with this digest, which has this name on the node; none where nothing is demanded.
    pub(crate) fn new(name: &str, digest: &'i str, is_index: bool, config: &Config) -> Option<Self> {
        let name: Name = name.parse().ok()?;
        let (policy, asked) = (&config.policy, Asked::of(&name));
        let decision = policy.decide(&asked);
        let must = config.demands.of_asked(policy, &asked, &decision).into_iter();
        let signed: Vec<Arc<Signed>> = must
            .filter_map(|must| match must {
                Must::Signed(signed) => Some(signed),
                Must::Refused(_) => None,
            })
            .collect();
        let use_of = policy.node_credentials(decision.rule());
        let candidates = match decision {
            Decision::Route { candidates, .. } => candidates,
            Decision::Pass { .. } => vec![Candidate::origin(&name)],
            Decision::Deny { .. } => Vec::new(),
        };
        (!signed.is_empty()).then_some(Held { name, digest, is_index, signed, candidates, use_of })
    }

    /// What the daemon has found before, however old it is.
    pub(crate) fn kept(&self, seals: &Seals) -> Checked {
        let unknown = || {
            let by: Vec<String> = self.signed.iter().map(|signed| format!("\"{}\"", signed.by)).collect();
            Checked::Unknown(format!("the daemon has not found it signed as {} demands", by.join(" and ")))
        };
        self.found_before(seals, |_, _| true).map_or_else(unknown, Checked::Signed)
    }

    /// What was found before, if all of it is there and counts.
    fn found_before(&self, seals: &Seals, counts: impl Fn(&Signed, &Seal) -> bool) -> Option<Vec<Verified>> {
        let known = |signed: &Arc<Signed>| {
            let seal = seals.get(&sealed(signed, &self.name, self.digest));
            let seal = seal.filter(|seal| counts(signed, seal))?;
            Some(Verified { signature: signed.by.clone(), seal, was_known: true })
        };
        self.signed.iter().map(known).collect()
    }
}

/// Asks for one image.
struct Asker<'a> {
    live: &'a Live,
    held: &'a Held<'a>,
    config: &'a Config,
    reader: &'a Reader,
}

impl Live {
    /// Looks for the signatures of these images, of `jobs` at the same time, and calls `after` behind each. What was found is
    /// there with the number of the image, in no order.
    pub(crate) fn check_each(
        &self,
        images: &[(usize, Held<'_>)],
        jobs: usize,
        seals: &Seals,
        (config, reader): (&Config, &Reader),
        after: impl Fn(),
    ) -> Vec<(usize, Checked)> {
        let after = &after;
        let checking = images.iter().map(|(number, held)| async move {
            let checked = Asker { live: self, held, config, reader }.check(seals).await;
            after();
            (*number, checked)
        });
        self.all(checking, jobs)
    }
}

impl Asker<'_> {
    /// By the first candidate that has all signatures. Only where one is away, what was found before may count.
    async fn check(&self, seals: &Seals) -> Checked {
        let candidates = &self.held.candidates;
        let (mut unsigned, mut away) = (Vec::new(), Vec::new());
        for (index, candidate) in candidates.iter().enumerate() {
            match self.at(candidate, index + 1 < candidates.len()).await {
                Ok(verified) => return Checked::Signed(verified),
                Err(Lacking::Unsigned(why)) => unsigned.push(why),
                Err(Lacking::Away(why)) => away.push(why),
            }
        }
        if away.is_empty() {
            return Checked::Unsigned(unsigned.join("; "));
        }
        let why = unsigned.into_iter().chain(away).collect::<Vec<_>>().join("; ");
        let kept = self.held.found_before(seals, holds_when_away);
        kept.map_or(Checked::Unknown(why), Checked::Signed)
    }

    async fn at(&self, candidate: &Candidate, has_successor: bool) -> Result<Vec<Verified>, Lacking> {
        let Held { name, digest, is_index, signed, .. } = self.held;
        let first = self.place(candidate).await.map_err(Lacking::Away)?;
        let end = Instant::now() + SIGNATURES_WITHIN;
        let mut verified = Vec::new();
        for signed in signed {
            let quest = Quest { signed, name, digest, is_index: *is_index, has_successor, end };
            let seal = quest.look(self, &first).await?;
            verified.push(Verified { signature: signed.by.clone(), seal, was_known: false });
        }
        Ok(verified)
    }
}

impl Asks for Asker<'_> {
    async fn place<'p>(&'p self, candidate: &'p Candidate) -> Result<Place<'p>, String> {
        let Asker { live, held, config, reader } = self;
        let mut target =
            Target::candidate(&held.name, None, candidate, held.use_of, &config.credentials, reader);
        let endpoint = config.reach().of(candidate.name.host(), candidate.endpoint);
        target.add_transport(&endpoint, false, reader);
        let way = live.way(&target, config, reader, self.answer_by(false)).await;
        let (endpoint, login) = way.map_err(|outcome| {
            format!("{}, {}", candidate.name.repository(), outcome.error().unwrap_or_default())
        })?;
        let ns = endpoint.ns(held.name.host()).filter(|_| candidate.ns != Ns::Off);
        Ok(Place { client: &live.client, candidate, endpoint, ns, login })
    }

    fn answer_by(&self, _: bool) -> Instant {
        Instant::now() + self.live.timeout
    }

    fn heard(&self, place: &Place<'_>, refusal: Option<&Refusal>) {
        let failed = refusal.map(|refusal| (refusal.failure(), refusal.brief()));
        self.live.spared.note(&place.endpoint.host, failed);
    }
}
