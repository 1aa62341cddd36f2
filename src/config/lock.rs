//! The file of `cri-shunt lock`: which digest each tag had when it was looked at.
//!
//! Holds: each name is a tag, written in full, and is there once.
//! Not here: which rules it is for (`locks`), how it is written (`lock_text`).

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::{Diagnostics, Located, Problem, TextId, Texts};
use super::node::Value;
use super::parse_toml;
use super::references;
use super::refusal::Refusal;
use super::section::{NATIVE, Section};
use super::text;
use crate::policy::{LockList, Name, is_digest};

/// The form of the file.
pub(super) const VERSION: i64 = 1;

/// All tags by their full names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// What each of them is.
    pub images: BTreeMap<String, Locked>,
}

/// What a tag is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The digest of the index, or of the manifest if there is no index.
    pub digest: String,
    /// The reference that was asked.
    pub asked: String,
    /// The digests in the index, by platform.
    pub platforms: BTreeMap<String, String>,
}

impl Lock {
    /// Reads the file.
    ///
    /// # Errors
    /// Every problem of it.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let (mut texts, mut problems) = (Texts::default(), Vec::new());
        let text = text::read(path, &mut texts, &mut problems);
        match text.and_then(|text| Lock::parse(text, &texts, &mut problems)) {
            Some(lock) if problems.is_empty() => Ok(lock),
            _ => Err(Diagnostics::new(texts, problems)),
        }
    }

    /// Reads its text; `None` where it has a mistake, which is in `out`.
    pub(super) fn parse(text: TextId, texts: &Texts, out: &mut Vec<Problem>) -> Option<Self> {
        let before = out.len();
        let document = parse_toml::parse_foreign(text, texts.content(text), out)?;
        let lock = Lock::of(Section::root(&document, &NATIVE, out), out);
        (out.len() == before).then_some(lock)
    }

    /// The same for the policy.
    pub(super) fn list(self, file: &str) -> Option<LockList> {
        let mut list = LockList::of(file);
        for (name, Locked { digest, platforms, .. }) in self.images {
            list.add(&name.parse().ok()?, &digest, platforms.into_values());
        }
        Some(list)
    }

    fn of(root: Option<Section<'_>>, out: &mut Vec<Problem>) -> Self {
        let (mut images, mut by_key) = (BTreeMap::new(), BTreeMap::new());
        let Some(mut root) = root else { return Lock { images } };
        match root.integer("version", out) {
            Some(Located { value: VERSION, .. }) | None => {}
            Some(Located { at, .. }) => {
                let problem =
                    Problem::error(format!("a lock of this form is not known, only version {VERSION}"));
                out.push(problem.at(&at).hint("a newer version of cri-shunt has written it"));
            }
        }
        for mut section in root.sections("image", out) {
            let at = section.at();
            let image = image(&mut section, out);
            section.finish(out);
            let Some((name, locked)) = image else { continue };
            let key = name.parse::<Name>().map(|name| name.key().to_string()).unwrap_or_default();
            let before = by_key.insert(key, (name.clone(), locked.digest.clone()));
            match before {
                Some((first, _)) if first == name => {
                    out.push(Problem::error(format!("{name} is there twice")).at(at));
                }
                Some((first, digest)) if digest != locked.digest => {
                    let message = format!("{name} and {first} are one image, and have different digests");
                    out.push(Problem::error(message).at(at));
                }
                _ => {}
            }
            images.insert(name, locked);
        }
        root.finish(out);
        Lock { images }
    }
}

