//! Reads the files of systemd's `EnvironmentFile=`, which shells read too.
//!
//! Source: systemd.exec(5). A line that is no assignment is left out, as systemd does.

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: u64,
}

/// The assignments of a text in their order.
pub(super) fn variables(text: &str) -> Vec<Variable> {
    let mut found = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((line, first)) = lines.next() {
        let mut whole = first.trim_start().to_owned();
        if whole.starts_with(['#', ';']) {
            continue;
        }
        while whole.ends_with('\\') {
            whole.pop();
            let Some((_, next)) = lines.next() else { break };
            whole.push_str(next);
        }
        found.extend(variable(&whole, line));
    }
    found
}

/// `NAME=value`, also with an `export` before it.
pub(super) fn variable(text: &str, line: u64) -> Option<Variable> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim().trim_start_matches("export ").trim();
    let is_name =
        !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then(|| Variable { name: name.to_owned(), value: unquoted(value.trim()), line })
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_found_with_their_lines() {
        let text = "# KUBELET_OLD=a\n\nKUBELET_EXTRA_ARGS=\"--a=b --c=d\"\nexport B='x y'\nC=1 \\\n  2\n\
                    not one\n two words=3\nD=\n  E = f\n";
        let found = variables(text);
        let found: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.value.as_str(), v.line)).collect();
        assert_eq!(
            found,
            [
                ("KUBELET_EXTRA_ARGS", "--a=b --c=d", 3),
                ("B", "x y", 4),
                ("C", "1   2", 5),
                ("D", "", 9),
                ("E", "f", 10),
            ]
        );
        assert!(variables("\u{0}\\").is_empty());
    }
}
