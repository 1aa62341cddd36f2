//! Asks the running daemon what its policy says of an image, for `explain --daemon`.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::cli::exit::Exit;
use crate::cli::runtime::runtime;
use crate::cli::{daemon, terminal};
use crate::config::visible;
use crate::serve::admin::proto::ExplainResponse;
use crate::serve::admin::time;
use crate::state::{Explained, Question};
use crate::tell::moment::moment;

/// The daemon at a socket.
pub(super) struct Asked {
    socket: PathBuf,
    runtime: Runtime,
    /// Whether it was said that the policy is not that of the files, or is not applied.
    has_warned: bool,
}

impl Asked {
    pub(super) fn new(socket: PathBuf) -> Result<Self, Exit> {
        Ok(Asked { socket, runtime: runtime()?, has_warned: false })
    }

    pub(super) fn explain(&mut self, question: &Question) -> Result<Explained, Exit> {
        let answer = self.runtime.block_on(daemon::explain(&self.socket, question, daemon::PATIENCE));
        let response = answer.map_err(|reason| terminal::fail(&reason, Exit::Runtime))?;
        if !self.has_warned {
            warnings(&response).for_each(|text| terminal::say(&format!("warning: {text}\n")));
            self.has_warned = true;
        }
        let ExplainResponse { text, json, refused, .. } = response;
        Ok(Explained { text: visible(&text).into_owned(), json, refused })
    }
}

fn warnings(response: &ExplainResponse) -> impl Iterator<Item = String> {
    let seconds = u64::try_from(response.policy_loaded_at).unwrap_or_default();
    let since = time(moment(seconds));
    let bypass =
        "the bypass file exists, so every call goes to containerd, whatever the policy says".to_owned();
    let refused =
        format!("the last reload was refused: this is the policy of {since} (cri-shunt status says why)");
    [(response.bypass, bypass), (response.reload_refused, refused)]
        .into_iter()
        .filter_map(|(is_so, text)| is_so.then_some(text))
}
