//! Looks at the certificates that a host's needs name, before containerd stumbles over them.
//!
//! Before: `config` has read the needs; `keep` looks again with each pass.  After: a fault names host and
//! file.
//! Holds: what is read is bounded, whatever the file is.
//! Not here: whether a registry's certificate was issued by them, which containerd finds out.
//!
//! Source: RFC 7468 (the text form), RFC 5280 4.1 (where the dates are).

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::need::{Transport, TransportNeed};

mod dates;

use dates::Date;

/// No file of certificates is larger.
const LARGEST: u64 = 8 << 20;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The host that it is for.
    pub host: String,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Everything that is wrong with the files of these needs.
pub fn faults<'n>(needs: impl IntoIterator<Item = &'n TransportNeed>, now: SystemTime) -> Vec<Fault> {
    let now = Date::of(now);
    let mut faults = Vec::new();
    for need in needs {
        let mut add = |file: &Path, result: Result<(), Wrong>| {
            let Err(Wrong(what)) = result else { return };
            faults.push(Fault { host: need.host.clone(), file: file.to_owned(), what });
        };
        match &need.what {
            Transport::CaFile(file) => add(file, certificates(file, now, Which::Any)),
            Transport::ClientCert { cert, key } => {
                add(cert, certificates(cert, now, Which::First));
                let key = key.as_ref().unwrap_or(cert);
                add(key, private_key(key));
            }
            Transport::Header { value, .. } => {
                if let super::HeaderValue::File(file) = value {
                    add(file, value.read().map(drop).map_err(|error| Wrong(error.to_string())));
                }
            }
            _ => {}
        }
    }
    faults
}

/// Which certificates of a file must be in their time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// One of them: a bundle may hold old ones.
    Any,
    /// The first, which is the one that is shown.
    First,
}

/// What is wrong, in words.
struct Wrong(String);

fn certificates(file: &Path, now: Date, which: Which) -> Result<(), Wrong> {
    let blocks = blocks(file)?;
    let found: Vec<&Block> = blocks.iter().filter(|block| block.label == "CERTIFICATE").collect();
    if found.is_empty() {
        return Err(Wrong(match blocks.first() {
            Some(block) => format!("it holds no certificate, but {}", block.label),
            None => "it holds no certificate in PEM form".to_owned(),
        }));
    }
    let mut first = None;
    for block in found {
        let dates = decode(&block.body).and_then(|der| dates::validity(&der));
        let Some((begins, ends)) = dates else {
            return Err(Wrong("a certificate in it is damaged".to_owned()));
        };
        let fault = match () {
            () if now > ends => Some(format!("its certificate expired on {ends}")),
            () if now < begins => Some(format!("its certificate is not valid before {begins}")),
            () => None,
        };
        match fault {
            None if which == Which::Any => return Ok(()),
            fault => first = first.or(Some(fault)),
        }
    }
    match first.flatten() {
        Some(what) => Err(Wrong(what)),
        None => Ok(()),
    }
}

fn private_key(file: &Path) -> Result<(), Wrong> {
    let blocks = blocks(file)?;
    match blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")) {
        Some(block) if block.label.starts_with("ENCRYPTED") => {
            Err(Wrong("its key is encrypted, and containerd has no password for it".to_owned()))
        }
        Some(_) => Ok(()),
        None => Err(Wrong("it holds no private key in PEM form".to_owned())),
    }
}

struct Block {
    label: String,
    body: String,
}

fn blocks(file: &Path) -> Result<Vec<Block>, Wrong> {
    let failed = |error: std::io::Error| Wrong(error.to_string());
    let mut text = Vec::new();
    // Anything else may have no end, or no beginning.
    if !std::fs::metadata(file).map_err(failed)?.is_file() {
        return Err(Wrong("it is no file".to_owned()));
    }
    std::fs::File::open(file).map_err(failed)?.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines().map(str::trim) {
        let label = |start: &str| Some(line.strip_prefix(start)?.strip_suffix("-----")?.to_owned());
        if let Some(label) = label("-----BEGIN ") {
            open = Some(Block { label, body: String::new() });
        } else if let Some(end) = label("-----END ") {
            blocks.extend(open.take().filter(|block| block.label == end));
        } else if let Some(block) = &mut open {
            block.body.push_str(line);
        }
    }
    Ok(blocks)
}

/// Base64 (RFC 4648), without breaks.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, for the registry {}: {}", self.file.display(), self.host, self.what)
    }
}

#[cfg(test)]
mod tests;
