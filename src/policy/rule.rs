//! What a rule says, and the settings around the rules.
//!
//! Holds: a `Rule` knows where it was written, so every decision can say so.
//! Not here: whether rules contradict each other (`conflict`), what they mean for a name (`decide`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::location::Location;
use super::lock::Held;
use super::namespaces::Namespaces;
use super::prefix::Prefix;

/// Where a rule was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, counted from 1.
    pub line: u32,
}

/// One rule: a prefix and what happens to the names under it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The names that the rule is for.
    pub prefix: Prefix,
    /// The namespaces of the pods that it holds for; `None` for all pods and clients.
    pub namespaces: Option<Namespaces>,
    /// Whether it is in force; `None`: as [`Settings`] says.
    pub mode: Option<Mode>,
    /// What happens to them.
    pub action: Action,
    /// Whether they may be checkpoint images.
    pub checkpoint: Checkpoint,
    /// Whether their layers may come from other hosts, which a manifest can name (`urls` of a descriptor).
    pub foreign_urls: bool,
    /// Which signatures they have to have; `None`: as [`Settings`] says.
    pub verify: Option<Verify>,
    /// The digests that its tags are held to; what it leaves out is as [`Settings`] says.
    pub lock: Held,
    /// Where the rule was written.
    pub source: Source,
    /// Which set of rules it belongs to.
    pub layer: Layer,
}

/// Which signatures images have to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// None.
    #[default]
    Nothing,
    /// Those that this asks for.
    Demand(DemandRef),
}

/// What a part of the configuration asks of signatures. Nothing here depends on what that is.
#[derive(Clone, PartialEq, Eq)]
pub struct DemandRef {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The number by which it is found.
    pub number: u32,
    /// Tells it from another one that has the same name in another configuration.
    pub fingerprint: Arc<str>,
}

impl fmt::Debug for DemandRef {
    /// Without the number: policies are compared by this text, and the order of tables makes no difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DemandRef({} {})", self.name, self.fingerprint)
    }
}

impl Verify {
    /// What is asked for, if anything is.
    pub fn demand(&self) -> Option<&DemandRef> {
        match self {
            Verify::Nothing => None,
            Verify::Demand(demand) => Some(demand),
        }
    }
}

/// Whether what the policy says is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is told, and nothing is done: all goes on as if it were not written.
    Observe,
}

impl Mode {
    /// The word for it in a file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Observe => "observe",
        }
    }
}

/// Which set of rules a rule belongs to. Of two rules with one prefix the one in the lower layer holds.
///
/// A rule of a source never allows what the native rules deny, however specific it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The program's own configuration.
    #[default]
    Native,
    /// A file in another program's format; the earlier source has the lower number.
    Source(usize),
}

/// What a rule does with a name.
#[derive(Clone, Debug)]
pub enum Action {
    /// Pull it from mirrors.
    Route(Route),
    /// Refuse it.
    Deny {
        /// Why, in words for people.
        reason: String,
    },
    /// Leave it alone: the exception inside a wider rule.
    Pass,
}

/// Where a routed name is pulled from.
#[derive(Clone, Debug)]
pub struct Route {
    /// The mirrors, in the order of the rule.
    pub mirrors: Vec<Mirror>,
    /// In which order they are tried.
    pub order: Order,
    /// Changes of the repository path, made before a mirror's own path is put in front.
    pub rewrites: Vec<Rewrite>,
    /// Whether the registry that the name itself asks for may be tried.
    pub origin: Origin,
    /// Whether several source registries may fall on one target.
    pub collapse: bool,
    /// Whether the node's own credentials may be used; `None`: as [`Settings`] says.
    pub node_credentials: Option<NodeCredentials>,
    /// What is done when no candidate can serve; what it leaves out is as [`Settings`] says.
    pub outage: Outage,
}

/// One mirror of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Host and path.
    pub location: Location,
    /// Which names it serves.
    pub only: Only,
    /// Whether the location takes the place of the rule's whole prefix, path included, instead of standing
    /// in front of the whole repository. It has no effect in a route with rewrites, which can do the same.
    pub strip_prefix: bool,
    /// Whether its registry is told which registry a name is of.
    pub ns: Ns,
    /// How its registry is reached, where the rule says so: a number that the configuration gives out, and
    /// that candidates carry on. Nothing here depends on what it stands for.
    pub endpoint: Option<u32>,
    /// Whether it is asked by the tag of a name that has tag and digest, where it does not find the digest.
    pub warm_by_tag: bool,
    /// Whether other images may be there for who comes this way than for who comes in another: a header or an API root
    /// tells the registry which ones are meant.
    pub apart: bool,
}

