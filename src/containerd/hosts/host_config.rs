//! How one registry is reached, with everything that is said of it put together.
//!
//! Before: `host_settings` has the single statements.  After: `file` writes it for containerd; whoever asks the registry
//! itself does as it says.
//! Holds: plain http is what an address says, and http as a fallback only comes beside https.

use std::fmt;
use std::path::PathBuf;

use super::host_settings::{HeaderValue, Transport, TransportNeed, host_asked};

/// A way to a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
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

impl Reach {
    /// Puts together what is said of a host.
    pub(super) fn of(host: &str, needs: &[&TransportNeed]) -> Self {
        let mut reach = Self { host: host.to_owned(), schemes: vec!["https"], ..Self::default() };
        for need in needs {
            reach.add(&need.what);
        }
        // containerd makes this of the name by itself, but not where a file says otherwise.
        reach.host = host_asked(&reach.host).to_owned();
        reach
    }

    fn add(&mut self, what: &Transport) {
        match what {
            Transport::PlainHttp => self.schemes = vec!["http"],
            Transport::HttpFallback if self.schemes == ["https"] => self.schemes.push("http"),
            Transport::HttpFallback => {}
            Transport::AskedAs(real) => self.host.clone_from(real),
            Transport::ApiRoot(root) => self.api_root = Some(root.trim_end_matches('/').to_owned()),
            Transport::CaFile(path) if !self.ca.contains(path) => self.ca.push(path.clone()),
            Transport::CaFile(_) => {}
            Transport::ClientCert { cert, key } => {
                let pair = (cert.clone(), key.clone());
                if !self.client.contains(&pair) {
                    self.client.push(pair);
                }
            }
            Transport::SkipVerify => self.skip_verify = true,
            Transport::Header { name, value } => self.headers.push((name.clone(), value.clone())),
            Transport::DialTimeout(time) => self.dial_timeout = Some(time.clone()),
        }
    }
}

impl fmt::Display for Reach {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::secret::Secret;
    use crate::policy::{Layer, Source};

    #[test]
    fn everything_that_is_said_is_put_together() {
        let need = |what| TransportNeed {
            host: "m.dev:0443".to_owned(),
            what,
            source: Source { file: Arc::from("f"), line: 1 },
            layer: Layer::Native,
        };
        let header = HeaderValue::Text(Secret::new("hunter2".to_owned()));
        let needs = [
            need(Transport::HttpFallback),
            need(Transport::AskedAs("m.dev".to_owned())),
            need(Transport::ApiRoot("/p/".to_owned())),
            need(Transport::CaFile("/a".into())),
            need(Transport::CaFile("/a".into())),
            need(Transport::ClientCert { cert: "/c".into(), key: None }),
            need(Transport::SkipVerify),
            need(Transport::Header { name: "X".to_owned(), value: header }),
        ];
        let reach = Reach::of("m.dev:0443", &needs.iter().collect::<Vec<_>>());
        assert_eq!((reach.host.as_str(), reach.ca.len()), ("m.dev", 1));
        assert_eq!(
            reach.to_string(),
            "https, then http, API root /p/, CA /a, client certificate /c, its certificate is not looked at, header X"
        );
        assert!(!format!("{reach:?}").contains("hunter2"));
        assert_eq!(Reach::of("docker.io", &[]).host, "registry-1.docker.io");
        assert_eq!(Reach::of("m.dev", &[]).to_string(), "https");
    }
}
