//! `mode = "observe"`: what the policy says is told, and nothing is done, at any of the places that act on it.
//!
//! Each place is tried while the policy is observed, while it is in force, and after it is observed again. So each of them
//! is known to act otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::PathBuf;

use k8s_cri::v1::CreateContainerRequest;
use serde_json::{Value, json};
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::Fake;
use support::http1;
use support::image::Image;
use support::native::Native;
use support::pod::{self, Pod};
use support::raw::Raw;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;
use support::{wait_for, wait_until};
use tonic::Code;

const PAUSE: &str = "registry.k8s.io/pause:testbed";
const NATIVE: &str = "/containerd.services.images.v1.Images/List";
const UNKNOWN: &str = "/runtime.v1.ImageService/PullSecurityProfile";

struct Ground {
    containerd: Containerd,
    /// In the place of the registry that the names ask for.
    origin: Fake,
    mirror: Fake,
    shunt: Shunt,
    audit: PathBuf,
    metrics: PathBuf,
    image: Image,
    denied: Image,
}

impl Ground {
    fn start(version: Version) -> Option<Ground> {
        let (storage, containerd) = (Registry::shared()?, Containerd::start(version)?);
        let (image, denied) = (Image::busybox("observe"), Image::busybox("observe-denied"));
        storage.push("routed/app", "1", &image);
        storage.push("denied/app", "1", &denied);
        storage.push("observed/routed/app", "1", &image);
        containerd.serve_pause(storage);
        let (origin, mirror) = (Fake::in_front_of(storage.host()), Fake::in_front_of(storage.host()));
        containerd.host_is("q.dev", &origin.host());
        let dir = containerd.dir().to_owned();
        let (audit, metrics) = (dir.join("audit.jsonl"), dir.join("metrics.sock"));
        let shunt = Shunt::prepare("", &containerd, &[]);
        let ground = Ground { containerd, origin, mirror, shunt, audit, metrics, image, denied };
        ground.write("observe");
        ground.shunt.start_again();
        Some(ground)
    }

    fn write(&self, mode: &str) {
        let Ground { containerd, mirror, audit, metrics, .. } = self;
        let at = format!("{}/observed", mirror.host());
        let rules = rule("q.dev/routed", &[&at]) + &rule("registry.k8s.io", &["127.0.0.1:1"]);
        let text = format!(
            "[policy]\nmode = \"{mode}\"\ndefault = \"deny\"\npresent = \"hide\"\ndefault-registry = \"m.test\"\n\
             {rules}\
             [[policy.rule]]\nprefix = \"q.dev/denied\"\ndeny = \"not this\"\n\
             [[policy.rule]]\nprefix = \"fenced.dev\"\ndeny = \"none of it\"\n\
             [[transport]]\nregistry = \"t.test\"\nplain-http = true\n\
             [audit]\nfile = {audit:?}\n[metrics]\nlisten = {metrics:?}\n\
             [containerd]\nsocket = {:?}\nfence = true\n",
            containerd.socket()
        );
        self.shunt.write_config(&text, containerd);
    }

    /// Has the policy read again with this mode, and waits for it.
    fn reload(&self, mode: &str) {
        let loaded = || self.shunt.stderr().matches("new policy loaded").count();
        let before = loaded();
        self.write(mode);
        self.shunt.signal(rustix::process::Signal::HUP);
        self.shunt.until("it is loaded", || loaded() > before);
    }

    /// The files that the shunt keeps for containerd.
    fn hosts(&self) -> Vec<String> {
        let certs = self.containerd.certs_d();
        let own = |name: &String| {
            let text = std::fs::read_to_string(certs.join(name).join("hosts.toml")).unwrap_or_default();
            // Those of private hosts go when the daemon ends.
            text.contains("Written by cri-shunt") && !name.contains(".cri-shunt.invalid")
        };
        let entries = std::fs::read_dir(&certs).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(own).collect();
        names.sort();
        names
    }

    /// The lines of the audit about this image, of this method.
    fn told(&self, method: &str, image: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.audit).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["method"] == method && line["asked"] == image).collect()
    }

    /// The last of them; it is written a moment after the answer.
    fn last_told(&self, method: &str, image: &str, count: usize) -> Value {
        self.shunt.until("a line of the audit", || self.told(method, image).len() >= count);
        let mut told = self.told(method, image);
        assert_eq!(told.len(), count, "{told:?}");
        told.pop().unwrap()
    }

    fn numbers(&self) -> String {
        http1::get(&self.metrics, "/metrics").unwrap().text()
    }

    fn explain(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.shunt.run("explain", args);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }
}

