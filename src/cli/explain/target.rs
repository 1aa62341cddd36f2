//! One candidate of an image, as `explain` shows it.

use serde::Serialize;

use super::outcome::Outcome;
use crate::credentials::{Credentials, Known};
use crate::policy::{Candidate, Name, NodeCredentials, Ns, Role};

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
    /// More about them, for people.
    #[serde(skip)]
    remark: String,
    /// How its registry is reached, where the configuration says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transport: Option<String>,
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
        candidate: &Candidate,
        use_of: NodeCredentials,
        credentials: &Credentials,
    ) -> Self {
        let target = Target::with_credentials(candidate, use_of, credentials);
        let ns = (candidate.ns != Ns::Off).then(|| asked.host().to_owned());
        Target { ns, needs_ns: candidate.ns == Ns::Needed, endpoint: candidate.endpoint, ..target }
    }

    fn with_credentials(candidate: &Candidate, use_of: NodeCredentials, credentials: &Credentials) -> Self {
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
        let Some(Known { username, source, asks, problem }) = credentials.known(&candidate.name) else {
            return Target::new(&candidate.name, role, Whose::None);
        };
        let asks = asks.map(|program| format!(", asks {program} at the pull"));
        let problem = problem.map(|problem| format!(" ({problem})"));
        let remark = [asks, problem].into_iter().flatten().collect();
        let credentials_source = Some(source);
        Target { credentials_source, username, remark, ..Target::new(&candidate.name, role, whose) }
    }

    pub(super) fn origin(name: &Name) -> Self {
        Target::new(name, "origin", Whose::Client)
    }

    fn new(name: &Name, role: &'static str, credentials: Whose) -> Self {
        let reference = name.as_str().to_owned();
        let remark = String::new();
        Target {
            reference,
            name: name.clone(),
            ns: None,
            needs_ns: false,
            endpoint: None,
            role,
            credentials,
            is_withheld: false,
            credentials_source: None,
            username: None,
            remark,
            transport: None,
            live: None,
        }
    }

    pub(super) fn is_mirror(&self) -> bool {
        self.role == MIRROR
    }

    pub(super) fn credentials_text(&self) -> String {
        let Target { username, remark, .. } = self;
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
