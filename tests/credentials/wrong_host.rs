//! No host ever sees another host's login, in any order of failover, redirects included.

use crate::on_each_containerd;
use crate::setup::{LOGIN, Setup, setup};
use crate::support::fake::{Behaviour, Fake, basic};
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;

const CLIENT: (&str, &str) = ("ann", "hush-of-the-client");

/// Mirrors `a` and `b` with logins of their own, and the registry that is asked for with the client's.
struct Three {
    a: Fake,
    b: Fake,
    origin: Fake,
    /// What each of them wants, in that order.
    wants: [Behaviour; 3],
}

/// The `[[credentials]]` that satisfies a mirror.
fn login(setup: &Setup, host: &str, wants: &Behaviour) -> String {
    let means = match wants {
        Behaviour::Basic(name, password) | Behaviour::Bearer(name, password) => {
            format!("username = \"{name}\"\npassword-file = {:?}\n", setup.file(password, password))
        }
        Behaviour::Identity(token) => format!("identity-token-file = {:?}\n", setup.file(token, token)),
        other => panic!("{other:?} is no login"),
    };
    format!("[[credentials]]\nregistry = \"{host}\"\n{means}")
}

/// All forms in which the login of a registry may reach it, and what its own token server makes of it.
fn own(fake: &Fake, wants: &Behaviour) -> Vec<String> {
    let (name, secret) = match wants {
        Behaviour::Basic(name, password) | Behaviour::Bearer(name, password) => (*name, *password),
        Behaviour::Identity(token) => ("", *token),
        other => panic!("{other:?} is no login"),
    };
    vec![basic(name, secret), fake.bearer(), secret.to_owned()]
}

impl Three {
    fn start(setup: &Setup, a: Behaviour, b: Behaviour) -> Three {
        let fake = || Fake::in_front_of(setup.registry.host());
        Three { a: fake(), b: fake(), origin: fake(), wants: [a, b, Behaviour::Basic(CLIENT.0, CLIENT.1)] }
    }

    fn each(&self) -> impl Iterator<Item = (&Fake, &Behaviour)> {
        [&self.a, &self.b, &self.origin].into_iter().zip(&self.wants)
    }

    fn logins(&self, setup: &Setup) -> String {
        // One for the registry that is asked for as well: it is the client's business, and not used.
        let origin = login(setup, &self.origin.host(), &Behaviour::Basic("origin", "hush-origin"));
        let mirrors = self.each().take(2).map(|(fake, wants)| login(setup, &fake.host(), wants));
        mirrors.chain([origin]).collect()
    }

    /// Every login that came, in a header, a query or a form, with where it came; those that belong there are
    /// left out.
    fn misled(&self) -> Vec<(String, String)> {
        let mut misled = Vec::new();
        for (fake, wants) in self.each() {
            let own = own(fake, wants);
            let mut foreign = |sent: &str| {
                if !own.iter().any(|own| own == sent) {
                    misled.push((fake.host(), sent.to_owned()));
                }
            };
            for record in fake.records() {
                record.authorization.iter().for_each(|sent| foreign(sent));
                let fields = [record.path.as_str(), &record.body].map(|text| text.split(['?', '&']));
                let values = fields.into_iter().flatten().filter_map(|field| field.split_once('='));
                let secrets =
                    values.filter(|(_, value)| value.contains("hush") || value.contains("testbed-token"));
                secrets.for_each(|(_, value)| foreign(value));
            }
        }
        misled
    }

    fn forget(&self) {
        [&self.a, &self.b, &self.origin].iter().for_each(|fake| fake.forget());
    }
}

/// A shunt that routes names of the third fake to the two mirrors, then to itself.
fn shunt(setup: &Setup, three: &Three, swapped: bool) -> Shunt {
    let (first, second) = if swapped { (&three.b, &three.a) } else { (&three.a, &three.b) };
    let rule = rule(&three.origin.host(), &[&first.host(), &second.host()]);
    let rest = format!("{rule}origin = \"last\"\ncollapse = true\n{}", three.logins(setup));
    setup.shunt(&[&three.a.host()], &rest, &[])
}

