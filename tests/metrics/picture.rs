//! The picture of the dashboard in `docs`: two nodes go through five minutes in which mirrors fail, limit and come back, and
//! a configuration is refused. `make picture` draws it again.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::dashboard::{DASHBOARD, RULES};
use crate::drawn::{Drawing, Span, escaped};
use crate::listener;
use crate::prometheus::{Prometheus, door_to};
use crate::support::containerd::Containerd;
use crate::support::cosign::{Cosign, KeyPair, Kind};
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::support::wait_until;

/// How long it takes, and how far one round is from the next, in seconds.
const LENGTH: u64 = 300;
const ROUND: u64 = 2;
/// How the two mirrors are called.
const MIRRORS: [&str; 2] = ["cache.dev.de", "hub.dev.de"];
/// What the shunt waits until it tries a mirror again that has failed.
const RETRY: &str = "[pull]\nretry-down-after = \"15s\"\n";

/// A containerd with a shunt before it.
struct Node {
    containerd: Containerd,
    shunt: Shunt,
    metrics: PathBuf,
    config: String,
    cri: Cri,
    _dir: tempfile::TempDir,
}

/// The registries: what the mirrors stand before, and the mirrors.
struct Registries {
    storage: Registry,
    cache: Fake,
    hub: Fake,
    signed_by: KeyPair,
}

impl Registries {
    fn start() -> Option<Self> {
        let storage = Registry::start()?;
        let [cache, hub] = [0; 2].map(|_| Fake::in_front_of(storage.host()));
        let signed_by = KeyPair::new(Cosign::V2_5, Kind::P256)?;
        for name in ["job", "watched"] {
            storage.push(&format!("team/{name}"), "1", &Image::busybox(name));
        }
        let digest = storage.push("team/signed", "1", &Image::busybox("signed"));
        let whole = format!("{}/team/signed@{digest}", storage.host());
        Cosign::V2_5.sign(&signed_by, &whole, &["--sign-container-identity", "gcr.io/team/signed"]);
        storage.push("team/unsigned", "1", &Image::busybox("unsigned"));
        for (repository, image) in
            [("one/same", "same"), ("two/same", "same"), ("one/moved", "old"), ("two/moved", "new")]
        {
            storage.push(repository, "1", &Image::busybox(image));
        }
        Some(Self { storage, cache, hub, signed_by })
    }

    fn rules(&self) -> String {
        let [cache, hub] = MIRRORS.map(|mirror| format!("http://{mirror}"));
        [
            rule("quay.io", &[&cache, &hub]) + "collapse = true\n",
            rule("ghcr.io", &[&cache]) + "collapse = true\norigin = \"last\"\n",
            rule("gcr.io", &[&hub]) + "collapse = true\nverify = \"prod\"\n",
            rule("registry.k8s.io", &[&format!("{cache}/one"), &format!("{hub}/two")])
                + "collapse = true\nlocked = \"images.lock\"\nunlisted = \"deny\"\n",
            "[[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n".to_owned(),
            "[[policy.rule]]\nprefix = \"ghcr.io/team/watched\"\ndeny = \"soon\"\nmode = \"observe\"\n"
                .to_owned(),
            rule("ghcr.io/team/job", &[&hub]) + "mode = \"observe\"\n",
        ]
        .concat()
    }
}

impl Node {
    async fn start(version: Version, registries: &Registries) -> Option<Self> {
        let containerd = Containerd::start(version)?;
        containerd.host_is("ghcr.io", registries.storage.host());
        for (name, mirror) in MIRRORS.iter().zip([&registries.cache, &registries.hub]) {
            containerd.lead(&format!("{name}:80"), &mirror.host());
        }
        let (dir, metrics, table) = listener();
        let key = dir.path().join("prod.pub");
        std::fs::write(&key, registries.signed_by.public()).unwrap();
        let config = format!(
            "[audit]\nfile = {:?}\n{table}{RETRY}[[signature]]\nname = \"prod\"\nkeys = [{key:?}]\n{}",
            dir.path().join("audit.jsonl"),
            registries.rules()
        );
        let shunt = Shunt::prepare(&config, &containerd, &[]);
        let locked = |name: &str, image: &str| {
            let digest = Image::busybox(image).digest();
            format!("[[image]]\nname = \"registry.k8s.io/{name}:1\"\ndigest = \"{digest}\"\n")
        };
        let lock = locked("same", "same") + &locked("moved", "old");
        std::fs::write(shunt.config_file().with_file_name("images.lock"), lock).unwrap();
        shunt.start_again();
        let cri = Cri::connect(&shunt.socket()).await;
        Some(Self { containerd, shunt, metrics, config, cri, _dir: dir })
    }

    /// What pods ask for in a round. Some of it fails, and is told in the numbers.
    async fn round(&self, round: u64) {
        let mut names = vec![format!("quay.io/team/app{round}:1")];
        match round % 5 {
            0 => names.push("evil/app:1".to_owned()),
            1 => names.extend(["ghcr.io/team/job:1", "gcr.io/team/signed:1"].map(str::to_owned)),
            2 => names.push(format!("ghcr.io/team/app{round}:1")),
            3 => names.extend(["gcr.io/team/unsigned:1", "registry.k8s.io/same:1"].map(str::to_owned)),
            _ => names.extend(["ghcr.io/team/watched:1", "registry.k8s.io/new:1"].map(str::to_owned)),
        }
        for name in names {
            drop(self.cri.pull(&name).await);
        }
        for _ in 0..20 {
            self.cri.list().await.unwrap();
        }
    }
}

