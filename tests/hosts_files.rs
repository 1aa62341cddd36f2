//! The files that the daemon keeps below containerd's `config_path`: when it writes and removes them, and which it leaves
//! alone.
//!
//! Holds: what a person made stays as it was, whatever the daemon's config says.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::registry::{Front, Registry};
use support::shunt::Shunt;
use support::version::Version;

const RULE: &str = "[[policy.rule]]\nprefix = \"a.dev\"\nmirrors = [\"m.test:5000\"]\n";
const PLAIN: &str = "[[transport]]\nregistry = \"m.test:5000\"\nplain-http = true\n";

fn file(containerd: &Containerd, directory: &str) -> PathBuf {
    containerd.certs_d().join(directory).join("hosts.toml")
}

fn check(shunt: &Shunt) -> String {
    let output = shunt.run("check", &[]);
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn files_come_with_the_config_and_go_with_it_and_outlive_the_daemon() {
    let Some(containerd) = Containerd::start(Version::V1_7) else { return };
    let config = format!("{RULE}{PLAIN}");
    let shunt = Shunt::start(&config, &containerd);
    let kept = file(&containerd, "m.test_5000_");
    shunt.until("written", || kept.exists());
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.starts_with("# Written by cri-shunt"), "{text}");
    // A file of the shunt that somebody changed is as it was after the next start; so is one that is gone.
    std::fs::write(&kept, "# Written by cri-shunt\nserver = 'https://elsewhere'\n").unwrap();
    shunt.stop();
    assert!(kept.exists(), "containerd needs it while the shunt is down, too");
    let crashed = containerd.certs_d().join(".cri-shunt-x.test");
    std::fs::create_dir(&crashed).unwrap();
    let orphan = containerd.certs_d().join("gone.test");
    std::fs::create_dir(&orphan).unwrap();
    std::fs::write(orphan.join("hosts.toml"), &text).unwrap();
    shunt.start_again();
    shunt.until("as it was", || std::fs::read_to_string(&kept).is_ok_and(|now| now == text));
    shunt.until("tidied", || !crashed.exists() && !orphan.exists());
    shunt.reload(RULE, &containerd);
    // A directory that goes has another name for a moment.
    shunt.until("removed", || std::fs::read_dir(containerd.certs_d()).unwrap().count() == 0);
    // After a crash the next start knows its own files.
    shunt.reload(&config, &containerd);
    shunt.until("written again", || kept.exists());
    shunt.kill9();
    shunt.write_config(RULE, &containerd);
    shunt.start_again();
    shunt.until("removed at the next start", || !kept.parent().unwrap().exists());
}

#[test]
fn what_a_person_wrote_stays_and_is_reported() {
    let Some(containerd) = Containerd::start(Version::V2_1) else { return };
    let theirs = "server = 'https://m.test:5000'\n[host.'https://m.test:5000']\nskip_verify = true\n";
    containerd.hosts_toml("m.test:5000", theirs);
    let config = format!("{RULE}{PLAIN}");
    let shunt = Shunt::start(&config, &containerd);
    let path = file(&containerd, "m.test:5000");
    let said = format!("{} is not cri-shunt's and stays as it is", path.display());
    shunt.until("reported", || shunt.stderr().contains(&said));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
    assert!(!containerd.certs_d().join("m.test_5000_").exists());
    assert!(shunt.status().contains(&said), "{}", shunt.status());
    assert!(check(&shunt).contains(&said), "{}", check(&shunt));
    // With the same content it is all that is wanted.
    let same = "server = 'http://m.test:5000'\n[host.'http://m.test:5000']\n";
    std::fs::write(&path, same).unwrap();
    shunt.reload(&config, &containerd);
    shunt.until("no longer reported", || shunt.status().contains("another's, which says the same"));
    assert!(!shunt.status().contains("not cri-shunt's"), "{}", shunt.status());
    // A directory of the shunt into which somebody has put something stays with that.
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    shunt.reload(&config, &containerd);
    let own = file(&containerd, "m.test_5000_");
    shunt.until("written", || own.exists());
    let added = own.with_file_name("extra.crt");
    std::fs::write(&added, "a person's").unwrap();
    shunt.reload(RULE, &containerd);
    shunt.until("removed", || !own.exists());
    assert_eq!(std::fs::read_to_string(&added).unwrap(), "a person's");
}

