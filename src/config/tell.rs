//! The keys of `[audit]` and `[metrics]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::defaults;
use super::diagnostic::Problem;
use super::path::absolute;
use super::refusal::Refusal;
use super::section::Section;
use super::socket_path::{SocketPath, SocketPathError};
use crate::serve::metrics::MetricsAt;
use crate::tell::audit::AuditTo;

/// The smallest bound of the audit's file. One line with a long rule has some kilobytes.
const LEAST: u64 = 64 << 10;

/// The units of a size.
const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];

/// Reads `[audit]`.
pub(super) fn read_audit(section: Option<Section<'_>>, out: &mut Vec<Problem>) -> Option<AuditTo> {
    let mut section = section?;
    let file = section.parse("file", out, file);
    let most = section.parse("max-size", out, size);
    let journal = section.boolean("journal", out).filter(|set| set.value);
    section.finish(out);
    match (file, journal) {
        (Some(_), Some(journal)) => {
            let problem = Problem::error("`audit.file` and `audit.journal` are both set");
            out.push(problem.at(&journal.at).hint("the audit goes to one place: remove one of the two"));
            None
        }
        (Some(file), None) => {
            let most = most.map_or(defaults::AUDIT_MAX_SIZE, |set| set.value);
            Some(AuditTo::File { path: file.value, most })
        }
        (None, journal) => {
            if let Some(most) = most {
                let problem = Problem::warning("`audit.max-size` has no effect without `audit.file`");
                out.push(problem.at(&most.at));
            }
            journal.map(|_| AuditTo::Journal)
        }
    }
}

fn file(text: &str) -> Result<PathBuf, Refusal> {
    let path = absolute(text)?;
    match path.file_name() {
        Some(_) if !text.ends_with('/') => Ok(path),
        _ => Err(Refusal::new(format!("\"{text}\" is not the name of a file"))),
    }
}

/// Reads `[metrics]`.
pub(super) fn read_metrics(section: Option<Section<'_>>, out: &mut Vec<Problem>) -> Option<MetricsAt> {
    let mut section = section?;
    let listen = section.parse("listen", out, listen);
    section.finish(out);
    listen.map(|set| set.value)
}

/// A path, or an address of the loopback.
fn listen(text: &str) -> Result<MetricsAt, Refusal> {
    if text.starts_with('/') {
        let path: SocketPath =
            text.parse().map_err(|error: SocketPathError| Refusal::new(error.to_string()))?;
        return Ok(MetricsAt::Unix(path.as_path().to_owned()));
    }
    let example =
        "write a path such as \"/run/cri-shunt/metrics.sock\", or an address such as \"127.0.0.1:9817\"";
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match local {
        Some(port) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    match address {
        Some(address) if address.ip().is_loopback() && address.port() > 0 => Ok(MetricsAt::Tcp(address)),
        Some(address) if address.port() == 0 => {
            Err(Refusal::new(format!("\"{text}\" has no port")).hint(example))
        }
        Some(_) => Err(Refusal::new(format!("\"{text}\" is not on the loopback"))
            .hint("there is no login and no encryption; let a proxy serve it to other machines")),
        None => Err(Refusal::new(format!("\"{text}\" is no path and no address")).hint(example)),
    }
}

/// `16MiB`, with a space or without.
fn size(text: &str) -> Result<u64, Refusal> {
    let refused = || Refusal::new(format!("\"{text}\" is not a size")).hint("write it like \"16MiB\"");
    let unit = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = unit.ok_or_else(refused)?;
    let number = number.trim_end_matches(' ');
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits).ok_or_else(refused)?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(refused)?;
    if bytes < LEAST {
        return Err(Refusal::new(format!("\"{text}\" is too small")).hint("the least is \"64KiB\""));
    }
    Ok(bytes)
}
