//! The smallest edits of texts that belong to others.
//!
//! Holds: all other lines stay as they are. Where a text has a form that is not known, there is no edit.

/// Puts another value in the place of one that is at this line, behind one of these words.
pub(super) fn replace(text: &str, line: u64, words: &[&str], old: &str, new: &str) -> Option<String> {
    let index = usize::try_from(line.checked_sub(1)?).ok()?;
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let found = *lines.get(index)?;
    let word = words.iter().find_map(|word| Some(found.find(word)? + word.len()))?;
    let (before, after) = found.split_at(word);
    // Of two of them nobody knows which one counts.
    if after.matches(old).count() != 1 {
        return None;
    }
    let edited = format!("{before}{}", after.replacen(old, new, 1));
    lines[index] = &edited;
    Some(lines.concat())
}

/// Adds a key to a mapping in YAML or JSON, behind the line of one of these keys, or at the end.
pub(super) fn insert(text: &str, behind: &[&str], key: &str, value: &str) -> Option<String> {
    let first = text.trim_start();
    if first.starts_with('{') {
        return into_braces(text, key, value);
    }
    // Several documents, tags and anchors of the whole are for others.
    if text.lines().any(|line| line == "..." || line.starts_with('%')) || documents(text) > 1 {
        return None;
    }
    if let Some(edited) = fill(text, key, value) {
        return Some(edited);
    }
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let added = format!("{key}: {value}{end}");
    let mut edited = String::with_capacity(text.len() + added.len());
    let is_it = |line: &str| {
        behind.iter().any(|key| {
            let rest = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
            rest.is_some_and(is_plain)
        })
    };
    let mut lines = text.split_inclusive('\n');
    for line in lines.by_ref() {
        edited.push_str(line);
        if is_it(line) && line.ends_with('\n') {
            edited.push_str(&added);
            edited.extend(lines);
            return Some(edited);
        }
    }
    if !edited.is_empty() && !edited.ends_with('\n') {
        edited.push_str(end);
    }
    Some(edited + &added)
}

/// Gives a key a value that is there without one. What stands behind it on its line stays: a comment, the line's end.
fn fill(text: &str, key: &str, value: &str) -> Option<String> {
    let behind = |line: &&str| {
        let rest = line.strip_prefix(key)?.strip_prefix(':')?;
        let said = rest.split('#').next()?.trim_end();
        let behind = rest.strip_prefix(said)?;
        // Without a blank before it, a # belongs to the value.
        let is_empty = ["", "\"\"", "''", "~", "null"].contains(&said.trim());
        (is_empty && !behind.starts_with('#')).then(|| behind.to_owned())
    };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (index, behind) = lines.iter().enumerate().find_map(|(index, line)| Some((index, behind(line)?)))?;
    let edited = format!("{key}: {value}{behind}");
    lines[index] = &edited;
    Some(lines.concat())
}

/// Whether a value ends with its line.
fn is_plain(value: &str) -> bool {
    let value = value.trim();
    value.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        || (value.len() > 1 && value.starts_with('"') && value.ends_with('"'))
}

fn documents(text: &str) -> usize {
    let is_mark = |line: &&str| *line == "---" || line.starts_with("--- ");
    let marks = text.lines().filter(is_mark).count();
    let leading = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    marks + usize::from(!leading.as_ref().is_some_and(is_mark))
}

fn into_braces(text: &str, key: &str, value: &str) -> Option<String> {
    let at = text.find('{')? + 1;
    let (head, rest) = text.split_at(at);
    let blank: String = rest.chars().take_while(|letter| letter.is_whitespace()).collect();
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Some(format!(
        "{head}{blank}\"{key}\": \"{value}\"{comma}{}{rest}",
        if blank.is_empty() && !comma.is_empty() { " " } else { "" }
    ))
}

