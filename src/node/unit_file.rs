//! Reads the text of a unit, or of a drop-in for one.
//!
//! Source: systemd.syntax(7).

/// One assignment of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: u64,
}

/// The assignments of a text in their order.
pub(super) fn settings(text: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !is_comment(line));
    while let Some((line, first)) = lines.next() {
        let mut whole = first.trim().to_owned();
        while whole.ends_with('\\') {
            whole.pop();
            whole.push(' ');
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next.trim());
        }
        if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = whole.split_once('=') {
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            found.push(Setting { section: section.clone(), key, value, line });
        }
    }
    found
}

/// Comments may stand between the lines of one value.
fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_several_lines_with_comments_between() {
        let text = "[Unit]\nAfter=a.service b.service\n; no\n[Service]\nExecStart=/bin/k \\\n# no\n  server \\\n\
                    \t'--x'\nExecStart =\nrubbish\n[Install]\nWantedBy=m.target\\";
        let found = settings(text);
        let found: Vec<_> =
            found.iter().map(|s| (s.section.as_str(), s.key.as_str(), s.value.as_str(), s.line)).collect();
        assert_eq!(
            found,
            [
                ("Unit", "After", "a.service b.service", 2),
                ("Service", "ExecStart", "/bin/k  server  '--x'", 5),
                ("Service", "ExecStart", "", 9),
                ("Install", "WantedBy", "m.target", 12),
            ]
        );
    }
}
