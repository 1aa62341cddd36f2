//! The images on the node: containerd's records of them, with what the shunt has noted there.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use containerd_client::services::v1::Image as Record;
use k8s_cri::v1;
use tonic::Status;

use crate::cli::exit::Exit;
use crate::cli::names::{PATIENCE, is_shown};
use crate::cli::terminal;
use crate::config::Config;
use crate::containerd::{Cri, Link, Store, StoreError};
use crate::policy::{Asked, Decision, Name, Policy};
use crate::pull::Provenance;
use crate::serve::admin::time;
use crate::signature::{Demands, Must};

/// One name of an image on the node.
pub(crate) struct OnNode {
    /// The name of the record.
    pub(crate) name: String,
    /// The digest of the manifest or index.
    pub(crate) digest: String,
    /// The id by which CRI knows the image.
    pub(crate) id: Option<String>,
    /// The bytes of its content, as CRI counts them.
    pub(crate) size: Option<u64>,
    /// Since when this image is on the node from this repository.
    pub(crate) since: Option<SystemTime>,
    /// Where it came from, if its last pull went through the shunt.
    pub(crate) provenance: Option<Provenance>,
    /// What the policy says of the name now.
    pub(crate) today: Today,
}

/// What the policy says of a name, to a client without a pod.
pub(crate) struct Today {
    /// `route`, `pass`, `deny` or `invalid`.
    pub(crate) decision: &'static str,
    /// The deciding rule.
    pub(crate) rule: Option<String>,
    /// Where that is written.
    pub(crate) place: Option<String>,
    /// Why it is denied.
    pub(crate) reason: Option<String>,
    /// Whether the policy lets nobody pull it.
    pub(crate) is_denied: bool,
    /// Who demands a signature of it.
    pub(crate) verify: Vec<String>,
}

/// What CRI knows of images: the id and the size.
type Known = HashMap<String, (String, u64)>;

/// containerd's refusal, in words.
pub(crate) struct Refused(String);

/// The node's containerd, and the policy.
pub(crate) struct Node<'c> {
    store: Store,
    cri: Cri,
    policy: &'c Policy,
    demands: &'c Demands,
}

impl<'c> Node<'c> {
    /// The containerd of this configuration. Nothing is asked yet.
    pub(crate) fn new(config: &'c Config) -> Self {
        let link = Link::new(config.containerd.socket.as_path().into());
        let (policy, demands) = (config.policy.acting(), &config.demands);
        Node { store: Store::new(link.clone()), cri: Cri::new(link), policy, demands }
    }

    /// All names of images, but the ids and those that pulls use while they are under way.
    pub(crate) async fn all(&self) -> Result<Vec<OnNode>, Refused> {
        let both = async { tokio::try_join!(self.records(None), self.known()) };
        let (records, known) = in_time(both).await?;
        Ok(without_second_names(self.put_together(records, &known)))
    }

    /// Of each image that is asked for, by a name or an id, its names.
    pub(crate) async fn each<'a>(
        &self,
        asked: &'a [String],
    ) -> Result<Vec<(&'a String, Vec<OnNode>)>, Refused> {
        let known = in_time(self.known()).await?;
        let mut found = Vec::new();
        for image in asked {
            found.push((image, in_time(self.one(image, &known)).await?));
        }
        Ok(found)
    }

    async fn one(&self, asked: &str, known: &Known) -> Result<Vec<OnNode>, Refused> {
        let names = self.names_of(asked).await?;
        let Some(first) = names.first() else { return Ok(Vec::new()) };
        let Some(target) = self.store.get(first).await?.and_then(|record| record.target) else {
            return Ok(Vec::new());
        };
        let mut found = self.put_together(self.records(Some(&target.digest)).await?, known);
        found.retain(|image| names.contains(&image.name));
        Ok(found)
    }

    /// The names of what is asked for: the name itself, or those of an id.
    async fn names_of(&self, asked: &str) -> Result<Vec<String>, Refused> {
        if let Ok(name) = asked.parse::<Name>()
            && let Some(record) = self.store.get(name.as_str()).await?
        {
            return Ok(vec![record.name]);
        }
        Ok(match self.cri.image(asked).await? {
            Some(image) if image.repo_tags.is_empty() => image.repo_digests,
            Some(image) => image.repo_tags,
            None => Vec::new(),
        })
    }

    async fn records(&self, digest: Option<&str>) -> Result<Vec<Record>, Refused> {
        Ok(match digest {
            Some(digest) => self.store.with_target(digest).await?,
            None => self.store.all().await?,
        })
    }

    /// What CRI knows, by each of its names and digests: it hears of a name a little later than containerd.
    async fn known(&self) -> Result<Known, Refused> {
        let images = self.cri.images().await?;
        let names = |image: v1::Image| {
            let known = (image.id, image.size);
            let digests = image.repo_digests.iter().filter_map(|name| name.rsplit_once('@'));
            let digests: Vec<String> = digests.map(|(_, digest)| digest.to_owned()).collect();
            let names = image.repo_tags.into_iter().chain(image.repo_digests).chain(digests);
            names.map(move |name| (name, known.clone())).collect::<Vec<_>>()
        };
        Ok(images.into_iter().flat_map(names).collect())
    }

    fn put_together(&self, records: Vec<Record>, known: &Known) -> Vec<OnNode> {
        let begun = |record: &Record| SystemTime::try_from(record.created_at?).ok();
        let since: HashMap<String, Option<SystemTime>> =
            records.iter().map(|record| (record.name.clone(), begun(record))).collect();
        let mut images = Vec::new();
        for record in records.into_iter().filter(|record| is_shown(&record.name)) {
            let own = begun(&record);
            let digest = record.target.map(|target| target.digest).unwrap_or_default();
            let parsed = record.name.parse::<Name>();
            let by_digest = parsed.as_ref().ok().map(|name| name_of_digest(name, &digest));
            // A tag's record stays when the tag moves; the one of the digest begins with the image.
            let since = by_digest.and_then(|name| since.get(&name).copied().flatten()).or(own);
            let (id, size) = known.get(&digest).or_else(|| known.get(&record.name)).cloned().unzip();
            let today = Today::of(self.policy, self.demands, parsed.as_ref().ok());
            let provenance = Provenance::from_labels(&record.labels);
            images.push(OnNode { name: record.name, digest, id, size, since, provenance, today });
        }
        images
    }
}

