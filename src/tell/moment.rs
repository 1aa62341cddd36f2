//! Moments that others have written down.

use std::time::{Duration, SystemTime};

/// The moment so many seconds after the Unix epoch. A number beyond every date that can be shown counts as the last one.
#[must_use]
pub fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX)))
}
