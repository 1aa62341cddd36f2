//! Runs a helper program once, and ends it in any case.
//!
//! Holds: the program has a small environment, a process group of its own, and limits for time and output. It is
//! killed with all its children when it exceeds a limit, or when the pull that needs it has ended. The thread
//! is never blocked; input and output are handled at the same time, so neither side waits for the other.
//! Not here: input and output themselves (`docker::helper`, `kubelet::exchange`).

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::files::secret::Secret;

/// The most output; an answer with credentials has a few hundred bytes.
const MAX_OUTPUT: usize = 1 << 20;

/// How much of stderr is kept.
const MAX_COMPLAINT: usize = 4 << 10;

/// How many characters of stderr are shown.
const SHOWN_COMPLAINT: usize = 300;

/// Variables of this process that a program gets: where its files are, and the proxies.
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

/// The `PATH` of a program if this process has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a program gave no answer. Nothing of its stdout is in it, only of its stderr.
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
    /// It failed.
    #[error("{} failed ({status}){complaint}", program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// The last line of stderr with `: ` in front, or nothing.
        complaint: String,
    },
    /// An error of the system.
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

/// The result of a program that was not killed.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Kills the program's process group unless the program has ended and was waited for. It does not wait for the
/// end, because a process that hangs in the kernel cannot end. tokio collects the exit status: it keeps a
/// dropped child (`kill_on_drop`) until it has ended.
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

/// The first `limit` bytes of a stream, and whether that was all. With `drain` the rest is read and dropped, so
/// that its writer is not blocked.
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
    /// The output, if the exit status says success.
    pub(super) fn success(self, program: &Path) -> Result<Vec<u8>, ProgramError> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(self.failure(program, ""))
    }

    /// The failure in words: the program's stderr, or `otherwise` if that is empty.
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

/// The last line, short and without control characters: it may be shown in a pod's events.
fn shown(complaint: &str) -> String {
    let line = complaint.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).take(SHOWN_COMPLAINT).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}

// === impl Group ===

impl Drop for Group {
    /// The program was not waited for, so the process id is still its own.
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // An error means that no process of it is left.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests;
