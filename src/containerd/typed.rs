//! Typed clients on a [`Link`]: the generated CRI and containerd clients, over the same connection.
//!
//! Not here: requests of clients; those are never decoded and encoded again.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::RecvStream;
use http::{Request, Response};
use http_body::{Body, Frame};
use k8s_cri::v1;
use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use tonic::Status;

use super::answer::{own_metadata, request};
use super::{Link, MAX_MESSAGE};

impl tower::Service<Request<tonic::body::Body>> for Link {
    type Response = Response<LinkBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Request<tonic::body::Body>) -> Self::Future {
        let link = self.clone();
        Box::pin(async move {
            let unavailable = |error: h2::Error| Status::unavailable(link.broken(error).to_string());
            let mut sender = link.sender().await.map_err(|away| Status::unavailable(away.to_string()))?;
            let (head, mut body) = call.into_parts();
            let mut metadata = head.headers;
            for (name, value) in own_metadata() {
                if let Some(name) = name {
                    metadata.insert(name, value);
                }
            }
            let (response, mut send) = sender
                .send_request(request(head.uri.path_and_query(), metadata), false)
                .map_err(unavailable)?;
            // The shunt's own calls are unary: one message, then the end.
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                if let Ok(data) = frame?.into_data() {
                    send.send_data(data, false).map_err(unavailable)?;
                }
            }
            send.send_data(Bytes::new(), true).map_err(unavailable)?;
            Ok(response.await.map_err(unavailable)?.map(LinkBody))
        })
    }
}

/// The body of an answer, as the generated clients read it.
pub struct LinkBody(RecvStream);

impl Body for LinkBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match std::task::ready!(self.0.poll_data(cx)) {
            Some(Ok(data)) => {
                let _ = self.0.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(Status::unavailable(error.to_string())))),
            None => {}
        }
        Poll::Ready(match std::task::ready!(self.0.poll_trailers(cx)) {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => Some(Err(Status::unavailable(error.to_string()))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

/// The CRI services of containerd, for the shunt's own questions.
#[derive(Clone)]
pub struct Cri {
    images: ImageServiceClient<Link>,
    runtime: RuntimeServiceClient<Link>,
}

impl Cri {
    /// Asks on `link`.
    pub fn new(link: Link) -> Self {
        Self {
            images: ImageServiceClient::new(link.clone()).max_decoding_message_size(MAX_MESSAGE),
            runtime: RuntimeServiceClient::new(link).max_decoding_message_size(MAX_MESSAGE),
        }
    }

    /// Removes the image that has this name, with all of its names.
    ///
    /// # Errors
    /// containerd's own status.
    pub async fn remove_image(&self, image: &str) -> Result<(), Status> {
        let image = Some(v1::ImageSpec { image: image.to_owned(), ..Default::default() });
        self.images.clone().remove_image(v1::RemoveImageRequest { image }).await.map(drop)
    }

    /// What containerd's CRI knows under `image`, a name or an id. It never asks a registry.
    ///
    /// # Errors
    /// containerd's own status.
    pub async fn image(&self, image: &str) -> Result<Option<v1::Image>, Status> {
        let request = v1::ImageStatusRequest {
            image: Some(v1::ImageSpec { image: image.to_owned(), ..Default::default() }),
            verbose: false,
        };
        Ok(self.images.clone().image_status(request).await?.into_inner().image)
    }

    /// All images that containerd's CRI knows.
    ///
    /// # Errors
    /// containerd's own status.
    pub async fn images(&self) -> Result<Vec<v1::Image>, Status> {
        Ok(self.images.clone().list_images(v1::ListImagesRequest::default()).await?.into_inner().images)
    }

    /// The runtime's status with its `info` map.
    ///
    /// # Errors
    /// containerd's own status.
    pub async fn status(&self) -> Result<v1::StatusResponse, Status> {
        Ok(self.runtime.clone().status(v1::StatusRequest { verbose: true }).await?.into_inner())
    }

    /// The runtime's name and version.
    ///
    /// # Errors
    /// containerd's own status.
    pub async fn version(&self) -> Result<v1::VersionResponse, Status> {
        Ok(self.runtime.clone().version(v1::VersionRequest::default()).await?.into_inner())
    }
}
