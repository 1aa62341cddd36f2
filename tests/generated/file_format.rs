//! cri-shunt.toml(5), from `docs/configuration.md`: one text for both.
//!
//! Only what that page uses of Markdown is known here.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::man::{HEAD, escaped};

const PAGE: &str = include_str!("../../docs/configuration.md");

const END: &str = ".SH FILES
.TP
\\fI/etc/cri\\-shunt/config.toml\\fR, \\fI/etc/cri\\-shunt/conf.d/*.toml\\fR
The configuration.
.SH SEE ALSO
\\fBcri\\-shunt\\fR(1), \\fBcri\\-shunt\\-check\\fR(1), \\fBcri\\-shunt\\-config\\fR(1), \\fBcri\\-shunt\\-explain\\fR(1)
";

/// Writes the page.
pub fn write(directory: &Path) {
    let version = escaped(env!("CARGO_PKG_VERSION"));
    let mut page = format!("{HEAD}.TH \"CRI\\-SHUNT.TOML\" 5 \"\" \"cri\\-shunt {version}\"\n.nh\n.ad l\n");
    page.push_str(".SH NAME\ncri\\-shunt.toml \\- the configuration of cri\\-shunt\n.SH DESCRIPTION\n");
    let mut lines = PAGE.lines().skip_while(|line| line.starts_with("# ")).peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        if let Some(heading) = line.strip_prefix("### ") {
            writeln!(page, ".SS {}", inline(heading)).unwrap();
        } else if let Some(heading) = line.strip_prefix("## ") {
            writeln!(page, ".SH {}", inline(heading)).unwrap();
        } else if line.starts_with("```") || line.starts_with("    ") {
            let fenced = line.starts_with("```");
            let mut code = Vec::from_iter((!fenced).then(|| line.trim_start().to_owned()));
            let is_code = |next: &&str| if fenced { *next != "```" } else { next.starts_with("    ") };
            while let Some(next) = lines.next_if(is_code) {
                code.push(next.strip_prefix("    ").filter(|_| !fenced).unwrap_or(next).to_owned());
            }
            lines.next_if(|next| fenced && *next == "```");
            let code: Vec<String> = code.iter().map(|line| escaped(line)).collect();
            writeln!(page, ".PP\n.RS 4\n.EX\n{}\n.EE\n.RE", code.join("\n")).unwrap();
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(next) = lines.next_if(|next| next.starts_with('|')) {
                rows.push(cells(next));
            }
            page.push_str(&table(&rows));
        } else {
            let item = line.strip_prefix("- ");
            let mut text = item.unwrap_or(line).to_owned();
            let goes_on = |next: &&str| {
                !next.is_empty() && !next.starts_with(['|', '#', '`']) && !next.starts_with("- ")
                    || next.starts_with('`') && !next.starts_with("```")
            };
            while let Some(next) = lines.next_if(goes_on) {
                text.push(' ');
                text.push_str(next.trim_start());
            }
            let macro_of = if item.is_some() { ".IP \\(bu 2" } else { ".PP" };
            writeln!(page, "{macro_of}\n{}", inline(&text)).unwrap();
        }
    }
    page.push_str(END);
    fs::write(directory.join("cri-shunt.toml.5"), page).unwrap();
}

/// `| a | b |`; a bar in a cell is not used.
fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

/// A paragraph for each row, with the first cell as its tag. The column `default` comes last.
fn table(rows: &[Vec<String>]) -> String {
    let mut page = String::new();
    let default = rows[0].iter().position(|head| head == "default");
    for row in &rows[2..] {
        let meaning = row.iter().enumerate().skip(1).filter(|(at, _)| Some(*at) != default);
        let mut text: Vec<String> = meaning.map(|(_, cell)| inline(cell)).collect();
        text.extend(default.map(|at| format!("Default: {}.", inline(&row[at]))));
        writeln!(page, ".TP\n{}\n{}", inline(&row[0]), text.join(" ")).unwrap();
    }
    page
}

/// Code and strong words are bold, a link is its text.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            write!(out, "\\fB{}\\fR", escaped(part)).unwrap();
            continue;
        }
        for (at, part) in part.split("**").enumerate() {
            let shown = escaped(&without_targets(part));
            out.push_str(&if at % 2 == 1 { format!("\\fB{shown}\\fR") } else { shown });
        }
    }
    // A line that begins so would be a request.
    if out.starts_with(['.', '\'']) { format!("\\&{out}") } else { out }
}

/// `[text](target)` without the target. A text with code is in several parts, so brackets go one by one.
fn without_targets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        out.push_str(&before.replacen('[', "", 1));
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest.strip_suffix('[').unwrap_or(rest));
    out
}
