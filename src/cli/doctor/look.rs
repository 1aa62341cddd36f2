//! What all topics look at: the files, what the program's own files say, who runs and who listens.

use std::path::{Path, PathBuf};

use crate::config::defaults;
use crate::install::{SERVICE, SOCKET};
use crate::node::{
    Distribution, Endpoint, Kubelet, Place, Process, Rancher, Sockets, Tree, Unit, of_unit, processes,
};

/// A node, as it is looked at.
pub(crate) struct Look {
    pub(crate) tree: Tree,
    pub(crate) own: Own,
    pub(crate) service: Option<Unit>,
    pub(crate) socket: Option<Unit>,
    /// Of this machine; none of another.
    pub(crate) processes: Vec<Process>,
    /// Of this machine.
    pub(crate) sockets: Option<Sockets>,
    /// The kubelet of a unit of its own.
    pub(crate) kubelet: Option<Kubelet>,
    pub(crate) ranchers: Vec<Rancher>,
}

/// What the program's own files and units say of paths. Their other content is judged by `config`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// The main file.
    pub(crate) config: PathBuf,
    /// The main file and the drop-ins that are there.
    pub(crate) files: Vec<PathBuf>,
    /// The socket that clients should use.
    pub(crate) socket: PathBuf,
    /// `listen.socket`, where it is set.
    pub(crate) listen: Option<PathBuf>,
    /// containerd's.
    pub(crate) containerd: PathBuf,
    /// Whether a file says so.
    pub(crate) containerd_is_set: bool,
    pub(crate) bypass: PathBuf,
}

// === impl Look ===

impl Look {
    pub(crate) fn at(tree: Tree, config: &Path) -> Self {
        let (service, socket) = (Unit::read(&tree, SERVICE), Unit::read(&tree, SOCKET));
        let own = Own::read(&tree, config, socket.as_ref());
        let processes = if tree.is_own() { processes() } else { Vec::new() };
        let sockets = tree.is_own().then(Sockets::look);
        let ranchers: Vec<Rancher> = Distribution::ALL
            .into_iter()
            .filter_map(|distribution| Rancher::read(&tree, distribution))
            .collect();
        // RKE2 starts a kubelet as a process of its own.
        let running =
            processes.iter().find(|process| process.name == "kubelet").filter(|_| ranchers.is_empty());
        let kubelet = of_unit(&tree, running);
        Look { tree, own, service, socket, processes, sockets, kubelet, ranchers }
    }

    /// The endpoint that clients should have.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.own.socket.display())
    }

    /// Whether an endpoint is the shunt.
    pub(crate) fn is_own_endpoint(&self, endpoint: &str) -> bool {
        let endpoint = Endpoint::of(endpoint);
        endpoint.leads_to(&self.own.socket)
            || self.own.listen.as_ref().is_some_and(|listen| endpoint.leads_to(listen))
    }

    /// Where a kubelet is given the shunt's socket.
    pub(crate) fn led_here(&self) -> Option<&Place> {
        let kubelets = self.kubelets().map(|(kubelet, _)| kubelet);
        let mut said =
            kubelets.flat_map(|kubelet| kubelet.image.last().into_iter().chain(kubelet.runtime.last()));
        said.find(|said| self.is_own_endpoint(&said.value)).map(|said| &said.at)
    }

    /// All kubelets, each with the distribution that starts it.
    pub(crate) fn kubelets(&self) -> impl Iterator<Item = (&Kubelet, Option<&Rancher>)> {
        let own = self.kubelet.iter().map(|kubelet| (kubelet, None));
        own.chain(self.ranchers.iter().map(|rancher| (&rancher.kubelet, Some(rancher))))
    }

    /// The running process of a kubelet.
    pub(crate) fn process_of(&self, rancher: Option<&Rancher>) -> Option<&Process> {
        let name = match rancher.map(|rancher| rancher.distribution) {
            Some(Distribution::K3s) => "k3s",
            Some(Distribution::Rke2) | None => "kubelet",
        };
        self.processes.iter().find(|process| process.name == name)
    }
}

// === impl Own ===

impl Own {
    fn read(tree: &Tree, config: &Path, socket: Option<&Unit>) -> Self {
        let directory = config.with_file_name("conf.d");
        let is_toml = |name: &PathBuf| name.extension().is_some_and(|extension| extension == "toml");
        let drop_ins = tree.names(&directory).into_iter().map(PathBuf::from).filter(is_toml);
        // The program reads no hidden file.
        let drop_ins = drop_ins.filter(|name| !name.to_string_lossy().starts_with('.'));
        let mut files = vec![config.to_owned()];
        files.extend(drop_ins.map(|name| directory.join(name)));
        let (mut listen, mut containerd, mut bypass) = (None, None, None);
        for text in files.iter().filter_map(|file| tree.text(file)) {
            let Ok(table) = text.parse::<toml::Table>() else { continue };
            let path = |section: &str, key: &str| {
                let text = table.get(section)?.get(key)?.as_str()?;
                text.starts_with('/').then(|| PathBuf::from(text))
            };
            listen = path("listen", "socket").or(listen);
            containerd = path("containerd", "socket").or(containerd);
            bypass = path("state", "bypass-file").or(bypass);
        }
        files.retain(|file| tree.has(file));
        // A daemon with another file is not the one of the units.
        let socket = socket.filter(|_| config == Path::new(defaults::CONFIG_FILE));
        let held = socket.and_then(|unit| unit.values("Socket", "ListenStream").into_iter().next());
        let held = held.map(|said| PathBuf::from(said.value)).filter(|path| path.is_absolute());
        let socket = held.or(listen.clone()).unwrap_or_else(|| PathBuf::from(defaults::LISTEN_SOCKET));
        Own {
            config: config.to_owned(),
            files,
            socket,
            listen,
            containerd_is_set: containerd.is_some(),
            containerd: containerd.unwrap_or_else(|| PathBuf::from(defaults::CONTAINERD_SOCKET)),
            bypass: bypass.unwrap_or_else(|| PathBuf::from(defaults::BYPASS_FILE)),
        }
    }
}
