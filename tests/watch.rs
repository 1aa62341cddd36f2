//! The daemon sees for itself that a file of its configuration has changed.
//!
//! It then decides otherwise, without a signal.
//! Holds: nothing here sends SIGHUP (`serve` has that); a policy that can't be read never takes the place of
//! one that could.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::{FileExt as _, symlink};
use std::path::Path;

use support::cri::Cri;
use support::shunt::Shunt;
use support::upstream::{Answer, Upstream};
use support::wait_for;

const PULL: &str = "/runtime.v1.ImageService/PullImage";

/// A daemon whose pulls all fail, so that the error says where each was looked for.
struct Watched {
    shunt: Shunt,
    cri: Cri,
    _upstream: Upstream,
}

impl Watched {
    async fn start(config: &str) -> Watched {
        let upstream = Upstream::start();
        upstream.on(PULL, Answer::Status(5, "not found"));
        let config = format!("[policy]\nwatch = \"50ms\"\n{config}");
        let shunt = Shunt::start_before(&config, upstream.socket());
        let cri = Cri::connect(&shunt.socket()).await;
        Watched { shunt, cri, _upstream: upstream }
    }

    /// What a pull says.
    async fn pull(&self, image: &str) -> String {
        self.cri.pull(image).await.unwrap_err().message().to_owned()
    }

    /// Waits until a pull says this.
    async fn says(&self, image: &str, expected: &str) {
        let mut said = String::new();
        let is_said = wait_for(async || {
            said = self.pull(image).await;
            said.contains(expected)
        });
        assert!(is_said.await, "{image}: {expected:?} is not said, but {said:?}\n{}", self.shunt.stderr());
    }

    fn status(&self) -> String {
        self.shunt.status()
    }

    async fn status_says(&self, expected: &str) {
        let is_said = wait_for(async || self.status().contains(expected)).await;
        assert!(is_said, "{expected:?} is not in\n{}\n{}", self.status(), self.shunt.stderr());
    }
}

/// Returns after at least four looks of another daemon, which has seen two changes, one after the other.
async fn several_looks() {
    let other = Watched::start("default-registry = \"127.0.0.11:1\"\n").await;
    let first = std::fs::read_to_string(other.shunt.config_file()).unwrap();
    for mirror in ["127.0.0.12:1", "127.0.0.13:1"] {
        other.shunt.write(&first.replace("127.0.0.11:1", mirror));
        other.says("a/b:1", mirror).await;
    }
}

fn mirrors(host: &str, mirror: &str) -> String {
    format!("mirrors:\n  {host}:\n    endpoint: [{mirror}]\n")
}