/// What happens, and at which second.
#[derive(Clone)]
enum Event {
    /// Somebody looks for drift.
    Drift,
    /// The tag is the same at both mirrors from now on.
    Same,
    /// What the first mirror answers, and the second one.
    Cache(Behaviour),
    Hub(Behaviour),
    /// One node gets another policy; at the other one the file has a mistake.
    Policies,
}

/// Each request has a connection of its own.
const WELL: Behaviour = Behaviour::With(200, &[("Connection", "close")]);
const FAILS: Behaviour = Behaviour::With(500, &[("Connection", "close")]);
const LIMITS: Behaviour = Behaviour::With(429, &[("Connection", "close"), ("Retry-After", "30")]);

const EVENTS: [(u64, Event); 11] = [
    (0, Event::Cache(WELL)),
    (0, Event::Hub(WELL)),
    (20, Event::Drift),
    (60, Event::Cache(FAILS)),
    (110, Event::Cache(WELL)),
    (160, Event::Cache(LIMITS)),
    (200, Event::Cache(WELL)),
    (205, Event::Same),
    (208, Event::Drift),
    (220, Event::Policies),
    (260, Event::Hub(FAILS)),
];

impl Event {
    fn happens(self, registries: &Registries, nodes: &[Node; 2]) {
        match self {
            Self::Cache(behaviour) => registries.cache.on("/v2/", behaviour),
            Self::Hub(behaviour) => registries.hub.on("/v2/", behaviour),
            Self::Same => drop(registries.storage.push("two/moved", "1", &Image::busybox("old"))),
            Self::Drift => {
                let names = ["registry.k8s.io/same:1", "registry.k8s.io/moved:1", "quay.io/team/app0:1"];
                for node in nodes {
                    let drift = node.shunt.run("drift", &[&["--quiet", "--write"][..], &names].concat());
                    assert!(drift.status.code() < Some(2), "{drift:?}");
                }
            }
            Self::Policies => {
                let [one, two] = nodes;
                let denied = "[[policy.rule]]\nprefix = \"docker.io/more\"\ndeny = \"no\"\n";
                one.shunt.reload(&format!("{}{denied}", one.config), &one.containerd);
                two.shunt.reload(&format!("{}mirors = 1\n", two.config), &two.containerd);
                two.shunt.says("reload refused");
            }
        }
    }
}

#[tokio::test]
#[ignore = "takes minutes: `make picture` draws docs/dashboard.svg again"]
async fn the_dashboard_is_drawn() {
    let registries = Registries::start().unwrap();
    let start = |version| Node::start(version, &registries);
    let nodes = [start(Version::V1_7).await.unwrap(), start(Version::V2_1).await.unwrap()];
    let targets = [(door_to(&nodes[0].metrics), "worker-1"), (door_to(&nodes[1].metrics), "worker-2")];
    let prometheus = Prometheus::scraping(&targets, std::path::Path::new(RULES)).unwrap();
    let begun = SystemTime::now();
    let mut events = EVENTS.into_iter().peekable();
    let mut round = 0;
    while begun.elapsed().unwrap().as_secs() < LENGTH {
        let second = begun.elapsed().unwrap().as_secs();
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= second) {
            event.happens(&registries, &nodes);
        }
        let repository = format!("team/app{round}");
        registries.storage.push(&repository, "1", &Image::big(&repository, 1));
        tokio::join!(nodes[0].round(round), nodes[1].round(round));
        round += 1;
        let next = begun + Duration::from_secs(second + ROUND);
        if let Ok(rest) = next.duration_since(SystemTime::now()) {
            tokio::time::sleep(rest).await;
        }
    }
    let to = begun.elapsed().unwrap();
    let from = begun.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let span = Span { from, to: from + to.as_secs_f64(), step: 3.0, interval: "20s" };
    let drawing = Drawing { prometheus: &prometheus, span };
    assert!(wait_until(|| prometheus.query("up").unwrap().len() == 2));
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let note = "Drawn from the queries of the dashboard and what a Prometheus has answered, for two nodes. Not a screenshot of Grafana.";
    std::fs::write(picture(), drawing.of(&dashboard, note)).unwrap();
}

fn picture() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/dashboard.svg").into()
}

/// Whoever changes a panel draws the picture again.
#[test]
fn the_picture_is_of_this_dashboard() {
    let picture = std::fs::read_to_string(picture()).unwrap();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let again = "make picture";
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = escaped(panel["title"].as_str().unwrap());
        assert!(picture.contains(&format!("{title}</text>")), "{title} is not in the picture: {again}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = escaped(target["expr"].as_str().unwrap());
            assert!(picture.contains(&query), "{title} asks something else in the picture: {again}\n{query}");
        }
    }
    assert!(!picture.contains("127.0.0.1"), "an address of the machine");
}
