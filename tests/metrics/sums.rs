//! After a mixed load the numbers, the lines of the audit, the log and what the registries saw agree.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::{KEY, get, listener, numbers, on_each_containerd};

on_each_containerd!(numbers_lines_and_registries_agree);

async fn numbers_lines_and_registries_agree(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let base = format!("sums-{}", version.line().replace('.', "-"));
    let path = |what: &str| format!("{base}/{what}");
    for at in 0..4 {
        let path = path(&format!("app{at}"));
        registry.push(&path, "1", &Image::busybox(&path));
    }
    // The first mirror has none of them, the second has all.
    let (first, second) = (Fake::in_front_of(registry.host()), Fake::in_front_of(registry.host()));
    first.on("/v2/", Behaviour::Status(404));
    let (dir, socket, table) = listener();
    let audit = dir.path().join("audit.jsonl");
    let (one, two) = (first.host(), second.host());
    let key = dir.path().join("key.pub");
    std::fs::write(&key, KEY).unwrap();
    let signature = format!("[[signature]]\nname = \"prod\"\nkeys = [{key:?}]\n");
    let rules = rule("quay.io", &[&one, &two])
        + "collapse = true\n"
        + &rule("gcr.io", &[&two])
        + "collapse = true\nverify = \"prod\"\n"
        + &rule("ghcr.io", &[&two]);
    let config = format!(
        "[log]\nformat = \"json\"\n[audit]\nfile = {audit:?}\n{table}{signature}{rules}collapse = true\n\
         [[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n"
    );
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    // Failed over, served by the first, denied, failed; some at the same time.
    let (mut over, mut direct, mut denied, mut failed) = (0, 0, 0, 0);
    for at in 0..4 {
        let names = [format!("quay.io/{base}/app{at}:1"), format!("ghcr.io/{base}/app{at}:1")];
        let (one, two) = tokio::join!(cri.pull(&names[0]), cri.pull(&names[1]));
        one.unwrap();
        two.unwrap();
        (over, direct) = (over + 1, direct + 1);
        cri.pull("evil/app").await.unwrap_err();
        denied += 1;
        cri.pull(&format!("quay.io/{base}/none{at}:1")).await.unwrap_err();
        // Nobody has signed it.
        cri.pull(&format!("gcr.io/{base}/app{at}:1")).await.unwrap_err();
        failed += 2;
    }
    let all = over + direct + denied + failed;
    let text = || std::fs::read_to_string(&audit).unwrap_or_default();
    shunt.until("all lines of the audit", || text().lines().count() >= all);
    let lines: Vec<Value> = text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), all);
    let numbers = numbers(&socket);

    // The numbers are those of the lines.
    let mut expected: BTreeMap<String, f64> = BTreeMap::new();
    let mut add = |name: String| *expected.entry(name).or_default() += 1.0;
    for line in &lines {
        let (rule, outcome) = (line["rule"]["prefix"].as_str().unwrap(), line["outcome"].as_str().unwrap());
        let registry = line["served"]["registry"].as_str().unwrap_or("none");
        add(format!(
            "cri_shunt_pulls_total{{rule=\"{rule}\",registry=\"{registry}\",outcome=\"{outcome}\"}}"
        ));
        if outcome == "denied" {
            add(format!("cri_shunt_denies_total{{rule=\"{rule}\",method=\"PullImage\"}}"));
        }
        for candidate in line["candidates"].as_array().unwrap() {
            let (registry, class) = (&candidate["registry"], &candidate["outcome"]);
            if class == "signature" {
                add(format!("cri_shunt_verifications_total{{rule=\"{rule}\",outcome=\"refused\"}}"));
            }
            if class != "served" {
                add(format!("cri_shunt_candidate_failures_total{{registry={registry},class={class}}}"));
            }
        }
    }
    let counted = ["pulls", "denies", "candidate_failures", "verifications"]
        .map(|family| format!("cri_shunt_{family}_total"));
    assert_eq!(lines.iter().filter(|line| line["candidates"][0]["outcome"] == "signature").count(), 4);
    let found =
        numbers.iter().filter(|(name, _)| counted.iter().any(|family| name.starts_with(family.as_str())));
    assert_eq!(found.map(|(name, value)| (name.clone(), *value)).collect::<BTreeMap<_, _>>(), expected);
    let pulls = |rest: &str| numbers[&format!("cri_shunt_pulls_total{{{rest}}}")];
    let second_host = second.host();
    assert_eq!(
        pulls(&format!("rule=\"quay.io\",registry=\"{second_host}\",outcome=\"pulled\"")) as usize,
        over
    );
    assert_eq!(
        pulls(&format!("rule=\"ghcr.io\",registry=\"{second_host}\",outcome=\"pulled\"")) as usize,
        direct
    );
    for (name, value) in [
        ("cri_shunt_pull_seconds_count", all),
        ("cri_shunt_pull_containerd_seconds_count", all),
        ("cri_shunt_adoption_seconds_count", over + direct),
        ("cri_shunt_audit_lines_total", all),
        ("cri_shunt_audit_lines_dropped_total", 0),
        ("cri_shunt_policy_rules", 4),
        ("cri_shunt_bypass", 0),
        ("cri_shunt_reload_failures_total", 0),
        ("cri_shunt_origin_fallbacks_total", 0),
    ] {
        assert_eq!(numbers[name] as usize, value, "{name}");
    }
    let hash = lines[0]["policy"].as_str().unwrap();
    assert_eq!(numbers[&format!("cri_shunt_policy_info{{hash=\"{hash}\"}}")], 1.0);
    assert_eq!(numbers[&format!("cri_shunt_mirror_up{{registry=\"{second_host}\"}}")], 1.0);
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
        assert!(numbers[name] > 0.0, "{name}");
    }
    let (relayed, timed) = ("cri_shunt_relayed_calls_total", "cri_shunt_relay_seconds_count");
    assert!(numbers[relayed] >= 1.0, "the test's own look at ListImages");
    assert_eq!(numbers[timed], (numbers[relayed] / 7.0).ceil());

    // And what the registries saw: each repository that a line says was asked for there.
    for fake in [&first, &second] {
        let asked = lines.iter().flat_map(|line| line["candidates"].as_array().unwrap());
        let asked = asked.filter(|candidate| candidate["registry"] == fake.host().as_str());
        let told: BTreeSet<String> = asked
            .map(|candidate| {
                let name = candidate["name"].as_str().unwrap();
                name.split_once('/').unwrap().1.rsplit_once(':').unwrap().0.to_owned()
            })
            .collect();
        let seen = fake.records().into_iter().filter_map(|record| {
            let (repository, _) = record.path.strip_prefix("/v2/")?.split_once("/manifests/")?;
            Some(repository.to_owned())
        });
        assert_eq!(seen.collect::<BTreeSet<_>>(), told);
    }
    // Each pull is one line of the log.
    let said = shunt.stderr();
    let log: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let of_pull: Vec<&Value> =
            log.iter().filter(|entry| entry["id"] == line["id"] && entry["level"] != "debug").collect();
        let [entry] = of_pull[..] else { panic!("{line}: {of_pull:?}") };
        assert_eq!(entry["image"], line["name"], "{entry}");
        if line["outcome"] == "pulled" {
            assert_eq!((&entry["message"], &entry["digest"]), (&"pulled".into(), &line["served"]["digest"]));
            let apart = entry["took"].as_f64().unwrap() - line["seconds"].as_f64().unwrap();
            assert!(apart.abs() < 1e-6, "{entry} {line}");
        }
    }
    assert_eq!(get(&socket, "/readyz").0, 200);

    // What drift has found, and what nobody can use: a pipe has no end.
    assert!(!numbers.contains_key("cri_shunt_drift_timestamp_seconds"));
    let drift = shunt.state_dir().join("drift.json");
    let found = r#"{"version":1,"looked_at":17,"same":3,"differs":2,"missing":0,"unknown":0,"denied":1}"#;
    std::fs::write(&drift, found).unwrap();
    let now = crate::numbers(&socket);
    assert_eq!(now["cri_shunt_drift_timestamp_seconds"], 17.0);
    assert_eq!(now["cri_shunt_drift_images{state=\"differs\"}"], 2.0);
    assert_documented(&get(&socket, "/metrics").1);
    std::fs::remove_file(&drift).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &drift, 0o600.into()).unwrap();
    assert!(!crate::numbers(&socket).contains_key("cri_shunt_drift_timestamp_seconds"));

    // A configuration that is refused is counted.
    shunt.reload("nonsense = 1\n", containerd);
    shunt.says("reload refused");
    let after = crate::numbers(&socket);
    assert_eq!((after["cri_shunt_reload_failures_total"], after["cri_shunt_reload_refused"]), (1.0, 1.0));
}

/// The page has each number, and the other way round.
fn assert_documented(text: &str) {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let found: BTreeSet<String> = types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        // It is there only while a mirror rests, and these where a rule is only observed.
        .chain(["cri_shunt_mirror_rests_until_timestamp_seconds".to_owned()])
        .chain(["denies", "routes"].map(|what| format!("cri_shunt_would_{what}_total")))
        .collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    let documented = rows.filter(|name| !name.starts_with('/')).map(str::to_owned);
    assert_eq!(documented.collect::<BTreeSet<_>>(), found);
}
