//! Registries that want to be left alone (429, 503, none left): how often each of them is asked, and what people are told.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use support::containerd::Containerd;
use support::cri::{Cri, user_and_password};
use support::fake::{Behaviour, Fake};
use support::image::Image;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use tonic::Code;

/// It wants to be left alone for longer than any test takes.
const LIMITED: Behaviour = Behaviour::With(429, &[("Retry-After", "3000")]);

const PULLS: usize = 5;

/// An image at the registry, below a path that no other test uses.
fn setup(version: Version, case: &str) -> Option<(&'static Containerd, Fake, Image, String)> {
    let (containerd, registry) = (Containerd::shared(version)?, Registry::shared()?);
    let image = Image::busybox(&format!("rests-{case}-{}", version.line()));
    let path = format!("rests-{case}-{}/app", version.line().replace('.', "-"));
    registry.push(&path, "1", &image);
    Some((containerd, Fake::in_front_of(registry.host()), image, path))
}

/// The methods of all requests that the registry saw.
fn asked(fake: &Fake) -> Vec<String> {
    fake.records().into_iter().map(|record| record.method).collect()
}

async fn a_limiting_mirror_is_asked_once_and_the_next_serves(version: Version) {
    // What it answers, and how often it is asked in all pulls together.
    let rows = [
        (LIMITED, 1),
        (Behaviour::With(503, &[("Retry-After", "3000")]), 1),
        // 60 s where it does not say for how long; of days an hour counts.
        (Behaviour::With(429, &[]), 1),
        (Behaviour::With(429, &[("Retry-After", "864000")]), 1),
        (Behaviour::With(403, &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "3000")]), 1),
        (Behaviour::With(429, &[("RateLimit-Remaining", "0;w=21600")]), 1),
        (Behaviour::With(429, &[("Retry-After", "0")]), PULLS),
    ];
    let Some((containerd, limited, image, path)) = setup(version, "once") else { return };
    let well = Fake::in_front_of(Registry::shared().unwrap().host());
    for (behaviour, times) in rows {
        limited.on("/v2/", behaviour.clone());
        limited.forget();
        let shunt = Shunt::start(&rule("docker.io", &[&limited.host(), &well.host()]), containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        for _ in 0..PULLS {
            assert_eq!(cri.pull(&format!("docker.io/{path}:1")).await.unwrap(), image.id());
        }
        assert_eq!(asked(&limited), vec!["HEAD"; times], "{behaviour:?}");
        let told = format!("{}: rate-limited until ", limited.host());
        assert_eq!(shunt.status().contains(&told), times == 1, "{behaviour:?}: {}", shunt.status());
        let noted = shunt
            .stderr()
            .lines()
            .any(|line| line.contains("tried=") && line.contains("rate-limited until "));
        assert!(noted, "{behaviour:?}: {}", shunt.stderr());
    }
    let direct = Cri::connect(&containerd.socket()).await;
    direct.remove(&format!("docker.io/{path}:1")).await.unwrap();
}