/// The first, the first two, or none of the mirrors fail, each in every way to fail.
async fn fail_over(setup: &Setup, shunt: &Shunt, three: &Three, swapped: bool) {
    let fails = [
        Behaviour::Status(500),
        Behaviour::Status(401),
        Behaviour::Basic("x", "y"),
        Behaviour::Bearer("x", "y"),
    ];
    let asked = format!("{}/{}:1", three.origin.host(), setup.path);
    for failing in 0..3 {
        for (index, how) in fails.iter().enumerate() {
            for (fake, wants) in three.each() {
                fake.on("/v2/", wants.clone());
            }
            let order = if swapped { [&three.b, &three.a] } else { [&three.a, &three.b] };
            for (at, fake) in order.iter().take(failing).enumerate() {
                fake.on("/v2/", fails[(index + at) % fails.len()].clone());
            }
            let pulled = setup.pull_name(shunt, &asked, Some(CLIENT)).await;
            assert_eq!(pulled.unwrap(), setup.image.id(), "{failing} {how:?} {}", shunt.stderr());
            assert_eq!(three.misled(), [], "{failing} {how:?}");
            if failing < 2 {
                assert_eq!(three.origin.records(), [], "a mirror served it");
            }
            three.forget();
        }
    }
}

async fn no_order_of_failover_takes_a_login_elsewhere(version: Version) {
    let Some(setup) = setup(version, "failover") else { return };
    let bearer = Behaviour::Bearer("mirror-b", "hush-mirror-b");
    let pairs = [
        (Behaviour::Basic("mirror-a", "hush-mirror-a"), bearer.clone()),
        (Behaviour::Identity("hush-identity-a"), bearer),
        (Behaviour::Identity("hush-identity-a"), Behaviour::Identity("hush-identity-b")),
    ];
    let mut last = None;
    for (a, b) in pairs {
        let three = Three::start(&setup, a, b);
        for swapped in [false, true] {
            let shunt = shunt(&setup, &three, swapped);
            fail_over(&setup, &shunt, &three, swapped).await;
            if let Some(shunt) = last.replace(shunt) {
                setup.heard(&shunt);
            }
        }
    }
    setup.end(last.unwrap()).await;
}

async fn a_redirect_takes_no_login_along(version: Version) {
    let Some(setup) = setup(version, "redirect") else { return };
    let mirror = Fake::in_front_of(setup.registry.host());
    let storage = Fake::at("127.0.0.2", setup.registry.host());
    let config = setup.login(&mirror);
    let shunt = setup.shunt(&[&mirror.host()], &config, &[]);
    mirror.on("/v2/", LOGIN);
    mirror.on(&format!("/v2/{}/blobs/", setup.path), Behaviour::Redirect(storage.host()));
    // Storage that asks for a login gets none.
    storage.on("/v2/", LOGIN);
    setup.pull(&shunt, None).await.unwrap_err();
    assert!(!storage.records().is_empty(), "{}", shunt.stderr());
    assert!(storage.authorizations().iter().all(String::is_empty), "{:?}", storage.records());
    storage.forget();
    storage.on("/v2/", Behaviour::Forward);
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id());
    assert!(!storage.records().is_empty());
    assert!(storage.authorizations().iter().all(String::is_empty), "{:?}", storage.records());
    setup.end(shunt).await;
}

/// As the documentation says: another port of one host is the same host to Go's client, which containerd has since 1.7.
async fn a_redirect_to_another_port_takes_containerds_login_along_since_1_7(version: Version) {
    let Some(setup) = setup(version, "port") else { return };
    let [behind, storage] = [0, 1].map(|_| Fake::in_front_of(setup.registry.host()));
    // It wants a login for everything, and leads on who has one.
    let mirror = Fake::in_front_of(&behind.host());
    let config = setup.login(&mirror);
    let shunt = setup.shunt(&[&mirror.host()], &config, &[]);
    mirror.on("/v2/", LOGIN);
    behind.on(&format!("/v2/{}/blobs/", setup.path), Behaviour::Redirect(storage.host()));
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id());
    let seen = storage.authorizations();
    let goes_along = version >= Version::V1_7;
    assert!(!seen.is_empty() && seen.iter().all(|login| login.is_empty() != goes_along), "{seen:?}");
    setup.end(shunt).await;
}

/// The mirror itself is asked, whatever a file for its name says.
async fn a_hosts_toml_of_the_mirror_takes_no_login_along(version: Version) {
    let Some(setup) = setup(version, "hoststoml") else { return };
    let (mirror, other) =
        (Fake::in_front_of(setup.registry.host()), Fake::in_front_of(setup.registry.host()));
    mirror.on("/v2/", LOGIN);
    setup.containerd.host_is(&mirror.host(), &other.host());
    let config = setup.login(&mirror);
    let shunt = setup.shunt(&[&mirror.host()], &config, &[]);
    assert_eq!(setup.pull(&shunt, None).await.unwrap(), setup.image.id());
    assert_eq!(other.records(), [], "{}", shunt.stderr());
    setup.end(shunt).await;
}

on_each_containerd!(
    no_order_of_failover_takes_a_login_elsewhere,
    a_redirect_takes_no_login_along,
    a_redirect_to_another_port_takes_containerds_login_along_since_1_7,
    a_hosts_toml_of_the_mirror_takes_no_login_along,
);
