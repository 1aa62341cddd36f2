//! Numbers as people read them, in the units of the dashboard.

/// A value in a unit of Grafana.
pub fn shown(value: f64, unit: &str) -> String {
    let (number, word) = match unit {
        "short" => (value, ""),
        "ops" => (value, " ops/s"),
        "reqps" => (value, " req/s"),
        "percentunit" => (value * 100.0, "%"),
        "s" => seconds(value),
        "bytes" => scaled(value, 1024.0, [" B", " KiB", " MiB", " GiB"]),
        "Bps" => scaled(value, 1000.0, [" B/s", " kB/s", " MB/s", " GB/s"]),
        other => panic!("no unit {other}"),
    };
    format!("{}{word}", rounded(number))
}

fn scaled(value: f64, base: f64, words: [&'static str; 4]) -> (f64, &'static str) {
    let last = (value.max(1.0).log(base) as usize).min(words.len() - 1);
    (value / base.powi(last as i32), words[last])
}

fn seconds(value: f64) -> (f64, &'static str) {
    match value {
        0.0 => (0.0, " s"),
        _ if value < 0.001 => (value * 1e6, " µs"),
        _ if value < 1.0 => (value * 1e3, " ms"),
        _ if value < 120.0 => (value, " s"),
        _ => (value / 60.0, " min"),
    }
}

/// Three digits, without zeros at the end.
fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

/// The step of an axis that has about four steps until `most`: 1, 2 or 5, with zeros, of what the numbers are shown in.
pub fn step(most: f64, unit: &str) -> f64 {
    let of = match unit {
        "s" if most >= 120.0 => 60.0,
        "bytes" if most >= 1024.0 * 1024.0 => 1024.0 * 1024.0,
        _ => 1.0,
    };
    let exact = most / of / 4.0;
    let ten = 10_f64.powf(exact.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|step| step * ten).find(|step| *step >= exact);
    step.unwrap_or(ten * 10.0) * of
}

#[test]
fn numbers_are_short() {
    for (value, unit, text) in [
        (2.0, "short", "2"),
        (0.25, "ops", "0.25 ops/s"),
        (0.0, "ops", "0 ops/s"),
        (0.0321, "percentunit", "3.21%"),
        (0.0, "s", "0 s"),
        (0.00005, "s", "50 µs"),
        (0.25, "s", "250 ms"),
        (240.0, "s", "4 min"),
        (1_500_000.0, "Bps", "1.5 MB/s"),
        (20_971_520.0, "bytes", "20 MiB"),
    ] {
        assert_eq!(shown(value, unit), text);
    }
    assert_eq!(
        [step(0.9, "ops"), step(7.0, "ops"), step(17.0, "short"), step(0.7, "s")],
        [0.5, 2.0, 5.0, 0.2]
    );
    assert_eq!([step(420.0, "s"), step(20_971_520.0, "bytes")], [120.0, 5_242_880.0]);
}
