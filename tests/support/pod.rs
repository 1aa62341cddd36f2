//! A pod with one container, by CRI calls alone.
//!
//! It takes an image that is there, and a sandbox image that can be had (`Containerd::serve_pause`).
//! Holds: the pod uses the node's network, so no CNI plugin is needed.

use super::cri::{Cri, spec};
use k8s_cri::v1::{
    ContainerConfig, ContainerMetadata, CreateContainerRequest, ExecSyncRequest, ExecSyncResponse,
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode, NamespaceOption, PodSandboxConfig,
    PodSandboxMetadata, RemovePodSandboxRequest, RunPodSandboxRequest, StartContainerRequest,
    StopPodSandboxRequest,
};
use std::path::Path;
use tonic::Status;

/// A sandbox that is up.
#[derive(Clone, Debug)]
pub struct Pod {
    pub id: String,
    pub config: PodSandboxConfig,
}

/// The config of a pod on the node's network. Two pods of one name can't be up at once.
pub fn config(name: &str, log_directory: &Path) -> PodSandboxConfig {
    let namespaces = NamespaceOption {
        network: NamespaceMode::Node as i32,
        pid: NamespaceMode::Container as i32,
        ipc: NamespaceMode::Pod as i32,
        ..NamespaceOption::default()
    };
    let security = LinuxSandboxSecurityContext { namespace_options: Some(namespaces), ..Default::default() };
    let linux = LinuxPodSandboxConfig { security_context: Some(security), ..Default::default() };
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: name.to_owned(),
            uid: format!("{name}-uid"),
            namespace: "default".to_owned(),
            attempt: 0,
        }),
        log_directory: log_directory.display().to_string(),
        linux: Some(linux),
        ..PodSandboxConfig::default()
    }
}

/// The config of a container whose image is given as a name or an id.
pub fn container(name: &str, image: &str, command: &[&str]) -> ContainerConfig {
    let mut config = ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.to_owned(), attempt: 0 }),
        image: Some(spec(image)),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        log_path: format!("{name}.log"),
        ..ContainerConfig::default()
    };
    let security = config.linux.get_or_insert_default().security_context.get_or_insert_default();
    let namespaces = security.namespace_options.get_or_insert_default();
    namespaces.network = NamespaceMode::Node as i32;
    namespaces.pid = NamespaceMode::Container as i32;
    config
}

impl Pod {
    pub async fn run(cri: &Cri, name: &str, log_directory: &Path) -> Result<Pod, Status> {
        let config = config(name, log_directory);
        let request = RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: String::new() };
        let id = cri.runtime.clone().run_pod_sandbox(request).await?.into_inner().pod_sandbox_id;
        Ok(Pod { id, config })
    }

    /// Creates a container and gives its id.
    pub async fn create(&self, cri: &Cri, config: ContainerConfig) -> Result<String, Status> {
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        Ok(cri.runtime.clone().create_container(request).await?.into_inner().container_id)
    }

    /// Stops and removes the pod with its containers.
    pub async fn remove(&self, cri: &Cri) -> Result<(), Status> {
        let mut runtime = cri.runtime.clone();
        runtime.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: self.id.clone() }).await?;
        runtime
            .remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: self.id.clone() })
            .await
            .map(drop)
    }
}

pub async fn start(cri: &Cri, container: &str) -> Result<(), Status> {
    let request = StartContainerRequest { container_id: container.to_owned() };
    cri.runtime.clone().start_container(request).await.map(drop)
}

pub async fn exec(cri: &Cri, container: &str, command: &[&str]) -> Result<ExecSyncResponse, Status> {
    let cmd = command.iter().map(|word| (*word).to_owned()).collect();
    // 0 is no limit.
    let request = ExecSyncRequest { container_id: container.to_owned(), cmd, timeout: 0 };
    Ok(cri.runtime.clone().exec_sync(request).await?.into_inner())
}
