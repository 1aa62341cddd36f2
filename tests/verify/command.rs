//! `cri-shunt verify`: what is on the node, held against what the policy demands now.

use serde_json::{Value, json};

use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::version::Version;
use crate::{Setup, image, on_each_containerd, setup, world};

on_each_containerd!(what_is_on_the_node_is_held_against_the_policy);

/// One image as JSON.
const KNOWN: &str = "{\"name\":\"HOST/verify/checked:1\",\"verdict\":\"verified\",\"digest\":\"DIGEST\",\
    \"rule\":\"HOST/verify\",\"source\":\"CONFIG:7\",\"observed\":false,\"signatures\":[{\"by\":\"prod\",\
    \"keys\":[\"FINGERPRINT\"],\"identities\":[],\"needed\":1,\"identity\":\"repository\",\"without_name\":false,\
    \"annotations\":{},\"signatures_from\":[],\"when_away\":\"closed\",\"max_age\":null}],\
    \"verified\":[{\"signature\":\"prod\",\"by\":[\"key FINGERPRINT\"],\"registry\":\"FRONT/verify/checked\",\
    \"time\":\"TIME\",\"known\":true}],\"reason\":null}";

/// By its registry's own names, from a mirror alone; one repository needs no signature.
fn config(mirror: &str) -> String {
    format!(
        "[[signature]]\nname = \"prod\"\nkeys = [\"KEY\"]\n[policy]\npresent = \"hide\"\n\
         [[policy.rule]]\nprefix = \"HOST/verify\"\nmirrors = [\"{mirror}\"]\norigin = \"never\"\nverify = \"prod\"\n\
         [[policy.rule]]\nprefix = \"HOST/verify/free\"\npass = true\n"
    )
}

/// What a run has shown.
struct Shown {
    exit: i32,
    text: String,
    stderr: String,
}

impl Shown {
    /// Verdict and reason of each image, and whether it was known before, by the repositories' names.
    fn rows(&self) -> Vec<Value> {
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            let name = row["name"].as_str().unwrap();
            let name = name.rsplit('/').next().unwrap().trim_end_matches(":1").to_owned();
            json!([name, row["verdict"], row["verified"][0]["known"]])
        };
        self.text.lines().map(row).collect()
    }

    fn first(&self, of: &str) -> Value {
        let mut rows = self.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.find(|row| row["name"].as_str().unwrap().ends_with(of))
            .unwrap_or_else(|| panic!("{}", self.text))
    }

    fn reason(&self, of: &str) -> String {
        self.first(of)["reason"].as_str().unwrap_or_default().to_owned()
    }
}

impl Setup<'_> {
    fn verify(&self, arguments: &[&str]) -> Shown {
        let output = self.shunt.run("verify", arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(self.world.registry.host(), "HOST");
        Shown { exit: output.status.code().unwrap(), text: text(output.stdout), stderr: text(output.stderr) }
    }

    fn as_json(&self, arguments: &[&str]) -> Shown {
        self.verify(&[&["--format", "json"], arguments].concat())
    }
}

/// With single blanks, and without what differs from run to run.
fn narrow(setup: &Setup<'_>, (front, key): (&Fake, &str), shown: &Shown) -> String {
    let config = setup.shunt.config_file();
    let replaced = [
        (config.to_str().unwrap().to_owned(), "CONFIG"),
        (front.host(), "FRONT"),
        (key.to_owned(), "FINGERPRINT"),
        (image("checked").digest(), "DIGEST"),
        (image("checked").digest()["sha256:".len()..][..12].to_owned(), "DIGITS"),
        (image("unchecked").digest()["sha256:".len()..][..12].to_owned(), "UNSIGNED"),
        (image("free").digest()["sha256:".len()..][..12].to_owned(), "FREE"),
    ];
    let text = replaced.iter().fold(shown.text.clone(), |text, (what, word)| text.replace(what, word));
    let narrow = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(narrow).collect::<Vec<_>>().join("\n")
}

