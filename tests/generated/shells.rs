//! The completions, asked as the shells ask them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap_complete::Shell;

use crate::support;

/// Writes the completions of each shell.
pub fn write(command: &clap::Command, directory: &Path) {
    for (shell, name) in
        [(Shell::Bash, "cri-shunt.bash"), (Shell::Zsh, "_cri-shunt"), (Shell::Fish, "cri-shunt.fish")]
    {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "cri-shunt", &mut text);
        let text = String::from_utf8(text).unwrap();
        // clap_complete 4.6 takes the two underscores that stand for our hyphen for its own, which stand between
        // commands: it looks for `cri__shunt__subcmd__check` and has `cri__subcmd__shunt__subcmd__check`.
        fs::write(directory.join(name), text.replace("cri__subcmd__shunt", "cri__shunt")).unwrap();
    }
}

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions").join(name)
}

/// What a shell prints; `None`, and a note, where it is not installed.
fn run(shell: &str, arguments: &[&str], script: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script");
    fs::write(&file, script).unwrap();
    match Command::new(shell).args(["-c", "true"]).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            support::skipped(&format!("no {shell} here"));
            return None;
        }
        found => drop(found.unwrap()),
    }
    // The time only turns a hang into a failure.
    let mut command = Command::new("timeout");
    command.args(["300", shell]).args(arguments).arg(&file).env("HOME", dir.path()).env("TERM", "vt100");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Some(said)
}

/// The commands, each with its long options.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut command = cri_shunt::definition();
    command.build();
    let long = |command: &clap::Command| {
        let arguments = command.get_arguments().filter_map(clap::Arg::get_long);
        arguments.map(|long| format!("--{long}")).collect()
    };
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.map(|command| (command.get_name().to_owned(), long(command))).collect()
}

/// Asserts that a shell offers every command, and every option of each command.
fn offers_everything(mut offered: impl FnMut(&str) -> Vec<String>) {
    let first = offered("cri-shunt ");
    for (command, options) in commands() {
        assert!(first.contains(&command), "{command}: {first:?}");
        let offered = offered(&format!("cri-shunt {command} --"));
        for option in options {
            assert!(offered.contains(&option), "{command} {option}: {offered:?}");
        }
    }
    let values = offered("cri-shunt explain --format ");
    assert_eq!(values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>(), ["json", "text"]);
}

#[test]
fn bash_completes_commands_options_and_values() {
    let file = committed("cri-shunt.bash");
    offers_everything(|line| {
        // As bash calls the function that the file has registered.
        let script = format!(
            "source '{}'\n\
             [[ $(complete -p cri-shunt) =~ -F\\ ([^ ]+) ]] || exit 1\n\
             IFS=' ' read -ra COMP_WORDS <<<'{line}'\n\
             [[ '{line}' == *' ' ]] && COMP_WORDS+=('')\n\
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}}\n\
             ${{BASH_REMATCH[1]}} cri-shunt \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\" | sort",
            file.display()
        );
        run("bash", &["--norc"], &script).unwrap().lines().map(str::to_owned).collect()
    });
}

#[test]
fn fish_completes_commands_options_and_values() {
    let file = committed("cri-shunt.fish");
    if run("fish", &["--no-config"], "true").is_none() {
        return;
    }
    offers_everything(|line| {
        let script = format!("source '{}'; complete -C '{line}'", file.display());
        let said = run("fish", &["--no-config"], &script).unwrap();
        said.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
    });
}

#[test]
fn zsh_completes_options() {
    let directory = committed("");
    // zsh completes in an interactive shell only. Each `zpty -r` waits for what it names.
    let script = format!(
        "zmodload zsh/zpty\n\
         zpty shell zsh -f -i\n\
         zpty -w shell \"PS1=''; LISTMAX=1000; fpath=('{}' \\$fpath); autoload -U compinit; compinit -u -D; \
         bindkey '^I' list-choices; echo rea\\dy\"\n\
         zpty -r shell out '*ready*'\n\
         zpty -w -n shell $'cri-shunt explain --\\t'\n\
         zpty -r shell out '*--timeout*'\n\
         print -r -- $out\n\
         zpty -d shell",
        directory.display()
    );
    if let Some(said) = run("zsh", &["-f"], &script) {
        for option in ["--config", "--live", "--format"] {
            assert!(said.contains(&format!("{option} ")), "{option}: {said}");
        }
    }
}
