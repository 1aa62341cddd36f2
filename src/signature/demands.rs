//! All that a configuration demands of signatures, and which of that is for an image.
//!
//! Holds: what is demanded by several is demanded together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::demand::Demand;
use super::hash::sha256;
use super::policy_json::{PolicyJson, Requirement};
use crate::files::go_duration;
use crate::policy::{Asked, Decision, DemandRef, Location, Name, Policy};

/// Everything that is demanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// By the number of their [`DemandRef`].
    named: Vec<Arc<Signed>>,
    file: Option<File>,
}

/// What a policy.json demands, beside all rules.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    path: PathBuf,
    json: PolicyJson,
    from: Vec<SignaturesFrom>,
    when_away: WhenAway,
}

/// What an image has to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Must {
    /// It has to be signed.
    Signed(Arc<Signed>),
    /// It is refused, whatever is signed, for this reason.
    Refused(String),
}

/// What has to be signed, and how signatures are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Who demands it, for people.
    pub by: Arc<str>,
    /// What is demanded.
    pub demand: Demand,
    /// Where signatures are looked for that the registry does not have which has the image.
    pub from: Vec<SignaturesFrom>,
    /// What holds when a registry does not say which signatures there are.
    pub when_away: WhenAway,
}

/// Where signatures are looked for as well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SignaturesFrom {
    /// In this repository, which may have the signatures of many images.
    Repository(Location),
    /// In the repository of the image's own name.
    Origin,
}

/// What holds when a registry does not say which signatures there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenAway {
    /// The image counts as not signed.
    #[default]
    Closed,
    /// What was found before counts, if it is not older than this.
    Cached(Duration),
}

impl Demands {
    /// These, in the order of their numbers.
    pub fn new(named: Vec<Signed>) -> Self {
        Self { named: named.into_iter().map(Arc::new).collect(), file: None }
    }

    /// The same with what a policy.json demands of each image, whatever rules say.
    #[must_use]
    pub fn with_policy_json(
        self,
        path: PathBuf,
        json: PolicyJson,
        from: Vec<SignaturesFrom>,
        when_away: WhenAway,
    ) -> Self {
        Self { file: Some(File { path, json, from, when_away }), ..self }
    }

    /// Whether there is a policy.json.
    pub fn has_policy_json(&self) -> bool {
        self.file.is_some()
    }

    /// All of it by name, in words by which two configurations can be compared.
    pub fn all(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let named = self.named.iter().map(|signed| (signed.by.to_string(), signed.words()));
        let file = self.file.iter().map(|file| {
            let File { path: _, json, from, when_away } = file;
            let other = format!("its requirements have the hash {}", &sha256(format!("{json:?}"))[..12]);
            ("policy-json".to_owned(), [vec![other], way(from, *when_away)].concat())
        });
        named.chain(file)
    }

    /// Tells what is demanded beside all rules from all else that could be. Where the file is makes no difference.
    pub fn beside(&self) -> Option<String> {
        let File { path: _, json, from, when_away } = self.file.as_ref()?;
        Some(sha256(format!("{json:?}{from:?}{when_away:?}")))
    }

    /// The repositories that have signatures of images beside them.
    pub fn repositories(&self) -> impl Iterator<Item = &Location> {
        let from =
            self.named.iter().map(|signed| &signed.from).chain(self.file.iter().map(|file| &file.from));
        from.flatten().filter_map(|from| match from {
            SignaturesFrom::Repository(location) => Some(location),
            SignaturesFrom::Origin => None,
        })
    }

    /// What policy.json demands and nobody can meet, with the scope of each.
    pub fn unmet(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.file.iter().flat_map(|file| file.json.unmet())
    }

