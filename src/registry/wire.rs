//! What all requests of one attempt to ask a registry have in common.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::asked::Asked;
use super::pool::Pool;
use super::proxy::Proxies;
use super::secrets::Secrets;
use super::tls::Tls;
use super::url::Url;

/// The ways from here to one registry and to those that it names.
pub(super) struct Wire {
    /// The registry itself: scheme, host and port.
    pub(super) own: Url,
    /// Its host as it is configured.
    pub(super) registry: String,
    pub(super) proxies: Proxies,
    /// How long a connection may take to come about.
    pub(super) connect_limit: Duration,
    pub(super) tls: Arc<Tls>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) pool: Arc<Pool>,
    pub(super) doing: Arc<Doing>,
    /// Where its requests are counted.
    pub(super) asked: Asked,
}

/// The step that is waited for, in case it never ends.
#[derive(Debug, Default)]
pub(super) struct Doing(Mutex<String>);

impl Wire {
    /// Whether a registry, not the configuration, has named this URL's host. Then its words are not repeated.
    pub(super) fn is_foreign(&self, url: &Url) -> bool {
        !url.same_origin(&self.own)
    }
}

impl Doing {
    pub(super) fn now(&self, doing: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
