//! The end of the daemon: calls that it cuts have their lines too.

use std::path::Path;

use rustix::process::Signal;

use crate::lines;
use crate::support::containerd::Containerd;
use crate::support::cri::Cri;
use crate::support::fake::{Behaviour, Fake};
use crate::support::registry::Registry;
use crate::support::shunt::{Shunt, rule};
use crate::support::version::Version;
use crate::support::wait_for;

#[tokio::test]
async fn a_pull_that_is_cut_has_its_line() {
    let (Some(containerd), Some(registry)) = (Containerd::shared(Version::ALL[0]), Registry::shared()) else {
        return;
    };
    let fake = Fake::in_front_of(registry.host());
    fake.on("/v2/", Behaviour::Silent);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.jsonl");
    let config = format!("{}[audit]\nfile = {file:?}\n", rule("quay.io", &[&fake.host()]));
    let shunt = Shunt::start(&config, containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let pulling = tokio::spawn(async move { cri.pull("quay.io/cut/app:1").await });
    assert!(wait_for(async || !fake.records().is_empty()).await, "{}", shunt.stderr());
    shunt.signal(Signal::TERM);
    shunt.says("stopping: no new calls");
    shunt.signal(Signal::TERM);
    shunt.ends();
    pulling.await.unwrap().unwrap_err();
    let told = lines(&shunt, Path::new(&file), 1);
    assert_eq!(
        (&told[0]["asked"], &told[0]["outcome"]),
        (&"quay.io/cut/app:1".into(), &"client-left".into())
    );
}
