//! How long a configuration takes to load, for each format and for growing numbers of rules.
//!
//! `cargo bench --bench load` prints a table; `CRI_SHUNT_BENCH_ROUNDS` sets how often each is loaded (5), of
//! which the medians count, and `CRI_SHUNT_BENCH_RULES` the numbers of rules (1000,10000). A long look:
//! `CRI_SHUNT_BENCH_ROUNDS=9 CRI_SHUNT_BENCH_RULES=1000,10000,100000`. A word after `--` chooses rows.
//!
//! Holds: what is measured is what `check` and `serve` do: read, parse, check, lint, index. The files are at
//! rest and in the page cache. A load with an error, or with another number of rules, ends the run.
//! Not here: what a decision costs (`decide`'s own tests), what a request costs (`relay`).
//!
//! Rewrites are measured with a twentieth of the number, in the one rule that they belong to.
//!
//! A `certs.d` has a directory and a file for each registry, and most of its time is the system's. So it is
//! measured with a tenth of the rules, where the number is above ten thousand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cri_shunt::inside::config::{Format, Input, MainFile, SourceFile, load_from};

/// How many times fewer rewrites there are than rules in other rows: each is a regular expression, and most of
/// the time goes into building it.
const REWRITES: usize = 20;

/// What makes the files of one row below a directory, and says what to read.
type Make = fn(&Path, usize) -> Input;

/// How many rules come of a number of entries. image-cri-shim has registries, and one rule for all of them.
type Rules = fn(usize) -> usize;

const ROWS: [(&str, Make, Rules); 14] = [
    ("native, routes", native_routes, |n| n),
    ("native, deny and pass", native_denies, |n| n + 2),
    ("native, one mirror", native_one_mirror, |n| n),
    ("registries.yaml", registries_yaml, |n| n),
    ("registries.yaml, aliases", registries_yaml_aliases, |n| n),
    ("registries.yaml, configs", registries_yaml_configs, |n| n + 1),
    ("registries.yaml, rewrites", registries_yaml_rewrites, |_| 1),
    ("registries.conf", registries_conf, |n| n),
    ("registries.conf, aliases", registries_conf_aliases, |n| n + 1),
    ("certs.d", certs_d, |n| n),
    ("image-cri-shim", image_cri_shim, |_| 1),
    ("two sources, same rules", two_sources, |n| 2 * n),
    ("native over a source", native_over_source, |n| 2 * n + 2),
    ("native, transport", native_transport, |n| n),
];

fn main() {
    let rounds = numbers("CRI_SHUNT_BENCH_ROUNDS", "5")[0];
    let sizes = numbers("CRI_SHUNT_BENCH_RULES", "1000,10000");
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    println!("medians of {rounds} loads, in milliseconds: by the clock, and on the processor\n");
    let head: String = sizes.iter().map(|size| format!("{size:>18}")).collect();
    println!("{:<26}{head}", "rules");
    for (name, make, rules) in ROWS {
        if only.as_deref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let mut line = format!("{name:<26}");
        for &size in &sizes {
            let size = if name == "certs.d" && size > 10_000 { size / 10 } else { size };
            let [clock, processor] = measure(make, size, rules(size), rounds)
                .map(|time| format!("{:.1}", time.as_secs_f64() * 1000.0));
            write!(line, "{clock:>10}{processor:>8}").unwrap();
        }
        println!("{line}");
    }
}

fn numbers(variable: &str, default: &str) -> Vec<usize> {
    let text = std::env::var_os(variable).unwrap_or_else(|| default.into());
    let number = |text: &str| text.trim().parse().ok().filter(|number| *number > 0);
    let found: Option<Vec<usize>> = text.to_str().and_then(|text| text.split(',').map(number).collect());
    found.unwrap_or_else(|| {
        panic!("{variable} is a list of numbers of 1 or more, like {default}, and not {text:?}")
    })
}

/// By the clock, and on the processor: on a machine that does other things the second says more.
fn measure(make: Make, size: usize, rules: usize, rounds: usize) -> [Duration; 2] {
    let dir = tempfile::tempdir().unwrap();
    let input = make(dir.path(), size);
    // What is new is waited for the first time.
    std::thread::sleep(Duration::from_millis(50));
    let times: Vec<[Duration; 2]> = (0..rounds).map(|_| load(&input, rules)).collect();
    [0, 1].map(|which| {
        let mut times: Vec<Duration> = times.iter().map(|both| both[which]).collect();
        times.sort();
        times[rounds / 2]
    })
}

fn load(input: &Input, expected: usize) -> [Duration; 2] {
    let (start, before) = (Instant::now(), on_processor());
    let loaded = load_from(input);
    let times = [start.elapsed(), on_processor() - before];
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", problems.lines()[0].1));
    let rules = loaded.config.policy.rules().len();
    assert_eq!(rules, expected, "the number of rules is another than the files have");
    times
}

/// What all threads have had so far.
fn on_processor() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().unwrap()
}

// === the files ===

fn write(path: &Path, content: &str) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    path.to_owned()
}

fn alone(format: Format, path: PathBuf) -> Input {
    let source = SourceFile { format, path, disable_default_endpoint: false };
    Input { main: MainFile::Absent, sources: vec![source], ..Input::file(Path::new("")) }
}

fn lines(size: usize, line: impl Fn(usize) -> String) -> String {
    (0..size).map(line).collect()
}

