//! `cri-shunt status`: what the running daemon is doing.

mod json;
#[cfg(test)]
mod tests;
mod text;

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::{daemon, runtime, terminal};
use crate::config::defaults;
use crate::serve::admin::proto::StatusResponse;

/// How often `--watch` asks.
const EVERY: Duration = Duration::from_secs(2);

/// Moves to the corner of a terminal and clears it.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Ask the running daemon how it is.
///
/// Shows the version, whether containerd answers, which policy is loaded and since when, whether a reload was refused,
/// which mirrors are down and since when, which registries are left alone until when, which pulls are under way, the last
/// that failed, which files for pulls cannot be used, and whether the bypass file switches the policy off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt status\n  \
    cri-shunt status --format json\n  \
    cri-shunt status --watch\n  \
    cri-shunt status --socket /tmp/shunt.sock\n\n\
    Exit status:\n  \
    0  all is well\n  \
    1  something needs attention: containerd does not answer, a reload was refused, the policy is suspended,\n     \
    a file cannot be used or written, or audit or metrics fail\n  \
    2  wrong usage\n  \
    3  the daemon cannot be reached")]
pub(super) struct Arguments {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET)]
    socket: String,

    /// How to write the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    /// Ask again every 2 seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    detail: Detail,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { socket, watch, .. } = arguments;
    let shown = runtime::block_on(async {
        let (mut exit, mut next) = show(arguments, ask(socket).await?, Place::Alone)?;
        while *watch && next.is_continue() {
            tokio::time::sleep(EVERY).await;
            // The daemon may be restarted meanwhile, which is told.
            if let Ok(status) = ask(socket).await {
                (exit, next) = show(arguments, status, Place::Later)?;
            }
        }
        Ok(exit)
    });
    shown.and_then(|shown| shown).unwrap_or_else(|exit| exit)
}

async fn ask(socket: &str) -> Result<StatusResponse, Exit> {
    let status = daemon::ask(Path::new(socket), daemon::PATIENCE).await;
    status.map_err(|reason| terminal::fail(&reason, Exit::Runtime))
}

/// Which answer this is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first, and maybe the only one.
    Alone,
    /// One after another.
    Later,
}

/// How the daemon is, and whether somebody reads that.
fn show(
    arguments: &Arguments,
    status: StatusResponse,
    place: Place,
) -> Result<(Exit, ControlFlow<()>), Exit> {
    let Arguments { format, watch, detail, .. } = arguments;
    let well = text::is_well(&status);
    let mut shown = match format {
        Format::Text => text::render(&status, *detail, SystemTime::now()),
        Format::Json if detail.quiet && well => String::new(),
        Format::Json => terminal::json(&json::report(&status)),
    };
    if *watch && *format == Format::Text {
        if std::io::stdout().is_terminal() {
            shown = format!("{CLEAR}{shown}");
        } else if place == Place::Later && !shown.is_empty() {
            // A blank line between two answers.
            shown = format!("\n{shown}");
        }
    }
    let next = terminal::print_on(&shown)?;
    Ok((if well { Exit::Ok } else { Exit::Bad }, next))
}
