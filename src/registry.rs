//! Asks a registry for a manifest as containerd would: the registry client.
//!
//! `client` is what pulls and `explain --live` ask through; `warm` asks a cache by a tag where it needs that. A question
//! goes through `session` (who asks), `redirect`, `exchange` (one request), `connect` and `pool` to an answer, which
//! `judge` and `answer` read; `place` is the path. `attached` finds what is attached to an image, signatures for one. `tokens` and `material` keep what the next question needs too. `asked` counts.
//!
//! A secret goes to the host that it was given for, and to the token server that this host names; never to a
//! redirect's target on another host, and never in plain text where the registry is asked over TLS. What others
//! say is repeated without it, and of a host that the registry names only status and name are repeated. Requests
//! are HEAD and GET, and POST to token servers.
//!
//! Facts: containerd `core/remotes/docker` (`resolver.go`, `authorizer.go`, `config/hosts.go`).

mod answer;
mod asked;
mod attached;
pub mod challenge;
mod client;
mod client_key;
mod connect;
mod endpoint;
mod error;
mod exchange;
mod guard;
mod judge;
mod limits;
mod login;
mod material;
mod patience;
mod place;
mod pool;
pub mod proxy;
mod redirect;
mod secrets;
mod session;
mod socks;
mod tls;
pub mod token;
mod tokens;
mod trust;
mod url;
mod warm;
mod wire;

pub use answer::{FIRST_FORMAT, INDEXES, OCI_INDEX};
pub use asked::Asked;
pub use client::{Client, Limits, Manifest, Resolve, Resolved};
pub use client_key::{ClientKeyError, client_key};
pub use endpoint::{Endpoint, HeaderValue};
pub use error::{Failure, Refusal};
pub use exchange::Reply;
pub use judge::judge;
pub use login::Login;
pub use secrets::one_line;
pub use url::{Url, escaped};
