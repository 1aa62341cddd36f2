//! One candidate of an image, as `explain` shows it.

use serde::Serialize;

use super::outcome::Outcome;
use crate::containerd::hosts::HostFile;
use crate::credentials::{Credentials, Known};
use crate::files::reader::{Need, Reader};
use crate::policy::{Candidate, Name, NodeCredentials, Ns, Role};
use crate::registry::Endpoint;

const MIRROR: &str = "mirror";

/// A place that an image may come from. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub(super) reference: String,
    /// The same; its text may not be read back as it is, because no reference can say its host.
    #[serde(skip)]
    pub(super) name: Name,
    /// The registry that it is told of, in the query `ns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ns: Option<String>,
    /// Whether it cannot serve without that, so that people should know.
    #[serde(skip)]
    pub(super) needs_ns: bool,
    /// The tag that it is asked by where it does not find the digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warm_tag: Option<String>,
    /// The number of its endpoint, where its rule says itself how it is reached.
    #[serde(skip)]
    pub(super) endpoint: Option<u32>,
    pub(super) role: &'static str,
    pub(super) credentials: Whose,
    /// Whether a login of the node, be it containerd's own, is not for it.
    #[serde(skip)]
    pub(super) is_withheld: bool,
    /// Where the node's own credentials come from.
    credentials_source: Option<String>,
    /// The user's name in them, where it is known without running a program.
    username: Option<String>,
    /// The program that will be asked for them, for people.
    #[serde(skip)]
    asks: Option<String>,
    /// Why the daemon cannot use them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credentials_problem: Option<String>,
    /// How its registry is reached, where the configuration says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transport: Option<String>,
    /// What the daemon cannot use of the files by which it is reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transport_problems: Vec<String>,
    /// The first of them for which its registry is not asked at all.
    #[serde(skip)]
    pub(super) is_cut_off: Option<String>,
    /// With `--live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<Outcome>,
}

/// Whose credentials a candidate is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Whose {
    /// None: those of the client are for another registry.
    None,
    /// The client's, untouched.
    Client,
    /// The node's own.
    Node,
    /// The node's own, if the client sends credentials for the registry that it asks for.
    NodeWithClient,
}

// === impl Target ===

impl Target {
    pub(super) fn candidate(
        asked: &Name,
        tag: Option<&str>,
        candidate: &Candidate,
        use_of: NodeCredentials,
        credentials: &Credentials,
        reader: &Reader,
    ) -> Self {
        let target = Target::with_credentials(candidate, use_of, credentials, reader);
        let ns = (candidate.ns != Ns::Off).then(|| asked.host().to_owned());
        let warm_tag = tag.filter(|_| candidate.warm_by_tag).map(str::to_owned);
        let needs_ns = candidate.ns == Ns::Needed;
        Target { ns, needs_ns, warm_tag, endpoint: candidate.endpoint, ..target }
    }

    fn with_credentials(
        candidate: &Candidate,
        use_of: NodeCredentials,
        credentials: &Credentials,
        reader: &Reader,
    ) -> Self {
        let role = match candidate.role {
            Role::Mirror => MIRROR,
            Role::Origin => "origin",
        };
        if candidate.same_host {
            return Target::new(&candidate.name, role, Whose::Client);
        }
        let whose = match use_of {
            NodeCredentials::Always => Whose::Node,
            NodeCredentials::WithClient => Whose::NodeWithClient,
            NodeCredentials::Never => {
                return Target { is_withheld: true, ..Target::new(&candidate.name, role, Whose::None) };
            }
        };
        let Some(Known { username, source, asks, problem }) = credentials.known(&candidate.name, reader)
        else {
            return Target::new(&candidate.name, role, Whose::None);
        };
        Target {
            credentials_source: Some(source),
            username,
            asks,
            credentials_problem: problem,
            ..Target::new(&candidate.name, role, whose)
        }
    }

    pub(super) fn origin(name: &Name) -> Self {
        Target::new(name, "origin", Whose::Client)
    }

    fn new(name: &Name, role: &'static str, credentials: Whose) -> Self {
        let reference = name.as_str().to_owned();
        Target {
            reference,
            name: name.clone(),
            ns: None,
            needs_ns: false,
            warm_tag: None,
            endpoint: None,
            role,
            credentials,
            is_withheld: false,
            credentials_source: None,
            username: None,
            asks: None,
            credentials_problem: None,
            transport: None,
            transport_problems: Vec::new(),
            is_cut_off: None,
            live: None,
        }
    }

    /// Adds how its registry is reached, and what the daemon cannot use of the files for that.
    pub(super) fn add_transport(&mut self, endpoint: &Endpoint, is_said: bool, reader: &Reader) {
        self.transport = is_said.then(|| endpoint.to_string());
        for file in HostFile::of_endpoint(endpoint) {
            let Some(fault) = reader.fault(&file) else { continue };
            let problem = format!("{}: {}", file.subject(), fault.what);
            if fault.is_closed && self.is_cut_off.is_none() {
                self.is_cut_off = Some(problem.clone());
            }
            self.transport_problems.push(problem);
        }
    }

    /// What the daemon cannot use of the files by which it is reached.
    pub(super) fn transport_problems(&self) -> &[String] {
        &self.transport_problems
    }

    pub(super) fn is_mirror(&self) -> bool {
        self.role == MIRROR
    }

    pub(super) fn credentials_text(&self) -> String {
        let Target { username, .. } = self;
        let asks = self.asks.iter().map(|program| format!(", asks {program} at the pull"));
        let problem = self.credentials_problem.iter().map(|problem| format!(" ({problem})"));
        let remark: String = asks.chain(problem).collect();
        let source = self.credentials_source.as_deref().unwrap_or_default();
        let node = match username {
            Some(name) => format!("as {name} from {source}{remark}"),
            None => format!("from {source}{remark}"),
        };
        match self.credentials {
            Whose::None => "no credentials".to_owned(),
            Whose::Client => "the client's credentials".to_owned(),
            Whose::Node => node,
            Whose::NodeWithClient => format!("{node}, if the client sends credentials"),
        }
    }
}