async fn what_is_on_the_node_is_held_against_the_policy(version: Version) {
    let Some(world) = world() else { return };
    let front = Fake::in_front_of(world.registry.host());
    let Some(setup) = setup(version, &config(&front.host())).await else { return };
    let name = |repository: &str| format!("{}/verify/{repository}:1", world.registry.host());
    let [signed, unsigned, borrowed, child, free] =
        ["checked", "unchecked", "borrowed", "checked-child", "free"].map(name);
    // Past the shunt, as somebody has done it before: it hides what it has not found signed.
    let direct = Cri::connect(&setup.containerd.socket()).await;
    for name in [&signed, &unsigned, &borrowed, &child, &free] {
        direct.pull(name).await.unwrap();
    }
    assert!(!setup.cri.has(&signed).await && !setup.cri.has(&unsigned).await);
    let absent = name("absent");
    let found = setup.as_json(&[&signed, &unsigned, &borrowed, &child, &free, &absent, "UPPER"]);
    assert_eq!(
        Value::from(found.rows()),
        json!([
            ["absent", "not-on-node", null],
            ["borrowed", "refused", null],
            ["checked-child", "verified", false],
            ["checked", "verified", false],
            ["free", "not-demanded", null],
            ["unchecked", "refused", null],
            ["UPPER", "refused", null],
        ]),
        "{}",
        found.text
    );
    assert_eq!((found.exit, found.stderr.as_str()), (1, ""));
    assert!(found.reason("unchecked:1").contains("(looked at "), "{}", found.text);
    assert!(found.reason("unchecked:1").ends_with("it has no signature"), "{}", found.text);
    assert!(found.reason("borrowed:1").contains("it is for the name HOST/verify/checked"), "{}", found.text);
    assert!(found.reason("UPPER").contains("upper case"), "{}", found.text);
    let key = found.first("checked:1")["verified"][0]["by"][0].as_str().unwrap().to_owned();
    let key = key.strip_prefix("key ").unwrap();
    let found = setup.verify(&[&signed, &free, &unsigned]);
    let table = [
        "VERDICT IMAGE DIGEST RULE DEMANDED FOUND",
        "verified HOST/verify/checked:1 DIGITS CONFIG:7 prod prod: key FINGERPRINT, at FRONT/verify/checked",
        "not demanded HOST/verify/free:1 FREE CONFIG:12 -",
        "refused HOST/verify/unchecked:1 UNSIGNED CONFIG:7 prod sha256:UNSIGNED… is not signed as \"prod\" demands \
         (looked at FRONT/verify/unchecked): it has no signature",
        "3 images: 1 verified, 1 not demanded, 1 refused",
    ];
    assert_eq!(narrow(&setup, (&front, key), &found), table.join("\n"));
    // What is only observed is looked for as well.
    let observed = setup.shunt.config_file().with_file_name("observed.toml");
    let written = std::fs::read_to_string(setup.shunt.config_file()).unwrap();
    std::fs::write(&observed, written.replace("[policy]\n", "[policy]\nmode = \"observe\"\n")).unwrap();
    let config = observed.to_str().unwrap();
    let would = setup.shunt.command(&["verify", "--config", config, &signed, &unsigned]);
    let text = String::from_utf8(would.stdout).unwrap();
    let begins = |line: usize, with: &str| text.lines().nth(line).is_some_and(|line| line.starts_with(with));
    assert!(begins(1, "verified (observed)  ") && begins(2, "refused (observed)   "), "{text}");
    assert_eq!(would.status.code(), Some(1));
    // Nothing was written: the daemon has found nothing yet.
    let kept = setup.shunt.state_dir().join("verified.json");
    assert!(!kept.exists());
    let offline = setup.as_json(&["--offline", &signed, &free]);
    assert_eq!(
        Value::from(offline.rows()),
        json!([["checked", "not-answered", null], ["free", "not-demanded", null]])
    );
    assert_eq!(offline.reason("checked:1"), "the daemon has not found it signed as \"prod\" demands");
    assert_eq!(offline.exit, 1);
    setup.cri.pull(&signed).await.unwrap();
    setup.shunt.until("it is kept", || kept.exists());
    let before = std::fs::read(&kept).unwrap();
    front.on("/v2/", Behaviour::Status(503));
    let requests = front.records().len();
    let offline = setup.as_json(&["--offline", &signed, &free]);
    assert_eq!(
        Value::from(offline.rows()),
        json!([["checked", "verified", true], ["free", "not-demanded", null]])
    );
    assert_eq!((offline.exit, front.records().len()), (0, requests));
    let alone = setup.as_json(&["--offline", &signed]);
    let time = alone.first("checked:1")["verified"][0]["time"].clone();
    let alone = Shown { text: alone.text.replace(time.as_str().unwrap(), "TIME"), ..alone };
    assert_eq!(narrow(&setup, (&front, key), &alone), KNOWN);
    // What was found before counts while the registry is away, as for a pull.
    let away = setup.as_json(&[&signed, &unsigned]);
    assert_eq!(
        Value::from(away.rows()),
        json!([["checked", "verified", true], ["unchecked", "not-answered", null]])
    );
    assert!(away.reason("unchecked:1").contains("503"), "{}", away.text);
    assert_eq!(std::fs::read(&kept).unwrap(), before);
    // All on the node are among these, and a name by its digest is one of them.
    let by_digest = format!("{}@{}", signed.trim_end_matches(":1"), image("checked").digest());
    let all = setup.as_json(&["--all", "--offline", &by_digest]);
    let verdict = |of: &str| all.first(&of.replace(world.registry.host(), "HOST"))["verdict"].clone();
    assert_eq!(
        [&by_digest, &signed, &unsigned].map(|name| verdict(name)),
        ["verified", "verified", "not-answered"]
    );
    std::fs::write(&kept, "{").unwrap();
    let damaged = setup.verify(&["--offline", &signed]);
    assert_eq!((damaged.exit, damaged.text.as_str()), (2, ""));
    assert!(damaged.stderr.starts_with("error: what the daemon has found signed in "), "{}", damaged.stderr);
    front.on("/v2/", Behaviour::Forward);
    let damaged = setup.verify(&["--quiet", &signed]);
    assert_eq!((damaged.exit, damaged.text.as_str()), (0, ""));
    assert!(
        damaged.stderr.starts_with("warning: what the daemon has found signed in "),
        "{}",
        damaged.stderr
    );
    assert_eq!(setup.verify(&["--offline", "--jobs", "2"]).exit, 2);
    assert_eq!(setup.verify(&["--containerd", "/nonexistent/containerd.sock"]).exit, 3);
    for repository in ["checked", "unchecked", "checked-child", "free"] {
        direct.remove(&image(repository).id()).await.unwrap();
    }
}
