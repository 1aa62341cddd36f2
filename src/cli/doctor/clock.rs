//! Whether this machine's clock is right. Certificates and tokens are refused if it is not.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::look::Look;
use crate::cli::table::age;
use crate::node::{Finding, Place};

/// Tokens and certificates bear so much, and a `Date` is not exact.
const SMALL: Duration = Duration::from_secs(30);
const LARGE: Duration = Duration::from_secs(300);

/// Files that are from the future.
pub(super) fn of_files(look: &Look, now: SystemTime) -> Option<Finding> {
    let changed = |file: &std::path::PathBuf| look.tree.metadata(file).and_then(|is| is.modified().ok());
    let (file, by) = look.own.files.iter().find_map(|file| {
        let by = changed(file)?.duration_since(now).ok()?;
        (by > LARGE).then_some((file, by))
    })?;
    let what = format!("the clock may be late: {} was changed {} from now", file.display(), age(by));
    Some(Finding::warning("clock", what).at(&Place::file(file)).command("timedatectl"))
}

/// By host, its time and ours at that moment. One registry may be wrong itself: the smallest difference counts.
pub(super) fn findings(clocks: &BTreeMap<String, (SystemTime, SystemTime)>) -> Option<Finding> {
    let differences = clocks.iter().map(|(host, (theirs, ours))| match theirs.duration_since(*ours) {
        Ok(late) => (late, "late", host),
        Err(error) => (error.duration(), "early", host),
    });
    let (by, how, host) = differences.min_by_key(|(by, ..)| *by)?;
    let what = format!("this machine's clock is {} {how}, by that of {host}", age(by));
    let finding = match by {
        by if by > LARGE => Finding::problem("clock", what),
        by if by > SMALL => Finding::warning("clock", what),
        _ => return None,
    };
    Some(finding.advice("set it: certificates and tokens are refused if it is wrong").command("timedatectl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Severity;

    #[test]
    fn the_registry_that_is_nearest_counts() {
        let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let told = |offsets: &[i64]| {
            let clocks = offsets.iter().enumerate().map(|(at, offset)| {
                let by = Duration::from_secs(offset.unsigned_abs());
                (format!("{at}.example"), (if *offset < 0 { ours - by } else { ours + by }, ours))
            });
            findings(&clocks.collect()).map(|finding| (finding.severity, finding.what))
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[30, 100_000]), None);
        let what = |text: &str| text.to_owned();
        assert_eq!(
            told(&[-45]),
            Some((Severity::Warning, what("this machine's clock is 45s early, by that of 0.example")))
        );
        assert_eq!(
            told(&[900_000, 7_300]),
            Some((Severity::Problem, what("this machine's clock is 2h late, by that of 1.example")))
        );
    }
}
