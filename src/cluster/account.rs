//! As whom the API is asked, and where it is: what a pod has of its cluster.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::secret::Secret;

/// Where a pod has the files of its service account.
const DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// An account.
#[derive(Debug)]
pub struct Account {
    /// Host and port.
    pub server: String,
    /// The certificate of the API's authority.
    pub authority: PathBuf,
    /// Its own namespace.
    pub namespace: String,
    token: PathBuf,
}

// === impl Account ===

impl Account {
    /// That of the pod in which this program runs; its files may be in another directory.
    ///
    /// # Errors
    /// There is no such account.
    pub fn find(directory: Option<&Path>) -> Result<Account, String> {
        let directory = directory.unwrap_or(Path::new(DIRECTORY));
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let host = variable("KUBERNETES_SERVICE_HOST")
            .ok_or("this is not a pod of a cluster: KUBERNETES_SERVICE_HOST is not set")?;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let port = variable("KUBERNETES_SERVICE_PORT");
        let server = format!("{host}:{}", port.as_deref().unwrap_or("443"));
        let namespace = directory.join("namespace");
        let namespace = fs::read_to_string(&namespace)
            .map_err(|error| format!("cannot read {}: {error}", namespace.display()))?;
        let namespace = namespace.trim().to_owned();
        Ok(Account { server, authority: directory.join("ca.crt"), namespace, token: directory.join("token") })
    }

    /// The token now: kubelet writes a new one from time to time.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn token(&self) -> io::Result<Secret> {
        Ok(Secret::new(fs::read_to_string(&self.token)?.trim().to_owned()))
    }
}
