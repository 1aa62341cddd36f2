//! One `hosts.toml` that containerd should find: for which host, why, and with which registries in it.

use super::file::Entry;
use super::host_settings::TransportNeed;

/// One file.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) host: String,
    pub(super) why: Why,
    pub(super) entries: Vec<Entry>,
    /// What it is for, in words.
    pub(super) purpose: Vec<String>,
    /// What its hosts need.
    pub(super) needs: Vec<TransportNeed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Transport,
    Fence,
}

// === impl Planned ===

impl Planned {
    /// What it is for, in a few words.
    pub(super) fn summary(&self) -> String {
        match self.why {
            Why::Fence => "fence".to_owned(),
            Why::Transport => {
                let mut what: Vec<String> = self.needs.iter().map(|need| need.what.to_string()).collect();
                what.dedup();
                what.join(", ")
            }
        }
    }
}
