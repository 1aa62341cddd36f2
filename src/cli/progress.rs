//! How far a long command is: one line on stderr that is written again and again, and only for a terminal.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::terminal;

/// How long a line stands at least. A terminal at the end of a slow line would be flooded else.
const STANDS: Duration = Duration::from_millis(100);

/// The carriage goes to the start of the line, and the line is cleared.
const CLEAR: &str = "\r\u{1b}[K";

/// A count that grows.
pub(super) struct Progress {
    total: usize,
    done: Cell<usize>,
    shown: Option<Cell<Instant>>,
}

impl Progress {
    /// Nothing of `total` is done yet. It is shown where stderr is a terminal.
    pub(super) fn new(total: usize) -> Self {
        let shown = terminal::draws().then(|| Cell::new(Instant::now()));
        let progress = Self { total, done: Cell::new(0), shown };
        progress.show();
        progress
    }

    /// One more is done.
    pub(super) fn step(&self) {
        self.done.set(self.done.get() + 1);
        let Some(at) = &self.shown else { return };
        if at.get().elapsed() >= STANDS {
            at.set(Instant::now());
            self.show();
        }
    }

    fn show(&self) {
        if self.shown.is_some() {
            terminal::say(&format!("{CLEAR}asked for {} of {} images", self.done.get(), self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            terminal::say(CLEAR);
        }
    }
}
