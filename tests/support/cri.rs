//! CRI clients over a unix socket, as a recent kubelet would be one.
//!
//! Answers are typed.
//! Not here: bytes and trailers as they are on the wire (see `raw`).

use super::PATIENCE;
use hyper_util::rt::TokioIo;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{self, AuthConfig, Image, ImageSpec, PullImageRequest};
use std::path::{Path, PathBuf};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// containerd's and kubelet's limit for one message.
pub const LIMIT: usize = 16 << 20;

/// A connection to a unix socket, with the `:authority` that newer clients send.
///
/// It belongs to the tokio runtime that it is made in: one per test.
pub async fn channel(socket: &Path) -> Result<Channel, tonic::transport::Error> {
    let socket = socket.to_owned();
    let connect = tower::service_fn(move |_| {
        let socket: PathBuf = socket.clone();
        async move { Ok::<_, std::io::Error>(TokioIo::new(tokio::net::UnixStream::connect(socket).await?)) }
    });
    Endpoint::from_static("http://localhost").connect_with_connector(connect).await
}

/// Whether CRI answers there: sockets appear before the CRI plugin is up.
pub async fn is_ready(socket: &Path) -> bool {
    let Ok(channel) = channel(socket).await else { return false };
    let mut runtime = RuntimeServiceClient::new(channel.clone());
    let mut images = ImageServiceClient::new(channel);
    let answers = async {
        runtime.version(v1::VersionRequest::default()).await.is_ok()
            && images.list_images(v1::ListImagesRequest::default()).await.is_ok()
    };
    // A socket may be there and its program not serve yet: then it is asked anew.
    tokio::time::timeout(PATIENCE / 10, answers).await.unwrap_or(false)
}

/// Both CRI services of one socket.
#[derive(Clone, Debug)]
pub struct Cri {
    pub images: ImageServiceClient<Channel>,
    pub runtime: RuntimeServiceClient<Channel>,
    channel: Channel,
}

impl Cri {
    pub async fn connect(socket: &Path) -> Cri {
        Cri::over(channel(socket).await.unwrap())
    }

    /// Over a connection that is there.
    pub fn over(channel: Channel) -> Cri {
        Cri {
            images: ImageServiceClient::new(channel.clone()).max_decoding_message_size(LIMIT),
            runtime: RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(LIMIT),
            channel,
        }
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub fn images_v1alpha2(&self) -> k8s_cri::v1alpha2::image_service_client::ImageServiceClient<Channel> {
        k8s_cri::v1alpha2::image_service_client::ImageServiceClient::new(self.channel())
            .max_decoding_message_size(LIMIT)
    }

    /// Pulls and gives the answer's `image_ref`.
    pub async fn pull(&self, image: &str) -> Result<String, Status> {
        self.pull_with(image, None).await
    }

    pub async fn pull_with(&self, image: &str, auth: Option<AuthConfig>) -> Result<String, Status> {
        let request = PullImageRequest { image: Some(spec(image)), auth, sandbox_config: None };
        Ok(self.images.clone().pull_image(request).await?.into_inner().image_ref)
    }

    /// What ImageStatus knows of a name or an id.
    pub async fn status(&self, image: &str) -> Result<Option<Image>, Status> {
        Ok(self.status_verbose(image, false).await?.image)
    }

    pub async fn status_verbose(
        &self,
        image: &str,
        verbose: bool,
    ) -> Result<v1::ImageStatusResponse, Status> {
        let request = v1::ImageStatusRequest { image: Some(spec(image)), verbose };
        Ok(self.images.clone().image_status(request).await?.into_inner())
    }

    /// Whether ImageStatus knows the image; errors are no.
    pub async fn has(&self, image: &str) -> bool {
        self.status(image).await.is_ok_and(|found| found.is_some())
    }

    pub async fn remove(&self, image: &str) -> Result<(), Status> {
        let request = v1::RemoveImageRequest { image: Some(spec(image)) };
        self.images.clone().remove_image(request).await.map(drop)
    }

    pub async fn list(&self) -> Result<Vec<Image>, Status> {
        Ok(self.images.clone().list_images(v1::ListImagesRequest::default()).await?.into_inner().images)
    }
}

/// An `ImageSpec` with nothing but the name.
pub fn spec(image: &str) -> ImageSpec {
    ImageSpec { image: image.to_owned(), ..ImageSpec::default() }
}

/// What kubelet sends of a pull secret: user and password, nothing else.
pub fn user_and_password(username: &str, password: &str) -> AuthConfig {
    AuthConfig { username: username.to_owned(), password: password.to_owned(), ..AuthConfig::default() }
}
