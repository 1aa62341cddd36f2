//! Finds the configuration inside a ConfigMap manifest.
//!
//! Holds: the text that is found has the length and the lines of the whole file, so that every place in it is a place
//! in the file.

use crate::config::diagnostic::Problem;
use crate::config::node::{Key, Node, Value};

/// The key of the ConfigMap that image-cri-shim reads.
const KEY: &str = "registries.yaml";

/// Whether a document is a ConfigMap and not the configuration itself.
pub(super) fn is_one(document: &Node) -> bool {
    let Value::Map(pairs) = &document.value else { return false };
    pairs.iter().any(|(key, node)| key.text == "kind" && node.text() == Some("ConfigMap"))
}

/// The configuration, with blanks in place of everything else; problems are in `out`.
pub(super) fn content(document: &Node, content: &str, out: &mut Vec<Problem>) -> Option<String> {
    let Some((key, node)) = member(document, "data").and_then(|(_, data)| member(data, KEY)) else {
        let message = format!("the ConfigMap has no `{KEY}` in its `data`");
        out.push(Problem::error(message).at(&document.at).hint("image-cri-shim reads that key only"));
        return None;
    };
    let Some(block) = block(key, content).filter(|_| node.text().is_some()) else {
        let message = format!("`{KEY}` is not written as a block of text");
        out.push(
            Problem::error(message).at(&key.at).hint(format!("write `{KEY}: |`, and the text below it")),
        );
        return None;
    };
    let blank = |text: &str| -> String {
        let blank = |byte: u8| if byte == b'\n' { '\n' } else { ' ' };
        text.bytes().map(blank).collect()
    };
    let (before, after) = (blank(&content[..block.start]), blank(&content[block.end..]));
    Some(format!("{before}{}{after}", &content[block]))
}

fn member<'n>(node: &'n Node, name: &str) -> Option<(&'n Key, &'n Node)> {
    let Value::Map(pairs) = &node.value else { return None };
    pairs.iter().find(|(key, _)| key.text == name).map(|(key, node)| (key, node))
}

/// The lines of a literal block: those after `key: |` that are indented more than the key.
fn block(key: &Key, content: &str) -> Option<std::ops::Range<usize>> {
    let key_end = key.at.range.end;
    let rest = content.get(key_end..)?;
    let line_end = rest.find('\n')? + 1;
    let header = rest[..line_end].trim_start_matches(['"', '\'']).trim_start().strip_prefix(':')?;
    let header = header.split(" #").next().unwrap_or(header).trim();
    if !matches!(header, "|" | "|-" | "|+") {
        return None;
    }
    let line_start = content[..key.at.range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let depth = content[line_start..].bytes().take_while(|&byte| byte == b' ').count();
    let start = key_end + line_end;
    let mut end = start;
    for line in content[start..].split_inclusive('\n') {
        let indent = line.bytes().take_while(|&byte| byte == b' ').count();
        if !line.trim().is_empty() && indent <= depth {
            break;
        }
        end += line.len();
    }
    Some(start..end)
}
