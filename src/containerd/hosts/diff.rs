//! Whether containerd asks a host in another way than is wanted, by a file of somebody else.
//!
//! Holds: a file that says the same does not differ, whoever wrote it. What the daemon is about to write counts as
//! written.
//! Not here: files by which another host is asked (`existing`).
//!
//! Source: containerd `core/remotes/docker/config/hosts.go`: a directory without `hosts.toml` may hold
//! certificates, and hides `_default`.

use std::path::{Path, PathBuf};

use super::existing::{directory, read, says_the_same};
use super::file::{Serves, entries, render};
use super::place::{HOSTS_TOML, is_owned};
use super::wanted::Wanted;

/// The file, or the directory without one, by which containerd does not ask `host` as is wanted. `roots` are the
/// directories that containerd reads.
#[must_use]
pub fn differing(roots: &[PathBuf], host: &str, wanted: &Wanted) -> Option<PathBuf> {
    let directory = directory(roots, host)?;
    let needs = wanted.needs_of(host);
    if directory.ends_with("_default") && !needs.is_empty() {
        // containerd finds what the daemon writes first.
        return None;
    }
    let file = directory.join(HOSTS_TOML);
    if !file.is_file() {
        return (!needs.is_empty() || !is_empty(&directory)).then_some(directory);
    }
    let text = read(&file)?;
    let own = render(&[], &entries(&wanted.endpoint(host), "", Serves::Everything), true).ok()?.text;
    (!is_owned(text.as_bytes()) && !says_the_same(&text, &own)).then_some(file)
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::hosts::{Transport, TransportNeed};
    use crate::policy::{Layer, Source};

    #[test]
    fn a_file_that_says_something_else_is_found() {
        let need = TransportNeed {
            host: "m.dev:5000".to_owned(),
            what: Transport::CaFile("/ca".into()),
            source: Source { file: "f".into(), line: 1 },
            layer: Layer::Native,
        };
        let nothing = Wanted::default();
        let ca = Wanted::new(vec![need], false);
        let plain = "server = 'https://m.dev:5000'\n[host]";
        let with_ca = "server = 'https://m.dev:5000'\nca = '/ca'";
        // Where something is, what it says, and whether it differs from nothing, and from the CA.
        for (place, text, from_nothing, from_ca) in [
            ("m.dev_5000_", plain, false, true),
            ("m.dev:5000", with_ca, true, false),
            ("m.dev:5000", "server = 'http://m.dev:5000'", true, true),
            ("m.dev:5000", "# Written by cri-shunt\n", false, false),
            ("_default", with_ca, true, false),
            ("_default", plain, false, false),
            ("other.dev", with_ca, false, false),
        ] {
            let root = tempfile::tempdir().unwrap();
            let (roots, file) = ([root.path().to_owned()], root.path().join(place).join(HOSTS_TOML));
            std::fs::create_dir(root.path().join(place)).unwrap();
            std::fs::write(&file, text).unwrap();
            let found = |wanted| differing(&roots, "m.dev:5000", wanted);
            assert_eq!(found(&nothing), from_nothing.then(|| file.clone()), "{place}: {text}");
            assert_eq!(found(&ca), from_ca.then(|| file.clone()), "{place}: {text}");
        }
    }

    #[test]
    fn a_directory_without_a_file_is_a_difference() {
        let root = tempfile::tempdir().unwrap();
        let (roots, directory) = ([root.path().to_owned()], root.path().join("m.dev"));
        std::fs::create_dir(&directory).unwrap();
        let need = TransportNeed {
            host: "m.dev".to_owned(),
            what: Transport::SkipVerify,
            source: Source { file: "f".into(), line: 1 },
            layer: Layer::Native,
        };
        let (nothing, wanted) = (Wanted::default(), Wanted::new(vec![need], false));
        assert_eq!(differing(&roots, "m.dev", &nothing), None);
        assert_eq!(differing(&roots, "m.dev", &wanted), Some(directory.clone()));
        std::fs::write(directory.join("ca.crt"), "").unwrap();
        assert_eq!(differing(&roots, "m.dev", &nothing), Some(directory));
    }
}
