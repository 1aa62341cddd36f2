//! The fence: pulls that go to containerd itself, and never meet the shunt, obey as far as they can.
//!
//! Before: `transport` shows that containerd reads the files.  After: nothing.
//! Holds: the registries that are fenced are led to a recorder, so that a single request to one would be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use support::containerd::Containerd;
use support::cri::{Cri, user_and_password};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use support::wait_until;

const PATIENCE: Duration = Duration::from_secs(20);
/// The rule for `bare.dev`, of which nothing else is said.
const BARE: &str = "mirrors = [\"m.test:5000/bare\"]\norigin = \"last\"";

struct Ground {
    containerd: Containerd,
    storage: Registry,
    /// In the place of every public registry.
    origin: Fake,
    /// The mirror that has no path, and asks for credentials.
    mirror: Fake,
    shunt: Shunt,
}

impl Ground {
    fn start(version: Version) -> Option<Ground> {
        let (storage, containerd) = (Registry::start()?, Containerd::start(version)?);
        let (origin, mirror) = (Fake::in_front_of(storage.host()), Fake::in_front_of(storage.host()));
        for name in ["last.dev:80", "q.dev:80", "denied.dev:80", "pass.dev:80"] {
            containerd.lead(name, &origin.host());
        }
        containerd.lead("m.test:5000", &mirror.host());
        containerd.lead("n.test:80", storage.host());
        let shunt = Shunt::start(&config(&containerd), &containerd);
        // The last of them in the order in which they are written.
        let written = || file(&containerd, "registry-1.docker.io_443_").exists();
        assert!(wait_until(PATIENCE, written), "{}", shunt.stderr());
        Some(Ground { containerd, storage, origin, mirror, shunt })
    }

    /// An image below `path`; the tag makes it one of its own.
    fn push(&self, path: &str, tag: &str) -> Image {
        let image = Image::busybox(&format!("fence-{path}-{tag}"));
        self.storage.push(path, tag, &image);
        image
    }
}

fn file(containerd: &Containerd, directory: &str) -> PathBuf {
    containerd.certs_d().join(directory).join("hosts.toml")
}

/// `dead.test` leads nowhere, so it stands for a mirror that is down.
fn config(containerd: &Containerd) -> String {
    let rules = [
        ("q.dev", "mirrors = [\"dead.test\", \"n.test/cache/{host}\"]"),
        ("last.dev", "mirrors = [\"m.test:5000\"]\norigin = \"last\""),
        ("bare.dev", BARE),
        ("gone.dev", "mirrors = [\"dead.test/{host}\"]"),
        ("denied.dev", "deny = \"by nobody\""),
        ("denied.dev/but/this", "deny = \"nor this\""),
        ("pass.dev", "mirrors = [\"n.test/cache/{host}\"]"),
        ("pass.dev/open", "pass = true"),
        ("part.dev/a", "mirrors = [\"n.test/part\"]"),
        ("*.wild.dev", "deny = \"all of it\""),
        ("re.dev", "mirrors = [\"n.test/re\"]\nrewrite = [{ match = \"a\", replace = \"b\" }]"),
    ];
    let rules =
        rules.map(|(prefix, rest)| format!("[[policy.rule]]\nprefix = \"{prefix}\"\n{rest}\n")).concat();
    let plain = ["m.test:5000", "n.test", "last.dev"]
        .map(|host| format!("[[transport]]\nregistry = \"{host}\"\nplain-http = true\n"))
        .concat();
    format!(
        "[policy]\ndefault-registry = \"n.test/hub\"\n{rules}{plain}[containerd]\nsocket = \"{}\"\nfence = true\n",
        containerd.socket().display()
    )
}

async fn what_goes_round_the_shunt_obeys(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let round = Cri::connect(&ground.containerd.socket()).await;
    let image = ground.push("cache/q.dev/a/b", "1");
    for name in ["q.dev/a/b:1", "q.dev:443/a/b:1"] {
        assert_eq!(round.pull(name).await.unwrap(), image.id(), "{name}");
    }
    assert_eq!(round.pull(&format!("q.dev/a/b@{}", image.digest())).await.unwrap(), image.id());
    let image = ground.push("hub/library/tool", "1");
    for name in ["tool:1", "registry-1.docker.io/library/tool:1", "docker.io:443/library/tool:1"] {
        assert_eq!(round.pull(name).await.unwrap(), image.id(), "{name}");
    }
    for name in ["q.dev/a/none:1", "gone.dev/a:1", "denied.dev/x/y:1", "denied.dev:443/x:1", "none:1"] {
        let status = round.pull(name).await.unwrap_err();
        assert!(!name.starts_with("denied") || status.message().contains("denied-by-cri-shunt"), "{status}");
    }
    assert_eq!(ground.origin.records(), [], "nothing went to a registry itself");
    let asked = ground.containerd.escapes().asked();
    let of_origin = |asked: &String| {
        let host = asked.trim_start_matches("http://").split(['/', ':']).next().unwrap().to_owned();
        host.ends_with(".dev") || host.ends_with("docker.io")
    };
    assert!(!asked.iter().any(of_origin), "{asked:?}");
    // Through the shunt nothing is otherwise than without a fence.
    let through = Cri::connect(&ground.shunt.socket()).await;
    let image = ground.push("cache/q.dev/a/c", "1");
    assert_eq!(through.pull("q.dev/a/c:1").await.unwrap(), image.id());
}

