//! What a rollout reads of nodes at the API, and notes there.

use http::StatusCode;
use tokio::time::Instant;

use super::Rollout;
use crate::cluster::api::ApiError;
use crate::cluster::node::{Node, Note};
use crate::files::go_duration;
use crate::registry::escaped;

/// How many nodes one answer has.
const PAGE: usize = 100;
/// How many such answers are read.
const PAGES: usize = 1000;

// === impl Rollout ===

impl Rollout<'_> {
    /// Those with these labels.
    pub(super) async fn nodes(&self, selector: &str) -> Result<Vec<Node>, ApiError> {
        let rubbish = |why: &str| {
            let (asked, why) = ("GET /api/v1/nodes".to_owned(), why.to_owned());
            Err(ApiError::Away { asked, why })
        };
        let (mut found, mut next) = (Vec::new(), String::new());
        for _ in 0..PAGES {
            let path = format!(
                "/api/v1/nodes?limit={PAGE}&labelSelector={}&continue={}",
                escaped(selector),
                escaped(&next)
            );
            let page = self.insist(async || self.api.get(&path).await).await?;
            if page.get("items").is_none() {
                return rubbish("what came is no list of nodes");
            }
            found.extend(page["items"].as_array().into_iter().flatten().filter_map(Node::of));
            match page["metadata"]["continue"].as_str() {
                Some(more) if !more.is_empty() => next = more.to_owned(),
                _ => return Ok(found),
            }
        }
        rubbish("its list of nodes has no end")
    }

    /// Waits until a node is Ready. One that is gone needs nothing more.
    pub(super) async fn ready(&self, name: &str) -> Result<(), String> {
        let end = Instant::now() + self.ready_within;
        loop {
            match self.node(name).await? {
                Some(node) if !node.is_ready && Instant::now() > end => {
                    return Err(format!("not Ready again within {}", go_duration::text(self.ready_within)));
                }
                Some(node) if !node.is_ready => tokio::time::sleep(self.every).await,
                _ => return Ok(()),
            }
        }
    }

    /// One as it is now; none where it is gone.
    pub(super) async fn node(&self, name: &str) -> Result<Option<Node>, String> {
        let path = format!("/api/v1/nodes/{}", escaped(name));
        match self.insist(async || self.api.get(&path).await).await {
            Ok(object) => Ok(Node::of(&object)),
            Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Notes a state on a node, and takes a taint away.
    pub(super) async fn note(
        &self,
        name: &str,
        state: Option<&str>,
        without: Option<&str>,
    ) -> Result<(), String> {
        let path = format!("/api/v1/nodes/{}", escaped(name));
        let revision = state.filter(|state| *state != "changing").map(|_| self.job.revision());
        loop {
            let Some(node) = self.node(name).await? else { return Ok(()) };
            let change = node.noted(&Note { state, revision, by: &self.id }, without);
            match self.insist(async || self.api.patch(&path, &change).await).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is(StatusCode::CONFLICT) => {}
                Err(error) if error.is(StatusCode::NOT_FOUND) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
