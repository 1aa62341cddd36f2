//! The figures, as a table for people and as JSON.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Samples;
use super::load::Sample;
use super::target::{Memory, Target};

/// All figures of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    memory: Vec<Footprint>,
}

/// What a target takes beside time.
struct Footprint {
    target: &'static str,
    started_in: Duration,
    after_start: Memory,
    after_runs: Memory,
}

struct Row {
    upstream: &'static str,
    load: &'static str,
    target: &'static str,
    p50: Duration,
    p99: Duration,
    calls_per_second: f64,
    cpu: Option<Duration>,
    p50_over_direct: f64,
    calls_over_direct: f64,
}

impl Report {
    /// Takes the samples of one workload.
    pub fn add(&mut self, upstream: &'static str, load: &'static str, samples: Samples) {
        let p50 = |samples: &[Sample]| median(samples, |sample| sample.p50);
        let rate = |samples: &[Sample]| median(samples, |sample| ordered(sample.calls_per_second)).0;
        let direct = &samples["direct"];
        // Ratios of medians, by the names of the targets.
        for (target, own) in &samples {
            self.rows.push(Row {
                upstream,
                load,
                target,
                p50: p50(own),
                p99: median(own, |sample| sample.p99),
                calls_per_second: rate(own),
                cpu: own[0].cpu.map(|_| median(own, |sample| sample.cpu.unwrap_or_default())),
                p50_over_direct: p50(own).as_secs_f64() / p50(direct).as_secs_f64(),
                calls_over_direct: rate(own) / rate(direct),
            });
        }
    }

    /// Notes what the targets take now beside what they took after their start.
    pub fn memory(&mut self, targets: &[Target]) {
        self.memory.extend(targets.iter().filter_map(|target| {
            let (started_in, after_start) = target.started?;
            let after_runs = target.memory()?;
            Some(Footprint { target: target.name, started_in, after_start, after_runs })
        }));
    }

    /// Prints the tables.
    pub fn print(&self) {
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            let first = index == 0
                || (self.rows[index - 1].upstream, self.rows[index - 1].load) != (row.upstream, row.load);
            if first {
                let _ = writeln!(text, "\n{}: {}", row.upstream, row.load);
                let _ = writeln!(
                    text,
                    "| target | p50 | p99 | p50 / direct | calls/s | calls / direct | CPU per call |"
                );
                let _ = writeln!(text, "|---|---|---|---|---|---|---|");
            }
            let cpu = row.cpu.map_or_else(String::new, micros);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {:.2} | {:.0} | {:.2} | {cpu} |",
                row.target,
                micros(row.p50),
                micros(row.p99),
                row.p50_over_direct,
                row.calls_per_second,
                row.calls_over_direct
            );
        }
        let _ = writeln!(
            text,
            "\n| target | start to accepting | resident after start | of it not of files | after all runs | of it not of files |\n\
             |---|---|---|---|---|---|"
        );
        for Footprint { target, started_in, after_start, after_runs } in &self.memory {
            let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
            let cells = [after_start.resident, after_start.own, after_runs.resident, after_runs.own].map(mib);
            let _ = writeln!(text, "| {target} | {} | {} |", micros(*started_in), cells.join(" | "));
        }
        println!("{text}");
    }

    /// Saves everything as JSON.
    pub fn save(&self, file: &Path) {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "upstream": row.upstream, "load": row.load, "target": row.target,
                    "p50_us": row.p50.as_secs_f64() * 1e6, "p99_us": row.p99.as_secs_f64() * 1e6,
                    "calls_per_second": row.calls_per_second, "cpu_us": row.cpu.map(|cpu| cpu.as_secs_f64() * 1e6),
                    "p50_over_direct": row.p50_over_direct, "calls_over_direct": row.calls_over_direct,
                })
            })
            .collect();
        let memory: Vec<Value> = self
            .memory
            .iter()
            .map(|Footprint { target, started_in, after_start, after_runs }| {
                json!({
                    "target": target, "start_us": started_in.as_secs_f64() * 1e6,
                    "resident_after_start_kib": after_start.resident, "own_after_start_kib": after_start.own,
                    "resident_after_runs_kib": after_runs.resident, "own_after_runs_kib": after_runs.own,
                })
            })
            .collect();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = serde_json::to_string_pretty(&json!({ "rows": rows, "memory": memory })).unwrap();
        std::fs::write(file, text).unwrap();
        println!("saved as {}", file.display());
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}

fn median<T: Ord + Copy>(samples: &[Sample], figure: impl Fn(&Sample) -> T) -> T {
    let mut figures: Vec<T> = samples.iter().map(figure).collect();
    figures.sort();
    figures[figures.len() / 2]
}

/// A float that has an order; no figure here is NaN.
#[derive(Clone, Copy, PartialEq)]
struct Ordered(f64);

fn ordered(value: f64) -> Ordered {
    Ordered(value)
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