/// `config-path` names a directory that containerd does not read, until the private host is found where it does.
async fn a_private_host_that_containerd_does_not_read_is_a_problem_in_status(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    let image = Image::busybox(&format!("hosts-files-unread-{}", version.line()));
    registry.push("unread/app", "1", &image);
    let elsewhere = containerd.dir().join("elsewhere");
    let config = format!(
        "[[policy.rule]]\nprefix = \"a.dev\"\nmirrors = [\"{}\"]\n\
         [containerd]\nsocket = \"{}\"\nconfig-path = \"{}\"\n",
        registry.host(),
        containerd.socket().display(),
        elsewhere.display()
    );
    let shunt = Shunt::start(&config, &containerd);
    shunt.says("containerd answers");
    let problem = format!("containerd does not read the file for {}", registry.host());
    let line = format!("problem          {problem}, which is below {}:", elsewhere.display());
    assert!(!shunt.status().contains(&problem), "{}", shunt.status());
    let cri = Cri::connect(&shunt.socket()).await;
    for _ in 0..2 {
        let status = cri.pull("a.dev/unread/app:1").await.unwrap_err();
        assert!(status.message().contains(&problem), "{status}");
        assert!(shunt.status().contains(&line), "{}", shunt.status());
    }
    let logged = |text: String| text.matches(&format!("{problem}, which is below")).count();
    assert_eq!(logged(shunt.stderr()), 1, "{}", shunt.stderr());
    let private = std::fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().path());
    for private in private.filter(|path| path.to_string_lossy().ends_with("cri-shunt.invalid")) {
        let name = private.file_name().unwrap();
        std::os::unix::fs::symlink(&private, containerd.certs_d().join(name)).unwrap();
    }
    assert_eq!(cri.pull("a.dev/unread/app:1").await.unwrap(), image.id());
    assert!(!shunt.status().contains(&line), "{}", shunt.status());
}

#[tokio::test]
async fn where_nothing_can_be_written_everything_else_goes_on() {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(Version::V1_7)) else {
        return;
    };
    let image = Image::busybox("hosts-files-sealed");
    registry.push("sealed/app", "1", &image);
    let socket = containerd.socket();
    // No directory can be made below a file, not even by root.
    let wall = containerd.dir().join("config.toml").join("certs.d");
    let config = format!(
        "{RULE}{PLAIN}[[policy.rule]]\nprefix = \"b.dev\"\nmirrors = [\"{}\"]\n\
         [containerd]\nsocket = \"{}\"\nconfig-path = \"{}\"\n",
        registry.host(),
        socket.display(),
        wall.display()
    );
    let shunt = Shunt::start(&config, &containerd);
    let said = "containerd does not learn that m.test:5000 needs plain http";
    shunt.until("reported", || shunt.stderr().contains(said));
    assert!(shunt.status().contains(said), "{}", shunt.status());
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("b.dev/sealed/app:1").await.unwrap(), image.id());
}

/// Which of the directories of a list counts depends on the containerd that is there, which the list does not say.
#[test]
fn check_and_the_daemon_look_in_the_same_directory() {
    let Some(containerd) = Containerd::start(Version::V1_7) else { return };
    let [one, two] = ["one", "two"].map(|name| containerd.dir().join(name).display().to_string());
    let socket = containerd.socket();
    let config = format!(
        "{RULE}{PLAIN}[containerd]\nsocket = \"{}\"\nconfig-path = \"{one}:{two}\"\n",
        socket.display()
    );
    let shunt = Shunt::start(&config, &containerd);
    let kept = PathBuf::from(&one).join("m.test_5000_/hosts.toml");
    shunt.until("written", || kept.exists());
    let shown = shunt.status();
    assert!(shown.lines().any(|line| line.starts_with("hosts.toml") && line.ends_with(&one)), "{shown}");
    let checked = check(&shunt);
    assert!(checked.contains(&format!("below {one}:\n")), "{checked}");
}

