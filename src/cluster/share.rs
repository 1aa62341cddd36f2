//! How many nodes at once: a number, or a share of all.

use std::str::FromStr;

/// So many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// A number.
    Nodes(usize),
    /// Percent of all.
    Percent(usize),
}

// === impl Share ===

impl Share {
    /// How many that is of so many. At least one.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Share::Nodes(number) => number,
            Share::Percent(percent) => (all * percent / 100).max(1),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, most) = match text.strip_suffix('%') {
            Some(digits) => (digits, 100),
            None => (text, 1000),
        };
        let number = digits.parse().ok().filter(|number| (1..=most).contains(number));
        let number = number.ok_or("write a number from 1 to 1000, or a share such as 10%")?;
        Ok(if text.ends_with('%') { Share::Percent(number) } else { Share::Nodes(number) })
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_is_of_all_and_never_nothing() {
        let rows = [("1", 500, 1), ("25", 5, 25), ("10%", 500, 50), ("10%", 5, 1), ("100%", 3, 3)];
        for (text, all, expected) in rows {
            assert_eq!(text.parse::<Share>().unwrap().of(all), expected, "{text} of {all}");
        }
        for text in ["", "0", "0%", "101%", "-1", "half", "1.5%", "1001"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
