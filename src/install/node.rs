//! The clients of a node, and what the endpoints that they have ask for.

use std::path::{Path, PathBuf};

use crate::node::{Distribution, Endpoint, Kubelet, Rancher, Said, Tree};

/// Where crictl looks.
pub(super) const CRICTL: &str = "/etc/crictl.yaml";

/// Where crictl may be.
const CRICTL_PROGRAMS: [&str; 5] = [
    "/usr/bin/crictl",
    "/usr/local/bin/crictl",
    "/opt/bin/crictl",
    "/var/lib/rancher/rke2/bin/crictl",
    "/usr/sbin/crictl",
];

/// A client of containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A kubelet with a unit of its own.
    Kubelet,
    /// The kubelet that kubeadm has set up.
    Kubeadm,
    /// k3s.
    K3s,
    /// RKE2.
    Rke2,
    /// crictl.
    Crictl,
}

/// The node as it is.
pub struct Node<'n> {
    /// Its files.
    pub tree: &'n Tree,
    /// The socket that clients are to use.
    pub socket: &'n Path,
    /// `listen.socket`, where it is set.
    pub listen: Option<&'n Path>,
    /// The kubelet of a unit.
    pub kubelet: Option<&'n Kubelet>,
    /// k3s and RKE2.
    pub ranchers: &'n [Rancher],
}

/// What an endpoint asks for.
pub(super) enum Next<'s> {
    Nothing,
    Replace(&'s Said),
    Insert,
}

/// Why a client is not changed.
pub(super) enum No {
    /// The others may be changed.
    Leave(String),
    /// Nothing may be changed: somebody else stands there.
    Refuse(String),
}

// === impl Client ===

impl Client {
    /// All of them. A kubelet of kubeadm is a kubelet.
    pub const ALL: [Self; 4] = [Self::Kubelet, Self::K3s, Self::Rke2, Self::Crictl];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kubelet | Self::Kubeadm => "kubelet",
            Self::K3s => Distribution::K3s.name(),
            Self::Rke2 => Distribution::Rke2.name(),
            Self::Crictl => "crictl",
        }
    }

    fn distribution(self) -> Option<Distribution> {
        match self {
            Self::K3s => Some(Distribution::K3s),
            Self::Rke2 => Some(Distribution::Rke2),
            _ => None,
        }
    }
}

// === impl Node ===

impl Node<'_> {
    pub(super) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub(super) fn is_own(&self, endpoint: &str) -> bool {
        let endpoint = Endpoint::of(endpoint);
        endpoint.leads_to(self.socket) || self.listen.is_some_and(|listen| endpoint.leads_to(listen))
    }

    /// Whether a client is there.
    pub fn has(&self, client: Client) -> bool {
        match client {
            Client::Kubelet => self.kubelet.is_some(),
            Client::Kubeadm => {
                let files = ["/var/lib/kubelet/kubeadm-flags.env", "/etc/kubernetes/kubelet.conf"];
                self.kubelet.is_some() && files.iter().any(|file| self.tree.has(Path::new(file)))
            }
            Client::K3s | Client::Rke2 => self.rancher(client).is_some(),
            Client::Crictl => {
                CRICTL_PROGRAMS.iter().chain([&CRICTL]).any(|file| self.tree.has(Path::new(file)))
            }
        }
    }

    pub(super) fn rancher(&self, client: Client) -> Option<&Rancher> {
        let distribution = client.distribution()?;
        self.ranchers.iter().find(|rancher| rancher.distribution == distribution)
    }

    /// The containerd behind a client.
    pub(super) fn containerd(&self, client: Client) -> Option<PathBuf> {
        let of = |said: Option<&Said>| match Endpoint::of(&said?.value) {
            Endpoint::Containerd(path) => Some(path),
            _ => None,
        };
        match client {
            Client::Kubelet | Client::Kubeadm => of(self.kubelet?.runtime.last()),
            Client::K3s | Client::Rke2 => {
                let rancher = self.rancher(client)?;
                match &rancher.own_runtime {
                    Some(said) => of(Some(said)),
                    None => Some(rancher.containerd().to_owned()),
                }
            }
            Client::Crictl => None,
        }
    }

    /// What the endpoint that counts asks for.
    pub(super) fn judge<'s>(
        &self,
        name: &str,
        image: Option<&'s Said>,
        runtime: Option<&Said>,
    ) -> Result<Next<'s>, No> {
        let Some(said) = image.or(runtime) else { return Ok(Next::Insert) };
        if self.is_own(&said.value) {
            return Ok(Next::Nothing);
        }
        match (Endpoint::of(&said.value), image) {
            (Endpoint::Shim(shim, _), _) => Err(No::Refuse(format!(
                "{name} asks {shim} for images, by {}, and only one program can be there: switch off the image proxy \
                 of {shim} first",
                said.at
            ))),
            (Endpoint::Runtime(runtime, _), _) => Err(No::Refuse(format!(
                "{name} asks {runtime} for images, by {}, and cri-shunt stands in front of containerd only",
                said.at
            ))),
            (Endpoint::Containerd(_), Some(said)) => Ok(Next::Replace(said)),
            (Endpoint::Containerd(_), None) => Ok(Next::Insert),
            (Endpoint::Other(path), _) => Err(No::Leave(format!(
                "{name} is left alone: by {} it asks {} for images, and that is neither containerd nor cri-shunt",
                said.at,
                path.display()
            ))),
            (Endpoint::NoPath, _) => Err(No::Leave(format!(
                "{name} is left alone: its endpoint at {} is not the path of a socket",
                said.at
            ))),
        }
    }
}
