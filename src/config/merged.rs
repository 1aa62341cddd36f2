//! The whole configuration as one document: every key with its value and its place, and the rules of sources as native
//! ones. For `cri-shunt config`.
//!
//! Holds: no value of a header is in it. Read again, it decides as the files do.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value as Json;

use super::diagnostic::{TextId, Texts};
use super::import;
use super::node::{Node, Value};
use super::{Config, Loaded, defaults, draft, parse_toml};
use crate::containerd::hosts::TransportNeed;
use crate::policy::{Layer, Prefix, Rule};

/// What stands in place of a header's value.
const HIDDEN: &str = "not shown: a header may be a secret";

/// Tables that every file may have several times.
const ARRAYS: [&str; 3] = ["transport", "credentials", "signature"];
const ARRAYS_OF_POLICY: [&str; 2] = ["rule", "source"];

/// Everything that is set.
#[derive(Debug)]
pub struct Merged {
    /// The tables in order.
    tables: Vec<Table>,
    /// What sources need without a key for it.
    left: Vec<import::Left>,
}

#[derive(Debug)]
struct Table {
    /// `policy.rule`.
    name: String,
    kind: Kind,
    /// Its place as a whole, where its keys have none.
    place: Option<String>,
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    OfMany,
    /// A table that must not be read again with the others: its rules are among them, or it has the prefix of another.
    Remark,
}

#[derive(Debug)]
struct Key {
    name: String,
    toml: String,
    json: Json,
    place: Option<String>,
}

impl Merged {
    /// Puts it together.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        let texts = loaded.warnings.texts();
        let mut tables = settings(&loaded.config);
        let (mut rules, mut sources, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for root in loaded.own.iter().filter_map(|text| parse(*text, texts)) {
            for (key, node) in pairs(&root) {
                match key {
                    "policy" => {
                        for (key, node) in pairs(node).filter(|(key, _)| ARRAYS_OF_POLICY.contains(key)) {
                            let (kind, into) = match key {
                                "rule" => (Kind::OfMany, &mut rules),
                                _ => (Kind::Remark, &mut sources),
                            };
                            into.extend(many(&format!("policy.{key}"), kind, node, texts));
                        }
                        set(&mut tables, "policy", node, texts);
                    }
                    key if ARRAYS.contains(&key) => others.extend(many(key, Kind::OfMany, node, texts)),
                    key => set(&mut tables, key, node, texts),
                }
            }
        }
        tables.extend(rules);
        tables.extend(sources);
        let mut left = Vec::new();
        tables.extend(rules_of_sources(&loaded.config, &mut left));
        tables.extend(others);
        tables.extend(transport_of_sources(&loaded.config, &mut left));
        Merged { tables, left }
    }

    /// TOML with a comment behind each key. What has no key is a comment at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Table { name, kind, place, keys } in self.tables.iter().filter(|table| !table.keys.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.extend(place.iter().map(|place| format!("# {place}\n")));
            let remark = if *kind == Kind::Remark { "# " } else { "" };
            let head = if *kind == Kind::One { format!("[{name}]") } else { format!("[[{name}]]") };
            text.push_str(&format!("{remark}{head}\n"));
            for Key { name, toml, place, .. } in keys {
                let place = place.iter().map(|place| format!("  # {place}")).collect::<String>();
                text.push_str(&format!("{remark}{name} = {toml}{place}\n"));
            }
        }
        if !self.left.is_empty() {
            text.push('\n');
        }
        for (what, place) in &self.left {
            text.push_str(&import::comment(&format!("no key for this: {what} ({place})")));
        }
        text
    }

    /// An object for each key, and for each table that can be there several times.
    pub fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        self.tables.iter().flat_map(|Table { name, kind, place, keys }| {
            if *kind == Kind::One {
                return keys.iter().map(|key| Object::of_key(name, key)).collect::<Vec<_>>();
            }
            let value = keys.iter().map(|key| (key.name.clone(), key.json.clone())).collect();
            let first = keys.iter().find_map(|key| key.place.as_deref());
            vec![Object { key: name.clone(), value, source: place.as_deref().or(first) }]
        })
    }
}

/// One key, or one table of several. The order of the fields is the order of the JSON keys.
#[derive(Debug, Serialize)]
pub struct Object<'m> {
    key: String,
    value: Json,
    source: Option<&'m str>,
}

