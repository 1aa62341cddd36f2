//! No host ever sees another host's login, in any order of failover, redirects included.

use crate::ground::{Ground, ground};
use crate::on_each_containerd;
use crate::support::fake::{Behaviour, Fake, basic};
use crate::support::shunt::Shunt;
use crate::support::version::Version;

const CLIENT: (&str, &str) = ("ann", "hush-of-the-client");

/// Mirrors `a` and `b` with logins of their own, and the registry that is asked for with the client's.
struct Three {
    a: Fake,
    b: Fake,
    origin: Fake,
}

impl Three {
    fn start(ground: &Ground) -> Three {
        let fake = || Fake::in_front_of(ground.registry.host());
        Three { a: fake(), b: fake(), origin: fake() }
    }

    fn logins(&self, ground: &Ground) -> String {
        let one = |host: String, name: &str| {
            let file = ground.file(name, &format!("hush-{name}\n"));
            format!(
                "[[credentials]]\nregistry = \"{host}\"\nusername = \"{name}\"\npassword-file = {file:?}\n"
            )
        };
        // One for the registry that is asked for as well: it is the client's business, and not used.
        [one(self.a.host(), "mirror-a"), one(self.b.host(), "mirror-b"), one(self.origin.host(), "origin")]
            .concat()
    }

    /// Every login that came, with where it came; those that belong there are left out.
    fn astray(&self) -> Vec<(String, String)> {
        let (name, password) = CLIENT;
        let own = [
            (&self.a, basic("mirror-a", "hush-mirror-a")),
            (&self.b, basic("mirror-b", "hush-mirror-b")),
            (&self.origin, basic(name, password)),
        ];
        let foreign = |(fake, own): &(&Fake, String)| -> Vec<(String, String)> {
            let sent = fake.authorizations().into_iter();
            let foreign =
                sent.filter(|sent| !sent.is_empty() && sent != own && sent != "Bearer testbed-token");
            foreign.map(|sent| (fake.host(), sent)).collect()
        };
        own.iter().flat_map(foreign).collect()
    }

    fn forget(&self) {
        [&self.a, &self.b, &self.origin].iter().for_each(|fake| fake.forget());
    }
}

/// A shunt that routes names of the third fake to the two mirrors, then to itself.
fn shunt(ground: &Ground, three: &Three, swapped: bool) -> Shunt {
    let (first, second) = if swapped { (&three.b, &three.a) } else { (&three.a, &three.b) };
    let rest = format!(
        "[[policy.rule]]\nprefix = \"{}\"\nmirrors = [\"{}\", \"{}\"]\norigin = \"last\"\ncollapse = true\n{}",
        three.origin.host(),
        first.host(),
        second.host(),
        three.logins(ground)
    );
    ground.shunt(&[&three.a.host()], &rest, &[])
}

async fn no_order_of_failover_takes_a_login_elsewhere(version: Version) {
    let Some(ground) = ground(version, "failover") else { return };
    let three = Three::start(&ground);
    let (name, password) = CLIENT;
    let works = [
        (&three.a, Behaviour::Basic("mirror-a", "hush-mirror-a")),
        (&three.b, Behaviour::Bearer("mirror-b", "hush-mirror-b")),
        (&three.origin, Behaviour::Basic(name, password)),
    ];
    let fails = [
        Behaviour::Status(500),
        Behaviour::Status(401),
        Behaviour::Basic("x", "y"),
        Behaviour::Bearer("x", "y"),
    ];
    let asked = format!("{}/{}:1", three.origin.host(), ground.path);
    let mut last = None;
    for swapped in [false, true] {
        let shunt = shunt(&ground, &three, swapped);
        for failing in 0..3 {
            for (index, how) in fails.iter().enumerate() {
                for (fake, behaviour) in &works {
                    fake.on("/v2/", behaviour.clone());
                }
                // The first, the first two, or none of the mirrors: each in one of the ways to fail.
                let order = if swapped { [&three.b, &three.a] } else { [&three.a, &three.b] };
                for (at, fake) in order.iter().take(failing).enumerate() {
                    fake.on("/v2/", fails[(index + at) % fails.len()].clone());
                }
                let pulled = ground.pull_name(&shunt, &asked, Some(CLIENT)).await;
                assert_eq!(pulled.unwrap(), ground.image.id(), "{failing} {how:?} {}", shunt.stderr());
                assert_eq!(three.astray(), [], "{failing} {how:?}");
                if failing < 2 {
                    assert_eq!(three.origin.records(), [], "a mirror served it");
                }
                three.forget();
            }
        }
        if let Some(shunt) = last.replace(shunt) {
            ground.heard(&shunt);
        }
    }
    ground.end(last.unwrap()).await;
}

async fn a_redirect_takes_no_login_along(version: Version) {
    let Some(ground) = ground(version, "redirect") else { return };
    let mirror = Fake::in_front_of(ground.registry.host());
    let storage = Fake::at("127.0.0.2", ground.registry.host());
    let file = ground.file("mirror-a", "hush-mirror-a");
    let config = format!(
        "[[credentials]]\nregistry = \"{}\"\nusername = \"mirror-a\"\npassword-file = {file:?}\n",
        mirror.host()
    );
    let shunt = ground.shunt(&[&mirror.host()], &config, &[]);
    mirror.on("/v2/", Behaviour::Basic("mirror-a", "hush-mirror-a"));
    mirror.on(&format!("/v2/{}/blobs/", ground.path), Behaviour::Redirect(storage.host()));
    // Storage that asks for a login gets none.
    storage.on("/v2/", Behaviour::Basic("mirror-a", "hush-mirror-a"));
    ground.pull(&shunt, None).await.unwrap_err();
    assert!(!storage.records().is_empty(), "{}", shunt.stderr());
    assert!(storage.authorizations().iter().all(String::is_empty), "{:?}", storage.records());
    storage.forget();
    storage.on("/v2/", Behaviour::Forward);
    assert_eq!(ground.pull(&shunt, None).await.unwrap(), ground.image.id());
    assert!(!storage.records().is_empty());
    assert!(storage.authorizations().iter().all(String::is_empty), "{:?}", storage.records());
    ground.end(shunt).await;
}

async fn a_hosts_toml_of_the_mirror_takes_no_login_along(version: Version) {
    let Some(ground) = ground(version, "hoststoml") else { return };
    let (mirror, other) =
        (Fake::in_front_of(ground.registry.host()), Fake::in_front_of(ground.registry.host()));
    other.on("/v2/", Behaviour::Basic("mirror-a", "hush-mirror-a"));
    ground.containerd.host_is(&mirror.host(), &other.host());
    let file = ground.file("mirror-a", "hush-mirror-a");
    let config = format!(
        "[[credentials]]\nregistry = \"{}\"\nusername = \"mirror-a\"\npassword-file = {file:?}\n",
        mirror.host()
    );
    let shunt = ground.shunt(&[&mirror.host()], &config, &[]);
    ground.pull(&shunt, None).await.unwrap_err();
    assert!(!other.records().is_empty(), "{}", shunt.stderr());
    assert!(other.authorizations().iter().all(String::is_empty), "{:?}", other.records());
    ground.end(shunt).await;
}

on_each_containerd!(
    no_order_of_failover_takes_a_login_elsewhere,
    a_redirect_takes_no_login_along,
    a_hosts_toml_of_the_mirror_takes_no_login_along,
);
