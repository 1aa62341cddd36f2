//! The text of `cri-shunt --version` behind the name: `0.1.0 (abcdef123456 2026-11-26)`.
//!
//! The same sources give the same text, wherever and whenever they are built: the date is that of the commit.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The version with the commit of `sources`, where they are a git repository of their own, and the day of
/// `source_date` (seconds since 1970, by the convention of SOURCE_DATE_EPOCH) or else of the commit.
pub fn text(version: &str, sources: &Path, source_date: Option<&str>) -> String {
    let commit = git(sources, &["rev-parse", "--short=12", "HEAD"]);
    let time = match source_date.and_then(|text| text.trim().parse().ok()) {
        Some(time) => Some(time),
        None => git(sources, &["log", "-1", "--format=%ct"]).and_then(|text| text.parse().ok()),
    };
    let parts: Vec<String> = commit.into_iter().chain(time.map(day)).collect();
    if parts.is_empty() { version.to_owned() } else { format!("{version} ({})", parts.join(" ")) }
}

/// The files that change when HEAD moves: another commit is checked out, or the branch gets a new one. Not every
/// repository has a log of that, so the branch's own file counts as well, and the one where git packs branches.
pub fn files(sources: &Path) -> Vec<PathBuf> {
    let branch = git(sources, &["symbolic-ref", "--quiet", "HEAD"]);
    let files = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    let paths = files.filter_map(|file| git(sources, &["rev-parse", "--git-path", file]));
    paths.map(|path| sources.join(path)).filter(|path| path.exists()).collect()
}

/// What git says; `None` where it is not installed, or `sources` only lies inside another's repository.
fn git(sources: &Path, arguments: &[&str]) -> Option<String> {
    if !sources.join(".git").exists() {
        return None;
    }
    let output = Command::new("git").arg("-C").arg(sources).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// `2026-11-26` in UTC; the calendar counts years from March, so that a leap day is a year's last.
fn day(time: u64) -> String {
    let days = time / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year)
}