fn native_routes(dir: &Path, size: usize) -> Input {
    let rule = |i| {
        format!(
            "[[policy.rule]]\nprefix = \"h{i}.dev/team{i}\"\nmirrors = [\"m{i}.dev/p\", \"n{i}.dev/{{host}}\"]\norigin = \"last\"\n\n"
        )
    };
    Input::file(&write(&dir.join("config.toml"), &lines(size, rule)))
}

fn native_denies(dir: &Path, size: usize) -> Input {
    let rule = |i| {
        let action = if i % 2 == 0 { "deny = \"no\"" } else { "pass = true" };
        format!("[[policy.rule]]\nprefix = \"docker.io/team{i}/app\"\n{action}\n")
    };
    let head = "[[policy.rule]]\nprefix = \"docker.io\"\nmirrors = [\"m.dev\"]\n[[policy.rule]]\nprefix = \"*.dev\"\ndeny = \"no\"\n";
    Input::file(&write(&dir.join("config.toml"), &format!("{head}{}", lines(size, rule))))
}

fn native_one_mirror(dir: &Path, size: usize) -> Input {
    let rule = |i| {
        format!(
            "[[policy.rule]]\nprefix = \"h{i}.dev/team\"\nmirrors = [\"m.dev\", \"m.dev/all\"]\ncollapse = true\n"
        )
    };
    Input::file(&write(&dir.join("config.toml"), &lines(size, rule)))
}

/// A table for each mirror, and the needs of a source's mirrors beside them.
fn native_transport(dir: &Path, size: usize) -> Input {
    let table = |i| format!("[[transport]]\nregistry = \"h{i}.dev:5000\"\nplain-http = true\n");
    let native = Input::file(&write(&dir.join("config.toml"), &lines(size, table)));
    Input { main: native.main, ..registries_yaml(dir, size) }
}

fn registries_yaml_aliases(dir: &Path, size: usize) -> Input {
    let entry = |i| format!("  h{i}.dev: *mirror\n");
    let text = format!("common: &mirror\n  endpoint: [m.dev]\nmirrors:\n{}", lines(size, entry));
    alone(Format::RegistriesYaml, write(&dir.join("registries.yaml"), &text))
}

fn yaml(size: usize) -> String {
    let entry = |i| {
        format!(
            "  h{i}.dev:\n    endpoint:\n      - https://m{i}.dev\n      - http://h{}.dev:5000/v2/p\n",
            i + 1
        )
    };
    format!("mirrors:\n{}", lines(size, entry))
}

fn registries_yaml(dir: &Path, size: usize) -> Input {
    alone(Format::RegistriesYaml, write(&dir.join("registries.yaml"), &yaml(size)))
}

fn registries_yaml_configs(dir: &Path, size: usize) -> Input {
    let config = |i| {
        format!(
            "  c{i}.dev:\n    auth:\n      username: u\n      password: p{i}\n    tls:\n      ca_file: /etc/{i}.pem\n"
        )
    };
    let text = format!("mirrors:\n  '*':\n    endpoint: [m.dev]\nconfigs:\n{}", lines(size, config));
    alone(Format::RegistriesYaml, write(&dir.join("registries.yaml"), &text))
}

fn registries_yaml_rewrites(dir: &Path, size: usize) -> Input {
    let rewrite = |i| format!("      \"^team{i}/\": \"p/\"\n");
    let text = format!(
        "mirrors:\n  quay.io:\n    endpoint: [m.dev]\n    rewrite:\n{}",
        lines(size / REWRITES, rewrite)
    );
    alone(Format::RegistriesYaml, write(&dir.join("registries.yaml"), &text))
}

fn conf(size: usize) -> String {
    lines(size, |i| {
        format!(
            "[[registry]]\nprefix = \"h{i}.dev\"\nlocation = \"h{i}.dev\"\n[[registry.mirror]]\nlocation = \"m{i}.dev/p\"\ninsecure = true\n"
        )
    })
}

fn registries_conf(dir: &Path, size: usize) -> Input {
    alone(Format::RegistriesConf, write(&dir.join("registries.conf"), &conf(size)))
}

fn registries_conf_aliases(dir: &Path, size: usize) -> Input {
    let aliases = lines(size, |i| format!("a{i} = \"h{i}.dev/x/a\"\n"));
    let text = format!("[aliases]\n{aliases}[[registry]]\nlocation = \"h1.dev\"\nblocked = true\n");
    alone(Format::RegistriesConf, write(&dir.join("registries.conf"), &text))
}

fn certs_d(dir: &Path, size: usize) -> Input {
    for i in 0..size {
        let text = format!(
            "server = \"https://h{i}.dev\"\n[host.\"https://m{i}.dev/v2/p\"]\ncapabilities = [\"pull\", \"resolve\"]\noverride_path = true\n"
        );
        write(&dir.join(format!("certs.d/h{i}.dev/hosts.toml")), &text);
    }
    alone(Format::CertsD, dir.join("certs.d"))
}

fn image_cri_shim(dir: &Path, size: usize) -> Input {
    let registry =
        |i| format!("  - address: http://m{i}.dev:5000\n    auth: u:p{i}\n    priority: {}\n", i % 900 + 1);
    let text = format!("address: https://hub.dev\nregistries:\n{}", lines(size, registry));
    alone(Format::ImageCriShim, write(&dir.join("shim.yaml"), &text))
}

fn two_sources(dir: &Path, size: usize) -> Input {
    let mut input = registries_yaml(dir, size);
    input.sources.extend(registries_conf(dir, size).sources);
    input
}

fn native_over_source(dir: &Path, size: usize) -> Input {
    let native = native_denies(dir, size);
    Input { main: native.main, ..registries_yaml(dir, size) }
}