fn hosts_toml(mirror: &str) -> String {
    format!("[host.\"https://{mirror}\"]\n")
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    support::replace(path, content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_breaks_and_is_fixed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registries.yaml");
    write(&file, &mirrors("quay.io", "127.0.0.11:1"));
    let source = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", file.display());
    let watched = Watched::start(&source).await;
    assert!(watched.pull("quay.io/a:1").await.contains("127.0.0.11:1"));

    write(&file, &mirrors("quay.io", "127.0.0.12:1"));
    watched.says("quay.io/a:1", "127.0.0.12:1").await;

    write(&file, "mirrors:\n  quay.io:\n    endpoint: [127.0.0.13:1\n");
    watched.status_says("reload refused").await;
    assert!(watched.status().contains(&format!("{}:3:15", file.display())), "{}", watched.status());
    assert!(watched.pull("quay.io/a:1").await.contains("127.0.0.12:1"));
    // Each mistake is said once, and not at every look.
    let told = || watched.shunt.stderr().matches("reload refused").count();
    several_looks().await;
    assert_eq!(told(), 1, "{}", watched.shunt.stderr());
    for (mirrors, mistakes) in [("127.0.0.14:1", 2), ("\n\n 127.0.0.15:1", 3)] {
        write(&file, &format!("mirrors:\n  quay.io:\n    endpoint: [{mirrors}\n"));
        watched.shunt.until("another mistake", || told() >= mistakes);
        several_looks().await;
        assert_eq!(told(), mistakes, "{}", watched.shunt.stderr());
    }

    std::fs::remove_file(&file).unwrap();
    watched.status_says("No such file").await;
    assert!(watched.pull("quay.io/a:1").await.contains("127.0.0.12:1"));

    write(&file, &mirrors("quay.io", "127.0.0.13:1"));
    watched.says("quay.io/a:1", "127.0.0.13:1").await;
    assert!(!watched.status().contains("reload refused"), "{}", watched.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_appear_where_none_was() {
    let dir = tempfile::tempdir().unwrap();
    let (certs, conf) = (dir.path().join("certs.d"), dir.path().join("registries.conf"));
    std::fs::create_dir_all(certs.join("ghcr.io")).unwrap();
    write(&conf, "");
    // What cri-shunt has written there is nobody's rule until a person makes it theirs.
    write(&certs.join("lscr.io/hosts.toml"), "# Written by cri-shunt\n");
    let sources = format!(
        "[[policy.source]]\ncerts-d = \"{}\"\n[[policy.source]]\nregistries-conf = \"{}\"\n",
        certs.display(),
        conf.display()
    );
    let watched = Watched::start(&sources).await;
    let config = watched.shunt.config_file();
    let rule =
        |host: &str| format!("[[policy.rule]]\nprefix = \"{host}\"\nmirrors = [\"127.0.0.41:1/{{host}}\"]\n");
    let entry = "[[registry]]\nprefix = \"docker.io\"\nlocation = \"127.0.0.34:1\"\n";
    for (path, content, image, expected) in [
        (certs.join("ghcr.io/hosts.toml"), hosts_toml("127.0.0.31:1"), "ghcr.io/a:1", "127.0.0.31:1"),
        (certs.join("quay.io/hosts.toml"), hosts_toml("127.0.0.32:1"), "quay.io/a:1", "127.0.0.32:1"),
        (certs.join("lscr.io/hosts.toml"), hosts_toml("127.0.0.33:1"), "lscr.io/a:1", "127.0.0.33:1"),
        (dir.path().join("registries.conf.d/1.conf"), entry.to_owned(), "a/b:1", "127.0.0.34:1"),
        (config.with_file_name("conf.d/1.toml"), rule("gcr.io"), "gcr.io/a:1", "127.0.0.41:1"),
        (config.with_file_name("conf.d/2.toml"), rule("nvcr.io"), "nvcr.io/a:1", "127.0.0.41:1"),
    ] {
        assert!(!watched.pull(image).await.contains(expected));
        write(&path, &content);
        watched.says(image, expected).await;
    }
    std::fs::remove_dir_all(certs.join("quay.io")).unwrap();
    let is_gone = wait_for(async || !watched.pull("quay.io/a:1").await.contains("127.0.0.32:1")).await;
    assert!(is_gone, "the directory is gone, and its rule stays\n{}", watched.shunt.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn however_a_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registries.yaml");
    // As kubelet lays out a ConfigMap: the file is a link into a directory that is a link, which is swapped.
    let version = |number: u32, mirror: &str| {
        write(&dir.path().join(format!("..{number}/registries.yaml")), &mirrors("quay.io", mirror));
        symlink(format!("..{number}"), dir.path().join("..new")).unwrap();
        std::fs::rename(dir.path().join("..new"), dir.path().join("..data")).unwrap();
    };
    version(1, "127.0.0.11:1");
    symlink("..data/registries.yaml", &file).unwrap();
    let source = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", file.display());
    let watched = Watched::start(&source).await;
    watched.says("quay.io/a:1", "127.0.0.11:1").await;
    version(2, "127.0.0.12:1");
    watched.says("quay.io/a:1", "127.0.0.12:1").await;

    // As an editor does it.
    let new = dir.path().join("new");
    write(&new, &mirrors("quay.io", "127.0.0.16:1"));
    std::fs::rename(&new, &file).unwrap();
    watched.says("quay.io/a:1", "127.0.0.16:1").await;

    // In place, to the same length, and not cut first.
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    open.write_all_at(mirrors("quay.io", "127.0.0.17:1").as_bytes(), 0).unwrap();
    watched.says("quay.io/a:1", "127.0.0.17:1").await;

    // Deleted and made anew.
    std::fs::remove_file(&file).unwrap();
    write(&file, &mirrors("quay.io", "127.0.0.18:1"));
    watched.says("quay.io/a:1", "127.0.0.18:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_is_part_of_what_is_reloaded() {
    let watched = Watched::start("default-registry = \"127.0.0.11:1\"\n").await;
    let file = watched.shunt.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let without = text.replace("50ms", "0s").replace("127.0.0.11:1", "127.0.0.12:1");
    write(&file, &without);
    watched.says("a/b:1", "127.0.0.12:1").await;
    write(&file, &without.replace("127.0.0.12:1", "127.0.0.13:1"));
    several_looks().await;
    assert!(watched.pull("a/b:1").await.contains("127.0.0.12:1"), "nobody looks any more");
    watched.shunt.signal(rustix::process::Signal::HUP);
    watched.says("a/b:1", "127.0.0.13:1").await;
}

/// Whoever writes a file in place empties it first, and on a full disk it stays so.
#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_cut_file_takes_no_rule_away() {
    let rules = "[[policy.rule]]\nprefix = \"quay.io\"\ndeny = \"not here\"\n\
                 [[policy.rule]]\nprefix = \"ghcr.io\"\ndeny = \"nor here\"\n";
    let watched = Watched::start(rules).await;
    let whole = std::fs::read_to_string(watched.shunt.config_file()).unwrap();
    let tables = whole.split_once("[listen]").unwrap().1;
    for (text, said) in [
        (String::new(), "the main file is empty, and 2 rules were in force"),
        ("# a comment and the rest is lost\n".to_owned(), "the main file has no [policy] any more"),
        (format!("[listen]{tables}"), "the main file has no [policy] any more"),
    ] {
        watched.shunt.write(&text);
        watched.status_says(said).await;
        assert!(watched.pull("quay.io/a:1").await.contains("not here"), "{text}");
    }
    let second = whole.rfind("[[policy.rule]]").unwrap();
    let one = format!("{}[listen]{tables}", &whole[..second]);
    watched.shunt.write(&one);
    watched
        .shunt
        .says("WARN cri_shunt::serve::reload: new policy loaded: 1 rule from 1 file, 1 less than before");
    watched.shunt.write(&format!("[policy]\nwatch = \"50ms\"\n[listen]{tables}"));
    watched.shunt.says("new policy loaded: 0 rules from 1 file, 1 less than before");
    assert!(watched.pull("quay.io/a:1").await.contains("not found"));
}