/// Adds a flag to a variable of a file with assignments. The variable is made where it is missing.
pub(super) fn add_flag(text: &str, variable: &str, flag: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let is_it = |line: &&str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line);
        line.strip_prefix(variable).is_some_and(|rest| rest.starts_with('='))
    };
    let Some(index) = lines.iter().rposition(is_it) else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{text}{gap}{variable}={flag}\n"));
    };
    let line = *lines.get(index)?;
    let body = line.trim_end_matches(['\n', '\r']);
    let end = line.strip_prefix(body)?;
    let (name, value) = body.split_once('=')?;
    let value = value.trim_end();
    let edited = match value.chars().next() {
        None => flag.to_owned(),
        Some(quote @ ('"' | '\'')) => {
            let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
            if inner.contains(quote) {
                return None;
            }
            let gap = if inner.is_empty() || inner.ends_with(' ') { "" } else { " " };
            format!("{quote}{inner}{gap}{flag}{quote}")
        }
        Some(_) if value.contains(['"', '\'', '\\', '#', '$', '`']) => return None,
        Some(_) => format!("\"{value} {flag}\""),
    };
    let edited = format!("{name}={edited}{end}");
    lines[index] = &edited;
    Some(lines.concat())
}

/// Sets a text in a table of TOML that has not got it. The table is made where it is missing.
pub(super) fn insert_toml(text: &str, table: &str, key: &str, value: &str) -> String {
    let head = format!("[{table}]");
    let added = format!("{key} = \"{value}\"\n");
    let mut edited = String::with_capacity(text.len() + added.len());
    let mut is_done = false;
    for line in text.split_inclusive('\n') {
        edited.push_str(line);
        if !is_done && line.split('#').next().is_some_and(|line| line.trim() == head) {
            if !line.ends_with('\n') {
                edited.push('\n');
            }
            edited.push_str(&added);
            is_done = true;
        }
    }
    if is_done {
        return edited;
    }
    if !edited.is_empty() && !edited.ends_with('\n') {
        edited.push('\n');
    }
    let gap = if edited.is_empty() { "" } else { "\n" };
    format!("{edited}{gap}{head}\n{added}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "unix:///run/new.sock";

    #[test]
    fn a_value_is_replaced_where_it_is_the_only_one_behind_its_word() {
        let old = "unix:///old";
        let yaml = "# unix:///old\na: 1\nimageServiceEndpoint: \"unix:///old\" # why\nb: 2";
        let edited = replace(yaml, 3, &["imageServiceEndpoint"], old, NEW).unwrap();
        assert_eq!(edited, yaml.replacen("\"unix:///old\"", "\"unix:///run/new.sock\"", 1));
        let flags =
            "A=\"--container-runtime-endpoint=unix:///old --image-service-endpoint=unix:///old --v=2\"\r\n";
        let edited = replace(flags, 1, &["image-service-endpoint"], old, NEW).unwrap();
        assert_eq!(
            edited,
            "A=\"--container-runtime-endpoint=unix:///old --image-service-endpoint=unix:///run/new.sock --v=2\"\r\n"
        );
        let twice = "--image-service-endpoint=unix:///old --image-service-endpoint=unix:///old";
        for (text, line) in
            [(twice, 1), (yaml, 1), (yaml, 2), (yaml, 9), (yaml, 0), ("image-service-endpoint \\\n", 1)]
        {
            assert_eq!(
                replace(text, line, &["image-service-endpoint", "imageServiceEndpoint"], old, NEW),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn a_key_is_added_to_yaml_and_to_json() {
        let rows = [
            ("apiVersion: v1beta1\nkind: K\n# end\n", "apiVersion: v1beta1\nkind: K\nkey: v\n# end\n"),
            ("a: |\n  kind: K\n  text", "a: |\n  kind: K\n  text\nkey: v\n"),
            ("kind: K", "kind: K\nkey: v\n"),
            ("kind: \"K\"\r\na: 1\r\n", "kind: \"K\"\r\nkey: v\r\na: 1\r\n"),
            ("kind: >\n  K\n", "kind: >\n  K\nkey: v\n"),
            ("---\nkind: K\n", "---\nkind: K\nkey: v\n"),
            ("kind: K\nkey: \"\"\na: 1\n", "kind: K\nkey: v\na: 1\n"),
            (" key: ''\nkey:\r\n", " key: ''\nkey: v\r\n"),
            ("key: # why\na: 1\n", "key: v # why\na: 1\n"),
            ("key: \"\" \t# why", "key: v \t# why"),
            ("key: ~#\n", "key: ~#\nkey: v\n"),
            ("", "key: v\n"),
            ("{\n\t\"a\": 1\n}\n", "{\n\t\"key\": \"v\",\n\t\"a\": 1\n}\n"),
            ("{\"a\": 1}", "{\"key\": \"v\", \"a\": 1}"),
            ("{}", "{\"key\": \"v\"}"),
        ];
        for (text, expected) in rows {
            assert_eq!(insert(text, &["kind"], "key", "v").as_deref(), Some(expected), "{text:?}");
        }
        for text in ["a: 1\n---\nb: 2\n", "---\na: 1\n---\nb: 2\n", "a: 1\n...\n", "%YAML 1.2\n---\na: 1\n"] {
            assert_eq!(insert(text, &["kind"], "key", "v"), None, "{text:?}");
        }
    }

    #[test]
    fn a_flag_is_added_to_a_variable() {
        let rows = [
            ("", Some("ARGS=--f=1\n")),
            ("# x", Some("# x\nARGS=--f=1\n")),
            ("ARGS=\n", Some("ARGS=--f=1\n")),
            ("OTHER=1\nARGS=\"--a --b\"\n", Some("OTHER=1\nARGS=\"--a --b --f=1\"\n")),
            ("ARGS=--a\nB=2", Some("ARGS=\"--a --f=1\"\nB=2")),
            ("export ARGS='--a '\r\n", Some("export ARGS='--a --f=1'\r\n")),
            ("ARGS=1\nARGS=\"\"", Some("ARGS=1\nARGS=\"--f=1\"")),
            ("ARGS=--a \\\n --b\n", None),
            ("ARGS=\"--a\" x\n", None),
            ("ARGS=\"--a='b\"c'\"\n", None),
        ];
        for (text, expected) in rows {
            assert_eq!(add_flag(text, "ARGS", "--f=1").as_deref(), expected, "{text:?}");
        }
    }

    proptest::proptest! {
        /// Taken out again, what was added leaves the text as it was.
        #[test]
        fn no_other_line_changes(text in "([a-z\\[\\]{}\"'=:#\\\\ \t-]{0,12}(\r?\n)?){0,8}", line in 0..10_u64) {
            let is_same = |edited: &str, added: &str| {
                let rest = edited.replacen(added, "", 1);
                proptest::prop_assert!(rest == text || rest == format!("{text}\n") || rest == format!("{text}\r\n"),
                    "{text:?} {edited:?}");
                Ok(())
            };
            if !text.trim_start().starts_with('{') {
                let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
                if let Some(edited) = insert(&text, &["a"], "NEW", "v") {
                    is_same(&edited, &format!("NEW: v{end}"))?;
                }
            }
            let _ = into_braces(&text, "NEW", "v");
            if let Some(edited) = add_flag(&text, "A", "--NEW=v") {
                is_same(&edited, "A=--NEW=v\n")?;
            }
            if let Some(edited) = replace(&text, line, &["a"], "b", "NEW") {
                proptest::prop_assert_eq!(edited.replacen("NEW", "b", 1), text.clone());
            }
            proptest::prop_assert!(insert_toml(&text, "c", "s", "v").contains("s = \"v\"\n"));
        }
    }

    #[test]
    fn a_key_is_added_to_a_table_of_toml() {
        for (text, expected) in [
            ("", "[c]\ns = \"v\"\n"),
            ("[a]\nb = 1", "[a]\nb = 1\n\n[c]\ns = \"v\"\n"),
            ("[c] # why\nfence = true\n", "[c] # why\ns = \"v\"\nfence = true\n"),
            ("[c]", "[c]\ns = \"v\"\n"),
        ] {
            assert_eq!(insert_toml(text, "c", "s", "v"), expected, "{text:?}");
        }
    }
}