    /// Whether nothing is demanded of any image.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.file.is_none()
    }

    /// What an image has to meet that this policy has decided about, all of it.
    pub fn of_asked(&self, policy: &Policy, asked: &Asked<'_>, decision: &Decision<'_>) -> Vec<Must> {
        self.of(policy.verify(asked, decision.rule()), policy.settings().beside.is_some(), asked.name)
    }

    /// What the image of this name has to meet, all of it. Nothing is demanded where that is empty.
    ///
    /// `verify` is what its rule asks for. `beside` says whether the policy.json counts.
    fn of(&self, verify: Option<&DemandRef>, beside: bool, name: &Name) -> Vec<Must> {
        let named = |demand: &DemandRef| {
            let found = usize::try_from(demand.number).ok().and_then(|number| self.named.get(number));
            found.map_or_else(
                || Must::Refused(format!("there is no signature \"{}\"", demand.name)),
                |signed| Must::Signed(Arc::clone(signed)),
            )
        };
        let mut all: Vec<Must> = verify.map(named).into_iter().collect();
        for must in self.file.iter().filter(|_| beside).flat_map(|file| file.of(name)) {
            if !all.contains(&must) {
                all.push(must);
            }
        }
        all
    }
}

impl File {
    /// By the name as it is, and by the one that all spellings of its registry have: no spelling goes round a scope.
    fn of(&self, name: &Name) -> Vec<Must> {
        let folded = name.key().as_str().parse::<Name>().ok().filter(|folded| folded != name);
        let names = [Some(name), folded.as_ref()].into_iter().flatten();
        names.flat_map(|name| self.by_scope(name)).collect()
    }

    fn by_scope(&self, name: &Name) -> Vec<Must> {
        let (scope, requirements) = self.json.of(name);
        let path = self.path.display();
        let by = match scope {
            None => format!("the default of {path}"),
            Some("") => format!("the scope of all images in {path}"),
            Some(scope) => format!("the scope {scope} in {path}"),
        };
        let must = |requirement: &Requirement| match requirement {
            Requirement::Accept => None,
            Requirement::Reject => Some(Must::Refused(format!("{by} rejects it"))),
            Requirement::Unmet(why) => Some(Must::Refused(format!("{by}: {why}"))),
            Requirement::Signed(demand) => Some(Must::Signed(Arc::new(Signed {
                by: by.as_str().into(),
                demand: (**demand).clone(),
                from: self.from.clone(),
                when_away: self.when_away,
            }))),
        };
        requirements.iter().filter_map(must).collect()
    }
}

/// How signatures are found, a part a line.
fn way(from: &[SignaturesFrom], when_away: WhenAway) -> Vec<String> {
    let mut words: Vec<String> = from.iter().map(|from| format!("looked for at {from} as well")).collect();
    words.extend(when_away.words());
    words
}

impl WhenAway {
    /// What holds, for people; none where the image counts as not signed.
    pub fn words(self) -> Option<String> {
        match self {
            Self::Closed => None,
            Self::Cached(age) => Some(format!(
                "what was found in the last {} counts if no registry answers",
                go_duration::text(age)
            )),
        }
    }
}

impl fmt::Display for SignaturesFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(location) => location.fmt(f),
            Self::Origin => f.write_str("origin"),
        }
    }
}

impl Signed {
    /// What it says, a part a line.
    fn words(&self) -> Vec<String> {
        let Self { by: _, demand, from, when_away } = self;
        let mut words: Vec<String> =
            demand.keys.iter().map(|key| format!("the key {}", key.fingerprint())).collect();
        words.extend(demand.identities().map(|who| format!("{} of {}", who.subject, who.issuer)));
        words.sort();
        words.push(format!("{} needed, under {}", demand.needed(), demand.identity));
        words.extend(demand.without_name.then(|| "a signature without a name counts".to_owned()));
        words.extend(demand.annotations.iter().map(|(name, value)| format!("with {name}={value}")));
        let root = demand.keyless.iter().map(|(root, _)| format!("{root:?}"));
        words.extend(root.map(|root| format!("its trusted root has the hash {}", &sha256(&root)[..12])));
        words.extend(way(from, *when_away));
        words
    }

    /// Tells it from all that demand something else. It is the same on two nodes and after a restart.
    pub fn fingerprint(&self) -> String {
        let Self { by: _, demand, from, when_away } = self;
        sha256(format!("{demand:?}{from:?}{when_away:?}"))
    }
}

impl Demand {
    /// Tells it from all other demands: a verdict is good for this one alone. It is the same after a restart.
    pub fn fingerprint(&self) -> String {
        sha256(format!("{self:?}"))
    }
}
