//! What an adopted pull costs over a direct one: figures, on each containerd.
//!
//! Before: `pull` shows that both work.  After: nobody; `cargo test --test adopt_cost -- --nocapture`
//! prints them.
//! Holds: both pull the same small image from the same registry with nothing of it there, in turn, so
//! that a busy machine is as busy for both. No time is asserted: the machine is not ours alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::io::Write as _;
use std::time::{Duration, Instant};

use support::containerd::Containerd;
use support::cri::Cri;
use support::image::Image;
use support::registry::Registry;
use support::shunt::Shunt;
use support::version::Version;

const ROUNDS: usize = 30;

/// Pulls `name`, which is `image`, and leaves nothing of it.
async fn timed(cri: &Cri, direct: &Cri, name: &str, image: &Image) -> Duration {
    let begun = Instant::now();
    assert_eq!(cri.pull(name).await.unwrap(), image.id());
    let took = begun.elapsed();
    assert!(direct.has(name).await, "{name}");
    direct.remove(&image.id()).await.unwrap();
    assert!(!direct.has(name).await, "{name}");
    took
}

fn millis(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0
}

async fn figures(version: Version) {
    let (Some(containerd), Some(registry)) = (Containerd::start(version), Registry::shared()) else { return };
    let image = Image::busybox(&format!("cost-{}", version.line()));
    // The registry is shared by the tests of all three.
    let path = format!("cost-{}", version.line());
    registry.push(&format!("{path}/cost/app"), "1", &image);
    let config =
        format!("[[policy.rule]]\nprefix = \"docker.io/cost\"\nmirrors = [\"{}/{path}\"]\n", registry.host());
    let shunt = Shunt::start(&config, &containerd);
    let cri = Cri::connect(&shunt.socket()).await;
    let direct = Cri::connect(&containerd.socket()).await;
    let mirror = registry.name(&format!("{path}/cost/app"), "1");
    let mut times = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        let took = [
            timed(&direct, &direct, &mirror, &image).await,
            timed(&cri, &direct, &mirror, &image).await,
            timed(&cri, &direct, "docker.io/cost/app:1", &image).await,
        ];
        // The first is for warming up.
        if round > 0 {
            times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
        }
    }
    let [direct, passed, adopted] = times.each_mut().map(|times| (millis(times, 50), millis(times, 90)));
    let line = format!(
        "containerd {}: direct {:.1} ms (p90 {:.1}), passed {:.1} ms (p90 {:.1}), adopted {:.1} ms (p90 {:.1}): \
         {:+.1} ms for adoption\n",
        version.line(),
        direct.0,
        direct.1,
        passed.0,
        passed.1,
        adopted.0,
        adopted.1,
        adopted.0 - direct.0,
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

on_each_containerd!(figures);
