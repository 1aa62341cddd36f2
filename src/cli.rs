//! The command line: what the program can be told to do.
//!
//! Before: the shell, or systemd.  After: one module for each command.
//! Holds: stdout is data, stderr is talk; every exit status is one of `Exit`.
//! Not here: the daemon (`app`); what the files mean (`config`).

mod check;
mod explain;
mod facts;
mod import;
mod inputs;
mod serve;
mod status;
mod terminal;
mod test;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// One image policy for every client of a node's containerd.
///
/// cri-shunt stands between the clients of the container runtime (kubelet, crictl, kubeadm) and
/// containerd. It decides for each image where it may come from, and relays everything else untouched.
#[derive(Debug, Parser)]
#[command(
    name = "cri-shunt",
    version,
    after_long_help = "Exit status: 0 all well; 1 what was asked about is bad, denied, not as expected or not whole; 2 wrong \
        usage, or a configuration that cannot be used; 3 the daemon or containerd cannot be reached.\n\n\
        Environment: CRI_SHUNT_LOG overrides `log.level`; NO_COLOR switches colours off."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    Test(test::Arguments),
    Import(import::Arguments),
    Status(status::Arguments),
}

/// The exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Exit {
    /// All well.
    Ok = 0,
    /// What was asked about is bad or denied (`check`, `explain`), differs (`test`), or is not whole (`import`).
    Bad = 1,
    /// Wrong usage, or a configuration that cannot be used.
    Usage = 2,
    /// The daemon or the runtime cannot be reached, or cannot run.
    Runtime = 3,
}

/// The definition of the command line, of which man pages and completions are made.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and version are such "errors" too; clap knows the stream and the status of each.
        Err(error) => {
            let printed = error.print();
            let status = if printed.is_ok() { error.exit_code() } else { i32::from(Exit::Runtime as u8) };
            return ExitCode::from(u8::try_from(status).unwrap_or(Exit::Usage as u8));
        }
    };
    let exit = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
    };
    ExitCode::from(exit as u8)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        super::definition().debug_assert();
    }
}
