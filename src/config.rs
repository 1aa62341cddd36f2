//! The configuration: files in, one checked [`Config`] out, or every problem with its place.
//!
//! Holds: a `Config` has been checked as a whole. Where one of its files has an error, no `Config` is made.
//! Not here: what rules do with a name (`policy`, which knows nothing of files).
//!
//! The files in reading order. Each imports only from files that come later in this list:
//!
//! 1. `merged` shows all files as one; `changes` compares two configurations, and `given` finds what each of them is;
//!    `import` converts other programs' files to TOML; `expectations` reads the files of `cri-shunt test`;
//!    `lock_text` writes the file of `cri-shunt lock`, and `mentioned` reads the images of manifests for it.
//! 2. `kept` keeps a configuration for the start at which its files cannot be used.
//!    `load` reads everything and makes a `Config` of it: first a draft of all files, then the checks of the
//!    whole (`assemble`, `endpoints`, `lint`, `sources::lint`).
//! 3. `files` finds the program's own files, and `end_mark` knows one that was cut. `settings` (with `tell`), `rules` (with
//!    `mirrors`, `rewrites` and `locks`, which reads the files of `cri-shunt lock` by `lock`), `credentials`, `signatures` and
//!    `transport` know their keys.
//! 4. `sources` reads the files of other programs, with a folder for each format.
//! 5. `draft` is what all readers produce: rules, what registries need, logins. `sources::source_file` is what all
//!    formats take.
//! 6. `section` takes typed values out of a document, `parse_toml` and `parse_yaml` make a document of a text.
//! 7. `text` reads one file whole; `diagnostic` shows what is wrong and where.

mod changes;
mod expectations;
mod given;
mod import;
mod lock_text;
mod mentioned;

mod kept;
mod load;
mod merged;

mod assemble;
mod endpoints;
mod lint;

mod credentials;
mod end_mark;
mod files;
mod input;
mod lock;
mod locks;
mod mirrors;
mod mistake;
mod rewrites;
mod rules;
mod settings;
mod signatures;
mod tell;
mod transport;

mod draft;
mod prefix_map;
mod sources;

pub mod defaults;
mod diagnostic;
mod duration;
mod node;
mod parse_toml;
mod parse_yaml;
mod path;
mod references;
mod refusal;
mod section;
mod socket_path;
mod text;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::containerd::hosts::{Endpoints, Wanted};
use crate::credentials::Credentials;
use crate::files::reader::Reader;
use crate::policy::Policy;
use crate::registry::Endpoint;
use crate::serve::metrics::MetricsAt;
use crate::signature::Demands;
use crate::state::{Extent, NeededFile, PullSettings};
use crate::tell::audit::AuditTo;

use self::diagnostic::{Problem, Span, TextId};

pub use self::changes::{Change, Kind, Said, changes};
pub(crate) use self::diagnostic::visible;
pub use self::diagnostic::{Diagnostics, Listed, Severity, Style};
pub(crate) use self::duration::positive_duration;
pub use self::expectations::{Candidates, Expectation, expectations};
pub use self::given::given;
pub use self::import::{ImportRequest, import};
pub use self::input::{Input, MainFile};
pub use self::kept::{Kept, StartsWith, Unusable, relay_only, starts_with};
pub use self::load::{DEFAULT_REGISTRY_FLAG, load, load_from, load_with};
pub use self::lock::{Lock, Locked};
pub use self::lock_text::LOCK_HEAD;
pub use self::mentioned::mentioned;
pub use self::merged::Merged;
pub use self::settings::{Containerd, Group, Listen, Log, State};
pub use self::sources::source_file::{Format, SourceFile};

/// The whole configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// The socket that clients use.
    pub listen: Listen,
    /// The containerd behind it.
    pub containerd: Containerd,
    /// Where images may come from.
    pub policy: Policy,
    /// How they are pulled.
    pub pull: PullSettings,
    /// What is kept on disk.
    pub state: State,
    /// What is logged.
    pub log: Log,
    /// Where the audit goes, if one is wanted.
    pub audit: Option<AuditTo>,
    /// Where numbers are served, if they are wanted.
    pub metrics: Option<MetricsAt>,
    /// What containerd needs to know of hosts.
    pub transport: Wanted,
    /// How mirrors are reached for which it is not enough to know their host; mirrors have an index into it.
    pub endpoints: Vec<Endpoint>,
    /// What is demanded of signatures.
    pub demands: Demands,
    /// The node's logins for registries.
    pub credentials: Credentials,
    /// The files that pulls need.
    pub needed: Arc<[NeededFile]>,
    /// How much it says about images.
    pub extent: Extent,
    /// The files as they were named: the main file, the drop-ins, and other programs' files.
    pub sources: Vec<PathBuf>,
    /// How often the files are checked for a change; `None` is never.
    pub watch: Option<Duration>,
}

// === impl Config ===

impl Config {
    /// How everything is reached that the policy names.
    #[must_use]
    pub fn reach(&self) -> Endpoints<'_> {
        Endpoints { wanted: &self.transport, own: &self.endpoints }
    }
}

/// A usable configuration, with warnings.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings and notes, no errors. They also hold which paths were read ([`Diagnostics::seen`]).
    pub warnings: Diagnostics,
    /// The place of each needed file.
    needed_at: Vec<Span>,
    /// The texts of the program's own files.
    own: Vec<TextId>,
}

// === impl Loaded ===

impl Loaded {
    /// Adds a warning for each file of the configuration, and each needed file, that the reader cannot use. Loading
    /// does not, because only the caller knows whose view counts.
    pub fn warn_of_files(&mut self, reader: &Reader) {
        let mut read: Vec<&Path> = self.warnings.seen().paths().collect();
        read.sort_unstable();
        read.dedup();
        let closed = read.into_iter().filter_map(|path| {
            let message =
                format!("the daemon cannot read {}, so it refuses this configuration", path.display());
            reader.closed(path).map(|advice| Problem::warning(message).hint(advice))
        });
        let needed = self.config.needed.iter().zip(&self.needed_at);
        let faults = needed.filter_map(|(file, at)| {
            let fault = file.fault(reader)?;
            Some(Problem::warning(file.message(&fault)).at(at).hint(file.hint(&fault)))
        });
        let mut problems: Vec<Problem> = closed.chain(faults).collect();
        lint::exposed_contents(
            &self.config.sources,
            self.config.needed.iter().zip(&self.needed_at),
            &mut problems,
        );
        self.warnings.add(problems);
    }

    /// Adds a warning of what only the caller knows.
    pub fn warn(&mut self, message: String, hint: String) {
        self.warnings.add(vec![Problem::warning(message).hint(hint)]);
    }
}
