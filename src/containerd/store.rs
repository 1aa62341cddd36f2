//! containerd's own image and content stores, in the namespace that CRI uses.
//!
//! Holds: only records and content of the namespace `k8s.io` are seen or changed.

use std::collections::HashMap;

use containerd_client::services::v1 as api;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::types::Descriptor;
use prost_types::FieldMask;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use super::{Link, MAX_MESSAGE};
use crate::policy::Name;

mod arrived;
mod content;
mod download;

pub use arrived::Arrived;
pub use download::{Download, Have};

/// The namespace of everything that CRI stores (containerd `internal/cri/constants`).
const NAMESPACE: &str = "k8s.io";

/// containerd's refusal of a question to its stores.
#[derive(Debug, thiserror::Error)]
#[error("containerd's {store} store, {operation} {object}: {}", status.message())]
pub struct StoreError {
    store: &'static str,
    operation: &'static str,
    object: String,
    #[source]
    status: Box<Status>,
}

impl StoreError {
    /// The status that containerd gave.
    pub fn code(&self) -> Code {
        self.status.code()
    }
}

/// containerd's image and content stores.
#[derive(Clone)]
pub struct Store {
    images: ImagesClient<Link>,
    content: ContentClient<Link>,
}

fn call<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
    request
}

fn image_error(operation: &'static str, object: &str) -> impl FnOnce(Status) -> StoreError {
    let object = object.to_owned();
    move |status| StoreError { store: "image", operation, object, status: Box::new(status) }
}

fn content_error(operation: &'static str, object: &str) -> impl FnOnce(Status) -> StoreError {
    let object = object.to_owned();
    move |status| StoreError { store: "content", operation, object, status: Box::new(status) }
}

impl Store {
    /// The stores behind `link`.
    pub fn new(link: Link) -> Self {
        Self {
            images: ImagesClient::new(link.clone()).max_decoding_message_size(MAX_MESSAGE),
            content: ContentClient::new(link).max_decoding_message_size(MAX_MESSAGE),
        }
    }

    /// The record of `name`, if there is one.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn get(&self, name: &str) -> Result<Option<api::Image>, StoreError> {
        let request = call(api::GetImageRequest { name: name.to_owned() });
        match self.images.clone().get(request).await {
            Ok(answer) => Ok(answer.into_inner().image),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(image_error("get", name)(status)),
        }
    }

    /// All records.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn all(&self) -> Result<Vec<api::Image>, StoreError> {
        let request = call(api::ListImagesRequest::default());
        let answer = self.images.clone().list(request).await.map_err(image_error("list", "all"))?;
        Ok(answer.into_inner().images)
    }

    /// The records that are `repository` with any tag or digest.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn in_repository(&self, repository: &str) -> Result<Vec<api::Image>, StoreError> {
        // The filter takes a Go string literal with a regular expression in it.
        let pattern = format!("^{}[:@]", regex::escape(repository));
        let filter = format!("name~={}", serde_json::Value::String(pattern));
        let request = call(api::ListImagesRequest { filters: vec![filter] });
        let answer = self.images.clone().list(request).await.map_err(image_error("list", repository))?;
        Ok(answer.into_inner().images)
    }

    /// The names of records at hosts below `domain`.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn names_below(&self, domain: &str) -> Result<Vec<String>, StoreError> {
        let pattern = serde_json::Value::String(format!("^[^/]*[.]{}/", regex::escape(domain)));
        let request = call(api::ListImagesRequest { filters: vec![format!("name~={pattern}")] });
        let answer = self.images.clone().list(request).await.map_err(image_error("list", domain))?;
        Ok(answer.into_inner().images.into_iter().map(|image| image.name).collect())
    }

    /// The records under whatever name that point at `digest`.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn with_target(&self, digest: &str) -> Result<Vec<api::Image>, StoreError> {
        let filter = format!("target.digest=={}", serde_json::Value::String(digest.to_owned()));
        let request = call(api::ListImagesRequest { filters: vec![filter] });
        let answer = self.images.clone().list(request).await.map_err(image_error("list", digest))?;
        Ok(answer.into_inner().images)
    }

    /// Points `name` at `target` and sets `labels` on it, whatever else it carries; says what the
    /// record was before.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn put(
        &self,
        name: &str,
        target: &Descriptor,
        labels: &HashMap<String, String>,
    ) -> Result<Option<api::Image>, StoreError> {
        let image = record(name, target, labels);
        // Two rounds are enough unless another program creates and removes the name just as fast.
        for _ in 0..4 {
            if let Some(before) = self.get(name).await? {
                let paths = std::iter::once("target".to_owned())
                    .chain(labels.keys().map(|key| format!("labels.{key}")))
                    .collect();
                match self.update(&image, paths).await {
                    Ok(()) => return Ok(Some(before)),
                    Err(error) if error.code() == Code::NotFound => continue,
                    Err(error) => return Err(error),
                }
            }
            let request =
                call(api::CreateImageRequest { image: Some(image.clone()), source_date_epoch: None });
            match self.images.clone().create(request).await {
                Ok(_) => return Ok(None),
                Err(status) if status.code() == Code::AlreadyExists => continue,
                Err(status) => return Err(image_error("create", name)(status)),
            }
        }
        Err(image_error("create", name)(Status::aborted("the record is made and removed by others")))
    }

    /// Sets `labels` on the record `name`, if it is there. It has to come with a target, which is not
    /// looked at: containerd 1.7 crashes on an update without one.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn label(
        &self,
        name: &str,
        target: &Descriptor,
        labels: &HashMap<String, String>,
    ) -> Result<(), StoreError> {
        let image = record(name, target, labels);
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        match self.update(&image, paths).await {
            Err(error) if error.code() == Code::NotFound => Ok(()),
            other => other,
        }
    }

    async fn update(&self, image: &api::Image, paths: Vec<String>) -> Result<(), StoreError> {
        let request = call(api::UpdateImageRequest {
            image: Some(image.clone()),
            update_mask: Some(FieldMask { paths }),
            source_date_epoch: None,
        });
        self.images.clone().update(request).await.map_err(image_error("update", &image.name))?;
        Ok(())
    }

    /// Removes the record `name`; if it is gone already, that is not an error.
    ///
    /// # Errors
    /// containerd's refusal.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let request = call(api::DeleteImageRequest { name: name.to_owned(), sync: false, target: None });
        match self.images.clone().delete(request).await {
            Err(status) if status.code() != Code::NotFound => Err(image_error("delete", name)(status)),
            _ => Ok(()),
        }
    }
}

/// The records that a pull of `name` leaves, which point at `target`.
pub fn record_names(name: &Name, target: &Descriptor) -> Vec<String> {
    let by_digest = format!("{}@{}", name.repository(), target.digest);
    if by_digest == name.as_str() { vec![by_digest] } else { vec![name.as_str().to_owned(), by_digest] }
}

/// Whether a record is the one that CRI keeps for an image's id, whose name is that id.
pub fn is_id_record(name: &str) -> bool {
    name.starts_with("sha256:")
}

fn record(name: &str, target: &Descriptor, labels: &HashMap<String, String>) -> api::Image {
    api::Image {
        name: name.to_owned(),
        labels: labels.clone(),
        target: Some(target.clone()),
        ..Default::default()
    }
}