async fn where_all_rest_a_pull_fails_at_once_and_says_until_when(version: Version) {
    let Some((containerd, one, _, path)) = setup(version, "all") else { return };
    let two = Fake::in_front_of(Registry::shared().unwrap().host());
    for fake in [&one, &two] {
        fake.on("/v2/", LIMITED);
    }
    let shunt = Shunt::start(&rule("docker.io", &[&one.host(), &two.host(), "127.0.0.1:1"]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for _ in 0..PULLS {
        let status = cri.pull(&format!("docker.io/{path}:1")).await.unwrap_err();
        // kubelet knows the reason by the text, and only where the code is this one.
        assert_eq!(status.code(), Code::Unknown, "{status}");
        assert!(status.message().starts_with("RegistryUnavailable: docker.io/"), "{status}");
        for fake in [&one, &two] {
            let told = format!("{}: rate-limited until ", fake.host());
            assert!(status.message().contains(&told), "{told}: {status}");
        }
        assert!(status.message().len() < 400, "{}: {status}", status.message().len());
        assert!(shunt.stderr().contains("429 Too Many Requests; again after 3000 s; rate-limited until "));
    }
    assert_eq!((asked(&one), asked(&two)), (vec!["HEAD".to_owned()], vec!["HEAD".to_owned()]));
    // Whoever asks by hand is answered by the registry itself, and is told why the daemon does not ask.
    let explained = shunt.run("explain", &["--live", &format!("docker.io/{path}:1")]);
    let text = String::from_utf8(explained.stdout).unwrap();
    for fake in [&one, &two] {
        let answer = format!(
            "error: {} answers 429 Too Many Requests; again after 3000 s; rate-limited until ",
            fake.host()
        );
        let warning = format!("warning     the daemon does not ask {}: rate-limited until ", fake.host());
        assert!(text.contains(&answer) && text.contains(&warning), "{text}");
    }
}

async fn a_registry_rests_for_the_login_that_it_limits(version: Version) {
    let Some((containerd, fake, image, path)) = setup(version, "login") else { return };
    // The registry of the name is also its mirror's, so that it gets the client's login.
    let name = format!("{}/{path}:1", fake.host()).replace("/rests-", "/from-rests-");
    let config = rule(&fake.host(), &[&fake.host()]) + "rewrite = [{ match = \"^from-\", replace = \"\" }]\n";
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let [ann, ben] = ["ann", "ben"].map(|user| Some(user_and_password(user, &format!("hush-of-{user}"))));
    fake.on("/v2/", LIMITED);
    cri.pull_with(&name, ann.clone()).await.unwrap_err();
    fake.on("/v2/", Behaviour::Forward);
    fake.forget();
    let status = cri.pull_with(&name, ann.clone()).await.unwrap_err();
    assert!(status.message().contains(" UTC for ann;"), "{status}");
    assert!(shunt.status().contains(" UTC for ann\n"), "{}", shunt.status());
    let explained = shunt.run("explain", &["--live", &name]);
    let text = String::from_utf8(explained.stdout).unwrap();
    assert!(text.contains(&image.digest()) && text.contains(" UTC for ann\n"), "{text}");
    fake.forget();
    // Who only says that he is the same is counted apart.
    let other = Some(user_and_password("ann", "hush-of-another"));
    assert_eq!(asked(&fake), Vec::<String>::new());
    for login in [ben, other, None] {
        assert_eq!(cri.pull_with(&name, login).await.unwrap(), image.id());
    }
    cri.pull_with(&name, ann).await.unwrap_err();
    cri.remove(&name).await.unwrap();
}

async fn the_last_answer_counts_and_the_registry_rests_after_it(version: Version) {
    let Some((containerd, fake, image, path)) = setup(version, "last") else { return };
    let shunt = Shunt::start(&rule("docker.io", &[&fake.host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = format!("docker.io/{path}:1");
    // When the window ends it does not say.
    fake.on("/v2/", Behaviour::With(200, &[("RateLimit-Remaining", "0;w=21600")]));
    for _ in 0..2 {
        assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    }
    fake.on("/v2/", Behaviour::With(200, &[("RateLimit-Remaining", "0"), ("RateLimit-Reset", "3000")]));
    assert_eq!(cri.pull(&name).await.unwrap(), image.id());
    fake.forget();
    let status = cri.pull(&name).await.unwrap_err();
    assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
    assert_eq!(asked(&fake), Vec::<String>::new());
    cri.remove(&name).await.unwrap();
}

/// It says that it has the image, and limits containerd where that fetches a blob.
async fn a_mirror_that_limits_containerd_rests_as_well(version: Version) {
    let Some((containerd, limited, image, path)) = setup(version, "blob") else { return };
    let well = Fake::in_front_of(Registry::shared().unwrap().host());
    let (blobs, name) = (format!("/v2/{path}/blobs/"), format!("docker.io/{path}:1"));
    for (status, whose) in [(429, "left alone"), (503, "mirrors down")] {
        limited.on(&blobs, Behaviour::Status(status));
        limited.forget();
        let shunt = Shunt::start(&rule("docker.io", &[&limited.host(), &well.host()]), containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{status}");
        assert!(limited.records().iter().any(|record| record.path.starts_with(&blobs)), "{status}");
        let shown = shunt.status();
        assert!(shown.lines().any(|line| line.contains(whose) && line.contains(&limited.host())), "{shown}");
        limited.forget();
        for _ in 0..PULLS {
            cri.remove(&name).await.unwrap();
            assert_eq!(cri.pull(&name).await.unwrap(), image.id(), "{status}");
        }
        assert_eq!(asked(&limited), Vec::<String>::new(), "{status}");
        cri.remove(&name).await.unwrap();
    }
    // Alone it is not asked either.
    limited.on(&blobs, Behaviour::Status(429));
    let shunt = Shunt::start(&rule("docker.io", &[&limited.host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for _ in 0..2 {
        let status = cri.pull(&name).await.unwrap_err();
        assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
        assert!(status.message().contains("rate-limited until "), "{status}");
        limited.forget();
    }
    cri.pull(&name).await.unwrap_err();
    assert_eq!(asked(&limited), Vec::<String>::new());
}

/// The registry of the name itself is asked by containerd.
async fn an_origin_that_limits_rests_where_a_rule_leads_to_it(version: Version) {
    let Some((containerd, origin, image, path)) = setup(version, "origin") else { return };
    let name = format!("{}/{path}:1", origin.host());
    let last = rule(&origin.host(), &["127.0.0.1:1"]) + "origin = \"last\"\n";
    // Of this one's candidates only the origin is left for a tag.
    let mirrors = "mirrors = [{ location = \"127.0.0.1:1\", only = \"digests\" }]\norigin = \"last\"\n";
    let alone = format!("[[policy.rule]]\nprefix = \"{}\"\n{mirrors}", origin.host());
    for config in [last, alone] {
        origin.on("/v2/", LIMITED);
        let shunt = Shunt::start(&config, containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        for round in 0..PULLS {
            origin.forget();
            let status = cri.pull(&name).await.unwrap_err();
            assert_eq!(status.code(), Code::Unknown, "{status}");
            assert!(status.message().starts_with(&format!("RegistryUnavailable: {name}: ")), "{status}");
            let told = format!("{}: rate-limited until ", origin.host());
            assert!(round == 0 || status.message().contains(&told), "{status}");
            assert_eq!(asked(&origin).is_empty(), round > 0, "{round}: {config}");
        }
        assert!(shunt.status().contains("left alone"), "{}", shunt.status());
        // For the login that it limits, and for no other.
        origin.on("/v2/", Behaviour::Forward);
        cri.pull(&name).await.unwrap_err();
        let ann = user_and_password("ann", "hush-of-ann");
        assert_eq!(cri.pull_with(&name, Some(ann)).await.unwrap(), image.id());
        cri.remove(&name).await.unwrap();
    }
    // A name that no rule routes goes to containerd as it came, always.
    origin.on("/v2/", LIMITED);
    let shunt = Shunt::start(&rule("docker.io", &["127.0.0.1:1"]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for _ in 0..2 {
        origin.forget();
        let status = cri.pull(&name).await.unwrap_err();
        assert!(!status.message().contains("rate-limited until "), "{status}");
        assert_ne!(asked(&origin), Vec::<String>::new());
    }
}

async fn a_rest_ends(version: Version) {
    let Some((containerd, fake, image, path)) = setup(version, "ends") else { return };
    // After one second.
    fake.on("/v2/", Behaviour::Status(429));
    let shunt = Shunt::start(&rule("docker.io", &[&fake.host()]), containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let name = format!("docker.io/{path}:1");
    cri.pull(&name).await.unwrap_err();
    fake.on("/v2/", Behaviour::Forward);
    assert!(support::wait_for(async || cri.pull(&name).await.is_ok()).await, "{}", shunt.stderr());
    assert!(cri.has(&image.id()).await);
    cri.remove(&name).await.unwrap();
}

async fn a_registry_of_its_own_reasons_is_unavailable_and_others_are_not(version: Version) {
    let Some((containerd, fake, _, path)) = setup(version, "reasons") else { return };
    let broken = Fake::start();
    broken.on("/v2/", Behaviour::Status(502));
    let (fake_host, broken_host) = (fake.host(), broken.host());
    let name = format!("docker.io/{path}:1");
    let rows = [
        (LIMITED, Code::Unknown, true),
        (Behaviour::Status(503), Code::Unknown, true),
        (Behaviour::Status(404), Code::Unavailable, false),
        (Behaviour::Status(401), Code::Unauthenticated, false),
        (Behaviour::Status(403), Code::PermissionDenied, false),
    ];
    for (behaviour, code, is_unavailable) in rows {
        fake.on("/v2/", behaviour.clone());
        let mirrors = ["127.0.0.1:1", &broken_host, &fake_host];
        let shunt = Shunt::start(&rule("docker.io", &mirrors), containerd);
        let cri = Cri::connect(&shunt.socket()).await;
        let status = cri.pull(&name).await.unwrap_err();
        let begins = status.message().starts_with("RegistryUnavailable: ");
        assert_eq!((status.code(), begins), (code, is_unavailable), "{behaviour:?}: {status}");
        assert!(status.message().len() < 400, "{}: {status}", status.message().len());
        let details = format!("; details: cri-shunt explain --live {name}");
        assert!(status.message().ends_with(&details), "{status}");
    }
    // The registry of the name itself, which containerd asks.
    let own = format!("{broken_host}/{path}:1");
    let shunt = Shunt::start(&(rule(&broken_host, &["127.0.0.1:1"]) + "origin = \"last\"\n"), containerd);
    let status = Cri::connect(&shunt.socket()).await.pull(&own).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert!(status.message().starts_with("RegistryUnavailable: "), "{status}");
}

on_each_containerd!(
    a_limiting_mirror_is_asked_once_and_the_next_serves,
    where_all_rest_a_pull_fails_at_once_and_says_until_when,
    a_registry_rests_for_the_login_that_it_limits,
    the_last_answer_counts_and_the_registry_rests_after_it,
    a_mirror_that_limits_containerd_rests_as_well,
    an_origin_that_limits_rests_where_a_rule_leads_to_it,
    a_rest_ends,
    a_registry_of_its_own_reasons_is_unavailable_and_others_are_not,
);
