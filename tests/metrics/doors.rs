//! The listener, and what it answers.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::support::cri::Cri;
use crate::support::http1;
use crate::support::shunt::Shunt;
use crate::support::wait_until;
use crate::{get, listener, numbers};

const DENY: &str = "[policy]\ndefault = \"deny\"\n";

/// A shunt with nothing behind it.
fn start(config: &str) -> Shunt {
    Shunt::start_before(config, Path::new("/nowhere/containerd.sock"))
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let (_dir, socket, table) = listener();
    let shunt = start(&format!("{DENY}{table}"));
    shunt.says(&format!("metrics are served at {}", socket.display()));
    assert_eq!(get(&socket, "/healthz"), (200, "ok\n".to_owned()));
    let (status, text) = get(&socket, "/readyz");
    assert_eq!(status, 503);
    assert!(text.starts_with("containerd: does not answer: ") && text.contains("\npolicy: "), "{text}");
    assert_eq!(get(&socket, "/else").0, 404);
    let (status, text) = get(&socket, "/metrics");
    assert!(status == 200 && text.contains("cri_shunt_policy_info{hash=\""), "{text}");
    // A client that would keep its connection gives its place back all the same.
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    shunt.stop();
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_taken_port_keeps_nobody_waiting_and_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let shunt = start(&format!("{DENY}[metrics]\nlisten = \"{address}\"\n"));
    shunt.says(&format!("no metrics are served: cannot listen on {address}: Address already in use"));
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/a:1").await.unwrap_err().code(), tonic::Code::PermissionDenied);
    assert!(shunt.status().contains(&format!("metrics          cannot listen on {address}: ")));
    // It is tried again.
    drop(taken);
    shunt.says("metrics are served at ");
    let answer = http1::get_on(&TcpStream::connect(address).unwrap(), "/healthz").unwrap();
    assert_eq!(answer.status(), 200);
    assert!(!shunt.status().contains("\nmetrics "));
}

#[tokio::test]
async fn who_never_reads_or_never_asks_holds_up_no_pull_and_is_hung_up_on() {
    let (_dir, socket, table) = listener();
    let shunt = start(&format!("{DENY}{table}"));
    shunt.says("metrics are served at ");
    let connect = |begin: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(begin.as_bytes()).unwrap();
        stream
    };
    let many = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2000);
    let idle: Vec<UnixStream> =
        (0..3).flat_map(|_| [connect(""), connect("GET /met"), connect(&many)]).collect();
    let cri = Cri::connect(&shunt.socket()).await;
    assert_eq!(cri.pull("quay.io/a:1").await.unwrap_err().code(), tonic::Code::PermissionDenied);
    // They get their time, and then another one gets a place.
    assert_eq!(get(&socket, "/healthz").0, 200);
    drop(idle);
}

#[tokio::test]
async fn ten_thousand_names_do_not_grow_the_numbers() {
    let (_dir, socket, table) = listener();
    let shunt = start(&format!("{DENY}[log]\nlevel = \"warn\"\n{table}"));
    assert!(wait_until(|| UnixStream::connect(&socket).is_ok()));
    let cri = Cri::connect(&shunt.socket()).await;
    let pull = async |name: String| drop(cri.pull(&name).await.unwrap_err());
    pull("host.dev/a:1".to_owned()).await;
    let names = || numbers(&socket).into_keys().collect::<BTreeSet<String>>();
    let before = names();
    for at in 0..10_000 {
        pull(format!("host-{at}.dev/team-{at}/app:{at}")).await;
    }
    assert_eq!(names(), before);
    let pulls = "cri_shunt_pulls_total{rule=\"default\",registry=\"none\",outcome=\"denied\"}";
    assert_eq!(numbers(&socket)[pulls], 10_001.0);
}
