//! How one registry is reached: host, scheme, API root, TLS settings, headers.
//!
//! The configuration says it; the registry client asks so, and `containerd::hosts` writes it for containerd.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::access::{Access, Scheme};
use crate::files::regular_file;
use crate::files::secret::Secret;

/// In bytes; no server takes a longer header.
const LONGEST_HEADER: u64 = 64 << 10;

/// How one registry is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The host that is really asked, with its port where it has one.
    pub host: String,
    /// The schemes that are tried, in order.
    pub schemes: Vec<&'static str>,
    /// The root of the API, without a slash at its end; none for `/v2`.
    pub api_root: Option<String>,
    /// Certificate authorities beside or in place of the machine's, as containerd has it: beside.
    pub ca: Vec<PathBuf>,
    /// Client certificates, each with its key where that is not in the same file.
    pub client: Vec<(PathBuf, Option<PathBuf>)>,
    /// Whether the registry's certificate is not looked at.
    pub skip_verify: bool,
    /// Headers of every request, several of one name included.
    pub headers: Vec<(String, HeaderValue)>,
    /// How long a connection may take to come about, as written.
    pub dial_timeout: Option<String>,
}

/// The value of a header, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// As written.
    Text(Secret),
    /// The text of a file, read whenever the file for containerd is written.
    File(PathBuf),
}

/// A header of an endpoint whose value cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the header {name} for {host}: {error}")]
pub struct HeaderError {
    name: String,
    host: String,
    #[source]
    error: io::Error,
}

impl Endpoint {
    /// How it is asked for the names of `host`: by one access after the other; never none. Reads files.
    ///
    /// containerd tries plain http with options of TLS over TLS first, but for port 80
    /// (`core/remotes/docker/config/hosts.go`), and tells in `ns` which registry a name is of where another
    /// host is asked for it (`resolver.go`).
    ///
    /// # Errors
    /// A header's file that cannot be read.
    pub fn accesses(&self, host: &str) -> Result<Vec<Access>, HeaderError> {
        // containerd has a limit of its own for a connection only from 2.1 on; this program's is for all.
        let Self { host: asked, schemes, api_root, ca, client, skip_verify, headers, dial_timeout: _ } = self;
        let hub = host == "docker.io" && asked == "registry-1.docker.io";
        let namespace = (asked != host && !hub).then(|| host.to_owned());
        let has_tls = *skip_verify || !ca.is_empty() || !client.is_empty();
        let port = asked.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        let ambiguous = has_tls && port.is_some_and(|port| port != "80");
        let mut read = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            let value = value.read().map_err(|error| HeaderError {
                name: name.clone(),
                host: asked.clone(),
                error,
            })?;
            read.push((name.clone(), value));
        }
        let scheme = |scheme: &str| match scheme {
            "https" => Scheme::Https,
            _ if ambiguous => Scheme::HttpsElseHttp,
            _ => Scheme::Http,
        };
        let access = |word: &&str| Access {
            scheme: scheme(word),
            host: asked.clone(),
            root: api_root.clone().unwrap_or_else(|| "/v2".to_owned()),
            namespace: namespace.clone(),
            ca: ca.clone(),
            // containerd chooses by the authorities that the registry names, where there are several.
            client_cert: client.first().cloned(),
            skip_verify: *skip_verify,
            headers: read.clone(),
        };
        Ok(schemes.iter().map(access).collect())
    }
}

impl fmt::Display for Endpoint {
    /// In a few words, for `explain`: `https`, `http`, and what else there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host: _, schemes, api_root, ca, client, skip_verify, headers, dial_timeout: _ } = self;
        f.write_str(&schemes.join(", then "))?;
        if let Some(root) = api_root {
            write!(f, ", API root {root}/")?;
        }
        for file in ca {
            write!(f, ", CA {}", file.display())?;
        }
        for (cert, _) in client {
            write!(f, ", client certificate {}", cert.display())?;
        }
        if *skip_verify {
            f.write_str(", its certificate is not looked at")?;
        }
        for (name, _) in headers {
            write!(f, ", header {name}")?;
        }
        Ok(())
    }
}

// === impl HeaderValue ===

impl HeaderValue {
    /// The value. A line break at the end of a file is not part of it.
    ///
    /// # Errors
    /// A file that can't be read, or whose text is no header's value.
    pub fn read(&self) -> io::Result<Secret> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let bytes = regular_file::read(path, LONGEST_HEADER)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not one line of text"));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_line_of_bearable_length() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let value = HeaderValue::File(file.path().to_owned()).read();
            value.map(|value| value.expose().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read("Basic x\r\n"), Ok("Basic x".to_owned()));
        for bad in ["", "\n", "a\nb"] {
            assert_eq!(read(bad), Err("it is not one line of text".to_owned()), "{bad:?}");
        }
        let longest = "x".repeat(usize::try_from(LONGEST_HEADER).unwrap());
        read(&longest).unwrap();
        assert_eq!(read(&format!("{longest}x")), Err("it is longer than 64 KiB".to_owned()));
    }

    #[test]
    fn a_header_from_a_file_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let value = HeaderValue::File(file.clone());
        value.read().unwrap_err();
        std::fs::write(&file, "Bearer x\n").unwrap();
        assert_eq!(value.read().unwrap().expose(), "Bearer x");
        std::fs::write(&file, "a\nb\n").unwrap();
        assert!(value.read().unwrap_err().to_string().contains("one line"));
    }
}
