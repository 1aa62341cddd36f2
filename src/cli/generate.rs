//! `cri-shunt generate`: man pages and shell completions, from the definition of the command line.
//!
//! Before: whoever packages the program.  After: `packaging/man` and `packaging/completions`.
//! Holds: nothing is said here that the definition does not say; a test fails when the copies differ.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Exit, terminal};

/// Write man pages and completions into a directory.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Gets the folders `man` and `completions`
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let Arguments { directory } = arguments;
    match write(directory) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            terminal::say(&format!("error: {}: {error}\n", directory.display()));
            Exit::Usage
        }
    }
}

fn write(directory: &Path) -> io::Result<()> {
    let command = super::Arguments::command();
    let man = directory.join("man");
    fs::create_dir_all(&man)?;
    clap_mangen::generate_to(command.clone(), &man)?;
    let completions = directory.join("completions");
    fs::create_dir_all(&completions)?;
    for (shell, name) in
        [(Shell::Bash, "cri-shunt.bash"), (Shell::Zsh, "_cri-shunt"), (Shell::Fish, "cri-shunt.fish")]
    {
        let mut file = File::create(completions.join(name))?;
        clap_complete::generate(shell, &mut command.clone(), "cri-shunt", &mut file);
    }
    Ok(())
}
