//! The daemon sees for itself that a file of its configuration has changed.
//!
//! Before: `serve` starts with a first policy.  After: other decisions, without a signal.
//! Holds: nothing here sends SIGHUP (`serve` has that); a policy that can't be read never takes the place of
//! one that could.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use support::cri::Cri;
use support::shunt::Shunt;
use support::upstream::{Answer, Upstream};

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
        upstream.on("/containerd.services.events.v1.Events/Subscribe", Answer::Hang);
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
        for _ in 0..400 {
            said = self.pull(image).await;
            if said.contains(expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{image}: {expected:?} is not said, but {said:?}\n{}", self.shunt.stderr());
    }

    fn status(&self) -> String {
        let output = self.shunt.command(&["status", "--socket", self.shunt.socket().to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    }

    async fn status_says(&self, expected: &str) {
        for _ in 0..400 {
            if self.status().contains(expected) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{expected:?} is not in\n{}\n{}", self.status(), self.shunt.stderr());
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
    std::fs::write(path, content).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_breaks_and_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("registries.yaml");
    write(&file, &mirrors("quay.io", "one.dev"));
    let source = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", file.display());
    let watched = Watched::start(&source).await;
    assert!(watched.pull("quay.io/a:1").await.contains("one.dev/a:1"));

    write(&file, &mirrors("quay.io", "two.dev"));
    watched.says("quay.io/a:1", "two.dev/a:1").await;

    write(&file, "mirrors:\n  quay.io:\n    endpoint: [three.dev\n");
    watched.status_says("reload refused").await;
    assert!(watched.status().contains(&format!("{}:3:15", file.display())), "{}", watched.status());
    assert!(watched.pull("quay.io/a:1").await.contains("two.dev/a:1"));
    assert!(watched.shunt.stderr().contains("the policy in force stays"));
    // It is said once, and not at every look.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = watched.shunt.stderr().matches("the policy in force stays").count();
    assert_eq!(told, 1, "{}", watched.shunt.stderr());

    std::fs::remove_file(&file).unwrap();
    watched.status_says("No such file").await;
    assert!(watched.pull("quay.io/a:1").await.contains("two.dev/a:1"));

    write(&file, &mirrors("quay.io", "three.dev"));
    watched.says("quay.io/a:1", "three.dev/a:1").await;
    assert!(!watched.status().contains("refused"), "{}", watched.status());
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
        |host: &str| format!("[[policy.rule]]\nprefix = \"{host}\"\nmirrors = [\"native.dev/{{host}}\"]\n");
    let entry = "[[registry]]\nprefix = \"docker.io\"\nlocation = \"conf.dev\"\n";
    for (path, content, image, expected) in [
        (certs.join("ghcr.io/hosts.toml"), hosts_toml("certs.dev"), "ghcr.io/a:1", "certs.dev/a:1"),
        (certs.join("quay.io/hosts.toml"), hosts_toml("more.dev"), "quay.io/a:1", "more.dev/a:1"),
        (certs.join("lscr.io/hosts.toml"), hosts_toml("own.dev"), "lscr.io/a:1", "own.dev/a:1"),
        (dir.path().join("registries.conf.d/1.conf"), entry.to_owned(), "a/b:1", "conf.dev/a/b:1"),
        (config.with_file_name("conf.d/1.toml"), rule("gcr.io"), "gcr.io/a:1", "native.dev"),
        (config.with_file_name("conf.d/2.toml"), rule("nvcr.io"), "nvcr.io/a:1", "native.dev"),
    ] {
        assert!(!watched.pull(image).await.contains(expected));
        write(&path, &content);
        watched.says(image, expected).await;
    }
    std::fs::remove_dir_all(certs.join("quay.io")).unwrap();
    for _ in 0..400 {
        if !watched.pull("quay.io/a:1").await.contains("more.dev") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the directory is gone, and its rule stays\n{}", watched.shunt.stderr());
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
    version(1, "one.dev");
    symlink("..data/registries.yaml", &file).unwrap();
    let source = format!("[[policy.source]]\nregistries-yaml = \"{}\"\n", file.display());
    let watched = Watched::start(&source).await;
    watched.says("quay.io/a:1", "one.dev/a:1").await;
    version(2, "two.dev");
    watched.says("quay.io/a:1", "two.dev/a:1").await;

    // As an editor does it.
    let new = dir.path().join("new");
    write(&new, &mirrors("quay.io", "ren.dev"));
    std::fs::rename(&new, &file).unwrap();
    watched.says("quay.io/a:1", "ren.dev/a:1").await;

    // In place, to the same length.
    write(&file, &mirrors("quay.io", "inp.dev"));
    watched.says("quay.io/a:1", "inp.dev/a:1").await;

    // Deleted and made anew.
    std::fs::remove_file(&file).unwrap();
    write(&file, &mirrors("quay.io", "anew.dev"));
    watched.says("quay.io/a:1", "anew.dev/a:1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_is_part_of_what_is_reloaded() {
    let watched = Watched::start("default-registry = \"one.dev\"\n").await;
    let file = watched.shunt.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let without = text.replace("50ms", "0s").replace("one.dev", "two.dev");
    write(&file, &without);
    watched.says("a/b:1", "two.dev/a/b:1").await;
    write(&file, &without.replace("two.dev", "three.dev"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(watched.pull("a/b:1").await.contains("two.dev/a/b:1"), "nobody looks any more");
    watched.shunt.signal(rustix::process::Signal::HUP);
    watched.says("a/b:1", "three.dev/a/b:1").await;
}
