//! The audit: lines go through a bounded queue to a thread, which writes them.
//!
//! Holds: handing over a line never waits, whatever the disk does. Each line that is not written is counted, and a line
//! in the audit itself says how many are missing before it.

mod file;
mod journal;
mod sink;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

pub use self::file::predecessor;

use self::file::AuditFile;
use self::journal::Journal;
use self::sink::Sink;
use super::line::{Gap, Line, VERSION};

/// How many lines may wait.
const MOST_LINES: usize = 4096;
/// How many bytes these may have.
const MOST_BYTES: usize = 4 << 20;

/// Where the audit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// A file of so many bytes at most, with one predecessor of the same size.
    File {
        /// Its path.
        path: PathBuf,
        /// The most bytes.
        most: u64,
    },
    /// The journal of systemd.
    Journal,
}

/// Takes lines for the audit.
pub struct Audit {
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
}

enum Job {
    Line(String),
    /// Look at the file anew, for another one may be in its place.
    Reopen,
    /// Tell when everything before this is done.
    Flush(SyncSender<()>),
}

/// What the thread and those who hand over lines know of each other.
#[derive(Default)]
struct Shared {
    /// The bytes that wait.
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    /// Whether the queue was full, and has not been empty since.
    is_full: AtomicBool,
    /// Why the last line could not be written.
    trouble: Mutex<Option<String>>,
}

// === impl Audit ===

impl Audit {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(to: AuditTo) -> std::io::Result<Self> {
        match to {
            AuditTo::File { path, most } => Self::with(AuditFile::new(path, most)),
            AuditTo::Journal => Self::with(Journal::new(journal::SOCKET.into())),
        }
    }

    fn with(mut sink: impl Sink + 'static) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(MOST_LINES);
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || work(&jobs, &mut sink, &theirs))?;
        Ok(Self { queue, shared })
    }

    /// Hands over a line. It is dropped and counted if too many wait.
    pub fn tell(&self, line: &Line) {
        // A struct of texts, numbers and lists has no value that JSON lacks.
        let Ok(text) = serde_json::to_string(line) else { return self.drop_one() };
        let bytes = text.len();
        if self.shared.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES
            || self.queue.try_send(Job::Line(text)).is_err()
        {
            self.shared.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.drop_one();
        }
    }

    fn drop_one(&self) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        if !self.shared.is_full.swap(true, Ordering::Relaxed) {
            tracing::error!("audit lines are dropped: too many wait to be written");
        }
    }

    /// Has the file opened anew: somebody may have renamed it.
    pub fn reopen(&self) {
        // If the queue is full, there are lines to write, and before each of them the thread looks for itself.
        let _ = self.queue.try_send(Job::Reopen);
    }

    /// Waits until all lines so far are written, but no longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        let end = Instant::now() + patience;
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(job) {
            if Instant::now() >= end {
                return;
            }
            job = back;
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = wait.recv_timeout(end.saturating_duration_since(Instant::now()));
    }

    /// How many lines were written.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// How many lines are missing.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// What is wrong with the audit now.
    pub fn problem(&self) -> Option<String> {
        let dropped = match self.dropped() {
            0 => String::new(),
            1 => "; 1 line is missing".to_owned(),
            lines => format!("; {lines} lines are missing"),
        };
        if let Some(trouble) = &*self.shared.trouble() {
            return Some(format!("{trouble}{dropped}"));
        }
        let is_full = self.shared.is_full.load(Ordering::Relaxed);
        is_full.then(|| format!("too many lines wait to be written{dropped}"))
    }
}

impl Shared {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        // Nothing panics while it holds the lock.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the last attempt to write went, and logs where that changes.
    fn note(&self, sink: &dyn Sink, outcome: Result<(), String>) {
        let mut trouble = self.trouble();
        match (&*trouble, &outcome) {
            (None, Err(why)) => tracing::error!("audit lines are lost: {why}"),
            (Some(_), Ok(())) => {
                let dropped = self.dropped.load(Ordering::Relaxed);
                tracing::warn!(dropped, "audit lines are written again to {}", sink.name());
            }
            _ => {}
        }
        *trouble = outcome.err();
    }
}

/// Writes lines until nobody is left to hand over any.
fn work(jobs: &Receiver<Job>, sink: &mut dyn Sink, shared: &Shared) {
    // What keeps lines from being written is said at the start, and not at the first pull.
    let outcome = sink.prepare();
    shared.note(sink, outcome);
    let mut told = 0;
    for job in jobs {
        match job {
            Job::Line(line) => {
                shared.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                let dropped = shared.dropped.load(Ordering::Relaxed);
                let outcome = write_gap(sink, dropped - told).and_then(|()| {
                    told = dropped;
                    sink.write(&line)
                });
                match &outcome {
                    Ok(()) => {
                        shared.written.fetch_add(1, Ordering::Relaxed);
                        // Not before all are written, or a slow disk would fill it and free it in turn.
                        let is_empty = shared.waiting.load(Ordering::Relaxed) == 0;
                        if is_empty && shared.is_full.swap(false, Ordering::Relaxed) {
                            let dropped = shared.dropped.load(Ordering::Relaxed);
                            tracing::warn!(dropped, "audit lines are taken again");
                        }
                    }
                    Err(_) => drop(shared.dropped.fetch_add(1, Ordering::Relaxed)),
                }
                shared.note(sink, outcome);
            }
            Job::Reopen => {
                sink.reopen();
                let outcome = sink.prepare();
                shared.note(sink, outcome);
            }
            Job::Flush(done) => drop(done.try_send(())),
        }
    }
}

