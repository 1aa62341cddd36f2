//! Shows what is changed, as `diff -U0` does.
//!
//! Holds: of the files of others only what changes is shown. Where a line has other words, these are left out, because
//! they may be secrets.

use super::draft::{Change, Content};
use crate::node::Tree;

/// The difference that a change makes.
pub fn shown(tree: &Tree, change: &Change) -> String {
    let path = change.path.display();
    let text = match &change.content {
        Content::Link(target) => {
            return format!("--- /dev/null\n+++ {path}\n+ link to {}\n", target.display());
        }
        Content::Program => {
            let old = if tree.has(&change.path) { path.to_string() } else { "/dev/null".to_owned() };
            return format!("--- {old}\n+++ {path}\n+ a copy of this program\n");
        }
        Content::Text(text) => text,
    };
    match tree.text(&change.path) {
        Some(old) => format!("--- {path}\n+++ {path}\n{}", hunk(&old, text)),
        None => format!("--- /dev/null\n+++ {path}\n{}", whole(text)),
    }
}

fn whole(text: &str) -> String {
    let mut shown = format!("@@ -0,0 +1,{} @@\n", text.lines().count());
    text.lines().for_each(|line| shown.push_str(&format!("+{line}\n")));
    shown
}

/// All edits of this program are in one place of a text.
fn hunk(old: &str, new: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let at_end =
        before[same..].iter().rev().zip(after[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let removed = &before[same..before.len() - at_end];
    let added = &after[same..after.len() - at_end];
    let from = |lines: &[&str]| if lines.is_empty() { same } else { same + 1 };
    let mut shown = format!("@@ -{},{} +{},{} @@\n", from(removed), removed.len(), from(added), added.len());
    for (index, line) in removed.iter().enumerate() {
        shown.push_str(&format!("-{}\n", without_others(line, added.get(index).copied())));
    }
    for (index, line) in added.iter().enumerate() {
        shown.push_str(&format!("+{}\n", without_others(line, removed.get(index).copied())));
    }
    shown
}

/// A line without the words that it has in common with the other one, but for names of keys.
fn without_others(line: &str, other: Option<&str>) -> String {
    let Some(other) = other else { return line.to_owned() };
    let pieces = |text: &str| {
        let split =
            text.split_inclusive(|letter: char| letter.is_whitespace() || letter == '"' || letter == '\'');
        split
            .flat_map(|word| match word.split_once('=') {
                Some((name, value)) if !name.starts_with('-') => vec![format!("{name}="), value.to_owned()],
                _ => vec![word.to_owned()],
            })
            .collect::<Vec<String>>()
    };
    let others: Vec<String> = pieces(other).iter().map(|piece| bare(piece).to_owned()).collect();
    let mut shown = String::new();
    for piece in pieces(line) {
        let word = bare(&piece);
        let is_name = word.is_empty() || word == "-" || word.ends_with([':', '=']);
        if is_name || !others.iter().any(|other| other == word) {
            shown.push_str(&piece);
        } else if !shown.ends_with("… ") {
            shown.push_str("… ");
        }
    }
    shown
}

fn bare(piece: &str) -> &str {
    piece.trim_matches(|letter: char| letter.is_whitespace() || letter == '"' || letter == '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let old = "token: a-secret\nimage-endpoint: unix:///a\nb: 1\n";
        assert_eq!(
            hunk(old, &old.replace("///a", "///b")),
            "@@ -2,1 +2,1 @@\n-image-endpoint: unix:///a\n+image-endpoint: unix:///b\n"
        );
        assert_eq!(hunk(old, &old.replace("b: 1", "c: 2\nb: 1")), "@@ -2,0 +3,1 @@\n+c: 2\n");
        let flags = "ARGS=\"--token=a-secret --v=2 --image-service-endpoint=unix:///a\"\n";
        insta::assert_snapshot!(hunk(flags, &flags.replace("///a", "///b")), @r#"
        @@ -1,1 +1,1 @@
        -ARGS="… --image-service-endpoint=unix:///a"
        +ARGS="… --image-service-endpoint=unix:///b"
        "#);
        let flags = "ARGS=--token=a-secret\n";
        insta::assert_snapshot!(hunk(flags, "ARGS=\"--token=a-secret --f=1\"\n"), @r#"
        @@ -1,1 +1,1 @@
        -ARGS=… 
        +ARGS="… --f=1"
        "#);
    }
}
