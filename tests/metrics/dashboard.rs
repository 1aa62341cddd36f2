//! Each query of the dashboard and of the alerts, at a real Prometheus that scrapes a real shunt.

use serde_json::Value;

use crate::prometheus::{Prometheus, door_to};
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::image::Image;
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::support::wait_until;
use crate::{KEY, listener, numbers};

pub const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus/alerts.yaml");
pub const DASHBOARD: &str = include_str!("../../packaging/grafana/cri-shunt.json");

/// A query as Grafana sends it. The interval is long, so that what was done is in it on a slow machine too.
fn filled_in(query: &str) -> String {
    query.replace("$job", "cri-shunt").replace("$instance", ".*").replace("$__rate_interval", "1h")
}

/// The queries of all panels, by the title of the panel.
fn panels(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    panels
        .flat_map(|panel| {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
            let title = panel["title"].as_str().unwrap();
            panel["targets"].as_array().unwrap().iter().map(move |target| {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{target}");
                (title.to_owned(), filled_in(target["expr"].as_str().unwrap()))
            })
        })
        .collect()
}

/// What a variable offers, asked as Grafana asks for `label_values(series, label)`.
fn offered(prometheus: &Prometheus, variable: &Value) -> Value {
    assert_eq!(variable["datasource"]["uid"], "${datasource}", "{variable}");
    let query = variable["query"]["query"].as_str().unwrap();
    let arguments = query.strip_prefix("label_values(").and_then(|query| query.strip_suffix(')')).unwrap();
    let (series, label) = arguments.rsplit_once(", ").unwrap();
    prometheus.ask(&format!("label/{label}/values"), &[("match[]", &filled_in(series))]).unwrap()
}

/// Pulls of every kind: served by a mirror and by the next one, by the original registry, refused, limited, failed, not
/// signed, and what is only observed.
async fn load(cri: &Cri, base: &str, round: usize) {
    let app = format!("{base}/app{round}:1");
    cri.pull(&format!("quay.io/{app}")).await.unwrap();
    cri.pull(&format!("ghcr.io/{app}")).await.unwrap();
    cri.pull("evil/app").await.unwrap_err();
    cri.pull(&format!("ghcr.io/{base}/none{round}:1")).await.unwrap_err();
    cri.pull(&format!("gcr.io/{app}")).await.unwrap_err();
    for observed in ["denied", "routed"] {
        cri.pull(&format!("ghcr.io/{base}/{observed}:1")).await.unwrap();
    }
    // Not each of them is timed.
    for _ in 0..7 {
        cri.list().await.unwrap();
    }
}

/// Prometheus is the same for each containerd, so one of them is enough.
#[tokio::test]
async fn each_query_can_be_asked_and_has_its_data() {
    let (version, rules) = (Version::V1_7, std::path::Path::new(RULES));
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let base = "dashboard";
    for repository in ["app0", "app1", "app2", "denied", "routed"].map(|name| format!("{base}/{name}")) {
        registry.push(&repository, "1", &Image::busybox(&repository));
    }
    let fakes = [0; 3].map(|_| Fake::in_front_of(registry.host()));
    let [broken, limited, well] = &fakes;
    broken.on("/v2/", Behaviour::Status(500));
    limited.on("/v2/", Behaviour::With(429, &[("Retry-After", "3600")]));
    let hosts: Vec<String> = fakes.iter().map(Fake::host).collect();
    containerd.host_is("ghcr.io", registry.host());
    let (dir, socket, table) = listener();
    let all: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let key = dir.path().join("key.pub");
    std::fs::write(&key, KEY).unwrap();
    let config = [
        format!("[audit]\nfile = {:?}\n{table}", dir.path().join("audit.jsonl")),
        "[pull]\nretry-down-after = \"1h\"\n".to_owned(),
        format!("[[signature]]\nname = \"prod\"\nkeys = [{key:?}]\n"),
        rule("quay.io", &all) + "collapse = true\n",
        rule("ghcr.io", &[&hosts[0]]) + "collapse = true\norigin = \"last\"\n",
        rule("gcr.io", &[&hosts[2]]) + "collapse = true\nverify = \"prod\"\n",
        "[[policy.rule]]\nprefix = \"docker.io/evil\"\ndeny = \"no\"\n".to_owned(),
        format!("[[policy.rule]]\nprefix = \"ghcr.io/{base}/denied\"\ndeny = \"no\"\nmode = \"observe\"\n"),
        rule(&format!("ghcr.io/{base}/routed"), &[&hosts[2]]) + "mode = \"observe\"\n",
    ];
    let shunt = Shunt::start(&config.concat(), &containerd);
    let found = r#"{"version":1,"looked_at":17,"same":3,"differs":2,"missing":0,"unknown":0,"denied":1}"#;
    std::fs::write(shunt.state_dir().join("drift.json"), found).unwrap();
    let cri = Cri::connect(&shunt.socket()).await;
    // Counters have to be seen before they grow, for the queries are of their growth.
    load(&cri, base, 0).await;
    let Some(prometheus) = Prometheus::scraping(&[(door_to(&socket), "worker-1")], rules) else { return };
    let is_scraped = |round: usize| {
        let wanted = numbers(&socket)["cri_shunt_pull_seconds_count"];
        let seen = || {
            let series = prometheus.query("cri_shunt_pull_seconds_count").unwrap();
            series.first().is_some_and(|one| one["value"][1] == wanted.to_string().as_str())
        };
        assert!(wait_until(seen), "round {round} is not seen\n{}", shunt.stderr());
    };
    for round in 1..3 {
        is_scraped(round);
        load(&cri, base, round).await;
    }
    assert!(!well.records().is_empty());

    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["type"], &variables[0]["query"]), (&"datasource".into(), &"prometheus".into()));
    for (variable, value) in variables[1..].iter().zip(["cri-shunt", "worker-1"]) {
        assert_eq!(offered(&prometheus, variable), serde_json::json!([value]), "{variable}");
    }
    let panels = panels(&dashboard);
    assert!(panels.len() > 34);
    for (title, query) in panels {
        // An error ends the test at once; data may come with the next scrape.
        let has_data = || {
            let series = prometheus.query(&query).unwrap_or_else(|error| panic!("{title}: {query}: {error}"));
            series.iter().any(|one| one["value"][1] != "NaN")
        };
        assert!(wait_until(has_data), "\"{title}\" shows nothing: {query}\n{}", numbers_as_text(&socket));
    }
    // Its numbers are those of what was done.
    let mirrors = |query: &str| prometheus.query(query).unwrap()[0]["value"][1].clone();
    assert_eq!(mirrors("count(cri_shunt_mirror_up == 0)"), "1");
    assert_eq!(mirrors("count(cri_shunt_mirror_rests_until_timestamp_seconds > time())"), "1");

    let groups = prometheus.ask("rules", &[]).unwrap();
    let evaluated = || {
        let groups = prometheus.ask("rules", &[]).unwrap();
        let rules = groups["groups"][0]["rules"].as_array().unwrap().clone();
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok")
    };
    assert!(wait_until(evaluated), "{groups}");
    // These alerts begin now.
    for alert in ["CriShuntMirrorDown", "CriShuntRateLimited", "CriShuntOriginFallback"] {
        let query = format!("ALERTS{{alertname=\"{alert}\"}}");
        assert!(wait_until(|| !prometheus.query(&query).unwrap().is_empty()), "{alert}");
    }
}

fn numbers_as_text(socket: &std::path::Path) -> String {
    crate::get(socket, "/metrics").1
}
