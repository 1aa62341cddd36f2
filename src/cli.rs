//! The command line. Each command has a file; data goes to stdout and messages to stderr.

mod asking;
mod audit;
mod check;
mod chroot;
mod config;
mod daemon;
mod detail;
mod diff;
mod doctor;
mod drift;
mod eject;
mod exit;
mod explain;
mod eyes;
mod facts;
mod format;
mod images;
mod import;
mod inputs;
mod inspect;
mod install;
mod lock;
mod names;
mod output;
mod preflight;
mod progress;
mod pull;
mod rollout;
mod runtime;
mod serve;
mod status;
mod sync;
mod table;
mod terminal;
mod test;
mod uninstall;
mod unit;
mod verify;

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
    Preflight(preflight::Arguments),
    Diff(diff::Arguments),
    Lock(lock::Arguments),
    Drift(drift::Arguments),
    Verify(verify::Arguments),
    Test(test::Arguments),
    Import(import::Arguments),
    Status(status::Arguments),
    Doctor(doctor::Arguments),
    Eject(eject::Arguments),
    Install(install::Arguments),
    Uninstall(uninstall::Arguments),
    Audit(audit::Arguments),
    Images(images::Arguments),
    Inspect(inspect::Arguments),
    Pull(pull::Arguments),
    Sync(sync::Arguments),
    Rollout(rollout::Arguments),
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
            let ended = error.print().map_or_else(|cause| terminal::unwritten(&cause), |()| None);
            let status = u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8);
            return ExitCode::from(ended.map_or(status, |exit| exit as u8));
        }
    };
    let exit = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Preflight(arguments) => preflight::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Lock(arguments) => lock::run(&arguments),
        Command::Drift(arguments) => drift::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Eject(arguments) => eject::run(arguments),
        Command::Install(arguments) => install::run(&arguments),
        Command::Uninstall(arguments) => uninstall::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Images(arguments) => images::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Pull(arguments) => pull::run(arguments),
        Command::Sync(arguments) => sync::run(&arguments),
        Command::Rollout(arguments) => rollout::run(&arguments),
    };
    ExitCode::from(exit as u8)
}

#[cfg(test)]
mod tests {
    /// Help is shown in 100 columns, and a line that goes on by itself cannot be copied.
    #[test]
    fn an_example_fits_on_its_line() {
        let commands = super::definition();
        for command in commands.get_subcommands() {
            let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let examples = text.split("\n\n").filter(|block| block.starts_with("Examples:"));
            for line in examples.flat_map(str::lines) {
                assert!(line.len() <= 100, "{}: {line}", command.get_name());
            }
        }
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        super::definition().debug_assert();
    }
}
