//! Measures the shunt beside other relays, on one machine, in one run.
//!
//! `cargo bench --bench relay` (or `make bench`) prints the table of the README and saves the figures in
//! `target/bench/relay.json`. Rounds are interleaved: each target gets each workload once a round, so that
//! whatever else the machine does falls on all of them. Figures are medians over the rounds.
//!
//! Holds: a target of which one answer is not what the upstream itself answers, in status or in bytes, ends the run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod echo;
mod events;
mod load;
mod table;
mod target;

#[path = "../../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;

use load::{Load, Sample};
use target::Target;

/// `CRI_SHUNT_BENCH_ROUNDS`, for a quick look or a long one.
fn rounds() -> usize {
    let Some(text) = std::env::var_os("CRI_SHUNT_BENCH_ROUNDS") else { return 9 };
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0);
    number.unwrap_or_else(|| {
        panic!("CRI_SHUNT_BENCH_ROUNDS is a number of rounds, 1 or more, and not {text:?}")
    })
}

/// Samples of one workload by target.
type Samples = BTreeMap<&'static str, Vec<Sample>>;

/// A part of the table, by its name.
type Part = (&'static str, fn(&mut table::Report));

/// What is measured; the name of one as the argument is that one alone.
const PARTS: [Part; 4] =
    [("bare", bare), ("images", images), ("events", container_events), ("watched", watched)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut parts = PARTS.to_vec();
    match arguments[..] {
        [] => {}
        [part] if parts.iter().any(|(name, _)| *name == part) => parts.retain(|(name, _)| *name == part),
        ["--echo", socket] => return echo::serve(Path::new(socket)),
        // One load alone, for a profiler: strace -c -p PID, valgrind --tool=callgrind.
        ["--drive", socket, size, in_flight, calls] => {
            let number = |text: &str| text.parse().expect("a number");
            let load = Load::unary(format!("/bench.Echo/{size}"), number(in_flight), number(calls));
            return println!("{:?}", load.run(&Target::at(Path::new(socket))));
        }
        _ => panic!(
            "usage: cargo bench --bench relay [-- bare|images|events|watched|--echo SOCKET|--drive SOCKET SIZE IN_FLIGHT CALLS]"
        ),
    }
    // A mistake is to be seen at once.
    rounds();
    let mut report = table::Report::default();
    parts.iter().for_each(|(_, measure)| measure(&mut report));
    report.print();
    report.save(&Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/relay.json"));
}

/// Against an upstream that does nothing but answer: the relay itself.
fn bare(report: &mut table::Report) {
    let echo = echo::Echo::start();
    let targets = Target::start_all(echo.socket());
    for (name, load) in bare_loads() {
        report.add("bare echo upstream", name, measure(&targets, &load));
    }
    report.memory(&targets);
}

/// What it costs a relayed call that metrics and audit are on.
fn watched(report: &mut table::Report) {
    let echo = echo::Echo::start();
    let targets = Target::start_watched(echo.socket());
    for (name, load) in bare_loads() {
        report.add("metrics and audit", name, measure(&targets, &load));
    }
}

fn bare_loads() -> [(&'static str, Load); 7] {
    let answer = |size: usize| format!("/bench.Echo/{size}");
    [
        ("200 B, 1 in flight", Load::unary(answer(200), 1, 3000)),
        ("200 B, 16 in flight", Load::unary(answer(200), 16, 12_000)),
        ("200 B, 256 in flight", Load::unary(answer(200), 256, 12_000)),
        ("64 KiB, 16 in flight", Load::unary(answer(64 << 10), 16, 2000)),
        ("8 MiB, 1 in flight", Load::unary(answer(8 << 20), 1, 12)),
        ("server stream, 64 clients", Load::unary("/bench.Echo/events/100".to_owned(), 64, 128)),
        ("one call a connection", Load::connections(answer(200), 300)),
    ]
}

/// Against a real containerd of the machine's own line.
fn images(report: &mut table::Report) {
    use support::version::Version;
    let Some(containerd) = Version::ALL.into_iter().find_map(support::containerd::Containerd::start) else {
        return println!("no containerd here: its part of the table is left out");
    };
    let Some(registry) = support::registry::Registry::start() else { return };
    let image = support::image::Image::busybox("bench");
    registry.push("bench/app", "1", &image);
    let name = registry.name("bench/app", "1");
    support::block_on(async {
        support::cri::Cri::connect(&containerd.socket()).await.pull(&name).await.unwrap();
        let native = support::native::Native::connect(&containerd.socket()).await;
        for index in 0..2000 {
            native.tag(&name, &format!("registry.example/team-{index}/service:release-{index}")).await;
        }
    });
    // CRI takes note of each name by and by.
    let count = || {
        support::block_on(async {
            let cri = support::cri::Cri::connect(&containerd.socket()).await;
            cri.list().await.unwrap().iter().map(|image| image.repo_tags.len()).sum::<usize>()
        })
    };
    assert!(support::wait_until(|| count() > 2000));
    let targets = Target::start_all(&containerd.socket());
    let spec = [&[0x0a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    let status = [&[0x0a, u8::try_from(spec.len()).unwrap()], spec.as_slice()].concat();
    let call = |method: &str| format!("/runtime.v1.ImageService/{method}");
    let loads = [
        ("ImageStatus, 1 in flight", Load::unary(call("ImageStatus"), 1, 500).with(status)),
        ("ListImages of 2000 names, 16 in flight", Load::unary(call("ListImages"), 16, 320)),
    ];
    for (name, load) in loads {
        report.add("real containerd", name, measure(&targets, &load));
    }
}

/// Streams that last, from a containerd that has them (1.6 has not, and 1.7 gives each event to one client).
fn container_events(report: &mut table::Report) {
    use support::version::Version;
    let Some(containerd) = support::containerd::Containerd::start(Version::V2_1) else {
        return println!("no containerd 2.1 here: container events are left out");
    };
    let Some(registry) = support::registry::Registry::start() else { return };
    containerd.serve_pause(&registry);
    let image = support::image::Image::busybox("bench-events");
    registry.push("bench/events", "1", &image);
    support::block_on(async {
        let name = registry.name("bench/events", "1");
        support::cri::Cri::connect(&containerd.socket()).await.pull(&name).await.unwrap();
    });
    let targets = Target::start_all(&containerd.socket());
    let samples = rounds_of(&targets, |target| events::run(target, &containerd.socket(), &image.id()));
    report.add("real containerd", "GetContainerEvents, 64 clients", samples);
}

fn measure(targets: &[Target], load: &Load) -> Samples {
    let direct = load.run(&targets[0]);
    rounds_of(targets, |target| {
        let sample = load.run(target);
        assert_eq!(sample.digest, direct.digest, "{} answers otherwise than direct", target.name);
        sample
    })
}

/// Each target in turn, round by round. The first round warms up and is compared, not counted.
fn rounds_of(targets: &[Target], run: impl Fn(&Target) -> Sample) -> Samples {
    let mut samples = Samples::new();
    for round in 0..=rounds() {
        for target in targets {
            let sample = run(target);
            if round > 0 {
                samples.entry(target.name).or_default().push(sample);
            }
        }
    }
    samples
}