/// Says in the audit that lines are missing.
fn write_gap(sink: &mut dyn Sink, dropped: u64) -> Result<(), String> {
    if dropped == 0 {
        return Ok(());
    }
    let gap = Gap { version: VERSION, time: time(SystemTime::now()), dropped };
    sink.write(&serde_json::to_string(&gap).unwrap_or_default())
}

/// A time in UTC with milliseconds: `2026-11-27T08:15:30.250Z`.
#[must_use]
pub fn time(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    // Always three digits, so that the texts sort as the times do.
    let whole = prost_types::Timestamp { seconds, nanos: 0 }.to_string();
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), since_epoch.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::tell::line::{Client, Entry};

    fn line(id: usize) -> Line {
        Line {
            version: VERSION,
            time: time(SystemTime::UNIX_EPOCH),
            id: id.to_string(),
            method: "PullImage".to_owned(),
            client: Client { pid: None, uid: 0, program: None },
            pod: None,
            asked: "a".repeat(100),
            name: None,
            rule: None,
            mode: "enforce".to_owned(),
            verdict: None,
            locked: None,
            would: None,
            candidates: Vec::new(),
            served: None,
            verified: Vec::new(),
            outcome: "pulled".to_owned(),
            code: "OK".to_owned(),
            reason: None,
            seconds: 0.0,
            containerd_seconds: 0.0,
            policy: String::new(),
        }
    }

    /// Writes when it is told to.
    struct Slow(mpsc::Receiver<Result<(), String>>, mpsc::Sender<String>);

    impl Sink for Slow {
        fn name(&self) -> String {
            "here".to_owned()
        }
        fn prepare(&mut self) -> Result<(), String> {
            Ok(())
        }
        fn reopen(&mut self) {}
        fn write(&mut self, line: &str) -> Result<(), String> {
            self.0.recv().unwrap()?;
            self.1.send(line.to_owned()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_disk_that_hangs_makes_nobody_wait_and_what_is_dropped_is_counted_and_told() {
        let ((go, gate), (out, lines)) = (mpsc::channel(), mpsc::channel());
        let audit = Audit::with(Slow(gate, out)).unwrap();
        for id in 0..3 * MOST_LINES {
            audit.tell(&line(id));
        }
        let dropped = audit.dropped();
        assert!(dropped as usize >= 2 * MOST_LINES - 1, "{dropped}");
        let is_full =
            || audit.problem().is_some_and(|why| why.starts_with("too many lines wait to be written; "));
        assert!(is_full());
        // One place that is free is no end of it.
        go.send(Ok(())).unwrap();
        go.send(Ok(())).unwrap();
        let written = [lines.recv().unwrap(), lines.recv().unwrap()];
        assert!(is_full());
        (0..3 * MOST_LINES).for_each(|_| go.send(Ok(())).unwrap());
        audit.flush(Duration::from_secs(300));
        audit.tell(&line(0));
        audit.flush(Duration::from_secs(300));
        let entries: Vec<Entry> = written
            .into_iter()
            .chain(lines.try_iter())
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect();
        let gaps = entries.iter().filter_map(|entry| match entry {
            Entry::Gap(gap) => Some(gap.dropped),
            Entry::Decision(_) => None,
        });
        assert_eq!(gaps.sum::<u64>(), audit.dropped());
        assert_eq!(audit.problem(), None);
    }

    #[test]
    fn what_cannot_be_written_is_a_problem_until_a_line_is_written() {
        let ((go, gate), (out, lines)) = (mpsc::channel(), mpsc::channel());
        let audit = Audit::with(Slow(gate, out)).unwrap();
        go.send(Err("no room".to_owned())).unwrap();
        audit.tell(&line(1));
        audit.flush(Duration::from_secs(300));
        assert_eq!((audit.dropped(), audit.problem().as_deref()), (1, Some("no room; 1 line is missing")));
        go.send(Ok(())).unwrap();
        go.send(Ok(())).unwrap();
        audit.tell(&line(2));
        audit.flush(Duration::from_secs(300));
        assert_eq!((audit.written(), audit.dropped(), audit.problem()), (1, 1, None));
        let gap: Gap = serde_json::from_str(&lines.recv().unwrap()).unwrap();
        assert_eq!(gap.dropped, 1);
    }

    #[test]
    fn times_sort_as_texts() {
        let at = |millis| time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
        assert_eq!(at(1_700_000_000_250), "2023-11-14T22:13:20.250Z");
        assert_eq!(at(1_700_000_001_000), "2023-11-14T22:13:21.000Z");
    }
}