/// Every place at which a policy acts, while it does not.
async fn nothing_is_done(ground: &Ground, round: usize, cri: &Cri, native: &Native, pod: &Pod) {
    let Ground { shunt, origin, mirror, image, denied, .. } = ground;
    for fake in [origin, mirror] {
        fake.forget();
    }
    assert!(wait_until(|| ground.hosts().is_empty()), "{:?}", ground.hosts());
    // PullImage: the request goes on as it came, to the registry of the name, whatever the rule says.
    let (routed_name, denied_name) = ("q.dev/routed/app:1", "q.dev/denied/app:1");
    for (name, expected) in [(routed_name, image), (denied_name, denied)] {
        assert_eq!(cri.pull(name).await.unwrap(), expected.id(), "{name}");
    }
    assert_eq!(mirror.records().len(), 0, "no registry is asked for what would be: {:?}", mirror.records());
    assert!(!origin.records().is_empty());
    let names = native.names_with("/app").await;
    assert!(names.iter().all(|name| name.starts_with("q.dev/")), "{names:?}");
    // ImageStatus and CreateContainer of what would be hidden: by its name, and by its id with the pod's own word.
    assert!(cri.has(denied_name).await);
    let mut by_id = pod::container(&format!("by-id-{round}"), &denied.id(), &["true"]);
    by_id.image.as_mut().unwrap().user_specified_image = denied_name.to_owned();
    pod.create(cri, by_id).await.unwrap();
    pod.create(cri, pod::container(&format!("by-name-{round}"), denied_name, &["true"])).await.unwrap();
    // What could be a checkpoint goes to containerd, which has its own words for it.
    let archive =
        pod.create(cri, pod::container("archive", "/nowhere/at/all.tar", &["true"])).await.unwrap_err();
    assert_ne!(archive.code(), Code::PermissionDenied, "{archive}");
    // containerd's own API, and a pull of a kind that is not known: what containerd says of it.
    let client = Raw::connect(&shunt.socket()).await;
    let listed = client.call_with(NATIVE, b"", &[("containerd-namespace", "k8s.io")]).await;
    assert_eq!(listed.code(), Some(0), "{listed:?}");
    let unknown = client.call(UNKNOWN, b"").await.message().unwrap_or_default();
    assert!(!unknown.contains("cri-shunt"), "{unknown}");
}

/// The same places, while it does.
async fn everything_is_done(ground: &Ground, cri: &Cri, pod: &Pod) {
    let Ground { shunt, mirror, image, denied, .. } = ground;
    mirror.forget();
    let kept = |host: &str| ground.hosts().iter().any(|name| name.starts_with(host));
    assert!(wait_until(|| kept("fenced.dev") && kept("t.test")), "{:?}", ground.hosts());
    assert_eq!(cri.pull("q.dev/routed/app:1").await.unwrap(), image.id());
    assert!(!mirror.records().is_empty());
    assert_eq!(cri.pull("q.dev/denied/app:1").await.unwrap_err().code(), Code::PermissionDenied);
    assert!(!cri.has("q.dev/denied/app:1").await, "it is hidden");
    for image in ["q.dev/denied/app:1", &denied.id(), "/nowhere/at/all.tar"] {
        let refused = pod.create(cri, pod::container("refused", image, &["true"])).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{image}: {refused}");
    }
    let client = Raw::connect(&shunt.socket()).await;
    assert_eq!(client.call(NATIVE, b"").await.code(), Some(7));
    let unknown = client.call(UNKNOWN, b"").await.message().unwrap_or_default();
    assert!(unknown.contains("cri-shunt"), "{unknown}");
}

async fn an_observed_policy_acts_nowhere(version: Version) {
    let Some(ground) = Ground::start(version) else { return };
    let shunt = &ground.shunt;
    let cri = Cri::connect(&shunt.socket()).await;
    let native = Native::connect(&ground.containerd.socket()).await;
    // The pause image: the mirror of its rule does not answer, and nobody asks it. containerd pulls it as ever.
    let pod = Pod::run(&cri, "observe", &ground.containerd.dir().join("logs")).await.unwrap();
    assert!(cri.has(PAUSE).await);
    nothing_is_done(&ground, 1, &cri, &native, &pod).await;
    told_of_it(&ground);
    ground.reload("enforce");
    everything_is_done(&ground, &cri, &pod).await;
    let line = ground.last_told("PullImage", "q.dev/denied/app:1", 2);
    assert_eq!((&line["mode"], &line["would"]), (&json!("enforce"), &Value::Null), "{line}");
    ground.reload("observe");
    nothing_is_done(&ground, 2, &cri, &native, &pod).await;
    assert!(!shunt.stderr().contains("the pause image is not there"), "{}", shunt.stderr());
    pod.remove(&cri).await.unwrap();
}

