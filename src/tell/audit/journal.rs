//! The audit in the journal of systemd, as records of its own: `journalctl -t cri-shunt-audit -o cat` shows the lines.
//!
//! The form of a record is described at <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use super::sink::Sink;

/// Where the journal takes records.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// By which the records are found.
const IDENTIFIER: &str = "cri-shunt-audit";

/// The journal.
pub(super) struct Journal {
    at: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Journal {
    /// The journal that listens there.
    pub(super) fn new(at: PathBuf) -> Self {
        Self { at, socket: None }
    }
}

impl Sink for Journal {
    fn name(&self) -> String {
        "the journal".to_owned()
    }

    fn prepare(&mut self) -> Result<(), String> {
        match std::fs::metadata(&self.at) {
            Ok(_) => Ok(()),
            Err(why) => Err(format!("cannot reach the journal at {}: {why}", self.at.display())),
        }
    }

    fn reopen(&mut self) {
        self.socket = None;
    }

    fn write(&mut self, line: &str) -> Result<(), String> {
        let failed =
            |why: std::io::Error| format!("cannot write to the journal at {}: {why}", self.at.display());
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => UnixDatagram::unbound().map_err(failed)?,
        };
        // JSON has no line break of its own, so the simple form of a field is enough.
        let record = format!("PRIORITY=6\nSYSLOG_IDENTIFIER={IDENTIFIER}\nMESSAGE={line}\n");
        socket.send_to(record.as_bytes(), &self.at).map_err(failed)?;
        self.socket = Some(socket);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_record_of_the_journal() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("socket");
        let mut journal = Journal::new(at.clone());
        assert!(journal.prepare().unwrap_err().contains("cannot reach the journal at "));
        journal.write("{}").unwrap_err();
        let theirs = UnixDatagram::bind(&at).unwrap();
        journal.prepare().unwrap();
        journal.write(r#"{"version":1}"#).unwrap();
        let mut record = [0; 1000];
        let length = theirs.recv(&mut record).unwrap();
        let expected = "PRIORITY=6\nSYSLOG_IDENTIFIER=cri-shunt-audit\nMESSAGE={\"version\":1}\n";
        assert_eq!(std::str::from_utf8(&record[..length]).unwrap(), expected);
    }
}
