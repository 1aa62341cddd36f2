//! `cri-shunt status`: what the running daemon is doing.
//!
//! Before: an administrator.  After: the daemon's own service (`admin`) answers over its socket.
//! Holds: a daemon that cannot be reached is exit status 3.

use super::{Exit, terminal};
use crate::config::defaults;

/// Ask the running daemon how it is.
///
/// Shows the version, whether containerd answers, which policy is in force and since when, whether a
/// reload was refused, which mirrors are down, and whether the break-glass file switches the policy off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt status\n  \
    cri-shunt status --socket /tmp/shunt.sock\n\n\
    Exit status: 0 the daemon answered; 2 wrong usage; 3 no daemon answers.")]
pub(super) struct Arguments {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET)]
    socket: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    terminal::say(&format!("error: socket {}: this build cannot ask the daemon yet\n", arguments.socket));
    Exit::Runtime
}