fn image(section: &mut Section<'_>, out: &mut Vec<Problem>) -> Option<(String, Locked)> {
    let before = out.len();
    let name = section.parse("name", out, tag);
    let digest = section.parse("digest", out, a_digest);
    let asked = section.string("asked", out);
    let mut platforms = BTreeMap::new();
    if let Some(field) = section.field("platforms") {
        let Value::Map(pairs) = field.value else { return field.wrong_type("a table", out) };
        for (key, node) in pairs {
            match node.text().map(a_digest) {
                Some(Ok(digest)) => drop(platforms.insert(key.text.clone(), digest)),
                _ => out.push(Problem::error("this is not a digest").at(&node.at)),
            }
        }
    }
    if name.is_none() && !section.has_unknown() && out.len() == before {
        section.missing("name", "write the tag in full", out);
    }
    if digest.is_none() && !section.has_unknown() && out.len() == before {
        section.missing("digest", "write the digest of the tag, or let `cri-shunt lock --update` do it", out);
    }
    let asked = asked.map(|set| set.value.to_owned()).unwrap_or_default();
    Some((name?.value, Locked { digest: digest?.value, asked, platforms }))
}

/// A tag in full: nothing else can move.
fn tag(text: &str) -> Result<String, Refusal> {
    let name: Name = references::image(text)?;
    if name.digest().is_some() {
        return Err(Refusal::new(format!("{text:?} is a digest, which needs no lock")));
    }
    match name.as_str() == text {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(format!("{text:?} is not written in full")).hint(format!("write {name}"))),
    }
}

fn a_digest(text: &str) -> Result<String, Refusal> {
    match is_digest(text) {
        true => Ok(text.to_owned()),
        false => Err(Refusal::new(format!("{text:?} is not a digest"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Style;

    fn read(text: &str) -> Result<Lock, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images.lock");
        std::fs::write(&path, text).unwrap();
        Lock::read(&path).map_err(|problems| problems.render(Style::Plain, false))
    }

    fn digest(letter: &str) -> String {
        format!("sha256:{}", letter.repeat(64))
    }

    #[test]
    fn what_is_written_is_read_again() {
        let platforms = [("linux/amd64", "b"), ("linux/arm64/v8\"\n", "c")];
        let platforms = platforms.map(|(platform, letter)| (platform.to_owned(), digest(letter)));
        let of = |asked: &str, platforms: BTreeMap<_, _>| Locked {
            digest: digest("a"),
            asked: asked.to_owned(),
            platforms,
        };
        let images = BTreeMap::from([
            ("docker.io/library/nginx:1".to_owned(), of("m.dev/hub/nginx:1", platforms.into())),
            ("127.0.0.1:5000/a:latest".to_owned(), of("x", BTreeMap::new())),
        ]);
        let lock = Lock { images };
        assert_eq!(read(&lock.text()), Ok(lock));
        assert_eq!(read(""), Ok(Lock::default()));
    }

    #[test]
    fn what_cannot_be_a_lock_is_refused() {
        let image =
            |name: &str, digest: &str| format!("[[image]]\nname = \"{name}\"\ndigest = \"{digest}\"\n");
        let good = image("quay.io/a:1", &digest("a"));
        let rows = [
            (format!("{good}{good}"), "quay.io/a:1 is there twice"),
            (image("nginx", &digest("a")), "write docker.io/library/nginx:latest"),
            (image(&format!("quay.io/a@{}", digest("a")), &digest("a")), "which needs no lock"),
            (image("quay.io/a:1", "sha256:abc"), "is not a digest"),
            (format!("version = 2\n{good}"), "only version 1"),
            (format!("{good}platforms = {{ \"linux/amd64\" = 1 }}\n"), "this is not a digest"),
            (format!("{good}tag = 1\n"), "unknown key `tag`"),
            (good.replace("name", "nam"), "did you mean `name`?"),
            (good.replace("digest", "digset"), "did you mean `digest`?"),
            ("[[image]]\nname = \"quay.io/a:1\"\n".to_owned(), "needs the key `digest`"),
            ("[[image]\n".to_owned(), "error"),
        ];
        for (text, words) in rows {
            let problems = read(&text).unwrap_err();
            assert!(problems.contains(words), "{text}\n{problems}");
        }
    }
}
