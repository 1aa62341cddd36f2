//! cri-shunt: one image policy at containerd's CRI socket.
//!
//! The rooms stand in reading order, and each imports only from rooms that stand after it.
//! `docs/architecture.md` walks along; `tests/architecture.rs` holds the order.
#![warn(clippy::missing_docs_in_private_items)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on may panic")
)]

mod cli;
mod config;
mod serve;

mod pull;
mod state;
mod tell;

mod containerd;
mod credentials;
mod registry;

mod policy;
mod wire;

mod files;

pub use cli::{definition, main};

/// What fuzz targets, benches and tests try directly. It is no API: any commit may change it.
#[doc(hidden)]
pub mod inside {
    pub mod config {
        pub use crate::config::{
            Diagnostics, Format, ImportRequest, Input, Loaded, MainFile, Severity, SourceFile, Style,
            expectations, import, load, load_from,
        };
    }

    pub mod containerd {
        pub use crate::containerd::{
            Answer, Away, Facts, Link, PullMode, Roots, Store, frame, hosts, unframe,
        };
    }

    pub mod credentials {
        pub use crate::credentials::{
            Credentials, DockerConfig, Sources, read_helper_answer, read_provider_answer, read_providers,
        };
    }

    pub mod files {
        pub use crate::files::{reader, secret};
    }

    pub mod policy {
        pub use crate::policy::{
            Action, Asked, Checkpoint, Decision, Layer, Location, Mirror, Name, Ns, Only, Origin, Policy,
            Prefix, PrefixKind, Route, Rule, Settings, Source, is_image_id,
        };
    }

    pub mod pull {
        pub use crate::pull::{Class, Walk, failure};
    }

    pub mod registry {
        pub use crate::registry::{
            Client, Endpoint, Failure, HeaderValue, Limits, Login, Manifest, Refusal, Reply, Resolve,
            Resolved, Url, challenge, judge, proxy, token,
        };
    }

    pub mod serve {
        pub use crate::serve::listener::authority;
    }

    pub mod wire {
        pub use crate::wire::{WireError, cri, cut, each, get, get_varint, records, set};
    }
}
