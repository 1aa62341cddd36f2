//! The fence: pulls that go to containerd itself, and not through the shunt, follow the rules as far as they can.
//!
//! Holds: names of fenced registries lead to a recorder, so that a single request to one would be seen.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use support::containerd::Containerd;
use support::cri::{Cri, user_and_password};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;
use support::wait_until;

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
        containerd.lead("[fd00::5]:5000", storage.host());
        let shunt = Shunt::start(&config(&containerd, &storage), &containerd);
        // The last of them in the order in which they are written.
        let written = || file(&containerd, "registry-1.docker.io_443_").exists();
        assert!(wait_until(written), "{}", shunt.stderr());
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
fn config(containerd: &Containerd, storage: &Registry) -> String {
    let loopback = format!("mirrors = [\"{}/loop\"]", storage.host());
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
        ("six.dev", "mirrors = [\"dead.test/six\", \"[fd00::5]:5000/six\"]"),
        ("more.dev", "mirrors = [\"[fd00::5]:5000/more\", \"n.test/more\"]"),
        ("loop.dev", &loopback),
        ("re.dev", "mirrors = [\"n.test/re\"]\nrewrite = [{ match = \"a\", replace = \"b\" }]"),
    ];
    let rules =
        rules.map(|(prefix, rest)| format!("[[policy.rule]]\nprefix = \"{prefix}\"\n{rest}\n")).concat();
    let plain = ["m.test:5000", "n.test", "last.dev", "[fd00::5]:5000"]
        .map(|host| format!("[[transport]]\nregistry = \"{host}\"\nplain-http = true\n"))
        .concat();
    // With more than that, and on the loopback, containerd would try TLS first.
    let plain = format!(
        "{plain}[[transport]]\nregistry = \"{}\"\nplain-http = true\ndial-timeout = \"9s\"\nheaders = {{ X-A = \"b\" }}\n",
        storage.host()
    );
    format!(
        "[policy]\ndefault-registry = \"n.test/hub\"\n{rules}{plain}[containerd]\nsocket = \"{}\"\nfence = true\n",
        containerd.socket().display()
    )
}

async fn pulls_past_the_shunt_follow_the_rules(version: Version) {
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
    let image = ground.push("six/a", "1");
    assert_eq!(round.pull("six.dev/a:1").await.unwrap(), image.id());
    let image = ground.push("loop/a", "1");
    assert_eq!(round.pull("loop.dev/a:1").await.unwrap(), image.id());
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
    // A pull through the shunt is as without a fence.
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

/// containerd follows a file that the shunt can't change, does not know yet, or does not want any more.
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
    let whole = config(&ground.containerd, &ground.storage);
    let directory = ground.containerd.certs_d().join("bare.dev");
    // Prevents the next text of the file.
    std::fs::create_dir(directory.join(".cri-shunt-new")).unwrap();
    asks_the_mirror(&whole.replace(BARE, &BARE.replace("m.test:5000", "dead.test")), "it cannot be written")
        .await;
    std::fs::remove_dir(directory.join(".cri-shunt-new")).unwrap();
    // The shunt changes nothing behind a link.
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
    // The shunt itself would have refused it with other words.
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
        "denied.dev (denied)",
        "pass.dev is not fenced: the rule for pass.dev/open lets images of it through",
        "part.dev/a is sent to mirrors of its own by the shunt alone",
        "denied.dev/but/this is denied by the shunt alone",
        "*.wild.dev is denied by the shunt alone: containerd has no file for many registries",
        "six.dev (from dead.test/six, then [fd00::5]:5000/six)",
        "more.dev is not fenced: containerd 1.x cannot read a file that has a host in brackets before another",
        "re.dev is not fenced: containerd knows no rewrites",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    // Where a registry is not fenced, what the shunt itself leaves alone reaches it.
    assert!(!file(&ground.containerd, "pass.dev").exists());
    // Without the key, all of it is removed.
    let config = config(&ground.containerd, &ground.storage).replace("fence = true", "fence = false");
    ground.shunt.reload(&config, &ground.containerd);
    let gone =
        || !file(&ground.containerd, "q.dev").exists() && !file(&ground.containerd, "docker.io").exists();
    ground.shunt.until("all of it is removed", gone);
    assert!(file(&ground.containerd, "n.test").exists());
}

on_each_containerd!(
    pulls_past_the_shunt_follow_the_rules,
    an_origin_that_may_be_asked_is_asked_last_and_alone_gets_the_credentials,
    a_file_that_is_there_leads_no_credentials_to_mirrors,
    the_break_glass_file_does_not_lift_it,
    what_the_fence_cannot_do_is_listed,
);