impl<'m> Object<'m> {
    fn of_key(table: &str, key: &'m Key) -> Self {
        let source = key.place.as_deref();
        Object { key: format!("{table}.{}", key.name), value: key.json.clone(), source }
    }
}

// === the program's own files ===

fn parse(text: TextId, texts: &Texts) -> Option<Node> {
    parse_toml::parse(text, texts.content(text), &mut Vec::new())
}

fn pairs(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let pairs = match &node.value {
        Value::Map(pairs) => pairs.as_slice(),
        _ => &[],
    };
    pairs.iter().map(|(key, node)| (key.text.as_str(), node))
}

/// Sets the keys of a table, which have their defaults until then.
fn set(tables: &mut [Table], name: &str, node: &Node, texts: &Texts) {
    let Some(table) = tables.iter_mut().find(|table| table.name == name) else { return };
    for key in keys(node, texts) {
        if name == "policy" && ARRAYS_OF_POLICY.contains(&key.name.as_str()) {
            continue;
        }
        match table.keys.iter_mut().find(|known| known.name == key.name) {
            Some(known) => *known = key,
            None => table.keys.push(key),
        }
    }
}

fn many(name: &str, kind: Kind, node: &Node, texts: &Texts) -> Vec<Table> {
    let Value::List(items) = &node.value else { return Vec::new() };
    let table = |item| Table { name: name.to_owned(), kind, place: None, keys: keys(item, texts) };
    items.iter().map(table).collect()
}

fn keys(node: &Node, texts: &Texts) -> Vec<Key> {
    let Value::Map(pairs) = &node.value else { return Vec::new() };
    let key = |(key, node): &(super::node::Key, Node)| {
        let place = Some(draft::file_line(&key.at, texts).to_string());
        Key { place, ..Key::of(&key.text, node) }
    };
    pairs.iter().map(key).collect()
}

impl Key {
    fn of(name: &str, node: &Node) -> Self {
        let hides = name == "headers";
        Key { name: name.to_owned(), toml: toml(node, hides), json: json(node, hides), place: None }
    }

    fn by_default(name: &str, text: &str) -> Self {
        let place = Some("default".to_owned());
        Key { name: name.to_owned(), toml: import::string(text), json: Json::String(text.to_owned()), place }
    }
}