/// containerd's config without any `config_path`.
fn forget_config_path(containerd: &Containerd) {
    let text = std::fs::read_to_string(containerd.config_file()).unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("config_path"));
    std::fs::write(containerd.config_file(), lines.collect::<Vec<_>>().join("\n")).unwrap();
    containerd.restart();
}

/// Adds what the advice says, word by word, with this directory.
fn follow(containerd: &Containerd, advice: &str) {
    let table = advice.split("under ").nth(1).unwrap().split(" in ").next().unwrap();
    let directory = containerd.certs_d();
    let text = std::fs::read_to_string(containerd.config_file()).unwrap();
    let text = text.replacen(table, "", 1);
    let added = format!("{text}\n{table}\nconfig_path = \"{}\"\n", directory.display());
    std::fs::write(containerd.config_file(), added).unwrap();
    containerd.restart();
}

async fn the_advice_for_a_containerd_without_config_path_works(version: Version) {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(version)) else { return };
    containerd.lead("m.test:5000", registry.host());
    let image = Image::busybox("hosts-files-advice");
    registry.push("advice/app", "1", &image);
    forget_config_path(&containerd);
    let shunt = Shunt::start(&format!("{RULE}{PLAIN}"), &containerd);
    shunt.until("reported", || shunt.status().contains("has no config_path"));
    let shown = shunt.status();
    let advice = shown.lines().find(|line| line.contains("has no config_path")).unwrap();
    assert!(check(&shunt).contains("has no config_path"), "{}", check(&shunt));
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull("a.dev/advice/app:1").await.unwrap_err();
    follow(&containerd, advice);
    shunt.until("written", || file(&containerd, "m.test_5000_").exists());
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("a.dev/advice/app:1").await.unwrap(), image.id(), "{}", shunt.stderr());
}

/// containerd 2.1 takes them for the name of one, unless a setting as EKS has it makes CRI pull by itself.
#[tokio::test]
async fn several_directories_are_written_for_each_way_to_pull() {
    let (Some(registry), Some(containerd)) = (Registry::start(), Containerd::start(Version::V2_1)) else {
        return;
    };
    let front = registry.front(&Front { below: "/proxy", ..Front::default() });
    containerd.lead("m.test:5000", front.host());
    let directory = containerd.certs_d().display().to_string();
    let joined = PathBuf::from(format!("{directory}:{directory}.more"));
    let text = std::fs::read_to_string(containerd.config_file()).unwrap();
    let text = text.replace(&format!("\"{directory}\""), &format!("\"{}\"", joined.display()));
    let images = "[plugins.\"io.containerd.cri.v1.images\"]\n";
    let shunt = Shunt::start(&format!("{RULE}{PLAIN}api-root = \"/proxy/v2\"\n"), &containerd);
    for (tag, setting) in [("transfer", ""), ("local", "discard_unpacked_layers = true\n")] {
        let image = Image::busybox(&format!("hosts-files-several-{tag}"));
        registry.push("several/app", tag, &image);
        std::fs::write(containerd.config_file(), text.replace(images, &format!("{images}{setting}")))
            .unwrap();
        containerd.restart();
        let written =
            || joined.join("m.test_5000_/hosts.toml").exists() && file(&containerd, "m.test_5000_").exists();
        shunt.until("written", written);
        let cri = Cri::connect(&shunt.socket()).await;
        let pulled = cri.pull(&format!("a.dev/several/app:{tag}")).await;
        assert_eq!(pulled.unwrap_or_else(|status| panic!("{tag}: {status}")), image.id());
    }
    // The mirror's file goes with the config. What led containerd in the pulls goes at the next start, and nothing of the
    // joined name is left then.
    shunt.reload(RULE, &containerd);
    shunt.until("removed", || !file(&containerd, "m.test_5000_").exists());
    shunt.restart();
    let above = PathBuf::from(format!("{directory}:"));
    shunt.until("nothing is left", || !above.exists());
}

on_each_containerd!(
    the_advice_for_a_containerd_without_config_path_works,
    a_private_host_that_containerd_does_not_read_is_a_problem_in_status,
);
