//! How much a command says: `--quiet` and `--verbose`, which every command has.

/// How much is said.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(super) struct Detail {
    /// Show only what is wrong, and nothing if all is well
    #[arg(long, short, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    /// Show more, for example notes: what is worth knowing and needs no change
    #[arg(long, short)]
    pub(super) verbose: bool,
}
