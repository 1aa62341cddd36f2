//! Runs a helper program once: input in, output out, and an end in any case.
//!
//! Before: `docker` and `kubelet` know which program to ask what.  After: they read its answer.
//! Holds: the program has the little environment that it is given, a process group of its own, and so much
//! time and output; what exceeds either is killed with all its children, and so is a program whose asker
//! has gone. The thread is never blocked, and input and output flow at once, so nobody waits for the other.
//! Not here: what is said (`docker::helper`, `kubelet::exchange`).

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::files::secret::Secret;

/// An answer with credentials has a few hundred bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// So much of the complaints is kept.
const MAX_COMPLAINT: usize = 4 << 10;

/// So much of them is shown.
const SHOWN_COMPLAINT: usize = 300;

/// Variables of our own that a program gets: how it finds its files, and the way out of the network.
const INHERITED: [&str; 10] = [
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Where programs look for programs if we were started without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program gave no answer. Nothing of its output is in it, only of its complaints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run {}: {message}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The system's words.
        message: String,
    },
    /// It took too long.
    #[error("{} gave no answer within {} s and was killed", program.display(), after.as_secs_f32())]
    Slow {
        /// The program.
        program: PathBuf,
        /// How long it had.
        after: Duration,
    },
    /// It wrote too much.
    #[error("{} wrote more than {} KiB and was killed", program.display(), MAX_OUTPUT >> 10)]
    TooMuch {
        /// The program.
        program: PathBuf,
    },
    /// It ended badly.
    #[error("{} failed ({status}){complaint}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// Its last words with `: ` in front, or nothing.
        complaint: String,
    },
    /// The system failed us.
    #[error("cannot talk to {}: {message}", program.display())]
    Talk {
        /// The program.
        program: PathBuf,
        /// The system's words.
        message: String,
    },
}

/// A program and what it is started with.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// An absolute path: nothing is looked up.
    pub(super) path: &'a Path,
    pub(super) arguments: &'a [String],
    pub(super) environment: &'a [(String, Secret)],
    pub(super) timeout: Duration,
}

/// How a program ended by itself.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Kills the program's process group unless it has been waited for. Nobody waits for its end: one that hangs in
/// the kernel does not end before that lets it. Its exit status is taken by tokio, which keeps a child that was
/// dropped (`kill_on_drop`) until it has ended.
struct Group {
    id: Option<Pid>,
}

// === impl Program ===

impl Program<'_> {
    /// Runs it with `input` on its stdin.
    pub(super) async fn run(&self, input: Vec<u8>) -> Result<Finished, ProgramError> {
        let mut child = self.spawn()?;
        let mut group = Group { id: child.id().and_then(|id| Pid::from_raw(id.cast_signed())) };
        let talk = tokio::time::timeout(self.timeout, self.talk(&mut child, input)).await;
        let slow = ProgramError::Slow { program: self.path.to_path_buf(), after: self.timeout };
        let finished = talk.unwrap_or(Err(slow))?;
        group.id = None;
        Ok(finished)
    }

    fn spawn(&self) -> Result<Child, ProgramError> {
        let mut command = Command::new(self.path);
        command.args(self.arguments).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("PATH", DEFAULT_PATH);
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.environment.iter().map(|(name, value)| (name, value.expose())));
        command.spawn().map_err(|error| ProgramError::Start {
            program: self.path.to_path_buf(),
            message: error.to_string(),
        })
    }

    async fn talk(&self, child: &mut Child, input: Vec<u8>) -> Result<Finished, ProgramError> {
        let failed = |error: std::io::Error| ProgramError::Talk {
            program: self.path.to_path_buf(),
            message: error.to_string(),
        };
        let stdin = child.stdin.take();
        let write = async move {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input may still know the answer.
                let _ = stdin.write_all(&input).await;
            }
            Ok(())
        };
        let stdout = child.stdout.take();
        let read = async {
            let (bytes, whole) = head(stdout, MAX_OUTPUT, false).await.map_err(failed)?;
            let too_much = ProgramError::TooMuch { program: self.path.to_path_buf() };
            if whole { Ok(bytes) } else { Err(too_much) }
        };
        let stderr = child.stderr.take();
        let complain = async { head(stderr, MAX_COMPLAINT, true).await.map_err(failed) };
        let ((), stdout, (stderr, _)) = tokio::try_join!(write, read, complain)?;
        let status = child.wait().await.map_err(failed)?;
        Ok(Finished { status, stdout, stderr })
    }
}

/// The first `limit` bytes of a stream, and whether that was all. With `drain` the rest is read and thrown
/// away, so that its writer is not stopped.
async fn head(
    stream: Option<impl AsyncRead + Unpin>,
    limit: usize,
    drain: bool,
) -> std::io::Result<(Vec<u8>, bool)> {
    let Some(mut stream) = stream else { return Ok((Vec::new(), true)) };
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let mut whole = true;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok((bytes, whole));
        }
        let wanted = count.min(limit - bytes.len());
        bytes.extend_from_slice(&buffer[..wanted]);
        whole &= wanted == count;
        if !whole && !drain {
            return Ok((bytes, whole));
        }
    }
}

// === impl Finished ===

impl Finished {
    /// The output, where the program says that it succeeded.
    pub(super) fn success(self, program: &Path) -> Result<Vec<u8>, ProgramError> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(self.failure(program, ""))
    }

    /// The failure in words: the program's complaints, or `otherwise` where it has none.
    pub(super) fn failure(&self, program: &Path, otherwise: &str) -> ProgramError {
        let stderr = String::from_utf8_lossy(&self.stderr);
        let complaint = match stderr.trim() {
            "" => otherwise.trim(),
            complaint => complaint,
        };
        ProgramError::Failed {
            program: program.to_path_buf(),
            status: self.status.to_string(),
            complaint: shown(complaint),
        }
    }
}

/// The last line, short and without control characters: it may end in a pod's events.
fn shown(complaint: &str) -> String {
    let line = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(SHOWN_COMPLAINT).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

// === impl Group ===

impl Drop for Group {
    /// It has failed, or its asker has gone. The program has not been waited for, so its id is still its own.
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Where nothing of it is left, there is nothing to kill.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
