//! One `hosts.toml` that containerd should find: for which host, why, and with which registries in it.

use super::file::Entry;
use super::host_settings::TransportNeed;

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) host: String,
    pub(super) why: Why,
    pub(super) entries: Vec<Entry>,
    /// Whether the last of them is the one that is asked in place of the registry itself.
    pub(super) has_server: bool,
    /// What it is for, in words.
    pub(super) purpose: Vec<String>,
    /// What its host needs.
    pub(super) needs: Vec<TransportNeed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Transport,
    Fence,
    Ns,
}

// === impl Planned ===

impl Planned {
    /// What it is for, in a few words.
    pub(super) fn summary(&self) -> String {
        match self.why {
            Why::Fence => "fence".to_owned(),
            Why::Ns => "mirrors that are told of the registry".to_owned(),
            Why::Transport => {
                let mut what: Vec<String> = self.needs.iter().map(|need| need.what.to_string()).collect();
                what.dedup();
                what.join(", ")
            }
        }
    }
}
