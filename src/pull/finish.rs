//! After containerd has fetched an image: gives it the name that was asked for and its provenance, and removes the
//! temporary name.
//!
//! Holds: the work is finished even if the client leaves meanwhile, and a stop of the daemon waits for it. If the image
//! cannot be found afterwards under its name, the pull has failed.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::Code;

use super::adopt::{self, AdoptError};
use super::brought::Brought;
use super::contents;
use super::fetched::{Fetched, Gone};
use super::provenance::{self, Provenance};
use super::record::{End, Record, Served};
use super::same_login;
use super::under_way::Pull;
use crate::containerd::Answer;
use crate::tell::metrics::ORIGIN;
use crate::wire::{self, cri};

/// Finishes a pull from a mirror.
///
/// # Errors
/// [`Gone`], or inside: how the pull ends, as the image cannot be used.
pub(super) async fn adopted(fetched: Fetched, record: &mut Record) -> Result<Result<Answer, End>, Gone> {
    // A task of its own, so that a client that leaves does not leave half of it behind.
    let tasks = fetched.state.tasks.clone();
    let begin = Instant::now();
    let adopted = record.waiting(tasks.spawn(adopt_and_tidy(fetched))).await;
    record.adoption = Some(begin.elapsed());
    match adopted {
        Ok(Ok(answer)) => Ok(Ok(answer)),
        Ok(Err(AdoptError::Gone)) => Err(Gone),
        Ok(Err(error)) => Ok(Err(End::Failed(error.code(), error.to_string()))),
        Err(error) => Ok(Err(End::Failed(Code::Internal, format!("the adoption did not end: {error}")))),
    }
}

async fn adopt_and_tidy(fetched: Fetched) -> Result<Answer, AdoptError> {
    let Fetched { state, name, digest, temporary, provenance, brought, keep_also, adopt_timeout, answer } =
        fetched;
    let adopted = async {
        let record = state.containerd.store.get(temporary.name()).await?.ok_or(AdoptError::Gone)?;
        // Another pull by this name may have been given something else.
        let target = record.target.filter(|target| target.digest == digest).ok_or(AdoptError::Gone)?;
        let id = id(&answer);
        adopt::adopt(&state, &name, &target, id.as_deref(), &provenance, adopt_timeout).await?;
        if let Some(mirror) = keep_also {
            adopt::adopt(&state, &mirror, &target, id.as_deref(), &provenance, adopt_timeout).await?;
        }
        Ok(())
    }
    .await;
    let fetched_as = temporary.name().to_owned();
    temporary.remove().await;
    if adopted.is_ok() {
        // Some milliseconds for each layer, which the client does not wait for.
        let (tasks, store) = (state.tasks.clone(), state.containerd.store.clone());
        tasks.spawn(async move {
            provenance::name_source(&store, &name, &digest, &fetched_as).await;
            brought.count(&digest).await;
        });
    }
    adopted.map(|()| answer)
}

/// Finishes a pull that went as it came: notes where the image came from.
///
/// # Errors
/// The image is refused.
pub(super) async fn passed(pull: &Pull<'_>, record: &mut Record, answer: Answer) -> Result<Answer, End> {
    let (state, name) = (Arc::clone(pull.state), pull.name.clone());
    let rule = pull.rule_text();
    let checkpoint = pull.rule.checkpoint();
    let (id, login) = (id(&answer), pull.login_to_note());
    let of_origin = Provenance::now(&name, name.host(), &rule).with_way(record, "client");
    let brought = Brought::by(ORIGIN, pull.state, pull.request, pull.name);
    let noted = pull.state.tasks.spawn(async move {
        let target = adopt::target(&state, &name, id.as_deref()).await?;
        let forbids = format!("{rule} does not allow that");
        if let Some(refused) = contents::refused_checkpoint(&state, &target, checkpoint, &forbids).await? {
            return Err(AdoptError::Refused(refused));
        }
        let login = same_login::label(login, &name, &target.digest).await;
        let provenance = of_origin.redirected(&name, &state.containerd.facts()).await.with_login(login);
        provenance::write(&state.containerd.store, &name, &target, &provenance).await?;
        let digest = target.digest.clone();
        state.tasks.spawn(async move { brought.count(&digest).await });
        Ok((name, target.digest))
    });
    match record.waiting(noted).await {
        Ok(Ok((reference, digest))) => {
            let registry = reference.host().to_owned();
            record.served = Some(Served { reference, registry, digest: Some(digest), size: None });
            Ok(answer)
        }
        Ok(Err(AdoptError::Refused(refused))) => Err(End::Failed(Code::PermissionDenied, refused)),
        // What containerd pulled as it was asked is its own success, whatever could not be noted of it.
        Ok(Err(error)) => {
            tracing::warn!(image = %pull.name, %error, "cannot note where it came from");
            Ok(answer)
        }
        Err(error) => {
            tracing::error!(image = %pull.name, %error, "cannot note where it came from");
            Ok(answer)
        }
    }
}

/// The image's id in containerd's answer.
fn id(answer: &Answer) -> Option<String> {
    let payload = answer.payload()?;
    let id = wire::get(&payload, cri::pull_image_response::IMAGE_REF).ok()??;
    String::from_utf8(id.to_vec()).ok()
}
