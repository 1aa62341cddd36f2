//! Shows the findings.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::check::plural;
use crate::cli::detail::Detail;
use crate::cli::terminal;
use crate::config::visible;
use crate::node::{Finding, Severity};

/// The answer as JSON. The order of the fields is the order of the keys.
#[derive(Serialize)]
struct Report<'f> {
    problems: usize,
    warnings: usize,
    notes: usize,
    findings: &'f [Finding],
}

/// One line of JSON.
pub(super) fn json(findings: &[Finding]) -> String {
    let [problems, warnings, notes] = counts(findings);
    terminal::json(&Report { problems, warnings, notes, findings })
}

/// The findings, and how many there are. Verbose, with the notes; quiet, only the problems.
pub(super) fn text(findings: &[Finding], detail: Detail, is_own: bool) -> String {
    let mut text = String::new();
    let least = match detail {
        Detail { quiet: true, .. } => Severity::Problem,
        Detail { verbose: true, .. } => Severity::Note,
        _ => Severity::Warning,
    };
    for finding in findings.iter().filter(|finding| finding.severity <= least) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{}", one(finding));
    }
    if !detail.quiet {
        text.push_str(&summary(findings, detail, is_own));
    }
    text
}

fn one(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Problem => "problem",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut text = format!("{word:9}{}\n", visible(&finding.what).replace('\n', " "));
    let lines = [
        ("at", finding.place.as_ref().map(ToString::to_string)),
        ("is", finding.is.clone()),
        ("should be", finding.should_be.clone()),
        ("do", finding.advice.clone()),
        ("run", finding.command.clone()),
    ];
    for (label, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "  {label:10} {}", visible(&value).replace('\n', " "));
        }
    }
    text
}

fn summary(findings: &[Finding], detail: Detail, is_own: bool) -> String {
    let [problems, warnings, notes] = counts(findings);
    let mut text = format!(
        "{}, {}, {}",
        plural(problems, "problem"),
        plural(warnings, "warning"),
        plural(notes, "note")
    );
    if notes > 0 && !detail.verbose {
        text.push_str(" (-v shows notes)");
    }
    if !is_own {
        text.push_str("; only files were looked at");
    }
    text + "\n"
}

fn counts(findings: &[Finding]) -> [usize; 3] {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    [Severity::Problem, Severity::Warning, Severity::Note].map(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Place;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::problem("a", "one\u{1b}[31m")
                .at(&Place::line("/etc/a", 3))
                .is("x")
                .should_be("y")
                .advice("write y")
                .command("systemctl restart a"),
            Finding::warning("b", "two").at(&Place::file("/etc/b")),
            Finding::note("c", "three"),
        ]
    }

    #[test]
    fn people_see_what_to_change_and_where() {
        insta::assert_snapshot!(text(&findings(), Detail { quiet: false, verbose: true }, true), @r"
        problem  one\u{1b}[31m
          at         /etc/a:3
          is         x
          should be  y
          do         write y
          run        systemctl restart a

        warning  two
          at         /etc/b

        note     three

        1 problem, 1 warning, 1 note
        ");
        insta::assert_snapshot!(text(&findings()[1..], Detail::default(), false), @r"
        warning  two
          at         /etc/b

        0 problems, 1 warning, 1 note (-v shows notes); only files were looked at
        ");
        assert_eq!(text(&findings()[1..], Detail { quiet: true, verbose: false }, true), "");
    }

    #[test]
    fn programs_get_each_field() {
        insta::assert_snapshot!(json(&findings()[1..]), @r#"
        {"problems":0,"warnings":1,"notes":1,"findings":[{"id":"b","severity":"warning","what":"two","place":{"file":"/etc/b","line":null},"is":null,"should_be":null,"advice":null,"command":null},{"id":"c","severity":"note","what":"three","place":null,"is":null,"should_be":null,"advice":null,"command":null}]}
        "#);
    }
}
