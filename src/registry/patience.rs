//! How long a question may take, and which secrets its errors must not show.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::error::{Refusal, RegistryError};
use super::login::Login;
use super::secrets::Secrets;
use super::wire::Doing;

/// That of one question.
pub(super) struct Patience {
    start: Instant,
    end: Instant,
    pub(super) secrets: Arc<Secrets>,
    pub(super) doing: Arc<Doing>,
}

impl Patience {
    /// For a question to this host, with this login, until then.
    pub(super) fn new(login: &Login, host: &str, end: Instant) -> Self {
        let (secrets, doing) = (Arc::new(Secrets::default()), Arc::new(Doing::default()));
        login.hide_in(&secrets);
        doing.now(format!("reading the files for {host}"));
        Patience { start: Instant::now(), end, secrets, doing }
    }

    /// Does the work until the end of the time, and tells its error without the secrets.
    pub(super) async fn hold<T>(
        &self,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, Refusal> {
        let limit = self.end.saturating_duration_since(self.start);
        let slow = |_| Err(RegistryError::TooSlow { doing: self.doing.get(), limit });
        timeout_at(self.end, work).await.unwrap_or_else(slow).map_err(|error| error.told(&self.secrets))
    }
}
