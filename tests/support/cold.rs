//! Caches that fetch an image only when it is asked for by its tag.

use super::fake::Record;

const BY_DIGEST: &str = "/manifests/sha256:";

/// Whether such a cache does not find this path yet: it fetches for the method `fills`, and needs `late` more requests
/// by digest. The request itself is the last of the records.
pub fn is_cold(records: &[Record], path: &str, fills: &str, late: usize) -> bool {
    let Some((repository, _)) = path.split_once(BY_DIGEST) else { return false };
    let by_tag = |record: &Record| match record.path.split_once("/manifests/") {
        Some((of, tag)) => of == repository && !tag.starts_with("sha256:") && record.method == fills,
        None => false,
    };
    let Some(fetched) = records.iter().position(by_tag) else { return true };
    let since = records[fetched..].iter().filter(|record| record.path.contains(BY_DIGEST));
    since.count() <= late
}
