//! Reads version 1 of `registries.conf`, as distributions shipped it before 2019: three lists of registries.
//!
//! Holds: an entry means what containers/image makes of it (`ConvertToV2`). A file with keys of both versions is an
//! error, as it is there.

use std::collections::BTreeMap;

use crate::config::diagnostic::{Located, Problem, Span};
use crate::config::section::{Field, Section};

use super::file::{File, Registry, place};

/// The file, if it has the table `registries` of version 1. `others` are the keys of version 2 in it.
pub(super) fn read(old: &Field<'_>, others: &[&'static str], out: &mut Vec<Problem>) -> Option<File> {
    if let Some(other) = others.first() {
        let message =
            format!("`{}` belongs to version 1 of the format, and `{other}` to version 2", old.key.text);
        let hint = "containers/image refuses a file with both: write a [[registry]] for each registry";
        out.push(Problem::error(message).at(&old.key.at).hint(hint));
        return None;
    }
    let mut tables = old.section(out)?;
    let search = list(&mut tables, "search", out);
    let block = list(&mut tables, "block", out);
    let insecure = list(&mut tables, "insecure", out);
    tables.finish(out);
    let mut registries: BTreeMap<String, Registry> = BTreeMap::new();
    for Located { value, at } in block {
        entry(&mut registries, value, &at).blocked = true;
    }
    for Located { value, at } in insecure {
        entry(&mut registries, value, &at).insecure = Some(at.clone());
    }
    let search = search.first().map(|first| Located {
        value: search.iter().map(|host| host.value.clone()).collect(),
        at: first.at.clone(),
    });
    Some(File { registries: registries.into_values().collect(), search, ..File::default() })
}

/// `registries` of one of the three tables.
fn list(tables: &mut Section<'_>, key: &'static str, out: &mut Vec<Problem>) -> Vec<Located<String>> {
    let Some(mut table) = tables.section(key, out) else { return Vec::new() };
    let items = table.field("registries").and_then(|field| field.items(out)).unwrap_or_default();
    table.finish(out);
    let read = |item: &Field<'_>| Some(Located { value: item.parse(out, place)?, at: item.at.clone() });
    items.iter().filter_map(read).collect()
}

fn entry<'r>(registries: &'r mut BTreeMap<String, Registry>, host: String, at: &Span) -> &'r mut Registry {
    registries.entry(host.clone()).or_insert_with(|| Registry {
        prefix: host.clone(),
        at: at.clone(),
        location: Located { value: host, at: at.clone() },
        blocked: false,
        insecure: None,
        mirrors: Vec::new(),
    })
}
