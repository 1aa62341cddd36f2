//! Which images a manifest of Kubernetes or a file of Helm values mentions.
//!
//! Holds: every `image` that is a text is taken, and every `repository` with its `tag` or `digest`. Templates are not
//! filled in.

use std::collections::BTreeSet;
use std::path::Path;

use super::diagnostic::{Diagnostics, Texts};
use super::node::{Key, Node, Value};
use super::parse_yaml;
use super::text;

/// What a file mentions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mentioned {
    /// Images as they are written, each once, in the order of the file.
    pub images: Vec<String>,
    /// Repositories that have neither tag nor digest beside them.
    pub untagged: Vec<String>,
}

/// Reads a file of YAML or JSON; `-` is stdin.
///
/// # Errors
/// It cannot be read, or is neither.
pub fn mentioned(path: &Path) -> Result<Mentioned, Diagnostics> {
    let (mut texts, mut problems) = (Texts::default(), Vec::new());
    let documents = text::read(path, &mut texts, &mut problems)
        .and_then(|text| parse_yaml::documents(text, texts.content(text), &mut problems));
    let Some(documents) = documents.filter(|_| problems.is_empty()) else {
        return Err(Diagnostics::new(texts, problems));
    };
    let mut found = Mentioned::default();
    documents.iter().for_each(|document| found.look(document));
    let mut seen = BTreeSet::new();
    found.images.retain(|image| seen.insert(image.clone()));
    Ok(found)
}

impl Mentioned {
    /// The parser bounds how deep a document is.
    fn look(&mut self, node: &Node) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.look(item)),
            Value::Map(pairs) => {
                self.take(pairs);
                pairs.iter().for_each(|(_, node)| self.look(node));
            }
            Value::Null | Value::Bool(..) | Value::Number(_) | Value::Text(_) | Value::Date => {}
        }
    }

    fn take(&mut self, pairs: &[(Key, Node)]) {
        let of = |name: &str| {
            let node = pairs.iter().find(|(key, _)| key.text == name).and_then(|(_, node)| node.text());
            node.map(str::trim).filter(|text| !text.is_empty())
        };
        let behind = || match (of("digest"), of("tag")) {
            (Some(digest), _) => Some(format!("@{digest}")),
            (None, Some(tag)) => Some(format!(":{tag}")),
            (None, None) => None,
        };
        if let Some(image) = of("image") {
            let is_whole =
                image.contains('@') || image.rsplit('/').next().is_some_and(|last| last.contains(':'));
            let more = behind().filter(|_| !is_whole).unwrap_or_default();
            self.images.push(format!("{image}{more}"));
        }
        if let Some(repository) = of("repository") {
            let registry = of("registry").map(|host| format!("{host}/")).unwrap_or_default();
            let repository = format!("{registry}{repository}");
            // A chart's own repository is an address.
            match behind() {
                Some(more) => self.images.push(format!("{repository}{more}")),
                None if repository.contains("://") => {}
                None => self.untagged.push(repository),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Mentioned {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.yaml");
        std::fs::write(&path, text).unwrap();
        mentioned(&path).unwrap()
    }

    #[test]
    fn manifests_and_values_are_understood() {
        let rows: [(&str, &[&str]); 9] = [
            (
                "spec:\n  containers:\n  - image: nginx:1\n  initContainers:\n  - image: busybox\n",
                &["nginx:1", "busybox"],
            ),
            ("image: a:1\n---\nimage: b:2\n---\nimage: a:1\n", &["a:1", "b:2"]),
            ("{\"items\": [{\"spec\": {\"image\": \"x/y:1\"}}]}", &["x/y:1"]),
            ("image:\n  repository: quay.io/a/b\n  tag: 1.10\n", &["quay.io/a/b:1.10"]),
            ("image:\n  registry: quay.io\n  repository: a/b\n  tag: v1\n", &["quay.io/a/b:v1"]),
            ("image:\n  repository: a/b\n  tag: v1\n  digest: sha256:00\n", &["a/b@sha256:00"]),
            ("image: localhost:5000/nginx\ntag: 3\n", &["localhost:5000/nginx:3"]),
            ("image: nginx:1\ntag: 3\n", &["nginx:1"]),
            ("dependencies:\n- name: x\n  repository: https://charts.dev\nimage: ''\n", &[]),
        ];
        for (text, images) in rows {
            let found = read(text);
            assert_eq!(
                (found.images.iter().map(String::as_str).collect::<Vec<_>>(), found.untagged.len()),
                (images.to_vec(), 0),
                "{text}"
            );
        }
        assert_eq!(read("image:\n  repository: a/b\n  tag: ''\n").untagged, ["a/b"]);
    }
}