fn toml(node: &Node, hides: bool) -> String {
    match &node.value {
        Value::Null | Value::Date => String::new(),
        Value::Bool(_, text) | Value::Number(text) => text.clone(),
        Value::Text(_) if hides => import::string(HIDDEN),
        Value::Text(text) => import::string(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| toml(item, hides)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(pairs) => {
            let pair = |(key, node): &(super::node::Key, Node)| {
                let is_bare = !key.text.is_empty()
                    && key.text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
                let name = if is_bare { key.text.clone() } else { import::string(&key.text) };
                format!("{name} = {}", toml(node, hides_below(&key.text, node, hides)))
            };
            format!("{{ {} }}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

fn json(node: &Node, hides: bool) -> Json {
    match &node.value {
        Value::Null | Value::Date => Json::Null,
        Value::Bool(value, _) => Json::Bool(*value),
        Value::Number(text) => text.parse::<i64>().map_or_else(|_| Json::String(text.clone()), Json::from),
        Value::Text(_) if hides => Json::String(HIDDEN.to_owned()),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => items.iter().map(|item| json(item, hides)).collect(),
        Value::Map(pairs) => {
            let pair = |(key, node): &(super::node::Key, Node)| {
                (key.text.clone(), json(node, hides_below(&key.text, node, hides)))
            };
            Json::Object(pairs.iter().map(pair).collect())
        }
    }
}

/// The values of `headers` are hidden, but not the names of files that have them, which are in a table.
fn hides_below(key: &str, node: &Node, hides: bool) -> bool {
    key == "headers" || hides && !matches!(node.value, Value::Map(_))
}

// === what is not written ===

/// The tables of the main file and `[policy]`, with the defaults.
fn settings(config: &Config) -> Vec<Table> {
    let time = |duration: std::time::Duration| match duration.as_secs() {
        whole if whole > 0 && whole % 60 == 0 => format!("{}m", whole / 60),
        seconds => format!("{seconds}s"),
    };
    let table = |name: &str, keys: &[(&str, String)]| {
        let keys = keys.iter().map(|(name, value)| Key::by_default(name, value)).collect();
        Table { name: name.to_owned(), kind: Kind::One, place: None, keys }
    };
    let text = |text: &str| text.to_owned();
    let mut fence = table("containerd", &[("socket", text(defaults::CONTAINERD_SOCKET))]);
    let off = Key { toml: "false".into(), json: Json::Bool(false), ..Key::by_default("fence", "") };
    fence.keys.push(off);
    vec![
        table(
            "listen",
            &[
                ("socket", text(defaults::LISTEN_SOCKET)),
                ("mode", format!("{:04o}", defaults::LISTEN_MODE)),
                ("native-api", text("refuse")),
            ],
        ),
        fence,
        table(
            "pull",
            &[
                ("stall-after", time(defaults::STALL_AFTER)),
                ("adopt-timeout", time(defaults::ADOPT_TIMEOUT)),
                ("retry-down-after", time(defaults::RETRY_DOWN_AFTER)),
            ],
        ),
        table("state", &[("dir", text(defaults::STATE_DIR)), ("bypass-file", text(defaults::BYPASS_FILE))]),
        table("log", &[("level", text(config.log.level.as_str())), ("format", text("text"))]),
        table(
            "policy",
            &[
                ("mode", text("enforce")),
                ("default", text("pass")),
                ("present", text("leave")),
                ("names", text("original")),
                ("node-credentials", text("always")),
                ("on-outage", text("fail")),
                ("unlisted", text("pass")),
                ("verify", text("none")),
                ("watch", time(defaults::WATCH)),
            ],
        ),
    ]
}

// === sources ===

/// A table that `import` has written.
fn written(name: &str, toml: &str, place: String) -> Vec<Table> {
    let mut texts = Texts::default();
    let text = texts.add("", toml.to_owned());
    let Some(root) = parse(text, &texts) else { return Vec::new() };
    let mut found = root;
    for part in name.split('.') {
        let Value::Map(pairs) = found.value else { return Vec::new() };
        let Some((_, node)) = pairs.into_iter().find(|(key, _)| key.text == part) else { return Vec::new() };
        found = node;
    }
    let mut tables = many(name, Kind::OfMany, &found, &texts);
    for table in &mut tables {
        table.place = Some(place.clone());
        table.keys.iter_mut().for_each(|key| key.place = None);
    }
    tables
}

fn rules_of_sources(config: &Config, left: &mut Vec<import::Left>) -> Vec<Table> {
    let rules = config.policy.acting_and_observed().filter(|rule| rule.layer != Layer::Native);
    let native = config.policy.rules_in_force().filter(|rule| rule.layer == Layer::Native);
    let native: HashSet<&Prefix> =
        native.filter(|rule| rule.namespaces.is_none()).map(|rule| &rule.prefix).collect();
    let tables = |rule: &Rule| {
        let (toml, of_rule) = import::rule(rule, config);
        left.extend(of_rule);
        let place = rule.source.to_string();
        let mut tables = written("policy.rule", &toml, place.clone());
        if native.contains(&rule.prefix) {
            // Two native rules cannot have one prefix.
            let what = format!(
                "the rule of a source for \"{}\" is in force while the native one is only observed",
                rule.prefix
            );
            left.push((what, place));
            tables.iter_mut().for_each(|table| table.kind = Kind::Remark);
        }
        tables
    };
    rules.flat_map(tables).collect()
}

fn transport_of_sources(config: &Config, left: &mut Vec<import::Left>) -> Vec<Table> {
    let mut hosts: Vec<(&str, Vec<TransportNeed>)> = Vec::new();
    for need in config.transport.needs().iter().filter(|need| need.layer != Layer::Native) {
        match hosts.iter_mut().find(|(host, _)| *host == need.host) {
            Some((_, needs)) => needs.push(need.clone()),
            None => hosts.push((&need.host, vec![need.clone()])),
        }
    }
    let table = |(_, needs): &(&str, Vec<TransportNeed>)| {
        let place = needs.first().map(|need| need.source.to_string()).unwrap_or_default();
        let (toml, of_host) = import::transport(needs);
        left.extend(of_host);
        written("transport", &toml, place)
    };
    hosts.iter().flat_map(table).collect()
}