async fn an_origin_that_may_be_asked_is_asked_last_and_alone_gets_the_credentials(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    ground.push("a/last", "1");
    ground.mirror.on("/v2/", Behaviour::Basic("mirror", "hush-mirror"));
    ground.origin.on("/v2/", Behaviour::Basic("ann", "hush-of-ann"));
    let through = Cri::connect(&ground.shunt.socket()).await;
    let pulled = through.pull_with("last.dev/a/last:1", Some(user_and_password("ann", "hush-of-ann"))).await;
    assert!(pulled.is_ok(), "{pulled:?}");
    let own = support::fake::basic("ann", "hush-of-ann");
    assert!(ground.origin.authorizations().contains(&own));
    let seen = ground.mirror.authorizations();
    assert!(!seen.is_empty() && !seen.contains(&own), "{seen:?}");
}

/// A file that the shunt can't change, does not know yet, or does not want any more: containerd obeys it.
async fn a_file_that_is_there_leads_no_credentials_to_mirrors(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    ground.mirror.on("/v2/", Behaviour::Basic("mirror", "secret"));
    let asks_the_mirror = async |config: &str, case: &str| {
        ground.shunt.kill9();
        ground.mirror.forget();
        ground.shunt.write_config(config, &ground.containerd);
        ground.shunt.start_again();
        let through = Cri::connect(&ground.shunt.socket()).await;
        let login = Some(user_and_password("ann", "pw"));
        through.pull_with("bare.dev/a/x:1", login).await.unwrap_err();
        assert!(!ground.mirror.records().is_empty(), "{case}: the file is obeyed");
        let seen = ground.mirror.authorizations();
        assert!(!seen.contains(&support::fake::basic("ann", "pw")), "{case}: {seen:?}");
    };
    let whole = config(&ground.containerd);
    let directory = ground.containerd.certs_d().join("bare.dev");
    // In the way of the next text of the file.
    std::fs::create_dir(directory.join(".cri-shunt-new")).unwrap();
    asks_the_mirror(&whole.replace(BARE, &BARE.replace("m.test:5000", "dead.test")), "it cannot be written")
        .await;
    std::fs::remove_dir(directory.join(".cri-shunt-new")).unwrap();
    // What is behind a link is not the shunt's to change.
    let moved = ground.containerd.dir().join("moved");
    std::fs::rename(&directory, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &directory).unwrap();
    asks_the_mirror(&whole, "it says what is wanted").await;
    let passing = whole.replace(BARE, "pass = true");
    asks_the_mirror(&passing, "the registry is left alone by now").await;
    asks_the_mirror(&passing.replace("fence = true", "fence = false"), "no fence is wanted").await;
}

async fn the_break_glass_file_does_not_lift_it(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let image = ground.push("cache/q.dev/a/glass", "1");
    std::fs::write(ground.shunt.bypass_file(), "").unwrap();
    let through = Cri::connect(&ground.shunt.socket()).await;
    assert_eq!(through.pull("q.dev/a/glass:1").await.unwrap(), image.id());
    // The shunt itself would have refused it, in other words.
    let status = through.pull("denied.dev/x/y:1").await.unwrap_err();
    assert!(status.message().contains("denied-by-cri-shunt"), "{status}");
    assert_eq!(ground.origin.records(), []);
}

async fn what_the_fence_cannot_do_is_listed(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let output = ground.shunt.run("check", &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "q.dev (from dead.test, then n.test/cache/q.dev)",
        "last.dev (from m.test:5000, then itself)",
        "docker.io (from n.test/hub)",
        "denied.dev (from nowhere)",
        "pass.dev is not fenced: the rule for pass.dev/open lets images of it through",
        "part.dev/a is sent to mirrors of its own by the shunt alone",
        "denied.dev/but/this is denied by the shunt alone",
        "*.wild.dev is denied by the shunt alone: containerd has no file for many registries",
        "re.dev is not fenced: containerd knows no rewrites",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    // Where a registry is not fenced, what the shunt itself leaves alone reaches it.
    assert!(!file(&ground.containerd, "pass.dev").exists());
    // Without the key, all of it goes.
    let config = config(&ground.containerd).replace("fence = true", "fence = false");
    ground.shunt.write_config(&config, &ground.containerd);
    ground.shunt.signal(rustix::process::Signal::HUP);
    let gone =
        || !file(&ground.containerd, "q.dev").exists() && !file(&ground.containerd, "docker.io").exists();
    assert!(wait_until(PATIENCE, gone), "{}", ground.shunt.stderr());
    assert!(file(&ground.containerd, "n.test").exists());
}

on_each_containerd!(
    what_goes_round_the_shunt_obeys,
    an_origin_that_may_be_asked_is_asked_last_and_alone_gets_the_credentials,
    a_file_that_is_there_leads_no_credentials_to_mirrors,
    the_break_glass_file_does_not_lift_it,
    what_the_fence_cannot_do_is_listed,
);