/// What would have happened is told by each that tells of requests or of the policy.
fn told_of_it(ground: &Ground) {
    let Ground { shunt, mirror, .. } = ground;
    let candidate = format!("{}/observed/routed/app:1", mirror.host());
    let place = |text: &str| {
        let file = shunt.config_file();
        let config = std::fs::read_to_string(&file).unwrap();
        let line = config.lines().take_while(|line| !line.contains(text)).count();
        format!("{}:{}", file.display(), line + 1)
    };
    let line = ground.last_told("PullImage", "q.dev/routed/app:1", 1);
    let rule = json!({"prefix": "q.dev/routed", "place": place("\"q.dev/routed\"")});
    let would = json!({"rule": rule, "verdict": "route", "candidates": [candidate], "reason": null});
    assert_eq!((&line["mode"], &line["would"]), (&json!("observe"), &would), "{line}");
    let done = json!({"prefix": "default", "place": null});
    assert_eq!(
        (&line["rule"], &line["verdict"], &line["outcome"]),
        (&done, &json!("pass"), &json!("pulled"))
    );
    assert_eq!(line["candidates"], json!([]));
    let line = ground.last_told("PullImage", "q.dev/denied/app:1", 1);
    assert_eq!((&line["would"]["verdict"], &line["would"]["reason"]), (&json!("deny"), &json!("not this")));
    let line = ground.last_told("CreateContainer", "q.dev/denied/app:1", 2);
    assert_eq!(
        (&line["mode"], &line["outcome"], &line["code"]),
        (&json!("observe"), &json!("observed"), &json!("OK"))
    );
    assert_eq!(line["would"]["verdict"], "deny");

    let said = shunt.stderr();
    for part in [
        format!("route by rule \\\"q.dev/routed\\\" ({}) to {candidate}", place("\"q.dev/routed\"")),
        format!("deny by rule \\\"q.dev/denied\\\" ({}): not this", place("\"q.dev/denied\"")),
        "would=\"/nowhere/at/all.tar is a file, which containerd would take for a checkpoint".to_owned(),
        "a call of containerd's own API is passed on; it would be refused".to_owned(),
        "a pull of a kind that is not known is passed on; it would be refused".to_owned(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    let numbers = ground.numbers();
    for number in [
        "cri_shunt_would_routes_total{rule=\"q.dev/routed\",method=\"PullImage\"} 1",
        "cri_shunt_would_denies_total{rule=\"q.dev/denied\",method=\"PullImage\"} 1",
        "cri_shunt_would_denies_total{rule=\"q.dev/denied\",method=\"CreateContainer\"} 2",
        "cri_shunt_would_denies_total{rule=\"none\",method=\"CreateContainer\"} 1",
        "cri_shunt_would_denies_total{rule=\"none\",method=\"native-api\"} 1",
        "cri_shunt_would_denies_total{rule=\"none\",method=\"unknown-pull\"} 1",
    ] {
        assert!(numbers.contains(number), "{number}: {numbers}");
    }
    assert!(!numbers.contains("cri_shunt_denies_total{"), "{numbers}");

    let (code, text) = ground.explain(&["q.dev/denied/app:1"]);
    assert_eq!(code, Some(0), "it may be pulled: {text}");
    for part in [
        "would be: deny, by rule \"q.dev/denied\"",
        "mode        observe: ",
        "in force    pass, by the built-in default",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (_, text) = ground.explain(&["--format", "json", "q.dev/routed/app:1"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answer["decision"], &answer["mode"]), (&json!("route"), &json!("observe")), "{answer}");
    let in_force = json!({
        "decision": "pass", "rule": {"prefix": "default", "source": null}, "reason": null,
        "candidates": ["q.dev/routed/app:1"],
    });
    assert_eq!(answer["in_force"], in_force, "{answer}");
    let socket = shunt.socket();
    let asked = shunt.command(&[
        "explain",
        "--daemon",
        "--socket",
        socket.to_str().unwrap(),
        "--format",
        "json",
        "q.dev/routed/app:1",
    ]);
    let by_daemon: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(by_daemon["in_force"], in_force, "{by_daemon}");
    let status = shunt.status();
    assert!(status.contains("mode             observe: 0 of 4 rules enforce"), "{status}");
    let checked = String::from_utf8(shunt.run("check", &[]).stdout).unwrap();
    assert!(checked.contains("mode observe: 0 of 4 rules enforce"), "{checked}");
    let shown = String::from_utf8(shunt.run("config", &[]).stdout).unwrap();
    assert!(shown.contains("mode = \"observe\""), "{shown}");
}

async fn an_observed_rule_changes_nothing_of_what_is_in_force(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    let (first, second) = (Fake::in_front_of(storage.host()), Fake::in_front_of(storage.host()));
    let image = Image::busybox("observe-mixed");
    for repository in ["mixed/app", "mixed/other/app"] {
        storage.push(&format!("one/observe-{repository}"), "1", &image);
    }
    let at = format!("{}/one", first.host());
    let observed = |mirrors: &str| rule("docker.io/observe-mixed/other", &[mirrors]) + "mode = \"observe\"\n";
    let deny =
        "[[policy.rule]]\nprefix = \"docker.io/observe-mixed/app\"\ndeny = \"no\"\nmode = \"observe\"\n";
    let config = rule("docker.io/observe-mixed", &[&at]) + &observed(&second.host()) + deny;
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    for name in ["observe-mixed/app:1", "observe-mixed/other/app:1"] {
        // The wider rule is in force. Without it the registry itself would be asked, past every mirror.
        assert_eq!(cri.pull(name).await.unwrap(), image.id(), "{name}:\n{}", shunt.stderr());
    }
    assert_eq!(second.records().len(), 0);
    let said = shunt.stderr();
    assert!(said.contains("route by rule") && said.contains("deny by rule"), "{said}");

    // The other way round: a rule is in force in a policy that is only observed.
    let enforced = "[[policy.rule]]\nprefix = \"docker.io/observe-mixed/app\"\ndeny = \"not at all\"\nmode = \"enforce\"\n";
    let config = format!(
        "[policy]\nmode = \"observe\"\ndefault = \"deny\"\n{}{enforced}",
        rule("docker.io/observe-mixed", &[&at])
    );
    shunt.write_config(&config, containerd);
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    let refused = cri.pull("observe-mixed/app:1").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let own = storage.name("one/observe-mixed/app", "1");
    assert_eq!(cri.pull(&own).await.unwrap(), image.id(), "the default is only observed");
    let native = Raw::connect(&shunt.socket()).await.call(NATIVE, b"").await;
    assert_eq!(native.code(), Some(7), "a rule is in force: {native:?}");
    cri.remove(&image.id()).await.unwrap();
}

async fn a_checkpoint_is_left_to_containerd(version: Version) {
    let (Some(containerd), Some(storage)) = (Containerd::shared(version), Registry::shared()) else { return };
    let image = Image::checkpoint("observe-checkpoint");
    storage.push("observe/checkpoint", "1", &image);
    let own = storage.name("observe/checkpoint", "1");
    let shunt = Shunt::start("[policy]\nmode = \"observe\"\ndefault = \"deny\"\n", containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull(&own).await.unwrap(), image.id());
    // A rule that is only observed allows nothing either.
    let allows = rule(storage.host(), &["127.0.0.1:1"]) + "checkpoint = \"allow\"\nmode = \"observe\"\n";
    shunt.write_config(&allows, containerd);
    shunt.restart();
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull(&own).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(wait_for(async || cri.remove(&image.id()).await.is_ok()).await);
}

/// What only an observed rule demands of signatures refuses no file that containerd would take for a checkpoint.
#[tokio::test]
async fn a_demand_that_is_only_observed_refuses_no_file() {
    let Some(containerd) = Containerd::shared(Version::V2_1) else { return };
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), include_str!("../fuzz/corpus/signature/key")).unwrap();
    let demand = format!("[[signature]]\nname = \"prod\"\nkeys = [{:?}]\n", key.path());
    for (mode, code) in [("observe", Code::NotFound), ("enforce", Code::PermissionDenied)] {
        let rules = rule("a.dev", &["m.dev/a"]) + &rule("b.dev", &["m.dev/b"]);
        let shunt =
            Shunt::start(&format!("{demand}{rules}verify = \"prod\"\nmode = \"{mode}\"\n"), containerd);
        let request = CreateContainerRequest {
            pod_sandbox_id: "nobody".to_owned(),
            config: Some(pod::container("archive", "/nowhere/at/all.tar", &["true"])),
            ..Default::default()
        };
        let refused =
            Cri::connect(&shunt.socket()).await.runtime.create_container(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{mode}: {refused}");
        let said = shunt.stderr();
        assert_eq!(
            said.contains("would=\"/nowhere/at/all.tar is a file"),
            mode == "observe",
            "{mode}: {said}"
        );
    }
}

on_each_containerd!(
    an_observed_policy_acts_nowhere,
    an_observed_rule_changes_nothing_of_what_is_in_force,
    a_checkpoint_is_left_to_containerd,
);
