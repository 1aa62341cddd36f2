//! The man pages, from the definition of the command line.
//!
//! clap_mangen writes the lists of options. SYNOPSIS and the examples are written here: SYNOPSIS shows each option's
//! value, and an example can be copied as it stands.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap_mangen::Man;

/// The apostrophe of the terminal, where the pages use a straight one.
pub const HEAD: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// Writes a page for the program and for each of its commands.
pub fn write(command: &clap::Command, directory: &Path) {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    write_page(&command, directory);
    command.get_subcommands().for_each(|subcommand| write_page(subcommand, directory));
}

fn write_page(command: &clap::Command, directory: &Path) {
    let man = Man::new(command.clone());
    let file = directory.join(man.get_filename());
    let name = escaped(command.get_display_name().unwrap_or(command.get_name()));
    let mut page = Vec::new();
    page.extend_from_slice(HEAD.as_bytes());
    // No hyphen and no blank that is not there: options and file names can be copied.
    let version = escaped(env!("CARGO_PKG_VERSION"));
    page.extend(
        format!(".TH \"{}\" 1 \"\" \"cri\\-shunt {version}\"\n.nh\n.ad l\n", name.to_uppercase())
            .into_bytes(),
    );
    man.render_name_section(&mut page).unwrap();
    page.extend(synopsis(command).into_bytes());
    man.render_description_section(&mut page).unwrap();
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page).unwrap();
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page).unwrap();
    }
    if let Some(more) = command.get_after_long_help() {
        page.extend(sections(&more.to_string()).into_bytes());
    }
    page.extend_from_slice(b".SH SEE ALSO\n\\fBcri\\-shunt\\fR(1), \\fBcri\\-shunt.toml\\fR(5)\n");
    fs::write(file, page).unwrap();
}

/// The command with each option and its value: `cri-shunt explain [--config FILE] ... IMAGE...`.
fn synopsis(command: &clap::Command) -> String {
    let mut text = String::from(".SH SYNOPSIS\n");
    let name = command.get_bin_name().unwrap_or(command.get_name());
    write!(text, "\\fB{}\\fR", escaped(name)).unwrap();
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let (operands, options): (Vec<_>, Vec<_>) = shown.partition(|argument| argument.is_positional());
    for argument in options.into_iter().chain(operands) {
        let shown = if argument.is_positional() { values(argument) } else { option(argument) };
        match argument.is_required_set() {
            true => write!(text, " {shown}").unwrap(),
            false => write!(text, " [{shown}]").unwrap(),
        }
    }
    if command.has_subcommands() {
        text.push_str(" \\fICOMMAND\\fR");
    }
    text.push('\n');
    text
}

/// `-v|--verbose`, `--config FILE`.
fn option(argument: &clap::Arg) -> String {
    let short = argument.get_short().map(|short| format!("\\fB\\-{short}\\fR"));
    let long = argument.get_long().map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long)));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join("|");
    if argument.get_action().takes_values() { format!("{names} {}", values(argument)) } else { names }
}

fn values(argument: &clap::Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let names: Vec<String> = names.iter().map(|name| format!("\\fI{}\\fR", escaped(name))).collect();
    let many = argument.is_positional() && matches!(argument.get_action(), clap::ArgAction::Append);
    format!("{}{}", names.join(" "), if many { "..." } else { "" })
}

/// What stands below the options in the help. Each block begins with its heading and a colon. Lines that are indented
/// are shown as they are: neither filled nor hyphenated.
fn sections(text: &str) -> String {
    let mut page = String::new();
    for block in text.split("\n\n") {
        let (heading, rest) = block.split_once(':').unwrap();
        writeln!(page, ".SH {}", escaped(&heading.to_uppercase())).unwrap();
        let mut as_they_are = false;
        for line in rest.lines().filter(|line| !line.is_empty()) {
            // The text behind the heading's colon has a blank before it; a line of its own has two.
            let indented = line.starts_with("  ");
            if indented != as_they_are {
                page.push_str(if indented { ".EX\n" } else { ".EE\n" });
                as_they_are = indented;
            }
            let line = if indented { &line[2..] } else { line.trim_start() };
            writeln!(page, "{}", escaped(line)).unwrap();
        }
        if as_they_are {
            page.push_str(".EE\n");
        }
    }
    page
}

/// The text as roff shows it, letter by letter.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    // A line that begins so would be a request.
    if text.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\*(Aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            letter => out.push(letter),
        }
    }
    out
}