fn name_of_digest(name: &Name, digest: &str) -> String {
    format!("{}@{digest}", name.repository())
}

/// A pull by a tag leaves the name with the digest as well.
fn without_second_names(mut images: Vec<OnNode>) -> Vec<OnNode> {
    let second = |image: &OnNode| {
        let name = image.name.parse::<Name>().ok()?;
        Some(name_of_digest(&name, &image.digest)).filter(|second| *second != image.name)
    };
    let second: HashSet<String> = images.iter().filter_map(second).collect();
    images.retain(|image| !second.contains(&image.name));
    images
}

async fn in_time<T>(work: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    let late = |_| Refused(format!("containerd does not answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.map_err(late)?
}

impl Refused {
    /// Tells of it.
    pub(crate) fn tell(self) -> Exit {
        terminal::fail(&self.0, Exit::Runtime)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        match status.message() {
            // Of the way to it.
            said if said.starts_with("containerd ") => Self(said.to_owned()),
            said => Self(format!("containerd: {said}")),
        }
    }
}

impl Today {
    fn of(policy: &Policy, demands: &Demands, name: Option<&Name>) -> Self {
        let Some(name) = name else {
            return Self { is_denied: true, ..Self::by_no_rule("invalid", None) };
        };
        let asked = Asked::of(name);
        let decided = policy.decide(&asked);
        let (decision, rule, reason) = match &decided {
            Decision::Route { rule, .. } => ("route", rule, None),
            Decision::Pass { rule } => ("pass", rule, None),
            Decision::Deny { rule, reason } => ("deny", rule, Some(reason.to_string())),
        };
        let mut verify = Vec::new();
        if reason.is_none() {
            for must in demands.of_asked(policy, &asked, &decided) {
                match must {
                    Must::Signed(signed) => verify.push(signed.by.to_string()),
                    // A policy.json says so, whoever asks.
                    Must::Refused(why) => {
                        return Self { is_denied: true, ..Self::by_no_rule("deny", Some(why)) };
                    }
                }
            }
        }
        let place = rule.source().map(ToString::to_string);
        let is_denied = policy.denies_everybody(name);
        Self { decision, rule: Some(rule.prefix().to_owned()), place, reason, is_denied, verify }
    }

    fn by_no_rule(decision: &'static str, reason: Option<String>) -> Self {
        Self { decision, rule: None, place: None, reason, is_denied: false, verify: Vec::new() }
    }
}

impl OnNode {
    /// Since when it is on the node, to the second.
    pub(crate) fn since_text(&self) -> Option<String> {
        self.since.map(time)
    }

    /// The registry that served it.
    pub(crate) fn registry(&self) -> Option<&str> {
        self.provenance.as_ref().map(|provenance| provenance.registry.as_str())
    }

    /// By whom it was found signed at its last pull.
    pub(crate) fn verified(&self) -> Option<&str> {
        self.provenance.as_ref().and_then(|from| from.verified.as_deref())
    }

    /// Whether it was found signed at its last pull as the policy demands now; none if nobody demands or found anything.
    pub(crate) fn is_verified(&self) -> Option<bool> {
        let verified = self.verified();
        let is_met = |by: &String| {
            let all = verified.unwrap_or_default().split("; ");
            all.filter_map(|one| one.strip_prefix(by.as_str())).any(|rest| rest.starts_with(": "))
        };
        match self.today.verify.is_empty() {
            true => verified.map(|_| true),
            false => Some(self.today.verify.iter().all(is_met)),
        }
    }
}
