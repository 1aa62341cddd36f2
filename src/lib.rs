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

mod install;

mod config;
mod serve;

mod pull;
mod state;
mod tell;

mod cluster;
mod containerd;
mod credentials;
mod node;
mod signature;

mod registry;

mod policy;
mod wire;

mod files;

pub use cli::{definition, main};

/// What fuzz targets, benches and tests try directly. It is no API: any commit may change it.
#[doc(hidden)]
pub mod inside {
    pub mod cluster {
        pub use crate::cluster::{Node, Note, Progress, Template, Tree, answered, last_words, limit, lives};
    }

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

    pub mod install {
        pub use crate::install::{
            Change, Client, Content, Node, Part, Plan, Record, Wanted, apply, note_down, plan, restore,
        };
    }

    pub mod node {
        pub use crate::node::{
            Distribution, Endpoint, Kubelet, Rancher, Said, Tree, Unit, crictl_config, of_unit,
        };
    }

    pub mod policy {
        pub use crate::policy::{
            Action, Asked, Checkpoint, Decision, Layer, Location, Mirror, Name, Namespaces, Ns, Only, Origin,
            Policy, Prefix, PrefixKind, Route, Rule, Settings, Source, is_image_id,
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
        pub use crate::serve::frames::serve_alone;
    }

    pub mod signature {
        pub use crate::signature::{
            Attached, Bundle, By, Claim, Demand, Enough, Identities, Identity, KeyError, Lost, PolicyJson,
            PublicKey, Rejection, Requirement, Search, Signer, Simple, TrustRoot, Unsigned, Verdict, What,
            Witness, Words, entries, layers,
        };
    }

    pub mod wire {
        pub use crate::wire::{WireError, cri, cut, each, get, get_varint, records, set};
    }
}
