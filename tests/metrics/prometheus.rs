//! Prometheus and promtool, as `tests/setup` has unpacked them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use serde_json::Value;

use crate::support::http1;
use crate::support::keeper::Keeper;
use crate::support::{skipped, testbed_dir, wait_until};

/// A program of the package, unless the test cannot run here.
pub fn program(name: &str) -> Option<PathBuf> {
    let unpacked = testbed_dir().join("prometheus/usr/bin").join(name);
    if !unpacked.exists() {
        skipped(&format!("no {name} in the testbed: tests/setup"));
        return None;
    }
    Some(unpacked)
}

/// A Prometheus that scrapes its targets each second, and evaluates the rules of the package.
pub struct Prometheus {
    address: SocketAddr,
    child: Child,
    _keeper: Keeper,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Prometheus {
    /// Each target has its own instance.
    pub fn scraping(targets: &[(SocketAddr, &str)], rules: &Path) -> Option<Self> {
        let program = program("prometheus")?;
        let keeper = Keeper::new("prometheus");
        let dir = keeper.dir();
        let mut config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules:?}]\nscrape_configs:\n\
             - job_name: cri-shunt\n  static_configs:\n"
        );
        for (target, instance) in targets {
            config += &format!("  - targets: [{target}]\n    labels: {{instance: {instance}}}\n");
        }
        std::fs::write(dir.join("prometheus.yaml"), config).unwrap();
        let log = dir.join("log");
        let stderr = File::create(&log).unwrap();
        let child = Command::new(program)
            .arg(format!("--config.file={}", dir.join("prometheus.yaml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(stderr.try_clone().unwrap())
            .stderr(stderr)
            .spawn()
            .unwrap();
        keeper.keep(&child);
        let mut address = None;
        let listens = wait_until(|| {
            let said = std::fs::read_to_string(&log).unwrap();
            let line = said.lines().find(|line| line.contains("msg=\"Listening on\""));
            address = line.and_then(|line| line.split("address=").nth(1)?.trim().parse().ok());
            address.is_some() && said.contains("Server is ready")
        });
        assert!(listens, "{}", std::fs::read_to_string(&log).unwrap());
        Some(Self { address: address.unwrap(), child, _keeper: keeper })
    }

    /// The data of an answer; an error is one in the query.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        let path = format!("/api/v1/{path}?{}", query.join("&"));
        let answer = http1::send(&self.address.to_string(), "GET", &path, &[], b"").unwrap();
        let body = String::from_utf8_lossy(&answer.body);
        let mut json: Value = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        if answer.status() == 200 { Ok(json["data"].take()) } else { Err(body.into_owned()) }
    }

    /// The series that a query has now.
    pub fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let mut data = self.ask("query", &[("query", query)])?;
        match data["result"].take() {
            Value::Array(series) => Ok(series),
            other => Err(format!("{query}: {other}")),
        }
    }

    /// The series that a query had from one second to another, each `step` seconds.
    pub fn over(&self, query: &str, (from, to, step): (f64, f64, f64)) -> Result<Vec<Value>, String> {
        let [from, to, step] = [from, to, step].map(|number| number.to_string());
        let parameters = [("query", query), ("start", &from), ("end", &to), ("step", &step)];
        let mut data = self.ask("query_range", &parameters)?;
        Ok(data["result"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// An address of the loopback that leads to a Unix socket: Prometheus can ask no other.
pub fn door_to(socket: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        for mut outside in listener.incoming().flatten() {
            let Ok(mut inside) = UnixStream::connect(&socket) else { continue };
            std::thread::spawn(move || {
                let (mut request, mut answer) = ([0; 4096], Vec::new());
                // A question fits into one packet, and its answer ends with the connection.
                let length = outside.read(&mut request)?;
                inside.write_all(&request[..length])?;
                inside.read_to_end(&mut answer)?;
                outside.write_all(&answer)
            });
        }
    });
    address
}
