//! The images that a command is about: names from the command line, from files and stdin, and those on the node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use super::inputs::{STDIN, of_stdin, shown};
use super::{runtime, terminal};
use crate::containerd::{Link, Store, hosts, is_id_record};
use crate::files::byte_order_mark;
use crate::policy::Name;
use crate::registry::INDEXES;

/// How long containerd may take for its list. A node may have thousands of images.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The longest list that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// What a name on the node leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) digest: String,
    pub(super) is_index: bool,
}

/// Where the names come from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Names {
    /// Also take the images that are on the node, from containerd
    #[arg(long)]
    pub(super) node: bool,

    #[command(flatten)]
    written: Written,

    /// containerd's socket [default: `containerd.socket` of the configuration]
    #[arg(long, value_name = "PATH")]
    pub(super) containerd: Option<String>,
}

/// Names that are written somewhere.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Written {
    /// Also take the names in this file, one a line, with comments after `#`; `-` is stdin
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,

    /// Image references as a client writes them; `-` reads them from stdin, as --list does
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

impl Names {
    /// How often stdin is read for them.
    pub(super) fn of_stdin(&self) -> usize {
        self.written.of_stdin()
    }

    /// Whether a name or a list is given.
    pub(super) fn is_given(&self) -> bool {
        !self.written.images.is_empty() || !self.written.list.is_empty()
    }

    /// The same; where no name and no list is given, the images on the node.
    pub(super) fn or_those_on_the_node(&self) -> Self {
        Names { node: self.node || !self.is_given(), ..self.clone() }
    }

    /// The names in their order, each once; those on the node come last, and are sorted.
    pub(super) fn read(&self, containerd: &Path) -> Result<Vec<String>, Exit> {
        let mut found = self.written.read()?;
        if self.node {
            found.extend(named(&on_node(containerd)?).map(str::to_owned));
        }
        let mut seen = BTreeSet::new();
        found.retain(|name| seen.insert(name.clone()));
        Ok(found)
    }

    /// All names, spelled as the lock and containerd spell them: the written ones, and with `node` those on the node. What
    /// is no reference is kept, so that it is reported.
    pub(super) fn in_full(&self, node: Option<&BTreeMap<String, Kept>>) -> Result<Vec<String>, Exit> {
        let full = |name: String| name.parse::<Name>().map_or(name, |name| name.as_str().to_owned());
        let on_node = node.filter(|_| self.node).into_iter().flat_map(named);
        let all = self.written.read()?.into_iter().map(full).chain(on_node.map(str::to_owned));
        Ok(all.collect::<BTreeSet<String>>().into_iter().collect())
    }
}

impl Written {
    /// How often stdin is read for them.
    pub(super) fn of_stdin(&self) -> usize {
        of_stdin(&self.list) + of_stdin(&self.images)
    }

    /// The names of the arguments, and then those of the lists.
    pub(super) fn read(&self) -> Result<Vec<String>, Exit> {
        let mut found = Vec::new();
        for image in &self.images {
            match image.as_str() {
                STDIN => found.extend(listed(Path::new(STDIN))?),
                name => found.push(name.to_owned()),
            }
        }
        for path in &self.list {
            found.extend(listed(path)?);
        }
        Ok(found)
    }
}

/// The names in a file.
fn listed(path: &Path) -> Result<Vec<String>, Exit> {
    let failed = |what: &str| terminal::fail(&format!("cannot read {}: {what}", shown(path)), Exit::Usage);
    let mut text = String::new();
    let read = match path == Path::new(STDIN) {
        true => io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text),
        false => File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text)),
    };
    let length = read.map_err(|error| failed(&error.to_string()))?;
    if length as u64 > LONGEST {
        return Err(failed(&format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    let names = byte_order_mark::without(&text).lines().map(without_comment).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// A line without its comment, which begins the line or follows a blank.
pub(super) fn without_comment(line: &str) -> &str {
    let starts = |(at, _): &(usize, &str)| line[..*at].chars().last().is_none_or(char::is_whitespace);
    let end = line.match_indices('#').find(starts).map_or(line.len(), |(at, _)| at);
    line[..end].trim()
}

/// The names of images that containerd has, with what each leads to; where it does not say that, that is told.
pub(super) fn on_node(socket: &Path) -> Result<BTreeMap<String, Kept>, Exit> {
    images_of(socket)?.map_err(|reason| terminal::fail(&reason, Exit::Runtime))
}

/// The same, or why containerd does not say it.
pub(super) fn images_of(socket: &Path) -> Result<Result<BTreeMap<String, Kept>, String>, Exit> {
    let store = Store::new(Link::new(socket.into()));
    let answer = runtime::block_on(async { tokio::time::timeout(PATIENCE, store.all()).await })?;
    let kept = |record: containerd_client::services::v1::Image| {
        let target = record.target?;
        let is_index = INDEXES.contains(&target.media_type.as_str());
        is_shown(&record.name).then_some((record.name, Kept { digest: target.digest, is_index }))
    };
    Ok(match answer {
        Ok(Ok(records)) => Ok(records.into_iter().filter_map(kept).collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => {
            let (shown, seconds) = (socket.display(), PATIENCE.as_secs());
            Err(format!("containerd does not answer on {shown} within {seconds} s"))
        }
    })
}

/// Whether a record is a name of an image for people.
pub(super) fn is_shown(name: &str) -> bool {
    !is_id_record(name) && !name.split('/').next().is_some_and(hosts::is_private)
}

/// The names that people know an image by: its tags; in a repository where it has none, its digest.
pub(super) fn named(node: &BTreeMap<String, Kept>) -> impl Iterator<Item = &str> {
    let repository = |name: &str| name.parse::<Name>().map(|name| name.repository().to_owned()).ok();
    let is_tag = |name: &str| !name.contains('@');
    let tags = node.iter().filter(|(name, _)| is_tag(name));
    let tagged: BTreeSet<_> = tags.map(|(name, kept)| (repository(name), kept.digest.as_str())).collect();
    let names = node.iter().filter(move |(name, kept)| {
        is_tag(name) || !tagged.contains(&(repository(name), kept.digest.as_str()))
    });
    names.map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_follows_a_blank() {
        assert_eq!(without_comment("nginx:1 # why"), "nginx:1");
        assert_eq!(without_comment("# all"), "");
        assert_eq!(without_comment(" a#b "), "a#b");
    }

    #[test]
    fn an_image_goes_by_its_tags_else_by_its_digest() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let by_digest = |repository: &str, letter| format!("{repository}@{}", digest(letter));
        let records = [
            ("docker.io/library/nginx:1".to_owned(), "a"),
            (by_digest("docker.io/library/nginx", "a"), "a"),
            (digest("c"), "a"),
            (by_digest("quay.io/a/b", "b"), "b"),
            // Another rule may be for it.
            (by_digest("quay.io/nginx", "a"), "a"),
            (by_digest("zzz.01.02.cri-shunt.invalid/x", "d"), "d"),
        ];
        let kept = |letter| Kept { digest: digest(letter), is_index: false };
        let records = records.into_iter().filter(|(name, _)| is_shown(name));
        let node: BTreeMap<_, _> = records.map(|(name, letter)| (name, kept(letter))).collect();
        let expected =
            ["docker.io/library/nginx:1", &by_digest("quay.io/a/b", "b"), &by_digest("quay.io/nginx", "a")];
        assert_eq!(named(&node).collect::<Vec<_>>(), expected);
    }
}
