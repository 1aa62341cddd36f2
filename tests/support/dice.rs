//! Chance that can be repeated: the seed is printed with a failure and can be given again.
//!
//! `STRESS_SEED` in the environment repeats a run.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A source of chance (xorshift64*).
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    pub fn new() -> Dice {
        let given = std::env::var("STRESS_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = given.unwrap_or(now.as_nanos() as u64) | 1;
        Dice { seed, state: seed }
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    /// Less than `limit` milliseconds, by tenths.
    pub fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_micros(100 * self.below(10 * limit))
    }
}

impl fmt::Display for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "STRESS_SEED={}", self.seed)
    }
}
