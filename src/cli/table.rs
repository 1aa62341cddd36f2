//! Columns of text, sums, sizes and ages for people.

use std::time::Duration;

use crate::config::visible;

/// Rows as columns of one width each, with two blanks between them.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| on_one_line(cell)).collect()).collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.chars().count());
    let widths: Vec<usize> = (0..count).map(|column| width(column).max().unwrap_or_default()).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Rows below their heads, and then the sum of all. Without rows there are no heads, and with `quiet` nothing at all.
pub(super) fn with_sum<const N: usize>(
    heads: [&str; N],
    rows: Vec<Vec<String>>,
    sum: &str,
    quiet: bool,
) -> String {
    if rows.is_empty() {
        return if quiet { String::new() } else { format!("{sum}\n") };
    }
    let heads = heads.map(str::to_owned).to_vec();
    format!("{}{sum}\n", columns(&[vec![heads], rows].concat()))
}

/// How many images there are of each kind, each being of one: `3 images: 2 same, 1 moved`.
pub(super) fn sum(kinds: &[(usize, &str)]) -> String {
    let count: usize = kinds.iter().map(|(count, _)| count).sum();
    let found = kinds.iter().filter(|(count, _)| *count > 0);
    let kinds = found.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ");
    match count {
        0 => "no images".to_owned(),
        1 => format!("1 image: {kinds}"),
        count => format!("{count} images: {kinds}"),
    }
}

/// A text that others have written, such that it ends no line and commands no terminal.
pub(super) fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// The first digits of a digest, by which people know it.
pub(super) fn digits(digest: &str) -> &str {
    const DIGITS: usize = 12;
    let digits = digest.split_once(':').map_or(digest, |(_, digits)| digits);
    digits.get(..DIGITS).unwrap_or(digits)
}

/// A number of bytes: `12.3 MB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    // So that 999 950 bytes are not 1000.0 kB.
    while value >= 999.95 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// How long ago, or how much later: `12s`, `5m`, `47h`, `12d`.
pub(super) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [row(&["NAME", "SIZE"]), row(&["é", "1"]), row(&["a\u{1b}[2J\nb"])];
        assert_eq!(columns(&rows), "NAME           SIZE\né              1\na\\u{1b}[2J\\nb\n");
        assert_eq!(columns(&[]), "");
    }

    #[test]
    fn heads_stand_above_rows_only() {
        let row = vec!["a".to_owned(), "b".to_owned()];
        let all = |rows: Vec<Vec<String>>, quiet| with_sum(["ONE", "TWO"], rows, "1 image", quiet);
        assert_eq!(all(vec![row.clone()], true), "ONE  TWO\na    b\n1 image\n");
        assert_eq!((all(Vec::new(), false).as_str(), all(Vec::new(), true).as_str()), ("1 image\n", ""));
    }

    #[test]
    fn a_sum_leaves_out_what_there_is_none_of() {
        assert_eq!(sum(&[(2, "same"), (0, "new"), (1, "moved")]), "3 images: 2 same, 1 moved");
        assert_eq!(sum(&[(0, "same"), (1, "new")]), "1 image: 1 new");
        assert_eq!(sum(&[(0, "same")]), "no images");
    }

    #[test]
    fn sizes_and_ages_are_short() {
        let sizes = [0, 999, 1000, 12_345_678, 999_949, 999_950, u64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "12.3 MB", "999.9 kB", "1.0 MB", "18446744.1 TB"]);
        let ages = [0, 119, 120, 7200, 172_799, 172_800].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(ages, ["0s", "119s", "2m", "2h", "47h", "2d"]);
    }
}
