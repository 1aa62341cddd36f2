//! The command line. Each command has a file; data goes to stdout and messages to stderr.

mod audit;
mod check;
mod config;
mod daemon;
mod detail;
mod eject;
mod exit;
mod explain;
mod eyes;
mod facts;
mod format;
mod import;
mod inputs;
mod output;
mod serve;
mod status;
mod terminal;
mod test;
mod unit;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::exit::Exit;

/// One image policy for every client of a node's containerd.
///
/// cri-shunt stands between the clients of the container runtime (kubelet, crictl, kubeadm) and
/// containerd. It decides for each image where it may come from, and passes everything else on unchanged.
#[derive(Debug, Parser)]
#[command(
    name = "cri-shunt",
    version = env!("CRI_SHUNT_VERSION"),
    after_long_help = "Exit status:\n  \
        0  all is well\n  \
        1  the answer is bad: denied, not as expected, not complete, or something needs attention\n  \
        2  wrong usage, or a configuration that cannot be used\n  \
        3  the daemon or containerd cannot be reached, or the program cannot run\n\n\
        Environment:\n  \
        CRI_SHUNT_LOG  overrides `log.level`\n  \
        NO_COLOR       switches colours off"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Config(config::Arguments),
    Explain(explain::Arguments),
    Test(test::Arguments),
    Import(import::Arguments),
    Status(status::Arguments),
    Eject(eject::Arguments),
    Audit(audit::Arguments),
}

/// The definition of the command line. Man pages and completions are made from it.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // clap returns help and version as errors too, and knows the stream and the exit status of each.
        Err(error) => {
            let printed = error.print();
            let status = if printed.is_ok() { error.exit_code() } else { i32::from(Exit::Runtime as u8) };
            return ExitCode::from(u8::try_from(status).unwrap_or(Exit::Usage as u8));
        }
    };
    let exit = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Eject(arguments) => eject::run(arguments),
        Command::Audit(arguments) => audit::run(&arguments),
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
