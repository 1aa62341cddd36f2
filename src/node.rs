//! What a node is set up to do: its kubelet, crictl, k3s and RKE2, its units, its processes and sockets.
//!
//! Holds: nothing is changed, and nothing of a file or a command line is kept but the settings that are looked for. A file
//! that cannot be read is a finding, and the rest is looked at all the same.
//! Not here: what is judged of it (`cli::doctor`).
//!
//! `tree` reads the files of a node that may be mounted somewhere. Pure, text in and values out: `environment`, `unit_file`,
//! `words`, `kubelet_config`, `rancher_config`, `crictl_config`, `endpoint`. They are put together by `units`, `kubelet` and
//! `rancher`. `processes`, `sockets` and
//! `connections` are what runs on this machine. `finding` is what is told of all that.

mod connections;
mod crictl_config;
mod endpoint;
mod environment;
mod finding;
mod kubelet;
mod kubelet_config;
mod place;
mod processes;
mod rancher;
mod rancher_config;
mod sockets;
mod tree;
mod unit_file;
mod units;
mod words;
mod yaml;

pub use crictl_config::crictl_config;
pub use endpoint::Endpoint;
pub use finding::{Finding, Severity};
pub use kubelet::{Kubelet, of_unit};
pub use kubelet_config::kubelet_config;
pub use place::{Place, Said};
pub use processes::{Process, processes};
pub use rancher::{Distribution, Rancher};
pub use sockets::{Sockets, listening};
pub use tree::Tree;
pub use units::{Unit, is_wanted};
pub use yaml::Written;
