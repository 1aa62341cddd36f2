//! The ground that the tests with a real containerd stand on.
//!
//! `tests/setup` puts the programs in place; an integration test has this by `mod support;`.
//! Holds: all traffic stays on the loopback; everything that a test starts ends with the test process,
//! however that ends; nothing of the machine's own containerd is touched.
//! Not here: the cases themselves.
//!
//! This is a `mod.rs` because cargo would take a `tests/support.rs` for a test program of its own.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

pub mod behaviour;
pub mod caller;
pub mod certificates;
pub mod cold;
pub mod containerd;
pub mod containerd_config;
pub mod cosign;
pub mod cri;
pub mod dice;
pub mod escapes;
pub mod fake;
pub mod foreign;
pub mod guarded;
pub mod http1;
pub mod image;
pub mod keeper;
pub mod mount;
pub mod native;
pub mod nodes;
pub mod pki;
pub mod pod;
pub mod raw;
pub mod refusing;
pub mod registry;
pub mod scripted;
pub mod shunt;
pub mod sigstore;
pub mod systemd;
pub mod upstream;
pub mod version;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a test waits for something that is sure to come. It only turns a hang into a failure: nothing takes
/// this long, even on a machine with many times its normal load. No test asserts by it that something is fast.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where `tests/setup` unpacks the containerds (environment `TESTBED_DIR`, else `target/testbed`).
pub fn testbed_dir() -> PathBuf {
    std::env::var_os("TESTBED_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/testbed"), PathBuf::from)
}

/// Says that the running test does not run, and why.
///
/// libtest knows no skipping at run time, so the line goes past its capture to stderr and into
/// `skipped.txt` in the testbed, which `make test` counts.
pub fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    let program = std::env::args().next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default();
    let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
    let line = format!("SKIPPED {program}::{name}: {why}\n");
    drop(std::io::stderr().write_all(line.as_bytes()));
    drop(std::fs::create_dir_all(testbed_dir()));
    let list = std::fs::OpenOptions::new().create(true).append(true).open(testbed_dir().join("skipped.txt"));
    if let Ok(mut list) = list {
        drop(list.write_all(line.as_bytes()));
    }
}

/// Asks again every few milliseconds until `ready` says so; false when [`PATIENCE`] is over.
pub fn wait_until(mut ready: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if ready() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// Writes a file so that whoever reads it finds the old text or the new one, however slow this machine is.
pub fn replace(path: &Path, text: &str) {
    let new = path.with_extension("replacing");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// Runs a future to its end on a thread of its own: callable from plain and from async tests.
pub fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(future)
            })
            .join()
            .unwrap()
    })
}

/// As `wait_until`, for a question that is asked asynchronously.
pub async fn wait_for(mut ready: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if ready().await {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Makes a test of each case for each containerd line.
#[macro_export]
macro_rules! on_each_containerd {
    ($($case:ident),+ $(,)?) => {
        on_each_containerd!(@ containerd_1_6 V1_6, $($case),+);
        on_each_containerd!(@ containerd_1_7 V1_7, $($case),+);
        on_each_containerd!(@ containerd_2_1 V2_1, $($case),+);
    };
    (@ $module:ident $version:ident, $($case:ident),+) => {
        mod $module {
            $(#[tokio::test]
            async fn $case() {
                super::$case($crate::support::version::Version::$version).await;
            })+
        }
    };
}
