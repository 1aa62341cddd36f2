//! What all readers produce, before it is made into one policy: rules, what registries need, logins.
//!
//! Holds: each part carries its place in a file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::diagnostic::{Located, Span, Texts};
use super::sources::endpoint::is_http_by_itself;
use super::sources::source_file::SourceFile;
use crate::containerd::hosts::{Transport, TransportNeed};
use crate::credentials::Login;
use crate::policy::{
    Action, Checkpoint, DefaultAction, Layer, Location, LockList, Mirror, Mode, Names, NodeCredentials,
    OnOutage, Order, Origin, Outage, Policy, Prefix, Present, Rewrite, Route, Rule, Source, Unlisted,
};
use crate::signature::{SignaturesFrom, WhenAway};

/// The policy tables of all files, before they become one policy.
#[derive(Debug, Default)]
pub(super) struct PolicyDraft {
    pub(super) mode: Option<Located<Mode>>,
    pub(super) default: Option<Located<DefaultAction>>,
    pub(super) default_registry: Option<Located<Location>>,
    pub(super) present: Option<Located<Present>>,
    pub(super) names: Option<Located<Names>>,
    pub(super) node_credentials: Option<Located<NodeCredentials>>,
    pub(super) on_outage: Option<Located<OnOutage>>,
    pub(super) outage_max_age: Option<Located<Duration>>,
    /// What is said of signatures, by name.
    pub(super) verify: Option<Located<String>>,
    pub(super) policy_json: Option<Located<PolicyJsonAt>>,
    pub(super) lock: LockDraft,
    /// What is in its file.
    pub(super) lock_list: Option<Arc<LockList>>,
    /// How often the files are checked; the inner `None` is never.
    pub(super) watch: Option<Located<Option<Duration>>>,
    pub(super) rules: Vec<DraftRule>,
    pub(super) sources: Vec<Located<SourceFile>>,
}

/// A rule with its place. Rules of all formats have this form.
#[derive(Debug)]
pub(super) struct DraftRule {
    pub(super) rule: Rule,
    /// The place of the prefix.
    pub(super) at: Span,
    /// The place of each mirror of a route, in order.
    pub(super) mirrors_at: Vec<Span>,
    /// Which file its tags are held to, with the places. The rule has what is in it.
    pub(super) lock: LockDraft,
    /// The settings of each of these mirrors itself; empty if no mirror has any.
    pub(super) own: Vec<Own>,
    /// What it says of signatures, by name.
    pub(super) verify: Option<Located<String>>,
}

/// What a rule or `[policy]` says of locks.
#[derive(Debug, Default)]
pub(super) struct LockDraft {
    pub(super) file: Option<Located<PathBuf>>,
    pub(super) unlisted: Option<Located<Unlisted>>,
}

/// What a rule says of how one of its mirrors is reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) needs: Vec<Located<TransportNeed>>,
    /// Whether it says https.
    pub(super) https: bool,
    /// Whether it says that the certificate is verified.
    pub(super) verify: bool,
    /// Whether what sources say of the mirror's host is not for this mirror.
    pub(super) alone: bool,
}

/// Where `/etc/containers/policy.json` is, and how the signatures are found that it asks for.
#[derive(Clone, Debug)]
pub(super) struct PolicyJsonAt {
    pub(super) path: PathBuf,
    pub(super) from: Vec<SignaturesFrom>,
    pub(super) when_away: WhenAway,
}

/// What one source contains.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// In the order of the file. The layer is set by the caller.
    pub(super) rules: Vec<DraftRule>,
    pub(super) transport: Vec<Located<TransportNeed>>,
    pub(super) logins: Vec<Login>,
}

/// The file and line of a span, in the form that decisions carry.
pub(super) fn file_line(at: &Span, texts: &Texts) -> Source {
    Source { file: texts.name(at.text), line: texts.line(at) }
}

/// What a host or a mirror needs. The layer is set by the caller.
pub(super) fn need(host: &str, what: Located<Transport>, texts: &Texts) -> Located<TransportNeed> {
    let Located { value: mut what, at } = what;
    // containerd would look for a relative path in the directory of its own file.
    let absolute = |path: &mut PathBuf| *path = std::path::absolute(&*path).unwrap_or_else(|_| path.clone());
    match &mut what {
        Transport::CaFile(path) => absolute(path),
        Transport::ClientCert { cert, key } => {
            absolute(cert);
            key.iter_mut().for_each(absolute);
        }
        _ => {}
    }
    let source = file_line(&at, texts);
    let value = TransportNeed { host: host.to_owned(), what, source, layer: Layer::Native };
    Located { value, at }
}

// === impl PolicyDraft ===

impl PolicyDraft {
    /// The rules that are in force in the policy made of this draft.
    pub(super) fn in_force(&self, policy: &Policy) -> impl Iterator<Item = &DraftRule> {
        let rules = self.rules.iter().zip(policy.in_force());
        rules.filter(|(_, counts)| **counts).map(|(drafted, _)| drafted)
    }

    /// What rules say of their mirrors themselves.
    pub(super) fn own_needs(&self) -> impl Iterator<Item = &Located<TransportNeed>> {
        self.rules.iter().flat_map(|drafted| &drafted.own).flat_map(|own| &own.needs)
    }
}

// === impl Imported ===

impl Imported {
    /// Whether the source says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.transport.is_empty() && self.logins.is_empty()
    }
}

// === impl DraftRule ===

impl DraftRule {
    /// A rule of a source.
    pub(super) fn of_source(
        prefix: Prefix,
        action: Action,
        at: &Span,
        mirrors_at: Vec<Span>,
        texts: &Texts,
    ) -> Self {
        let source = file_line(at, texts);
        let rule = Rule {
            prefix,
            action,
            checkpoint: Checkpoint::Refuse,
            foreign_urls: false,
            verify: None,
            lock: Default::default(),
            namespaces: None,
            mode: None,
            source,
            layer: Layer::default(),
        };
        let lock = LockDraft::default();
        DraftRule { rule, at: at.clone(), mirrors_at, lock, own: Vec::new(), verify: None }
    }

    /// With the settings of each mirror itself.
    pub(super) fn with_own(self, own: Vec<Own>) -> Self {
        DraftRule { own, ..self }
    }
}

// === impl Own ===

impl Own {
    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        let Own { needs, https, verify, alone } = self;
        needs.is_empty() && !https && !verify && !alone
    }

    /// Adds plain http, after everything else has been added. containerd asks a loopback host in plain http by itself,
    /// but only as long as nothing else is said of it.
    pub(super) fn say_http(&mut self, plain_http: Located<TransportNeed>) {
        if !self.needs.is_empty() || !is_http_by_itself(&plain_http.value.host) {
            self.needs.insert(0, plain_http);
        }
    }
}

/// What a source does with the images of a rule. All formats ask a mirror for the repository without its registry,
/// so images of several registries may have one place.
pub(super) fn source_route(mirrors: Vec<Mirror>, rewrites: Vec<Rewrite>, origin: Origin) -> Action {
    Action::Route(Route {
        mirrors,
        order: Order::Fixed,
        rewrites,
        origin,
        collapse: true,
        node_credentials: None,
        outage: Outage::default(),
    })
}
