//! `images` and `inspect`: what is on the node, which registry served it, and what the policy says of it now.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::containerd::Containerd;
use support::cri::Cri;
use support::fake::{Behaviour, Fake};
use support::http1;
use support::image::Image;
use support::native::Native;
use support::registry::Registry;
use support::shunt::{Shunt, rule};
use support::version::Version;

on_each_containerd!(
    images_tell_who_served_them_and_what_the_policy_says_now,
    an_image_that_did_not_come_through_the_daemon_is_unknown,
);

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.stderr.is_empty(), "{output:?}");
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(images: &[Value]) -> Vec<&str> {
    images.iter().map(|image| image["name"].as_str().unwrap()).collect()
}

/// `library/nginx` comes by a rewrite from the second mirror, as the first one fails; the other as it is.
async fn images_tell_who_served_them_and_what_the_policy_says_now(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let base = format!("images-{}", version.line().replace('.', "-"));
    let (big, small) = (Image::big(&format!("{base}-big"), 1), Image::busybox(&format!("{base}-small")));
    registry.push(&format!("hub/{base}/big"), "1", &big);
    registry.push(&format!("{base}/small"), "2", &small);
    let (first, second) = (Fake::in_front_of(registry.host()), Fake::in_front_of(registry.host()));
    first.on("/v2/", Behaviour::Status(404));
    let origin = Fake::in_front_of(registry.host());
    let rewrite = "rewrite = [{ match = \"^(.*)$\", replace = \"hub/$1\" }]\n";
    let config = rule("docker.io", &[&first.host(), &second.host()]) + rewrite;
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    cri.pull(&format!("{base}/big:1")).await.unwrap();
    let passed = format!("{}/{base}/small:2", origin.host());
    cri.pull(&passed).await.unwrap();
    let routed = format!("docker.io/{base}/big:1");

    let images = |args: &[&str]| {
        let output = shunt.run("images", &[&["--format", "json", &base], args].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        lines(&output)
    };
    let all = images(&["--sort", "size"]);
    assert_eq!(names(&all), [&routed, &passed], "the largest first, and each image once: {all:?}");
    let [routed_row, passed_row] = &all[..] else { panic!("{all:?}") };
    assert_eq!(routed_row["registry"], second.host().as_str());
    assert_eq!(routed_row["reference"], format!("{}/hub/{base}/big:1", second.host()).as_str());
    assert_eq!((&routed_row["rule"], &routed_row["today"]), (&"docker.io".into(), &"route".into()));
    assert_eq!(routed_row["digest"], support::image::digest(&big.manifest()).as_str());
    assert_eq!(routed_row["id"], big.id().as_str());
    assert!(routed_row["size"].as_u64().unwrap() > 1 << 20, "{routed_row}");
    let since: prost_types::Timestamp = routed_row["since"].as_str().unwrap().parse().unwrap();
    let pulled: prost_types::Timestamp = routed_row["pulled"].as_str().unwrap().parse().unwrap();
    assert!((since.seconds - pulled.seconds).abs() <= 300, "{routed_row}");
    assert_eq!(
        (&passed_row["registry"], &passed_row["today"]),
        (&origin.host().as_str().into(), &"pass".into())
    );

    // Filters.
    assert_eq!(names(&images(&["--registry", &second.host()])), [&routed]);
    assert_eq!(names(&images(&["--rule", "default"])), [&passed]);
    assert_eq!(names(&images(&["--denied"])), Vec::<&str>::new());
    let by_name = |pattern: &str| {
        let output = shunt.run("images", &["--format", "json", pattern]);
        names(&lines(&output)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(by_name(&format!("docker.io/{base}/*")), std::slice::from_ref(&routed));
    assert_eq!(by_name(&format!("*/{base}/small")), Vec::<String>::new());

    // For people.
    let table = stdout(&shunt.run("images", &[&base]));
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["NAME", "SIZE", "AGE", "FROM", "RULE", "TODAY"]);
    let row = table.lines().find(|line| line.starts_with(&routed)).unwrap();
    assert!(row.contains(&second.host()) && row.ends_with("  docker.io  route"), "{table}");

    // All that is known of one.
    let inspect = |args: &[&str]| shunt.run("inspect", args);
    let found = inspect(&["--format", "json", &format!("{base}/big:1")]);
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    let [report] = &lines(&found)[..] else { panic!("{found:?}") };
    assert_eq!(
        (&report["name"], &report["registry"]),
        (&routed.as_str().into(), &second.host().as_str().into())
    );
    assert_eq!(report["tried"], format!("{} not-found", first.host()).as_str());
    assert_eq!(report["login_source"], "none");
    assert!(report["rule"].as_str().unwrap().contains("config.toml:"), "{report}");
    assert_eq!(report["today"]["decision"], "route");
    let [by_id] = &lines(&inspect(&["--format", "json", &big.id()]))[..] else { panic!() };
    assert_eq!(by_id["name"], report["name"]);
    let text = stdout(&inspect(&[&passed]));
    for part in
        ["  login         client\n", "  tried before  none\n", "  today         pass by rule \"default\"\n"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    // crictl shows the same.
    let verbose = cri.status_verbose(&routed, true).await.unwrap();
    let info: Value = serde_json::from_str(&verbose.info["cri-shunt"]).unwrap();
    assert_eq!((&info["tried"], &info["loginSource"]), (&report["tried"], &report["login_source"]));

    // Another policy says something else of them, and the daemon need not run for that.
    shunt.stop();
    shunt.write_config(
        &format!("{config}[[policy.rule]]\nprefix = \"docker.io/{base}\"\ndeny = \"gone\"\n"),
        containerd,
    );
    assert_eq!(names(&images(&["--denied"])), [&routed]);
    let denied = inspect(&[&routed]);
    assert_eq!(denied.status.code(), Some(1), "{denied:?}");
    assert!(stdout(&denied).contains("today         deny by rule"), "{denied:?}");
    let quiet = stdout(&shunt.run("images", &["-q", &base]));
    assert!(quiet.contains(&routed) && !quiet.contains(&passed), "{quiet}");
    // What the pods of a namespace may pull is not denied, though a client without a pod may not.
    let scoped = "[policy]\ndefault = \"deny\"\n[[policy.rule]]\nprefix = \"docker.io\"\nnamespaces = [\"team-*\"]\npass = true\n";
    shunt.write_config(scoped, containerd);
    assert_eq!(names(&images(&["--denied"])), [&passed]);
    assert_eq!(inspect(&[&routed]).status.code(), Some(0));
    let away = inspect(&["quay.io/nobody/has:this"]);
    assert_eq!(away.status.code(), Some(1), "{away:?}");
    assert!(String::from_utf8_lossy(&away.stderr).contains("quay.io/nobody/has:this is not on the node"));
    for name in [&routed, &passed] {
        Cri::connect(&containerd.socket()).await.remove(name).await.unwrap();
    }
}

async fn an_image_that_did_not_come_through_the_daemon_is_unknown(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::shared(version), Registry::shared()) else {
        return;
    };
    let base = format!("images-beside-{}", version.line().replace('.', "-"));
    registry.push(&base, "1", &Image::busybox(&base));
    let dir = tempfile::tempdir().unwrap();
    let metrics = dir.path().join("metrics.sock");
    let shunt = Shunt::start(&format!("[metrics]\nlisten = {metrics:?}\n"), containerd);
    let cri = Cri::connect(&containerd.socket()).await;
    let name = format!("{}/{base}:1", registry.host());
    cri.pull(&name).await.unwrap();
    let tagged = format!("docker.io/library/{base}:other");
    Native::connect(&containerd.socket()).await.tag(&name, &tagged).await;
    let rows = lines(&shunt.run("images", &["--format", "json", "--registry", "unknown", &base]));
    assert_eq!(names(&rows), [&name, &tagged]);
    assert!(rows.iter().all(|row| row["registry"].is_null() && row["size"].as_u64() > Some(0)), "{rows:?}");
    let inspect = shunt.run("inspect", &[&name]);
    assert_eq!(inspect.status.code(), Some(1), "{inspect:?}");
    assert!(stdout(&inspect).contains("unknown: its last pull did not go through cri-shunt"), "{inspect:?}");
    // The list of all images is asked for once, however many are asked for: each further image costs three calls.
    let calls = |images: &[&str]| {
        let before = relayed(&metrics);
        let (config, through) = (dir.path().join("config.toml"), shunt.socket());
        std::fs::write(&config, "").unwrap();
        let of = ["inspect", "--config", config.to_str().unwrap(), "--containerd", through.to_str().unwrap()];
        let output = shunt.command(&[&of, images].concat());
        assert_eq!(stdout(&output).matches("on the node").count(), images.len(), "{output:?}");
        relayed(&metrics) - before
    };
    assert_eq!([calls(&[&name]), calls(&[&name, &tagged, &name])], [4, 10]);
    cri.remove(&name).await.unwrap();
}

/// How many calls the shunt has relayed.
fn relayed(metrics: &Path) -> u64 {
    let answer = http1::get(metrics, "/metrics").unwrap().text();
    let mut lines = answer.lines();
    lines.find_map(|line| line.strip_prefix("cri_shunt_relayed_calls_total ")).unwrap().parse().unwrap()
}

#[test]
fn without_containerd_or_a_configuration_nothing_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let run = |command: &str, text: &str| {
        std::fs::write(&config, text).unwrap();
        let args: &[&str] = if command == "inspect" { &["nginx"] } else { &[] };
        std::process::Command::new(env!("CARGO_BIN_EXE_cri-shunt"))
            .args([command, "--config"])
            .arg(&config)
            .args(args)
            .output()
            .unwrap()
    };
    for command in ["images", "inspect"] {
        let away = run(command, "[containerd]\nsocket = \"/nowhere/containerd.sock\"\n");
        assert_eq!(away.status.code(), Some(3), "{away:?}");
        let said = String::from_utf8_lossy(&away.stderr);
        assert!(said.contains("containerd is not reachable on /nowhere/containerd.sock"), "{said}");
        let wrong = run(command, "nonsense = 1\n");
        assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0), "{wrong:?}");
    }
}
