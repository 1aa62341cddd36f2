//! The last pulls that failed, for `status`.
//!
//! Holds: there are no more than so many, of so many bytes. An image that fails again takes its place at the end.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// How many images are remembered.
const MOST: usize = 10;

/// The longest name and the longest error, in bytes. A client may ask for a name of any length.
const LONGEST: usize = 400;

/// The last failures.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<FailedPull>>);

/// An image whose pull failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedPull {
    /// The image.
    pub image: String,
    /// When its last pull failed.
    pub at: SystemTime,
    /// How often it failed since it is remembered.
    pub times: u64,
    /// The first line of the last error.
    pub error: String,
}

impl Failures {
    /// A pull has failed.
    pub fn note(&self, image: &str, error: &str) {
        let (image, error) = (first_line(image), first_line(error));
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failures.iter().position(|failed| failed.image == image);
        let times = known.and_then(|at| failures.remove(at)).map_or(0, |failed| failed.times);
        if failures.len() >= MOST {
            failures.pop_front();
        }
        failures.push_back(FailedPull { image, at: SystemTime::now(), times: times + 1, error });
    }

    /// All that are remembered, the last one first.
    pub fn all(&self) -> Vec<FailedPull> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().find(|(at, c)| at + c.len_utf8() > LONGEST) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_images_are_remembered_each_once() {
        let failures = Failures::default();
        for number in 0..MOST + 2 {
            failures.note(&format!("a:{number}"), "first\nsecond");
        }
        failures.note("a:5", &"é".repeat(LONGEST));
        let all = failures.all();
        let known: Vec<(&str, u64)> =
            all.iter().map(|failed| (failed.image.as_str(), failed.times)).collect();
        assert_eq!(known.len(), MOST);
        assert_eq!((known[0], known[1], known[MOST - 1]), (("a:5", 2), ("a:11", 1), ("a:2", 1)));
        let longest = LONGEST + '…'.len_utf8();
        assert_eq!((all[0].error.len(), all[1].error.as_str()), (longest, "first"));
        failures.note(&"a".repeat(1 << 20), "");
        assert_eq!(failures.all()[0].image.len(), longest);
    }
}
