//! containerd's own view, beside CRI: image records with their labels, and content.
//! Tests see by it what a pull left in the store.

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::snapshots::ListSnapshotsRequest;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::{
    self as api, DeleteImageRequest, ListContentRequest, ListImagesRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tonic::Request;
use tonic::transport::Channel;

/// The namespace that CRI works in.
pub const NAMESPACE: &str = "k8s.io";

/// The label of a snapshot with the name of its image.
const PULLED_NAME: &str = "containerd.io/snapshot/cri.image-ref";

/// One image record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub name: String,
    pub target: String,
    pub labels: BTreeMap<String, String>,
}

/// containerd's native services in CRI's namespace.
#[derive(Clone, Debug)]
pub struct Native {
    channel: Channel,
}

/// A request with the namespace in its metadata.
pub fn in_namespace<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", NAMESPACE.parse().unwrap());
    request
}

impl Native {
    pub async fn connect(socket: &Path) -> Native {
        Native { channel: super::cri::channel(socket).await.unwrap() }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// All image records, by name.
    pub async fn records(&self) -> Vec<Record> {
        let answer = ImagesClient::new(self.channel()).list(in_namespace(ListImagesRequest::default())).await;
        let mut records: Vec<Record> = answer.unwrap().into_inner().images.into_iter().map(record).collect();
        records.sort_by(|a, b| a.name.cmp(&b.name));
        records
    }

    pub async fn record(&self, name: &str) -> Option<Record> {
        self.records().await.into_iter().find(|record| record.name == name)
    }

    /// The names whose text contains `part`.
    pub async fn names_with(&self, part: &str) -> Vec<String> {
        self.records().await.into_iter().map(|r| r.name).filter(|name| name.contains(part)).collect()
    }

    /// Writes a record beside CRI, as `ctr images tag` would, pointing at the target of another.
    pub async fn tag(&self, from: &str, to: &str) {
        let mut client = ImagesClient::new(self.channel());
        let request = in_namespace(api::GetImageRequest { name: from.to_owned() });
        let mut image = client.get(request).await.unwrap().into_inner().image.unwrap();
        image.name = to.to_owned();
        image.labels.clear();
        let request = api::CreateImageRequest { image: Some(image), source_date_epoch: None };
        client.create(in_namespace(request)).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        let request =
            DeleteImageRequest { name: name.to_owned(), sync: true, ..DeleteImageRequest::default() };
        ImagesClient::new(self.channel()).delete(in_namespace(request)).await.unwrap();
    }

    /// As `delete`, also where somebody else may just have done it.
    pub async fn delete_if_there(&self, name: &str) {
        let request =
            DeleteImageRequest { name: name.to_owned(), sync: true, ..DeleteImageRequest::default() };
        if let Err(status) = ImagesClient::new(self.channel()).delete(in_namespace(request)).await {
            assert_eq!(status.code(), tonic::Code::NotFound, "{status}");
        }
    }

    /// Removes one piece of content, as `ctr content rm` does.
    pub async fn delete_content(&self, digest: &str) {
        let request = api::DeleteContentRequest { digest: digest.to_owned() };
        ContentClient::new(self.channel()).delete(in_namespace(request)).await.unwrap();
    }

    /// The digests of all content.
    pub async fn content(&self) -> Vec<String> {
        self.content_labels().await.into_keys().collect()
    }

    /// The labels of all content, by its digest.
    pub async fn content_labels(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let request = in_namespace(ListContentRequest::default());
        let mut stream = ContentClient::new(self.channel()).list(request).await.unwrap().into_inner();
        let mut content = BTreeMap::new();
        while let Some(page) = stream.message().await.unwrap() {
            content
                .extend(page.info.into_iter().map(|info| (info.digest, info.labels.into_iter().collect())));
        }
        content
    }

    /// The names by which images were pulled, as snapshotters were told, each once.
    pub async fn pulled_names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for snapshotter in ["overlayfs", "native"] {
            let request = ListSnapshotsRequest { snapshotter: snapshotter.to_owned(), ..Default::default() };
            // Where the machine's file system carries no overlay, that one does not answer.
            let Ok(answer) = SnapshotsClient::new(self.channel()).list(in_namespace(request)).await else {
                continue;
            };
            let mut stream = answer.into_inner();
            while let Ok(Some(page)) = stream.message().await {
                let labels = page.info.into_iter().map(|mut info| info.labels.remove(PULLED_NAME));
                names.extend(labels.flatten());
            }
        }
        names
    }

    /// containerd's own record of a container.
    pub async fn container(&self, id: &str) -> api::Container {
        let request = in_namespace(api::GetContainerRequest { id: id.to_owned() });
        let answer = ContainersClient::new(self.channel()).get(request).await;
        answer.unwrap().into_inner().container.unwrap()
    }
}

fn record(image: api::Image) -> Record {
    Record {
        name: image.name,
        target: image.target.map(|target| target.digest).unwrap_or_default(),
        labels: image.labels.into_iter().collect(),
    }
}