impl Mirror {
    /// A mirror of which nothing more is said.
    pub fn at(location: Location) -> Self {
        Self {
            location,
            only: Only::default(),
            strip_prefix: false,
            ns: Ns::default(),
            endpoint: None,
            warm_by_tag: false,
            apart: false,
        }
    }
}

/// Whether a mirror is told, in the query `ns`, which registry a name is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ns {
    /// It is not: it has one registry's images, or each registry's under a path of its own.
    #[default]
    Off,
    /// It is, as containerd tells every mirror of a `hosts.toml`. It may not look at that.
    Sent,
    /// It is, and needs it: it has the images of several registries under one path.
    Needed,
}

/// One change of a repository path.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The pattern: unanchored, every occurrence, as k3s' containerd does.
    pub pattern: regex::Regex,
    /// The text in its place; `$1` and `${name}` stand for groups.
    pub replacement: String,
}

/// Which names a mirror serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Only {
    /// All.
    #[default]
    Any,
    /// Those with a digest.
    Digests,
    /// Those with a tag.
    Tags,
}

/// In which order mirrors are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In that of the rule.
    #[default]
    Fixed,
    /// First the one that has answered fastest lately.
    Fastest,
}

/// Whether the registry of the name itself may be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Never.
    #[default]
    Never,
    /// After all mirrors.
    Last,
}

/// Whether a mirror on another registry is given the credentials that the node has for it.
///
/// A client does not see that a pull has used them: kubelet 1.33 and later may note the image as one that
/// every pod may use (KubeletEnsureSecretPulledImages).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeCredentials {
    /// It is.
    #[default]
    Always,
    /// Only for a client that brings its own credentials for the registry that it asked for.
    WithClient,
    /// It is not.
    Never,
}

/// What is done with a pull that no registry can serve at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// How it is answered.
    pub answer: Option<OnOutage>,
    /// How long ago the pull may be that has brought the image.
    pub max_age: Option<Duration>,
}

/// How a pull is answered that no registry can serve at present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// With an error.
    #[default]
    Fail,
    /// With the image that is on the node, if it was pulled with the login that this request brings.
    Present,
}

impl Outage {
    /// Whether the image on the node may be the answer.
    pub fn serves(&self) -> bool {
        self.answer == Some(OnOutage::Present)
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { answer: self.answer.or(other.answer), max_age: self.max_age.or(other.max_age) }
    }
}

/// Whether a checkpoint image may be used.
///
/// containerd 2.1 pulls the base image that a checkpoint names without asking any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checkpoint {
    /// It is refused.
    #[default]
    Refuse,
    /// It may.
    Allow,
}

/// What holds for the policy as a whole.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether what the policy says is done, where a rule does not say. It holds for the two defaults below, too.
    pub mode: Mode,
    /// What happens to a name that no rule matches.
    pub default: DefaultAction,
    /// Where that was written; `None` for the built-in default.
    pub default_source: Option<Source>,
    /// Where names of Docker Hub come from when no rule matches them.
    pub default_registry: Option<(Location, Source)>,
    /// What happens to a denied image that is already on the node.
    pub present: Present,
    /// Which names an image keeps after a pull from a mirror.
    pub names: Names,
    /// Whether mirrors are given the node's credentials, where a rule does not say.
    pub node_credentials: NodeCredentials,
    /// What is done when no candidate can serve, where a rule does not say.
    pub outage: Outage,
    /// Which signatures images have to have, where a rule does not say.
    pub verify: Verify,
    /// Tells apart what is asked of signatures beside all rules, by a policy.json; `None` where nothing is.
    pub beside: Option<Arc<str>>,
    /// The digests that tags are held to, where a rule does not say.
    pub lock: Held,
}

/// What happens to a name that no rule matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultAction {
    /// It passes.
    #[default]
    Pass,
    /// It is refused: the rules are an allow-list.
    Deny,
}

impl DefaultAction {
    /// The word for it in a file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            DefaultAction::Pass => "pass",
            DefaultAction::Deny => "deny",
        }
    }
}

/// What happens to a denied image that is already on the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Present {
    /// It stays usable.
    #[default]
    Leave,
    /// ImageStatus says that it is absent, and containers from it are refused.
    Hide,
}

/// Which names an image keeps after a pull from a mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// The one that was asked for.
    #[default]
    Original,
    /// The mirror's as well.
    Both,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
